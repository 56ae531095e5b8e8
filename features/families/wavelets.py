"""Waves: causal Haar details and energies, and which cycle dominates.

Library wavelet transforms wrap round the ends of the data and so rewrite the past; these filters
look back only. Source of the transform: Percival & Walden (2000), ch. 5.
"""

import math
from functools import reduce
from operator import add

from ultimate_deep.features.engine.graph import (
    Node,
    clip,
    fir,
    lag,
    logarithm,
    maximum,
    ratio,
    square_root,
)
from ultimate_deep.features.engine.windows import deviation, mean
from ultimate_deep.features.families.price import return_log
from ultimate_deep.features.registry import Feature

SOURCE = "Percival & Walden (2000), ch. 5"
LEVELS = 5
ENERGY_WINDOW = 64
CYCLE_WINDOW = 64
PERIODS = (4, 6, 8, 12, 16, 24, 32)


def haar_pair(x: Node, level: int) -> tuple[Node, Node]:
    """Detail and smooth of the causal Haar MODWT of `x` at a level (1 is the finest)."""
    smooth = x
    detail = x
    for step in range(level):
        before = lag(smooth, 2**step)
        detail, smooth = (smooth - before) * 0.5, (smooth + before) * 0.5
    return detail, smooth


def price_detail(level: int) -> Node:
    """Haar detail of the log price, in standard deviations it would have in a random walk.

    The detail of the log price is a triangle-weighted sum of returns, so no price level enters.
    """
    half = 2 ** (level - 1)
    weights = [(k + 1) / (2 * half) for k in range(half)]
    weights += [(half - 1 - k) / (2 * half) for k in range(half - 1)]
    norm = math.sqrt(sum(weight * weight for weight in weights))
    scale = deviation(return_log(), 100) * norm
    return clip(ratio(fir(return_log(), tuple(weights)), scale), -20.0, 20.0)


def energies() -> list[Node]:
    """Mean squared Haar details of returns, fine to coarse, and last that of the smooth."""
    parts = [haar_pair(return_log(), level)[0] for level in range(1, LEVELS + 1)]
    parts.append(haar_pair(return_log(), LEVELS)[1])
    return [mean(part * part, ENERGY_WINDOW) for part in parts]


def _total(nodes: list[Node]) -> Node:
    return reduce(add, nodes)


def oscillation(period: int) -> tuple[Node, Node]:
    """Cosine and sine sums of the last returns at a period, under a Hann window."""
    n = CYCLE_WINDOW
    taper = [0.5 - 0.5 * math.cos(2.0 * math.pi * (k + 0.5) / n) for k in range(n)]
    angle = 2.0 * math.pi / period
    cosine = fir(return_log(), tuple(taper[k] * math.cos(angle * k) for k in range(n)))
    sine = fir(return_log(), tuple(taper[k] * math.sin(angle * k) for k in range(n)))
    return cosine, sine


def power(period: int) -> Node:
    """Squared amplitude at a period."""
    cosine, sine = oscillation(period)
    return cosine * cosine + sine * sine


def _details() -> list[Feature]:
    return [
        Feature(
            f"haar_detail_{2**level}",
            price_detail(level),
            SOURCE,
            f"standard deviations, mean of {2 ** (level - 1)} bars less the ones before",
            low=-20.0,
            high=20.0,
        )
        for level in range(2, 7)
    ]


def _shares() -> list[Feature]:
    parts = energies()
    total = _total(parts)
    shares = [ratio(part, total) for part in parts]
    surprise = _total([share * logarithm(share) for share in shares])
    return [
        *[
            Feature(
                f"haar_energy_share_{2 ** (level + 1)}",
                share,
                SOURCE,
                "share of the returns' energy",
                low=0.0,
                high=1.0,
            )
            for level, share in enumerate(shares[:LEVELS])
        ],
        Feature(
            "haar_entropy",
            surprise * (-1.0 / math.log(len(shares))),
            "Rosso et al. (2001)",
            "0 to 1",
            low=0.0,
            high=1.0,
        ),
    ]


def _cycles() -> list[Feature]:
    source = "Schuster (1898), periodogram"
    powers = [power(period) for period in PERIODS]
    total = _total(powers)
    centre = sum(math.log(period) for period in PERIODS) / len(PERIODS)
    mean_log = ratio(
        _total([p * (math.log(n) - centre) for p, n in zip(powers, PERIODS, strict=True)]), total
    )
    strongest = reduce(maximum, powers)
    phases = []
    for period in (16, 32):
        cosine, sine = oscillation(period)
        size = square_root(power(period))
        phases += [(f"cycle_cos_{period}", ratio(cosine, size))]
        phases += [(f"cycle_sin_{period}", ratio(sine, size))]
    return [
        Feature("dominant_cycle", mean_log, source, "mean log period, 0 is 11 bars"),
        Feature(
            "dominant_cycle_share", ratio(strongest, total), source, "0 to 1", low=0.0, high=1.0
        ),
        *[Feature(name, node, source, "phase", low=-1.0, high=1.0) for name, node in phases],
    ]


def entries() -> list[Feature]:
    """The features of this family."""
    return [*_details(), *_shares(), *_cycles()]
