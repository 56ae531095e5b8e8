"""The picture that a chart draws: open, high, low and close as pixels, an average, the volume.

A bar is three pixels wide: its open on the left, a column from low to high in the middle, its
close on the right. The prices' average over the window runs through the middle columns, joined by
straight lines. The lowest fifth holds the volume, one row is left free above it.

Source: Jiang, Kelly & Xiu (2023), "(Re-)Imag(in)ing Price Trends", Journal of Finance 78(6), sec.
I.A and fig. 1-3. Pixels are 0 and 1 here, 0 and 255 there.
"""

import numba
import numpy as np
import numpy.typing as npt

from ultimate_deep.features.pictures.picture import (
    Images,
    Numbers,
    Picture,
    Series,
    checked_numbers,
    checked_out,
)

COLUMNS = ("open", "high", "low", "close", "volume")
# Numbers of a bar: the four prices, their average and the volume.
NUMBERS = 6
LEAST_HEIGHT = 10


def bar_image_numbers(
    series: Series, window: int, size: int, rows: npt.NDArray[np.int64]
) -> Numbers:
    """Return where each bar's pixels stand, float32 `(windows, 6 * window)`.

    Six numbers a bar, the oldest bar first: open, high, low, close and the average of the last
    `window` closes, 0 at the window's lowest low and 1 at its highest high, and the volume as a
    share of the window's largest. An average outside of that range is -1 and not drawn. A window
    without range has 0.5 for every price; one without volume 0.

    Args:
        series: `open high low close volume`, each `(bars,)`.
        window: Bars of a picture, at least 1.
        size: Rows of a picture, which the numbers do not depend on.
        rows: Bars at which windows end, each at least `2 * window - 2`: the oldest bar's average
            needs a window of its own.

    Raises:
        ValueError: Rows outside that range, or a price that is not finite.
    """
    columns = np.stack([np.asarray(series[name], np.float64) for name in COLUMNS])
    ends = np.ascontiguousarray(rows, np.int64)
    outside = (ends < 2 * window - 2) | (ends >= columns.shape[1])
    if outside.any():
        raise ValueError(
            f"rows must be between 2 * window - 2 = {2 * window - 2} and the last bar "
            f"{columns.shape[1] - 1}, got {ends[np.argmax(outside)]}"
        )
    out = np.empty((len(ends), window, NUMBERS), np.float32)
    _numbers(columns, ends, out)
    return checked_numbers(out.reshape(len(ends), -1), None, "bars without gaps")


def bar_images(
    numbers: npt.ArrayLike, size: int, out: npt.NDArray[np.float32] | None = None
) -> Images:
    """Return pictures of bars, float32 `(windows, size, 3 * window, 1)`, of 0 and 1.

    Args:
        numbers: `(windows, 6 * window)` from `bar_image_numbers`.
        size: Rows of a picture, at least 10; 32, 64 and 96 in the source, for 5, 20 and 60 bars.
        out: Array to fill, of the shape of the result.

    Raises:
        ValueError: Wrong shapes or types, a number that is not finite, or too few rows.
    """
    values = checked_numbers(numbers, None, "bar_image_numbers(series, window, size, rows)")
    if values.shape[1] % NUMBERS or size < LEAST_HEIGHT:
        raise ValueError(
            f"a bar image has {NUMBERS} numbers a bar and at least {LEAST_HEIGHT} rows, got "
            f"{values.shape[1]} numbers and size={size}; make them with bar_image_numbers"
        )
    bars = values.shape[1] // NUMBERS
    filled = checked_out(out, (len(values), size, 3 * bars, 1))
    filled[...] = 0
    _draw(values.reshape(len(values), bars, NUMBERS), filled[..., 0])
    return filled


@numba.njit(error_model="numpy", cache=True, nogil=True)
def _numbers(
    columns: npt.NDArray[np.float64], ends: npt.NDArray[np.int64], out: npt.NDArray[np.float32]
) -> None:
    window = out.shape[1]
    for r in range(ends.shape[0]):
        start = ends[r] - window + 1
        low, high, most = np.inf, -np.inf, 0.0
        for bar in range(start, start + window):
            low, high = min(low, columns[2, bar]), max(high, columns[1, bar])
            most = max(most, columns[4, bar])
        spread = high - low
        for k in range(window):
            bar = start + k
            total = 0.0
            for before in range(bar - window + 1, bar + 1):
                total += columns[3, before] - low
            for s in range(4):
                value = (columns[s, bar] - low) / spread
                out[r, k, s] = 0.5 if spread == 0 else value
            mean = 0.5 if spread == 0 else total / window / spread
            inside = 0.0 <= mean <= 1.0
            out[r, k, 4] = mean if inside or mean != mean else -1.0
            out[r, k, 5] = columns[4, bar] / most if most > 0 else 0.0


@numba.njit(error_model="numpy", cache=True, nogil=True)
def _row(value: float, top: int) -> int:
    """The pixel row of a price in [0, 1], counted from above; all in float32, as in the net."""
    inside = min(max(np.float32(value), np.float32(0)), np.float32(1))
    return top - int(np.rint(inside * np.float32(top)))


@numba.njit(error_model="numpy", cache=True, nogil=True)
def _draw(numbers: npt.NDArray[np.float32], out: npt.NDArray[np.float32]) -> None:
    height, bars = out.shape[1], numbers.shape[1]
    volume_rows = height // 5
    top = height - volume_rows - 2
    for r in range(numbers.shape[0]):
        for k in range(bars):
            one = numbers[r, k]
            middle = 3 * k + 1
            out[r, _row(one[0], top), middle - 1] = 1
            out[r, _row(one[3], top), middle + 1] = 1
            for y in range(_row(one[1], top), _row(one[2], top) + 1):
                out[r, y, middle] = 1
            if one[4] >= 0:
                here = _row(one[4], top)
                out[r, here, middle] = 1
                if k + 1 < bars and numbers[r, k + 1, 4] >= 0:
                    after = _row(numbers[r, k + 1, 4], top)
                    out[r, (2 * here + after + 1) // 3, middle + 1] = 1
                    out[r, (here + 2 * after + 1) // 3, middle + 2] = 1
            for y in range(volume_rows - _row(one[5], volume_rows)):
                out[r, height - 1 - y, middle] = 1


BARS = Picture(
    numbers=bar_image_numbers,
    images=bar_images,
    count=lambda window, size: NUMBERS * window,
    shape=lambda window, size: (size, 3 * window, 1),
    history=lambda window: 2 * window - 1,
    series=COLUMNS,
    channels=("1 where something is drawn",),
    low=0.0,
    high=1.0,
    square=False,
    whole=True,
)
