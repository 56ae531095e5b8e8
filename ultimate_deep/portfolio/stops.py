"""Stops and barriers: when a position is left whatever the signal says."""

from dataclasses import dataclass
from typing import Literal

from ultimate_deep.machine.fields import check_fields
from ultimate_deep.portfolio.options import check_count, check_number

StopUnit = Literal["fraction", "volatility"]


@dataclass(frozen=True, kw_only=True)
class StopSpec:
    """Where a position is closed inside a bar or at an open. None of them by default.

    Distances are measured from the price of the trade's first fill (`stop_loss`, `take_profit`)
    or from the best price since then (`trailing_stop`: highs of closed bars and the present open,
    lows for shorts). Orders rest from the fill on, in the bar of the entry too:

    - a bar that opens beyond a level fills at its open, worse than a stop's price, better than a
      take-profit's;
    - a bar that touches a stop fills at the stop's price, one that touches the take-profit at
      that price; of two touched in one bar the stop is taken;
    - after `max_bars` bars the position is left at the open.

    Costs are paid on these fills as on any other. After such an exit the symbol stays flat until
    the wanted position has changed its side or was flat, unless `re_enter` lets the same signal
    open again at the next open.

    Args:
        stop_loss: Distance of the loss that ends a trade, above 0; None for none.
        take_profit: Distance of the gain that ends a trade, above 0; None for none.
        trailing_stop: Distance from the trade's best price that ends it, above 0; None for none.
        unit: `fraction` of the price, or `volatility`: multiples of one bar's volatility when the
            trade opens (exponentially weighted over `volatility_span_bars` closed bars). Where
            no price has moved yet there is no such stop.
        volatility_span_bars: Span of that volatility in bars.
        max_bars: Bars after which a position is left, at least 1; None for no barrier.
        re_enter: Whether the same unbroken signal may open again.

    Raises:
        TypeError, ValueError: An option that is no number or out of its range.
    """

    stop_loss: float | None = None
    take_profit: float | None = None
    trailing_stop: float | None = None
    unit: StopUnit = "fraction"
    volatility_span_bars: int = 20
    max_bars: int | None = None
    re_enter: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
        if self.unit not in ("fraction", "volatility"):
            raise ValueError(f'unit must be "fraction" or "volatility", got {self.unit!r}')
        for name in ("stop_loss", "take_profit", "trailing_stop"):
            value = getattr(self, name)
            if value is None:
                continue
            remedy = "give 0.02 for 2% (or 2.0 for two volatilities), None for none"
            check_number(name, value, above=0.0, remedy=remedy)
            if self.unit == "fraction" and value >= 1.0 and name != "take_profit":
                raise ValueError(
                    f"{name} must be below 1 as a fraction of the price, got {value}; "
                    'give 0.02 for 2%, or unit="volatility"'
                )
        span = self.volatility_span_bars
        check_count("volatility_span_bars", span, lowest=1, remedy="give for example 20")
        if self.max_bars is not None:
            check_count("max_bars", self.max_bars, lowest=1, remedy="None means no time barrier")

    @property
    def active(self) -> tuple[str, ...]:
        """Names of the stops and barriers in use."""
        names = ("stop_loss", "take_profit", "trailing_stop", "max_bars")
        return tuple(name for name in names if getattr(self, name) is not None)

    @property
    def inside_bars(self) -> bool:
        """Whether highs and lows are needed."""
        return any(name != "max_bars" for name in self.active)
