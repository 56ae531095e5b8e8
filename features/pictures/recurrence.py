"""Recurrence plots: how far a window's price at one time is from that at another.

R[i, j] = |x_i - x_j|, without a threshold.

Source: Eckmann, Oliffson Kamphorst & Ruelle (1987), "Recurrence Plots of Dynamical Systems",
Europhysics Letters 4(9); as pyts 0.13 draws them by default (one dimension, no threshold).
"""

import numba
import numpy as np
import numpy.typing as npt

from ultimate_deep.features.pictures.gramian import close_numbers
from ultimate_deep.features.pictures.picture import Images, Picture, checked_numbers, checked_out


def recurrence_images(
    numbers: npt.ArrayLike, size: int, out: npt.NDArray[np.float32] | None = None
) -> Images:
    """Return recurrence plots, float32 `(windows, size, size, 1)`, in [0, 2].

    Args:
        numbers: `(windows, size)` from `features.gaf.gaf_numbers`, finite.
        size: Numbers of a window.
        out: Array to fill, of the shape of the result.

    Raises:
        ValueError: Wrong shapes or types, or a number that is not finite.
    """
    values = checked_numbers(numbers, size, "gaf_numbers(closes, window, size)")
    filled = checked_out(out, (len(values), size, size, 1))
    _distances(values, filled[..., 0])
    return filled


@numba.njit(error_model="numpy", cache=True, nogil=True)
def _distances(numbers: npt.NDArray[np.float32], out: npt.NDArray[np.float32]) -> None:
    for r in range(numbers.shape[0]):
        for i in range(numbers.shape[1]):
            for j in range(numbers.shape[1]):
                out[r, i, j] = abs(numbers[r, i] - numbers[r, j])


RECURRENCE = Picture(
    numbers=close_numbers,
    images=recurrence_images,
    count=lambda window, size: size,
    shape=lambda window, size: (size, size, 1),
    history=lambda window: window,
    series=("close",),
    channels=("|x_i - x_j|",),
    low=0.0,
    high=2.0,
)
