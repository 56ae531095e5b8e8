"""Volatility from closes and from ranges, bands, and how volatility itself moves."""

import math

from ultimate_deep.features.engine.graph import (
    Node,
    absolute,
    affine,
    clip,
    difference,
    exponential,
    lag,
    log_ratio,
    rank,
    ratio,
    soft_log_ratio,
    square_root,
)
from ultimate_deep.features.engine.windows import deviation, mean
from ultimate_deep.features.families.price import return_log
from ultimate_deep.features.indicators.classic import (
    bollinger,
    close,
    high,
    keltner,
    low,
    opening,
    rms,
)
from ultimate_deep.features.registry import Feature

PERCENT = "percent per bar"


def parkinson(window: int) -> Node:
    """Range volatility per bar (fraction). Source: Parkinson (1980)."""
    span = log_ratio(high(), low())
    return rms(span, window) / math.sqrt(4.0 * math.log(2.0))


def garman_klass(window: int) -> Node:
    """Volatility per bar from range and body (fraction). Source: Garman & Klass (1980)."""
    span = log_ratio(high(), low())
    body = log_ratio(close(), opening())
    variance = span * span * 0.5 - body * body * (2.0 * math.log(2.0) - 1.0)
    return square_root(mean(variance, window))


def _rogers_satchell_variance() -> Node:
    up = log_ratio(high(), opening()) * log_ratio(high(), close())
    return up + log_ratio(low(), opening()) * log_ratio(low(), close())


def rogers_satchell(window: int) -> Node:
    """Volatility per bar that allows for drift (fraction). Source: Rogers & Satchell (1991)."""
    return square_root(mean(_rogers_satchell_variance(), window))


def yang_zhang(window: int) -> Node:
    """Volatility per bar with opening gaps (fraction). Source: Yang & Zhang (2000), eq. 10."""
    weight = 0.34 / (1.34 + (window + 1.0) / (window - 1.0))
    sample = window / (window - 1.0)
    gap = deviation(log_ratio(opening(), lag(close(), 1)), window)
    body = deviation(log_ratio(close(), opening()), window)
    inside = mean(_rogers_satchell_variance(), window)
    total = gap * gap * sample + body * body * (weight * sample) + inside * (1.0 - weight)
    return square_root(total)


def realised(window: int) -> Node:
    """Root mean square log return per bar (fraction)."""
    return rms(return_log(), window)


def volatility_state() -> Node:
    """Log of short over long realised volatility: above 0 is a stormy market."""
    return clip(soft_log_ratio(realised(10), realised(100)), -3.0, 3.0)


def band_position(x: Node, bands: tuple[Node, Node, Node]) -> Node:
    """-1 at the lower band, 0 in the middle, 1 at the upper; 0 for a band without width."""
    top, middle, bottom = bands
    return clip(ratio((x - middle) * 2.0, difference(top, bottom)), -10.0, 10.0)


def _levels() -> list[Feature]:
    source = "Andersen & Bollerslev (1998)"
    weighted = square_root(exponential(return_log() * return_log(), 0.06))
    parts = [
        *[(f"realised_volatility_{w}", realised(w), source) for w in (20, 100)],
        ("ewma_volatility_94", weighted, "RiskMetrics (1996), lambda 0.94"),
        ("parkinson_20", parkinson(20), "Parkinson (1980)"),
        ("garman_klass_20", garman_klass(20), "Garman & Klass (1980)"),
        ("rogers_satchell_20", rogers_satchell(20), "Rogers & Satchell (1991)"),
        ("yang_zhang_20", yang_zhang(20), "Yang & Zhang (2000)"),
    ]
    return [Feature(name, node * 100.0, origin, PERCENT, low=0.0) for name, node, origin in parts]


def _ratios() -> list[Feature]:
    source = "Corsi (2009)"
    pairs = ((5, 20), (10, 50), (20, 100), (50, 200))
    weighted = square_root(exponential(return_log() * return_log(), 0.06))
    parts = [
        *[
            (f"volatility_spread_{a}_{b}", soft_log_ratio(realised(a), realised(b)), source)
            for a, b in pairs
        ],
        (
            "parkinson_to_realised_20",
            soft_log_ratio(parkinson(20), realised(20)),
            "Parkinson (1980)",
        ),
        ("shock_to_ewma", soft_log_ratio(absolute(return_log()), lag(weighted, 1)), "RiskMetrics"),
    ]
    return [
        Feature(name, clip(node, -8.0, 8.0), origin, "log ratio", low=-8.0, high=8.0)
        for name, node, origin in parts
    ]


def _bands() -> list[Feature]:
    price = close()
    top, middle, bottom = bollinger(price, 20)
    width = ratio(top - bottom, middle)
    channel = keltner(20, 14)
    squeeze = soft_log_ratio(top - bottom, channel[0] - channel[2])
    bounded = {"low": -10.0, "high": 10.0}
    unit = "half widths of the band"
    return [
        Feature(
            "bollinger_position_20",
            band_position(price, bollinger(price, 20)),
            "Bollinger (2001)",
            unit,
            **bounded,
        ),
        Feature("bollinger_width_20", width, "Bollinger (2001)", "fraction of price", low=0.0),
        Feature(
            "bollinger_width_rank_20_100",
            rank(width + 1.0, 100),
            "Bollinger (2001)",
            "-1 to 1",
            low=-1.0,
            high=1.0,
        ),
        Feature(
            "keltner_position_20_14",
            band_position(price, channel),
            "Raschke (1995)",
            unit,
            **bounded,
        ),
        Feature("squeeze_20", squeeze, "Carter (2005)", "log of Bollinger over Keltner width"),
    ]


def _shape() -> list[Feature]:
    moves = return_log()
    up = rms(clip(moves, low=0.0), 50)
    down = rms(clip(moves, high=0.0), 50)
    bipower = mean(absolute(moves) * absolute(lag(moves, 1)), 50) * (math.pi / 2.0)
    variance = mean(moves * moves, 50)
    roughness = ratio(deviation(realised(10), 50), mean(realised(10), 50))
    night = mean(absolute(log_ratio(opening(), lag(close(), 1))), 20)
    day = mean(absolute(log_ratio(close(), opening())), 20)
    return [
        Feature(
            "semivolatility_balance_50",
            ratio(up - down, up + down),
            "Barndorff-Nielsen, Kinnebrock & Shephard (2010)",
            "-1 to 1",
            low=-1.0,
            high=1.0,
        ),
        Feature(
            "jump_share_50",
            clip(affine(ratio(bipower, variance, neutral=1.0), -1.0, 1.0), -2.0, 1.0),
            "Barndorff-Nielsen & Shephard (2004)",
            "share of variance",
            low=-2.0,
            high=1.0,
        ),
        Feature("volatility_of_volatility_50", roughness, "Corsi (2009)", "ratio", low=0.0),
        Feature(
            "volatility_rank_20_100",
            rank(realised(20) + 1.0, 100),
            "Corsi (2009)",
            "-1 to 1",
            low=-1.0,
            high=1.0,
        ),
        Feature(
            "gap_share_20",
            ratio(night, night + day),
            "Yang & Zhang (2000)",
            "0 to 1",
            low=0,
            high=1,
        ),
    ]


def entries() -> list[Feature]:
    """The features of this family."""
    return [*_levels(), *_ratios(), *_bands(), *_shape()]
