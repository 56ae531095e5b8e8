"""The one path from bars to verdict, which every script, tuner and leak detector walks.

bars -> features -> labels -> split -> scale -> fit -> temperature -> threshold -> test part
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from ultimate_deep.bundles.kinds import as_predictor
from ultimate_deep.evaluation.ledger.trial import TrialCount
from ultimate_deep.evaluation.reporting.pdf import check_form
from ultimate_deep.evaluation.verdicts.verdict import Verdict
from ultimate_deep.experiments.baselines import (
    BASELINES,
    BaselineInputs,
    Stopping,
    newest_to_stop_by,
    only_side,
)
from ultimate_deep.experiments.kept import Kept, versions_of
from ultimate_deep.experiments.learners.net import build, fill_memory, train
from ultimate_deep.experiments.learners.registry import learner_of, resolved, simpler_than
from ultimate_deep.experiments.trials import TrialBook, record_trials
from ultimate_deep.market.market import Market
from ultimate_deep.market.splits import Split
from ultimate_deep.pipeline import prepared as pipeline
from ultimate_deep.pipeline.calibration import TemperatureFit
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.pipeline.forecasts import further_temperatures
from ultimate_deep.pipeline.judge import Judgement
from ultimate_deep.pipeline.prepared import PARTS, Prepared, assemble, with_split
from ultimate_deep.pipeline.rows import Rows, own_returns
from ultimate_deep.pipeline.steps import ByPart, Steps, steps_in_use
from ultimate_deep.training.arrays import Arrays, training_weight
from ultimate_deep.training.progress import Progress
from ultimate_deep.training.result import FitResult

__all__ = [
    "PARTS",
    "Outcome",
    "Prepared",
    "assemble",
    "build",
    "builder_config",
    "evaluate",
    "fill_memory",
    "prepare",
    "prepare_rows",
    "train",
    "with_model",
    "with_split",
]


@dataclass(frozen=True, eq=False, repr=False)
class Outcome:
    """What came out of an experiment.

    Args:
        temperature: Fitted on validation, of the horizon that is traded.
        temperatures: Temperatures of every horizon, `(horizons,)`.
        logits: Logits of the validation and test rows, `(rows,)`, by part.
        outputs: Everything that the model says of the same rows: `logits` `(rows, horizons)` and
            further heads by name, by part.
        probability: Calibrated probability of up of the same rows.
        model: The model's judgement.
        baselines: The baselines', on the same rows and costs.
        verdict: Whether an edge may be claimed.
        fit: How training went.
        trials: What had been tried on these bars by then, this run included.
        notes: Sentences on ledgers that are gone, so that too little was counted.
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
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<outcome: {self.verdict.sentence}>"


def prepare(
    config: ExperimentConfig,
    progress: Progress,
    *,
    market: Market | None = None,
    steps: Steps = Steps(),
) -> Prepared:
    """Walk from bars to what the configured model reads; see `pipeline.prepared.prepare`.

    Raises:
        ValueError: Bad bars, an unknown model or feature, inputs, heads or a loss that the model
            does not have, or too few rows for the split.
    """
    config = resolved(config)
    builder_config(config)  # a wrong option is refused before the bars are read
    check_form(config.report)
    return pipeline.prepare(config, progress, market=market, steps=steps_in_use(steps))


def prepare_rows(
    config: ExperimentConfig, market: Market, rows: Rows, split: Split, steps: Steps = Steps()
) -> Prepared:
    """Change, select and scale for the configured model; see `pipeline.prepared.prepare_rows`."""
    return pipeline.prepare_rows(resolved(config), market, rows, split, steps)


def with_model(prepared: Prepared, config: ExperimentConfig) -> Prepared:
    """Return the same rows and split for another model; see `pipeline.prepared.with_model`."""
    return pipeline.with_model(prepared, resolved(config))


def builder_config(config: ExperimentConfig) -> Any:
    """Return the model's own configuration: preset, then options, seed and precision.

    Raises:
        ValueError: An unknown model, preset or option, or a value that the model refuses.
    """
    return learner_of(config.model.name).settings(config)


def evaluate(
    prepared: Prepared,
    model: Any,
    fitted: FitResult,
    progress: Progress,
    *,
    book: TrialBook | None = None,
    kept: Kept | None = None,
) -> Outcome:
    """Calibrate and choose the threshold on validation, then read the test part once.

    Args:
        prepared: Data and split.
        model: Trained: a predictor, or a net or trees as they are.
        fitted: How training went.
        progress: Told what happens.
        book: Where the trials on these bars are kept and counted; None counts this one alone.
        kept: Where a run that goes on finds what the baselines said.
    """
    if book is None:
        with TrialBook.unkept(prepared.market, prepared.config) as unkept:
            return evaluate(prepared, model, fitted, progress, book=unkept, kept=kept)
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
    baselines = judge_baselines(prepared, progress, kept=kept)
    return Outcome(
        temperature=temperature,
        temperatures=np.array([one.temperature for one in (temperature, *further)]),
        logits=logits,
        outputs=outputs,
        probability=probability,
        model=judged,
        baselines=baselines,
        verdict=verdict_of(prepared, judged, baselines, trials=trials),
        fit=fitted,
        trials=trials,
    )


