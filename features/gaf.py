"""Gramian angular fields: a window of closes as a picture, every window in one pass.

A window is averaged down to `size` numbers, scaled to [-1, 1] and read as cosines of angles
a_i = arccos(x_i). With s_i = sqrt(1 - x_i^2) the two fields need no angle:

    summation   cos(a_i + a_j) = x_i x_j - s_i s_j
    difference  sin(a_i - a_j) = s_i x_j - x_i s_j

Source: Wang & Oates (2015), "Imaging Time-Series to Improve Classification and Imputation",
arXiv:1506.00327, eq. 1-8 (their summation field; both as in Faouzi & Janati (2020), JMLR 21(46)).
"""

import math
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

# A window that moves by no more than this many roundings of its price has no shape to show.
_ROUNDINGS = 4 * np.finfo(np.float64).eps
# Numbers may leave [-1, 1] by the rounding of float32 and are clipped; more is another scale.
_TOLERANCE = 1e-6
# Beyond it the sums of a window could overflow.
_LARGEST_CLOSE = 1e300


def gaf_numbers(
    closes: npt.ArrayLike,
    window: int = 128,
    size: int = 64,
    *,
    rows: npt.ArrayLike | None = None,
    dtype: npt.DTypeLike = np.float64,
) -> npt.NDArray[Any]:
    """Return the numbers in [-1, 1] that determine a window's fields, for every window.

    Each window ends at its bar and looks at nothing later. Piece k of a window is the mean of its
    bars `k * window // size` to `(k + 1) * window // size`; the pieces are then scaled so that
    the lowest is -1 and the highest 1. A window without range (its pieces differ by no more than
    four roundings of the price) gives 0 everywhere: the middle, a summation field of -1 and a
    difference field of 0. (pyts gives -1 there, the bottom, and a summation field of 1.)

    The window's first close is subtracted in float64, which is exact while prices stay within a
    factor of two. Raw or divided prices lose up to 2e-6 of the fields on quiet minute bars.
    float32 is for nets only: next to -1 and 1 it moves a field by some 1e-6 (at worst 2.5e-4).

    Args:
        closes: `(bars,)`, finite, at most 1e300 in size, in any unit.
        window: Bars in a window, at least `size`.
        size: Pieces of a window, at least 2.
        rows: Bars at which windows end, each at least `window - 1`; all such bars if None.
        dtype: `float64` or `float32`.

    Returns:
        `(windows, size)`; row k ends at bar `window - 1 + k`, or at `rows[k]`.

    Raises:
        ValueError: Too few bars, a close that is not finite or too large, or an argument outside
            its range.
    """
    values = np.ascontiguousarray(closes, dtype=np.float64)
    _check_window(values, window, size)
    if rows is None:
        ends = np.arange(window - 1, len(values), dtype=np.int64)
    else:
        ends = _checked_rows(rows, window, len(values))
    good = np.abs(values) <= _LARGEST_CLOSE
    if not good.all():
        row = int(np.argmin(good))
        raise ValueError(
            f"closes must be finite and at most {_LARGEST_CLOSE:g} in size, got {values[row]} in "
            f"row {row}; drop that bar (ultimate_deep.read_bars with "
            "repair='drop')"
        )
    out = np.empty((len(ends), size), _checked_dtype(dtype))
    _numbers(values, ends, window, out)
    return out


def gaf_images(
    numbers: npt.ArrayLike,
    *,
    dtype: npt.DTypeLike = np.float32,
    out: npt.NDArray[Any] | None = None,
) -> npt.NDArray[Any]:
    """Return the summation (channel 0) and difference (channel 1) fields of every window.

    Float64 numbers have their roots taken in float64 and their products in the type of the result:
    float32 stays within 2e-7 of float64. Float32 numbers make float32 pictures in float32 alone,
    bit for bit those of `models.layers.GafImages` (but under XLA, which rounds some sums once
    less). Channel 0 is exactly symmetric, channel 1 exactly antisymmetric.

    Args:
        numbers: `(windows, size)` from `gaf_numbers`, in [-1, 1].
        dtype: `float32` or `float64`; ignored where `out` is given.
        out: Array to fill, `(windows, size, size, 2)`, C-contiguous; spares fresh memory.

    Returns:
        `(windows, size, size, 2)`; `out` if that is given.

    Raises:
        ValueError: Wrong shapes or types, a number that is not finite or outside [-1, 1].
    """
    values = np.ascontiguousarray(numbers)
    if values.ndim != 2 or values.shape[1] < 1 or values.dtype.kind not in "fiu":
        raise ValueError(
            "numbers must be real, (windows, size), got shape "
            f"{values.shape} of {values.dtype}; make them with gaf_numbers(closes, window, size)"
        )
    if values.dtype not in (np.float32, np.float64):
        values = values.astype(np.float64)
    windows, size = values.shape
    shape = (windows, size, size, 2)
    if out is None:
        out = np.empty(shape, _checked_dtype(dtype))
    elif out.shape != shape or not out.flags.c_contiguous or not out.flags.writeable:
        raise ValueError(
            f"out must be a writeable C-contiguous array of shape {shape}, got {out.shape} with "
            f"strides {out.strides}"
        )
    else:
        _checked_dtype(out.dtype)
    if out.dtype != np.float32:
        values = values.astype(np.float64)
    refused = _fields(values, out.reshape(windows, size, 2 * size))
    if refused >= 0:
        worst = values[refused][np.argmax(~(np.abs(values[refused]) <= 1 + _TOLERANCE))]
        raise ValueError(
            f"numbers must be in [-1, 1], got {worst} in row {refused}; scale each window "
            "with gaf_numbers, and leave out rows before warm-up"
        )
    return out


