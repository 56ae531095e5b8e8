"""Kernels over a window of bars, and the two recursive ones.

Every kernel fills `out[a:b]`; column `c` sees `x[c - window + 1 : c + 1]` and nothing else. The
window is scanned afresh for every bar (no running sums), so that a spike leaves no trace once it
has left the window, and the order of additions within a window is fixed: blocks of any size give
the same bits. The bar loop is innermost, which lets the compiler use vector instructions.
"""

import math

import numba
import numpy as np
import numpy.typing as npt

from features.elementwise import sign_of_difference

Floats = npt.NDArray[np.float64]

# A window whose standard deviation is below this fraction of its mean counts as constant.
CONSTANT = 1e-9


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def rolling_sum(x: Floats, w: int, out: Floats, a: int, b: int) -> None:
    """Sum of the window, newest bar first."""
    for c in range(a, b):
        out[c] = x[c]
    for j in range(1, w):
        for c in range(a, b):
            out[c] += x[c - j]


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def rolling_mean(x: Floats, w: int, out: Floats, a: int, b: int) -> None:
    """Mean as newest value plus mean difference from it: exact for a constant window."""
    for c in range(a, b):
        out[c] = 0.0
    for j in range(1, w):
        for c in range(a, b):
            out[c] += x[c - j] - x[c]
    for c in range(a, b):
        out[c] = x[c] + out[c] / w


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def absolute_deviation(x: Floats, mean: Floats, w: int, out: Floats, a: int, b: int) -> None:
    """Mean absolute deviation from the window's mean."""
    for c in range(a, b):
        out[c] = 0.0
    for j in range(w):
        for c in range(a, b):
            out[c] += abs(x[c - j] - mean[c])
    for c in range(a, b):
        out[c] /= w


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def standard_deviation(x: Floats, mean: Floats, w: int, out: Floats, a: int, b: int) -> None:
    """Population standard deviation; 0 where it is below `CONSTANT` of the mean."""
    for c in range(a, b):
        out[c] = 0.0
    for j in range(w):
        for c in range(a, b):
            difference = x[c - j] - mean[c]
            out[c] += difference * difference
    for c in range(a, b):
        deviation = math.sqrt(out[c] / w)
        out[c] = 0.0 if deviation <= CONSTANT * abs(mean[c]) else deviation


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def standard_moment(
    x: Floats, mean: Floats, deviation: Floats, w: int, power: int, out: Floats, a: int, b: int
) -> None:
    """Third (`power` 3) or excess fourth standardised moment; 0 for a constant window."""
    for c in range(a, b):
        out[c] = 0.0
    if power == 3:
        for j in range(w):
            for c in range(a, b):
                z = (x[c - j] - mean[c]) / deviation[c]
                out[c] += z * z * z
    else:
        for j in range(w):
            for c in range(a, b):
                z = (x[c - j] - mean[c]) / deviation[c]
                out[c] += z * z * z * z
    excess = 0.0 if power == 3 else 3.0
    for c in range(a, b):
        out[c] = 0.0 if deviation[c] == 0.0 else out[c] / w - excess


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def covariance(
    x: Floats, mean_x: Floats, y: Floats, mean_y: Floats, w: int, out: Floats, a: int, b: int
) -> None:
    """Population covariance of two inputs over the window."""
    for c in range(a, b):
        out[c] = 0.0
    for j in range(w):
        for c in range(a, b):
            out[c] += (x[c - j] - mean_x[c]) * (y[c - j] - mean_y[c])
    for c in range(a, b):
        out[c] /= w


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def slope(x: Floats, mean: Floats, w: int, out: Floats, a: int, b: int) -> None:
    """Least-squares slope of the window against time, in units of `x` per bar."""
    centre = (w - 1) / 2.0
    spread = w * (w * w - 1.0) / 12.0
    for c in range(a, b):
        out[c] = 0.0
    for j in range(w):
        weight = centre - j
        for c in range(a, b):
            out[c] += weight * (x[c - j] - mean[c])
    for c in range(a, b):
        out[c] /= spread


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def rolling_min(x: Floats, w: int, out: Floats, a: int, b: int) -> None:
    """Lowest value of the window."""
    for c in range(a, b):
        out[c] = x[c]
    for j in range(1, w):
        for c in range(a, b):
            value = x[c - j]
            out[c] = value if value < out[c] else out[c]


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def rolling_max(x: Floats, w: int, out: Floats, a: int, b: int) -> None:
    """Highest value of the window."""
    for c in range(a, b):
        out[c] = x[c]
    for j in range(1, w):
        for c in range(a, b):
            value = x[c - j]
            out[c] = value if value > out[c] else out[c]


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def bars_since_extreme(x: Floats, w: int, sign: float, out: Floats, a: int, b: int) -> None:
    """Bars since the window's highest (`sign` 1) or lowest (-1) value, the latest of ties."""
    for c in range(a, b):
        best = sign * x[c]
        age = 0
        for j in range(1, w):
            value = sign * x[c - j]
            if value > best:
                best = value
                age = j
        out[c] = age


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def rank(x: Floats, w: int, out: Floats, a: int, b: int) -> None:
    """Rank of the newest value among the others of its window, ties halved, in [-1, 1]."""
    for c in range(a, b):
        out[c] = 0.0
    for j in range(1, w):
        for c in range(a, b):
            out[c] += sign_of_difference(x[c], x[c - j])
    for c in range(a, b):
        out[c] /= w - 1


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _place(window: Floats, count: int, value: float) -> int:
    """Index of the first of `window[:count]`, sorted, that is not below `value`."""
    low = 0
    high = count
    while low < high:
        middle = (low + high) // 2
        if window[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def quantiles(
    x: Floats, w: int, levels: Floats, window: Floats, fresh: bool, out: Floats, a: int, b: int
) -> None:
    """Quantiles by linear interpolation, one row of `out` per level.

    `window` is the operator's state: the last `w` values in ascending order. `fresh` says that
    column `a` is the first one, so that the state has to be filled from the columns before.
    """
    start = a
    if fresh:
        for count in range(w):
            value = x[a - w + 1 + count]
            place = _place(window, count, value)
            for i in range(count, place, -1):
                window[i] = window[i - 1]
            window[place] = value
        start = a + 1
    for c in range(a, b):
        if c >= start:
            # One value leaves and one enters: shift what lies between the two places.
            leaving = min(_place(window, w, x[c - w]), w - 1)
            value = x[c]
            while leaving + 1 < w and window[leaving + 1] < value:
                window[leaving] = window[leaving + 1]
                leaving += 1
            while leaving > 0 and window[leaving - 1] > value:
                window[leaving] = window[leaving - 1]
                leaving -= 1
            window[leaving] = value
        for k in range(levels.shape[0]):
            position = levels[k] * (w - 1)
            below = math.floor(position)
            above = min(below + 1, w - 1)
            part = position - below
            out[k, c] = window[below] + part * (window[above] - window[below])


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def fir(x: Floats, weights: Floats, out: Floats, a: int, b: int) -> None:
    """Weighted sum of the window; `weights[0]` is the newest bar's."""
    for c in range(a, b):
        out[c] = weights[0] * x[c]
    for j in range(1, weights.shape[0]):
        weight = weights[j]
        for c in range(a, b):
            out[c] += weight * x[c - j]
