"""Checks on the arrays that this package judges: a wrong shape raises, it never broadcasts."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array1D = npt.NDArray[np.float64]


def vector(name: str, values: npt.ArrayLike, *, allow_nan: bool = False) -> Array1D:
    """Return `values` as float64 of shape `(rows,)`.

    Args:
        name: What to call the array in an error.
        values: Numbers or booleans, one dimension.
        allow_nan: Whether NaN may stay; infinities never may.

    Raises:
        TypeError: Values that are no numbers.
        ValueError: Another number of dimensions, an infinity, or a NaN where none may be.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must hold numbers, got {type(values).__name__}") from error
    if array.ndim != 1:
        raise ValueError(
            f"{name} must have shape (rows,), got {array.shape}; "
            "take one column, or flatten it where that is meant"
        )
    bad = np.isinf(array) if allow_nan else ~np.isfinite(array)
    if bad.any():
        row = int(np.argmax(bad))
        allowed = "finite or NaN" if allow_nan else "finite"
        raise ValueError(
            f"{name} must be {allowed}, got {array[row]} at row {row}; "
            "drop or repair such rows before judging"
        )
    return array


def same_length(**arrays: npt.NDArray[Any]) -> int:
    """Return the common number of rows.

    Raises:
        ValueError: Arrays of different lengths, or of none at all.
    """
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(
            f"these must have one length, got {lengths}; give one entry per row to each"
        )
    rows = next(iter(lengths.values()))
    if rows == 0:
        raise ValueError(f"{', '.join(lengths)} must have at least one row, got none")
    return rows


def binary(name: str, values: npt.ArrayLike) -> Array1D:
    """Return `values` as float64 zeros and ones of shape `(rows,)`.

    Raises:
        ValueError: Any other value, NaN included.
    """
    array = vector(name, values)
    bad = (array != 0.0) & (array != 1.0)
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"{name} must be 0 or 1, got {array[row]} at row {row}; "
            "for probabilities, compare with a threshold first"
        )
    return array


def unit_interval(name: str, values: npt.ArrayLike, *, allow_nan: bool = False) -> Array1D:
    """Return `values` as float64 probabilities of shape `(rows,)`.

    Raises:
        ValueError: A value outside [0, 1], or a NaN where none may be.
    """
    array = vector(name, values, allow_nan=allow_nan)
    bad = (array < 0.0) | (array > 1.0)
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"{name} must lie in [0, 1], got {array[row]} at row {row}; "
            "models return logits: apply the sigmoid with the bundle's temperature first"
        )
    return array
