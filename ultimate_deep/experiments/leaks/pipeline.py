"""The experiment as a pipeline that the leak detector runs on other bars and labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import keras
import numpy as np

from ultimate_deep.evaluation.leaks.config import LeakConfig
from ultimate_deep.evaluation.leaks.detect import CHECKS, Check, detect_leaks
from ultimate_deep.evaluation.leaks.findings import LeakReport
from ultimate_deep.evaluation.leaks.runner import Busy
from ultimate_deep.evaluation.leaks.trace import BarsBySymbol, Relabel, Step, Trace
from ultimate_deep.evaluation.signals import signal_from_probability
from ultimate_deep.experiments.experiment import (
    PARTS,
    Outcome,
    Prepared,
    assemble,
    evaluate,
    prepare_rows,
)
from ultimate_deep.experiments.leaks.asked import SurrogateConfig
from ultimate_deep.experiments.learners.registry import learner_of, resolved
from ultimate_deep.market.market import Market
from ultimate_deep.market.splits import Split
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.pipeline.inputs.tables import FEATURES, InputTable, InputTables
from ultimate_deep.pipeline.prepared import model_tables, resolved_inputs
from ultimate_deep.pipeline.rows import Rows
from ultimate_deep.pipeline.steps import Steps
from ultimate_deep.pipeline.targets import FLAT
from ultimate_deep.training.backend import many_models
from ultimate_deep.training.progress import Progress


class ExperimentPipeline:
    """The experiment's own path from bars to signals, any step of which may be a user's.

    Args:
        config: The experiment; its data are not read.
        steps: What is done otherwise than usual.
        progress: Told how training goes.
    """

    def __init__(
        self, config: ExperimentConfig, steps: Steps = Steps(), progress: Progress = Progress()
    ) -> None:
        self.config = config
        self.steps = steps
        self.progress = progress

    def __call__(
        self, bars: BarsBySymbol, *, until: Step = "signals", relabel: Relabel | None = None
    ) -> Trace:
        """Walk the steps; see `evaluation.leaks.trace.Pipeline`.

        Raises:
            ValueError: What the experiment refuses: too few bars, an unknown feature, an empty
                part.
        """
        config, steps = resolved(self.config), self.steps
        market, rows = assemble(config, Market(dict(bars)), steps)
        trace = data_trace(rows, own_tables(config, market, rows))
        if until == "labels":
            return trace
        split = steps.split(rows, config.split, market.interval)
        changed = changed_rows(rows, split, steps, relabel)
        # Changing rows is done: what follows the split goes on as in the experiment.
        rest = dataclasses.replace(steps, rows=None)
        prepared = prepare_rows(config, market, changed, split, rest)
        trace = scaled_trace(trace, prepared, None if steps.rows is None else changed)
        return trace if until == "scaling" else self._fit(trace, prepared)

    def _fit(self, trace: Trace, prepared: Prepared) -> Trace:
        """Train, calibrate, choose the threshold and judge, as the experiment does."""
        keras.utils.clear_session(free_memory=False)
        learner = learner_of(prepared.config.model.name)
        predictor, fitted = learner.fit(prepared, self.progress)
        outcome = evaluate(prepared, predictor, fitted, self.progress)
        # What has no weights, such as trees, is compared by what it predicts.
        weights = tuple(np.array(values) for _, values in predictor.weights())
        watched = fitted.history["validation_loss"].to_numpy()
        return judged_trace(trace, prepared, outcome, weights, watched)


def own_tables(config: ExperimentConfig, market: Market, rows: Rows) -> InputTables:
    """Return the tables that the configured model reads of these rows; `config` is resolved."""
    inputs = resolved_inputs(config, rows)
    return model_tables(dataclasses.replace(config, inputs=inputs), market, rows)


def changed_rows(rows: Rows, split: Split, steps: Steps, relabel: Relabel | None) -> Rows:
    """Return the rows as a user's step changes them once the split is known, then relabelled."""
    changed = rows if steps.rows is None else steps.rows(rows, split)
    if relabel is None:
        return changed
    return _relabelled(changed, relabel, {name: getattr(split, name) for name in PARTS})


def judged_trace(
    trace: Trace,
    prepared: Prepared,
    outcome: Outcome,
    weights: tuple[np.ndarray, ...],
    watched: np.ndarray,
) -> Trace:
    """Add to a trace what was learnt, chosen and predicted."""
    probability = np.full(len(trace.decision_time), np.nan)
    for name, values in outcome.probability.items():
        probability[prepared.part(name)] = values
    signal = np.full(len(probability), np.nan)
    signal[prepared.split.test] = signal_from_probability(
        outcome.probability["test"],
        outcome.model.threshold,
        mode=prepared.config.backtest.mode,
    )
    return dataclasses.replace(
        trace,
        weights=weights,
        watched=watched,
        temperature=outcome.temperature.temperature,
        threshold=outcome.model.threshold,
        probability=probability,
        signal=signal,
        verdict=outcome.verdict.kind,
    )


