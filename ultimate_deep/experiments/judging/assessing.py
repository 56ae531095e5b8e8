"""From a judged part to its assessment: hands bars, rows and accounts to `evaluation`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ultimate_deep.evaluation.assessment import Assessment, AssessmentInputs, assess
from ultimate_deep.evaluation.backtesting.account import BacktestResult
from ultimate_deep.evaluation.backtesting.config import BacktestConfig
from ultimate_deep.evaluation.ledger.trial import TrialCount
from ultimate_deep.evaluation.robustness.regimes import market_state
from ultimate_deep.evaluation.robustness.trade import Decisions
from ultimate_deep.evaluation.verdicts.verdict import Verdict
from ultimate_deep.experiments.kept import Kept, digest_of, versions_of
from ultimate_deep.experiments.trials import configuration_digest
from ultimate_deep.pipeline.judge import Judge, Judgement

if TYPE_CHECKING:  # others' predictions are assessed without nets
    from ultimate_deep.experiments.experiment import Outcome, Prepared

STATE_BARS = 50  # over which trend and volatility of the regimes are measured


def assess_outcome(prepared: Prepared, outcome: Outcome, kept: Kept | None = None) -> Assessment:
    """Ask everything of a trained model's test part.

    Args:
        prepared: Data and split.
        outcome: What is assessed.
        kept: Where a run that goes on finds it.
    """

    def find() -> Assessment:
        return assess_judged(
            prepared.judge("test"),
            outcome.model,
            outcome.verdict,
            outcome.baselines,
            outcome.trials,
            before=prepared.split.train,
            seed=prepared.config.seed,
        )

    if kept is None:
        return find()
    judged = [one for one in (outcome.model, *outcome.baselines) if one.probability is not None]
    said = digest_of(*(np.asarray(one.probability) for one in judged))
    rows, tested = prepared.rows, prepared.part("test")
    origin = {
        "bars": prepared.market.fingerprint(),
        "labels": digest_of(tested, rows.labels[tested], rows.return_log[tested]),
        "experiment": configuration_digest(prepared.config, prepared.market.fills_digest),
        "probability": said,
        "threshold": float(outcome.model.threshold),
        "test_readings": outcome.trials.test_readings,
        "sharpe_variance": repr(outcome.trials.sharpe_variance),
    } | versions_of(of=("scipy", "pandas"))
    found = kept.record("assessment", Assessment, origin, find)
    return dataclasses.replace(found, verdict=outcome.verdict, trials=outcome.trials)


def assess_judged(
    judge: Judge,
    judged: Judgement,
    verdict: Verdict,
    rivals: Sequence[Judgement],
    trials: TrialCount,
    *,
    before: np.ndarray | None = None,
    seed: int = 0,
) -> Assessment:
    """Ask everything of one model's part of the rows.

    Args:
        judge: Who judged it.
        judged: Figures of the model.
        verdict: What it was found to be.
        rivals: Others on the same rows; those without probabilities are left out.
        trials: What had been tried on these bars, this model included.
        before: Row numbers from before the part, for the volatility regimes' bounds.
        seed: Seed of every draw.
    """
    assert judged.probability is not None
    probability = judged.probability

    def trade(signal: np.ndarray, rules: BacktestConfig) -> BacktestResult:
        return judge.trade(signal, probability, rules)

    trend, volatility = _market_state(judge)
    part = judge.part
    earlier = volatility[before] if before is not None else np.zeros(0)
    earlier = earlier[np.isfinite(earlier)]
    edges = np.quantile(earlier, [1.0 / 3.0, 2.0 / 3.0]) if len(earlier) else None
    return assess(
        AssessmentInputs(
            verdict=verdict,
            decisions=Decisions(
                probability=probability,
                label=judge.labels(),
                return_log=judge.rows.return_log[part],
                decision_time=judge.rows.decision_time[part],
                group=judge.rows.symbol_code[part],
                trend=trend[part],
                volatility=volatility[part],
            ),
            threshold=judged.threshold,
            trade=trade,
            config=judge.config,
            account=judged.backtest,
            trials=trials,
            rivals={r.name: r.probability for r in rivals if r.probability is not None},
            candidates=judged.choice.returns if judged.choice is not None else None,
            has_volume=_has_volume(judge),
            volatility_edges=None if edges is None else (float(edges[0]), float(edges[1])),
            seed=seed,
        )
    )


def _market_state(judge: Judge) -> tuple[np.ndarray, np.ndarray]:
    """Trend and volatility known at each row's decision, both `(rows,)`."""
    rows = judge.rows
    trend, volatility = np.full((2, len(rows.labels)), np.nan)
    for code, bars in enumerate(judge.market.bars.values()):
        chosen = rows.symbol_code == code
        state = market_state(bars.frame["close"].to_numpy(), window_bars=STATE_BARS)
        trend[chosen] = state["trend"].to_numpy()[rows.bar_row[chosen]]
        volatility[chosen] = state["volatility"].to_numpy()[rows.bar_row[chosen]]
    return trend, volatility


def _has_volume(judge: Judge) -> bool:
    """Whether every symbol was traded in most of its bars."""
    return all(
        float((bars.frame["volume"] > 0).mean()) > 0.5 for bars in judge.market.bars.values()
    )
