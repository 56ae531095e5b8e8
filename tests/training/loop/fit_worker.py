"""A small fit with dropout in its own process, to be killed by `test_resume.py`.

Usage: python fit_worker.py CHECKPOINT_FOLDER RESULT_FILE SECONDS_PER_STEP
"""

import os
import sys
import time
from pathlib import Path

import keras
import numpy as np

from ultimate_deep.training.loop.fit import Arrays, FitConfig, Interrupted, fit
from ultimate_deep.training.progress import Progress
from ultimate_deep.training.schedules.config import ScheduleConfig

EPOCHS, STEPS = 4, 12


class SlowProgress(Progress):
    """Sleeps after each step, so that a signal can fall between two of them."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def step(self, epoch: int, step: int, loss: float) -> None:
        time.sleep(self.seconds)


def noisy_arrays(rows: int, *, seed: int) -> Arrays:
    """Eight features of which two decide most labels."""
    draws = np.random.default_rng(seed)
    x = draws.normal(size=(rows, 8)).astype(np.float32)
    up = x[:, :1] + x[:, 1:2] * x[:, 2:3] + draws.normal(size=(rows, 1)) > 0
    return Arrays(x=x, y=up.astype(np.float32))


def noisy_model() -> keras.Model:
    """A net with dropout, batch normalisation and L2."""
    layers = keras.layers
    inputs = keras.Input((8,), name="features")
    hidden = layers.Dense(16, activation="gelu", kernel_regularizer=keras.regularizers.L2(1e-4))
    x = layers.Dropout(0.3, seed=5)(layers.BatchNormalization()(hidden(inputs)))
    x = layers.Dropout(0.3, seed=6)(layers.Dense(16, activation="gelu")(x))
    return keras.Model(inputs, layers.Dense(1)(x))


def fit_config() -> FitConfig:
    """A checkpoint after every step, plateau falls within four epochs."""
    return FitConfig(
        epochs=EPOCHS,
        batch_size=32,
        learning_rate=0.02,
        jit_compile=True,
        schedule=ScheduleConfig(kind="plateau", plateau_patience_epochs=1, plateau_min_delta=0.05),
        checkpoint_every_seconds=0.0,
    )


def main() -> None:
    """Fit, or exit with 130 when interrupted."""
    folder, result, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
    keras.utils.set_random_seed(int.from_bytes(os.urandom(2)))
    model = noisy_model()
    keras.utils.set_random_seed(3)
    for variable in model.trainable_variables:
        if variable.name == "kernel":
            variable.assign(keras.random.normal(variable.shape, stddev=0.3))
    try:
        fitted = fit(
            model,
            noisy_arrays(STEPS * 32 + 7, seed=1),
            noisy_arrays(200, seed=2),
            fit_config(),
            checkpoint_folder=folder,
            resume=True,
            progress=SlowProgress(seconds),
        )
    except Interrupted as error:
        print(error)
        sys.exit(130)
    weights = {f"weight_{i}": w for i, w in enumerate(model.get_weights())}
    np.savez(result, history=fitted.history.drop(columns="seconds").to_numpy(), **weights)


if __name__ == "__main__":
    main()
