"""Kernels over a block of bars: one instruction, many bars at a time.

Every kernel fills a row of the flat work array from other rows, read some bars earlier by an
offset. Loops over bars are innermost, so that the compiler does several bars at once; the order
of additions within a window is that of `features.engine.bar_kernels`.
"""

import numpy as np
import numpy.typing as npt

from ultimate_deep.features.engine import opcodes as op
from ultimate_deep.features.engine import scalars as s
from ultimate_deep.features.engine.scalars import compiled

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Columns of the instruction table.
CODE, FIRST, OUT, OUTPUTS, IN_0, IN_1, IN_2, IN_3, WINDOW, GIVEN, COUNT, STATE, FINISH = range(13)


@compiled
def of_one(code: int, p: float, q: float, work: Floats, o: int, a: int, n: int) -> None:
    """Fill the row at `o` with a function of the one at `a`; `p` and `q` are parameters."""
    # Unsigned, so that no index is checked for being negative.
    at, x = np.uint64(o), np.uint64(a)
    if code == op.COPY:
        for i in range(np.uint64(n)):
            work[at + i] = work[x + i]
    elif code == op.AFFINE:
        for i in range(np.uint64(n)):
            work[at + i] = p * work[x + i] + q
    elif code == op.CLIP:
        for i in range(np.uint64(n)):
            work[at + i] = min(max(work[x + i], p), q)
    elif code == op.ABS:
        for i in range(np.uint64(n)):
            work[at + i] = abs(work[x + i])
    elif code == op.SQRT:
        for i in range(np.uint64(n)):
            work[at + i] = np.sqrt(max(work[x + i], 0.0))
    elif code == op.TANH:
        for i in range(np.uint64(n)):
            work[at + i] = s.hyperbolic_tangent(work[x + i])
    elif code == op.SIN or code == op.COS:
        quarter = 1.0 if code == op.COS else 0.0
        for i in range(np.uint64(n)):
            work[at + i] = s.wave(work[x + i], quarter)
    elif code == op.LOG:
        for i in range(np.uint64(n)):
            work[at + i] = s.safe_logarithm(work[x + i])
    elif code == op.BETWEEN:
        for i in range(np.uint64(n)):
            work[at + i] = 1.0 if p <= work[x + i] < q else 0.0
    elif code == op.NORMAL_CDF:
        for i in range(np.uint64(n)):
            work[at + i] = s.normal_distribution(work[x + i])
    elif code == op.ARCTANGENT:
        for i in range(np.uint64(n)):
            work[at + i] = s.arctangent(work[x + i])
    elif code == op.PACK:
        for i in range(np.uint64(n)):
            work[at + i] = s.packed_symbol(work[x + i], p, q)


@compiled
def packed_entropy(given: Floats, g: int, work: Floats, o: int, a: int, n: int) -> None:
    """Fill the row at `o` with the entropy of the counts packed in the one at `a`."""
    for i in range(n):
        work[o + i] = s.entropy_of_counts(work[a + i], given, g)


@compiled
def of_two(code: int, p: float, work: Floats, o: int, a: int, b: int, n: int) -> None:
    """Fill the row at `o` with a function of those at `a` and `b`; `p` is its parameter."""
    at, x, y = np.uint64(o), np.uint64(a), np.uint64(b)
    if code == op.ADD:
        for i in range(np.uint64(n)):
            work[at + i] = work[x + i] + work[y + i]
    elif code == op.SUB:
        for i in range(np.uint64(n)):
            work[at + i] = work[x + i] - work[y + i]
    elif code == op.MUL:
        for i in range(np.uint64(n)):
            work[at + i] = work[x + i] * work[y + i]
    elif code == op.DIV:
        for i in range(np.uint64(n)):
            work[at + i] = s.safe_ratio(work[x + i], work[y + i], p)
    elif code == op.MAXIMUM:
        for i in range(np.uint64(n)):
            work[at + i] = max(work[x + i], work[y + i])
    elif code == op.MINIMUM:
        for i in range(np.uint64(n)):
            work[at + i] = min(work[x + i], work[y + i])
    elif code == op.LOG_RATIO:
        for i in range(np.uint64(n)):
            work[at + i] = s.safe_log_ratio(work[x + i], work[y + i])
    elif code == op.COMPARE:
        for i in range(np.uint64(n)):
            work[at + i] = s.sign_of_difference(work[x + i], work[y + i])
    elif code == op.ABOVE:
        for i in range(np.uint64(n)):
            work[at + i] = s.is_above(work[x + i], work[y + i])
    elif code == op.DIFFERENCE:
        for i in range(np.uint64(n)):
            work[at + i] = s.careful_difference(work[x + i], work[y + i])
    elif code == op.MERGE_MEANS:
        for i in range(np.uint64(n)):
            work[at + i] = work[x + i] + (work[y + i] - work[x + i]) * p
    elif code == op.DEVIATION:
        for i in range(np.uint64(n)):
            work[at + i] = s.deviation_of(work[x + i], work[y + i])


