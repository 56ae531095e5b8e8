"""Features of coarser bars, seen from the fine ones: `rsi_14_15x` is the RSI of 15-bar bars.

Coarse bars are anchored to the clock in UTC (15 one-minute bars begin at :00, :15, :30, :45) and
become visible with the fine bar at whose close they are over, never before: with the last fine
bar of the span, or, where that one is missing, with the next one that comes.
"""

from collections.abc import Sequence
from time import perf_counter
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from ultimate_deep.features.engine.graph import COLUMNS, Node, column, lag
from ultimate_deep.features.engine.runner import Runner, program_of
from ultimate_deep.market.times import NEVER, seconds_of

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_OPEN, _HIGH, _LOW, _CLOSE, _VOLUME, _SECONDS = range(6)


@numba.njit(cache=True, error_model="numpy")
def _gather_bars(
    columns: Floats,
    times: Integers,
    span: int,
    interval: int,
    part: Floats,
    start: Integers,
    bars: Floats,
    opens: Integers,
    closed: Integers,
) -> int:
    """Put fine bars together; write finished coarse bars and how many there are at each row.

    `part` is the coarse bar under way and `start[0]` when it opens, `NEVER` when there is none;
    `bars` and `opens` have room for two coarse bars a row: the one before may have missed its last
    fine bar. All times are nanoseconds.
    """
    count = 0
    for i in range(columns.shape[1]):
        time = times[i]
        first = time // span * span
        if start[0] != NEVER and start[0] < first:
            bars[:, count] = part
            opens[count] = start[0]
            count += 1
            start[0] = NEVER
        if start[0] == NEVER:
            part[:] = columns[:, i]
            start[0] = first
        else:
            part[_HIGH] = max(part[_HIGH], columns[_HIGH, i])
            part[_LOW] = min(part[_LOW], columns[_LOW, i])
            part[_CLOSE] = columns[_CLOSE, i]
            part[_VOLUME] += columns[_VOLUME, i]
            for k in range(6, part.shape[0]):
                part[k] = columns[k, i]
        if time - first >= span - interval:
            bars[:, count] = part
            opens[count] = first
            count += 1
            start[0] = NEVER
        closed[i] = count
    return count


class Timeframe:
    """Coarse bars of one width and the values of nodes on them.

    Args:
        factor: Fine bars per coarse bar.
        interval: Nanoseconds of a fine bar.
        roots: What to compute on the coarse bars.
        limit: Values are clipped to `[-limit, limit]`.
    """

    def __init__(self, factor: int, interval: int, roots: Sequence[Node], limit: float) -> None:
        self.factor = factor
        self.interval = interval
        self.limit = limit
        self.runner = Runner(program_of(tuple(roots)))
        self.columns = self.runner.program.columns
        self._part = np.full(len(self.columns), np.nan)
        self._start = np.array([NEVER])
        self._held = np.full(len(roots), np.nan, dtype=np.float32)
        # A single bar, its time, and room for what it ends.
        wide = len(self.columns)
        integers = (np.empty(1, np.int64), np.empty(2, np.int64), np.empty(1, np.int64))
        self._single = (np.empty((wide, 1)), integers[0], np.empty((wide, 2)), *integers[1:])

    def advance(self, columns: Floats, times: Integers) -> npt.NDArray[np.float32]:
        """Take fine bars and give what is known of the coarse ones.

        Args:
            columns: `(columns, rows)`, a row for each of `columns`.
            times: `(rows,)` UTC nanoseconds at which they open.

        Returns:
            `(rows, roots)`: values of the last coarse bar that is over, NaN while there is none
            or it has not settled.
        """
        rows = columns.shape[1]
        bars = np.empty((len(self.columns), 2 * rows))
        opens = np.empty(2 * rows, dtype=np.int64)
        closed = np.empty(rows, dtype=np.int64)
        span, part, start = self.factor * self.interval, self._part, self._start
        count = _gather_bars(columns, times, span, self.interval, part, start, bars, opens, closed)
        return self._values(bars, opens, count)[closed]

    def advance_one(self, bar: Floats, time: int) -> npt.NDArray[np.float32]:
        """As `advance` of one bar, but fast: most bars end no coarse one.

        Args:
            bar: A value for each of `columns`.
            time: UTC nanoseconds at which it opens.

        Returns:
            `(roots,)`, not to be changed.
        """
        column, times, bars, opens, closed = self._single
        column[:, 0] = bar
        times[0] = time
        span, part, start = self.factor * self.interval, self._part, self._start
        count = _gather_bars(column, times, span, self.interval, part, start, bars, opens, closed)
        if count == 0:
            return self._held
        known: npt.NDArray[np.float32] = self._values(bars, opens, count)[count]
        return known

    def _values(self, bars: Floats, opens: Integers, count: int) -> npt.NDArray[np.float32]:
        """What was known before these coarse bars, and after each of them, `(count + 1, roots)`."""
        if count:
            bars[_SECONDS, :count] = seconds_of(opens[:count])
        values = np.empty((count + 1, len(self._held)), dtype=np.float32)
        values[0] = self._held
        step = self.runner.block_rows
        for k in range(0, count, step):
            stop = min(k + step, count)
            self.runner.advance(bars[:, k:stop], values[k + 1 : stop + 1], self.limit)
        self._held = values[count].copy()
        return values

    def memory(self) -> dict[str, npt.NDArray[Any]]:
        """Everything that later bars depend on."""
        under_way = {"part": self._part.copy(), "start": self._start.copy()}
        return {**self.runner.memory(), **under_way, "held": self._held.copy()}

    def remember(self, memory: dict[str, npt.NDArray[Any]]) -> None:
        """Take over what `memory()` of an equal timeframe gave.

        Raises:
            ValueError: The arrays are of other sizes or kinds.
        """
        self.runner.remember(memory)
        for name, own in (("part", self._part), ("start", self._start), ("held", self._held)):
            told = memory[name]
            if (told.shape, told.dtype) != (own.shape, own.dtype):
                raise ValueError(
                    f"{name} of a timeframe is {own.shape} of {own.dtype}; got {told.shape} of "
                    f"{told.dtype}"
                )
            own[:] = told


def compile_engine(*, stream: bool = True) -> float:
    """Compile the kernels, or load them from numba's cache, before they are needed.

    The first call on a machine takes about half a minute; a script can say so.

    Args:
        stream: Also those that take one bar at a time, half of that time.

    Returns:
        Seconds it took.
    """
    started = perf_counter()
    bars = np.ones((len(COLUMNS), 3))
    runner = Runner(program_of((lag(column("close"), 1),)), block_rows=2)
    runner.advance(bars[:, :2], np.empty((2, 1), dtype=np.float32))
    if stream:
        runner.advance_one(bars[:, 2].copy(), np.empty(1, dtype=np.float32))
    Timeframe(2, 1, (column("close"),), np.inf).advance(bars, np.arange(3))
    return perf_counter() - started
