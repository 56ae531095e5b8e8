"""Runs a program's instructions for one bar: the live twin of `features.engine.block_executor`."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from ultimate_deep.features.engine import bar_kernels as kernels
from ultimate_deep.features.engine import bar_lanes as lanes
from ultimate_deep.features.engine import opcodes as op
from ultimate_deep.features.engine.bar_kernels import (
    BAR,
    CLOCK,
    END,
    FOUR,
    GATHER,
    GROUPS,
    LAST,
    N_COLUMNS,
    N_GATHER,
    N_GROUPS,
    N_ROWS,
    N_SCATTER,
    NOW,
    ONE,
    SCATTER,
    SELF,
    THREE,
    TWO,
    WIDTH,
    WORK,
    ZERO,
    floats,
    integers,
)
from ultimate_deep.features.engine.scalars import THOUSAND, compiled, seconds_of
from ultimate_deep.market.times import FIRST_SECOND, LAST_SECOND, NEVER

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# What a bar may be refused for.
(
    TAKEN,
    NOT_FINITE,
    NOT_POSITIVE,
    NEGATIVE_VOLUME,
    BAD_RANGE,
    NOT_LATER,
    OUT_OF_BOUNDS,
    NO_TIME,
) = range(8)

# Sizes of a bar's values that are not 0: beyond any market's, and far enough from the ends of
# floating-point numbers that every feature stays finite.
LEAST, LARGEST = 1e-50, 1e50

# In place of nanoseconds: the time is stated in seconds.
BY_SECONDS = NEVER


@compiled
def refusal(bar: Floats, columns: int, time: int, last: int) -> int:
    """Why a bar (open, high, low, close, volume, seconds, ...) cannot follow one at `last`."""
    for i in range(columns):
        size = abs(bar[i])
        if not size <= LARGEST:
            return OUT_OF_BOUNDS if size < np.inf else NOT_FINITE
        if 0.0 < size < LEAST:
            return OUT_OF_BOUNDS
    if time == BY_SECONDS:
        return NO_TIME
    if not min(min(bar[0], bar[1]), min(bar[2], bar[3])) > 0.0:
        return NOT_POSITIVE
    if bar[4] < 0.0:
        return NEGATIVE_VOLUME
    if bar[1] < max(max(bar[0], bar[3]), bar[2]) or bar[2] > min(bar[0], bar[3]):
        return BAD_RANGE
    if time <= last:
        return NOT_LATER
    return TAKEN


@compiled
def time_of(nanoseconds: int, seconds: float) -> int:
    """Nanoseconds of a bar that states them or seconds; `BY_SECONDS` where those are no time."""
    if nanoseconds != BY_SECONDS or not FIRST_SECOND <= seconds <= LAST_SECOND:
        return nanoseconds
    return int(np.rint(seconds * 1e6)) * THOUSAND


@compiled
def _carry(at: int) -> None:
    """Move the last columns of each row, as many as its readers look back, to the left."""
    places = integers(at)
    work, rows = floats(places[WORK]), integers(places[SCATTER])
    for k in range(places[N_SCATTER]):
        keep = np.uint64(rows[3 * k + 2])
        target = np.uint64(rows[3 * k + 1]) - keep
        source = target + np.uint64(places[END])
        for i in range(keep):
            work[target + i] = work[source + i]


def _signature() -> Any:
    """Types of the executor's arguments: whole numbers are taken as floats."""
    places = numba.types.Array(numba.int64, 1, "C")
    row = numba.types.Array(numba.float32, 1, "C")
    return numba.int64(places, row, *[numba.float64] * 6, numba.int64)


@lru_cache(maxsize=1)
def bar_executor(digest: int) -> Callable[..., int]:
    """The compiled executor; `digest` ties its cache to the kernels' source.

    It takes a bar, whose further columns stand at `BAR` already, refuses it or moves the clock by
    one and writes the roots' values into `out`; as float64 they stand at `LANES` until the next
    bar. The time is stated in nanoseconds, or as `BY_SECONDS` and seconds. The clock holds the next
    column, the next row (as float64), the limit of values and whether bars are checked; `LAST` the
    last bar's nanoseconds.
    """

    @numba.njit(_signature(), cache=True, error_model="numpy", _nrt=False)
    def run(
        places: Integers,
        out: npt.NDArray[np.float32],
        opening: float,
        high: float,
        low: float,
        close: float,
        volume: float,
        seconds: float,
        nanoseconds: int,
    ) -> int:
        version = digest
        at = places[SELF]
        clock, last = floats(places[CLOCK]), integers(places[LAST])
        bar = floats(places[BAR])
        bar[0], bar[1], bar[2], bar[3] = opening, high, low, close
        time = time_of(nanoseconds, seconds)
        bar[4], bar[5] = volume, seconds if time == BY_SECONDS else seconds_of(time)
        if clock[3] > 0.0:
            reason = refusal(bar, places[N_COLUMNS], time, last[0])
            if reason != TAKEN:
                return reason
        if int(clock[0]) == places[END]:
            _carry(at)
            clock[0] = 0.0
        c, row = np.uint64(clock[0]), int(clock[1])
        work, now = floats(places[WORK]), floats(places[NOW])
        gather, scatter = integers(places[GATHER]), integers(places[SCATTER])
        rows = np.uint64(places[N_ROWS])
        for i in range(np.uint64(places[N_COLUMNS])):
            now[i] = bar[i]
        for i in range(np.uint64(places[N_GATHER])):
            now[rows + i] = work[np.uint64(gather[i]) + c]
        groups = integers(places[GROUPS])
        for g in range(ZERO, np.uint64(places[N_GROUPS]) * FOUR, FOUR):
            code, a, b = groups[g], np.uint64(groups[g + ONE]), np.uint64(groups[g + TWO])
            if code < 10:
                kernels.of_one(code, at, a * WIDTH, b * WIDTH)
            elif code < 20:
                lanes.of_one(code, at, a * WIDTH, b - a)
            elif code < 30:
                kernels.of_two(code, at, a * WIDTH, b * WIDTH)
            elif code < 40:
                lanes.of_two(code, at, a * WIDTH, b - a)
            elif code < 60:
                kernels.of_several(code, at, a * WIDTH, b * WIDTH)
            elif code < 80:
                kernels.of_window(code, at, a, b, c)
            elif code == op.EXPONENTIAL:
                kernels.exponential(at, a, b, row)
            else:
                kernels.with_memory(code, at, a, b, c, row)
            if groups[g + THREE] == 1:
                kernels.finish(at, a * WIDTH, b * WIDTH)
        for i in range(ZERO, np.uint64(places[N_SCATTER]) * THREE, THREE):
            work[np.uint64(scatter[i + ONE]) + c] = now[np.uint64(scatter[i])]
        kernels.write_roots(at, row, clock[2], out)
        clock[0] += 1.0
        clock[1] += 1.0
        last[0] = time
        return TAKEN if version else -1

    return run
