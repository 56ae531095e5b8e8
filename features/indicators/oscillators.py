"""More textbook oscillators, statistics and volume indicators, in textbook units.

`features.indicators.classic` holds the common ones.
"""

import math

from ultimate_deep.features.engine.graph import (
    Node,
    absolute,
    arctangent,
    clip,
    compare,
    cumulative,
    difference,
    lag,
    maximum,
    minimum,
    quantiles,
    ratio,
    where,
)
from ultimate_deep.features.engine.windows import (
    covariance,
    deviation,
    mean,
    rolling_max,
    rolling_min,
    rolling_sum,
    slope,
)
from ultimate_deep.features.indicators.classic import (
    adx,
    change,
    close,
    directional_moves,
    ema,
    high,
    low,
    median_price,
    money_flow_volume,
    opening,
    rate_of_change,
    rsi,
    stochastic_of,
    typical_price,
    volume,
    wilder,
    wma,
)
from ultimate_deep.features.indicators.smoothing import midprice

# Momentum.


def absolute_oscillator(x: Node, fast: int, slow: int) -> Node:
    """Fast less slow exponential average, in units of `x`."""
    return ema(x, fast) - ema(x, slow)


def percentage_oscillator(x: Node, fast: int, slow: int) -> Node:
    """Fast less slow exponential average in percent of the slow one; 0 where that is 0."""
    return ratio(absolute_oscillator(x, fast, slow), ema(x, slow)) * 100.0


def rate_of_change_fraction(x: Node, bars: int) -> Node:
    """Change as a fraction."""
    before = lag(x, bars)
    return ratio(x - before, before)


def rate_of_change_ratio(x: Node, bars: int) -> Node:
    """`x` over `x` of some bars before."""
    return ratio(x, lag(x, bars), neutral=1.0)


def smoothed_chande(x: Node, window: int) -> Node:
    """Chande's momentum with Wilder's smoothing, as TA-Lib's CMO: twice the RSI less 100."""
    return rsi(x, window) * 2.0 - 100.0


def chande_momentum(x: Node, window: int) -> Node:
    """Rises less falls over their sum, -100 to 100. Source: Chande & Kroll (1994)."""
    path = rolling_sum(absolute(change(x)), window)
    return ratio(rolling_sum(change(x), window), path) * 100.0


def intraday_momentum(window: int) -> Node:
    """Share of rising bodies, 0 to 100, 50 without any body. Source: Chande & Kroll (1994)."""
    body = close() - opening()
    up = rolling_sum(clip(body, low=0.0), window)
    return ratio(up, rolling_sum(absolute(body), window), neutral=0.5) * 100.0


def fast_stochastic(window: int, smooth_d: int) -> tuple[Node, Node]:
    """Unsmoothed %K and its mean, 0 to 100, 50 without any range. Source: Lane (1984)."""
    bottom = rolling_min(low(), window)
    span = difference(rolling_max(high(), window), bottom)
    fast = ratio(close() - bottom, span, neutral=0.5) * 100.0
    return fast, mean(fast, smooth_d)


def kdj(window: int, smooth_k: int, smooth_d: int) -> tuple[Node, Node, Node]:
    """Stochastic with Wilder's smoothing: K, D and 3 K - 2 D."""
    fast, _ = fast_stochastic(window, 1)
    k = wilder(fast, smooth_k)
    d = wilder(k, smooth_d, cascade=2 if smooth_k == smooth_d else 1)
    return k, d, k * 3.0 - d * 2.0


def stochastic_rsi(window: int, place: int, smooth_d: int) -> tuple[Node, Node]:
    """Place of the RSI in its own window, and its mean. Source: Chande & Kroll (1994)."""
    fast = stochastic_of(rsi(close(), window), place)
    return fast, mean(fast, smooth_d)


def stochastic_momentum(window: int, slow: int, fast: int) -> Node:
    """Smoothed distance from the window's middle, -100 to 100. Source: Blau (1995)."""
    span = rolling_max(high(), window) - rolling_min(low(), window)
    distance = ema(ema(close() - midprice(window), slow), fast)
    return ratio(distance, ema(ema(span, slow), fast)) * 200.0


def awesome_oscillator(fast: int = 5, slow: int = 34) -> Node:
    """Fast less slow mean of the median price. Source: Williams (1998)."""
    return mean(median_price(), fast) - mean(median_price(), slow)


def accelerator_oscillator(fast: int = 5, slow: int = 34, signal: int = 5) -> Node:
    """Awesome oscillator less its mean. Source: Williams (1998)."""
    awesome = awesome_oscillator(fast, slow)
    return awesome - mean(awesome, signal)


def coppock(x: Node, smooth: int, short: int, long: int) -> Node:
    """Weighted average of two rates of change, percent. Source: Coppock (1962)."""
    return wma(rate_of_change(x, short) + rate_of_change(x, long), smooth)


def elder_ray(span: int) -> tuple[Node, Node]:
    """Bull and bear power: high and low less an exponential average. Source: Elder (1993)."""
    middle = ema(close(), span)
    return high() - middle, low() - middle