@numba.njit(error_model="numpy", cache=True, nogil=True)
def _numbers(
    closes: npt.NDArray[np.float64],
    ends: npt.NDArray[np.int64],
    window: int,
    out: npt.NDArray[Any],
) -> None:
    """Average and scale the windows that end at `ends`."""
    size = out.shape[1]
    bounds = np.empty(size + 1, np.int64)
    for k in range(size + 1):
        bounds[k] = k * window // size
    piece = np.empty(size)
    for r in range(ends.shape[0]):
        start = ends[r] - window + 1
        first = closes[start]
        low, high = np.inf, -np.inf
        for k in range(size):
            total = 0.0
            for bar in range(start + bounds[k], start + bounds[k + 1]):
                total += closes[bar] - first
            mean = total / (bounds[k + 1] - bounds[k])
            piece[k] = mean
            low = mean if mean < low else low
            high = mean if mean > high else high
        spread = high - low
        flat = spread <= _ROUNDINGS * abs(first)
        for k in range(size):
            # Written so that the lowest is exactly -1 and the highest exactly 1.
            out[r, k] = 0.0 if flat else ((piece[k] - low) - (high - piece[k])) / spread


@numba.njit(error_model="numpy", cache=True, nogil=True)
def _fields(numbers: npt.NDArray[Any], out: npt.NDArray[Any]) -> int:
    """Fill `(windows, size, 2 size)`; the first row with a refused number ends it, else -1.

    Row i of a picture, both channels interleaved, is x_i A + s_i B with the same two vectors
    A = (x_0, -s_0, x_1, -s_1, ...) and B = (-s_0, x_0, -s_1, x_1, ...) for every i: one
    contiguous pass that the compiler vectorises.
    """
    size = numbers.shape[1]
    one = numbers.dtype.type(1)
    cosines = np.empty(2 * size, out.dtype)
    sines = np.empty(2 * size, out.dtype)
    for r in range(numbers.shape[0]):
        for j in range(size):
            if not abs(float(numbers[r, j])) <= 1.0 + _TOLERANCE:
                return r
            x = min(max(numbers[r, j], -one), one)
            s = math.sqrt((one - x) * (one + x))
            cosines[2 * j] = x
            cosines[2 * j + 1] = -s
            sines[2 * j] = -s
            sines[2 * j + 1] = x
        for i in range(size):
            x_i, s_i = cosines[2 * i], -sines[2 * i]
            row = out[r, i]
            for k in range(2 * size):
                row[k] = x_i * cosines[k] + s_i * sines[k]
    return -1


def _check_window(values: npt.NDArray[np.float64], window: int, size: int) -> None:
    if values.ndim != 1:
        raise ValueError(
            f"closes must be one series, shape (bars,), got shape {values.shape}; call "
            "gaf_numbers for each series"
        )
    if size < 2:
        raise ValueError(f"size must be at least 2 numbers, got {size}; give e.g. 32")
    if window < size:
        raise ValueError(
            f"window must hold at least a bar for each of the size={size} numbers, got "
            f"window={window}; give a longer window or a smaller size"
        )
    if len(values) < window:
        raise ValueError(
            f"a window of {window} bars needs as many closes, got {len(values)}; give more "
            "bars or a shorter window"
        )


def _checked_rows(rows: npt.ArrayLike, window: int, bars: int) -> npt.NDArray[np.int64]:
    given = np.asarray(rows)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        raise ValueError(
            f"rows must be whole numbers, shape (windows,), got {given.dtype} {given.shape}"
        )
    ends = np.ascontiguousarray(given, dtype=np.int64)
    outside = (ends < window - 1) | (ends >= bars)
    if outside.any():
        place = int(np.argmax(outside))
        raise ValueError(
            f"rows must be between window - 1 = {window - 1} and the last bar {bars - 1}, got "
            f"{ends[place]} in place {place}"
        )
    return ends


def _checked_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    checked = np.dtype(dtype)
    if checked not in (np.float32, np.float64):
        raise ValueError(f"the result's type must be float32 or float64, got {checked}")
    return checked
