"""What a simulated market is made of: its signal, its jumps, its regimes, its assets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from ultimate_deep.machine.fields import check_fields

SignalKind = Literal[
    "interaction", "linear", "long_memory", "cross_timeframe", "order_book", "nested", "threshold",
    "distant",
]  # fmt: skip
SIGNALS: tuple[SignalKind, ...] = get_args(SignalKind)


def _check_within(name: str, value: float, low: float, high: float) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{name} must lie in [{low:g}, {high:g}], got {value}")


@dataclass(frozen=True, kw_only=True)
class JumpSpec:
    """Jumps in the price: a compound Poisson process with normal, symmetric sizes.

    Args:
        per_bar: Mean number of jumps in a bar, in [0, 1]; 0 for none.
        size: Standard deviation of one jump, in standard deviations of the bar's shock.

    Source: Merton (1976), J. Financial Economics 3, sec. 2.
    """

    per_bar: float = 0.0
    size: float = 4.0

    def __post_init__(self) -> None:
        check_fields(self, "jumps")
        _check_within("jumps.per_bar", self.per_bar, 0.0, 1.0)
        _check_within("jumps.size", self.size, 0.0, 20.0)

    @property
    def variance(self) -> float:
        """Variance of a bar's jumps, in squared standard deviations of its shock."""
        return self.per_bar * self.size**2


@dataclass(frozen=True, kw_only=True)
class RegimeSpec:
    """Slow waves of the calendar; their phases are drawn with the seed and not in the bars.

    Args:
        strength_depth: The planted drift is multiplied by `1 + strength_depth * sin(...)`: 0
            keeps it constant, 1 lets it fade away once a period, above 1 it also turns its sign.
        volatility_depth: Volatility is multiplied by `exp(volatility_depth * sin(...))`.
        period_bars: Bars of one wave.
    """

    strength_depth: float = 0.0
    volatility_depth: float = 0.0
    period_bars: int = 4_000

    def __post_init__(self) -> None:
        check_fields(self, "regimes")
        _check_within("regimes.strength_depth", self.strength_depth, 0.0, 4.0)
        _check_within("regimes.volatility_depth", self.volatility_depth, 0.0, 2.0)
        if self.period_bars < 2:
            raise ValueError(
                f"regimes.period_bars must be at least 2, got {self.period_bars}; a slow wave "
                "has hundreds of bars or more"
            )


@dataclass(frozen=True, kw_only=True)
class AssetSpec:
    """How many assets there are and what ties them together.

    Args:
        count: Assets, at least 1.
        correlation: Correlation of the shocks of any two assets, by one common factor, in [0, 1).
        lead_lag_bars: 0 plants the signal in every asset. Above 0 the first asset leads: it
            carries the signal, and the drift of every other one is
            `tanh(leader's return over so many bars / its usual size)`.
    """

    count: int = 1
    correlation: float = 0.0
    lead_lag_bars: int = 0

    def __post_init__(self) -> None:
        check_fields(self, "assets")
        if self.count < 1:
            raise ValueError(f"assets.count must be at least 1, got {self.count}")
        if not 0.0 <= self.correlation < 1.0:
            raise ValueError(
                f"assets.correlation must lie in [0, 1), got {self.correlation}; one common "
                "factor cannot give a negative one"
            )
        if self.lead_lag_bars < 0:
            raise ValueError(
                f"assets.lead_lag_bars must be at least 0, got {self.lead_lag_bars}; 0 means "
                "that no asset leads"
            )
        if self.count == 1 and (self.correlation or self.lead_lag_bars):
            raise ValueError(
                f"one asset has nothing to be tied to, got correlation={self.correlation} and "
                f"lead_lag_bars={self.lead_lag_bars}; set assets.count to 2 or more"
            )


# A power of two times a thousand: ratios of volumes keep the bits that they had with a thousand.
VOLUME_PER_BAR = 1_000.0 * 2**14
MOST_VOLUME_PER_BAR = 1e15
# Of markets whose stored description has no volume yet.
EARLIER_VOLUME_PER_BAR = 1_000.0


@dataclass(frozen=True, kw_only=True)
class SimulationSpec:
    """What a simulated market is made of; the default is one asset with an interaction.

    Args:
        signal: What the planted drift depends on. `interaction`: the price's place in its last
            20 bars times the volume's. `linear`: the mean of the last 4 standardised returns
            less that of the last 16. `long_memory`: the last 512 shocks with the slowly
            decaying weights of fractional integration of order 0.4, less their mean.
            `cross_timeframe`: the trend of the last four complete 16-bar bars, given back, sooner
            once the last fine bar has turned. `order_book`: the balance of sizes in the book at
            the close. Three are made by composition: `nested`, an interaction of two interactions;
            `threshold`, a close far from its last 20 goes on in a calm and back in a turbulent
            regime; `distant`, moves go on or back by the trend that ended 256 bars ago.
        jumps: Jumps in the price.
        regimes: Slow waves of strength and volatility.
        assets: How many assets, and how they are tied together.
        volume_per_bar: Units of a price of 100 that change hands in a usual bar. The default is
            that of a most liquid market, 1.6 billion a bar; it matters to impact alone.
        order_book: Whether book snapshots come with the bars; `signal="order_book"` brings them
            in any case.
    """

    signal: SignalKind = "interaction"
    jumps: JumpSpec = JumpSpec()
    regimes: RegimeSpec = RegimeSpec()
    assets: AssetSpec = AssetSpec()
    volume_per_bar: float = VOLUME_PER_BAR
    order_book: bool = False

    def __post_init__(self) -> None:
        check_fields(self, "simulation")
        if self.signal not in SIGNALS:
            raise ValueError(f"signal must be one of {SIGNALS}, got {self.signal!r}")
        if not 0.0 < self.volume_per_bar <= MOST_VOLUME_PER_BAR:
            raise ValueError(
                f"volume_per_bar must be above 0 and at most {MOST_VOLUME_PER_BAR:g}, got "
                f"{self.volume_per_bar}; leave it out for a liquid market"
            )

    @property
    def has_book(self) -> bool:
        """Whether book snapshots come with the bars."""
        return self.order_book or self.signal == "order_book"
