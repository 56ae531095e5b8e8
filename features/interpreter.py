"""The one compiled function that runs a program's instructions over a block of bars."""

from collections.abc import Callable
from functools import lru_cache

import numba
import numpy as np
import numpy.typing as npt

from features import elementwise, paths, windowed
from features import opcodes as op

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _of_window(
    code: int,
    x: Floats,
    y: Floats,
    z: Floats,
    w: int,
    p: float,
    scratch: Floats,
    out: Floats,
    a: int,
    b: int,
) -> None:
    """Operators over a window that have one output and no state."""
    if code == op.LAG:
        target, past = out[a:b], x[a - w : b - w]
        for i in range(b - a):
            target[i] = past[i]
    elif code == op.SUM:
        windowed.rolling_sum(x, w, out, a, b)
    elif code == op.MEAN:
        windowed.rolling_mean(x, w, out, a, b)
    elif code == op.ABSOLUTE_DEVIATION:
        windowed.absolute_deviation(x, y, w, out, a, b)
    elif code == op.STANDARD_DEVIATION:
        windowed.standard_deviation(x, y, w, out, a, b)
    elif code == op.STANDARD_MOMENT:
        windowed.standard_moment(x, y, z, w, int(p), out, a, b)
    elif code == op.SLOPE:
        windowed.slope(x, y, w, out, a, b)
    elif code == op.MIN:
        windowed.rolling_extreme(x, w, -1.0, out, a, b)
    elif code == op.MAX:
        windowed.rolling_extreme(x, w, 1.0, out, a, b)
    elif code == op.BARS_SINCE_MIN:
        windowed.bars_since_extreme(x, w, -1.0, scratch, out, a, b)
    elif code == op.BARS_SINCE_MAX:
        windowed.bars_since_extreme(x, w, 1.0, scratch, out, a, b)
    elif code == op.RANK:
        windowed.rank(x, w, out, a, b)
    elif code == op.DRAWDOWN:
        paths.drawdown(x, w, False, scratch, out, a, b)
    elif code == op.ULCER:
        paths.drawdown(x, w, True, scratch, out, a, b)
    elif code == op.CUMULATIVE_RANGE:
        paths.cumulative_range(x, y, w, scratch, out, a, b)
    elif code == op.STREAK:
        paths.streak(x, w, out, a, b)


@numba.njit(cache=True, error_model="numpy")
def write_roots(
    work: Floats,
    roots: Integers,
    settled: Integers,
    first_column: int,
    rows: int,
    first_row: int,
    limit: float,
    out: npt.NDArray[np.floating],
) -> None:
    """Copy the roots' rows, within `limit`, into `out` (rows, roots); NaN before each settles."""
    for k in range(roots.shape[0]):
        values = work[roots[k]]
        for i in range(rows):
            if first_row + i < settled[k]:
                out[i, k] = np.nan
            else:
                out[i, k] = min(max(values[first_column + i], -limit), limit)


@numba.njit(cache=True, error_model="numpy")
def carry_history(work: Floats, keep: Integers, history: int, rows: int) -> None:
    """Move the last columns of each row, as many as its readers look back, before the block."""
    for k in range(keep.shape[0]):
        for c in range(history - keep[k], history):
            work[k, c] = work[k, c + rows]


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _take_columns(columns: Floats, work: Floats, history: int) -> None:
    """Put the block of bars into the first rows, after their history."""
    for k in range(columns.shape[0]):
        # A loop: assigning slices would compile seconds of shape checks.
        for c in range(columns.shape[1]):
            work[k, history + c] = columns[k, c]


@lru_cache(maxsize=1)
def interpreter(digest: int) -> Callable[..., None]:
    """The compiled interpreter; `digest` ties its cache to the kernels' source."""

    @numba.njit(cache=True, error_model="numpy")
    def run(
        code: Integers,
        constants: Floats,
        columns: Floats,
        work: Floats,
        state: Floats,
        scratch: Floats,
        history: int,
        row: int,
    ) -> int:
        version = digest
        rows = columns.shape[1]
        _take_columns(columns, work, history)
        stop = history + rows
        for i in range(code.shape[0]):
            number, first, slot, outputs = code[i, 0], code[i, 1], code[i, 2], code[i, 3]
            x, y, z = work[code[i, 4]], work[code[i, 5]], work[code[i, 6]]
            w = code[i, 8]
            given = constants[code[i, 9] : code[i, 9] + code[i, 10]]
            a = min(history + max(first - row, 0), stop)
            for k in range(slot, slot + outputs):
                for c in range(history, a):
                    work[k, c] = np.nan
            if a == stop:
                continue
            fresh = row <= first
            target = work[slot]
            p = given[0] if given.shape[0] > 0 else 0.0
            q = given[1] if given.shape[0] > 1 else 0.0
            if number < 20:
                elementwise.unary(number, p, q, x[a:stop], target[a:stop])
            elif number < 40:
                elementwise.binary(number, p, x[a:stop], y[a:stop], target[a:stop])
            elif number == op.WHERE:
                elementwise.where(x[a:stop], y[a:stop], z[a:stop], target[a:stop])
            elif number == op.COVARIANCE:
                windowed.covariance(x, y, z, work[code[i, 7]], w, target, a, stop)
            elif number == op.QUANTILES:
                memory = state[code[i, 11] : code[i, 11] + w]
                several = work[slot : slot + outputs]
                windowed.quantiles(x, w, given[1:], memory, fresh, several, a, stop)
            elif number == op.FIR:
                windowed.fir(x, given, target, a, stop)
            elif number == op.ENTROPY:
                paths.entropy(x, w, int(q), scratch, target, a, stop)
            elif number == op.EXPONENTIAL:
                paths.exponential(x, p, fresh, target, a, stop)
            elif number == op.CUMULATIVE:
                paths.cumulative(x, fresh, target, a, stop)
            elif number == op.CALENDAR:
                elementwise.calendar(x, work[slot : slot + outputs], a, stop)
            else:
                _of_window(number, x, y, z, w, q, scratch, target, a, stop)
        return version

    return run
