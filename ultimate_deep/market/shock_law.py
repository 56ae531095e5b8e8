"""The law of a bar's noise: how it is drawn, and its characteristic function."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import stats
from scipy.interpolate import CubicSpline

from ultimate_deep.market.simulation_spec import JumpSpec

SHOCK_FREEDOM = 5.0
SHOCK_BOUND = 8.0  # in standard deviations before truncation
GAP_SHARE = 0.15  # standard deviation of the opening gap, of that of the whole bar

FREQUENCY_BOUND = 24.0
FREQUENCY_NODES = 128
FREQUENCY_NODES_WITH_JUMPS = 512  # large jumps bend the function near zero
TABLE_SIZE = 1 << 16


def draw_shocks(generator: np.random.Generator, rows: int) -> np.ndarray:
    """Draw `(rows,)` bounded Student t shocks of unit variance, by inversion."""
    bound = SHOCK_BOUND * np.sqrt(SHOCK_FREEDOM / (SHOCK_FREEDOM - 2))
    tail = stats.t.sf(bound, SHOCK_FREEDOM)
    uniform = tail + (1 - 2 * tail) * generator.random(rows)
    return stats.t.ppf(uniform, SHOCK_FREEDOM) / _shock_scale()


def draw_jumps(generator: np.random.Generator, rows: int, jumps: JumpSpec) -> np.ndarray:
    """Draw the sum of each bar's jumps, `(rows,)`, in standard deviations of its shock."""
    count = generator.poisson(jumps.per_bar, rows)
    return jumps.size * np.sqrt(count) * generator.standard_normal(rows)


def body_scales(correlation: float) -> tuple[float, ...]:
    """Return what multiplies the independent shocks of a body: the own one, then the common."""
    whole = float(np.sqrt(1 - GAP_SHARE**2))
    if correlation == 0:
        return (whole,)
    return (whole * float(np.sqrt(1 - correlation)), whole * float(np.sqrt(correlation)))


@lru_cache(maxsize=2)
def frequencies(nodes_count: int = FREQUENCY_NODES) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights of Gauss-Legendre integration over [0, FREQUENCY_BOUND]."""
    nodes, weights = np.polynomial.legendre.leggauss(nodes_count)
    return 0.5 * FREQUENCY_BOUND * (nodes + 1), 0.5 * FREQUENCY_BOUND * weights


@lru_cache(maxsize=16)
def characteristic_table(correlation: float = 0.0, jumps: JumpSpec = JumpSpec()) -> np.ndarray:
    """Return the characteristic function of a bar's noise, on [0, FREQUENCY_BOUND].

    The noise is the body's shocks, the gap and the jumps together. The function is real, since
    all are symmetric, and a product, since all are independent; that of the jumps is
    `exp(per_bar * (exp(-(size * u)**2 / 2) - 1))`.

    Source: Merton (1976), J. Financial Economics 3, for the compound Poisson law.
    """
    nodes, weights = _shock_density()
    nodes = nodes / _shock_scale()
    frequency = np.linspace(0.0, FREQUENCY_BOUND, TABLE_SIZE // 16 + 1)
    coarse = np.ones_like(frequency)
    for scale in (*body_scales(correlation), GAP_SHARE):
        coarse *= 2 * (np.cos(np.outer(frequency * scale, nodes)) @ weights)
    if jumps.per_bar > 0:
        jump = np.exp(-0.5 * (jumps.size * frequency * body_scales(0.0)[0]) ** 2)
        coarse *= np.exp(jumps.per_bar * (jump - 1))
    return CubicSpline(frequency, coarse)(np.linspace(0.0, FREQUENCY_BOUND, TABLE_SIZE + 1))


@lru_cache(maxsize=1)
def _shock_density() -> tuple[np.ndarray, np.ndarray]:
    """Return nodes on [0, bound] and weights of the density before scaling; they sum to 1/2."""
    bound = SHOCK_BOUND * np.sqrt(SHOCK_FREEDOM / (SHOCK_FREEDOM - 2))
    nodes, weights = np.polynomial.legendre.leggauss(400)
    nodes = 0.5 * bound * (nodes + 1)
    weights = 0.5 * bound * weights * stats.t.pdf(nodes, SHOCK_FREEDOM)
    return nodes, weights / (2 * weights.sum())


@lru_cache(maxsize=1)
def _shock_scale() -> float:
    nodes, weights = _shock_density()
    return float(np.sqrt(2 * (weights * nodes**2).sum()))
