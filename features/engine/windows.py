"""Statistics of a window, put together from those of its halves.

A window of 100 bars is the newer 50 and the older 50, which are the same statistic 50 bars ago;
50 is 25 and 25, and so on: a mean over any window costs a few operations per bar, shared by all
windows of a series that have a part in common. How a window is divided depends on its length
alone, so a value does not depend on which other features are asked for, on where the bars begin
or on how many are taken at once, and a bar that has left the window leaves no trace of itself.
Variances are merged by the formula of Chan, Golub & LeVeque (1983), higher moments by Pebay
(2008), "Formulas for robust, one-pass parallel computation of covariances and arbitrary-order
statistical moments", eqs. 2.1 and 3.1: without cancellation, and exact for constant windows.
"""

import math
from functools import cache

from ultimate_deep.features.engine import opcodes as op
from ultimate_deep.features.engine.graph import (
    Node,
    affine,
    check_window,
    constant,
    lag,
    make_node,
    maximum,
    minimum,
    ratio,
)

# Counts of this many symbols, each up to this many, are packed into one exact float64.
PACKED_SYMBOLS = 7
PACKED_COUNT = 127


def _merge_means(newer: Node, older: Node, share: float) -> Node:
    """Mean of both parts; `share` of the window's bars are in the older one."""
    return make_node(op.MERGE_MEANS, (newer, older), (share,))


def _merge_products(newer: Node, older: Node, x: Node, y: Node, share: float, pull: float) -> Node:
    """`(1 - share) newer + share older + pull x y`: (co)variances from those of both parts.

    `x` and `y` are differences of the parts' means. Source: Chan, Golub & LeVeque (1983).
    """
    return make_node(op.MERGE_PRODUCTS, (newer, older, x, y), (share, pull))


def _merge_ages(
    newer: Node, older: Node, newer_age: Node, older_age: Node, sign: float, shift: int
) -> Node:
    """Age of the greater (`sign` 1) or lesser (-1) extreme, the newer of ties."""
    return make_node(op.MERGE_AGES, (newer, older, newer_age, older_age), (sign, float(shift)))


def _merge_drawdowns(newer: Node, older: Node, older_max: Node, newer_min: Node) -> Node:
    """Deepest fall within the parts or from the older one's peak to the newer one's low."""
    return make_node(op.MERGE_DRAWDOWNS, (newer, older, older_max, newer_min))


def _root_of_variance(variance: Node, centre: Node) -> Node:
    """Square root of a variance; 0 where it is below 1e-9 of the mean, that is, rounding."""
    return make_node(op.DEVIATION, (variance, centre))


def _absolute_deviation_from(x: Node, centre: Node, window: int) -> Node:
    """Mean absolute deviation of the window's values from a number known at its newest bar."""
    inputs = (x, centre)
    return make_node(op.ABSOLUTE_DEVIATION, inputs, (float(window),), window=check_window(window))


def _cumulative_range_about(x: Node, centre: Node, window: int) -> Node:
    """Range of the window's cumulated deviations from a number known at its newest bar."""
    inputs = (x, centre)
    return make_node(op.CUMULATIVE_RANGE, inputs, (float(window),), window=check_window(window, 2))


def _pack(x: Node, lowest: int, symbols: int) -> Node:
    """A symbol as a number whose sums over bars are counts of each symbol.

    Symbol `lowest + k` becomes `128**k` for `k < symbols`, any other value 0.
    """
    return make_node(op.PACK, (x,), (float(lowest), float(symbols)))


def _packed_entropy(sums: Node, window: int, symbols: int) -> Node:
    """`-sum p log p` over the shares of packed symbols in a window."""
    terms = [0.0] + [-k / window * math.log(k / window) for k in range(1, window + 1)]
    return make_node(op.PACKED_ENTROPY, (sums,), (float(symbols), *terms))


def parts(window: int) -> tuple[int, int]:
    """Bars of the newer and the older part of a window of at least 2."""
    if window % 2 == 0:
        return window // 2, window // 2
    if window % 5 == 0:
        return window // 5 * 4, window // 5
    return window - 1, 1


@cache
def rolling_sum(x: Node, window: int) -> Node:
    """Sum over the window."""
    if check_window(window) == 1:
        return x
    newer, older = parts(window)
    return rolling_sum(x, newer) + lag(rolling_sum(x, older), newer)


@cache
def mean(x: Node, window: int) -> Node:
    """Mean over the window; exact for a constant window."""
    if check_window(window) == 1:
        return x
    newer, older = parts(window)
    return _merge_means(mean(x, newer), lag(mean(x, older), newer), older / window)


@cache
def _step(x: Node, window: int) -> Node:
    """Mean of the older part of a window less that of the newer one."""
    newer, older = parts(window)
    return lag(mean(x, older), newer) - mean(x, newer)


def _weights(window: int) -> tuple[float, float]:
    """Share of the older part, and what a product of differences of means adds."""
    newer, older = parts(window)
    return older / window, newer * older / window**2


@cache
def covariance(x: Node, y: Node, window: int) -> Node:
    """Population covariance."""
    if check_window(window) == 1:
        return constant(0.0)
    newer, older = parts(window)
    share, pull = _weights(window)
    dx, dy = _step(x, window), _step(y, window)
    if newer == 1:
        return dx * dy * pull
    before = lag(covariance(x, y, older), newer)
    return _merge_products(covariance(x, y, newer), before, dx, dy, share, pull)


def variance(x: Node, window: int) -> Node:
    """Population variance."""
    return covariance(x, x, window)


