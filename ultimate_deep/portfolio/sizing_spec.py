"""Rules for how much of the equity a signal gets."""

from dataclasses import dataclass
from typing import Literal

from ultimate_deep.machine.fields import check_fields
from ultimate_deep.portfolio.options import check_count, check_number

SizingMethod = Literal["fixed", "volatility_target", "kelly", "confidence"]
METHODS: tuple[SizingMethod, ...] = ("fixed", "volatility_target", "kelly", "confidence")


@dataclass(frozen=True, kw_only=True)
class SizingSpec:
    """Turns signals in [-1, 1] into positions, fractions of equity. The default changes nothing.

    Args:
        method: How the size is found, one of
            `fixed`: `fixed_fraction` of equity;
            `volatility_target`: `target_volatility` over the volatility of the symbol;
            `kelly`: `kelly_fraction` times the Kelly fraction of the side's probability;
            `confidence`: in proportion to the side's probability between
            `confidence_threshold` (nothing) and 1 (everything).
        max_position: Largest position on either side, in (0, 1].
        fixed_fraction: Fraction of equity, in (0, 1].
        target_volatility: Volatility per year, a fraction (0.1 for 10%).
        volatility_span_bars: Span of the exponentially weighted volatility of closed bars.
        kelly_fraction: Share of the full Kelly bet, in (0, 1]; half of it is common.
        average_gain: What a right decision gains, as a fraction of the position.
        average_loss: What a wrong decision loses, likewise. Gain and loss of 1 are the even bet,
            whose Kelly fraction is `2 p - 1`.
        confidence_threshold: Probability at which the position is nothing, in [0.5, 1).

    Raises:
        TypeError, ValueError: An option that is no number or out of its range.
    """

    method: SizingMethod = "fixed"
    max_position: float = 1.0
    fixed_fraction: float = 1.0
    target_volatility: float = 0.1
    volatility_span_bars: int = 60
    kelly_fraction: float = 0.5
    average_gain: float = 1.0
    average_loss: float = 1.0
    confidence_threshold: float = 0.5

    def __post_init__(self) -> None:
        check_fields(self)
        if self.method not in METHODS:
            raise ValueError(f"method must be one of {METHODS}, got {self.method!r}")
        for name in ("max_position", "fixed_fraction", "kelly_fraction"):
            value = getattr(self, name)
            check_number(name, value, above=0.0, highest=1.0, remedy="give 1.0 for all of it")
        for name in ("target_volatility", "average_gain", "average_loss"):
            remedy = "give a fraction, 0.1 for 10%"
            check_number(name, getattr(self, name), above=0.0, remedy=remedy)
        span = self.volatility_span_bars
        check_count("volatility_span_bars", span, lowest=1, remedy="give for example 60")
        threshold = check_number(
            "confidence_threshold", self.confidence_threshold, lowest=0.5, remedy="give 0.5"
        )
        if threshold >= 1.0:
            raise ValueError(f"confidence_threshold must be below 1, got {threshold}; give 0.5")

    @property
    def needs_probability(self) -> bool:
        """Whether positions follow from probabilities."""
        return self.method in ("kelly", "confidence")

    @property
    def changes_signals(self) -> bool:
        """Whether any position may differ from its signal."""
        return self.method != "fixed" or min(self.fixed_fraction, self.max_position) < 1.0
