"""Kernels over instructions, for one bar: the live twins of `features.engine.block_kernels`.

Values of the newest bar lie side by side in `now`; the values of earlier bars that will be read
are first gathered behind them, and what later bars will read is written back to the work array at
the end. Instructions of one kind stand together, so that a loop runs over instructions where the
other executor's runs over bars. The arithmetic is the same, term by term.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np import arrayobj

from ultimate_deep.features.engine import opcodes as op
from ultimate_deep.features.engine import scalars as s
from ultimate_deep.features.engine.scalars import compiled

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Unsigned, so that no index is checked for being negative.
ZERO, ONE, TWO, THREE, FOUR = (np.uint64(k) for k in range(5))

# Fields of a live instruction: places in `now`, then where its parameters and its finish stand.
WIDTH = np.uint64(8)
OUT, IN_0, IN_1, IN_2, IN_3, GIVEN, FINISH, WINDOW = (np.uint64(k) for k in range(8))
# In place of a finish: there is none.
NONE = np.uint16(0xFFFF)
# Fields of those with a window or a memory: where the window's newest value stands in the work
# array before the column is added, first bar, outputs, state, bars by which it is read late.
DETAILS = np.uint64(5)
NEWEST, FIRST, OUTPUTS, STATE, LATE = (np.uint64(k) for k in range(5))

# Places in the array of addresses and sizes that describes a live program.
(
    GROUPS,
    TABLE,
    DETAIL,
    CONSTANTS,
    FINISHES,
    ROOTS,
    SETTLED,
    ROOT_FINISHES,
    WORK,
    MEMORY,
    NOW,
    LANES,
    GATHER,
    SCATTER,
    CLOCK,
    LAST,
    BAR,
    N_GROUPS,
    N_COLUMNS,
    N_GATHER,
    N_SCATTER,
    N_ROWS,
    END,
    SELF,
    PLACES,
) = range(25)


def view_of(dtype: Any) -> Any:
    """A function that reads memory at an address as an array without a known end.

    Plain views: nothing counts references to them, whoever hands over the address keeps it valid.
    """
    array_type = types.Array(dtype, 1, "C")

    @intrinsic
    def view(typingctx: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            array = arrayobj.make_array(array_type)(context, builder)
            item = context.get_data_type(dtype).as_pointer()
            size = context.get_abi_sizeof(context.get_data_type(dtype))
            length = context.get_constant(types.intp, 1 << 40)
            arrayobj.populate_array(
                array,
                data=builder.inttoptr(arguments[0], item),
                shape=cgutils.pack_array(builder, [length]),
                strides=cgutils.pack_array(builder, [context.get_constant(types.intp, size)]),
                itemsize=context.get_constant(types.intp, size),
                meminfo=None,
            )
            return array._getvalue()

        return array_type(types.int64), codegen

    return view


floats = view_of(types.float64)
integers = view_of(types.int64)
shorts = view_of(types.uint16)


@compiled
def of_one(code: int, at: int, a: int, b: int) -> None:
    """Functions of one value; instructions `a` to `b` (in fields) are of one kind."""
    places = integers(at)
    t, given = shorts(places[TABLE]), floats(places[CONSTANTS])
    now = floats(places[NOW])
    if code == op.COPY:
        for k in range(a, b, WIDTH):
            now[t[k + OUT]] = now[t[k + IN_0]]
    elif code == op.AFFINE:
        for k in range(a, b, WIDTH):
            g = np.uint64(t[k + GIVEN])
            now[t[k + OUT]] = given[g] * now[t[k + IN_0]] + given[g + ONE]
    elif code == op.CLIP:
        for k in range(a, b, WIDTH):
            g = np.uint64(t[k + GIVEN])
            now[t[k + OUT]] = min(max(now[t[k + IN_0]], given[g]), given[g + ONE])
    elif code == op.ABS:
        for k in range(a, b, WIDTH):
            now[t[k + OUT]] = abs(now[t[k + IN_0]])
    elif code == op.BETWEEN:
        for k in range(a, b, WIDTH):
            g = np.uint64(t[k + GIVEN])
            now[t[k + OUT]] = 1.0 if given[g] <= now[t[k + IN_0]] < given[g + ONE] else 0.0
    elif code == op.PACK:
        for k in range(a, b, WIDTH):
            g = np.uint64(t[k + GIVEN])
            now[t[k + OUT]] = s.packed_symbol(now[t[k + IN_0]], given[g], given[g + ONE])
    elif code == op.PACKED_ENTROPY:
        for k in range(a, b, WIDTH):
            first = np.int64(t[k + GIVEN])
            now[t[k + OUT]] = s.entropy_of_counts(now[t[k + IN_0]], given, first)


@compiled
def of_two(code: int, at: int, a: int, b: int) -> None:
    """Functions of two values."""
    places = integers(at)
    t, given = shorts(places[TABLE]), floats(places[CONSTANTS])
    now = floats(places[NOW])
    if code == op.ADD:
        for k in range(a, b, WIDTH):
            now[t[k + OUT]] = now[t[k + IN_0]] + now[t[k + IN_1]]
    elif code == op.SUB:
        for k in range(a, b, WIDTH):
            now[t[k + OUT]] = now[t[k + IN_0]] - now[t[k + IN_1]]
    elif code == op.MUL:
        for k in range(a, b, WIDTH):
            now[t[k + OUT]] = now[t[k + IN_0]] * now[t[k + IN_1]]
    elif code == op.DIV:
        for k in range(a, b, WIDTH):
            p = given[t[k + GIVEN]]
            now[t[k + OUT]] = s.safe_ratio(now[t[k + IN_0]], now[t[k + IN_1]], p)
    elif code == op.MAXIMUM:
        for k in range(a, b, WIDTH):
            now[t[k + OUT]] = max(now[t[k + IN_0]], now[t[k + IN_1]])
    elif code == op.MINIMUM:
        for k in range(a, b, WIDTH):
            now[t[k + OUT]] = min(now[t[k + IN_0]], now[t[k + IN_1]])
    elif code == op.COMPARE:
        for k in range(a, b, WIDTH):
            now[t[k + OUT]] = s.sign_of_difference(now[t[k + IN_0]], now[t[k + IN_1]])
    elif code == op.ABOVE:
        for k in range(a, b, WIDTH):
            now[t[k + OUT]] = s.is_above(now[t[k + IN_0]], now[t[k + IN_1]])
    elif code == op.DIFFERENCE:
        for k in range(a, b, WIDTH):
            now[t[k + OUT]] = s.careful_difference(now[t[k + IN_0]], now[t[k + IN_1]])
    elif code == op.MERGE_MEANS:
        for k in range(a, b, WIDTH):
            x, y = now[t[k + IN_0]], now[t[k + IN_1]]
            now[t[k + OUT]] = x + (y - x) * given[t[k + GIVEN]]


@compiled
def of_several(code: int, at: int, a: int, b: int) -> None:
    """Functions of three or four values."""
    places = integers(at)
    t, given = shorts(places[TABLE]), floats(places[CONSTANTS])
    now = floats(places[NOW])
    if code == op.MERGE_PRODUCTS:
        for k in range(a, b, WIDTH):
            x, y = now[t[k + IN_0]], now[t[k + IN_1]]
            z, u = now[t[k + IN_2]], now[t[k + IN_3]]
            g = np.uint64(t[k + GIVEN])
            now[t[k + OUT]] = s.merged_products(x, y, z, u, given[g], given[g + ONE])
    elif code == op.WHERE:
        for k in range(a, b, WIDTH):
            x, y, z = now[t[k + IN_0]], now[t[k + IN_1]], now[t[k + IN_2]]
            now[t[k + OUT]] = y if x > 0.0 else z
    elif code == op.MERGE_AGES:
        for k in range(a, b, WIDTH):
            x, y = now[t[k + IN_0]], now[t[k + IN_1]]
            z, u = now[t[k + IN_2]], now[t[k + IN_3]]
            g = np.uint64(t[k + GIVEN])
            now[t[k + OUT]] = s.merged_age(x, y, z, u, given[g], given[g + ONE])
    elif code == op.MERGE_DRAWDOWNS:
        for k in range(a, b, WIDTH):
            x, y = now[t[k + IN_0]], now[t[k + IN_1]]
            z, u = now[t[k + IN_2]], now[t[k + IN_3]]
            now[t[k + OUT]] = s.merged_drawdown(x, y, z, u)


@compiled
def _fir(work: Floats, newest: np.uint64, given: Floats, g: np.uint64, w: np.uint64) -> float:
    """Weighted sum of the window that ends at `newest`, in the block executor's order."""
    total = 0.0
    x, a = newest, g
    for _ in range(w >> THREE):
        left = (given[a] * work[x] + given[a + ONE] * work[x - ONE]) + (
            given[a + TWO] * work[x - TWO] + given[a + THREE] * work[x - THREE]
        )
        x -= FOUR
        a += FOUR
        right = (given[a] * work[x] + given[a + ONE] * work[x - ONE]) + (
            given[a + TWO] * work[x - TWO] + given[a + THREE] * work[x - THREE]
        )
        x -= FOUR
        a += FOUR
        total += left + right
    for _ in range(w & np.uint64(7)):
        total += given[a] * work[x]
        x -= ONE
        a += ONE
    return total


