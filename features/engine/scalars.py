"""The arithmetic of single numbers, shared by the executors of blocks and of bars.

Plain arithmetic without library calls: the compiler may do several bars at once, the bits are the
same for one bar and for many, on every machine. No fastmath, no fused multiply-add.
"""

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# Two numbers closer than this, relative to their size, are a tie: rounding must not decide
# between up and down when all prices are multiplied by a constant.
TIE = 1e-12

# A window whose standard deviation is below this fraction of its mean counts as constant.
CONSTANT = 1e-9

# Range of normal numbers.
LEAST = 2.2250738585072014e-308
MOST = 1.7976931348623157e308

# Of the logarithm: bits of sqrt(1/2), log(2) in two parts, two coefficients.
ROOT_HALF = 0x3FE6A09E667F3BCD
LN2_HIGH = 6.93147180369123816490e-01
LN2_LOW = 1.90821492927058770002e-10
ODD_TERM = 1.531383769920937332e-01
LAST_TERM = 1.479819860511658591e-01
# Half a power of two in the bits of a float.
HALF_POWER = 0x8000000000000
LOG2_E = 1.4426950408889634

# Unsigned, so that no index is checked for being negative.
ONE, TWO = np.uint64(1), np.uint64(2)

THOUSAND = 1000

TURN = 6.283185307179586
ROOT_TWO_PI = 2.5066282746310002

compiled = numba.njit(
    error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True, _nrt=False
)


@compiled
def seconds_of(time: int) -> float:
    """Seconds of integer nanoseconds: the nearest number where they are whole microseconds."""
    microseconds = time // THOUSAND
    return microseconds / 1e6 + (time - microseconds * THOUSAND) / 1e9


@compiled
def sign_of_difference(left: float, right: float) -> float:
    """-1, 0 or 1; 0 where both are equal within the relative tolerance `TIE`."""
    difference = left - right
    tie = abs(difference) <= TIE * max(abs(left), abs(right))
    sign = 1.0 if difference > 0.0 else -1.0
    return 0.0 if tie else sign


@compiled
def is_above(left: float, right: float) -> float:
    """1 where `left` exceeds `right` by more than the relative tolerance `TIE`, else 0."""
    return 1.0 if left - right > TIE * max(abs(left), abs(right)) else 0.0


@compiled
def careful_difference(left: float, right: float) -> float:
    """`left - right`; 0 where both are equal within the relative tolerance `TIE`."""
    difference = left - right
    tie = abs(difference) <= TIE * max(abs(left), abs(right))
    return 0.0 if tie else difference


@compiled
def safe_ratio(numerator: float, denominator: float, neutral: float) -> float:
    """`numerator / denominator`, or `neutral` where that is undefined or overflows."""
    result = numerator / denominator
    # Bitwise "or": no branch, so that several bars can be done at once.
    undefined = (denominator == 0.0) | (abs(result) > MOST)
    return neutral if undefined else result


