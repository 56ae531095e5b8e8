"""Breaks of earlier highs and lows, and the candle patterns that announce them."""

from ultimate_deep.features.engine.graph import (
    Node,
    clip,
    compare,
    difference,
    lag,
    maximum,
    minimum,
    ratio,
    soft_log_ratio,
    streak,
)
from ultimate_deep.features.engine.windows import (
    bars_since_max,
    bars_since_min,
    rolling_max,
    rolling_min,
)
from ultimate_deep.features.indicators.classic import (
    atr,
    close,
    donchian,
    high,
    low,
    opening,
    true_range,
)
from ultimate_deep.features.registry import Feature

TURTLE = "Donchian (1960)"


def _flag(condition: Node) -> Node:
    """1 where a sign is positive, else 0."""
    return clip(condition, 0.0, 1.0)


def beyond_high(window: int) -> Node:
    """Close less the highest high of the window before this bar, in average true ranges."""
    return ratio(close() - lag(rolling_max(high(), window), 1), atr(14))


def beyond_low(window: int) -> Node:
    """Close less the lowest low of the window before this bar, in average true ranges."""
    return ratio(close() - lag(rolling_min(low(), window), 1), atr(14))


def breakout_sign(window: int) -> Node:
    """1 above the window's earlier high, -1 below its earlier low, else 0."""
    up = _flag(compare(close(), lag(rolling_max(high(), window), 1)))
    down = _flag(compare(lag(rolling_min(low(), window), 1), close()))
    return up - down


def inside_bar() -> Node:
    """1 when the bar lies within the last bar's range."""
    return _flag(compare(lag(high(), 1), high())) * _flag(compare(low(), lag(low(), 1)))


def outside_bar() -> Node:
    """The body's sign when the bar reaches beyond the last one on both sides, else 0."""
    wide = _flag(compare(high(), lag(high(), 1))) * _flag(compare(lag(low(), 1), low()))
    return wide * compare(close(), opening())


def engulfing() -> Node:
    """1 (-1) when a rising (falling) body covers the last, opposite body, else 0."""
    sign = compare(close(), opening())
    before = lag(sign, 1)
    top = _flag(compare(maximum(opening(), close()), lag(maximum(opening(), close()), 1)))
    bottom = _flag(compare(lag(minimum(opening(), close()), 1), minimum(opening(), close())))
    return _flag(-(sign * before)) * top * bottom * sign


def open_gap() -> Node:
    """Untouched space between this bar and the last, signed, in average true ranges."""
    up = clip(low() - lag(high(), 1), low=0.0)
    down = clip(lag(low(), 1) - high(), low=0.0)
    return ratio(up - down, atr(14))


def hammer() -> Node:
    """Lower less upper shadow over the range: 1 hammer, -1 shooting star."""
    top = maximum(opening(), close())
    bottom = minimum(opening(), close())
    return ratio((bottom - low()) - (high() - top), difference(high(), low()))


def pivot() -> Node:
    """Floor traders' pivot of the last bar in price units."""
    return lag((high() + low() + close()) / 3.0, 1)


def _channels() -> list[Feature]:
    top, middle, bottom = donchian(50)
    place = ratio((close() - middle) * 2.0, difference(top, bottom))
    ranges = "average true ranges"
    return [
        Feature("donchian_position_50", place, TURTLE, "-1 to 1", low=-1.0, high=1.0),
        Feature("beyond_high_20", beyond_high(20), TURTLE, ranges),
        Feature("beyond_low_20", beyond_low(20), TURTLE, ranges),
        Feature("breakout_20", breakout_sign(20), TURTLE, "-1, 0, 1", low=-1, high=1),
        Feature(
            "extreme_age_balance_100",
            (bars_since_min(low(), 100) - bars_since_max(high(), 100)) / (100 - 1),
            "Chande (1995)",
            "-1 to 1",
            low=-1.0,
            high=1.0,
        ),
    ]


def _patterns() -> list[Feature]:
    nison = "Nison (1991)"
    wider = soft_log_ratio(true_range(), lag(rolling_max(true_range(), 10), 1))
    sign = compare(high(), lag(high(), 1)) + compare(low(), lag(low(), 1))
    reversal = lag(breakout_sign(20), 1) - breakout_sign(20)
    return [
        Feature("inside_bar", inside_bar(), "Crabel (1990)", "flag", low=0.0, high=1.0),
        Feature("outside_bar", outside_bar(), "Crabel (1990)", "-1, 0, 1", low=-1.0, high=1.0),
        Feature("engulfing", engulfing(), nison, "-1, 0, 1", low=-1.0, high=1.0),
        Feature("hammer", hammer(), nison, "-1 to 1", low=-1.0, high=1.0),
        Feature("open_gap", open_gap(), nison, "average true ranges"),
        Feature("range_expansion_10", wider, "Crabel (1990)", "log over the widest of 10"),
        Feature(
            "bars_in_step_10",
            streak(sign, 10) / 10.0,
            "Rhea (1932)",
            "bars of rising or falling extremes, tenths",
            low=-1.0,
            high=1.0,
        ),
        Feature(
            "failed_breakout_20",
            reversal / 2.0,
            "Connors & Raschke (1995)",
            "-1 to 1",
            low=-1,
            high=1,
        ),
        Feature(
            "pivot_distance",
            ratio(close() - pivot(), atr(14)),
            "Person (2004)",
            "average true ranges",
        ),
    ]


def entries() -> list[Feature]:
    """The features of this family."""
    return [*_channels(), *_patterns()]