def judge_trained(prepared: Prepared, name: str, probability: ByPart) -> Judgement:
    """Choose the threshold on `probability["validation"]`, then judge `probability["test"]`."""
    choice = prepared.steps.threshold(prepared, probability)
    return prepared.judge("test").judge(name, probability["test"], choice.threshold, choice)


def judge_baselines(
    prepared: Prepared, progress: Progress, *, kept: Kept | None = None
) -> tuple[Judgement, ...]:
    """Fit every baseline on train and judge it as the model is; none where switched off.

    Args:
        prepared: Data and split.
        progress: Told what happens.
        kept: Where a run that goes on finds what they said.
    """
    if not prepared.config.baselines:
        return ()
    inputs = baseline_inputs(prepared)
    kept = kept or Kept(None, progress)
    origin = {"inputs": inputs.digest()} | versions_of(of=("scikit-learn", "scipy"))
    judge = prepared.judge("test")
    judged = []
    for name, baseline in BASELINES.items():
        with progress.busy(f"baseline: {name}"):
            if name in ("majority", "persistence"):
                judged.append(judge.judge(name, baseline(inputs)["test"], 0.5))
            else:
                probability = kept.found(name, origin, functools.partial(baseline, inputs))
                judged.append(judge_trained(prepared, name, probability))
    return (*judged, judge.judge_buy_and_hold())


def verdict_of(
    prepared: Prepared,
    judged: Judgement,
    baselines: Sequence[Judgement] = (),
    *,
    trials: TrialCount | None = None,
) -> Verdict:
    """Return what may be claimed of what was judged on the test part.

    Args:
        prepared: Data and split.
        judged: A predictor on the test part.
        baselines: Others on the same part.
        trials: What had been tried on these bars, this one included; None counts it alone.
    """
    known = simpler_than(prepared.config.model.name)
    return prepared.judge("test").verdict(
        judged,
        trials=trials,
        simpler=[one for one in baselines if one.name in known],
        others=[one for one in baselines if one.name not in known],
        seed=prepared.config.seed,
    )


def directed(prepared: Prepared, part: str = "train") -> np.ndarray:
    """Return a part's row numbers whose label has a side, which baselines are fitted on."""
    chosen = prepared.labelled(part)
    return chosen[np.isfinite(prepared.rows.labels[chosen])]


def baseline_inputs(prepared: Prepared) -> BaselineInputs:
    """Return what baselines may look at.

    Raises:
        ValueError: No training label has a side, or all have the same.
    """
    rows, parts = prepared.rows, ("validation", "test")
    last = own_returns(prepared.market, rows)
    fitted_on = directed(prepared)
    side = only_side(rows.labels[fitted_on]) if len(fitted_on) else "without a side"
    if side:
        raise ValueError(
            f"baselines learn to tell up from down, and all {len(prepared.labelled('train')):,} "
            f"labels of the training part are {side}; give bars that go both ways in it, or set "
            "baselines to false"
        )
    return BaselineInputs(
        x_train=prepared.scaled[fitted_on],
        y_train=rows.labels[fitted_on],
        parts={name: prepared.scaled[prepared.part(name)] for name in parts},
        last_return={name: last[prepared.part(name)] for name in parts},
        seed=prepared.config.seed,
        weight=_baseline_weight(prepared, fitted_on),
        stopping=_stopping(prepared, fitted_on),
    )


def _baseline_weight(prepared: Prepared, fitted_on: np.ndarray) -> np.ndarray | None:
    """Return the run's own weights by returns of the traded horizon; None where there are none."""
    largest, targets = prepared.config.fit.largest_weight, prepared.rows.targets
    if not largest or targets is None:
        return None
    rows = Arrays(
        x=prepared.scaled[fitted_on],
        y=prepared.rows.labels[fitted_on, None].astype(np.float32),
        returns=targets.return_log[fitted_on, :1].astype(np.float32),
        return_scale=targets.return_scale[fitted_on, :1].astype(np.float32),
    )
    return training_weight(rows, class_weights=False, return_weights=largest)[:, 0]


def _stopping(prepared: Prepared, fitted_on: np.ndarray) -> Stopping | None:
    """Return the validation rows, or the newest of the training rows where it has no label."""
    rows, watched = prepared.rows, directed(prepared, "validation")
    if not len(watched):
        decided, ended = rows.decision_time[fitted_on], rows.label_end_time[fitted_on]
        x, y = prepared.scaled[fitted_on], rows.labels[fitted_on]
        return newest_to_stop_by(x, y, decided, ended)
    every = np.arange(len(fitted_on))
    return Stopping(x=prepared.scaled[watched], y=rows.labels[watched], grown_on=every)
