"""What may take part in a fit, and when the loop asks it.

The loop knows nothing else: early stopping, falls on a plateau and the best epoch's weights are
participants, and so is whatever comes. One that is new is one file with a builder

    def build_name(config: FitConfig, model: keras.Model) -> Participant | None

which says None where the configuration does not ask for it, and one line in
`training.loop.participants.PARTICIPANTS`. Its file also declares `EXAMPLE`, a `FitConfig` that
asks for it: `tests/training/test_participants.py` fits by that and cuts the fit at every point.

The course of a fit; epochs and steps count from 1 but where said:

    build(config, model)                 once for a compiled step, which serves several fits
    begin(outline)                       everything as before the first step
    restore(arrays)                      only where a checkpoint is resumed
    for every epoch
        order(epoch, rows)               which rows, in which batches
        for every step
            learning_rate(step, rate)
            before_step()                also before a timed trial step, where nothing has begun
            batch(tensors)               in the compiled step: traced once, not called again
            gradients(tensors, compute)  in the compiled step
            after_step(epoch, step, loss)
            must_end()
        with validating():               the weights that are judged are in place
            (validation)
            after_epoch(epoch, row)
            wants_to_stop()
    after_fit()                          the weights that the fit leaves behind
    release()                            however the fit has ended

`state` is asked for after `begin` and before `after_fit`: after any step, in mid-validation (but
`validating` has been left by then), and after any epoch. A run that goes on from what it returned
must end bit for bit like one that was never cut.

Several participants form a chain in the order of the registry: each is given what the one before
returned. In `gradients` a later one encloses the earlier ones.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

# NumPy arrays, or Keras variables, which a checkpoint copies out one by one as it is written.
State = dict[str, Any]


class StateError(ValueError):
    """State that is not the participant's own: something unknown, missing or of another shape."""


class StepTensors(NamedTuple):
    """One batch within the compiled step.

    Args:
        x: Inputs in the model's structure: a tensor `(batch, ...)`, or a dict of such.
        targets: What the loss compares with, by name, each float32 `(batch, horizons)`.
        weight: Weight of every label, float32 `(batch, horizons)`.
    """

    x: Any
    targets: dict[str, Any]
    weight: Any


class StepGradients(NamedTuple):
    """What one pass forward and back found.

    Args:
        loss: Weighted mean of the batch, a float32 scalar.
        penalty: What the model adds to it, a float32 scalar.
        gradients: Gradients of their sum, in the order of `model.trainable_variables`. Under
            mixed_float16 they carry the loss scale, which the optimizer takes out again.
        by_horizon: Weighted mean of the batch for each horizon, float32 `(horizons,)`, whose mean
            is the loss.
    """

    loss: Any
    penalty: Any
    gradients: list[Any]
    by_horizon: Any


Compute = Callable[[StepTensors], StepGradients]


@dataclass(frozen=True, kw_only=True, eq=False)
class FitOutline:
    """The fit that begins.

    Args:
        model: The model, with its first weights.
        inputs: Training inputs by name, each `(rows, ...)`: NumPy arrays or `market.windows`.
        targets: What losses compare with, by name, each `(rows, horizons)`.
        rows: Number of training rows.
        batch_size: Rows of a batch, where no participant says otherwise.
        steps_per_epoch: Steps of an epoch, where no participant says otherwise.
        epochs: Epochs that the fit is laid out for (`FitConfig.course_epochs`); it may end sooner,
            or go on.
        optimizer: The optimizer, without a loss scale around it.
    """

    model: Any
    inputs: Mapping[str, Any]
    targets: Mapping[str, np.ndarray]
    rows: int
    batch_size: int
    steps_per_epoch: int
    epochs: int
    optimizer: Any = None


