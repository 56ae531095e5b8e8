"""Kernels that walk a window from its oldest bar to its newest, and the recursive averages."""

import math

import numba
import numpy as np
import numpy.typing as npt

from features.elementwise import natural_logarithm

Floats = npt.NDArray[np.float64]


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def drawdown(x: Floats, w: int, squared: bool, peak: Floats, out: Floats, a: int, b: int) -> None:
    """Deepest fall from the window's running peak, or the root mean square of all falls.

    Both are fractions of the peak in [0, 1] for positive `x`. `peak` is scratch, at least
    `b - a` long. Source of the second: Martin & McCann (1989), the ulcer index.
    """
    result = out[a:b]
    oldest = x[a - w + 1 : b - w + 1]
    for i in range(b - a):
        peak[i] = oldest[i]
        result[i] = 0.0
    for j in range(w - 2, -1, -1):
        value = x[a - j : b - j]
        for i in range(b - a):
            peak[i] = value[i] if value[i] > peak[i] else peak[i]
            fall = (peak[i] - value[i]) / peak[i]
            if squared:
                result[i] += fall * fall
            else:
                result[i] = fall if fall > result[i] else result[i]
    if squared:
        for i in range(b - a):
            result[i] = math.sqrt(result[i] / w)


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def cumulative_range(
    x: Floats, mean: Floats, w: int, scratch: Floats, out: Floats, a: int, b: int
) -> None:
    """Range of the window's cumulated deviations from its mean (Hurst's R).

    `scratch` is at least `3 * (b - a)` long.
    """
    n = b - a
    level, lowest, highest = scratch[:n], scratch[n : 2 * n], scratch[2 * n : 3 * n]
    centre = mean[a:b]
    for i in range(n):
        level[i] = 0.0
        lowest[i] = 0.0
        highest[i] = 0.0
    for j in range(w - 1, -1, -1):
        value = x[a - j : b - j]
        for i in range(n):
            level[i] += value[i] - centre[i]
            lowest[i] = level[i] if level[i] < lowest[i] else lowest[i]
            highest[i] = level[i] if level[i] > highest[i] else highest[i]
    result = out[a:b]
    for i in range(n):
        result[i] = highest[i] - lowest[i]


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def entropy(x: Floats, w: int, symbols: int, count: Floats, out: Floats, a: int, b: int) -> None:
    """Shannon entropy of the window's symbols (0 to `symbols` - 1) over its maximum, [0, 1].

    `count` is scratch, at least `b - a` long. Other values than symbols are not counted.
    """
    total = out[a:b]
    for i in range(b - a):
        total[i] = 0.0
    for symbol in range(symbols):
        for i in range(b - a):
            count[i] = 0.0
        for j in range(w):
            past = x[a - j : b - j]
            for i in range(b - a):
                count[i] += 1.0 if past[i] == symbol else 0.0
        for i in range(b - a):
            share = count[i] / w
            total[i] -= share * natural_logarithm(share if share > 0.0 else 1.0)
    most = math.log(symbols)
    for i in range(b - a):
        total[i] /= most


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def streak(x: Floats, w: int, out: Floats, a: int, b: int) -> None:
    """Signed number of latest values with the newest one's sign, at most `w`."""
    for c in range(a, b):
        sign = 0.0
        if x[c] > 0.0:
            sign = 1.0
        elif x[c] < 0.0:
            sign = -1.0
        length = 0
        if sign != 0.0:
            length = 1
            while length < w and x[c - length] * sign > 0.0:
                length += 1
        out[c] = sign * length


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def exponential(x: Floats, alpha: float, fresh: bool, out: Floats, a: int, b: int) -> None:
    """Exponential average seeded with the first value; its memory is `out[a - 1]`."""
    start = a
    if fresh:
        out[a] = x[a]
        start = a + 1
    for c in range(start, b):
        out[c] = out[c - 1] + alpha * (x[c] - out[c - 1])


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def cumulative(x: Floats, fresh: bool, out: Floats, a: int, b: int) -> None:
    """Sum of all values since the first one: never forgets, so no feature may use it."""
    start = a
    if fresh:
        out[a] = x[a]
        start = a + 1
    for c in range(start, b):
        out[c] = out[c - 1] + x[c]