@compiled
def _rank(work: Floats, newest: int, w: int) -> float:
    """Rank of the newest value among the others of its window, ties halved, in [-1, 1]."""
    value = work[newest]
    tie = s.TIE * abs(value)
    low, high = value - tie, value + tie
    oldest = newest + ONE - w
    count = 0
    for i in range(w - ONE):
        past = work[oldest + i]
        count += (1 if past < low else 0) - (1 if past > high else 0)
    return float(count) / np.int64(w - ONE)


@compiled
def _absolute_deviation(work: Floats, newest: int, centre: float, w: int) -> float:
    """Mean absolute deviation from `centre`, newest bar first."""
    total = 0.0
    for j in range(w):
        total += abs(work[newest - j] - centre)
    return total / np.int64(w)


@compiled
def _cumulative_range(work: Floats, newest: int, centre: float, w: int) -> float:
    """Range of the cumulated deviations from `centre`, oldest first, 0 included."""
    level = 0.0
    lowest = 0.0
    highest = 0.0
    oldest = newest + ONE - w
    for i in range(w):
        level += work[oldest + i] - centre
        lowest = level if level < lowest else lowest
        highest = level if level > highest else highest
    return highest - lowest


@compiled
def of_window(code: int, at: int, a: int, b: int, c: int) -> None:
    """Scans of a window; the newest value of a series that is not late is put there first."""
    places = integers(at)
    t, d = shorts(places[TABLE]), integers(places[DETAIL])
    given, now = floats(places[CONSTANTS]), floats(places[NOW])
    work = floats(places[WORK])
    for k in range(a, b):
        f, e = k * WIDTH, k * DETAILS
        x, w = np.uint64(d[e + NEWEST]) + c, np.uint64(t[f + WINDOW])
        if d[e + LATE] == 0:
            work[x] = now[t[f + IN_0]]
        if code == op.FIR:
            now[t[f + OUT]] = _fir(work, x, given, np.uint64(t[f + GIVEN]), w)
        elif code == op.RANK:
            now[t[f + OUT]] = _rank(work, x, w)
        elif code == op.ABSOLUTE_DEVIATION:
            now[t[f + OUT]] = _absolute_deviation(work, x, now[t[f + IN_1]], w)
        elif code == op.CUMULATIVE_RANGE:
            now[t[f + OUT]] = _cumulative_range(work, x, now[t[f + IN_1]], w)


