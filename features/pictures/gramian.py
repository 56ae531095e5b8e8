"""Gramian angular fields, of the closes or of open, high, low and close on one scale.

Source: `features.gaf`; four series beside each other as in Chen & Tsai (2020), "Encoding
candlesticks as images for pattern classification using convolutional neural networks", Financial
Innovation 6:26. Deviation: one scale for all four, so that a close above its open is seen.
"""

import numba
import numpy as np
import numpy.typing as npt

from ultimate_deep.features.gaf import gaf_images, gaf_numbers
from ultimate_deep.features.pictures.picture import (
    Images,
    Numbers,
    Picture,
    Series,
    checked_numbers,
    checked_out,
)

OHLC = ("open", "high", "low", "close")
# As for one series: less is no range.
_ROUNDINGS = 4 * np.finfo(np.float64).eps


def close_numbers(series: Series, window: int, size: int, rows: npt.NDArray[np.int64]) -> Numbers:
    """Return the numbers of the closes, see `features.gaf.gaf_numbers`, float32."""
    return gaf_numbers(series["close"], window, size, rows=rows, dtype=np.float32)


def ohlc_numbers(series: Series, window: int, size: int, rows: npt.NDArray[np.int64]) -> Numbers:
    """Return the numbers of four series on one scale, float32 `(windows, 4 * size)`.

    Each is averaged to `size` pieces as `gaf_numbers` does it; the lowest piece of all four is -1,
    the highest 1. First come all pieces of the open, then those of high, low and close. A window
    without range gives 0 everywhere.

    Raises:
        ValueError: Windows, rows or prices that `gaf_numbers` refuses.
    """
    for name in OHLC:  # refuses windows, rows and prices that cannot be
        gaf_numbers(series[name], window, size, rows=rows[:1])
    stacked = np.stack([np.asarray(series[name], np.float64) for name in OHLC])
    out = np.empty((len(rows), 4 * size), np.float32)
    _ohlc(stacked, np.ascontiguousarray(rows, np.int64), window, out.reshape(-1, 4, size))
    if not np.isfinite(out).all():
        bad = int(rows[np.argmin(np.isfinite(out).all(axis=1))])
        raise ValueError(
            f"prices must be finite, got others in the window that ends at row {bad}; drop them "
            "(ultimate_deep.read_bars with repair='drop')"
        )
    return out


def ohlc_images(
    numbers: npt.ArrayLike, size: int, out: npt.NDArray[np.float32] | None = None
) -> Images:
    """Return both fields of each of the four series, `(windows, size, size, 8)`.

    Channels are summation and difference of the open, then of high, low and close.

    Raises:
        ValueError: Wrong shapes or types, a number that is not finite or outside [-1, 1].
    """
    values = checked_numbers(numbers, 4 * size, "ohlc_numbers(series, window, size, rows)")
    filled = checked_out(out, (len(values), size, size, 8))
    for place in range(len(OHLC)):
        part = values[:, place * size : (place + 1) * size]
        filled[..., 2 * place : 2 * place + 2] = gaf_images(part)
    return filled


def _close_images(
    numbers: npt.ArrayLike, size: int, out: npt.NDArray[np.float32] | None = None
) -> Images:
    values = checked_numbers(numbers, size, "gaf_numbers(closes, window, size)")
    return gaf_images(values, out=checked_out(out, (len(values), size, size, 2)))


@numba.njit(error_model="numpy", cache=True, nogil=True)
def _ohlc(
    series: npt.NDArray[np.float64],
    ends: npt.NDArray[np.int64],
    window: int,
    out: npt.NDArray[np.float32],
) -> None:
    size = out.shape[2]
    piece = np.empty((4, size))
    for r in range(ends.shape[0]):
        start = ends[r] - window + 1
        first = series[3, start]
        low, high = np.inf, -np.inf
        for s in range(4):
            for k in range(size):
                begin, stop = start + k * window // size, start + (k + 1) * window // size
                total = 0.0
                for bar in range(begin, stop):
                    total += series[s, bar] - first
                mean = total / (stop - begin)
                piece[s, k] = mean
                low = mean if not mean >= low else low
                high = mean if not mean <= high else high
        spread = high - low
        flat = spread <= _ROUNDINGS * abs(first)
        for s in range(4):
            for k in range(size):
                value = 0.0 if flat else ((piece[s, k] - low) - (high - piece[s, k])) / spread
                out[r, s, k] = value


GAF = Picture(
    numbers=close_numbers,
    images=_close_images,
    count=lambda window, size: size,
    shape=lambda window, size: (size, size, 2),
    history=lambda window: window,
    series=("close",),
    channels=("cos(a_i + a_j)", "sin(a_i - a_j)"),
    low=-1.0,
    high=1.0,
)
GAF_OHLC = Picture(
    numbers=ohlc_numbers,
    images=ohlc_images,
    count=lambda window, size: 4 * size,
    shape=lambda window, size: (size, size, 8),
    history=lambda window: window,
    series=OHLC,
    channels=tuple(f"{field} of {name}" for name in OHLC for field in GAF.channels),
    low=-1.0,
    high=1.0,
)
