"""What a verdict rests on: the figures of five questions, all made elsewhere and once."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ultimate_deep.evaluation.significance.bootstrap import Interval
from ultimate_deep.evaluation.verdicts.knowledge import Knowledge


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Figures of one model on one part of the rows; every bound is held to the same error.

    Args:
        knows: What its forecasts know beyond the best constants.
        net: Mean net return per bar (fraction) at the account's own size.
        later: The same where every fill comes one bar later; None where that was not asked.
        repeated_opens: Share of bars whose open repeats the close before.
        deflated: Probability that the Sharpe ratio is more than the best of so many trials without
            skill would show; NaN where undefined.
        trials: How many independent trials that counts.
        overfitting: Probability that the choice of the threshold was overfitted; NaN where there
            was none.
        rivals: Name of a simpler model to its net return per bar less the model's, paired.
        exposure: Mean position over the bars, 1 is always long.
        decisions: Distinct decision times judged.
        bars: Bars of net returns judged.
        active: Bars with a position's return.
        error_rate: Chance of each bound to be wrong, already divided by the readings.
        readings: Different models judged on these bars so far, this one included.
        simulated: Whether the bars were simulated.
    """

    knows: Knowledge
    net: Interval
    later: Interval | None
    repeated_opens: float
    deflated: float
    trials: float
    overfitting: float
    rivals: Mapping[str, Interval] = field(default_factory=dict)
    exposure: float
    decisions: int
    bars: int
    active: int
    error_rate: float
    readings: int = 1
    simulated: bool = False