@compiled
def natural_logarithm(x: float) -> float:
    """Natural logarithm of a normal positive number, within 1 unit in the last place.

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


@compiled
def safe_logarithm(x: float) -> float:
    """`log(x)`; 0 where `x` is not a positive normal number."""
    usable = (x >= LEAST) & (x <= MOST)
    return natural_logarithm(x if usable else 1.0)


@compiled
def safe_log_ratio(numerator: float, denominator: float) -> float:
    """`log(numerator / denominator)`; 0 where either is not a positive normal number.

    With `d = 2^k denominator` nearest the numerator, `log(n / d) = 2 atanh((n - d) / (n + d))`:
    one division, and no digit of a small difference is lost. Within 2 units in the last place.
    """
    usable = (numerator >= LEAST) & (denominator >= LEAST)
    usable = usable & (numerator <= MOST) & (denominator <= MOST)
    n = numerator if usable else 1.0
    d = denominator if usable else 1.0
    # Bits of floats, read as integers, are logarithms to base 2 within 0.09.
    k = (np.float64(n).view(np.int64) - np.float64(d).view(np.int64) + HALF_POWER) >> 52
    # In two steps: the whole power may leave the range of floats.
    half = k >> 1
    d = d * np.int64((half + 1023) << 52).view(np.float64)
    d = d * np.int64((k - half + 1023) << 52).view(np.float64)
    s = (n - d) / (n + d)
    z = s * s
    w = z * z
    even = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * ODD_TERM))
    odd = z * (
        6.666666666666735130e-01
        + w * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * LAST_TERM))
    )
    return k * LN2_HIGH + ((2.0 * s + s * (odd + even)) + k * LN2_LOW)


@compiled
def natural_exponential(x: float) -> float:
    """`exp(x)` for `|x|` up to 700, within 2 units in the last place; beyond it is cut there."""
    x = min(max(x, -700.0), 700.0)
    k = np.floor(x * LOG2_E + 0.5)
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    # Taylor's series to the 13th power: the rest is below 1e-17 for |r| <= log(2) / 2.
    total = 1.0 + r / 13.0
    total = 1.0 + r * total * (1.0 / 12.0)
    total = 1.0 + r * total * (1.0 / 11.0)
    total = 1.0 + r * total * (1.0 / 10.0)
    total = 1.0 + r * total * (1.0 / 9.0)
    total = 1.0 + r * total * (1.0 / 8.0)
    total = 1.0 + r * total * (1.0 / 7.0)
    total = 1.0 + r * total * (1.0 / 6.0)
    total = 1.0 + r * total * 0.2
    total = 1.0 + r * total * 0.25
    total = 1.0 + r * total * (1.0 / 3.0)
    total = 1.0 + r * total * 0.5
    total = 1.0 + r * total
    return total * np.int64((np.int64(k) + 1023) << 52).view(np.float64)


@compiled
def hyperbolic_tangent(x: float) -> float:
    """`tanh(x)`, within 3e-16."""
    size = abs(x)
    value = 1.0 - 2.0 / (natural_exponential(2.0 * size) + 1.0)
    # Where the difference would lose digits: x - x^3 / 3 + 2 x^5 / 15 - 17 x^7 / 315.
    z = size * size
    small = size * (1.0 - z * (1.0 / 3.0 - z * (2.0 / 15.0 - z * (17.0 / 315.0))))
    value = small if size < 0.005 else value
    return value if x >= 0.0 else -value


@compiled
def normal_distribution(x: float) -> float:
    """Standard normal distribution function, within 8e-8; exactly 1/2 at 0.

    Source: Abramowitz & Stegun (1964), eq. 26.2.17 (Hastings).
    """
    size = abs(x)
    t = 1.0 / (1.0 + 0.2316419 * size)
    series = t * (
        0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429)))
    )
    tail = natural_exponential(-0.5 * size * size) / ROOT_TWO_PI * series
    value = 1.0 - tail if x > 0.0 else tail
    return 0.5 if x == 0.0 else value


@compiled
def arctangent(x: float) -> float:
    """`atan(x)` in radians, within 3e-16.

    Above 1 by `pi / 2 - atan(1 / x)`; then the angle is halved twice by
    `atan(x) = 2 atan(x / (1 + sqrt(1 + x^2)))` and the rest is Taylor's series.
    """
    size = abs(x)
    steep = size > 1.0
    y = 1.0 / size if steep else size
    y = y / (1.0 + np.sqrt(1.0 + y * y))
    y = y / (1.0 + np.sqrt(1.0 + y * y))
    z = y * y
    total = 1.0 / 21.0 - z * (1.0 / 23.0)
    total = 1.0 / 19.0 - z * total
    total = 1.0 / 17.0 - z * total
    total = 1.0 / 15.0 - z * total
    total = 1.0 / 13.0 - z * total
    total = 1.0 / 11.0 - z * total
    total = 1.0 / 9.0 - z * total
    total = 1.0 / 7.0 - z * total
    total = 0.2 - z * total
    total = 1.0 / 3.0 - z * total
    angle = 4.0 * (y * (1.0 - z * total))
    angle = TURN / 4.0 - angle if steep else angle
    return angle if x >= 0.0 else -angle


@compiled
def wave(turns: float, quarter: float) -> float:
    """Sine of an angle in turns, `quarter` quarters of a turn ahead, within 3e-16."""
    q = np.floor(turns * 4.0 + 0.5)
    t = (turns - q * 0.25) * TURN
    z = t * t
    # Taylor's series on [-pi / 4, pi / 4]: the rest is below 5e-17.
    odd = 1.0 - z * (1.0 / 210.0) * (1.0 - z * (1.0 / 272.0))
    odd = 1.0 - z * (1.0 / 156.0) * odd
    odd = 1.0 - z * (1.0 / 110.0) * odd
    odd = 1.0 - z * (1.0 / 72.0) * odd
    odd = 1.0 - z * (1.0 / 42.0) * odd
    odd = 1.0 - z * 0.05 * odd
    odd = t * (1.0 - z * (1.0 / 6.0) * odd)
    even = 1.0 - z * (1.0 / 240.0)
    even = 1.0 - z * (1.0 / 182.0) * even
    even = 1.0 - z * (1.0 / 132.0) * even
    even = 1.0 - z * (1.0 / 90.0) * even
    even = 1.0 - z * (1.0 / 56.0) * even
    even = 1.0 - z * (1.0 / 30.0) * even
    even = 1.0 - z * (1.0 / 12.0) * even
    even = 1.0 - z * 0.5 * even
    q = q + quarter
    q = q - 4.0 * np.floor(q * 0.25)
    value = even if (q == 1.0) | (q == 3.0) else odd
    return -value if q >= 2.0 else value


@compiled
def packed_symbol(x: float, lowest: float, symbols: float) -> float:
    """`128**(x - lowest)` for a symbol of the group, else 0."""
    k = x - lowest
    known = (k >= 0.0) & (k < symbols) & (np.floor(k) == k)
    power = np.int64((7 * np.int64(k if known else 0.0) + 1023) << 52).view(np.float64)
    return power if known else 0.0


@compiled
def entropy_of_counts(sums: float, given: Floats, g: int) -> float:
    """Sum of `given[g + 1 + count]` over the `given[g]` counts packed in `sums`."""
    counts = np.int64(sums) if sums > 0.0 else 0
    total = 0.0
    for _ in range(int(given[g])):
        total += given[g + 1 + (counts & 127)]
        counts >>= 7
    return total


@compiled
def deviation_of(variance: float, centre: float) -> float:
    """Square root of a variance; 0 where it is below `CONSTANT` of the mean."""
    root = np.sqrt(max(variance, 0.0))
    return 0.0 if root <= CONSTANT * abs(centre) else root


@compiled
def merged_products(
    newer: float, older: float, x: float, y: float, share: float, pull: float
) -> float:
    """(Co)variance of a window from those of its parts and the differences of their means."""
    return newer + (older - newer) * share + pull * (x * y)


@compiled
def merged_age(
    newer: float, older: float, newer_age: float, older_age: float, sign: float, shift: float
) -> float:
    """Age of the greater (`sign` 1) or lesser (-1) extreme, the newer one's in a tie."""
    beyond = sign * (older - newer) > TIE * abs(newer)
    return older_age + shift if beyond else newer_age