@compiled
def of_several(
    code: int, p: float, q: float, work: Floats, o: int, a: int, b: int, c: int, d: int, n: int
) -> None:
    """Fill the row at `o` with a function of those at `a`, `b`, `c` and `d`."""
    at, x, y = np.uint64(o), np.uint64(a), np.uint64(b)
    z, u = np.uint64(c), np.uint64(d)
    if code == op.WHERE:
        for i in range(np.uint64(n)):
            work[at + i] = work[y + i] if work[x + i] > 0.0 else work[z + i]
    elif code == op.MERGE_PRODUCTS:
        for i in range(np.uint64(n)):
            work[at + i] = s.merged_products(
                work[x + i], work[y + i], work[z + i], work[u + i], p, q
            )
    elif code == op.MERGE_AGES:
        for i in range(np.uint64(n)):
            work[at + i] = s.merged_age(work[x + i], work[y + i], work[z + i], work[u + i], p, q)
    elif code == op.MERGE_DRAWDOWNS:
        for i in range(np.uint64(n)):
            work[at + i] = s.merged_drawdown(work[x + i], work[y + i], work[z + i], work[u + i])


@compiled
def fir(given: Floats, g: int, w: int, work: Floats, o: int, x: int, n: int) -> None:
    """Weighted sum of the window; eight bars of it are added at once, then to the total."""
    out, a = work[o : o + n], given[g : g + w]
    for i in range(n):
        out[i] = 0.0
    j = 0
    while j + 8 <= w:
        v = work[x - j - 7 : x - j + n]
        a0, a1, a2, a3 = a[j], a[j + 1], a[j + 2], a[j + 3]
        a4, a5, a6, a7 = a[j + 4], a[j + 5], a[j + 6], a[j + 7]
        for i in range(n):
            left = (a0 * v[i + 7] + a1 * v[i + 6]) + (a2 * v[i + 5] + a3 * v[i + 4])
            right = (a4 * v[i + 3] + a5 * v[i + 2]) + (a6 * v[i + 1] + a7 * v[i])
            out[i] += left + right
        j += 8
    while j < w:
        past = work[x - j : x - j + n]
        weight = a[j]
        for i in range(n):
            out[i] += weight * past[i]
        j += 1


@compiled
def rank(w: int, scratch: Floats, work: Floats, o: int, x: int, n: int) -> None:
    """Rank of the newest value among the others of its window, ties halved, in [-1, 1]."""
    out, newest = work[o : o + n], work[x : x + n]
    low, high = scratch[:n], scratch[n : 2 * n]
    for i in range(n):
        tie = s.TIE * abs(newest[i])
        low[i] = newest[i] - tie
        high[i] = newest[i] + tie
        out[i] = 0.0
    j = 1
    while j + 4 <= w:
        v = work[x - j - 3 : x - j + n]
        for i in range(n):
            below, above = low[i], high[i]
            a = (1.0 if v[i] < below else 0.0) - (1.0 if v[i] > above else 0.0)
            b = (1.0 if v[i + 1] < below else 0.0) - (1.0 if v[i + 1] > above else 0.0)
            c = (1.0 if v[i + 2] < below else 0.0) - (1.0 if v[i + 2] > above else 0.0)
            d = (1.0 if v[i + 3] < below else 0.0) - (1.0 if v[i + 3] > above else 0.0)
            out[i] += (a + b) + (c + d)
        j += 4
    while j < w:
        v = work[x - j : x - j + n]
        for i in range(n):
            out[i] += (1.0 if v[i] < low[i] else 0.0) - (1.0 if v[i] > high[i] else 0.0)
        j += 1
    for i in range(n):
        out[i] /= w - 1


@compiled
def absolute_deviation(w: int, work: Floats, o: int, x: int, y: int, n: int) -> None:
    """Mean absolute deviation from the window's mean, newest bar first."""
    out, centre = work[o : o + n], work[y : y + n]
    for i in range(n):
        out[i] = 0.0
    for j in range(w):
        past = work[x - j : x - j + n]
        for i in range(n):
            out[i] += abs(past[i] - centre[i])
    for i in range(n):
        out[i] /= w


@compiled
def cumulative_range(w: int, scratch: Floats, work: Floats, o: int, x: int, y: int, n: int) -> None:
    """Range of the window's cumulated deviations from its mean (Hurst's R)."""
    out, centre = work[o : o + n], work[y : y + n]
    level, lowest, highest = scratch[:n], scratch[n : 2 * n], scratch[2 * n : 3 * n]
    for i in range(n):
        level[i] = 0.0
        lowest[i] = 0.0
        highest[i] = 0.0
    j = w - 1
    while j >= 3:
        v = work[x - j : x - j + n + 3]
        for i in range(n):
            one = level[i] + (v[i] - centre[i])
            two = one + (v[i + 1] - centre[i])
            three = two + (v[i + 2] - centre[i])
            four = three + (v[i + 3] - centre[i])
            level[i] = four
            lowest[i] = min(min(min(one, two), min(three, four)), lowest[i])
            highest[i] = max(max(max(one, two), max(three, four)), highest[i])
        j -= 4
    while j >= 0:
        v = work[x - j : x - j + n]
        for i in range(n):
            level[i] += v[i] - centre[i]
            lowest[i] = min(level[i], lowest[i])
            highest[i] = max(level[i], highest[i])
        j -= 1
    for i in range(n):
        out[i] = highest[i] - lowest[i]


