"""Powers of bounded features, and curves fitted to the window of closes."""

import math

from features.graph import Node, clip, deviation, fir, ratio
from features.indicators import bollinger, close, rsi
from features.momentum import centred, momentum_z
from features.registry import Feature
from features.volatility import band_position, volatility_state


def curve(degree: int, window: int) -> Node:
    """Correlation of the window's closes with the discrete orthogonal polynomial of a degree.

    Degree 2 is curvature (positive when prices bend up), degree 3 a turn. Source: Gram (1883),
    by Gram-Schmidt over the window.
    """
    basis: list[list[float]] = []
    times = [2.0 * k / (window - 1) - 1.0 for k in range(window)]
    for power in range(degree + 1):
        values = [time**power for time in times]
        for earlier in basis:
            share = math.fsum(a * b for a, b in zip(values, earlier, strict=True))
            values = [a - share * b for a, b in zip(values, earlier, strict=True)]
        norm = math.sqrt(math.fsum(value * value for value in values))
        basis.append([value / norm for value in values])
    newest_first = tuple(reversed(basis[degree]))
    scale = deviation(close(), window) * math.sqrt(window)
    return clip(ratio(fir(close(), newest_first), scale), -1.0, 1.0)


def _powers() -> list[Feature]:
    parts: list[tuple[str, Node]] = [
        ("rsi_14", centred(rsi(close(), 14))),
        ("momentum_z_5", clip(momentum_z(5), -4.0, 4.0)),
        ("momentum_z_20", clip(momentum_z(20), -4.0, 4.0)),
        ("bollinger_position_20", clip(band_position(close(), bollinger(close(), 20)), -2.0, 2.0)),
        ("volatility_state", volatility_state()),
    ]
    source = "Weierstrass basis; Hastie, Tibshirani & Friedman (2009), ch. 5"
    squares = [
        Feature(f"{name}_squared", node * node, source, "square", low=0.0) for name, node in parts
    ]
    cubes = [
        Feature(f"{name}_cubed", node * node * node, source, "cube") for name, node in parts[:2]
    ]
    return [*squares, *cubes]


def _curves() -> list[Feature]:
    names = {2: "curvature", 3: "turn"}
    return [
        Feature(
            f"{names[degree]}_{window}",
            curve(degree, window),
            "Gram (1883); Savitzky & Golay (1964)",
            "correlation, -1 to 1",
            low=-1.0,
            high=1.0,
        )
        for degree, window in ((2, 10), (2, 20), (2, 50), (3, 20), (3, 50))
    ]


def entries() -> list[Feature]:
    """The features of this family."""
    return [*_powers(), *_curves()]
