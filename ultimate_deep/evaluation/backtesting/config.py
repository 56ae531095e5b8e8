"""How signals become positions and what that costs: the configuration of both engines."""

from dataclasses import dataclass

from ultimate_deep.machine.fields import check_fields
from ultimate_deep.portfolio.breakers import BreakerSpec
from ultimate_deep.portfolio.costs import CostSpec
from ultimate_deep.portfolio.mode import Mode, check_mode
from ultimate_deep.portfolio.options import check_count, check_number
from ultimate_deep.portfolio.sizing_spec import SizingSpec
from ultimate_deep.portfolio.stops import StopSpec


@dataclass(frozen=True, kw_only=True)
class BacktestConfig:
    """How signals become positions.

    Args:
        mode: `long_flat` refuses negative signals, `long_short` takes them.
        costs: What trading and holding costs.
        horizon_bars: How long each decision is held, as its label says. With `h > 1` the
            position is the mean of the last `h` signals: `h` overlapping tranches.
        latency_bars: Further bars between a decision and its fill: the signal of row `t` fills at
            the open of bar `t + 1 + latency_bars`.
        capital: What the account starts with, in the price's currency; matters where size does
            (impact, `max_volume_share`).
        sizing: How much of the equity a signal gets.
        stops: Stops and barriers of each trade.
        breakers: When the whole account stands aside.
        max_volume_share: Largest share of a bar's volume that is filled in that bar, in (0, 1];
            None for no limit. What is left is tried again at the next open, for as long as it is
            still wanted. A symbol's last open closes without this limit.

    Raises:
        TypeError, ValueError: An option that is no number or out of its range.
    """

    mode: Mode = "long_flat"
    costs: CostSpec = CostSpec()
    horizon_bars: int = 1
    latency_bars: int = 0
    capital: float = 100_000.0
    sizing: SizingSpec = SizingSpec()
    stops: StopSpec = StopSpec()
    breakers: BreakerSpec = BreakerSpec()
    max_volume_share: float | None = None

    def __post_init__(self) -> None:
        check_fields(self, "backtest")
        check_mode(self.mode)
        remedy = "give the label's horizon"
        check_count("horizon_bars", self.horizon_bars, lowest=1, remedy=remedy)
        remedy = "0 fills at the next open"
        check_count("latency_bars", self.latency_bars, lowest=0, remedy=remedy)
        remedy = "give the account's size in the price's currency"
        check_number("capital", self.capital, above=0.0, remedy=remedy)
        if self.max_volume_share is not None:
            remedy = "give 0.1 for a tenth of a bar's volume, None for no limit"
            share = self.max_volume_share
            check_number("max_volume_share", share, above=0.0, highest=1.0, remedy=remedy)

    @property
    def path_dependent(self) -> tuple[str, ...]:
        """Names of the options in use that need the event-driven engine."""
        names = [f"stops.{name}" for name in self.stops.active]
        names += [f"breakers.{name}" for name in self.breakers.active]
        names += ["max_volume_share"] if self.max_volume_share is not None else []
        return tuple(names)

    @property
    def delay_bars(self) -> int:
        """Bars from a decision's bar to the one at whose open it fills."""
        return 1 + self.latency_bars
