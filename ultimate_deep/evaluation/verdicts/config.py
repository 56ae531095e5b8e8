"""How strict a verdict is."""

import math
from dataclasses import dataclass

from ultimate_deep.machine.fields import check_fields

LEAST_BEYOND = 10  # histories beyond a bound, for its percentile to mean anything


@dataclass(frozen=True, kw_only=True)
class VerdictConfig:
    """How strict the verdict is.

    Args:
        error_rate: Chance of each bound to be wrong, hence at most the rate of claims without an
            edge; in (0, 0.5).
        power: Probability with which the bars of a "cannot tell yet" would settle it, in (0.5, 1).
        smallest_rank: Advantage of the rank (see `Knowledge`) below which a forecast is of no
            interest unless its log loss is shown to be better, in [0, 0.5).
        minimum_decisions: Distinct decision times below which nothing is claimed.
        minimum_active_bars: Bars with a position's return below which nothing is claimed.
        repeated_opens: Share of what is traded at prices that repeat the close before, below which
            an account that is not shown to gain does not fail for them, in (0, 1].
        largest_share: Share of a usual bar's volume beyond which a full position is too large for
            the law of impact to say what it pays, above 0.
        deflated: Least deflated Sharpe ratio, a probability in (0.5, 1).
        resamples: Number of bootstrap histories.

    Raises:
        TypeError, ValueError: A value that is no number, or out of its range.
    """

    error_rate: float = 0.02
    power: float = 0.8
    smallest_rank: float = 0.005
    minimum_decisions: int = 100
    minimum_active_bars: int = 30
    repeated_opens: float = 0.1
    largest_share: float = 1.0
    deflated: float = 0.98
    resamples: int = 4000

    def __post_init__(self) -> None:
        check_fields(self, "verdict")
        ranges = (("error_rate", 0.0, 0.5), ("power", 0.5, 1.0), ("deflated", 0.5, 1.0))
        for name, low, high in ranges:
            value = getattr(self, name)
            if not low < value < high:
                raise ValueError(f"{name} must lie in ({low}, {high}), got {value}")
        if not 0.0 <= self.smallest_rank < 0.5:
            raise ValueError(
                f"smallest_rank must lie in [0, 0.5), got {self.smallest_rank}; "
                "0.005 is half a percentage point of pairs put in the right order"
            )
        if not 0.0 < self.repeated_opens <= 1.0:
            raise ValueError(
                f"repeated_opens must lie in (0, 1], got {self.repeated_opens}; 0.1 is a tenth of "
                "what is traded"
            )
        if not 0.0 < self.largest_share < math.inf:
            raise ValueError(
                f"largest_share must be above 0, got {self.largest_share}; 1.0 is all that is "
                "traded in a bar"
            )
        if self.resamples * self.error_rate < LEAST_BEYOND:
            raise ValueError(
                f"resamples must put at least {LEAST_BEYOND} histories beyond the bound, got "
                f"{self.resamples} at error_rate {self.error_rate}; take "
                f"{math.ceil(LEAST_BEYOND / self.error_rate)} or more"
            )
