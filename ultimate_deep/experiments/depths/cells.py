"""One cell of a comparison: a model on a data set with a seed, and its figures."""

import dataclasses
import math
import time
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from ultimate_deep.bundles.executors.net import KerasPredictor
from ultimate_deep.evaluation.json_safe import json_safe
from ultimate_deep.evaluation.measures.metrics import threshold_sweep
from ultimate_deep.evaluation.verdicts.verdict import Verdict
from ultimate_deep.experiments.baselines import BASELINES
from ultimate_deep.experiments.depths.budget import fit_within
from ultimate_deep.experiments.depths.config import HOPED, ComparisonConfig, DataSet, Kind
from ultimate_deep.experiments.experiment import (
    Prepared,
    baseline_inputs,
    build,
    evaluate,
    judge_trained,
    verdict_of,
)
from ultimate_deep.experiments.learners.registry import resolved
from ultimate_deep.experiments.trials import TrialBook, record_trials
from ultimate_deep.models.nets.stack import blocks_for_layers
from ultimate_deep.models.surgery.describe import count_layers
from ultimate_deep.pipeline.config import ModelConfig
from ultimate_deep.pipeline.judge import Judgement
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.fit import TrainingDivergedError
from ultimate_deep.training.progress import Progress

MAJORITY, ALWAYS_LONG = "majority", "always long"
BASELINE_MODELS = ("logistic regression", "random forest", "gradient boosting")
FIGURES = (
    "accuracy",
    "roc_auc",
    "log_loss",
    "expected_accuracy",
    "oracle_accuracy",
    "share_of_edge",
    "total_return",
    "turnover",
    "exposure",
    "trades",
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A model of the comparison.

    Args:
        name: Name in the table.
        family: `no model`, `baseline`, `shallow`, a kind of blocks, or `ultimate`.
        model: The net; None for what is no net.
    """

    name: str
    family: str
    model: ModelConfig | None = None


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One model on one data set with one seed."""

    entry: Entry
    data: DataSet
    seed: int

    @property
    def file_name(self) -> str:
        """Where the finished cell is kept."""
        return f"{self.data.name}--{self.entry.name.replace(' ', '-')}--{self.seed}.json"

    @property
    def sentence(self) -> str:
        """What is being done, for people."""
        return f"{self.entry.name} on {self.data.name}, seed {self.seed}"


def entries(comparison: ComparisonConfig) -> tuple[Entry, ...]:
    """Return the models to compare, no model first, then from shallow to deep.

    Raises:
        ValueError: A name that no model has.
    """
    found = [Entry(name=name, family="no model") for name in (MAJORITY, ALWAYS_LONG)]
    found += [Entry(name=name, family="baseline") for name in BASELINE_MODELS]
    found.append(Entry(name="mlp", family="shallow", model=ModelConfig(name="mlp")))
    for layers in sorted(comparison.layers):
        for kind in comparison.kinds:
            model = stack_of_layers(kind, layers, width=comparison.width)
            found.append(Entry(name=f"{kind}-{layers}", family=kind, model=model))
    if comparison.ultimate:
        model = ModelConfig(name="ultimate", preset=comparison.ultimate)
        found.append(Entry(name="ultimate", family="ultimate", model=model))
    names = [entry.name for entry in found]
    named = [name for name in comparison.targets if name not in HOPED]
    for wanted in (*comparison.models, *named):
        if wanted not in names:
            raise ValueError(f"no model is called {wanted!r}; this comparison has {names}")
    chosen = comparison.models or names
    return tuple(entry for entry in found if entry.name in chosen)


def stack_of_layers(kind: Kind, layers: int, *, width: int) -> ModelConfig:
    """Return the stack with at least `layers` weighted layers, behind one dense layer.

    Attention carries its `width` values as four tokens of a quarter of it, so that a layer of
    every kind has as much to work on.
    """
    options: dict[str, Any] = {"blocks": blocks_for_layers(kind, layers)}
    if kind == "attention":
        # One head: products as small as several heads' here are slow out of proportion.
        narrow = {"tokens": 4, "width": width // 4, "attention_heads": 1}
        options |= narrow | {"feed_forward_width": width}
    else:
        options["width"] = width
    return ModelConfig(name="stack", preset=f"{kind}_75", options=options)


def run_cell(
    prepared: Prepared,
    cell: Cell,
    seconds: float,
    progress: Progress,
    book: TrialBook,
    fit: FitConfig,
) -> dict[str, Any]:
    """Train one model, choose its threshold on validation and read the test part once.

    Every cell's verdict is that of a single model, whatever was read before: the table compares
    cells, and says how many there are. The book counts them all for what is read later.

    Args:
        prepared: Data and split.
        cell: What is run.
        seconds: The budget of a fit.
        progress: Told what happens.
        book: Where trials are kept.
        fit: What is asked of every fit; what it leaves open is the model's own preset's.

    Returns:
        JSON-able figures by name; None where one is undefined or training diverged.
    """
    known = {
        "data": cell.data.name,
        "simulated": cell.data.simulated,
        "model": cell.entry.name,
        "family": cell.entry.family,
        "seed": cell.seed,
        "status": "completed",
        "rows_train": len(prepared.labelled("train")),
        "rows_test": len(prepared.labelled("test")),
    }
    if cell.entry.model is None:
        found = _baseline_figures(prepared, cell.entry.name)
    else:
        # Not the fit of what the rows were prepared for, which is filled by that one's preset.
        config = resolved(dataclasses.replace(prepared.config, model=cell.entry.model, fit=fit))
        net = dataclasses.replace(prepared, config=config)
        found = _net_figures(net, seconds, progress, book.with_config(config))
    return json_safe(known | found)


def _baseline_figures(prepared: Prepared, name: str) -> dict[str, Any]:
    judge, began = prepared.judge("test"), time.monotonic()
    if name == ALWAYS_LONG:
        judged = judge.judge(name, np.ones(len(prepared.split.test)), 0.5)
    else:
        probability = BASELINES[name](baseline_inputs(prepared))
        cost = {"train_seconds": time.monotonic() - began}
        if name == MAJORITY:
            judged = judge.judge(name, probability["test"], 0.5)
        else:
            return _judged_figures(prepared, judge_trained(prepared, name, probability)) | cost
    return _judged_figures(prepared, judged)


def _net_figures(
    prepared: Prepared, seconds: float, progress: Progress, book: TrialBook
) -> dict[str, Any]:
    keras.utils.clear_session()  # else each net's graphs stay in memory
    began = time.monotonic()
    model = build(prepared)
    build_seconds = time.monotonic() - began
    counts = count_layers(model)
    size = {
        "layers": counts.weighted,
        "products": counts.matrix_products,
        "parameters": counts.parameters,
    }
    try:
        fitted, cut = fit_within(prepared, model, seconds - build_seconds, progress)
    except TrainingDivergedError as error:
        return size | {"status": "diverged", "error": str(error)}
    outcome = evaluate(prepared, model, fitted, progress)
    record_trials(book, KerasPredictor(model), fitted, outcome.model)
    first = build_seconds + fitted.first_step_seconds
    return (
        size
        | {
            "first_step_seconds": first,
            "step_seconds": fitted.step_seconds,
            "train_seconds": first + fitted.seconds,
            "epochs": fitted.epochs_run,
            "best_epoch": fitted.best_epoch,
            "stopped": fitted.stopped_reason,
            "budget_cut": cut,
        }
        | _judged_figures(prepared, outcome.model, outcome.verdict)
    )


def _judged_figures(
    prepared: Prepared, judged: Judgement, verdict: Verdict | None = None
) -> dict[str, Any]:
    assert judged.probability is not None
    verdict = verdict or verdict_of(prepared, judged)
    backtest, test = prepared.config.backtest, prepared.split.test
    kept = threshold_sweep(
        judged.probability,
        prepared.rows.return_log[test],
        mode=backtest.mode,
        costs=backtest.costs,
        thresholds=[judged.threshold],
    ).iloc[0]
    return {name: judged.metrics.get(name, math.nan) for name in FIGURES} | {
        "majority_accuracy": verdict.majority_accuracy,
        "threshold": judged.threshold,
        "hit_rate_kept": kept["hit_rate"],
        "win_rate_kept": kept["win_rate"],
        "coverage": kept["coverage"],
        "net_sharpe": judged.metrics["sharpe"],
        "verdict": verdict.kind,
        "verdict_sentence": verdict.sentence,
        "advantage_lower": verdict.advantage.lower,
    }
