"""Everything that a verdict can rest on, for cheap predictors on one market.

The figures are stored, not the verdict, so that a rule is tried on all markets in a second.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import expit, logit

from benchmarks.verdicts.hard_markets import FOOLING, TRADABLE, Make
from benchmarks.verdicts.markets import JUMPS, WAVES
from ultimate_deep.evaluation.measures.spread import effective_spread, repeated_opens
from ultimate_deep.evaluation.signals import signal_from_probability
from ultimate_deep.evaluation.significance.bootstrap import Interval, mean_interval
from ultimate_deep.evaluation.significance.overfitting import backtest_overfitting
from ultimate_deep.evaluation.significance.summary import sharpe_significance
from ultimate_deep.evaluation.verdicts.knowledge import knowledge
from ultimate_deep.experiments.baselines import BaselineInputs, boosting_model, logistic_model
from ultimate_deep.experiments.experiment import baseline_inputs, prepare
from ultimate_deep.market.config import LabelSpec
from ultimate_deep.market.market import Market
from ultimate_deep.market.simulation_spec import RegimeSpec, SimulationSpec
from ultimate_deep.market.simulator import simulate_bars
from ultimate_deep.pipeline.config import ExperimentConfig, ModelConfig
from ultimate_deep.pipeline.judge import Judge, Judgement
from ultimate_deep.pipeline.prepared import Prepared
from ultimate_deep.training.progress import Progress

EDGE = 0.14
CONFIGURATIONS = 100
TREES = {"max_iter": 60, "max_features": 0.2}
ByPart = dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One kind of market.

    Args:
        make: Bars of rows and a seed.
        tradable: Whether there is an edge that pays after costs.
        label: What is predicted.
        chosen_from: Configurations of which the best on validation is judged.
    """

    make: Make
    tradable: bool
    label: LabelSpec = LabelSpec()
    chosen_from: int = 1


def simulated(edge: float, **spec: Any) -> Make:
    """Return a maker of the package's own simulated markets."""

    def make(rows: int, seed: int) -> dict[str, Any]:
        market = simulate_bars(rows, seed=seed, edge=edge, spec=SimulationSpec(**spec))
        return {market.bars.symbol: market.bars}

    return make


PLAIN = simulated(0.0)
CELLS: dict[str, Cell] = {
    "plain": Cell(make=PLAIN, tradable=False),
    "jumps": Cell(make=simulated(0.0, jumps=JUMPS), tradable=False),
    "waves of volatility": Cell(make=simulated(0.0, regimes=WAVES), tradable=False),
    **{name: Cell(make=make, tradable=False) for name, make in FOOLING.items()},
    "overlapping labels": Cell(make=PLAIN, tradable=False, label=LabelSpec(horizon_bars=8)),
    "best of 100": Cell(make=PLAIN, tradable=False, chosen_from=CONFIGURATIONS),
    **{name: Cell(make=make, tradable=True) for name, make in TRADABLE.items()},
    "interaction": Cell(make=simulated(EDGE, signal="interaction"), tradable=True),
    "linear": Cell(make=simulated(EDGE, signal="linear"), tradable=True),
    "long memory": Cell(make=simulated(EDGE, signal="long_memory"), tradable=True),
    "cross-timeframe": Cell(make=simulated(EDGE, signal="cross_timeframe"), tradable=True),
    "regimes": Cell(
        make=simulated(EDGE, regimes=RegimeSpec(strength_depth=1.0, period_bars=3_000)),
        tradable=True,
    ),
}


def run_market(name: str, rows: int, seed: int) -> list[dict[str, Any]]:
    """Return one row of figures for each predictor of a market."""
    cell, began = CELLS[name], time.process_time()
    market = Market(cell.make(rows, seed))
    config = ExperimentConfig(seed=seed, model=ModelConfig(name="linear"), label=cell.label)
    config = replace(config, backtest=replace(config.backtest, mode="long_short"))
    prepared = prepare(config, Progress(), market=market)
    judge, found = prepared.judge("test"), []
    for predictor, probability, tried in _predictors(prepared, cell, seed):
        choice = prepared.steps.threshold(prepared, probability)
        judged = judge.judge(predictor, probability["test"], choice.threshold, choice)
        found.append((predictor, judged, tried))
    hold = judge.judge_buy_and_hold()
    spent = (time.process_time() - began) / len(found)
    own = {"kind": name, "tradable": cell.tradable, "rows": rows, "seed": seed}
    facts = _market_facts(market)
    rivals = {one.name: one for _, one, _ in found} | {"hold": hold}
    return [
        own | facts | _figures(prepared, judge, judged, tried, rivals, seed) | {"seconds": spent}
        for _, judged, tried in found
    ]


