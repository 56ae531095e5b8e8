"""Powers of bounded features, and curves fitted to the window of closes."""

import math

from ultimate_deep.features.engine.graph import Node, affine, clip, fir, ratio
from ultimate_deep.features.engine.windows import deviation
from ultimate_deep.features.families.momentum import centred, momentum_z
from ultimate_deep.features.families.trend import efficiency
from ultimate_deep.features.families.volatility import band_position, volatility_state
from ultimate_deep.features.indicators.classic import bollinger, close, rsi
from ultimate_deep.features.registry import Feature


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


def legendre(x: Node, degree: int) -> Node:
    """Legendre polynomial of degree 2 or 3; for `x` in [-1, 1] it lies in [-1, 1]."""
    square = x * x
    if degree == 2:
        return affine(square, 1.5, -0.5)
    return x * affine(square, 2.5, -1.5)


def _powers() -> list[Feature]:
    """Orthogonal powers: unlike plain cubes they do not crowd round zero."""
    parts: list[tuple[str, Node]] = [
        ("rsi_14", centred(rsi(close(), 14))),
        ("momentum_z_5", clip(momentum_z(5), -4.0, 4.0) / 4.0),
        ("momentum_z_20", clip(momentum_z(20), -4.0, 4.0) / 4.0),
        ("bollinger_position_20", clip(band_position(close(), bollinger(close(), 20)), -2, 2) / 2),
        ("volatility_state", volatility_state() / 3.0),
        ("efficiency_20", efficiency(20)),
    ]
    source = "Legendre (1785); Abramowitz & Stegun (1964), ch. 22"
    squares = [
        Feature(
            f"{name}_legendre_2", legendre(node, 2), source, "-0.5 to 1", -0.5, low=-0.5, high=1.0
        )
        for name, node in parts
    ]
    cubes = [
        Feature(f"{name}_legendre_3", legendre(node, 3), source, "-1 to 1", low=-1.0, high=1.0)
        for name, node in parts[:4]
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
