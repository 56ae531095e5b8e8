"""Runners feed programs with bars, many or one at a time, and keep their memory.

A runner owns one row of a work array per value: history on the left, new bars on the right; for
single bars `features.engine.live_program` keeps the same history in less space. Both do the same
arithmetic, so blocks of thousands (batch) and single bars (live) may be mixed at will and the
results are the same bits. Memory does not grow with the number of bars.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ultimate_deep.features.engine import block_executor
from ultimate_deep.features.engine import block_kernels as be
from ultimate_deep.features.engine.bar_executor import BY_SECONDS
from ultimate_deep.features.engine.graph import Node
from ultimate_deep.features.engine.live_program import (
    CLOCK_CHECKED,
    CLOCK_LIMIT,
    CLOCK_ROW,
    LiveProgram,
    new_clock,
)
from ultimate_deep.features.engine.program import Program, compile_program
from ultimate_deep.market.times import FIRST_SECOND, LAST_SECOND, NEVER

Floats = npt.NDArray[np.float64]

# Fewest and most bars of a block, and the values that should fit into the nearest memories.
BLOCK_ROWS, MOST_BLOCK_ROWS, BLOCK_VALUES = 512, 8192, 65536


# Files whose functions are part of an executor.
KERNEL_FILES = (
    "opcodes.py",
    "scalars.py",
    "block_kernels.py",
    "block_executor.py",
    "bar_kernels.py",
    "bar_lanes.py",
    "bar_executor.py",
)


def source_digest() -> int:
    """A number that changes with any kernel's source.

    Numba's cache notices changes only in the file of the function it compiled, not in those that
    it calls; the executors close over this number, which is part of their cache key.
    """
    digest = hashlib.sha256(repr((FIRST_SECOND, LAST_SECOND)).encode())
    for name in KERNEL_FILES:
        digest.update(Path(__file__).with_name(name).read_bytes())
    return int.from_bytes(digest.digest()[:7], "little")


_DIGEST = source_digest()


class Runner:
    """A program with its memory: feed bars, read each root's values.

    Args:
        program: What to compute.
        block_rows: Bars that are taken between two moves of the history: the most that one call
            of `advance` takes. None: few for large programs, many for small ones.
    """

    def __init__(self, program: Program, block_rows: int | None = None) -> None:
        if block_rows is None:
            block_rows = BLOCK_VALUES // len(program.keep)
            block_rows = min(max(block_rows, BLOCK_ROWS), MOST_BLOCK_ROWS)
        self.program = program
        self.block_rows = block_rows
        history = program.history
        # An odd number of cache lines: columns of neighbouring rows never share a cache set.
        lines = -(-(history + block_rows) // 8)
        self._stride = 8 * (lines + 1 - lines % 2)
        self._history = history
        self._work = np.full(len(program.keep) * self._stride, np.nan)
        rows = self._work.reshape(len(program.keep), self._stride)
        for k, value in enumerate(program.constants):
            rows[len(program.columns) + k] = value
        self._rows = rows
        self._state = program.state.copy()
        self._scratch = np.empty(3 * block_rows)
        self._table = program.table.copy()
        self._table[:, be.OUT] *= self._stride
        inputs = slice(be.IN_0, be.IN_3 + 1)
        self._table[:, inputs] = program.table[:, inputs] * self._stride - program.lags
        self._offsets = program.roots[:, 0] * self._stride - program.roots[:, 1]
        self._run = block_executor.block_executor(_DIGEST)
        self._column = history
        # Where in the work array the history of every row stands, before the column is added.
        self._kept = np.concatenate(
            [k * self._stride + np.arange(-keep, 0) for k, keep in enumerate(program.keep)]
        ).astype(np.int64)
        self._clock = new_clock()
        self._last = np.array([NEVER])
        self._live: LiveProgram | None = None
        # Which of both executors' memories is the newest.
        self._live_leads = False

    @property
    def row(self) -> int:
        """Number of bars taken."""
        return int(self._clock[CLOCK_ROW])

    @property
    def last_time(self) -> int:
        """UTC nanoseconds of the last bar taken, after which the next one must open.

        Single bars move it themselves; whoever hands over blocks of bars states it.
        """
        return int(self._last[0])

    @last_time.setter
    def last_time(self, nanoseconds: int) -> None:
        self._last[0] = nanoseconds

    def _make_room(self, rows: int) -> None:
        """Move the history to the left when there are not `rows` free columns."""
        if self._column + rows > self._history + self.block_rows:
            block_executor.carry_history(
                self._work, self.program.keep, self._stride, self._history, self._column
            )
            self._column = self._history

    def advance(
        self, columns: Floats, out: npt.NDArray[np.floating], limit: float = np.inf
    ) -> None:
        """Take the next bars and write the roots' values.

        Args:
            columns: `(columns, rows)`, a row for each of `program.columns`; `rows` is at most
                `block_rows`.
            out: `(rows, roots)` float64 or float32, filled; NaN before a root has settled.
            limit: Values are clipped to `[-limit, limit]`.
        """
        rows = columns.shape[1]
        start = self._compute(columns)
        block_executor.write_roots(
            *self._written(start), rows, self.row, limit, np.empty((16, rows), out.dtype), out
        )
        self._move_on(columns.shape[1])

    def advance_columns(
        self, columns: Floats, out: Floats, first: int, limit: float = np.inf
    ) -> None:
        """As `advance`, writing a row for each root: `out[:, first:]` of `(roots, all rows)`."""
        start = self._compute(columns)
        block_executor.write_columns(
            *self._written(start), columns.shape[1], self.row, limit, out, first
        )
        self._move_on(columns.shape[1])

    def _written(self, start: int) -> tuple[Any, ...]:
        program = self.program
        return self._work, self._offsets, program.settled, program.root_finishes, start

    def _compute(self, columns: Floats) -> int:
        """Run all instructions for the next bars; gives the first of their columns."""
        program = self.program
        rows = columns.shape[1]
        if self._live_leads:
            self._work[self._kept + self._column] = self._history_so_far()
            self._live_leads = False
        self._make_room(rows)
        start = self._column
        self._rows[: columns.shape[0], start : start + rows] = columns
        self._run(
            self._table,
            program.given,
            program.finishes,
            self._work,
            self._state,
            self._scratch,
            self._stride,
            start,
            rows,
            self.row,
        )
        return start

    def _move_on(self, rows: int) -> None:
        self._column += rows
        self._clock[CLOCK_ROW] += rows

    def advance_one(
        self,
        bar: Floats,
        out: npt.NDArray[np.floating],
        limit: float = np.inf,
        checked: bool = False,
        time: int = BY_SECONDS,
    ) -> int:
        """Take the next bar and write the roots' values: `advance` of one bar, but fast.

        Args:
            bar: A value for each of `program.columns`.
            out: `(roots,)` float64 or float32, filled; NaN before a root has settled.
            limit: Values are clipped to `[-limit, limit]`.
            checked: Whether a bar that cannot follow the last one is refused.
            time: UTC nanoseconds at which it opens; else the bar's seconds say when.

        Returns:
            0, or why the bar was refused (`features.engine.bar_executor`); then nothing has
            changed.
        """
        live = self.live(limit, checked)
        live.bar[:] = bar
        if out.dtype == np.float32:
            return live.run(live.places, out, *bar[:6].tolist(), time)
        refused = live.run(live.places, np.empty(len(out), np.float32), *bar[:6].tolist(), time)
        if not refused:
            out[:] = live.values[: len(out)]
        return refused

    def live(self, limit: float = np.inf, checked: bool = False) -> LiveProgram:
        """The program as the executor of single bars takes it, with the memory of all bars so far.

        It may be run until `advance` is called; then ask for it again.
        """
        if self._live is None:
            self._live = LiveProgram(self.program, self._state, self._clock, self._last, _DIGEST)
        if not self._live_leads:
            self._live.take_history(self._history_so_far())
            self._live_leads = True
        self._clock[CLOCK_LIMIT] = limit
        self._clock[CLOCK_CHECKED] = float(checked)
        return self._live

    def _history_so_far(self) -> Floats:
        """Every row's past, row after row, from the executor that ran last."""
        if self._live is not None and self._live_leads:
            return self._live.history()
        return self._work[self._kept + self._column]

    def memory(self) -> dict[str, npt.NDArray[Any]]:
        """Everything that later bars depend on, as small arrays."""
        clock = np.array([self.row, self.last_time])
        return {"history": self._history_so_far(), "state": self._state.copy(), "clock": clock}

    def remember(self, memory: dict[str, npt.NDArray[Any]]) -> None:
        """Take over what `memory()` of a runner of the same program gave.

        Raises:
            ValueError: The arrays are of other sizes than this program's.
        """
        history, state = memory["history"], memory["state"]
        sizes = self._kept.shape, self._state.shape
        if (history.shape, state.shape) != sizes:
            raise ValueError(
                f"the memory of this program has shapes {sizes}; "
                f"got {(history.shape, state.shape)}: it is another program's"
            )
        clock = memory["clock"]
        if clock.shape != (2,) or clock.dtype.kind != "i" or clock[0] < 0:
            raise ValueError(f"the clock is a number of bars and a time; got {clock[:4]}")
        self._work[self._kept + self._column] = history
        self._live_leads = False
        self._state[:] = state
        self._clock[CLOCK_ROW], self._last[0] = clock


