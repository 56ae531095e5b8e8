"""Circuit breakers: when the account stands aside whatever the signals say."""

import math
from dataclasses import dataclass
from typing import Literal

from ultimate_deep.machine.fields import check_fields
from ultimate_deep.portfolio.options import check_count, check_number

SpikeAction = Literal["flat", "halve"]


@dataclass(frozen=True, kw_only=True)
class BreakerSpec:
    """When the account goes flat. Neither by default.

    Both are decided at a bar's close and carried out at the next open; `latency_bars` delays
    signals, not breakers.

    Args:
        max_drawdown: Fraction lost since the highest equity, marked at closes, at which every
            position is closed; None for no such breaker.
        cooldown_bars: Rows for which the account then stays flat, after which the drawdown is
            counted from the equity of that time; None: for good.
        volatility_ratio: A symbol's short over long volatility from which on its wanted position
            is cut, for as long as it lasts; None for no such breaker.
        short_bars: Span of the short exponentially weighted volatility.
        long_bars: Span of the long one. Nothing is cut in a symbol's first `long_bars` bars.
        spike_action: What a cut makes of the wanted position: `flat` nothing, `halve` half.

    Raises:
        TypeError, ValueError: An option that is no number or out of its range.
    """

    max_drawdown: float | None = None
    cooldown_bars: int | None = None
    volatility_ratio: float | None = None
    short_bars: int = 10
    long_bars: int = 200
    spike_action: SpikeAction = "flat"

    def __post_init__(self) -> None:
        check_fields(self)
        if self.max_drawdown is not None:
            remedy = "give 0.2 for 20%, None for no breaker"
            check_number("max_drawdown", self.max_drawdown, above=0.0, highest=1.0, remedy=remedy)
        if self.cooldown_bars is not None:
            remedy = "None means that the account stays flat for good"
            check_count("cooldown_bars", self.cooldown_bars, lowest=1, remedy=remedy)
        if self.volatility_ratio is not None:
            remedy = "give 3.0 for three times the usual volatility, None for no breaker"
            check_number("volatility_ratio", self.volatility_ratio, above=1.0, remedy=remedy)
        check_count("short_bars", self.short_bars, lowest=1, remedy="give for example 10")
        if check_count("long_bars", self.long_bars, lowest=2, remedy="give 200") <= self.short_bars:
            raise ValueError(
                f"long_bars must exceed short_bars, got {self.long_bars} and {self.short_bars}; "
                "give for example 200 and 10"
            )
        highest = math.sqrt((self.long_bars + 1) / (self.short_bars + 1))
        if self.volatility_ratio is not None and self.volatility_ratio >= highest:
            raise ValueError(
                f"volatility_ratio must be below {highest:.3g}, the root of (long_bars + 1) / "
                f"(short_bars + 1), which not even one endless move can exceed, got "
                f"{self.volatility_ratio}; lower it, or set the spans further apart"
            )
        if self.spike_action not in ("flat", "halve"):
            raise ValueError(f'spike_action must be "flat" or "halve", got {self.spike_action!r}')

    @property
    def active(self) -> tuple[str, ...]:
        """Names of the breakers in use."""
        names = ("max_drawdown", "volatility_ratio")
        return tuple(name for name in names if getattr(self, name) is not None)
