"""Compiled training step and forward pass of one model, and how long they take here."""

import math
import time
from dataclasses import dataclass

import keras
import numpy as np

from ultimate_deep.machine.memory import reuse_memory
from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.batches.batches import Batch, Batches
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.distributed.team import WorkerLostError
from ultimate_deep.training.loop.array_fit import check_arrays
from ultimate_deep.training.loop.backends import build_forward, build_step, check_backend
from ultimate_deep.training.loop.checkpoint import to_numpy
from ultimate_deep.training.loop.freezing import freeze
from ultimate_deep.training.loop.participants import build_participants
from ultimate_deep.training.loop.step import ForwardPass, Step
from ultimate_deep.training.losses.loss import Loss
from ultimate_deep.training.losses.outputs import head_shapes
from ultimate_deep.training.progress import Progress

TRIAL_SECONDS = 3.0
MOST_TRIAL_STEPS = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class CompiledFit:
    """What `fit` runs, with its timings where they have been taken (NaN where not).

    Args:
        step: The training step, and who takes part in the fit.
        forward: The forward pass for validation.
        first_step_seconds: Tracing, compiling and taking the first step.
        step_seconds: Median of the trial steps after it.
        forward_seconds: One validation batch, compiled.
        trial_steps: Steps behind `step_seconds`.
    """

    step: Step
    forward: ForwardPass
    first_step_seconds: float = math.nan
    step_seconds: float = math.nan
    forward_seconds: float = math.nan
    trial_steps: int = 0


def compile_fit(model: keras.Model, config: FitConfig) -> CompiledFit:
    """Return step, with those who take part in it, and forward pass, not yet traced.

    Layers that `fit.frozen` names are frozen first.
    """
    reuse_memory(model.count_params())
    config.check_workers()
    check_backend(config)
    freeze(model, config.frozen)
    step = build_step(model, config, build_participants(config, model))
    forward = build_forward(
        model, config.evaluation_batch_size, jit_compile=step.jit_compile, step=step
    )
    return CompiledFit(step=step, forward=forward)


def time_fit(
    model: keras.Model,
    train: Arrays,
    validation: Arrays,
    config: FitConfig,
    progress: Progress | None = None,
) -> CompiledFit:
    """Compile the model's step and time it on real rows, leaving the model as it was.

    The trial steps have learning rate zero, and moving statistics, seed states and the
    optimizer's state are put back, so that a fit afterwards gives the same result bit for bit.

    Args:
        model: A built model.
        train: Its first batch is what the step is tried on.
        validation: Its first batch is what the forward pass is tried on.
        config: The fit to come.
        progress: Told that compiling goes on.

    Raises:
        ValueError: Arrays that do not fit the model, or a first batch with a loss or a gradient
            that is not finite.
        WorkerLostError: A worker of `fit.workers` is gone.
    """
    check_arrays(model, train, "train")
    check_arrays(model, validation, "validation")
    compiled = compile_fit(model, config)
    step = compiled.step
    for part, arrays in (("train", train), ("validation", validation)):
        check_targets(step.loss, arrays, part)
    batches = training_batches(model, train, config)
    batch = batches.take(slice(0, batches.batch_size))
    kept = _state_beside_weights(model, step)
    progress = progress or Progress()
    with progress.busy(f"tracing and compiling {size_sentence(model)}"):
        first = _seconds_of_step(step, batch)
        durations = [_seconds_of_step(step, batch)]
        while sum(durations) < TRIAL_SECONDS and len(durations) < MOST_TRIAL_STEPS:
            durations.append(_seconds_of_step(step, batch))
        forward_seconds = _seconds_of_forward(compiled.forward, validation)
    for variable, value in kept:
        variable.assign(value)
    if lost := step.participant.must_end():
        raise WorkerLostError(f"{lost} in a step that was timed for the plan; start again")
    return CompiledFit(
        step=step,
        forward=compiled.forward,
        first_step_seconds=first,
        step_seconds=float(np.median(durations)),
        forward_seconds=forward_seconds,
        trial_steps=len(durations),
    )


def training_batches(model: keras.Model, train: Arrays, config: FitConfig) -> Batches:
    """Return the batches of a fit, in the order of its seed.

    Where there are fewer rows than a batch, they are one batch, of as many as micro-batches divide.

    Raises:
        ValueError: Fewer rows than micro-batches.
    """
    parts = config.parts_of_batch
    if train.rows < parts:
        raise ValueError(
            f"fit.gradients.micro_batches and halves to measure noise cut a batch into {parts} "
            f"parts, and there are {train.rows} training rows; set fewer parts"
        )
    most = train.rows - train.rows % parts
    return Batches(
        arrays=train,
        batch_size=min(config.rows_of_step, most),
        seed=config.seed,
        class_weights=config.class_weights,
        classes=head_shapes(model.output).classes,
        return_weights=config.largest_weight,
    )


def check_targets(loss: Loss, arrays: Arrays, part: str) -> None:
    """Refuse arrays without something that the loss compares predictions with.

    Raises:
        ValueError: Naming what is missing.
    """
    missing = [name for name in loss.targets if name not in arrays.targets()]
    if missing:
        raise ValueError(
            f"{part}: the loss compares predictions with {' and '.join(missing)}, which these "
            "arrays lack; give them to Arrays, or choose a loss of labels alone"
        )


def size_sentence(model: keras.Model) -> str:
    """Return the model's name and size, for people who wait for it."""
    return f"{model.name} ({model.count_params():,} parameters)"


def _seconds_of_step(step: Step, batch: Batch) -> float:
    began = time.perf_counter()
    loss, penalty = step(batch.x, batch.targets, batch.weight, 0.0)
    total = float(loss) + float(penalty)
    seconds = time.perf_counter() - began
    if not math.isfinite(total):
        raise ValueError(
            f"the loss of the first batch is {total} before any training; check the inputs' scale "
            "and the model's precision"
        )
    return seconds


def _seconds_of_forward(forward: ForwardPass, validation: Arrays) -> float:
    x = validation.take(slice(0, forward.batch_size))
    forward.batch(x)
    began = time.perf_counter()
    forward.batch(x)
    return time.perf_counter() - began


def _state_beside_weights(
    model: keras.Model, step: Step
) -> list[tuple[keras.Variable, np.ndarray]]:
    """Return what a step with learning rate zero still changes, with its values now.

    The optimizer's moments are zero before the first step, so that no copy of them is needed.
    """
    trained = {id(variable) for variable in model.trainable_variables}
    moving = [v for v in model.variables if id(v) not in trained]
    kept = [(variable, to_numpy(variable)) for variable in moving]
    for variable in [*step.optimizer.variables, *step.counters]:
        value = to_numpy(variable)
        kept.append(
            (variable, np.broadcast_to(value.dtype.type(0), value.shape) if value.ndim else value)
        )
    return kept
