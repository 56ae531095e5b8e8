"""Everything that a verdict can rest on, for cheap predictors on one market.

The figures are stored, not the verdict, so that a rule is tried on all markets in a second.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from lightgbm import LGBMClassifier
from scipy.special import expit, logit

from benchmarks.verdicts.hard_markets import FOOLING, TRADABLE, Make
from benchmarks.verdicts.markets import JUMPS, WAVES
from ultimate_deep.evaluation.significance.bootstrap import Interval
from ultimate_deep.experiments.baselines import BaselineInputs, logistic_model
from ultimate_deep.experiments.experiment import baseline_inputs, prepare
from ultimate_deep.market.config import LabelSpec
from ultimate_deep.market.market import Market
from ultimate_deep.market.simulation_spec import RegimeSpec, SimulationSpec
from ultimate_deep.market.simulator import simulate_bars
from ultimate_deep.pipeline.config import ExperimentConfig, ModelConfig
from ultimate_deep.pipeline.judge import Judgement
from ultimate_deep.pipeline.prepared import Prepared
from ultimate_deep.training.progress import Progress

EDGE = 0.14
CONFIGURATIONS = 100
SHORT_LIST = 20  # of which a threshold is chosen and an account made
SIMPLER: dict[str, tuple[str, ...]] = {
    "logistic": (), "best of many": (), "trees": ("logistic",),
}  # fmt: skip
TREES = {
    "n_estimators": 60, "learning_rate": 0.05, "num_leaves": 15, "colsample_bytree": 0.2,
    "reg_lambda": 1.0, "max_bin": 63, "subsample_for_bin": 1000, "force_col_wise": True,
    "n_jobs": 1, "verbose": -1,
}  # fmt: skip
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
    for predictor, probability in _predictors(prepared, cell, seed):
        choice = prepared.steps.threshold(prepared, probability)
        judged = judge.judge(predictor, probability["test"], choice.threshold, choice)
        found.append((predictor, judged))
    spent = (time.process_time() - began) / len(found)
    own = {"kind": name, "tradable": cell.tradable, "rows": rows, "seed": seed}
    by_name = {one.name: one for _, one in found}
    return [
        own
        | _figures(prepared, judged, [by_name[one] for one in SIMPLER[name]])
        | {"seconds": spent}
        for name, judged in found
    ]


def _predictors(prepared: Prepared, cell: Cell, seed: int) -> Iterator[tuple[str, ByPart]]:
    inputs = baseline_inputs(prepared)
    if cell.chosen_from > 1:
        best = _best_of_many(prepared, inputs, cell.chosen_from, seed)
        yield "best of many", best
        return
    models: dict[str, Callable[[], Any]] = {
        "logistic": logistic_model,
        "trees": lambda: LGBMClassifier(random_state=seed, **TREES),
    }
    for name, model in models.items():
        yield name, _calibrated(prepared, _answers(model(), inputs))


def _answers(model: Any, inputs: BaselineInputs, columns: Any = slice(None)) -> ByPart:
    model.fit(np.clip(inputs.x_train[:, columns], -8.0, 8.0), inputs.y_train)
    return {
        part: model.predict_proba(np.clip(x[:, columns], -8.0, 8.0))[:, 1]
        for part, x in inputs.parts.items()
    }


def _best_of_many(prepared: Prepared, inputs: BaselineInputs, many: int, seed: int) -> ByPart:
    """Logistic regressions on random features, chosen on validation: by rank, then by account."""
    draw, validation = np.random.default_rng(seed), prepared.judge("validation")
    ranked = []
    for number in range(many):
        columns = draw.choice(inputs.x_train.shape[1], 12, replace=False)
        probability = _calibrated(prepared, _answers(logistic_model(), inputs, columns))
        metrics = validation.judge(str(number), probability["validation"], 0.5).metrics
        ranked.append((metrics["roc_auc"], number, probability))
    best = sorted(ranked, reverse=True)[:SHORT_LIST]
    choices = [prepared.steps.threshold(prepared, one) for *_, one in best]
    return best[int(np.argmax([choice.value for choice in choices]))][-1]


def _calibrated(prepared: Prepared, probability: ByPart) -> ByPart:
    logits = {part: logit(np.clip(one, 1e-6, 1 - 1e-6)) for part, one in probability.items()}
    divisor = prepared.steps.temperature(prepared, logits).temperature
    return {part: expit(one / divisor) for part, one in logits.items()}


def _figures(prepared: Prepared, judged: Judgement, simpler: list[Judgement]) -> dict[str, Any]:
    """Return the verdict's own figures, flat."""
    # One model reads the test part: the best of many is chosen on validation.
    verdict = prepared.judge("test").verdict(judged, simpler=simpler, seed=prepared.config.seed)
    found = verdict.evidence
    assert found.later is not None
    assert found.impact is not None
    assert found.patient is not None
    assert found.hits is not None
    row: dict[str, Any] = {
        "predictor": judged.name,
        "word": verdict.kind,
        "sentence": verdict.sentence,
        "decisions": found.decisions,
        "bars": found.bars,
        "traded": found.active,
        "advantage": found.hits.advantage.estimate,
        "repeated_opens": found.repeated_opens,
        "half_spread_bps": found.half_spread_bps,
        "exposure": found.exposure,
        "moved": found.moved,
        "total": found.total,
        "impact_total": found.impact_total,
        "patient_total": found.patient_total,
        "deflated": found.deflated,
        "trials": found.trials,
    }
    row |= _bounds("gain", found.knows.gain) | _bounds("rank", found.knows.rank)
    row |= {"volume_share": found.volume_share}
    row |= _bounds("net", found.net, scale=1e4) | _bounds("later", found.later, scale=1e4)
    row |= _bounds("impact", found.impact, scale=1e4)
    row |= _bounds("patient", found.patient, scale=1e4)
    if found.spread is not None:
        row |= _bounds("spread", found.spread, scale=1e4)
    for name, ahead in found.rivals.items():
        row |= _bounds(f"ahead_{name}", ahead, scale=1e4)
    return row


def _bounds(name: str, interval: Interval, scale: float = 1.0) -> dict[str, float]:
    return {
        name: scale * interval.estimate,
        f"{name}_lower": scale * interval.lower,
        f"{name}_upper": scale * interval.upper,
        f"{name}_error": scale * interval.standard_error,
    }
