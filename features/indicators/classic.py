"""Textbook indicators in textbook units, as nodes of the graph.

They are the vocabulary that features are written in, and what users know from other libraries:
after convergence they agree with TA-Lib where TA-Lib has them. Prices and volumes keep their
units here; the families turn them into ratios before a net sees them. `features.catalogue` gives
them names and computes them for a frame of bars.
"""

import math

from ultimate_deep.features.engine.graph import (
    Node,
    absolute,
    affine,
    clip,
    column,
    compare,
    cumulative,
    difference,
    exponential,
    fir,
    lag,
    maximum,
    minimum,
    ratio,
    square_root,
    where,
)
from ultimate_deep.features.engine.windows import (
    absolute_deviation,
    bars_since_max,
    bars_since_min,
    covariance,
    deviation,
    mean,
    rolling_max,
    rolling_min,
    rolling_sum,
    slope,
)


def opening() -> Node:
    """Open price."""
    return column("open")


def high() -> Node:
    """High price."""
    return column("high")


def low() -> Node:
    """Low price."""
    return column("low")


def close() -> Node:
    """Close price."""
    return column("close")


def volume() -> Node:
    """Traded volume."""
    return column("volume")


def change(x: Node, bars: int = 1) -> Node:
    """`x` less `x` of some bars before."""
    return x - lag(x, bars)


def median_price() -> Node:
    """(high + low) / 2."""
    return (high() + low()) * 0.5


def typical_price() -> Node:
    """(high + low + close) / 3."""
    return (high() + low() + close()) / 3.0


def true_range() -> Node:
    """Range of the bar including the gap from the last close. Source: Wilder (1978)."""
    before = lag(close(), 1)
    return difference(maximum(high(), before), minimum(low(), before))


# Moving averages.


def ema(x: Node, span: int, cascade: int = 1) -> Node:
    """Exponential average, weight 2 / (span + 1)."""
    return exponential(x, 2.0 / (span + 1.0), cascade)


def wilder(x: Node, window: int, cascade: int = 1) -> Node:
    """Wilder's smoothing, weight 1 / window. Source: Wilder (1978)."""
    return exponential(x, 1.0 / window, cascade)


def wma(x: Node, window: int) -> Node:
    """Linearly weighted average, heaviest on the newest bar."""
    total = window * (window + 1) / 2.0
    return fir(x, tuple((window - j) / total for j in range(window)))


def dema(x: Node, span: int) -> Node:
    """Double exponential average. Source: Mulloy (1994)."""
    once = ema(x, span)
    return once * 2.0 - ema(once, span, 2)


def tema(x: Node, span: int) -> Node:
    """Triple exponential average. Source: Mulloy (1994)."""
    once = ema(x, span)
    twice = ema(once, span, 2)
    return (once - twice) * 3.0 + ema(twice, span, 3)


# Ranges and channels.


def atr(window: int) -> Node:
    """Average true range in price units. Source: Wilder (1978)."""
    return wilder(true_range(), window)


def natr(window: int) -> Node:
    """Average true range in percent of the close."""
    return ratio(atr(window), close()) * 100.0


def bollinger(x: Node, window: int, width: float = 2.0) -> tuple[Node, Node, Node]:
    """Upper, middle and lower band. Source: Bollinger (2001)."""
    middle = mean(x, window)
    half = deviation(x, window) * width
    return middle + half, middle, middle - half


def keltner(span: int, window: int, width: float = 2.0) -> tuple[Node, Node, Node]:
    """Upper, middle and lower channel around an exponential average. Source: Raschke (1995)."""
    middle = ema(close(), span)
    half = atr(window) * width
    return middle + half, middle, middle - half


def donchian(window: int) -> tuple[Node, Node, Node]:
    """Highest high, middle and lowest low. Source: Donchian (1960)."""
    top = rolling_max(high(), window)
    bottom = rolling_min(low(), window)
    return top, (top + bottom) * 0.5, bottom


# Momentum.


