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

from features.elementwise import TIE

Floats = npt.NDArray[np.float64]

# A window whose standard deviation is below this fraction of its mean counts as constant.
CONSTANT = 1e-9


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def rolling_sum(x: Floats, w: int, out: Floats, a: int, b: int) -> None:
    """Sum of the window, newest bar first."""
    total, newest = out[a:b], x[a:b]
    for i in range(b - a):
        total[i] = newest[i]
    for j in range(1, w):
        past = x[a - j : b - j]
        for i in range(b - a):
            total[i] += past[i]


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def rolling_mean(x: Floats, w: int, out: Floats, a: int, b: int) -> None:
    """Mean as newest value plus mean difference from it: exact for a constant window."""
    total, newest = out[a:b], x[a:b]
    for i in range(b - a):
        total[i] = 0.0
    for j in range(1, w):
        past = x[a - j : b - j]
        for i in range(b - a):
            total[i] += past[i] - newest[i]
    for i in range(b - a):
        total[i] = newest[i] + total[i] / w


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def absolute_deviation(x: Floats, mean: Floats, w: int, out: Floats, a: int, b: int) -> None:
    """Mean absolute deviation from the window's mean."""
    total, centre = out[a:b], mean[a:b]
    for i in range(b - a):
        total[i] = 0.0
    for j in range(w):
        past = x[a - j : b - j]
        for i in range(b - a):
            total[i] += abs(past[i] - centre[i])
    for i in range(b - a):
        total[i] /= w


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def standard_deviation(x: Floats, mean: Floats, w: int, out: Floats, a: int, b: int) -> None:
    """Population standard deviation; 0 where it is below `CONSTANT` of the mean."""
    total, centre = out[a:b], mean[a:b]
    for i in range(b - a):
        total[i] = 0.0
    for j in range(w):
        past = x[a - j : b - j]
        for i in range(b - a):
            difference = past[i] - centre[i]
            total[i] += difference * difference
    for i in range(b - a):
        deviation = math.sqrt(total[i] / w)
        total[i] = 0.0 if deviation <= CONSTANT * abs(centre[i]) else deviation


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def standard_moment(
    x: Floats, mean: Floats, deviation: Floats, w: int, power: int, out: Floats, a: int, b: int
) -> None:
    """Third (`power` 3) or excess fourth standardised moment; 0 for a constant window."""
    total, centre, scale = out[a:b], mean[a:b], deviation[a:b]
    fourth = 1.0 if power == 4 else 0.0
    for i in range(b - a):
        total[i] = 0.0
    for j in range(w):
        past = x[a - j : b - j]
        for i in range(b - a):
            z = (past[i] - centre[i]) / scale[i]
            total[i] += z * z * z * (fourth * z + (1.0 - fourth))
    for i in range(b - a):
        total[i] = 0.0 if scale[i] == 0.0 else total[i] / w - 3.0 * fourth


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def covariance(
    x: Floats, mean_x: Floats, y: Floats, mean_y: Floats, w: int, out: Floats, a: int, b: int
) -> None:
    """Population covariance of two inputs over the window."""
    total, centre_x, centre_y = out[a:b], mean_x[a:b], mean_y[a:b]
    for i in range(b - a):
        total[i] = 0.0
    for j in range(w):
        past_x, past_y = x[a - j : b - j], y[a - j : b - j]
        for i in range(b - a):
            total[i] += (past_x[i] - centre_x[i]) * (past_y[i] - centre_y[i])
    for i in range(b - a):
        total[i] /= w


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def slope(x: Floats, mean: Floats, w: int, out: Floats, a: int, b: int) -> None:
    """Least-squares slope of the window against time, in units of `x` per bar."""
    middle = (w - 1) / 2.0
    spread = w * (w * w - 1.0) / 12.0
    total, centre = out[a:b], mean[a:b]
    for i in range(b - a):
        total[i] = 0.0
    for j in range(w):
        past = x[a - j : b - j]
        weight = middle - j
        for i in range(b - a):
            total[i] += weight * (past[i] - centre[i])
    for i in range(b - a):
        total[i] /= spread


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def rolling_extreme(x: Floats, w: int, sign: float, out: Floats, a: int, b: int) -> None:
    """Highest (`sign` 1) or lowest (-1) value of the window."""
    best, newest = out[a:b], x[a:b]
    for i in range(b - a):
        best[i] = sign * newest[i]
    for j in range(1, w):
        past = x[a - j : b - j]
        for i in range(b - a):
            value = sign * past[i]
            best[i] = value if value > best[i] else best[i]
    for i in range(b - a):
        best[i] *= sign


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def bars_since_extreme(
    x: Floats, w: int, sign: float, best: Floats, out: Floats, a: int, b: int
) -> None:
    """Bars since the window's highest (`sign` 1) or lowest (-1) value, the latest of ties.

    `best` is scratch, at least `b - a` long.
    """
    age, newest = out[a:b], x[a:b]
    for i in range(b - a):
        best[i] = sign * newest[i]
        age[i] = 0.0
    for j in range(1, w):
        past = x[a - j : b - j]
        for i in range(b - a):
            value = sign * past[i]
            above = value > best[i] + TIE * abs(best[i])
            age[i] = j if above else age[i]
            best[i] = value if above else best[i]


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def rank(x: Floats, w: int, out: Floats, a: int, b: int) -> None:
    """Rank of the newest value among the others of its window, ties halved, in [-1, 1]."""
    total, newest = out[a:b], x[a:b]
    for i in range(b - a):
        total[i] = 0.0
    for j in range(1, w):
        past = x[a - j : b - j]
        for i in range(b - a):
            size = abs(past[i]) if abs(past[i]) > abs(newest[i]) else abs(newest[i])
            difference = newest[i] - past[i]
            above = 1.0 if difference > TIE * size else 0.0
            below = 1.0 if -difference > TIE * size else 0.0
            total[i] += above - below
    for i in range(b - a):
        total[i] /= w - 1


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
    total, newest = out[a:b], x[a:b]
    for i in range(b - a):
        total[i] = weights[0] * newest[i]
    for j in range(1, weights.shape[0]):
        past = x[a - j : b - j]
        weight = weights[j]
        for i in range(b - a):
            total[i] += weight * past[i]
