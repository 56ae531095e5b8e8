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
def safe_log_ratio(numerator: float, denominator: float) -> float:
    """`log(numerator / denominator)`; 0 where either is not positive or the ratio overflows."""
    if numerator <= 0.0 or denominator <= 0.0:
        return 0.0
    ratio = numerator / denominator
    if ratio == 0.0 or math.isinf(ratio):
        return 0.0
    return math.log(ratio)


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