@compiled
def exponential(at: int, a: int, b: int, row: int) -> None:
    """Exponential averages; NaN before the first bar where their input is defined."""
    places = integers(at)
    t, d = shorts(places[TABLE]), integers(places[DETAIL])
    given, now = floats(places[CONSTANTS]), floats(places[NOW])
    for k in range(a, b):
        f = k * WIDTH
        first = d[k * DETAILS + FIRST]
        value, before = now[t[f + IN_0]], now[t[f + IN_3]]
        average = before + given[t[f + GIVEN]] * (value - before)
        seeded = value if row == first else np.nan
        now[t[f + OUT]] = average if row > first else seeded


@compiled
def with_memory(code: int, at: int, a: int, b: int, c: int, row: int) -> None:
    """Operators that remember; NaN before the first bar where their input is defined."""
    places = integers(at)
    t, d = shorts(places[TABLE]), integers(places[DETAIL])
    given, now = floats(places[CONSTANTS]), floats(places[NOW])
    for k in range(a, b):
        f, e = k * WIDTH, k * DETAILS
        o = np.uint64(t[f + OUT])
        first = d[e + FIRST]
        if row < first:
            for i in range(np.uint64(d[e + OUTPUTS])):
                now[o + i] = np.nan
            continue
        fresh = row == first
        value, before = now[t[f + IN_0]], now[t[f + IN_3]]
        if code == op.EXPONENTIAL_VARYING:
            now[o] = value if fresh else before + now[t[f + IN_1]] * (value - before)
        elif code == op.CUMULATIVE:
            now[o] = value if fresh else before + value
        elif code == op.STREAK:
            now[o] = s.longer_streak(0.0 if fresh else before, value, given[t[f + GIVEN]])
        elif code == op.QUANTILES:
            _quantiles(at, k, c, fresh)
        else:
            _calendar(at, o, d[e + STATE], value)


