"""Features of coarser bars, seen from the fine ones: `rsi_14_15x` is the RSI of 15-bar bars.

Coarse bars are anchored to the clock in UTC (15 one-minute bars begin at :00, :15, :30, :45) and
become visible with the fine bar at whose close they are over, never before: with the last fine
bar of the span, or, where that one is missing, with the next one that comes.
"""

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from ultimate_deep.features.engine.graph import Node
from ultimate_deep.features.engine.runner import Runner, program_of

Floats = npt.NDArray[np.float64]

_OPEN, _HIGH, _LOW, _CLOSE, _VOLUME, _SECONDS = range(6)


@numba.njit(cache=True, error_model="numpy")
def _gather_bars(
    columns: Floats, span: float, interval: float, part: Floats, bars: Floats, closed: Any
) -> int:
    """Put fine bars together; write finished coarse bars and how many there are at each row.

    `part` is the coarse bar under way, its seconds NaN when there is none; `bars` has room for
    two coarse bars a row: the one before may have missed its last fine bar.
    """
    count = 0
    for i in range(columns.shape[1]):
        seconds = columns[_SECONDS, i]
        start = np.floor(seconds / span) * span
        if part[_SECONDS] < start:
            bars[:, count] = part
            count += 1
            part[_SECONDS] = np.nan
        if np.isnan(part[_SECONDS]):
            part[:] = columns[:, i]
            part[_SECONDS] = start
        else:
            part[_HIGH] = max(part[_HIGH], columns[_HIGH, i])
            part[_LOW] = min(part[_LOW], columns[_LOW, i])
            part[_CLOSE] = columns[_CLOSE, i]
            part[_VOLUME] += columns[_VOLUME, i]
            for k in range(6, part.shape[0]):
                part[k] = columns[k, i]
        if seconds + interval >= start + span:
            bars[:, count] = part
            count += 1
            part[_SECONDS] = np.nan
        closed[i] = count
    return count


class Timeframe:
    """Coarse bars of one width and the values of nodes on them.

    Args:
        factor: Fine bars per coarse bar.
        interval: Seconds of a fine bar.
        roots: What to compute on the coarse bars.
        limit: Values are clipped to `[-limit, limit]`.
    """

    def __init__(self, factor: int, interval: float, roots: Sequence[Node], limit: float) -> None:
        self.factor = factor
        self.interval = interval
        self.limit = limit
        self.runner = Runner(program_of(tuple(roots)))
        self.columns = self.runner.program.columns
        self._part = np.full(len(self.columns), np.nan)
        self._held = np.full(len(roots), np.nan, dtype=np.float32)

    def advance(self, columns: Floats) -> npt.NDArray[np.float32]:
        """Take fine bars, `(columns, rows)`, and give what is known of the coarse ones.

        Returns:
            `(rows, roots)`: values of the last coarse bar that is over, NaN while there is none
            or it has not settled.
        """
        rows = columns.shape[1]
        bars = np.empty((len(self.columns), 2 * rows))
        closed = np.empty(rows, dtype=np.int64)
        span = self.factor * self.interval
        count = _gather_bars(columns, span, self.interval, self._part, bars, closed)
        values = np.empty((count + 1, len(self._held)), dtype=np.float32)
        values[0] = self._held
        step = self.runner.block_rows
        for start in range(0, count, step):
            stop = min(start + step, count)
            self.runner.advance(bars[:, start:stop], values[start + 1 : stop + 1], self.limit)
        self._held = values[count].copy()
        return values[closed]

    def memory(self) -> dict[str, npt.NDArray[Any]]:
        """Everything that later bars depend on."""
        return {**self.runner.memory(), "part": self._part.copy(), "held": self._held.copy()}

    def remember(self, memory: dict[str, npt.NDArray[Any]]) -> None:
        """Take over what `memory()` of an equal timeframe gave."""
        self.runner.remember(memory)
        self._part[:] = memory["part"]
        self._held = memory["held"].astype(np.float32)
