"""From the folds' predictions to judged accounts: of each fold, of the whole, of every path."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ultimate_deep.evaluation.assessment import judged_intervals
from ultimate_deep.evaluation.ledger.trial import TrialCount
from ultimate_deep.evaluation.robustness.trade import Decisions
from ultimate_deep.evaluation.schemes.combinatorial import CombinatorialPurged
from ultimate_deep.evaluation.schemes.scheme import Scheme
from ultimate_deep.evaluation.signals import signal_from_probability
from ultimate_deep.evaluation.significance.bootstrap import Interval
from ultimate_deep.evaluation.verdicts.verdict import Verdict
from ultimate_deep.experiments.experiment import Prepared
from ultimate_deep.experiments.learners.registry import simpler_than
from ultimate_deep.experiments.walk_forward.folds import MODEL, FoldResult
from ultimate_deep.pipeline.judge import Judge, Judgement


@dataclass(frozen=True, eq=False)
class JudgedPart:
    """One account with its verdict.

    Args:
        name: Name of the fold or path.
        rows: Row numbers judged, `(rows,)`.
        signal: Wanted positions of the rows, `(rows,)`.
        judged: The account and its figures; its threshold is NaN where the folds' differ.
        verdict: Whether it shows an edge.
    """

    name: str
    rows: np.ndarray
    signal: np.ndarray
    judged: Judgement
    verdict: Verdict


@dataclass(frozen=True, eq=False)
class JudgedWalk:
    """All accounts of a walk-forward.

    Args:
        whole: The account of all test parts in a row; with several paths, the path in the middle
            by Sharpe ratio.
        rivals: The baselines over the same rows, and buy and hold.
        folds: Each fold's own account.
        paths: The accounts of all paths; one where each row is tested once.
        intervals: Intervals of the whole's headline figures.
    """

    whole: JudgedPart
    rivals: tuple[Judgement, ...]
    folds: tuple[JudgedPart, ...]
    paths: tuple[JudgedPart, ...]
    intervals: dict[str, Interval]


def judge_walk(
    prepared: Prepared, scheme: Scheme, results: Sequence[FoldResult], *, trials: TrialCount
) -> JudgedWalk:
    """Judge every fold, and all of them joined.

    Args:
        prepared: Bars, rows and costs.
        scheme: Scheme that made the folds.
        results: One for each of its folds, in order.
        trials: What had been tried on these bars, this strategy included.
    """
    folds = tuple(
        _judge_part(
            prepared, f"fold {number}", result.rows, result.probability[0],
            _signals(prepared, result, 0), _majority_up(prepared, result), trials,
        )
        for number, result in enumerate(results, start=1)
    )  # fmt: skip
    joined = _join(prepared, scheme, results, MODEL)
    several = len(joined) > 1
    rivals = _rivals(prepared, scheme, results)
    paths = tuple(
        _judge_part(prepared, f"path {number}" if several else "whole", *part, trials, others)
        for number, (part, others) in enumerate(zip(joined, rivals, strict=True), start=1)
    )
    whole = middle_path(paths)
    number = paths.index(whole)
    return JudgedWalk(whole, rivals[number], folds, paths, _intervals(prepared, whole))


def _rivals(
    prepared: Prepared, scheme: Scheme, results: Sequence[FoldResult]
) -> list[tuple[Judgement, ...]]:
    """Return the baselines and buy and hold of each path."""
    names = results[0].names[1:]
    joined = [_join(prepared, scheme, results, name) for name in names]
    own = _join(prepared, scheme, results, MODEL)
    found = []
    for number, (rows, *_, majority_up) in enumerate(own):
        judge = _judge_of(prepared, rows, majority_up)
        others = [
            _judgement(judge, name, *paths[number][1:3])
            for name, paths in zip(names, joined, strict=True)
        ]
        found.append((*others, judge.judge_buy_and_hold()))
    return found


def middle_path(paths: Sequence[JudgedPart]) -> JudgedPart:
    """Return the path with the median Sharpe ratio, the lower one of two; undefined ones last."""
    worst_first = sorted(
        paths, key=lambda path: np.nan_to_num(path.judged.metrics["sharpe"], nan=-np.inf)
    )
    return worst_first[(len(paths) - 1) // 2]


def _intervals(prepared: Prepared, part: JudgedPart) -> dict[str, Interval]:
    """Block-bootstrap intervals of an account's headline figures."""
    rows, probability = prepared.rows, part.judged.probability
    assert probability is not None
    decisions = Decisions(
        probability=probability,
        label=rows.labels[part.rows],
        return_log=rows.return_log[part.rows],
        decision_time=rows.decision_time[part.rows],
    )
    return judged_intervals(
        part.verdict,
        part.judged.backtest,
        decisions,
        horizon_bars=prepared.config.label.horizon_bars,
        seed=prepared.config.seed,
    )


