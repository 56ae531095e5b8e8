"""Average true range and the sizes of bars against their own past."""

from ultimate_deep.features.engine.graph import (
    Node,
    absolute,
    clip,
    difference,
    lag,
    log_ratio,
    logarithm,
    maximum,
    minimum,
    rank,
    ratio,
    soft_log_ratio,
)
from ultimate_deep.features.engine.windows import (
    deviation,
    mean,
    rolling_max,
    rolling_min,
    rolling_sum,
)
from ultimate_deep.features.indicators.classic import (
    atr,
    close,
    high,
    low,
    natr,
    opening,
    true_range,
)
from ultimate_deep.features.registry import Feature

WILDER = "Wilder (1978)"


def z_score(x: Node, window: int, limit: float = 20.0) -> Node:
    """Distance from the window's mean in its standard deviations; 0 for a constant window."""
    return clip(ratio(x - mean(x, window), deviation(x, window)), -limit, limit)


def relative_range() -> Node:
    """True range as a fraction of the close."""
    return ratio(true_range(), close())


def overlap() -> Node:
    """Share of the joint range of this bar and the last that both cover, 0 to 1."""
    top = maximum(high(), lag(high(), 1))
    bottom = minimum(low(), lag(low(), 1))
    shared = minimum(high(), lag(high(), 1)) - maximum(low(), lag(low(), 1))
    return clip(ratio(shared, difference(top, bottom)), 0.0, 1.0)


def choppiness(window: int) -> Node:
    """Summed true ranges over the window's whole range: 1 straight, large when choppy."""
    before = lag(close(), 1)
    span = rolling_max(maximum(high(), before), window) - rolling_min(
        minimum(low(), before), window
    )
    return ratio(rolling_sum(true_range(), window), span, neutral=1.0)


def _averages() -> list[Feature]:
    percent = [
        Feature(f"natr_{window}", natr(window), WILDER, "percent of the close", low=0.0)
        for window in (7, 14)
    ]
    logs = [
        ("atr_spread_7_20", log_ratio(atr(7), atr(20)), "log of the shorter over the longer"),
        ("atr_14_change_10", log_ratio(atr(14), lag(atr(14), 10)), "log change over 10 bars"),
        ("true_range_to_atr_14", soft_log_ratio(true_range(), lag(atr(14), 1)), "log"),
        (
            "range_spread_5_50",
            soft_log_ratio(mean(relative_range(), 5), mean(relative_range(), 50)),
            "log of the shorter mean over the longer",
        ),
    ]
    return [*percent, *[Feature(name, node, WILDER, unit) for name, node, unit in logs]]


def _sizes() -> list[Feature]:
    body = absolute(close() - opening())
    crabel = "Crabel (1990)"
    size = relative_range() + 1.0
    return [
        Feature(
            "range_z_20",
            z_score(relative_range(), 20),
            crabel,
            "standard deviations",
            low=-20.0,
            high=20.0,
        ),
        Feature("range_rank_7", rank(size, 7), crabel, "-1 to 1", low=-1, high=1),
        Feature("range_rank_50", rank(size, 50), crabel, "-1 to 1", low=-1, high=1),
        Feature("overlap", overlap(), "Brooks (2012)", "share of the joint range", low=0, high=1),
        Feature(
            "body_mean_share_10",
            ratio(rolling_sum(body, 10), rolling_sum(high() - low(), 10)),
            "Nison (1991)",
            "share of the range",
            low=0,
            high=1,
        ),
        Feature(
            "choppiness_14",
            logarithm(choppiness(14)),
            "Dreiss (1992)",
            "log of summed over whole range",
        ),
    ]


def entries() -> list[Feature]:
    """The features of this family."""
    return [*_averages(), *_sizes()]
