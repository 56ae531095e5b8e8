"""A fit that may cost so many seconds and no more."""

import dataclasses
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import keras
import numpy as np
import pandas as pd

from ultimate_deep.experiments.experiment import Prepared
from ultimate_deep.training.loop.compiled import CompiledFit, time_fit
from ultimate_deep.training.loop.fit import fit
from ultimate_deep.training.loop.fit_state import assign_weights, copy_weights
from ultimate_deep.training.progress import Progress
from ultimate_deep.training.result import FitResult


def fit_within(
    prepared: Prepared, model: keras.Model, seconds: float, progress: Progress
) -> tuple[FitResult, bool]:
    """Fit for at most so many seconds, compiling included, but always for one epoch.

    The steps are timed first and the learning rate's schedule is laid out over the epochs that
    will fit, so that a slow net's learning rate falls to its floor as a fast one's does. Where
    the steps prove slower than that, the fit ends at the deadline with its best epoch.

    Args:
        prepared: Data and `fit`, whose `epochs` is the most that anybody gets.
        model: Built; trained in place and left with its best epoch's weights.
        seconds: Seconds that the fit may take.
        progress: Told what happens.

    Returns:
        The fit, and whether the budget cost it epochs that others may have had.

    Raises:
        TrainingDivergedError: The loss became NaN or infinite.
        Interrupted: Ctrl-C or SIGTERM.
    """
    config, parts = prepared.config.fit, (prepared.arrays("train"), prepared.arrays("validation"))
    compiled = time_fit(model, *parts, config, progress)
    left = seconds - compiled.first_step_seconds
    steps = parts[0].rows // min(config.rows_of_step, parts[0].rows)
    batches = -(-parts[1].rows // config.evaluation_batch_size)
    epoch_seconds = steps * compiled.step_seconds + batches * compiled.forward_seconds
    epochs = max(1, min(config.most_epochs, int(left / epoch_seconds)))
    watch = _Deadline(progress, model, time.monotonic() + left)
    try:
        planned = dataclasses.replace(config, epochs=epochs)
        fitted = fit(
            model, *parts, planned, checkpoint_folder=None, progress=watch, compiled=compiled
        )
    except _BudgetSpentError:
        return watch.result(compiled), True
    return fitted, epochs < config.most_epochs and fitted.stopped_reason == "finished"


class _BudgetSpentError(Exception):
    """The deadline has passed after at least one epoch."""


class _Deadline(Progress):
    """Ends a fit at the first step after a deadline, and keeps its best epoch until then."""

    def __init__(self, shown: Progress, model: keras.Model, deadline: float) -> None:
        self._shown = shown
        self._model = model
        self._deadline = deadline
        self._rows: list[Mapping[str, float]] = []
        self._best: dict[str, np.ndarray] = {}
        self._best_epoch = 0

    @contextmanager
    def busy(self, text: str) -> Iterator[None]:
        with self._shown.busy(text):
            yield

    def start(self, *, epochs: int, steps_per_epoch: int, epoch: int, step: int) -> None:
        self._shown.start(epochs=epochs, steps_per_epoch=steps_per_epoch, epoch=epoch, step=step)

    def step(self, epoch: int, step: int, loss: float) -> None:
        self._shown.step(epoch, step, loss)
        if self._rows and time.monotonic() > self._deadline:
            raise _BudgetSpentError

    def epoch(self, row: Mapping[str, float]) -> None:
        self._rows.append(row)
        losses = [line["validation_loss"] for line in self._rows]
        if losses[-1] == min(losses) and losses.count(losses[-1]) == 1:
            self._best, self._best_epoch = copy_weights(self._model), len(losses)

    def close(self) -> None:
        self._shown.close()

    def result(self, compiled: CompiledFit) -> FitResult:
        """Put the best epoch's weights back and return the fit up to the deadline."""
        assign_weights(self._model, self._best)
        return FitResult(
            history=pd.DataFrame(self._rows),
            best_epoch=self._best_epoch,
            epochs_run=len(self._rows),
            seconds=sum(row["seconds"] for row in self._rows),
            stopped_reason="budget",
            first_step_seconds=compiled.first_step_seconds,
            step_seconds=compiled.step_seconds,
        )
