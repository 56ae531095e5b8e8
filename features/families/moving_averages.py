"""Where the close stands against its averages, and the averages against each other."""

from functools import reduce
from itertools import pairwise
from operator import add

from ultimate_deep.features.engine.graph import Node, clip, compare, lag, log_ratio, ratio
from ultimate_deep.features.engine.windows import mean
from ultimate_deep.features.indicators.classic import atr, close, dema, ema, tema, wma
from ultimate_deep.features.registry import Feature

TEXTBOOK = "Murphy (1999), ch. 9"


def alignment(windows: tuple[int, ...]) -> Node:
    """Mean sign of each average against the next longer one: 1 all rising, -1 all falling."""
    averages = [mean(close(), window) for window in windows]
    signs = [compare(short, long) for short, long in pairwise(averages)]
    return reduce(add, signs) / len(signs)


def _distances() -> list[Feature]:
    """Log of the close over an average of each kind."""
    averages = [
        *[(f"sma_{window}", mean(close(), window)) for window in (10, 20, 50, 100, 200)],
        *[(f"ema_{span}", ema(close(), span)) for span in (8, 21)],
        ("dema_20", dema(close(), 20)),
        ("tema_10", tema(close(), 10)),
        ("wma_30", wma(close(), 30)),
    ]
    sources = {"dema": "Mulloy (1994)", "tema": "Mulloy (1994)"}
    return [
        Feature(
            f"close_to_{name}",
            log_ratio(close(), average),
            sources.get(name.split("_")[0], TEXTBOOK),
            "log of close over the average",
        )
        for name, average in averages
    ]


def _spreads() -> list[Feature]:
    """Log of a short average over a long one, and an average over its own past."""
    pairs = ((5, 20), (10, 50), (20, 100), (50, 200))
    unit = "log of the shorter over the longer"
    return [
        *[
            Feature(
                f"sma_spread_{short}_{long}",
                log_ratio(mean(close(), short), mean(close(), long)),
                "Brock, Lakonishok & LeBaron (1992)",
                unit,
            )
            for short, long in pairs
        ],
        Feature("ema_spread_8_21", log_ratio(ema(close(), 8), ema(close(), 21)), TEXTBOOK, unit),
        *[
            Feature(
                f"sma_{window}_change_{bars}",
                log_ratio(mean(close(), window), lag(mean(close(), window), bars)),
                TEXTBOOK,
                f"log change of the average over {bars} bars",
            )
            for window, bars in ((20, 5), (50, 10))
        ],
    ]


def _stretches() -> list[Feature]:
    """Distances in average true ranges, which compare across volatility regimes."""
    return [
        Feature(
            "sma_20_stretch",
            clip(ratio(close() - mean(close(), 20), atr(14)), -50.0, 50.0),
            "Kestner (2003)",
            "average true ranges",
            low=-50.0,
            high=50.0,
        ),
        Feature(
            "alignment_5_10_20_50_100",
            alignment((5, 10, 20, 50, 100)),
            TEXTBOOK,
            "-1 to 1",
            low=-1.0,
            high=1.0,
        ),
    ]


def entries() -> list[Feature]:
    """The features of this family."""
    return [*_distances(), *_spreads(), *_stretches()]
