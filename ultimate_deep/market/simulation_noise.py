"""All that is drawn for a simulated market, before any drift."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from ultimate_deep.market.shock_law import GAP_SHARE, body_scales, draw_jumps, draw_shocks
from ultimate_deep.market.simulation_spec import JumpSpec, RegimeSpec, SimulationSpec
from ultimate_deep.market.simulator_kernels import (
    COARSE_BARS,
    CROSS_TIMEFRAME,
    DISTANT,
    INTERACTION,
    LINEAR,
    LONG_MEMORY,
    NESTED,
    OUTSIDE,
    THRESHOLD,
    Planted,
    Scales,
    simulate_path,
)

START = pd.Timestamp("2000-01-01", tz="UTC").as_unit("ns")
PRICE_START = 100.0
VOLATILITY_OF_DAY = 0.02
SUB_BARS = 12
MEMORY_BARS = 512
MEMORY_ORDER = 0.4

KINDS = {
    "interaction": INTERACTION,
    "linear": LINEAR,
    "long_memory": LONG_MEMORY,
    "cross_timeframe": CROSS_TIMEFRAME,
    "nested": NESTED,
    "threshold": THRESHOLD,
    "distant": DISTANT,
    "order_book": OUTSIDE,
    "lead_lag": OUTSIDE,
}


class Path(NamedTuple):
    """What one amplitude makes of the noise; arrays `(rows,)`."""

    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray
    drift: np.ndarray
    sigma: np.ndarray


@dataclass(frozen=True, eq=False)
class Noise:
    """What is drawn, in standard units, with the sizes of the market.

    Attributes:
        shock: `(rows,)` of the body, jumps included.
        gap: `(rows,)` from the close to the next open.
        bridge: `(rows, SUB_BARS)` of the way from open to close.
        volume: `(rows,)`.
        strength: `(rows,)` wave of the planted drift.
        scales: Sizes of the market.
        first_block: Row at which a coarse bar begins, by the clock in UTC.
        kind: Kind of the planted drift; a key of `KINDS`.
        outside: `(rows,)` the planted drift where it comes from outside the bars.
        correlation: Share of the shocks' variance that is common to all assets.
        jumps: Law of the jumps.
    """

    shock: np.ndarray
    gap: np.ndarray
    bridge: np.ndarray
    volume: np.ndarray
    strength: np.ndarray
    scales: Scales
    first_block: int
    kind: str = "interaction"
    outside: np.ndarray = field(default_factory=lambda: np.zeros(0))
    correlation: float = 0.0
    jumps: JumpSpec = JumpSpec()

    @classmethod
    def draw(
        cls,
        rows: int,
        seed: int,
        step: pd.Timedelta,
        delay_bars: int,
        *,
        spec: SimulationSpec = SimulationSpec(),
        asset: int = 0,
    ) -> Noise:
        """Draw an asset's noise; the first asset's own draws are those of a market of one."""
        generator = np.random.default_rng(seed if asset == 0 else [seed, 1, asset])
        common = np.random.default_rng([seed, 2])
        jump_generator = np.random.default_rng([seed, 3, asset])
        correlation = spec.assets.correlation
        scales = body_scales(correlation)
        shock = draw_shocks(generator, rows) * scales[0]
        gap = draw_shocks(generator, rows) * GAP_SHARE
        if correlation > 0:
            shock += draw_shocks(common, rows) * scales[1]
        if spec.jumps.per_bar > 0:
            shock += draw_jumps(jump_generator, rows, spec.jumps) * body_scales(0.0)[0]
        strength, level = draw_waves(np.random.default_rng([seed, 4]), rows, spec.regimes)
        return cls(
            shock=shock,
            gap=gap,
            bridge=generator.standard_normal((rows, SUB_BARS)),
            volume=generator.standard_normal(rows),
            strength=strength,
            scales=_scales(
                rows, step, delay_bars, level, 1.0 + spec.jumps.variance, spec.volume_per_bar
            ),
            first_block=int(-(START.value // step.as_unit("ns").value) % COARSE_BARS),
            kind=spec.signal,
            correlation=correlation,
            jumps=spec.jumps,
        )

    def path(self, amplitude: float) -> Path:
        """Return the bars that a drift of this amplitude makes of the noise."""
        planted = Planted(
            kind=KINDS[self.kind],
            amplitude=float(amplitude),
            strength=self.strength,
            memory=memory_weights(),
            outside=self.outside,
            first_block=self.first_block,
        )
        return Path(
            *simulate_path(self.shock, self.gap, self.bridge, self.volume, planted, self.scales)
        )


def draw_waves(
    generator: np.random.Generator, rows: int, regimes: RegimeSpec
) -> tuple[np.ndarray, np.ndarray]:
    """Return what multiplies the drift and what multiplies sigma, each `(rows,)`."""
    phases = generator.random(2)
    turns = np.arange(rows)[None] / regimes.period_bars + phases[:, None]
    strength, level = np.sin(2 * np.pi * turns)
    return 1.0 + regimes.strength_depth * strength, np.exp(regimes.volatility_depth * level)


def memory_weights() -> np.ndarray:
    """Return the weights of the last 512 shocks, newest first; squares sum to 1, weights to 0.

    Those of the moving average of fractional noise of order 0.4, `w[i] = w[i-1] * (i-1+d) / i`,
    without the present shock, less their mean: positive for 125 bars, then negative. Left as they
    are they would keep the drift's sign for months, and a constant guess would be a good one.

    Source: Hosking (1981), Biometrika 68(1), theorem 1; truncated and centred by us.
    """
    lag = np.arange(1, MEMORY_BARS + 1)
    weights = np.cumprod((lag - 1 + MEMORY_ORDER) / lag)
    weights = weights - weights.mean()
    return weights / np.sqrt((weights**2).sum())


def _scales(
    rows: int,
    step: pd.Timedelta,
    delay_bars: int,
    level: np.ndarray,
    shock_variance: float,
    volume: float,
) -> Scales:
    share = float(step / pd.Timedelta(days=1))
    time_of_day = (np.arange(rows) * share) % 1.0
    # Busiest at 14:00 UTC; no shape for bars of a day or more.
    wave = np.cos(2 * np.pi * (time_of_day - 14 / 24)) if share < 1 else np.zeros(rows)
    return Scales(
        sigma_typical=float(VOLATILITY_OF_DAY * np.sqrt(share)),
        shape=wave,
        level=level,
        shock_variance=shock_variance,
        delay_bars=delay_bars,
        price_start=PRICE_START,
        volume_typical=volume,
    )
