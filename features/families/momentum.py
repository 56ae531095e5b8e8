"""Momentum oscillators and volatility-scaled returns."""

import math

from ultimate_deep.features.engine.graph import (
    Node,
    affine,
    clip,
    compare,
    lag,
    rank,
    ratio,
    streak,
)
from ultimate_deep.features.engine.windows import deviation, mean
from ultimate_deep.features.families.price import return_log
from ultimate_deep.features.indicators.classic import (
    atr,
    balance_of_power,
    cci,
    close,
    ema,
    high,
    low,
    macd,
    median_price,
    rsi,
    stochastic,
    stochastic_of,
    trix,
    true_strength,
    ultimate_oscillator,
    williams_r,
)
from ultimate_deep.features.registry import Feature

HORIZONS = (1, 3, 5, 10, 20, 50)


def momentum_z(bars: int, window: int = 50) -> Node:
    """Log return over some bars, in standard deviations that a random walk would have."""
    scale = deviation(return_log(), window) * math.sqrt(bars)
    return clip(ratio(return_log(bars), scale), -20.0, 20.0)


def centred(percent: Node) -> Node:
    """A 0 to 100 oscillator as -1 to 1."""
    return affine(percent, 0.02, -1.0)


def _unit(name: str, node: Node, source: str, unit: str = "-1 to 1") -> Feature:
    return Feature(name=name, node=node, source=source, unit=unit, low=-1.0, high=1.0)


def _oscillators() -> list[Feature]:
    slow, _ = stochastic(14, 3, 3)
    rsis = [
        _unit(f"rsi_{window}", centred(rsi(close(), window)), "Wilder (1978)") for window in (7, 14)
    ]
    return [
        *rsis,
        _unit(
            "stochastic_rsi_14",
            centred(stochastic_of(rsi(close(), 14), 14)),
            "Chande & Kroll (1994)",
        ),
        _unit("stochastic_slow_14", centred(slow), "Lane (1984)"),
        _unit("williams_r_28", affine(williams_r(28), 0.02, 1.0), "Williams (1979)"),
        _unit(
            "ultimate_oscillator_7_14_28",
            centred(ultimate_oscillator(7, 14, 28)),
            "Williams (1985)",
        ),
        _unit("balance_of_power_14", mean(balance_of_power(), 14), "Livshin (2001)"),
        _unit("true_strength_25_13", true_strength(close(), 25, 13) / 100.0, "Blau (1991)"),
        Feature(
            name="cci_20",
            node=cci(20) / 100.0,
            source="Lambert (1980)",
            unit="hundreds of CCI points",
        ),
    ]


def _averages_apart() -> list[Feature]:
    """Differences of averages, in average true ranges or percent."""
    line, _, histogram = macd(close(), 12, 26, 9)
    span = atr(14)
    awesome = mean(median_price(), 5) - mean(median_price(), 34)
    unit = "average true ranges"
    parts = [
        ("macd_12_26", line, "Appel (1979)"),
        ("macd_histogram_12_26_9", histogram, "Appel (1979)"),
        ("awesome_5_34", awesome, "Williams (1998)"),
        ("bull_power_13", high() - ema(close(), 13), "Elder (1993)"),
        ("bear_power_13", low() - ema(close(), 13), "Elder (1993)"),
    ]
    return [
        *[
            Feature(name=name, node=ratio(node, span), source=source, unit=unit)
            for name, node, source in parts
        ],
        Feature(
            name="trix_10", node=trix(close(), 10), source="Hutson (1983)", unit="percent per bar"
        ),
    ]


def _scaled_returns() -> list[Feature]:
    source = "Moskowitz, Ooi & Pedersen (2012), eq. 1"
    unit = "standard deviations"
    return [
        *[
            Feature(
                name=f"momentum_z_{bars}",
                node=momentum_z(bars),
                source=source,
                unit=unit,
                low=-20.0,
                high=20.0,
            )
            for bars in HORIZONS
        ],
        Feature(
            name="momentum_acceleration_5",
            node=momentum_z(5) - lag(momentum_z(5), 5),
            source=source,
            unit=unit,
        ),
        Feature(
            name="momentum_skip_50_10",
            node=ratio(lag(return_log(50), 10), deviation(return_log(), 50) * math.sqrt(50.0)),
            source="Jegadeesh & Titman (1993)",
            unit=unit,
        ),
        _unit("momentum_rank_20_100", rank(return_log(20) + 1.0, 100), "Jegadeesh & Titman (1993)"),
    ]


def _persistence() -> list[Feature]:
    return [
        Feature(
            name="streak_10",
            node=streak(compare(close(), lag(close(), 1)), 10) / 10.0,
            source="Connors & Alvarez (2009)",
            unit="bars in one direction, tenths",
            low=-1.0,
            high=1.0,
        ),
    ]


def entries() -> list[Feature]:
    """The features of this family."""
    return [*_oscillators(), *_averages_apart(), *_scaled_returns(), *_persistence()]