def rsi(x: Node, window: int) -> Node:
    """Relative strength index, 0 to 100, 50 without any move. Source: Wilder (1978)."""
    move = change(x)
    up = wilder(clip(move, low=0.0), window)
    both = wilder(absolute(move), window)
    return ratio(up, both, neutral=0.5) * 100.0


def macd(x: Node, fast: int, slow: int, signal: int) -> tuple[Node, Node, Node]:
    """Line, signal and histogram in units of `x`. Source: Appel (1979)."""
    line = ema(x, fast) - ema(x, slow)
    average = ema(line, signal)
    return line, average, line - average


def stochastic(window: int, smooth_k: int, smooth_d: int) -> tuple[Node, Node]:
    """Slow %K and %D, 0 to 100, 50 without any range. Source: Lane (1984)."""
    bottom = rolling_min(low(), window)
    span = difference(rolling_max(high(), window), bottom)
    fast = ratio(close() - bottom, span, neutral=0.5) * 100.0
    slow = mean(fast, smooth_k)
    return slow, mean(slow, smooth_d)


def stochastic_of(x: Node, window: int) -> Node:
    """Position of `x` in its own window, 0 to 100, 50 without any range."""
    bottom = rolling_min(x, window)
    top = rolling_max(x, window)
    place = ratio(x - bottom, top - bottom, neutral=0.5) * 100.0
    # Equal up to rounding is no range: an RSI stands still while prices do.
    return where(compare(top, bottom), place, affine(x, 0.0, 50.0))


def rate_of_change(x: Node, bars: int) -> Node:
    """Change in percent."""
    before = lag(x, bars)
    return ratio(x - before, before) * 100.0


def williams_r(window: int) -> Node:
    """Williams' %R, -100 to 0, -50 without any range. Source: Williams (1979)."""
    top = rolling_max(high(), window)
    span = difference(top, rolling_min(low(), window))
    return ratio(top - close(), span, neutral=0.5) * -100.0


def cci(window: int) -> Node:
    """Commodity channel index, 0 without any deviation. Source: Lambert (1980)."""
    price = typical_price()
    distance = price - mean(price, window)
    return ratio(distance, absolute_deviation(price, window) * 0.015)


def trix(x: Node, span: int) -> Node:
    """Percent change of a triple exponential average. Source: Hutson (1983)."""
    smooth = ema(ema(ema(x, span), span, 2), span, 3)
    return rate_of_change(smooth, 1)


def ultimate_oscillator(short: int, middle: int, long: int) -> Node:
    """Weighted buying pressure of three windows, 0 to 100. Source: Williams (1985)."""
    pressure = close() - minimum(low(), lag(close(), 1))
    span = true_range()
    parts = [
        ratio(rolling_sum(pressure, window), rolling_sum(span, window), neutral=0.5)
        for window in (short, middle, long)
    ]
    return (parts[0] * 4.0 + parts[1] * 2.0 + parts[2]) * (100.0 / 7.0)


def balance_of_power() -> Node:
    """(close - open) / (high - low), -1 to 1. Source: Livshin (2001)."""
    return ratio(close() - opening(), difference(high(), low()))


def true_strength(x: Node, slow: int, fast: int) -> Node:
    """True strength index, -100 to 100. Source: Blau (1991)."""
    move = change(x)
    up = ema(ema(move, slow), fast)
    both = ema(ema(absolute(move), slow), fast)
    return ratio(up, both) * 100.0


# Trend.


def directional_moves() -> tuple[Node, Node]:
    """Wilder's +DM and -DM of the bar, in price units."""
    zero = affine(close(), 0.0)
    up = change(high())
    down = -change(low())
    # up > down, compared at the price level so that rounding of differences decides no tie.
    wider = compare(high() + low(), lag(high() + low(), 1))
    plus = where(wider, clip(up, low=0.0), zero)
    minus = where(-wider, clip(down, low=0.0), zero)
    return plus, minus


def directional_indicators(window: int) -> tuple[Node, Node]:
    """+DI and -DI, 0 to 100. Source: Wilder (1978)."""
    plus, minus = directional_moves()
    span = atr(window)
    return (
        ratio(wilder(plus, window), span) * 100.0,
        ratio(wilder(minus, window), span) * 100.0,
    )


