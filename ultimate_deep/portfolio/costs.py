"""What a trade costs: per side on the notional that changes hands, and over time while held."""

from dataclasses import dataclass

from ultimate_deep.machine.fields import check_fields
from ultimate_deep.portfolio.options import check_count, check_number

BPS_PER_UNIT = 1e4
DAYS_PER_YEAR = 365.0

_PER_SIDE = ("fee_bps", "slippage_bps", "spread_bps")


@dataclass(frozen=True, kw_only=True)
class CostSpec:
    """Costs of trading and of holding.

    A position opened and closed pays `round_trip_bps`. A reversal from fully long to fully short
    trades twice the equity and pays both sides at once.

    Impact comes on top, as the fraction `impact_coefficient * sigma * sqrt(Q / V)` of the traded
    notional: `Q` is what is traded (in the price's currency: the share of equity times
    `BacktestConfig.capital`), `sigma` the volatility of one bar and `V` the notional that the
    market trades in one bar, both exponentially weighted means over the bars that were closed
    before the fill. It is paid on the fill, it does not move the bars.

    Holding costs accrue by the clock between opens, nights and weekends included, in years of 365
    days; a position that a stop closes inside a bar pays for the whole bar.

    Args:
        fee_bps: Commission per side, basis points of the traded notional.
        slippage_bps: Distance of the fill from the middle price beyond half the spread, per side.
        spread_bps: Quoted spread, ask less bid; half of it is paid per side.
        impact_coefficient: Coefficient of the square-root law, about 1 in the sources. None: the
            account pays none, and the verdict asks what is left with 1; 0: neither does.
        impact_grows: Whether what is traded grows with the account. Without, it is that of the
            starting capital to the end, as if all gains were taken out at once.
        impact_span_bars: Span of the weighted means (weight `2 / (span + 1)` on the last bar).
        borrow_bps_per_year: Rate paid on the notional of short positions.
        funding_bps_per_year: Rate paid by long positions and received by short ones, as perpetual
            futures do it; where it is negative, shorts pay longs.

    Raises:
        TypeError: A cost that is no number.
        ValueError: A negative or non-finite cost (funding may be negative), or 5,000 bps and more
            in all per side: a full reversal would then pay the whole equity.

    Source: Almgren, Thum, Hauptmann & Li (2005), Risk 18(7); Toth et al. (2011), Physical Review
    X 1, 021006, eq. 1.
    """

    fee_bps: float = 1.0
    slippage_bps: float = 1.0
    spread_bps: float = 0.0
    impact_coefficient: float | None = None
    impact_grows: bool = True
    impact_span_bars: int = 20
    borrow_bps_per_year: float = 0.0
    funding_bps_per_year: float = 0.0

    def __post_init__(self) -> None:
        check_fields(self)
        for name in (*_PER_SIDE, "borrow_bps_per_year"):
            remedy = "costs are paid in basis points: give 1.0 for 0.01%, 0.0 for none"
            check_number(name, getattr(self, name), lowest=0.0, remedy=remedy)
        if self.impact_coefficient is not None:
            check_number(
                "impact_coefficient",
                self.impact_coefficient,
                lowest=0.0,
                remedy="give 0.0 for none, about 1.0 for the square-root law",
            )
        check_count(
            "impact_span_bars", self.impact_span_bars, lowest=1, remedy="give for example 20"
        )
        check_number(
            "funding_bps_per_year",
            self.funding_bps_per_year,
            remedy="give basis points a year, 0.0 for none",
        )
        if self.per_side_bps >= BPS_PER_UNIT / 2:
            raise ValueError(
                "fee_bps + slippage_bps + spread_bps / 2 must stay below 5000 per side, "
                f"got {self.per_side_bps}; "
                "give basis points (1 bps = 0.01%), not a fraction or a price"
            )

    @property
    def per_side_bps(self) -> float:
        """Fee, slippage and half the spread, in basis points; impact comes on top."""
        return self.fee_bps + self.slippage_bps + self.spread_bps / 2.0

    @property
    def impact(self) -> float:
        """Coefficient of the impact that the account pays."""
        return self.impact_coefficient or 0.0

    @property
    def round_trip_bps(self) -> float:
        """Cost of opening and closing one unit of notional without impact, in basis points."""
        return 2.0 * self.per_side_bps

    @property
    def per_side_fraction(self) -> float:
        """Fee, slippage and half the spread, as a fraction of the traded notional."""
        return self.per_side_bps / BPS_PER_UNIT

    @property
    def borrow_per_year(self) -> float:
        """What shorts pay a year, as a fraction of their notional."""
        return self.borrow_bps_per_year / BPS_PER_UNIT

    @property
    def funding_per_year(self) -> float:
        """What longs pay to shorts a year, as a fraction of the notional."""
        return self.funding_bps_per_year / BPS_PER_UNIT


DEFAULT_COSTS = CostSpec()