@lru_cache(maxsize=64)
def program_of(roots: tuple[Node, ...]) -> Program:
    """The compiled program of `roots`; nodes are unique objects, so it can be remembered."""
    return compile_program(roots)


def evaluate(
    roots: Sequence[Node],
    columns: Floats,
    *,
    dtype: npt.DTypeLike = np.float64,
    limit: float = np.inf,
    block_rows: int | None = None,
) -> npt.NDArray[np.floating]:
    """Values of `roots` for all bars.

    Args:
        roots: Nodes to compute.
        columns: `(6, rows)` float64: open, high, low, close, volume, UTC seconds; then a row for
            each further column that the roots depend on, by name in alphabetical order. Taken as
            it is; NaN in a bar reaches every value that depends on it.
        dtype: `float64`, or `float32` for features.
        limit: Values are clipped to `[-limit, limit]`.
        block_rows: Bars per block; it changes speed, never a bit of the result. None: as
            `Runner` chooses.

    Returns:
        `(rows, roots)`, NaN before each root's warm-up. float64 lies column by column in memory,
        which is how frames keep it, float32 row by row, which is how nets read it.
    """
    rows = columns.shape[1]
    by_column = np.dtype(dtype) == np.float64
    out = np.empty((rows, len(roots)), dtype=dtype, order="F" if by_column else "C")
    if len(roots) == 0:
        return out
    runner = Runner(program_of(tuple(roots)), block_rows)
    for start in range(0, rows, runner.block_rows):
        stop = min(start + runner.block_rows, rows)
        if by_column:
            runner.advance_columns(columns[:, start:stop], out.T, start, limit)
        else:
            runner.advance(columns[:, start:stop], out[start:stop], limit)
    return out