@compiled
def _quantiles(at: int, k: int, c: int, fresh: bool) -> None:
    """Quantiles from one sorted window."""
    places = integers(at)
    t, d = shorts(places[TABLE]), integers(places[DETAIL])
    given, now = floats(places[CONSTANTS]), floats(places[NOW])
    work, state = floats(places[WORK]), floats(places[MEMORY])
    f, e = k * WIDTH, k * DETAILS
    value = now[t[f + IN_0]]
    x, w, m = d[e + NEWEST] + np.int64(c), np.int64(t[f + WINDOW]), d[e + STATE]
    if d[e + LATE] == 0:
        work[np.uint64(x)] = value
    if fresh:
        s.start_sorted(work, x, w, state, m)
    else:
        s.replace_in_sorted(state, m, w, work[np.uint64(x - w)], value)
    window = s.sorted_window(state, m, w)
    o, g = np.uint64(t[f + OUT]), np.int64(t[f + GIVEN])
    for i in range(d[e + OUTPUTS]):
        now[o + np.uint64(i)] = s.quantile_of(state, window, given, g + 3 * i)


@compiled
def _calendar(at: int, o: int, m: int, seconds: float) -> None:
    """Hour, weekday and places in month and year of UTC seconds; the last day is remembered."""
    places = integers(at)
    now, state = floats(places[NOW]), floats(places[MEMORY])
    date = state[m : m + 5]
    day = np.floor(seconds / 86400.0)
    if day != date[0]:
        date[0] = day
        s.date_of_day(int(day), date[1:])
    now[o] = (seconds - day * 86400.0) / 3600.0
    for i in range(1, 5):
        now[o + np.uint64(i)] = date[i]


@compiled
def finish(at: int, a: int, b: int) -> None:
    """Scale, shift and limit what a group of instructions has written."""
    places = integers(at)
    t, finishes = shorts(places[TABLE]), floats(places[FINISHES])
    now = floats(places[NOW])
    for k in range(a, b, WIDTH):
        if t[k + FINISH] == NONE:
            continue
        o, f = t[k + OUT], np.uint64(t[k + FINISH]) * FOUR
        scaled = finishes[f] * now[o] + finishes[f + ONE]
        now[o] = min(max(scaled, finishes[f + TWO]), finishes[f + THREE])


@compiled
def write_roots(at: int, row: int, limit: float, out: npt.NDArray[np.float32]) -> None:
    """Finished values of the roots, NaN before each settles."""
    places = integers(at)
    roots, settled = integers(places[ROOTS]), integers(places[SETTLED])
    last, now = floats(places[ROOT_FINISHES]), floats(places[NOW])
    x = floats(places[LANES])
    n = np.uint64(out.shape[0])
    # Columns of `last`: scales, offsets, least and greatest values.
    p, q, low, high = last[:n], last[n : 2 * n], last[2 * n : 3 * n], last[3 * n : 4 * n]
    for i in range(n):
        x[i] = now[np.uint64(roots[i])]
    for i in range(n):
        value = min(max(p[i] * x[i] + q[i], low[i]), high[i])
        value = min(max(value, -limit), limit)
        x[i] = value if row >= settled[i] else np.nan
        out[i] = x[i]