@cache
def deviation(x: Node, window: int) -> Node:
    """Population standard deviation; 0 where below 1e-9 of the window's mean."""
    return _root_of_variance(variance(x, check_window(window, 2)), mean(x, window))


@cache
def _third(x: Node, window: int) -> Node:
    """Third central moment."""
    if window <= 2:
        return constant(0.0)
    newer, older = parts(window)
    share, pull = _weights(window)
    step = _step(x, window)
    wider = lag(variance(x, older), newer) - variance(x, newer)
    second = wider * 3.0 if share == 0.5 else wider * 3.0 + step * step * (1.0 - 2.0 * share)
    before = lag(_third(x, older), newer)
    return _merge_products(_third(x, newer), before, step, second, share, pull)


@cache
def _fourth(x: Node, window: int) -> Node:
    """Fourth central moment."""
    if window == 1:
        return constant(0.0)
    newer, older = parts(window)
    share, pull = _weights(window)
    step = _step(x, window)
    square = step * step
    spread = 1.0 - 3.0 * share + 3.0 * share * share
    inner = square * spread
    if newer > 1:
        other = _merge_means(lag(variance(x, older), newer), variance(x, newer), share)
        inner = inner + other * 6.0
    second = step * inner
    if newer > 2:
        second = second + (lag(_third(x, older), newer) - _third(x, newer)) * 4.0
    if newer == 1:
        return step * second * pull
    before = lag(_fourth(x, older), newer)
    return _merge_products(_fourth(x, newer), before, step, second, share, pull)


def skewness(x: Node, window: int) -> Node:
    """Population skewness; 0 for a constant window."""
    scale = deviation(x, window)
    return ratio(_third(x, window), scale * scale * scale)


def kurtosis(x: Node, window: int) -> Node:
    """Population excess kurtosis; 0 for a constant window."""
    scale = deviation(x, window)
    square = scale * scale
    return ratio(_fourth(x, window), square * square, neutral=3.0) - 3.0


@cache
def _drift(x: Node, window: int) -> Node:
    """Population covariance with time, in bars."""
    if window == 1:
        return constant(0.0)
    newer, older = parts(window)
    share, pull = _weights(window)
    apart = -pull * window / 2.0
    step = _step(x, window)
    if newer == 1:
        return step * apart
    before = lag(_drift(x, older), newer)
    return _merge_products(_drift(x, newer), before, step, constant(1.0), share, apart)


def slope(x: Node, window: int) -> Node:
    """Least-squares slope against time, in units of `x` per bar."""
    spread = (check_window(window, 2) ** 2 - 1.0) / 12.0
    return affine(_drift(x, window), 1.0 / spread)


def absolute_deviation(x: Node, window: int) -> Node:
    """Mean absolute deviation from the window's mean."""
    return _absolute_deviation_from(x, mean(x, window), window)


def cumulative_range(x: Node, window: int) -> Node:
    """Range of cumulated deviations from the mean within the window."""
    return _cumulative_range_about(x, mean(x, window), window)


def _newer_half(window: int) -> int:
    """Bars of the newer half; the older half has as many and may overlap it by one bar."""
    return (window + 1) // 2


@cache
def rolling_max(x: Node, window: int) -> Node:
    """Highest value of the window."""
    if check_window(window) == 1:
        return x
    half = rolling_max(x, _newer_half(window))
    return maximum(half, lag(half, window // 2))


@cache
def rolling_min(x: Node, window: int) -> Node:
    """Lowest value of the window."""
    if check_window(window) == 1:
        return x
    half = rolling_min(x, _newer_half(window))
    return minimum(half, lag(half, window // 2))


def bars_since_max(x: Node, window: int) -> Node:
    """Bars since the window's highest value, the latest of those equal up to rounding."""
    return _bars_since(x, window, 1.0)


def bars_since_min(x: Node, window: int) -> Node:
    """Bars since the window's lowest value, the latest of those equal up to rounding."""
    return _bars_since(x, window, -1.0)


@cache
def _bars_since(x: Node, window: int, sign: float) -> Node:
    if check_window(window) == 1:
        return constant(0.0)
    shift, newer = window // 2, _newer_half(window)
    half = rolling_max(x, newer) if sign > 0.0 else rolling_min(x, newer)
    age = _bars_since(x, newer, sign)
    return _merge_ages(half, lag(half, shift), age, lag(age, shift), sign, shift)


@cache
def max_drawdown(x: Node, window: int) -> Node:
    """Deepest fall from a running peak within the window, a fraction of the peak."""
    if check_window(window) == 1:
        return constant(0.0)
    newer, older = parts(window)
    return _merge_drawdowns(
        max_drawdown(x, newer),
        lag(max_drawdown(x, older), newer),
        lag(rolling_max(x, older), newer),
        rolling_min(x, newer),
    )


def entropy(x: Node, window: int, symbols: int) -> Node:
    """Shannon entropy of symbols 0 to `symbols - 1` over the window, as a share of its maximum.

    Other values than symbols are not counted.
    """
    if check_window(window, 2) > PACKED_COUNT:
        raise ValueError(f"entropy windows have at most {PACKED_COUNT} bars; got {window}")
    total: Node | None = None
    for lowest in range(0, symbols, PACKED_SYMBOLS):
        few = min(PACKED_SYMBOLS, symbols - lowest)
        sums = rolling_sum(_pack(x, lowest, few), window)
        part = _packed_entropy(sums, window, few)
        total = part if total is None else total + part
    assert total is not None
    return total / math.log(symbols)
