"""The truth of a simulated market: each label's probability, and the drift that gives an edge."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ultimate_deep.market.config import LabelSpec
from ultimate_deep.market.shock_law import (
    FREQUENCY_BOUND,
    FREQUENCY_NODES,
    FREQUENCY_NODES_WITH_JUMPS,
    characteristic_table,
    frequencies,
)
from ultimate_deep.market.simulation_noise import Noise, Path
from ultimate_deep.market.simulator_kernels import sum_exceeds

AMPLITUDE_BOUND = 4.0
EDGE_TOLERANCE = 0.0005
SOLVER_STEPS = 40


class Realised(NamedTuple):
    """Bars and truth of one amplitude; `probability` and `path` are `(rows,)`."""

    amplitude: float
    path: Path
    probability: np.ndarray

    def expected_return(self, horizon_bars: int) -> np.ndarray:
        """Return the mean log return of each label's horizon, `(rows,)`; NaN past the end."""
        out = np.full(len(self.probability), np.nan)
        mean = self.path.sigma * self.path.drift
        windows = np.lib.stride_tricks.sliding_window_view(mean[1:-1], horizon_bars)
        out[: len(windows)] = windows.sum(axis=1)
        return out

    @property
    def edge(self) -> float:
        """The oracle's expected accuracy minus one half."""
        return float(np.nanmean(np.abs(self.probability - 0.5)))


def realise(noise: Noise, amplitude: float, label: LabelSpec) -> Realised:
    """Return the path and the probability of each label, for one amplitude."""
    path = noise.path(amplitude)
    jumps = noise.jumps.per_bar > 0
    nodes, weights = frequencies(FREQUENCY_NODES_WITH_JUMPS if jumps else FREQUENCY_NODES)
    table = characteristic_table(noise.correlation, noise.jumps)

    def exceeds(threshold: float) -> np.ndarray:
        return sum_exceeds(
            path.drift,
            path.sigma,
            label.horizon_bars,
            threshold,
            nodes,
            weights,
            table,
            FREQUENCY_BOUND,
        )

    band = label.cost_band_bps * 1e-4
    if band == 0:
        return Realised(amplitude, path, exceeds(0.0))
    above, below = exceeds(np.log1p(band)), 1 - exceeds(np.log1p(-band))
    if label.ties == "down":
        return Realised(amplitude, path, above)
    probability = 1 - below if label.ties == "up" else above / (above + below)
    return Realised(amplitude, path, probability)


def realise_edge(noise: Noise, edge: float, label: LabelSpec) -> Realised:
    """Return the bars whose oracle has an edge, within `EDGE_TOLERANCE`; no drift for edge 0.

    Raises:
        ValueError: The edge cannot be had.
    """
    if edge > 0:
        return _solve_amplitude(noise, edge, label)
    without = realise(noise, 0.0, label)
    if without.edge > EDGE_TOLERANCE:
        raise ValueError(
            f"edge=0 cannot be had for {label}: without any drift the oracle already has "
            f"{without.edge:.4f} from the unequal shares of the labels; give ties='drop'"
        )
    return without


def _solve_amplitude(noise: Noise, edge: float, label: LabelSpec) -> Realised:
    """Solve for the amplitude by bracketed secant steps."""
    low, low_edge = 0.0, realise(noise, 0.0, label).edge
    high = min(4 * edge, AMPLITUDE_BOUND)
    while (high_edge := realise(noise, high, label).edge) < edge:
        if high >= AMPLITUDE_BOUND:
            break
        low, low_edge, high = high, high_edge, min(2 * high, AMPLITUDE_BOUND)
    if not low_edge - EDGE_TOLERANCE <= edge <= high_edge:
        raise ValueError(
            f"edge={edge} cannot be reached with {label} on these {len(noise.shock):,} bars: "
            + (f"at most {high_edge:.4f}" if edge > high_edge else f"at least {low_edge:.4f}")
            + " can be had; give another edge or label"
        )
    for attempt in range(SOLVER_STEPS):
        # Every third step halves, so that the bracket shrinks from both sides.
        share = 0.5 if attempt % 3 == 2 else (edge - low_edge) / (high_edge - low_edge)
        found = realise(noise, low + (high - low) * min(max(share, 0.02), 0.98), label)
        if abs(found.edge - edge) <= EDGE_TOLERANCE:
            return found
        if found.edge < edge:
            low, low_edge = found.amplitude, found.edge
        else:
            high, high_edge = found.amplitude, found.edge
    raise ValueError(
        f"edge={edge} was not met within {EDGE_TOLERANCE}: amplitudes {low:.6f} and {high:.6f} "
        f"give {low_edge:.4f} and {high_edge:.4f}; give another seed or more rows"
    )
