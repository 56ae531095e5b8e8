"""A market whose truth is known: every label's probability comes with the bars."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats
from scipy.interpolate import CubicSpline

from market.bars import Bars
from market.labels import LabelSpec
from market.simulator_kernels import WINDOW_BARS, simulate_path, sum_exceeds

START = pd.Timestamp("2000-01-01", tz="UTC").as_unit("ns")
PRICE_START = 100.0
VOLUME_TYPICAL = 1_000.0
VOLATILITY_OF_DAY = 0.02
SUB_BARS = 12

SHOCK_FREEDOM = 5.0
SHOCK_BOUND = 8.0  # in standard deviations before truncation
GAP_SHARE = 0.15  # standard deviation of the opening gap, of that of the whole bar

FREQUENCY_BOUND = 24.0
FREQUENCY_NODES = 128
TABLE_SIZE = 1 << 16

AMPLITUDE_BOUND = 4.0
EDGE_TOLERANCE = 0.0005
SOLVER_STEPS = 40


@dataclass(frozen=True, eq=False)
class SimulatedMarket:
    """Simulated bars and the truth about them.

    Attributes:
        bars: with `simulated=True`.
        probability_up: `(rows,)` float64, the true probability, given the bars up to t, that the
            label of row t is 1 (of those that the rule for ties keeps); NaN where the label's
            horizon passes the end.
        edge: the oracle's expected accuracy minus one half, `mean(max(p, 1 - p)) - 0.5`.
        label: what the probability is about.
        amplitude: scale of the planted drift, in standard deviations of a bar; 0 without an edge.
    """

    bars: Bars
    probability_up: np.ndarray
    edge: float
    label: LabelSpec
    amplitude: float


def simulate_bars(
    rows: int,
    *,
    seed: int,
    edge: float = 0.0,
    interval: str | pd.Timedelta = "1h",
    label: LabelSpec = LabelSpec(),
) -> SimulatedMarket:
    """Simulate a market with a planted edge for one kind of label.

    The log return from open to open is `sigma * (drift + shock)`. Shocks are independent,
    symmetric, heavy-tailed (Student t, 5 degrees of freedom, cut at 8 standard deviations), with a
    smaller one of the same kind from the close to the next open. `sigma` holds a GARCH(1, 1)
    recursion on past shocks, calm and turbulent regimes that a slow average of past shocks
    switches, and the hour of the day. The drift is `amplitude * g(past bars)`: prices continue
    after unusually high volume and revert after low volume (`planted_drift`).
    Both are known `horizon_bars` ahead, so that the distribution of a label's whole return is
    known at its decision; its probability is inverted from the characteristic function. High and
    low come from bridges between open and close; volume has a shape of the day and memory.

    Args:
        rows: bars, at least 64.
        seed: same seed, same bars.
        edge: expected accuracy of the oracle minus one half, for `label`; 0 plants no drift at
            all. The amplitude is solved so that the bars have it within 0.0005.
        interval: of the bars; the market never closes.
        label: kind `"direction"`, any horizon, cost band and rule for ties.

    Raises:
        ValueError: for a label whose probability is not known exactly (triple barrier), an edge
            that cannot be reached, too few rows or more than the calendar holds.

    Source: volatility, Bollerslev (1986), J. Econometrics 31(3), eq. 1; returns and volume, after
    Llorente, Michaely, Saar & Wang (2002), RFS 15(4); inversion, Gil-Pelaez (1951), Biometrika 38.
    """
    step = pd.Timedelta(interval)
    _check_request(rows, edge, step, label)
    market = _Noise.draw(rows, seed, step, label.horizon_bars)
    if edge > 0:
        amplitude, path, probability = _solve_amplitude(market, edge, label)
    else:
        amplitude, (path, probability) = 0.0, _realise(market, 0.0, label)
    realised = _oracle_edge(probability)
    if edge == 0 and realised > EDGE_TOLERANCE:
        raise ValueError(
            f"edge=0 cannot be had for {label}: without any drift the oracle already has "
            f"{realised:.4f} from the unequal shares of the labels. Remedy: ties='drop'."
        )
    times = START.value + np.arange(rows) * step.as_unit("ns").value
    index = pd.DatetimeIndex(times, tz="UTC", name="timestamp")
    frame = pd.DataFrame(
        {
            "open": path.open,
            "high": path.high,
            "low": path.low,
            "close": path.close,
            "volume": path.volume,
        },
        index=index,
    )
    bars = Bars(
        frame=frame,
        symbol="SIMULATED",
        interval=step,
        session="continuous",
        simulated=True,
        notes=(f"Simulated bars, seed {seed}, oracle's edge {realised:.4f}.",),
    )
    return SimulatedMarket(
        bars=bars, probability_up=probability, edge=realised, label=label, amplitude=amplitude
    )


def _check_request(rows: int, edge: float, step: pd.Timedelta, label: LabelSpec) -> None:
    if label.kind != "direction":
        raise ValueError(
            f"The probability of a label of kind {label.kind!r} is not known exactly. Remedy: "
            "simulate with kind='direction'."
        )
    least = max(64, label.horizon_bars + 2 + WINDOW_BARS)
    if rows < least:
        raise ValueError(
            f"rows must be at least {least} with horizon_bars={label.horizon_bars}, got {rows}."
        )
    if not 0 <= edge < 0.5:
        raise ValueError(f"edge must be in [0, 0.5), got {edge}: accuracy is one half plus it.")
    if not step > pd.Timedelta(0):
        raise ValueError(f"interval must be above zero, got {step}.")
    room = int((pd.Timestamp.max.tz_localize("UTC") - START) / step)
    if rows > room:
        raise ValueError(
            f"{rows:,} bars of {step} pass the end of the calendar, which holds {room:,}. Remedy: "
            "fewer rows or a shorter interval."
        )


class _Path(NamedTuple):
    """What one amplitude makes of the noise; arrays `(rows,)`."""

    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray
    drift: np.ndarray
    sigma: np.ndarray


@dataclass(frozen=True, eq=False)
class _Noise:
    """All that is drawn, in standard units, and the shape of the day."""

    shock: np.ndarray
    gap: np.ndarray
    bridge: np.ndarray
    volume: np.ndarray
    shape: np.ndarray
    sigma_typical: float
    delay_bars: int

    @classmethod
    def draw(cls, rows: int, seed: int, step: pd.Timedelta, delay_bars: int) -> _Noise:
        generator = np.random.default_rng(seed)
        share = float(step / pd.Timedelta(days=1))
        time_of_day = (np.arange(rows) * share) % 1.0
        # Busiest at 14:00 UTC; no shape for bars of a day or more.
        wave = np.cos(2 * np.pi * (time_of_day - 14 / 24)) if share < 1 else np.zeros(rows)
        return cls(
            shock=_draw_shocks(generator, rows) * np.sqrt(1 - GAP_SHARE**2),
            gap=_draw_shocks(generator, rows) * GAP_SHARE,
            bridge=generator.standard_normal((rows, SUB_BARS)),
            volume=generator.standard_normal(rows),
            shape=wave,
            sigma_typical=VOLATILITY_OF_DAY * np.sqrt(share),
            delay_bars=delay_bars,
        )


def _draw_shocks(generator: np.random.Generator, rows: int) -> np.ndarray:
    """Draw bounded Student t shocks of unit variance, by inversion."""
    bound = SHOCK_BOUND * np.sqrt(SHOCK_FREEDOM / (SHOCK_FREEDOM - 2))
    tail = stats.t.sf(bound, SHOCK_FREEDOM)
    uniform = tail + (1 - 2 * tail) * generator.random(rows)
    return stats.t.ppf(uniform, SHOCK_FREEDOM) / _shock_scale()


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


@lru_cache(maxsize=1)
def _frequencies() -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights of Gauss-Legendre integration over [0, FREQUENCY_BOUND]."""
    nodes, weights = np.polynomial.legendre.leggauss(FREQUENCY_NODES)
    return 0.5 * FREQUENCY_BOUND * (nodes + 1), 0.5 * FREQUENCY_BOUND * weights


