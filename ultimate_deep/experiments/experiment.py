"""The one path from bars to verdict, which every script, tuner and leak detector walks.

bars -> features -> labels -> split -> scale -> fit -> temperature -> threshold -> test part
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from scipy.special import expit

from ultimate_deep.bundles.predictor import Predictor, as_predictor
from ultimate_deep.evaluation.ledger.trial import TrialCount
from ultimate_deep.evaluation.verdict import Verdict
from ultimate_deep.experiments.baselines import BASELINES, BaselineInputs
from ultimate_deep.experiments.trials import TrialBook, record_trials
from ultimate_deep.experiments.warm_start import start_from
from ultimate_deep.market.times import clock_of
from ultimate_deep.models import registry as nets
from ultimate_deep.models.heads import Heads
from ultimate_deep.models.registry import build_model
from ultimate_deep.models.trees import registry as trees
from ultimate_deep.models.trees.model import TreeModel
from ultimate_deep.pipeline.calibration import TemperatureFit
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.pipeline.forecasts import further_temperatures
from ultimate_deep.pipeline.judge import Judgement
from ultimate_deep.pipeline.prepared import (
    PARTS,
    Prepared,
    assemble,
    prepare,
    prepare_rows,
    with_split,
)
from ultimate_deep.pipeline.steps import ByPart
from ultimate_deep.training.arrays import training_weight
from ultimate_deep.training.growing.grow import fit_trees
from ultimate_deep.training.loop.compiled import CompiledFit
from ultimate_deep.training.loop.fit import fit
from ultimate_deep.training.precision import resolve_precision
from ultimate_deep.training.progress import Progress
from ultimate_deep.training.result import FitResult

__all__ = [
    "PARTS",
    "Outcome",
    "Prepared",
    "assemble",
    "build",
    "evaluate",
    "grow_trees",
    "prepare",
    "prepare_rows",
    "train",
    "with_split",
]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came out of an experiment.

    Args:
        temperature: Fitted on validation, of the horizon that is traded.
        temperatures: Of every horizon, `(horizons,)`.
        logits: Logits of the validation and test rows, `(rows,)`, by part.
        outputs: Everything that the model says of the same rows: `logits` `(rows, horizons)` and
            further heads by name, by part.
        probability: Calibrated probability of up of the same rows.
        model: The model's judgement.
        baselines: The baselines', on the same rows and costs.
        verdict: Whether an edge may be claimed.
        fit: How training went.
        trials: What had been tried on these bars by then, this run included.
    """

    temperature: TemperatureFit
    temperatures: np.ndarray
    logits: dict[str, np.ndarray]
    outputs: dict[str, dict[str, np.ndarray]]
    probability: dict[str, np.ndarray]
    model: Judgement
    baselines: tuple[Judgement, ...]
    verdict: Verdict
    fit: FitResult
    trials: TrialCount


def build(prepared: Prepared) -> keras.Model:
    """Build the configured net for the prepared inputs, in the precision that will run.

    A model that remembers the past is given the training part to remember.

    Raises:
        ValueError: An unknown model, preset or option, trees, which are grown and not built, or
            weights to start from that do not fit or have seen too much.
    """
    config = prepared.config
    keras.utils.set_random_seed(config.seed)
    model = build_model(
        config.model.name,
        prepared.inputs.shapes,
        model_heads(config, prepared.learnt.shape[1]),
        builder_config(config),
    )
    start_from(prepared, model)
    fill_memory(prepared, model)
    return model


def model_heads(config: ExperimentConfig, horizons: int) -> Heads:
    """Return what the model predicts for so many horizons."""
    heads = config.heads
    return Heads(
        horizons=horizons,
        classes=heads.classes,
        quantiles=heads.quantiles,
        variance=heads.variance,
    )


def builder_config(config: ExperimentConfig) -> Any:
    """Return the model's own configuration: preset, then options, seed and precision.

    Raises:
        ValueError: An unknown preset or option, or a value that the model refuses.
    """
    name = config.model.name
    registry: Any = trees if name in trees.TREES else nets
    preset = registry.preset_config(name, config.model.preset)
    known = {field.name for field in dataclasses.fields(preset)}
    unknown = sorted(set(config.model.options) - known)
    if unknown:
        raise ValueError(
            f"model {name!r} has no options {unknown}; it has {', '.join(sorted(known))}"
        )
    fixed: dict[str, Any] = {"seed": config.seed}
    if "precision" in known:
        fixed["precision"] = resolve_precision(config.fit.precision).policy
    return dataclasses.replace(preset, **(fixed | config.model.options))


def fill_memory(prepared: Prepared, model: keras.Model) -> None:
    """Give a model that retrieves past windows the labelled training rows, and nothing later."""
    filler = nets.memory_filler(prepared.config.model.name)
    if filler is None:
        return
    chosen = prepared.labelled("train")
    arrays = prepared.arrays("train")
    known = clock_of(prepared.rows.label_end_time[chosen])
    targets = prepared.rows.targets
    returns = prepared.rows.return_log[:, None] if targets is None else targets.return_log
    filler(model, arrays.inputs(), arrays.y, returns[chosen], known)


