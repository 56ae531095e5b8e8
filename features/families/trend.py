"""Direction and its steadiness."""

import math
from functools import reduce
from operator import add

from ultimate_deep.features.engine.graph import (
    Node,
    absolute,
    affine,
    clip,
    compare,
    lag,
    ratio,
    square_root,
)
from ultimate_deep.features.engine.windows import deviation, mean, rolling_sum, slope
from ultimate_deep.features.indicators.classic import (
    adx,
    aroon,
    change,
    close,
    determination,
    directional_indicators,
    high,
    low,
    regression_line,
    vortex,
)
from ultimate_deep.features.registry import Feature

SCORE_HORIZONS = (3, 5, 10, 20, 50, 100)


def efficiency(window: int) -> Node:
    """Net change over the sum of absolute changes, -1 to 1. Source: Kaufman (1995)."""
    path = rolling_sum(absolute(change(close())), window)
    return ratio(change(close(), window), path)


def trend_score(horizons: tuple[int, ...] = SCORE_HORIZONS) -> Node:
    """Mean sign of the close's changes over several horizons, -1 to 1."""
    signs = [compare(close(), lag(close(), bars)) for bars in horizons]
    return reduce(add, signs) / len(signs)


def residual_z(window: int) -> Node:
    """Distance from the regression line in standard deviations of its residuals."""
    unexplained = clip(affine(absolute(determination(close(), window)), -1.0, 1.0), 1e-6, 1.0)
    residual = deviation(close(), window) * square_root(unexplained)
    return clip(ratio(close() - regression_line(close(), window), residual), -20.0, 20.0)


def _unit(name: str, node: Node, source: str, neutral: float = 0.0) -> Feature:
    return Feature(name, node, source, "-1 to 1", neutral=neutral, low=-1.0, high=1.0)


def _directional() -> list[Feature]:
    source = "Wilder (1978)"
    plus, minus = directional_indicators(14)
    strength = adx(14)
    return [
        Feature("adx_14", strength / 100.0, source, "0 to 1", low=0.0, high=1.0),
        _unit("directional_balance_14", (plus - minus) / 100.0, source),
        _unit("directional_adx_14", ratio(plus - minus, plus + minus) * strength / 100.0, source),
    ]


def _aroon() -> list[Feature]:
    """Age of extremes. On a motionless market the newest bar holds both."""
    up, down = aroon(25)
    return [_unit("aroon_25", (up - down) / 100.0, "Chande (1995)")]


def _regression() -> list[Feature]:
    source = "Chande & Kroll (1994)"
    return [
        Feature(
            "slope_50",
            ratio(slope(close(), 50) * math.sqrt(50), mean(close(), 50)),
            source,
            "fraction of the price per bar, times the root of the 50",
        ),
        *[
            _unit(f"trend_r2_{window}", determination(close(), window), source)
            for window in (20, 50, 100)
        ],
        *[
            Feature(
                f"regression_residual_z_{window}",
                residual_z(window),
                source,
                "standard deviations of the residuals",
                low=-20.0,
                high=20.0,
            )
            for window in (20, 50)
        ],
    ]


def _steadiness() -> list[Feature]:
    plus, minus = vortex(14)
    rising = compare(high(), lag(high(), 1)) + compare(low(), lag(low(), 1))
    return [
        *[
            _unit(f"efficiency_{window}", efficiency(window), "Kaufman (1995)")
            for window in (10, 20, 50)
        ],
        Feature("vortex_14", plus - minus, "Botes & Siepman (2010)", "difference of VI+ and VI-"),
        _unit("trend_score_3_100", trend_score(), "Baz et al. (2015)"),
        _unit("higher_highs_lows_20", mean(rising, 20) / 2.0, "Rhea (1932)"),
    ]


def entries() -> list[Feature]:
    """The features of this family."""
    return [*_directional(), *_aroon(), *_regression(), *_steadiness()]
