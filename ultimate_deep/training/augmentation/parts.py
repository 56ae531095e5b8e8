"""What augmentations share: inputs by their rank, and draws."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from ultimate_deep.training.participant import StepTensors

WINDOW_RANK = 3
# Inputs that say when a row is, by which a net looks up what is known: never changed.
TIMES = ("clock",)


def mapped(tensors: StepTensors, change: Callable[[Any], Any], *, windows: bool) -> StepTensors:
    """Return the batch with its inputs changed, one after the other.

    Args:
        tensors: The batch to change.
        change: Function of one input of real numbers, `(batch, ...)`, but for times.
        windows: Whether windows `(batch, bars, features)` alone are changed.
    """

    def one(x: Any) -> Any:
        real = "float" in keras.backend.standardize_dtype(x.dtype)
        return change(x) if real and (not windows or len(x.shape) == WINDOW_RANK) else x

    if isinstance(tensors.x, dict):
        changed = {name: x if name in TIMES else one(x) for name, x in tensors.x.items()}
        return tensors._replace(x=changed)
    return tensors._replace(x=one(tensors.x))


def per_feature(x: Any) -> tuple[int, ...]:
    """Return the shape of one draw for each row and feature, the same for all bars of a window."""
    shape = tuple(x.shape)
    return (shape[0], *([1] * (len(shape) - 2)), shape[-1])


def normal(shape: tuple[int, ...], seed: keras.random.SeedGenerator, dtype: Any) -> Any:
    """Return standard normal draws."""
    return keras.random.normal(shape, seed=seed, dtype=keras.backend.standardize_dtype(dtype))


def uniform(shape: tuple[int, ...], seed: keras.random.SeedGenerator, dtype: Any) -> Any:
    """Return draws from 0 to 1."""
    return keras.random.uniform(shape, seed=seed, dtype=keras.backend.standardize_dtype(dtype))


def partner(values: Any) -> Any:
    """Return what the next row of the batch has; rows are shuffled anew for every epoch."""
    return ops.roll(values, 1, axis=0)