@lru_cache(maxsize=1)
def _characteristic_table() -> np.ndarray:
    """Return the characteristic function of shock and gap together, on [0, FREQUENCY_BOUND].

    It is real, since both are symmetric.
    """
    nodes, weights = _shock_density()
    nodes = nodes / _shock_scale()
    frequency = np.linspace(0.0, FREQUENCY_BOUND, TABLE_SIZE // 16 + 1)
    coarse = np.ones_like(frequency)
    for scale in (np.sqrt(1 - GAP_SHARE**2), GAP_SHARE):
        coarse *= 2 * (np.cos(np.outer(frequency * scale, nodes)) @ weights)
    return CubicSpline(frequency, coarse)(np.linspace(0.0, FREQUENCY_BOUND, TABLE_SIZE + 1))


def _realise_path(market: _Noise, amplitude: float) -> _Path:
    return _Path(
        *simulate_path(
            market.shock,
            market.gap,
            market.bridge,
            market.volume,
            market.shape,
            market.sigma_typical,
            market.delay_bars,
            amplitude,
            PRICE_START,
            VOLUME_TYPICAL,
        )
    )


def _realise(market: _Noise, amplitude: float, label: LabelSpec) -> tuple[_Path, np.ndarray]:
    """Return the path and the probability of each label, for one amplitude."""
    path = _realise_path(market, amplitude)
    nodes, weights = _frequencies()
    table = _characteristic_table()

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
        return path, exceeds(0.0)
    above, below = exceeds(np.log1p(band)), 1 - exceeds(np.log1p(-band))
    if label.ties == "down":
        return path, above
    return path, 1 - below if label.ties == "up" else above / (above + below)


def _oracle_edge(probability: np.ndarray) -> float:
    return float(np.nanmean(np.abs(probability - 0.5)))


def _solve_amplitude(
    market: _Noise, edge: float, label: LabelSpec
) -> tuple[float, _Path, np.ndarray]:
    """Return the amplitude whose bars have the edge, with them, by bracketed secant steps."""
    low, low_edge = 0.0, _oracle_edge(_realise(market, 0.0, label)[1])
    high = min(4 * edge, AMPLITUDE_BOUND)
    while (high_edge := _oracle_edge(_realise(market, high, label)[1])) < edge:
        if high >= AMPLITUDE_BOUND:
            break
        low, low_edge, high = high, high_edge, min(2 * high, AMPLITUDE_BOUND)
    if not low_edge - EDGE_TOLERANCE <= edge <= high_edge:
        raise ValueError(
            f"edge={edge} cannot be reached with {label} on these {len(market.shock):,} bars: "
            + (f"at most {high_edge:.4f}" if edge > high_edge else f"at least {low_edge:.4f}")
            + " can be had. Remedy: another edge or label."
        )
    for attempt in range(SOLVER_STEPS):
        # Every third step halves, so that the bracket shrinks from both sides.
        share = 0.5 if attempt % 3 == 2 else (edge - low_edge) / (high_edge - low_edge)
        amplitude = low + (high - low) * min(max(share, 0.02), 0.98)
        path, probability = _realise(market, amplitude, label)
        realised = _oracle_edge(probability)
        if abs(realised - edge) <= EDGE_TOLERANCE:
            return amplitude, path, probability
        if realised < edge:
            low, low_edge = amplitude, realised
        else:
            high, high_edge = amplitude, realised
    raise ValueError(
        f"edge={edge} was not met within {EDGE_TOLERANCE}: amplitudes {low:.6f} and {high:.6f} "
        f"give {low_edge:.4f} and {high_edge:.4f}. Remedy: another seed or more rows."
    )
