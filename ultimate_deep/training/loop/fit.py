"""Training loop with full-state checkpoints: a run that was killed ends bit for bit the same."""

import math
import time
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from ultimate_deep.machine.interrupts import Interrupted, StopRequest, stop_requests
from ultimate_deep.machine.prefetch import ahead_for, prefetched
from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.batches.batches import epoch_order
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.distributed.team import WorkerLostError, lost_at
from ultimate_deep.training.loop.array_fit import check_arrays
from ultimate_deep.training.loop.checkpoint import (
    CheckpointError,
    check_fingerprint,
    has_checkpoint,
    latest_checkpoint,
    write_checkpoint,
)
from ultimate_deep.training.loop.compiled import (
    CompiledFit,
    check_targets,
    compile_fit,
    size_sentence,
    training_batches,
)
from ultimate_deep.training.loop.fingerprint import compute_dtypes, fit_fingerprint
from ultimate_deep.training.loop.fit_state import (
    FitState,
    check_version,
    restore_state,
    save_state,
)
from ultimate_deep.training.loop.validation import validation_metrics
from ultimate_deep.training.participant import FitOutline, StepTensors
from ultimate_deep.training.precision import check_precision
from ultimate_deep.training.progress import OVERFLOWS, Progress
from ultimate_deep.training.result import FitResult
from ultimate_deep.training.schedules.schedules import Schedule

__all__ = [
    "Arrays",
    "FitConfig",
    "FitResult",
    "Interrupted",
    "TrainingDivergedError",
    "WorkerLostError",
    "epoch_order",
    "fit",
]

CHECKPOINT_COST_SHARE = 0.05
TIMING_COLUMNS = ("seconds",)


class TrainingDivergedError(ValueError):
    """The loss became NaN or infinite."""


def fit(
    model: keras.Model,
    train: Arrays,
    validation: Arrays,
    config: FitConfig,
    *,
    checkpoint_folder: Path | None,
    resume: bool = False,
    progress: Progress | None = None,
    compiled: CompiledFit | None = None,
    on_epoch: Callable[[int, keras.Model], None] | None = None,
) -> FitResult:
    """Train the model in place and leave it with the weights of its best epoch.

    Early stopping, the best epoch's weights and whatever else takes part is a participant, see
    `training.participant`.

    Args:
        model: Built model, inputs as in `train.x`, heads as `models.heads` gives them.
        train: Rows to train on.
        validation: Validation rows; their weights count in the loss, class weights do not.
        config: How to train.
        checkpoint_folder: Where checkpoints go; None keeps none.
        resume: Go on from the newest checkpoint; from the start where there is none.
        progress: Who is told; nobody where absent.
        compiled: Compiled functions of this model and configuration, where a plan has timed them.
        on_epoch: Called with the epoch (from 1) and the model as that epoch left it, before the
            epoch's checkpoint is written: a run that is killed in between calls it again for the
            same epoch with the same weights. It must leave the model as it is.

    Raises:
        ValueError: Arrays, model, loss or precision that do not fit together.
        CheckpointError: Nothing sound to resume from, another run's checkpoint, or a folder that
            holds checkpoints although `resume` is off.
        TrainingDivergedError: A loss that is NaN or infinite; names epoch and step.
        Interrupted: Ctrl-C or SIGTERM, after the current step and a checkpoint.
        WorkerLostError: A worker of `fit.workers` is gone, after the current step, which is whole,
            and a checkpoint.
    """
    if config.growing_stages:
        raise ValueError(
            f"fit trains one net, got fit.growing_stages {config.growing_stages}; call "
            "training.progressive.stages.fit_in_stages, or leave them out"
        )
    check_arrays(model, train, "train")
    check_arrays(model, validation, "validation")
    check_precision(config.precision, compute_dtypes(model))
    compiled = compiled or compile_fit(model, config)
    for part, arrays in (("train", train), ("validation", validation)):
        check_targets(compiled.step.loss, arrays, part)
    loop = _Loop(model, train, validation, config, checkpoint_folder, progress, compiled)
    loop.on_epoch = on_epoch
    if checkpoint_folder is not None:
        loop.open_checkpoints(checkpoint_folder, resume=resume)
    with stop_requests() as request:
        try:
            loop.run(request)
        finally:
            loop.participant.release()
            loop.progress.close()
    return loop.result()


class _ValidationCutError(Exception):
    """A signal came while the model was validated."""