@compiled
def averages(t: Integers, k: int, given: Floats, work: Floats, column: int, n: int) -> None:
    """Four exponential averages at once: each waits for its own last value, not for the others."""
    a, b = work[t[k, IN_0] + column :], work[t[k + 1, IN_0] + column :]
    c, d = work[t[k + 2, IN_0] + column :], work[t[k + 3, IN_0] + column :]
    o, p = t[k, OUT] + column, t[k + 1, OUT] + column
    q, r = t[k + 2, OUT] + column, t[k + 3, OUT] + column
    va, vb, vc, vd = work[o - 1], work[p - 1], work[q - 1], work[r - 1]
    wa, wb = given[t[k, GIVEN]], given[t[k + 1, GIVEN]]
    wc, wd = given[t[k + 2, GIVEN]], given[t[k + 3, GIVEN]]
    for i in range(n):
        va = va + wa * (a[i] - va)
        vb = vb + wb * (b[i] - vb)
        vc = vc + wc * (c[i] - vc)
        vd = vd + wd * (d[i] - vd)
        work[o + i] = va
        work[p + i] = vb
        work[q + i] = vc
        work[r + i] = vd


@compiled
def with_memory(
    code: int, work: Floats, x: int, y: int, out: int, n: int, p: float, fresh: bool
) -> None:
    """Operators that read their own last output; `fresh` at the first bar that they see."""
    start = 0
    if fresh:
        work[out] = s.longer_streak(0.0, work[x], p) if code == op.STREAK else work[x]
        start = 1
    value = work[out + start - 1]
    if code == op.EXPONENTIAL:
        for i in range(start, n):
            value = value + p * (work[x + i] - value)
            work[out + i] = value
    elif code == op.EXPONENTIAL_VARYING:
        for i in range(start, n):
            value = value + work[y + i] * (work[x + i] - value)
            work[out + i] = value
    elif code == op.CUMULATIVE:
        for i in range(start, n):
            value = value + work[x + i]
            work[out + i] = value
    else:
        for i in range(start, n):
            value = s.longer_streak(value, work[x + i], p)
            work[out + i] = value


@compiled
def quantiles(
    work: Floats,
    x: int,
    w: int,
    given: Floats,
    g: int,
    state: Floats,
    m: int,
    fresh: bool,
    out: int,
    outputs: int,
    stride: int,
    n: int,
) -> None:
    """Quantiles from one sorted window; a row for each."""
    for i in range(n):
        if fresh and i == 0:
            s.start_sorted(work, x, w, state, m)
        else:
            s.replace_in_sorted(state, m, w, work[x + i - w], work[x + i])
        window = s.sorted_window(state, m, w)
        for k in range(outputs):
            work[out + k * stride + i] = s.quantile_of(state, window, given, g + 3 * k)


@compiled
def calendar(work: Floats, x: int, date: Floats, out: int, stride: int, n: int) -> None:
    """Hour, weekday and places in month and year of UTC seconds; `date` remembers a day."""
    for i in range(n):
        seconds = work[x + i]
        if not abs(seconds) < 1e14:
            for row in range(5):
                work[out + row * stride + i] = np.nan
            continue
        day = np.floor(seconds / 86400.0)
        if day != date[0]:
            date[0] = day
            s.date_of_day(int(day), date[1:])
        work[out + i] = (seconds - day * 86400.0) / 3600.0
        for row in range(1, 5):
            work[out + row * stride + i] = date[row]


@compiled
def finish(finishes: Floats, f: int, work: Floats, o: int, n: int) -> None:
    """Scale, shift and limit what an instruction has written."""
    p, q, low, high = finishes[f, 0], finishes[f, 1], finishes[f, 2], finishes[f, 3]
    out = work[o : o + n]
    for i in range(n):
        out[i] = min(max(p * out[i] + q, low), high)


@compiled
def write_root(
    work: Floats,
    x: int,
    finishes: Floats,
    k: int,
    limit: float,
    missing: int,
    line: npt.NDArray[np.floating],
) -> None:
    """Fill `line` with the finished values at `x`, within `limit`; the first `missing` are NaN."""
    n = line.shape[0]
    values = work[x : x + n]
    p, q = finishes[k, 0], finishes[k, 1]
    low, high = max(finishes[k, 2], -limit), min(finishes[k, 3], limit)
    for i in range(n):
        line[i] = min(max(p * values[i] + q, low), high)
    for i in range(min(max(missing, 0), n)):
        line[i] = np.nan