def qstick(window: int) -> Node:
    """Mean body. Source: Chande & Kroll (1994)."""
    return mean(close() - opening(), window)


# Trend.


def directional_movements(window: int) -> tuple[Node, Node]:
    """Sums of +DM and -DM as Wilder keeps them, in price units. Source: Wilder (1978)."""
    plus, minus = directional_moves()
    return wilder(plus, window) * float(window), wilder(minus, window) * float(window)


def adx_rating(window: int) -> Node:
    """Mean of the ADX and that of `window - 1` bars before. Source: Wilder (1978)."""
    strength = adx(window)
    return (strength + lag(strength, window - 1)) * 0.5


def efficiency_ratio(x: Node, window: int) -> Node:
    """Absolute change over the window per path length, 0 to 1. Source: Kaufman (1995)."""
    return ratio(absolute(change(x, window)), rolling_sum(absolute(change(x)), window))


def vertical_horizontal(x: Node, window: int) -> Node:
    """Range of the window over the length of its path. Source: White (1991)."""
    span = rolling_max(x, window) - rolling_min(x, window)
    return ratio(span, rolling_sum(absolute(change(x)), window))


def mass_index(span: int, window: int) -> Node:
    """Sum of ratios of once to twice smoothed ranges; a still market's is its window.

    Source: Dorsey (1992).
    """
    once = ema(high() - low(), span)
    return rolling_sum(ratio(once, ema(once, span, 2), neutral=1.0), window)


# Statistics.


def regression_start(x: Node, window: int) -> Node:
    """Start of the least-squares line through the window, in units of `x`."""
    return mean(x, window) - slope(x, window) * ((window - 1) / 2.0)


def regression_forecast(x: Node, window: int) -> Node:
    """The least-squares line one bar ahead, in units of `x`."""
    return mean(x, window) + slope(x, window) * ((window + 1) / 2.0)


def regression_angle(x: Node, window: int) -> Node:
    """Slope of the least-squares line as an angle in degrees, `x` and bars drawn to one scale."""
    return arctangent(slope(x, window)) * (180.0 / math.pi)


def forecast_oscillator(x: Node, window: int) -> Node:
    """Percent by which `x` lies off the last bar's forecast. Source: Chande & Kroll (1994)."""
    return ratio(x - lag(regression_forecast(x, window), 1), x) * 100.0


def percentile(x: Node, window: int, percent: float) -> Node:
    """The window's value at a rank: the least that `percent` of it do not exceed."""
    if window < 2 or not 0.0 < percent <= 100.0:
        raise ValueError(
            "a percentile needs at least 2 bars and a percent above 0 and up to 100; "
            f"got {window} and {percent}"
        )
    place = math.ceil(percent / 100.0 * window) - 1
    return quantiles(x, window, (place / (window - 1),))[0]


def beta(x: Node, y: Node, window: int) -> Node:
    """Slope of the returns of `y` on those of `x`; 0 where `x` stands still."""
    moves = rate_of_change_fraction(x, 1)
    scale = deviation(moves, window)
    return ratio(covariance(moves, rate_of_change_fraction(y, 1), window), scale * scale)


# Ranges and volume.


def average_range(window: int) -> Node:
    """Mean of high less low."""
    return mean(high() - low(), window)


def chaikin_volatility(span: int, bars: int) -> Node:
    """Percent change of the smoothed range; 0 where it was 0. Source: Chaikin (1966)."""
    return rate_of_change(ema(high() - low(), span), bars)


def relative_volatility(window: int, smooth: int) -> Node:
    """Share of deviations at rising closes, 0 to 100, 50 for none. Source: Dorsey (1993)."""
    size = deviation(close(), window)
    sign = compare(close(), lag(close(), 1))
    up = wilder(size * clip(sign, 0.0, 1.0), smooth)
    return ratio(up, wilder(size * absolute(sign), smooth), neutral=0.5) * 100.0


def chaikin_oscillator(fast: int, slow: int) -> Node:
    """Fast less slow exponential average of the accumulation/distribution line.

    Of a sum, the exponential average lies `(1 - alpha) / alpha` times the average of its steps
    behind it; the sums cancel, and with them the first bar. Source: Chaikin (1966).
    """
    steps = money_flow_volume()
    return ema(steps, slow) * ((slow - 1) / 2.0) - ema(steps, fast) * ((fast - 1) / 2.0)


def facilitation() -> Node:
    """Range per unit of volume; 0 without volume. Source: Williams (1998)."""
    return ratio(high() - low(), volume())


def price_volume_trend() -> Node:
    """Sum of volume times return since the second bar. Source: Markstein (1966)."""
    return cumulative(rate_of_change_fraction(close(), 1) * volume())


def anchored_vwap() -> Node:
    """Volume-weighted typical price since the first bar; 0 before any volume."""
    return ratio(cumulative(typical_price() * volume()), cumulative(volume()))


def williams_accumulation() -> Node:
    """Sum of rises above true lows and falls below true highs. Source: Williams (1979)."""
    before = lag(close(), 1)
    sign = compare(close(), before)
    up = close() - minimum(low(), before)
    down = close() - maximum(high(), before)
    return cumulative(where(sign, up, down) * absolute(sign))
