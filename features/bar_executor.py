"""Runs a program's instructions for one bar: the live twin of `features.block_executor`."""

from collections.abc import Callable
from functools import lru_cache

import numba
import numpy as np
import numpy.typing as npt

from features import bar_kernels as kernels
from features.bar_kernels import (
    CLOCK,
    END,
    FOUR,
    GATHER,
    GROUPS,
    HISTORY,
    KEEP,
    N_COLUMNS,
    N_GATHER,
    N_GROUPS,
    N_ROWS,
    N_SCATTER,
    NOW,
    ONE,
    SCATTER,
    STRIDE,
    THREE,
    TWO,
    WIDTH,
    WORK,
    ZERO,
    floats,
    integers,
)
from features.scalars import compiled

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# What a bar may be refused for.
TAKEN, NOT_FINITE, NOT_POSITIVE, NEGATIVE_VOLUME, BAD_RANGE, NOT_LATER = range(6)


@compiled
def refusal(bar: Floats, last: float) -> int:
    """Why a bar (open, high, low, close, volume, seconds, ...) cannot follow one at `last`."""
    for i in range(bar.shape[0]):
        if not abs(bar[i]) < np.inf:
            return NOT_FINITE
    if not min(min(bar[0], bar[1]), min(bar[2], bar[3])) > 0.0:
        return NOT_POSITIVE
    if bar[4] < 0.0:
        return NEGATIVE_VOLUME
    if bar[1] < max(max(bar[0], bar[3]), bar[2]) or bar[2] > min(bar[0], bar[3]):
        return BAD_RANGE
    if bar[5] <= last:
        return NOT_LATER
    return TAKEN


@compiled
def _carry(places: Integers) -> None:
    """Move the last columns of each row, as many as its readers look back, to the left."""
    work, keep = floats(places[WORK]), integers(places[KEEP])
    for k in range(places[N_ROWS]):
        target = np.uint64(k * places[STRIDE] + places[HISTORY] - keep[k])
        source = np.uint64(k * places[STRIDE] + places[END] - keep[k])
        for i in range(np.uint64(keep[k])):
            work[target + i] = work[source + i]


@lru_cache(maxsize=1)
def bar_executor(digest: int) -> Callable[..., int]:
    """The compiled executor; `digest` ties its cache to the kernels' source.

    It takes one bar (`bar`, a value per column), refuses it or moves the clock by one and writes
    the roots' values into `out`. The clock holds the next column, the next row (as float64) and
    the last bar's seconds.
    """

    @numba.njit(cache=True, error_model="numpy", _nrt=False)
    def run(
        places: Integers, bar: Floats, checked: bool, limit: float, out: npt.NDArray[np.floating]
    ) -> int:
        version = digest
        clock = floats(places[CLOCK])
        if checked:
            reason = refusal(bar, clock[2])
            if reason != TAKEN:
                return reason
        if int(clock[0]) == places[END]:
            _carry(places)
            clock[0] = places[HISTORY]
        c, row = np.uint64(clock[0]), int(clock[1])
        work, now = floats(places[WORK]), floats(places[NOW])
        gather, scatter = integers(places[GATHER]), integers(places[SCATTER])
        stride, rows = np.uint64(places[STRIDE]), np.uint64(places[N_ROWS])
        for i in range(np.uint64(places[N_COLUMNS])):
            now[i] = bar[i]
        for i in range(np.uint64(places[N_GATHER])):
            now[rows + i] = work[np.uint64(gather[i]) + c]
        groups = integers(places[GROUPS])
        for g in range(ZERO, np.uint64(places[N_GROUPS]) * FOUR, FOUR):
            code, a, b = groups[g], np.uint64(groups[g + ONE]), np.uint64(groups[g + TWO])
            if code < 20:
                kernels.of_one(code, places, a * WIDTH, b * WIDTH)
            elif code < 40:
                kernels.of_two(code, places, a * WIDTH, b * WIDTH)
            elif code < 60:
                kernels.of_several(code, places, a * WIDTH, b * WIDTH)
            elif code < 80:
                kernels.of_window(code, places, a, b, c)
            else:
                kernels.with_memory(code, places, a, b, c, row)
            if groups[g + THREE] == 1:
                kernels.finish(places, a * WIDTH, b * WIDTH)
        for i in range(np.uint64(places[N_SCATTER])):
            k = np.uint64(scatter[i])
            work[k * stride + c] = now[k]
        kernels.write_roots(places, row, limit, out)
        clock[0] += 1.0
        clock[1] += 1.0
        clock[2] = bar[5]
        return TAKEN if version else -1

    return run