class Participant:
    """Takes part in a fit; every hook here is neutral, so a subclass has only those it needs.

    Two hooks, `batch` and `gradients`, run inside the compiled step: they are Python only while
    the step is traced, take and return tensors, and cost nothing where nobody has them. What they
    read or write from step to step is a Keras variable or a `keras.random.SeedGenerator` that the
    builder made (a Python number would be traced as a constant), set anew by `begin` and part of
    `state`. All other hooks are plain Python between two steps, always in the thread of the fit.

    The model may be changed in `after_step`, inside `validating` and in `after_fit`, and nowhere
    else. The optimizer's variables and the arrays of the outline are never changed.
    """

    def begin(self, outline: FitOutline) -> None:
        """Forget everything: a fit of `outline` starts.

        One participant serves several fits of one compiled step, one after another, and what a
        timed trial step left in its variables must go too.
        """

    def state(self) -> State:
        """Return all that `restore` needs, as arrays (or Keras variables) by name.

        Numbers are arrays without dimensions. Neither what follows from configuration and
        outline, nor any of the model's and the optimizer's variables, which the checkpoint has
        anyway. What is returned is written before the next hook is called.
        """
        return {}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Go on from what `state` returned; `begin` has been called, and model and optimizer hold
        the checkpoint's values. The arrays may be kept.

        Raises:
            StateError: Something unknown, missing, or of another shape; see `require_names`.
        """
        require_names(arrays, ())

    def order(self, epoch: int, rows: np.ndarray) -> np.ndarray:
        """Return the rows of every batch of the epoch, integers `(steps, batch)`.

        Another number of steps is another length of the epoch (the schedule of the learning rate
        is stretched over it), another width another batch size, for which the step is traced
        once more. A run that is resumed in mid-epoch asks again: the answer must then be the
        same, so it may depend on nothing that has changed since the epoch began.

        Args:
            epoch: The epoch that starts.
            rows: Rows as the participants before chose them, int64 `(steps, batch)`; at first a
                shuffle by seed and epoch. Not to be written to.
        """
        return rows

    def learning_rate(self, step: int, rate: float) -> float:
        """Return the learning rate of a step.

        It must depend on nothing else that changes within an epoch: the history tells that of
        an epoch's last step, asked for after it.

        Args:
            step: Steps of the schedule before this one, all epochs together, from 0.
            rate: The rate that the schedule and the participants before give.
        """
        return rate

    def before_step(self) -> None:
        """A compiled step is about to run: what it needs beside the model is got ready.

        Raises:
            ValueError: It cannot be.
        """

    def batch(self, tensors: StepTensors) -> StepTensors:
        """Return the batch to train on; traced into the compiled step.

        Shapes and dtypes may not change. Validation is not asked.
        """
        return tensors

    def gradients(self, tensors: StepTensors, compute: Compute) -> StepGradients:
        """Return loss and gradients of the batch; traced into the compiled step.

        Args:
            tensors: The batch's tensors.
            compute: One pass forward and back at the weights as they are. It may be called on
                parts of the batch, whose gradients are then averaged here, or several times with
                other weights in between; each call draws new masks and moves the model's
                statistics, so who calls it twice puts `model.non_trainable_variables` right.
        """
        return compute(tensors)

    def after_step(self, epoch: int, step: int, loss: float) -> None:
        """The optimizer has stepped.

        Args:
            epoch: The epoch under way.
            step: Steps of it taken so far.
            loss: The batch's loss, without penalty; finite.
        """

    def must_end(self) -> str:
        """Return why the fit cannot go on after the step that is over; empty where it can.

        The step is whole: a checkpoint is written, and the fit ends with
        `training.distributed.team.WorkerLostError`.
        """
        return ""

    def validating(self) -> AbstractContextManager[None]:
        """Return the context in which the model is validated, kept and handed to `on_epoch`.

        Averaged weights are put in place on entering, and the trained ones put back on leaving,
        whether or not an exception passes through.
        """
        return nullcontext()

    def after_epoch(self, epoch: int, row: Mapping[str, float]) -> None:
        """An epoch has been validated.

        Args:
            epoch: The epoch that is over.
            row: Its line of the history, see `training.result.FitResult`.
        """

    def wants_to_stop(self) -> str:
        """Return why the epoch that is over was the last one, in few words; empty to go on.

        The first reason is the fit's `stopped_reason`; `fit.epochs` ends a fit in any case.
        """
        return ""

    def after_fit(self) -> int | None:
        """Put in place the weights that the fit leaves behind, and return the epoch they are of.

        Also called where a run that had already finished is restored. None leaves weights, and
        the epoch that the fit reports, as they are; the last participant to answer counts. No
        other hook is called until a fit begins anew, so copies of weights can be let go.
        """
        return None

    def outside_bytes(self) -> int:
        """Return the peak memory of processes besides this one that take part."""
        return 0

    def release(self) -> None:
        """Let go of what lies outside this process; a later step may get it ready again."""


def require_names(arrays: Mapping[str, np.ndarray], names: Iterable[str]) -> None:
    """Refuse state that does not have exactly these names.

    Raises:
        StateError: Telling what is missing and what is unknown.
    """
    expected = set(names)
    missing, unknown = sorted(expected - set(arrays)), sorted(set(arrays) - expected)
    told = [f"{word} {', '.join(found)}" for word, found in _told(missing, unknown) if found]
    if told:
        raise StateError(f"its state must be {sorted(expected)}: {'; '.join(told)}")


def _told(missing: list[str], unknown: list[str]) -> tuple[tuple[str, list[str]], ...]:
    return ("missing", missing), ("unknown", unknown)