def detect_in_experiment(
    config: ExperimentConfig,
    market: Market,
    leak_config: LeakConfig = LeakConfig(),
    *,
    steps: Steps = Steps(),
    surrogate: SurrogateConfig | None = SurrogateConfig(),
    checks: Sequence[Check] = CHECKS,
    progress: Progress = Progress(),
    subject: str = "",
) -> LeakReport:
    """Examine an experiment for leaks, on its own path and with its own options.

    Args:
        config: Configuration of the experiment.
        market: Bars to run it on.
        leak_config: How thoroughly to look.
        steps: The steps of a user that are to be examined.
        surrogate: Stands in for the model; None trains the experiment's own, many times.
        checks: Which checks; `evaluation.leaks.detect.DATA_CHECKS` train nothing.
        progress: Told of every run.
        subject: What is examined, for people.

    Raises:
        ValueError: The experiment cannot run on these bars.
    """
    pipeline = ExperimentPipeline(
        examined_config(config, surrogate), steps, Progress() if surrogate else progress
    )
    # Two live displays cannot be nested: the long trainings of an own model show theirs.
    busy = progress.busy if surrogate else announced(progress)
    with many_models():
        return detect_leaks(
            pipeline, market.bars, leak_config, checks=checks, busy=busy, subject=subject
        )


def examined_config(
    config: ExperimentConfig, surrogate: SurrogateConfig | None
) -> ExperimentConfig:
    """Return the experiment without baselines, with the model that stands in for its own."""
    if surrogate is None:
        return dataclasses.replace(config, baselines=False)
    return surrogate.applied(config)


def announced(progress: Progress) -> Busy:
    """Return what says each run before it begins, and shows nothing while it lasts."""

    def busy(text: str) -> AbstractContextManager[None]:
        progress.message(text)
        return nullcontext()

    return busy


def _relabelled(rows: Rows, relabel: Relabel, parts: Mapping[str, np.ndarray]) -> Rows:
    """Change the labels of every horizon, and the returns that are learnt so that they agree."""
    labels = relabel(rows.labels, parts)
    signs = np.where(np.isnan(labels), 0.0, 2.0 * labels - 1.0)
    returns, targets = np.abs(rows.return_log) * signs, rows.targets
    if targets is not None:
        up = np.column_stack([relabel(one, parts) for one in targets.up.T])
        tie = (targets.up[:, 0] == FLAT) & np.isnan(labels)
        up[:, 0] = np.where(tie, FLAT, labels)
        learnt = np.abs(targets.return_log) * (2.0 * up - 1.0)
        targets = dataclasses.replace(targets, up=up, return_log=learnt)
    return dataclasses.replace(rows, labels=labels, return_log=returns, targets=targets)


def data_trace(rows: Rows, tables: InputTables) -> Trace:
    """Trace each row's newest bar of every table: of its own features first, then of the others.

    Windows hold the newest bars of the rows before, so that these show what windows would.
    """
    own = [table.ends for table in tables.tables.values() if table.values is None]
    # The own features of the bar that a window ends with, which is the decision's.
    newest = rows.values[own[0]] if own else rows.values
    names, columns = list(rows.names), [newest]
    for name, table in tables.tables.items():
        if table.values is not None:
            columns.append(_newest(table.values, table))
            names += _column_names(name, table)
    return Trace(
        symbols=rows.symbols,
        symbol_code=rows.symbol_code,
        decision_time=rows.decision_time,
        names=tuple(names),
        features=np.column_stack(columns),
        labels=rows.labels,
        label_end_time=rows.label_end_time,
    )


def _column_names(name: str, table: InputTable) -> list[str]:
    assert table.values is not None
    return [f"{name} {one}" for one in table.names or range(1, table.values.shape[1] + 1)]


def _newest(values: np.ndarray, table: InputTable) -> np.ndarray:
    """Return each row's newest bar, NaN in rows without all of their window."""
    return np.where(table.complete[:, None], values[table.ends], np.float32(np.nan))


def scaled_trace(trace: Trace, prepared: Prepared, changed: Rows | None) -> Trace:
    """Add to a trace the parts, what was learnt of the training part, and what models are fed."""
    split, inputs = prepared.split, prepared.inputs
    scalers = {"": prepared.scaler} | {f"{name} ": one for name, one in inputs.scalers.items()}
    limits = {"" if name == FEATURES else f"{name} ": one for name, one in prepared.limits.items()}
    tables = {name: t for name, t in inputs.tables.tables.items() if t.values is not None}
    own = [_newest(inputs.windows[name], table) for name, table in tables.items()]
    further = [column for name, table in tables.items() for column in _column_names(name, table)]
    return dataclasses.replace(
        trace,
        train=split.train,
        validation=split.validation,
        test=split.test,
        embargo_bars=prepared.config.split.embargo_bars,
        changed_features=None if changed is None else changed.values,
        changed_labels=None if changed is None else changed.labels,
        selected=(*prepared.rows.names, *further),
        scaler={
            f"{name}{what}": getattr(one, f"{what}_")
            for name, one in scalers.items()
            for what in ("center", "scale")
        }
        | {
            f"{name}{what}": np.array(getattr(one, what))
            for name, one in limits.items()
            for what in ("low", "high")
        },
        scaled=np.column_stack([prepared.scaled, *own]),
    )