def _predictors(prepared: Prepared, cell: Cell, seed: int) -> Iterator[tuple[str, ByPart, int]]:
    inputs = baseline_inputs(prepared)
    if cell.chosen_from > 1:
        best = _best_of_many(prepared, inputs, cell.chosen_from, seed)
        yield "best of many", best, cell.chosen_from
        return
    models: dict[str, Callable[[], Any]] = {
        "logistic": logistic_model,
        "trees": lambda: boosting_model(seed, **TREES),
    }
    for name, model in models.items():
        yield name, _calibrated(prepared, _answers(model(), inputs)), 1


def _answers(model: Any, inputs: BaselineInputs, columns: Any = slice(None)) -> ByPart:
    model.fit(np.clip(inputs.x_train[:, columns], -8.0, 8.0), inputs.y_train)
    return {
        part: model.predict_proba(np.clip(x[:, columns], -8.0, 8.0))[:, 1]
        for part, x in inputs.parts.items()
    }


def _best_of_many(prepared: Prepared, inputs: BaselineInputs, many: int, seed: int) -> ByPart:
    """Logistic regressions on random features; the best account on validation is taken."""
    draw, best, chosen = np.random.default_rng(seed), -np.inf, {}
    for _ in range(many):
        columns = draw.choice(inputs.x_train.shape[1], 12, replace=False)
        probability = _calibrated(prepared, _answers(logistic_model(), inputs, columns))
        choice = prepared.steps.threshold(prepared, probability)
        if choice.value > best:
            best, chosen = choice.value, probability
    return chosen or probability


def _calibrated(prepared: Prepared, probability: ByPart) -> ByPart:
    logits = {part: logit(np.clip(one, 1e-6, 1 - 1e-6)) for part, one in probability.items()}
    divisor = prepared.steps.temperature(prepared, logits).temperature
    return {part: expit(one / divisor) for part, one in logits.items()}


def _market_facts(market: Market) -> dict[str, float]:
    frames = [bars.frame for bars in market.bars.values()]
    return {
        "repeated_opens": float(np.mean([repeated_opens(one) for one in frames])),
        "half_spread_bps": 5e3 * float(np.mean([effective_spread(one) for one in frames])),
    }


def _figures(
    prepared: Prepared,
    judge: Judge,
    judged: Judgement,
    tried: int,
    rivals: dict[str, Judgement],
    seed: int,
) -> dict[str, Any]:
    horizon = prepared.config.label.horizon_bars
    probability, labels = judged.probability, judge.labels()
    assert probability is not None
    known = np.isfinite(labels)
    part = judge.part[known]
    knows = knowledge(
        probability[known],
        labels[known],
        decision_time=prepared.rows.decision_time[part],
        group=prepared.rows.symbol_code[part],
        horizon_bars=horizon,
        seed=seed,
    )
    today = judge.verdict(judged, seed=seed)
    account = judged.backtest
    later = replace(judge.config, latency_bars=judge.config.latency_bars + 1)
    signal = signal_from_probability(probability, judged.threshold, mode=judge.config.mode)
    delayed = judge.trade(signal, probability, later)
    row: dict[str, Any] = {
        "predictor": judged.name,
        "today": today.kind,
        "decisions": today.decisions,
        "traded": int(np.count_nonzero(account.return_net)),
        "advantage": today.advantage.estimate,
    }
    row |= _bounds("gain", knows.gain) | _bounds("rank", knows.rank)
    row |= _bounds("net", today.net_return, scale=1e4)
    row |= _bounds("later", _mean(delayed.return_net, horizon, seed), scale=1e4)
    row |= {"later_deflated": _deflated(delayed.return_net, tried, horizon)}
    row |= {"deflated": _deflated(account.return_net, tried, horizon)}
    if judged.choice is not None and judged.choice.returns is not None:
        overfit = _overfitting(judged.choice.returns)
        row |= {"overfitting": overfit}
    for name, rival in rivals.items():
        if rival is not judged:
            short = min(len(rival.backtest.return_net), len(account.return_net))
            ahead = rival.backtest.return_net[:short] - account.return_net[:short]
            row |= _bounds(f"ahead_{name}", _mean(ahead, horizon, seed), scale=1e4)
    return row


def _mean(returns: np.ndarray, horizon: int, seed: int) -> Interval:
    return mean_interval(returns, horizon_bars=horizon, seed=seed)


def _deflated(returns: np.ndarray, tried: int, horizon: int) -> float:
    found = sharpe_significance(returns, bars_per_year=8_766, trials=tried, horizon_bars=horizon)
    return found.dependent_deflated


def _overfitting(returns: np.ndarray) -> float:
    try:
        return backtest_overfitting(returns, blocks=16).probability
    except ValueError:  # too few candidates trade
        return float("nan")


def _bounds(name: str, interval: Interval, scale: float = 1.0) -> dict[str, float]:
    return {
        name: scale * interval.estimate,
        f"{name}_lower": scale * interval.lower,
        f"{name}_error": scale * interval.standard_error,
    }
