"""Kernels that look at one bar only: arithmetic with stated neutral values.

Every kernel fills `out[a:b]` from the same columns of its inputs. No fastmath: the arithmetic of
one column does not depend on how many columns are asked for, so a block of one bar (live) and a
block of thousands (batch) agree bit for bit.
"""

import math

import numba
import numpy as np
import numpy.typing as npt

from features import opcodes as op

Floats = npt.NDArray[np.float64]

# Two numbers closer than this, relative to their size, are a tie: rounding must not decide
# between up and down when all prices are multiplied by a constant.
TIE = 1e-12

# Range of normal numbers.
LEAST = 2.2250738585072014e-308
MOST = 1.7976931348623157e308

# Of the logarithm: bits of sqrt(1/2), log(2) in two parts, two coefficients.
ROOT_HALF = 0x3FE6A09E667F3BCD
LN2_HIGH = 6.93147180369123816490e-01
LN2_LOW = 1.90821492927058770002e-10
ODD_TERM = 1.531383769920937332e-01
LAST_TERM = 1.479819860511658591e-01


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def sign_of_difference(left: float, right: float) -> float:
    """-1, 0 or 1; 0 where both are equal within the relative tolerance `TIE`."""
    difference = left - right
    if abs(difference) <= TIE * max(abs(left), abs(right)):
        return 0.0
    if difference > 0.0:
        return 1.0
    return -1.0


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def safe_ratio(numerator: float, denominator: float, neutral: float) -> float:
    """`numerator / denominator`, or `neutral` where that is undefined or overflows."""
    if denominator == 0.0:
        return neutral
    result = numerator / denominator
    if math.isinf(result):
        return neutral
    return result


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def natural_logarithm(x: float) -> float:
    """Natural logarithm of a normal positive number, within 1 unit in the last place.

    The C library's is called value by value; this one is plain arithmetic, which the compiler
    does for several bars at once and which gives the same bits on every machine.
    `x = 2^k (1 + f)`, `log(1 + f) = 2 atanh(f / (2 + f))`. Source: Ng (1993), fdlibm, whose
    minimax coefficients these are.
    """
    bits = np.float64(x).view(np.int64)
    k = (bits - ROOT_HALF) >> 52
    f = np.int64(bits - (k << 52)).view(np.float64) - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    even = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * ODD_TERM))
    odd = z * (
        6.666666666666735130e-01
        + w * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * LAST_TERM))
    )
    half = 0.5 * f * f
    return k * LN2_HIGH - ((half - (s * (half + (odd + even)) + k * LN2_LOW)) - f)


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def safe_log_ratio(numerator: float, denominator: float) -> float:
    """`log(numerator / denominator)`; 0 where either is not positive or the ratio overflows."""
    ratio = numerator / denominator
    # Bitwise "and": no branch, so that several bars can be done at once.
    usable = (numerator > 0.0) & (denominator > 0.0) & (ratio >= LEAST) & (ratio <= MOST)
    return natural_logarithm(ratio if usable else 1.0)


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def unary(code: int, p: float, q: float, x: Floats, out: Floats) -> None:
    """Fill `out` with a function of `x`; `p` and `q` are its two parameters."""
    if code == op.ABS:
        for c in range(out.shape[0]):
            out[c] = abs(x[c])
    elif code == op.SQRT:
        for c in range(out.shape[0]):
            out[c] = math.sqrt(max(x[c], 0.0))
    elif code == op.TANH:
        for c in range(out.shape[0]):
            out[c] = math.tanh(x[c])
    elif code == op.SIN:
        for c in range(out.shape[0]):
            out[c] = math.sin(x[c])
    elif code == op.COS:
        for c in range(out.shape[0]):
            out[c] = math.cos(x[c])
    elif code == op.LOG1P:
        for c in range(out.shape[0]):
            out[c] = math.log1p(max(x[c], 0.0))
    elif code == op.AFFINE:
        for c in range(out.shape[0]):
            out[c] = p * x[c] + q
    elif code == op.CLIP:
        for c in range(out.shape[0]):
            out[c] = min(max(x[c], p), q)
    elif code == op.BETWEEN:
        for c in range(out.shape[0]):
            out[c] = 1.0 if p <= x[c] < q else 0.0


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def binary(code: int, p: float, x: Floats, y: Floats, out: Floats) -> None:
    """Fill `out` with a function of `x` and `y`; `p` is the neutral value of a ratio."""
    if code == op.ADD:
        for c in range(out.shape[0]):
            out[c] = x[c] + y[c]
    elif code == op.SUB:
        for c in range(out.shape[0]):
            out[c] = x[c] - y[c]
    elif code == op.MUL:
        for c in range(out.shape[0]):
            out[c] = x[c] * y[c]
    elif code == op.DIV:
        for c in range(out.shape[0]):
            out[c] = safe_ratio(x[c], y[c], p)
    elif code == op.MAXIMUM:
        for c in range(out.shape[0]):
            out[c] = max(x[c], y[c])
    elif code == op.MINIMUM:
        for c in range(out.shape[0]):
            out[c] = min(x[c], y[c])
    elif code == op.LOG_RATIO:
        for c in range(out.shape[0]):
            out[c] = safe_log_ratio(x[c], y[c])
    elif code == op.COMPARE:
        for c in range(out.shape[0]):
            out[c] = sign_of_difference(x[c], y[c])


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def where(condition: Floats, x: Floats, y: Floats, out: Floats) -> None:
    """Fill `out` with `x` where `condition` is above zero, else with `y`."""
    for c in range(out.shape[0]):
        out[c] = x[c] if condition[c] > 0.0 else y[c]


@numba.njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
def calendar(seconds: Floats, out: Floats, a: int, b: int) -> None:
    """Split UTC seconds since 1970 into five rows of `out`.

    Rows: hour of the day with its fraction [0, 24), day of the week (0 is Monday), day of the
    month (0-based) over the month's length, month (0-based), day of the year (0-based) over the
    year's length. Source: Hinnant, "chrono-compatible low-level date algorithms" (2013).
    """
    for c in range(a, b):
        if not abs(seconds[c]) < 1e14:
            for row in range(5):
                out[row, c] = np.nan
            continue
        days = math.floor(seconds[c] / 86400.0)
        out[0, c] = (seconds[c] - days * 86400.0) / 3600.0
        number = np.int64(days)
        out[1, c] = float((number + 3) % 7)
        shifted = number + 719468
        era = shifted // 146097
        day_of_era = shifted - era * 146097
        year_of_era = (
            day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096
        ) // 365
        day_from_march = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
        month_from_march = (5 * day_from_march + 2) // 153
        day = day_from_march - (153 * month_from_march + 2) // 5
        month = month_from_march + 2 if month_from_march < 10 else month_from_march - 10
        year = year_of_era + era * 400 + (1 if month < 2 else 0)
        leap = 1 if (year % 4 == 0 and year % 100 != 0) or year % 400 == 0 else 0
        length = 31
        if month == 1:
            length = 28 + leap
        elif month == 3 or month == 5 or month == 8 or month == 10:
            length = 30
        out[2, c] = day / length
        out[3, c] = float(month)
        before = day_from_march - 306 if month < 2 else day_from_march + 59 + leap
        out[4, c] = before / (365 + leap)
