"""Moments, ranks, memory and disorder of returns."""

import math

from ultimate_deep.features.engine.graph import (
    Node,
    absolute,
    affine,
    clip,
    compare,
    lag,
    log_ratio,
    logarithm,
    rank,
    ratio,
    where,
)
from ultimate_deep.features.engine.windows import (
    covariance,
    cumulative_range,
    deviation,
    entropy,
    kurtosis,
    mean,
    skewness,
)
from ultimate_deep.features.families.price import return_log
from ultimate_deep.features.families.risk import return_quantiles
from ultimate_deep.features.indicators.classic import change, close, correlation
from ultimate_deep.features.registry import Feature


def autocorrelation(x: Node, lag_bars: int, window: int) -> Node:
    """Correlation of `x` with itself some bars before, over the window."""
    return correlation(x, lag(x, lag_bars), window)


def hurst(window: int) -> Node:
    """Rescaled range exponent, about 0.5 for a random walk. Source: Hurst (1951)."""
    moves = return_log()
    spread = ratio(
        cumulative_range(moves, window), deviation(moves, window), neutral=math.sqrt(window)
    )
    return logarithm(spread) / math.log(window)


def variance_ratio(bars: int, window: int) -> Node:
    """Log variance of long over short returns: above 0 trending. Source: Lo & MacKinlay (1988)."""
    long = deviation(return_log(bars), window)
    short = deviation(return_log(), window) * math.sqrt(bars)
    return clip(log_ratio(long * long, short * short), -8.0, 8.0)


def mean_reversion(window: int) -> Node:
    """Share of the distance from its mean that the price loses per bar, regressed."""
    before = lag(close(), 1)
    scale = deviation(before, window)
    return -ratio(covariance(change(close()), before, window), scale * scale)


def sign_entropy(window: int) -> Node:
    """Disorder of down, equal and up, 0 to 1. Source: Shannon (1948)."""
    return entropy(affine(compare(close(), lag(close(), 1)), 1.0, 1.0), window, 3)


def permutation_entropy(window: int) -> Node:
    """Disorder of the orders of three closes, 0 to 1. Source: Bandt & Pompe (2002)."""
    newest, middle, oldest = close(), lag(close(), 1), lag(close(), 2)
    bits = [
        clip(compare(x, y), 0.0, 1.0)
        for x, y in ((newest, middle), (middle, oldest), (newest, oldest))
    ]
    symbol = bits[0] * 4.0 + bits[1] * 2.0 + bits[2]
    # Six of the eight symbols can occur.
    return clip(entropy(symbol, window, 8) * (math.log(8.0) / math.log(6.0)), 0.0, 1.0)


def _unit(name: str, node: Node, source: str) -> Feature:
    return Feature(name, node, source, "-1 to 1", low=-1.0, high=1.0)


def _moments() -> list[Feature]:
    moves = return_log()
    source = "Joanes & Gill (1998), population moments"
    return [
        Feature("skewness_50", skewness(moves, 50), source, "moment"),
        Feature("kurtosis_50", kurtosis(moves, 50), source, "excess moment", low=-2.0),
    ]


def _order() -> list[Feature]:
    levels = return_quantiles()
    spread = levels[0.75] - levels[0.25]
    source = "Tukey (1977)"
    return [
        Feature(
            "quartile_range_100",
            ratio(spread, deviation(return_log(), 100)),
            source,
            "standard deviations",
            low=0.0,
        ),
        _unit(
            "quartile_skewness_100",
            where(
                compare(levels[0.75], levels[0.25]),
                clip(ratio(levels[0.75] + levels[0.25] - levels[0.5] * 2.0, spread), -1.0, 1.0),
                spread * 0.0,
            ),
            "Bowley (1920)",
        ),
        _unit("close_rank_100", rank(close(), 100), source),
        _unit("return_rank_50", rank(return_log() + 1.0, 50), source),
    ]


def _memory() -> list[Feature]:
    moves = return_log()
    size = absolute(moves)
    flips = compare(close(), lag(close(), 1)) * compare(lag(close(), 1), lag(close(), 2))
    source = "Box & Jenkins (1970)"
    return [
        *[_unit(f"autocorrelation_1_{w}", autocorrelation(moves, 1, w), source) for w in (50, 100)],
        *[
            _unit(f"autocorrelation_{k}_100", autocorrelation(moves, k, 100), source)
            for k in (2, 5)
        ],
        _unit("size_autocorrelation_1_100", autocorrelation(size, 1, 100), "Ding et al. (1993)"),
        _unit("leverage_100", correlation(size, lag(moves, 1), 100), "Black (1976)"),
        _unit("sign_persistence_20", mean(flips, 20), "Wald & Wolfowitz (1940)"),
        *[
            Feature(
                f"variance_ratio_{k}_{w}",
                variance_ratio(k, w),
                "Lo & MacKinlay (1988)",
                "log ratio",
                low=-8.0,
                high=8.0,
            )
            for k, w in ((5, 100), (10, 200))
        ],
        Feature(
            "mean_reversion_100", mean_reversion(100), "Uhlenbeck & Ornstein (1930)", "per bar"
        ),
    ]


def _disorder() -> list[Feature]:
    return [
        Feature("hurst_100", hurst(100), "Hurst (1951)", "exponent", neutral=0.5),
        Feature("sign_entropy_50", sign_entropy(50), "Shannon (1948)", "0 to 1", low=0.0, high=1.0),
        Feature(
            "permutation_entropy_100",
            permutation_entropy(100),
            "Bandt & Pompe (2002)",
            "0 to 1",
            low=0.0,
            high=1.0,
        ),
    ]


def entries() -> list[Feature]:
    """The features of this family."""
    return [*_moments(), *_order(), *_memory(), *_disorder()]