def train(
    prepared: Prepared,
    model: keras.Model,
    progress: Progress,
    *,
    checkpoints: Path | None = None,
    resume: bool = False,
    compiled: CompiledFit | None = None,
) -> FitResult:
    """Fit the net on train, stopping by validation; see `training.loop.fit.fit`."""
    return fit(
        model,
        prepared.arrays("train"),
        prepared.steps.stopping(prepared),
        prepared.config.fit,
        checkpoint_folder=checkpoints,
        resume=resume,
        progress=progress,
        compiled=compiled,
    )


def grow_trees(prepared: Prepared, progress: Progress) -> tuple[TreeModel, FitResult]:
    """Grow the configured trees on train, stopping by validation."""
    config, arrays = prepared.config, prepared.arrays("train")
    weight = training_weight(arrays, class_weights=config.fit.class_weights)
    return fit_trees(
        config.model.name,
        arrays,
        prepared.steps.stopping(prepared),
        builder_config(config),
        weight=weight,
        progress=progress,
    )


def evaluate(
    prepared: Prepared,
    model: keras.Model | Predictor,
    fitted: FitResult,
    progress: Progress,
    *,
    book: TrialBook | None = None,
) -> Outcome:
    """Calibrate and choose the threshold on validation, then read the test part once.

    Args:
        prepared: Data and split.
        model: Trained.
        fitted: How training went.
        progress: Told what happens.
        book: Where the trials on these bars are kept and counted; None counts this one alone.
    """
    if book is None:
        with TrialBook.unkept(prepared.market, prepared.config) as unkept:
            return evaluate(prepared, model, fitted, progress, book=unkept)
    predictor = as_predictor(model)
    with progress.busy("calibrating on validation, then reading the test part"):
        parts = {name: prepared.part(name) for name in ("validation", "test")}
        outputs = {
            name: predictor.outputs(prepared.inputs.take(part)) for name, part in parts.items()
        }
        logits = {name: found["logits"][:, 0] for name, found in outputs.items()}
        temperature = prepared.steps.temperature(prepared, logits)
        further = further_temperatures(prepared, outputs)
        probability = {
            name: expit(values.astype(np.float64) / temperature.temperature)
            for name, values in logits.items()
        }
        judged = judge_trained(prepared, "model", probability)
        record_trials(book, predictor, fitted, judged)
        trials = book.count()
        verdict = verdict_of(prepared, judged, readings=trials.test_readings)
    return Outcome(
        temperature=temperature,
        temperatures=np.array([one.temperature for one in (temperature, *further)]),
        logits=logits,
        outputs=outputs,
        probability=probability,
        model=judged,
        baselines=judge_baselines(prepared, progress),
        verdict=verdict,
        fit=fitted,
        trials=trials,
    )


def judge_trained(prepared: Prepared, name: str, probability: ByPart) -> Judgement:
    """Choose the threshold on `probability["validation"]`, then judge `probability["test"]`."""
    choice = prepared.steps.threshold(prepared, probability)
    return prepared.judge("test").judge(name, probability["test"], choice.threshold, choice)


def judge_baselines(prepared: Prepared, progress: Progress) -> tuple[Judgement, ...]:
    """Fit every baseline on train and judge it as the model is; none where switched off."""
    if not prepared.config.baselines:
        return ()
    inputs = _baseline_inputs(prepared)
    judge = prepared.judge("test")
    judged = []
    for name, baseline in BASELINES.items():
        with progress.busy(f"baseline: {name}"):
            probability = baseline(inputs)
            if name in ("majority", "persistence"):
                judged.append(judge.judge(name, probability["test"], 0.5))
            else:
                judged.append(judge_trained(prepared, name, probability))
    return (*judged, judge.judge_buy_and_hold())


def verdict_of(prepared: Prepared, judged: Judgement, *, readings: int = 1) -> Verdict:
    """Whether what was judged on the test part has an edge there.

    Args:
        prepared: Data and split.
        judged: A predictor on the test part.
        readings: Different models that have read these bars' test part, this one included.
    """
    return prepared.judge("test").verdict(judged, readings=readings, seed=prepared.config.seed)


def directed(prepared: Prepared) -> np.ndarray:
    """Return the training row numbers whose label has a side, which baselines are fitted on."""
    chosen = prepared.labelled("train")
    return chosen[np.isfinite(prepared.rows.labels[chosen])]


def _baseline_inputs(prepared: Prepared) -> BaselineInputs:
    rows, parts = prepared.rows, ("validation", "test")
    last = np.empty(len(rows.labels))
    for code, bars in enumerate(prepared.market.bars.values()):
        chosen = rows.symbol_code == code
        close = bars.frame["close"].to_numpy()
        change = np.concatenate([[0.0], np.diff(np.log(close))])
        last[chosen] = change[rows.bar_row[chosen]]
    fitted_on = directed(prepared)
    return BaselineInputs(
        x_train=prepared.scaled[fitted_on],
        y_train=rows.labels[fitted_on],
        parts={name: prepared.scaled[prepared.part(name)] for name in parts},
        last_return={name: last[prepared.part(name)] for name in parts},
        seed=prepared.config.seed,
    )
