"""All checks of robustness at once, each with a size that keeps the whole within seconds."""

from dataclasses import dataclass

import pandas as pd

from ultimate_deep.evaluation.arrays import Array1D
from ultimate_deep.evaluation.backtesting.config import BacktestConfig
from ultimate_deep.evaluation.robustness.capacity import Capacity, capacity
from ultimate_deep.evaluation.robustness.costs import CostSweep, cost_sweep
from ultimate_deep.evaluation.robustness.random_entry import RandomEntry, random_entry
from ultimate_deep.evaluation.robustness.regimes import Regimes, regimes
from ultimate_deep.evaluation.robustness.sensitivity import (
    DelaySensitivity,
    ThresholdSensitivity,
    delay_sensitivity,
    threshold_sensitivity,
)
from ultimate_deep.evaluation.robustness.trade import Decisions, Trade
from ultimate_deep.evaluation.robustness.win_rate import win_rates
from ultimate_deep.evaluation.signals import check_threshold, signal_from_probability
from ultimate_deep.evaluation.significance.bootstrap import Interval
from ultimate_deep.evaluation.verdicts.bounds import ALONE

_MOST_DRAWS, _LEAST_DRAWS = 500, 49
_DRAWN_ROWS = 2_000_000  # rows traded over all random entries


@dataclass(frozen=True, eq=False, kw_only=True)
class RobustnessInputs:
    """What the checks need of one model's test part.

    Args:
        trade: The way from signals and rule to the account (see `Trade`).
        config: The rule and costs in use.
        decisions: The test part's `Decisions`.
        threshold: Least probability of the side taken, chosen on validation.
        signal: Wanted positions of the test rows, shape `(rows,)`; None takes those of the
            threshold.
        has_volume: Whether the bars have volume (any above zero).
        volatility_edges: Bounds of the volatility regimes, known before the test part.
        error_rate: Chance of each bound to be wrong, the verdict's.
        delayed: Mean net return per bar (fraction) without a delay and one bar later, where they
            have been judged.
        accuracy: Accuracy of all decisions, where it has been judged.
        draws: Random entries; None takes 500, fewer on long test parts (49 at the least).
        seed: Seed of all draws.
    """

    trade: Trade
    config: BacktestConfig
    decisions: Decisions
    threshold: float
    signal: Array1D | None = None
    has_volume: bool = False
    volatility_edges: tuple[float, float] | None = None
    error_rate: float = ALONE
    delayed: tuple[Interval | None, ...] = ()
    accuracy: Interval | None = None
    draws: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_threshold(self.threshold)


@dataclass(frozen=True, eq=False, kw_only=True)
class Robustness:
    """What the net result hangs on; `json_safe` turns it into plain JSON."""

    costs: CostSweep
    capacity: Capacity
    regimes: Regimes
    thresholds: ThresholdSensitivity
    delay: DelaySensitivity
    random_entry: RandomEntry
    win_rates: pd.DataFrame

    @property
    def sentences(self) -> dict[str, str]:
        """Each check's finding in one sentence, by name."""
        return {
            "delay": self.delay.sentence,
            "costs": self.costs.sentence,
            "capacity": self.capacity.sentence,
            "thresholds": self.thresholds.sentence,
            "random entry": self.random_entry.sentence,
            "regimes": self.regimes.sentence,
        }


def assess_robustness(inputs: RobustnessInputs) -> Robustness:
    """Run every check on the test part's account.

    Some 250 backtests on 10,000 rows, 550 on fewer, 100 on a million.

    Raises:
        ValueError: What the single checks raise.
    """
    trade, config, decisions = inputs.trade, inputs.config, inputs.decisions
    signal = inputs.signal
    if signal is None:
        signal = signal_from_probability(decisions.probability, inputs.threshold, mode=config.mode)
    return Robustness(
        costs=cost_sweep(trade, signal, config),
        capacity=capacity(trade, signal, config, has_volume=inputs.has_volume),
        regimes=regimes(
            trade(signal, config),
            decisions,
            volatility_edges=inputs.volatility_edges,
            horizon_bars=config.horizon_bars,
            error_rate=inputs.error_rate,
            seed=inputs.seed,
        ),
        thresholds=threshold_sensitivity(trade, decisions, config, threshold=inputs.threshold),
        delay=delay_sensitivity(
            trade,
            signal,
            config,
            decisions,
            known=inputs.delayed,
            accuracy=inputs.accuracy,
            error_rate=inputs.error_rate,
            seed=inputs.seed,
        ),
        random_entry=random_entry(
            trade,
            signal,
            config,
            group=decisions.group,
            draws=inputs.draws or random_draws(len(signal)),
            seed=inputs.seed,
        ),
        win_rates=win_rates(
            decisions, config, threshold=inputs.threshold, level=1.0 - 2.0 * inputs.error_rate
        ),
    )


def random_draws(rows: int) -> int:
    """Random entries for a test part of `rows`: 500, fewer where that would take long."""
    return min(max(_DRAWN_ROWS // max(rows, 1), _LEAST_DRAWS), _MOST_DRAWS)
