"""What the intervals of all tables share: their rows, their draws, their bounds."""

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ultimate_deep.evaluation.arrays import Array1D
from ultimate_deep.evaluation.significance.bootstrap import (
    Array2D,
    Interval,
    block_bars_for,
    bootstrap_sums,
    interval_from,
)

Draws = dict[str, Array1D]
ROUNDING = 1e-12


@dataclass(frozen=True, kw_only=True)
class IntervalConfig:
    """How intervals are drawn.

    Args:
        level: Two-sided confidence, in (0, 1).
        horizon_bars: Number of bars over which labels reach and decisions are held; a floor for
            blocks.
        resamples: Histories drawn per table.
        seed: The same seed gives the same histories.
    """

    level: float = 0.96
    horizon_bars: int = 1
    resamples: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.0 < self.level < 1.0:
            raise ValueError(f"level must lie in (0, 1), got {self.level}; give for example 0.96")
        if self.horizon_bars < 1:
            raise ValueError(f"horizon_bars must be at least 1, got {self.horizon_bars}")
        least = math.ceil(10.0 / (1.0 - self.level) - 1e-6)  # 1 - 0.9 is not quite 0.1
        if self.resamples < least:
            raise ValueError(
                f"resamples must put at least 5 histories beyond each bound, got {self.resamples} "
                f"at level {self.level}; take {least} or more"
            )


@dataclass(frozen=True, eq=False, kw_only=True)
class DecisionRows:
    """Decisions and what came of them, in order of time; every array has shape `(rows,)`.

    Args:
        label: 0 or 1.
        probability: Probability of up, in [0, 1].
        outcome: Return that the forecast is about, for the information coefficients; None
            leaves them out.
        decision_time: Time of each row when several symbols are pooled; rows of one time are
            then drawn together.
    """

    label: npt.ArrayLike
    probability: npt.ArrayLike
    outcome: npt.ArrayLike | None = None
    decision_time: npt.ArrayLike | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class AccountRows:
    """What the account earned.

    Args:
        return_net: Net return per bar, shape `(bars,)`.
        bars_per_year: Bars in a year, for the yearly figures.
        trade_return_net: Net return per trade in order of entry, shape `(trades,)`.
    """

    return_net: npt.ArrayLike
    bars_per_year: float
    trade_return_net: npt.ArrayLike = field(default_factory=tuple)


def resampled_sums(
    table: Array2D, judged: list[int], config: IntervalConfig
) -> tuple[Array2D, float]:
    """Sums of resampled histories, their blocks long enough for each of the judged columns."""
    block_bars = block_bars_for(table[:, judged], horizon_bars=config.horizon_bars)
    sums = bootstrap_sums(
        table, block_bars=block_bars, resamples=config.resamples, seed=config.seed
    )
    return sums, block_bars


def ratio_above(above: Array1D, below: Array1D, least: float) -> Array1D:
    """`above / below`, NaN where `below` is not above `least`."""
    quotient = np.full(len(above), math.nan)
    np.divide(above, below, out=quotient, where=below > least)
    return quotient


def intervals_from(
    estimates: dict[str, float], draws: Draws, block_bars: float, config: IntervalConfig
) -> dict[str, Interval]:
    """One interval per figure; see `evaluation.significance.intervals` for what is undefined."""
    return {
        name: _interval(estimate, draws[name], block_bars, config)
        for name, estimate in estimates.items()
    }


def _interval(
    estimate: float, draws: Array1D, block_bars: float, config: IntervalConfig
) -> Interval:
    known = draws[~np.isnan(draws)]
    if math.isnan(estimate) or 2 * len(known) < len(draws):
        known = np.full(1, math.nan)
    if np.isfinite(known).all():
        return interval_from(estimate, known, level=config.level, block_bars=block_bars)
    tail = (1.0 - config.level) / 2.0
    # Nearest, since between a number and infinity there is nothing to interpolate.
    lower, upper = np.quantile(known, [tail, 1.0 - tail], method="nearest")
    return Interval(
        estimate=estimate,
        lower=float(lower),
        upper=float(upper),
        level=config.level,
        standard_error=math.nan,
        block_bars=block_bars,
        resamples=len(known) if not np.isnan(known).all() else 0,
    )