def _join(
    prepared: Prepared, scheme: Scheme, results: Sequence[FoldResult], name: str
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Return rows, probability, signal and class of the majority of each path of one predictor."""
    columns = [
        [result.probability[result.names.index(name)] for result in results],
        [_signals(prepared, result, result.names.index(name)) for result in results],
        [_majority_up(prepared, result) for result in results],
    ]
    if isinstance(scheme, CombinatorialPurged):
        rows = prepared.complete
        first, second, third = (scheme.join(column) for column in columns)
        return [(rows, *each) for each in zip(first, second, third, strict=True)]
    rows = np.concatenate([result.rows for result in results])
    order = np.argsort(rows)
    first, second, third = (np.concatenate(column)[order] for column in columns)
    return [(rows[order], first, second, third)]


def _majority_up(prepared: Prepared, result: FoldResult) -> np.ndarray:
    """Class that most labels of the fold's own training part had, for each of its rows; that of the
    rows before them all where an older fold does not say.
    """
    up = result.facts.get("majority_up", prepared.majority_up)
    return np.full(len(result.rows), bool(up))


def _signals(prepared: Prepared, result: FoldResult, place: int) -> np.ndarray:
    return signal_from_probability(
        result.probability[place],
        float(result.thresholds[place]),
        mode=prepared.config.backtest.mode,
    )


def _judge_part(
    prepared: Prepared,
    name: str,
    rows: np.ndarray,
    probability: np.ndarray,
    signal: np.ndarray,
    majority_up: np.ndarray,
    trials: TrialCount,
    rivals: Sequence[Judgement] = (),
) -> JudgedPart:
    judge = _judge_of(prepared, rows, majority_up)
    judged = _judgement(judge, MODEL, probability, signal)
    known = simpler_than(prepared.config.model.name)
    verdict = judge.verdict(
        judged,
        trials=trials,
        simpler=[one for one in rivals if one.name in known],
        others=[one for one in rivals if one.name not in known],
        seed=prepared.config.seed,
    )
    return JudgedPart(name, rows, signal, judged, verdict)


def _judge_of(prepared: Prepared, rows: np.ndarray, majority_up: np.ndarray) -> Judge:
    return Judge(
        prepared.market,
        prepared.rows,
        part=rows,
        backtest=prepared.config.backtest,
        majority_up=majority_up,
    )


def _judgement(judge: Judge, name: str, probability: np.ndarray, signal: np.ndarray) -> Judgement:
    """Judge signals whose thresholds differ by fold."""
    at_one_half = judge.judge(name, probability, 0.5)  # for the figures of the probabilities
    account = judge.trade(signal, probability)
    metrics = at_one_half.metrics | dict(account.metrics)
    metrics |= {"threshold": math.nan, "coverage": float(np.mean(signal != 0))}
    return dataclasses.replace(
        at_one_half, threshold=math.nan, backtest=account, metrics=metrics, signal=signal
    )
