"""Windows whose time or size is bent. The last bar, at which the decision is made, stays last."""

from typing import Any

import keras
import numpy as np
from keras import ops
from scipy.interpolate import CubicSpline

from ultimate_deep.training.augmentation.parts import mapped, normal, uniform
from ultimate_deep.training.participant import StepTensors

KNOTS = 4


def time_warp(
    tensors: StepTensors, strength: float, seed: keras.random.SeedGenerator
) -> StepTensors:
    """Let time pass faster and slower within a window; both its ends stay.

    Args:
        tensors: The batch to change.
        strength: Standard deviation of the logarithm of time's speed at its knots.
        seed: Source of the draws.

    Source: Um et al. (2017), arXiv:1706.00527, sec. 3, with the logarithm of the speed drawn.
    """

    def change(x: Any) -> Any:
        rows, bars, _ = x.shape
        speed = ops.exp(strength * _curves(rows, bars, 1, seed, x.dtype)[..., 0])
        passed = ops.cumsum(speed[:, 1:], axis=1)
        share = passed / passed[:, -1:]
        places = ops.concatenate([ops.zeros((rows, 1), dtype=share.dtype), share], axis=1)
        return _read(x, places * (bars - 1))

    return mapped(tensors, change, windows=True)


def window_slice(
    tensors: StepTensors, strength: float, seed: keras.random.SeedGenerator
) -> StepTensors:
    """Leave out first bars of a window and stretch the others over all of it.

    Args:
        tensors: The batch to change.
        strength: Largest share of the bars that is left out.
        seed: Source of the draws.

    Source: Le Guennec, Malinowski & Tavenard (2016), "Data augmentation for time series
    classification", sec. 3.1. Deviation: the slice always ends with the last bar.
    """

    def change(x: Any) -> Any:
        rows, bars, _ = x.shape
        first = strength * (bars - 1) * uniform((rows, 1), seed, x.dtype)
        even = ops.convert_to_tensor(np.linspace(0.0, 1.0, bars), dtype=x.dtype)[None, :]
        return _read(x, first + even * (bars - 1 - first))

    return mapped(tensors, change, windows=True)


def magnitude_warp(
    tensors: StepTensors, strength: float, seed: keras.random.SeedGenerator
) -> StepTensors:
    """Multiply each feature by a smooth curve over the bars of its window.

    Args:
        tensors: The batch to change.
        strength: Standard deviation of the curve's knots around one.
        seed: Source of the draws.

    Source: Um et al. (2017), arXiv:1706.00527, sec. 3: a cubic spline through four knots.
    """

    def change(x: Any) -> Any:
        rows, bars, features = x.shape
        return x * (1.0 + strength * _curves(rows, bars, features, seed, x.dtype))

    return mapped(tensors, change, windows=True)


def _curves(
    rows: int, bars: int, features: int, seed: keras.random.SeedGenerator, dtype: Any
) -> Any:
    """Return smooth curves through normal knots, `(rows, bars, features)`."""
    places = np.linspace(0.0, max(bars - 1, 1), KNOTS)
    basis = CubicSpline(places, np.eye(KNOTS))(np.arange(bars))
    knots = normal((rows, KNOTS, features), seed, dtype)
    return ops.einsum("bk,rkf->rbf", ops.convert_to_tensor(basis, dtype=knots.dtype), knots)


def _read(x: Any, places: Any) -> Any:
    """Return the values of windows at places between bars, `(rows, bars)`, in straight lines."""
    bars = x.shape[1]
    places = ops.clip(places, 0.0, float(bars - 1))
    low = ops.minimum(ops.floor(places), float(max(bars - 2, 0)))
    share = ops.cast((places - low)[..., None], x.dtype)
    at = ops.cast(low, "int32")[..., None]
    first = ops.take_along_axis(x, at, axis=1)
    second = ops.take_along_axis(x, ops.minimum(at + 1, bars - 1), axis=1)
    return first + share * (second - first)
