"""What every kind of picture offers, and the checks that they share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Series = Mapping[str, npt.NDArray[Any]]
Numbers = npt.NDArray[np.float32]
Images = npt.NDArray[np.float32]

# Numbers may leave their range by the rounding of float32; more is another scale.
TOLERANCE = 1e-6


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One kind of picture.

    Args:
        numbers: Columns of bars by name (`open high low close volume`, each `(bars,)`), bars of a
            window, size and the bars at which windows end, to the numbers that determine the
            pictures, float32 `(windows, count)`. A window ends at its bar.
        images: Those numbers and the size to float32 `(windows, height, width, channels)`; a third
            argument is an array to fill.
        count: Numbers of one picture, of the bars of a window and the size.
        shape: `(height, width, channels)` of one picture, of the same two.
        history: Bars up to the decision's that a picture depends on, of the bars of a window.
        series: Columns of the bars that it reads.
        channels: What each channel holds.
        low: Least value of a pixel.
        high: Largest value of a pixel.
        square: Whether the window is averaged to `size` numbers, so that it holds as many bars.
        whole: Whether every pixel is 0 or 1.
    """

    numbers: Callable[[Series, int, int, npt.NDArray[np.int64]], Numbers]
    images: Callable[..., Images]
    count: Callable[[int, int], int]
    shape: Callable[[int, int], tuple[int, int, int]]
    history: Callable[[int], int]
    series: tuple[str, ...]
    channels: tuple[str, ...]
    low: float
    high: float
    square: bool = True
    whole: bool = False


def checked_numbers(numbers: npt.ArrayLike, count: int | None, makes: str) -> Numbers:
    """Return numbers as float32 `(windows, count)`.

    Args:
        numbers: What was given.
        count: How many make a picture; None takes any.
        makes: How they are made, for the remedy.

    Raises:
        ValueError: Another shape or type, or a number that is not finite.
    """
    values = np.ascontiguousarray(numbers)
    wanted = "(windows, size)" if count is None else f"(windows, {count})"
    right = values.ndim == 2 and values.shape[1] == (count or values.shape[1])
    if not right or values.shape[1] < 1 or values.dtype.kind not in "fiu":
        raise ValueError(
            f"numbers must be real, {wanted}, got shape {values.shape} of {values.dtype}; make "
            f"them with {makes}"
        )
    values = values.astype(np.float32, copy=False)
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"numbers must be finite, got {values[np.argmin(finite)]} in row "
            f"{int(np.argmin(finite))}; leave out rows before warm-up"
        )
    return values


def checked_out(out: npt.NDArray[Any] | None, shape: tuple[int, ...]) -> Images:
    """Return the array to fill, a new one if None.

    Raises:
        ValueError: An array of another shape or type, or one that cannot be written in order.
    """
    if out is None:
        return np.empty(shape, np.float32)
    fits = out.shape == shape and out.dtype == np.float32
    if not fits or not out.flags.c_contiguous or not out.flags.writeable:
        raise ValueError(
            f"out must be a writeable C-contiguous float32 array of shape {shape}, got "
            f"{out.dtype} {out.shape} with strides {out.strides}"
        )
    return out