def directional_index(window: int) -> Node:
    """DX, 0 to 100. Source: Wilder (1978)."""
    plus, minus = directional_indicators(window)
    return ratio(absolute(plus - minus), plus + minus) * 100.0


def adx(window: int) -> Node:
    """Average directional index, 0 to 100. Source: Wilder (1978)."""
    return wilder(directional_index(window), window, cascade=2)


def aroon(window: int) -> tuple[Node, Node]:
    """Aroon up and down, 0 to 100. Source: Chande (1995)."""
    scale = -100.0 / window
    up = affine(bars_since_max(high(), window + 1), scale, 100.0)
    down = affine(bars_since_min(low(), window + 1), scale, 100.0)
    return up, down


def vortex(window: int) -> tuple[Node, Node]:
    """VI+ and VI-, about 1. Source: Botes & Siepman (2010)."""
    span = rolling_sum(true_range(), window)
    plus = rolling_sum(absolute(high() - lag(low(), 1)), window)
    minus = rolling_sum(absolute(low() - lag(high(), 1)), window)
    return ratio(plus, span), ratio(minus, span)


def regression_line(x: Node, window: int) -> Node:
    """End of the least-squares line through the window, in units of `x`."""
    return mean(x, window) + slope(x, window) * ((window - 1) / 2.0)


def correlation(x: Node, y: Node, window: int) -> Node:
    """Pearson correlation, -1 to 1, 0 where either is constant."""
    both = deviation(x, window) * deviation(y, window)
    return clip(ratio(covariance(x, y, window), both), -1.0, 1.0)


def determination(x: Node, window: int) -> Node:
    """Signed share of variance that a straight line explains, -1 (falling) to 1 (rising)."""
    unit = math.sqrt((window * window - 1.0) / 12.0)
    fit = clip(ratio(slope(x, window) * unit, deviation(x, window)), -1.0, 1.0)
    return fit * absolute(fit)


# Volume.


def money_flow_index(window: int) -> Node:
    """Money flow index, 0 to 100, 50 without any flow. Source: Quong & Soudack (1989)."""
    price = typical_price()
    flow = price * volume()
    sign = compare(price, lag(price, 1))
    up = rolling_sum(flow * clip(sign, 0.0, 1.0), window)
    both = rolling_sum(flow * absolute(sign), window)
    return ratio(up, both, neutral=0.5) * 100.0


def signed_volume() -> Node:
    """Volume with the sign of the close's change: what OBV sums."""
    return compare(close(), lag(close(), 1)) * volume()


def obv() -> Node:
    """On-balance volume since the second bar. Source: Granville (1963)."""
    return cumulative(signed_volume())


def money_flow_volume() -> Node:
    """Volume weighted by where in the bar's range the close lies, -1 to 1."""
    place = ratio((close() - low()) - (high() - close()), difference(high(), low()))
    return place * volume()


def accumulation_distribution() -> Node:
    """Accumulation/distribution line since the first bar. Source: Chaikin (1966)."""
    return cumulative(money_flow_volume())


def chaikin_money_flow(window: int) -> Node:
    """Money flow volume over volume of the window, -1 to 1. Source: Chaikin (1982)."""
    return ratio(rolling_sum(money_flow_volume(), window), rolling_sum(volume(), window))


def vwap(window: int) -> Node:
    """Volume-weighted typical price of the window; without volume its plain mean."""
    price = typical_price()
    traded = rolling_sum(volume(), window)
    weighted = ratio(rolling_sum(price * volume(), window), traded)
    return where(traded, weighted, mean(price, window))


def force_index(span: int) -> Node:
    """Smoothed change times volume. Source: Elder (1993)."""
    return ema(change(close()) * volume(), span)


# Volatility per bar, as fractions.


def rms(x: Node, window: int) -> Node:
    """Root mean square over the window."""
    return square_root(mean(x * x, window))
