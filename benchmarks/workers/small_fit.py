"""A small fit on several processes, in a process of its own, to be killed by tests and benchmarks.

    python benchmarks/workers/small_fit.py CHECKPOINT_FOLDER RESULT_FILE WORKERS SECONDS_PER_STEP

Prints `pids`, the workers' process ids, after every step.
"""

import hashlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import keras
import numpy as np

from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.compiled import compile_fit
from ultimate_deep.training.loop.fit import WorkerLostError, fit
from ultimate_deep.training.loop.participants import Participants
from ultimate_deep.training.loop.step import Step
from ultimate_deep.training.progress import Progress
from ultimate_deep.training.settings.gradients import GradientsConfig

AfterStep = Callable[[int, list[int]], None]
EPOCHS, STEPS, BATCH, FEATURES = 3, 4, 16, 5


def small_net() -> keras.Model:
    """A net with dropout, batch normalisation and L2."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((FEATURES,), name="features")
    x = keras.layers.Dense(7, activation="gelu")(inputs)
    x = keras.layers.BatchNormalization(momentum=0.5)(x)
    x = keras.layers.Dropout(0.3, seed=3)(x)
    return keras.Model(inputs, keras.layers.Dense(1, name="logits", kernel_regularizer="l2")(x))


def small_arrays() -> Arrays:
    """Rows for a few steps."""
    x = np.random.default_rng(1).normal(size=(STEPS * BATCH, FEATURES)).astype(np.float32)
    return Arrays(x=x, y=(x[:, :1] > 0).astype(np.float32))


def small_config(workers: int, engine: Literal["processes", "ray"] = "processes") -> FitConfig:
    """A checkpoint after every step."""
    return FitConfig(
        epochs=EPOCHS,
        batch_size=BATCH,
        gradients=GradientsConfig(micro_batches=4),
        workers=workers,
        engine=engine,
        jit_compile=False,
        checkpoint_every_seconds=0.0,
    )


class Watched(Progress):
    """Does something after each step, told the workers' process ids.

    Args:
        after_step: Called with the steps so far and the ids.
        taken: Training step of the fit, which knows its workers.
    """

    def __init__(self, after_step: AfterStep, taken: Step) -> None:
        self._steps, self._after_step, self._taken = 0, after_step, taken

    def step(self, epoch: int, step: int, loss: float) -> None:
        """Call it."""
        self._steps += 1
        self._after_step(self._steps, pids_of(self._taken))


def pids_of(taken: Step) -> list[int]:
    """Return the process ids of the workers of a training step."""
    members = taken.participant.members if isinstance(taken.participant, Participants) else {}
    team = getattr(members.get("accumulation"), "team", None)
    return [] if team is None else list(team.pids)


def small_fit(
    folder: Path | None,
    workers: int,
    engine: Literal["processes", "ray"] = "processes",
    *,
    resume: bool = False,
    after_step: AfterStep = lambda steps, pids: None,
) -> str:
    """Fit and return the digest of all variables of the model and the optimizer."""
    model, config = small_net(), small_config(workers, engine)
    compiled = compile_fit(model, config)
    fit(
        model,
        small_arrays(),
        small_arrays(),
        config,
        checkpoint_folder=folder,
        resume=resume,
        progress=Watched(after_step, compiled.step),
        compiled=compiled,
    )
    values = [np.ascontiguousarray(v.numpy()) for v in compiled.step.variables().values()]
    return hashlib.sha256(b"".join(one.tobytes() for one in values)).hexdigest()


def main() -> None:
    """Resume where there is something to resume, and write the digest."""
    folder, result, workers, seconds = sys.argv[1:]

    def after_step(steps: int, pids: list[int]) -> None:
        print("pids", *pids, flush=True)
        time.sleep(float(seconds))

    try:
        digest = small_fit(Path(folder), int(workers), resume=True, after_step=after_step)
    except WorkerLostError as lost:
        sys.exit(str(lost))
    Path(result).write_text(digest)


if __name__ == "__main__":
    main()
