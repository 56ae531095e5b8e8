"""More textbook averages, channels and smoothed candles, in the prices' units.

`features.indicators.classic` holds the common ones. Parabolic SAR and SuperTrend are absent: they
follow a path from the first bar on, which no number of bars is sure to forget, so that they would
have no honest warm-up.
"""

import math

from ultimate_deep.features.engine.graph import (
    Node,
    absolute,
    affine,
    clip,
    exponential,
    exponential_varying,
    lag,
    maximum,
    minimum,
    ratio,
    where,
)
from ultimate_deep.features.engine.windows import mean, rolling_max, rolling_min, rolling_sum
from ultimate_deep.features.indicators.classic import (
    change,
    close,
    ema,
    high,
    low,
    opening,
    volume,
    wma,
)


def average_price() -> Node:
    """(open + high + low + close) / 4."""
    return (opening() + high() + low() + close()) * 0.25


def weighted_close() -> Node:
    """(high + low + 2 close) / 4."""
    return (high() + low() + close() * 2.0) * 0.25


def midpoint(x: Node, window: int) -> Node:
    """Middle between the highest and the lowest value of the window."""
    return (rolling_max(x, window) + rolling_min(x, window)) * 0.5


def midprice(window: int) -> Node:
    """Middle between the highest high and the lowest low of the window."""
    return (rolling_max(high(), window) + rolling_min(low(), window)) * 0.5


def trima(x: Node, window: int) -> Node:
    """Triangular average: the mean of means, heaviest in the window's middle."""
    return mean(mean(x, (window + 1) // 2), window // 2 + 1)


def hma(x: Node, window: int) -> Node:
    """Hull average: less late than a weighted one. Source: Hull (2005)."""
    ahead = wma(x, window // 2) * 2.0 - wma(x, window)
    return wma(ahead, math.isqrt(window))


def t3(x: Node, span: int, factor: float = 0.7) -> Node:
    """Six exponential averages in a row, weighted against their delay. Source: Tillson (1998)."""
    smooth = [x]
    for depth in range(1, 7):
        smooth.append(ema(smooth[-1], span, depth))
    a = factor
    weights = (
        (1.0 + a) ** 3,
        -3.0 * a * (1.0 + a) ** 2,
        3.0 * a * a * (1.0 + a),
        -(a**3),
    )
    return (
        smooth[3] * weights[0]
        + smooth[4] * weights[1]
        + smooth[5] * weights[2]
        + smooth[6] * weights[3]
    )


def zlema(x: Node, span: int) -> Node:
    """Exponential average of `x` moved on by what it changed. Source: Ehlers & Way (2010)."""
    return ema(x * 2.0 - lag(x, (span - 1) // 2), span)


def vwma(x: Node, window: int) -> Node:
    """Volume-weighted average; without volume the plain mean."""
    traded = rolling_sum(volume(), window)
    return where(traded, ratio(rolling_sum(x * volume(), window), traded), mean(x, window))


def kama(x: Node, window: int, fast: int = 2, slow: int = 30) -> Node:
    """Adaptive average: as fast as the market is straight. Source: Kaufman (1995).

    Its weight may be as small as that of the slow average squared, so that its warm-up, a bound
    for every market, is thousands of bars.
    """
    path = rolling_sum(absolute(change(x)), window)
    straight = clip(ratio(absolute(change(x, window)), path, neutral=1.0), 0.0, 1.0)
    quick, least = 2.0 / (fast + 1.0), 2.0 / (slow + 1.0)
    root = affine(straight, quick - least, least)
    return exponential_varying(x, root * root, least * least)


def acceleration_bands(window: int) -> tuple[Node, Node, Node]:
    """Upper, middle and lower band, wide when bars are. Source: Headley (2002)."""
    width = ratio(high() - low(), high() + low()) * 4.0
    upper = mean(high() * (width + 1.0), window)
    lower = mean(low() * (1.0 - width), window)
    return upper, mean(close(), window), lower


def heikin_ashi() -> tuple[Node, Node, Node, Node]:
    """Averaged candles: open, high, low, close. Source: Valcu (2004).

    The open is the mean of the last open and close: an exponential average of past closes.
    """
    last = average_price()
    first = exponential(lag(last, 1), 0.5)
    top = maximum(high(), maximum(first, last))
    bottom = minimum(low(), minimum(first, last))
    return first, top, bottom, last


def ichimoku(fast: int = 9, base: int = 26, slow: int = 52) -> tuple[Node, Node, Node, Node]:
    """Conversion line, base line and the two leading spans. Source: Hosoda (1968).

    The spans stand where a chart draws them, `base` bars after the bars that they are made of,
    so they are known. The lagging span is the close drawn `base` bars back: no bar knows it in
    time, and it is left out.
    """
    conversion, middle = midprice(fast), midprice(base)
    return conversion, middle, lag((conversion + middle) * 0.5, base), lag(midprice(slow), base)
