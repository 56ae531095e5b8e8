"""Markov transition fields: how often a window's level at one time follows that at another.

The numbers of a window are put into bins of equal count, q_i. W[a, b] is the share of the steps
out of bin a that lead into bin b, and the field is M[i, j] = W[q_i, q_j].

Source: Wang & Oates (2015), "Imaging Time-Series to Improve Classification and Imputation",
arXiv:1506.00327, sec. 2.2, eq. 9-10; bins and shares as pyts 0.13 has them. Deviation: a window is
averaged to `size` numbers before the field is made, where pyts averages the field, so that the
numbers of a Gramian field are all it takes.
"""

import numba
import numpy as np
import numpy.typing as npt

from ultimate_deep.features.pictures.gramian import close_numbers
from ultimate_deep.features.pictures.picture import Images, Picture, checked_numbers, checked_out

BINS = 5


def markov_images(
    numbers: npt.ArrayLike,
    size: int,
    out: npt.NDArray[np.float32] | None = None,
    *,
    bins: int = BINS,
) -> Images:
    """Return Markov transition fields, float32 `(windows, size, size, 1)`, in [0, 1].

    A number belongs to the bin of those of `bins` quantiles that it exceeds. Only the order of the
    numbers counts, so that nothing is rounded but the shares. Nothing leads out of the last bin
    where it holds the newest number alone: its shares are 0.

    Args:
        numbers: `(windows, size)` from `features.gaf.gaf_numbers`, finite.
        size: Numbers of a window.
        out: Array to fill, of the shape of the result.
        bins: Bins, at least 2 and at most `size`.

    Raises:
        ValueError: Wrong shapes or types, a number that is not finite, or bins out of range.
    """
    values = checked_numbers(numbers, size, "gaf_numbers(closes, window, size)")
    if not 2 <= bins <= size:
        raise ValueError(f"bins must be from 2 to size={size}, got {bins}; leave it out for {BINS}")
    filled = checked_out(out, (len(values), size, size, 1))
    _fields(values, bins, filled[..., 0])
    return filled


@numba.njit(error_model="numpy", cache=True, nogil=True)
def _fields(numbers: npt.NDArray[np.float32], bins: int, out: npt.NDArray[np.float32]) -> None:
    size = numbers.shape[1]
    code = np.empty(size, np.int64)
    for r in range(numbers.shape[0]):
        ordered = np.sort(numbers[r])
        code[:] = 0
        for k in range(1, bins):
            # A quantile lies between this number and the next: whatever exceeds the one exceeds
            # the other.
            edge = ordered[k * (size - 1) // bins]
            for i in range(size):
                code[i] += numbers[r, i] > edge
        share = np.zeros((bins, bins), np.float32)
        for i in range(size - 1):
            share[code[i], code[i + 1]] += np.float32(1)
        for a in range(bins):
            total = np.float32(0)
            for b in range(bins):
                total += share[a, b]
            if total > 0:
                for b in range(bins):
                    share[a, b] /= total
        for i in range(size):
            for j in range(size):
                out[r, i, j] = share[code[i], code[j]]


MARKOV = Picture(
    numbers=close_numbers,
    images=markov_images,
    count=lambda window, size: size,
    shape=lambda window, size: (size, size, 1),
    history=lambda window: window,
    series=("close",),
    channels=("W[q_i, q_j]",),
    low=0.0,
    high=1.0,
)
