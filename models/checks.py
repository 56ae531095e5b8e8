"""Checks that the configurations of several models share; importable without Keras."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
NORMALIZATIONS = ("layer", "rms", "batch")
ACTIVATIONS = ("relu", "gelu", "silu", "elu", "selu", "tanh", "leaky_relu", "softplus", "mish")


def check_choice(field: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raise ValueError with the allowed names when `value` is none of them."""
    if value not in allowed:
        raise ValueError(f"{field} must be one of {', '.join(allowed)}; got {value!r}")


def check_range(field: str, value: float, low: float, high: float = math.inf) -> None:
    """Raise ValueError unless `low <= value < high`; NaN fails."""
    if not low <= value < high:
        raise ValueError(f"{field} must be at least {low:g} and below {high:g}; got {value!r}")


def check_whole(field: str, value: int, low: int) -> None:
    """Raise TypeError unless `value` is a whole number, and ValueError where it is below `low`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{field} must be a whole number, got {value!r}; use {low} or more")
    check_range(field, value, low)


def check_widths(field: str, widths: tuple[int, ...]) -> None:
    """Raise TypeError unless `widths` are several whole numbers, of any size."""
    if not isinstance(widths, tuple | list):
        raise TypeError(f"{field} must hold widths, got {widths!r}; use e.g. ({widths},)")
    for width in widths:
        if isinstance(width, bool) or not isinstance(width, int):
            raise TypeError(f"{field} must hold whole numbers, got {widths!r}; use e.g. (64,)")


def check_positive(field: str, value: float) -> None:
    """Raise ValueError unless `value` is positive and finite; NaN fails."""
    if not 0 < value < math.inf:
        raise ValueError(f"{field} must be positive and finite; got {value!r}")


def dtype_policy(precision: str) -> keras.DTypePolicy:
    """The Keras policy that carries out a configuration's `precision`."""
    import keras

    check_choice("precision", precision, PRECISIONS)
    return keras.DTypePolicy(precision)