class _Loop:
    """One fit under way."""

    def __init__(
        self,
        model: keras.Model,
        train: Arrays,
        validation: Arrays,
        config: FitConfig,
        folder: Path | None,
        progress: Progress | None,
        compiled: CompiledFit,
    ) -> None:
        self.model, self.train, self.validation = model, train, validation
        self.config, self.folder = config, folder
        self.progress = progress or Progress()
        self.take_step, self.forward = compiled.step, compiled.forward
        self.participant = compiled.step.participant
        self.first_step_seconds = compiled.first_step_seconds
        self.state = FitState()
        self.batches = training_batches(model, train, config)
        self.batch_size = self.batches.batch_size
        self.steps_per_epoch = self.batches.steps_per_epoch
        self.epoch_steps, self.epoch_batch_size = self.steps_per_epoch, self.batch_size
        self.best_epoch = 0
        self.schedule = Schedule(
            config=config.schedule,
            peak=config.peak_rate,
            steps_per_epoch=self.steps_per_epoch,
            epochs=config.course_epochs,
        )
        self.on_epoch: Callable[[int, keras.Model], None] | None = None
        self.fingerprint: dict[str, object] = {}
        self.written_at = time.monotonic()
        self.write_seconds = 0.0
        self.timed_steps, self.timed_seconds = 0, 0.0
        self.participant.begin(self._outline())

    def open_checkpoints(self, folder: Path, *, resume: bool) -> None:
        """Restore the newest checkpoint, or make sure that there is none."""
        self.fingerprint = fit_fingerprint(
            self.model,
            self.train,
            self.validation,
            self.config,
            jit_compile=self.take_step.jit_compile,
        )
        if not resume:
            if has_checkpoint(folder):
                raise CheckpointError(
                    f"{folder} holds another run's checkpoints; resume it or name another folder"
                )
            return
        checkpoint, refused = latest_checkpoint(folder)
        for sentence in refused:
            self.progress.message(f"{sentence}; going back to the checkpoint before")
        if checkpoint is None:
            self.progress.message("no checkpoint yet: starting from the first step")
            return
        # Another version may build the same net under other names: that is said first.
        check_version(checkpoint.state)
        check_fingerprint(checkpoint.fingerprint, self.fingerprint)
        variables = self.take_step.variables()
        self.state = restore_state(checkpoint, variables, self.participant)

    def run(self, request: StopRequest) -> None:
        """Train until the last epoch or an early stop, then put the final weights in place."""
        state = self.state
        if not state.stopped_reason:
            self._first_message()
            self.progress.start(
                epochs=self.config.most_epochs,
                steps_per_epoch=self.steps_per_epoch,
                epoch=state.epoch,
                step=state.step,
            )
        while not state.stopped_reason:
            self._run_epoch(request)
        self.best_epoch = self.participant.after_fit() or state.epoch

    def result(self) -> FitResult:
        """Return the outcome of a finished run."""
        state = self.state
        steps = self.timed_steps
        return FitResult(
            history=pd.DataFrame(state.history),
            best_epoch=self.best_epoch,
            epochs_run=state.epoch,
            seconds=state.seconds,
            stopped_reason=state.stopped_reason,
            first_step_seconds=self.first_step_seconds,
            step_seconds=self.timed_seconds / steps if steps else math.nan,
        )

    def _first_message(self) -> None:
        dropped = self.train.rows - self.steps_per_epoch * self.batch_size
        self.progress.message(
            f"training on {self.train.rows:,} rows: {self.steps_per_epoch:,} steps of "
            f"{self.batch_size} in an epoch, {dropped} rows (others each time) left out of it"
        )

    def _run_epoch(self, request: StopRequest) -> None:
        state, began = self.state, time.monotonic() - self.state.epoch_seconds
        with closing(self._epoch_batches()) as batches:
            asked_at = time.monotonic()
            for batch in batches:
                self._step(batch, asked_at)
                state.epoch_seconds = time.monotonic() - began
                self.progress.step(state.epoch + 1, state.step, state.loss_sum / state.step)
                self._stop_or_write(request)
                asked_at = time.monotonic()
        with self.participant.validating():
            row = self._validated_row(request)
            state.epoch_seconds = time.monotonic() - began
            if row is not None:
                self._end_epoch(row | {"seconds": state.epoch_seconds})
        if row is not None and self._epoch_is_kept():
            self._write()
        self._stop_or_write(request)

    def _epoch_is_kept(self) -> bool:
        every = self.config.checkpoint_every_epochs
        return bool(self.state.stopped_reason or (every and self.state.epoch % every == 0))

    def _epoch_batches(self) -> Generator[StepTensors]:
        """Yield the tensors of every step that is left of this epoch."""
        shuffled = self.batches.rows(self.state.epoch)
        rows = self.participant.order(self.state.epoch + 1, shuffled)
        self.epoch_steps, self.epoch_batch_size = rows.shape

        def prepare(chosen: np.ndarray) -> StepTensors:
            batch = self.batches.take(chosen)
            return self.take_step.to_tensors(batch.x, batch.targets, batch.weight)

        ahead = ahead_for(self.epoch_batch_size * self.train.row_bytes)
        return prefetched(prepare, rows[self.state.step :], ahead=ahead)

    def _step(self, batch: StepTensors, asked_at: float) -> None:
        state = self.state
        learning_rate = self._learning_rate(state.step)
        new_size = not self.take_step.has_traced(self.epoch_batch_size)
        if new_size or math.isnan(self.first_step_seconds):
            with self.progress.busy(f"tracing and compiling {size_sentence(self.model)}"):
                loss, penalty = map(float, self.take_step.on_tensors(*batch, learning_rate))
            if math.isnan(self.first_step_seconds):
                self.first_step_seconds = time.monotonic() - asked_at
        else:
            loss, penalty = map(float, self.take_step.on_tensors(*batch, learning_rate))
            self.timed_seconds += time.monotonic() - asked_at
            self.timed_steps += 1
        state.step += 1
        if not math.isfinite(loss + penalty):
            raise TrainingDivergedError(
                f"the loss is {loss + penalty} at step {state.step} of epoch {state.epoch + 1}; "
                f"lower fit.learning_rate (now {self.config.peak_rate}), warm up longer or "
                "clip harder (fit.global_clipnorm)"
            )
        state.loss_sum += loss
        state.penalty_sum += penalty
        self.participant.after_step(state.epoch + 1, state.step, loss)

    def _validated_row(self, request: StopRequest) -> dict[str, float] | None:
        """Return the epoch's line of the history but for its seconds, None where a signal came."""
        state = self.state

        def go_on() -> None:
            if request.received is not None:
                raise _ValidationCutError

        try:
            found = self.forward.predictions(self.validation, go_on)
        except _ValidationCutError:
            return None
        measured = validation_metrics(self.take_step.loss, found, self.validation)
        if not math.isfinite(measured["validation_loss"]):
            raise TrainingDivergedError(
                f"the validation loss is {measured['validation_loss']} in epoch {state.epoch + 1}; "
                f"lower fit.learning_rate (now {self.config.peak_rate})"
            )
        return {
            "epoch": state.epoch + 1,
            "loss": state.loss_sum / state.step,
            "penalty": state.penalty_sum / state.step,
            **measured,
            "learning_rate": self._learning_rate(state.step - 1),
            **self._overflows(),
        }

    def _overflows(self) -> dict[str, float]:
        """Return how many of the epoch's steps overflowed in float16; nothing elsewhere."""
        found = self.take_step.overflowed_steps
        if found is None:
            return {}
        before = sum(row[OVERFLOWS] for row in self.state.history)
        return {OVERFLOWS: found - before}

    def _end_epoch(self, row: dict[str, float]) -> None:
        state = self.state
        state.history.append(row)
        state.epoch += 1
        state.seconds += row["seconds"]
        state.step, state.loss_sum, state.penalty_sum, state.epoch_seconds = 0, 0.0, 0.0, 0.0
        self.participant.after_epoch(state.epoch, row)
        last = "finished" if state.epoch == self.config.most_epochs else ""
        state.stopped_reason = self.participant.wants_to_stop() or last
        self.progress.epoch(row)
        if self.on_epoch is not None:
            self.on_epoch(state.epoch, self.model)

    def _outline(self) -> FitOutline:
        return FitOutline(
            model=self.model,
            inputs=self.train.inputs(),
            targets=self.train.targets(),
            rows=self.train.rows,
            batch_size=self.batch_size,
            steps_per_epoch=self.steps_per_epoch,
            epochs=self.config.course_epochs,
            optimizer=self.take_step.inner_optimizer(),
        )

    def _schedule_steps(self, step: int) -> int:
        """Return the schedule's steps before `step` (from 0) of this epoch, however long it is."""
        share = step * self.steps_per_epoch // self.epoch_steps
        return self.state.epoch * self.steps_per_epoch + share

    def _learning_rate(self, step: int) -> float:
        taken = self._schedule_steps(step)
        return self.participant.learning_rate(taken, self.schedule.learning_rate(taken))

    def _stop_or_write(self, request: StopRequest) -> None:
        self._stop_if(request)
        self._end_if_lost()
        if self.folder is None or self.state.stopped_reason:
            return
        every = self.config.checkpoint_every_seconds
        pause = max(every, self.write_seconds / CHECKPOINT_COST_SHARE) if every else 0.0
        if time.monotonic() - self.written_at >= pause:
            self._write()

    def _stop_if(self, request: StopRequest) -> None:
        if request.received is None:
            return
        path = self._write()
        where = f"epoch {self.state.epoch + 1}, step {self.state.step}"
        kept = "resume the run to go on from here" if path else "this run keeps no checkpoints"
        raise Interrupted(f"stopped by {request.received.name} at {where}; {kept}", path)

    def _end_if_lost(self) -> None:
        lost = self.participant.must_end()
        if not lost:
            return
        path = self._write()
        raise lost_at(lost, self.state.epoch + 1, self.state.step, kept=path is not None)

    def _write(self) -> Path | None:
        if self.folder is None:
            return None
        began = time.monotonic()
        variables = self.take_step.variables()
        checkpoint = save_state(self.state, variables, self.participant, self.fingerprint)
        steps = self._schedule_steps(self.state.step)
        path = write_checkpoint(self.folder, checkpoint, step=steps)
        self.written_at = time.monotonic()
        self.write_seconds = self.written_at - began
        return path
