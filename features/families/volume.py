"""Volume against its own past, and money flows. Dropped by name where bars have no volume."""

import math

from ultimate_deep.features.engine.graph import (
    Node,
    absolute,
    affine,
    compare,
    exponential,
    lag,
    log1p,
    log_ratio,
    rank,
    ratio,
    soft_log_ratio,
)
from ultimate_deep.features.engine.windows import deviation, mean, rolling_sum
from ultimate_deep.features.families.momentum import centred
from ultimate_deep.features.families.price import close_location, return_log
from ultimate_deep.features.families.ranges import relative_range, z_score
from ultimate_deep.features.indicators.classic import (
    chaikin_money_flow,
    change,
    close,
    correlation,
    money_flow_index,
    signed_volume,
    volume,
    vwap,
)
from ultimate_deep.features.registry import Feature


def relative_volume(window: int = 100) -> Node:
    """Log of one plus volume over its mean, log 2 for usual volume; finite for none."""
    return log1p(ratio(volume(), mean(volume(), window), neutral=1.0))


def volume_surprise_z(window: int = 50) -> Node:
    """Relative volume in standard deviations of its own window."""
    return z_score(relative_volume(), window)


def volume_spread(short: int, long: int) -> Node:
    """Log of the short over the long mean volume."""
    return soft_log_ratio(mean(volume(), short), mean(volume(), long))


def volume_balance(window: int) -> Node:
    """OBV's change over the window as a share of its volume, -1 to 1."""
    return ratio(rolling_sum(signed_volume(), window), rolling_sum(volume(), window))


def price_impact() -> Node:
    """Absolute return per traded money; 0 without volume. Source: Amihud (2002), eq. 1."""
    return ratio(absolute(return_log()), volume() * close())


def _unit(name: str, node: Node, source: str) -> Feature:
    return Feature(name, node, source, "-1 to 1", low=-1.0, high=1.0)


def _surprises() -> list[Feature]:
    source = "Gervais, Kaniel & Mingelgrin (2001)"
    usual = math.log(2.0)
    logs = "log, 0 is usual"
    return [
        Feature("relative_volume_100", affine(relative_volume(), 1.0, -usual), source, logs),
        *[
            Feature(
                f"volume_surprise_z_{window}",
                volume_surprise_z(window),
                source,
                "standard deviations",
                low=-20.0,
                high=20.0,
            )
            for window in (20, 50)
        ],
        *[
            Feature(f"volume_spread_{a}_{b}", volume_spread(a, b), source, "log ratio")
            for a, b in ((5, 20), (20, 100))
        ],
        Feature(
            "volume_variation_50",
            ratio(deviation(volume(), 50), mean(volume(), 50)),
            source,
            "standard deviation over mean",
            low=0.0,
        ),
    ]


def _flows() -> list[Feature]:
    force = ratio(
        exponential(change(close()) * volume(), 2.0 / 14.0),
        exponential(absolute(change(close())) * volume(), 2.0 / 14.0),
    )
    trend = ratio(
        rolling_sum(return_log() * volume(), 20), rolling_sum(absolute(return_log()) * volume(), 20)
    )
    return [
        *[
            _unit(f"obv_change_{window}", volume_balance(window), "Granville (1963)")
            for window in (10, 50)
        ],
        _unit("money_flow_14", centred(money_flow_index(14)), "Quong & Soudack"),
        _unit("chaikin_money_flow_20", chaikin_money_flow(20), "Chaikin (1982)"),
        _unit("force_balance_13", force, "Elder (1993)"),
        _unit("price_volume_trend_20", trend, "Markstein (1966)"),
        *[
            Feature(
                f"close_to_vwap_{window}",
                log_ratio(close(), vwap(window)),
                "Berkowitz, Logue & Noser (1988)",
                "log of close over VWAP",
            )
            for window in (20, 50)
        ],
    ]


def _relations() -> list[Feature]:
    moves = return_log()
    pressure = close_location() * volume()
    return [
        _unit(
            "volume_return_correlation_50",
            correlation(moves, relative_volume(), 50),
            "Karpoff (1987)",
        ),
        _unit(
            "volume_range_correlation_50",
            correlation(absolute(moves), relative_volume(), 50),
            "Karpoff (1987)",
        ),
        Feature(
            "price_impact_spread_10_100",
            soft_log_ratio(mean(price_impact(), 10), mean(price_impact(), 100)),
            "Amihud (2002)",
            "log ratio",
        ),
        _unit("pressure_5", ratio(mean(pressure, 5), mean(volume(), 5)), "Chaikin (1982)"),
        _unit(
            "volume_confirmation_20",
            mean(compare(close(), lag(close(), 1)) * compare(volume(), lag(volume(), 1)), 20),
            "Dow, in Rhea (1932)",
        ),
        _unit(
            "volume_range_divergence_20",
            (rank(volume(), 20) - rank(relative_range() + 1.0, 20)) / 2.0,
            "Wyckoff (1931)",
        ),
    ]


def entries() -> list[Feature]:
    """The features of this family."""
    return [*_surprises(), *_flows(), *_relations()]
