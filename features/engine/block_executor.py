"""Runs a program's instructions over a block of bars: one instruction, many bars at a time.

The work array is flat; each value has a row of it, history on the left and the block on the
right. An input is read some bars earlier by an offset into its row.
"""

from collections.abc import Callable
from functools import lru_cache

import numba
import numpy as np
import numpy.typing as npt

from ultimate_deep.features.engine import block_kernels as kernels
from ultimate_deep.features.engine import opcodes as op
from ultimate_deep.features.engine.block_kernels import (
    CODE,
    COUNT,
    FINISH,
    FIRST,
    GIVEN,
    IN_0,
    IN_1,
    IN_2,
    IN_3,
    OUT,
    OUTPUTS,
    STATE,
    WINDOW,
)

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@lru_cache(maxsize=1)
def block_executor(digest: int) -> Callable[..., int]:
    """The compiled executor; `digest` ties its cache to the kernels' source."""

    @numba.njit(cache=True, error_model="numpy", _nrt=False)
    def run(
        table: Integers,
        constants: Floats,
        finishes: Floats,
        work: Floats,
        state: Floats,
        scratch: Floats,
        stride: int,
        column: int,
        n: int,
        row: int,
    ) -> int:
        version = digest
        k = -1
        done = 0
        while k + 1 < table.shape[0]:
            k += 1
            code, first, w = table[k, CODE], table[k, FIRST], table[k, WINDOW]
            o = table[k, OUT] + column
            x, y = table[k, IN_0] + column, table[k, IN_1] + column
            g = table[k, GIVEN]
            if code == op.PACKED_ENTROPY:
                kernels.packed_entropy(constants, g, work, o, x, n)
            elif code < 20:
                kernels.of_one(code, constants[g], constants[g + 1], work, o, x, n)
            elif code < 40:
                kernels.of_two(code, constants[g], work, o, x, y, n)
            elif code < 60:
                z, u = table[k, IN_2] + column, table[k, IN_3] + column
                kernels.of_several(code, constants[g], constants[g + 1], work, o, x, y, z, u, n)
            elif code == op.FIR:
                kernels.fir(constants, g, w, work, o, x, n)
            elif code == op.RANK:
                kernels.rank(w, scratch, work, o, x, n)
            elif code == op.ABSOLUTE_DEVIATION:
                kernels.absolute_deviation(w, work, o, x, y, n)
            elif code == op.CUMULATIVE_RANGE:
                kernels.cumulative_range(w, scratch, work, o, x, y, n)
            elif k >= done:
                # Memories start at the first bar where their input is defined.
                if code == op.EXPONENTIAL and table[k, COUNT] == 4:
                    settled = True
                    for i in range(4):
                        settled = settled and row > table[k + i, FIRST]
                    if settled:
                        kernels.averages(table, k, constants, work, column, n)
                        done = k + 4
                        continue
                skip = min(max(first - row, 0), n)
                for i in range(table[k, OUTPUTS]):
                    for j in range(skip):
                        work[o + i * stride + j] = np.nan
                if skip == n:
                    continue
                fresh = row <= first
                x, y, o = x + skip, y + skip, o + skip
                if code == op.QUANTILES:
                    m, outputs = table[k, STATE], table[k, OUTPUTS]
                    kernels.quantiles(
                        work, x, w, constants, g, state, m, fresh, o, outputs, stride, n - skip
                    )
                elif code == op.CALENDAR:
                    memory = state[table[k, STATE] : table[k, STATE] + 5]
                    kernels.calendar(work, x, memory, o, stride, n - skip)
                else:
                    kernels.with_memory(code, work, x, y, o, n - skip, constants[g], fresh)
            if table[k, FINISH] >= 0:
                kernels.finish(finishes, table[k, FINISH], work, table[k, OUT] + column, n)
        return version

    return run


@numba.njit(cache=True, error_model="numpy", _nrt=False)
def write_roots(
    work: Floats,
    offsets: Integers,
    settled: Integers,
    finishes: Floats,
    column: int,
    n: int,
    row: int,
    limit: float,
    scratch: npt.NDArray[np.floating],
    out: npt.NDArray[np.floating],
) -> None:
    """Write finished roots within `limit` into `out` (rows, roots); NaN before each settles.

    Sixteen roots at a time go through `scratch` (16, rows), so that `out` is written line by line.
    """
    roots = offsets.shape[0]
    for start in range(0, roots, 16):
        several = min(16, roots - start)
        for k in range(several):
            x, missing = offsets[start + k] + column, settled[start + k] - row
            kernels.write_root(work, x, finishes, start + k, limit, missing, scratch[k])
        if several == 16:
            for i in range(n):
                target = out[i, start : start + 16]
                for k in range(16):
                    target[k] = scratch[k, i]
        else:
            for k in range(several):
                for i in range(n):
                    out[i, start + k] = scratch[k, i]


@numba.njit(cache=True, error_model="numpy", _nrt=False)
def write_columns(
    work: Floats,
    offsets: Integers,
    settled: Integers,
    finishes: Floats,
    column: int,
    n: int,
    row: int,
    limit: float,
    out: Floats,
    start: int,
) -> None:
    """As `write_roots`, but a row for each root: `out[:, start : start + n]` (roots, rows)."""
    for k in range(offsets.shape[0]):
        line = out[k, start : start + n]
        x, missing = offsets[k] + column, settled[k] - row
        kernels.write_root(work, x, finishes, k, limit, missing, line)


@numba.njit(cache=True, error_model="numpy", _nrt=False)
def carry_history(work: Floats, keep: Integers, stride: int, history: int, column: int) -> None:
    """Move the columns before `column`, as many as a row's readers look back, to `history`."""
    for k in range(keep.shape[0]):
        target = work[k * stride + history - keep[k] : k * stride + history]
        source = work[k * stride + column - keep[k] : k * stride + column]
        for i in range(keep[k]):
            target[i] = source[i]
