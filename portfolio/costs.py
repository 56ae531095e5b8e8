"""What a trade costs: fees and slippage per side, on the notional that changes hands."""

import math
from dataclasses import dataclass

BPS_PER_UNIT = 1e4


@dataclass(frozen=True, kw_only=True)
class CostSpec:
    """Costs per side, in basis points of the traded notional.

    A position opened and closed pays `round_trip_bps`. A reversal from fully long to
    fully short trades twice the equity and pays both sides at once.

    Args:
        fee_bps: commission per side, finite and not negative.
        slippage_bps: distance of the fill from the open price, per side, finite and not negative.

    Raises:
        TypeError: a cost that is no number.
        ValueError: a negative or non-finite cost, or 5,000 bps and more in all per side: a
            full reversal would then pay the whole equity.
    """

    fee_bps: float = 1.0
    slippage_bps: float = 1.0

    def __post_init__(self) -> None:
        for name in ("fee_bps", "slippage_bps"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise TypeError(
                    f"{name} must be a number of basis points, got {value!r}; "
                    "give for example 1.0 for 0.01%."
                )
            if not math.isfinite(value) or value < 0:
                raise ValueError(
                    f"{name} must be finite and not negative, got {value}; "
                    "costs are paid, so give 0.0 for none."
                )
        if self.per_side_bps >= BPS_PER_UNIT / 2:
            raise ValueError(
                f"fee_bps + slippage_bps must stay below 5000 per side, got {self.per_side_bps}; "
                "give basis points (1 bps = 0.01%), not a fraction or a price."
            )

    @property
    def per_side_bps(self) -> float:
        """Fee and slippage of one side, in basis points."""
        return self.fee_bps + self.slippage_bps

    @property
    def round_trip_bps(self) -> float:
        """Cost of opening and closing one unit of notional, in basis points."""
        return 2.0 * self.per_side_bps

    @property
    def per_side_fraction(self) -> float:
        """Fee and slippage of one side, as a fraction of the traded notional."""
        return self.per_side_bps / BPS_PER_UNIT


DEFAULT_COSTS = CostSpec()