@compiled
def merged_drawdown(newer: float, older: float, older_max: float, newer_min: float) -> float:
    """Deepest of the falls within two parts and from one to the other, fractions of the peak."""
    between = (older_max - newer_min) / older_max
    deeper = older if older > newer else newer
    return between if between > deeper else deeper


@compiled
def longer_streak(before: float, x: float, limit: float) -> float:
    """Signed count of the latest values of equal sign from the count one bar before."""
    sign = 1.0 if x > 0.0 else (-1.0 if x < 0.0 else 0.0)
    length = min(abs(before) + 1.0, limit) if before * sign > 0.0 else 1.0
    return sign * length


# A sorted window is kept in `state` from `m` on as: which of two copies is valid (0 or 1), then
# both copies, each with the lowest and the highest number as first and last: 1 + 2 (w + 2) floats.


@compiled
def sorted_window(state: Floats, m: int, w: int) -> int:
    """Where in `state` the valid copy's lowest value stands."""
    return m + 2 + (w + 2 if state[m] > 0.0 else 0)


@compiled
def start_sorted(x: Floats, newest: int, w: int, state: Floats, m: int) -> None:
    """Sort the window of `x` that ends at `newest` into `state`."""
    state[m] = 0.0
    for copy in range(2):
        state[m + 1 + copy * (w + 2)] = -np.inf
        state[m + (copy + 1) * (w + 2)] = np.inf
    for count in range(w):
        value = x[newest - w + 1 + count]
        place = m + 2 + count
        while place > m + 2 and state[place - 1] > value:
            state[place] = state[place - 1]
            place -= 1
        state[place] = value


@compiled
def replace_in_sorted(state: Floats, m: int, w: int, leaving: float, entering: float) -> None:
    """Exchange one value of a sorted window for another and keep it sorted.

    Without `leaving`, place `i` holds `r(i)`: the old value there while those are below `leaving`,
    the next one after that. With `entering`, it is `max(min(r(i), entering), r(i - 1))`: no
    searching and no branches, from one copy of the window to the other.
    """
    source = np.uint64(sorted_window(state, m, w) - 1)
    target = np.uint64(2 * m + w + 6) - source - ONE
    for i in range(np.uint64(w)):
        lower, middle, upper = state[source + i], state[source + i + ONE], state[source + i + TWO]
        before = lower if lower < leaving else middle
        here = middle if middle < leaving else upper
        first = here if here < entering else entering
        state[target + i] = first if first > before else before
    state[m] = 1.0 - state[m]


@compiled
def quantile_of(state: Floats, window: int, given: Floats, g: int) -> float:
    """A quantile of a sorted window: `given[g : g + 3]` are its two neighbours and the part."""
    low = state[window + int(given[g])]
    high = state[window + int(given[g + 1])]
    return low + given[g + 2] * (high - low)


@compiled
def date_of_day(number: int, out: Floats) -> None:
    """Write what a day, counted from 1970-01-01, is called into `out[:4]`.

    Day of the week (0 is Monday), day of the month (0-based) over the month's length, month
    (0-based), day of the year (0-based) over the year's length. Source: Hinnant,
    "chrono-compatible low-level date algorithms" (2013).
    """
    out[0] = float((number + 3) % 7)
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
    out[1] = day / length
    out[2] = float(month)
    before = day_from_march - 306 if month < 2 else day_from_march + 59 + leap
    out[3] = before / (365 + leap)
