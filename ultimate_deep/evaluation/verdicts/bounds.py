"""The bounds of a verdict: one error for all, shared among those who read the same bars."""

import math
from dataclasses import dataclass, replace
from typing import Self

from scipy.stats import norm

from ultimate_deep.evaluation.arrays import Array1D
from ultimate_deep.evaluation.significance.bootstrap import (
    Interval,
    block_bars_for,
    bootstrap_sums,
    interval_from,
)
from ultimate_deep.evaluation.verdicts.config import LEAST_BEYOND, VerdictConfig

_MOST_RESAMPLES = 20_000
# Bounds of one model alone.
ALONE = VerdictConfig().error_rate


@dataclass(frozen=True)
class Bounds:
    """How intervals are made.

    Args:
        error_rate: Chance of each bound to be wrong.
        resamples: Number of bootstrap histories.
    """

    error_rate: float
    resamples: int

    @property
    def level(self) -> float:
        """Two-sided confidence of an interval between two such bounds."""
        return 1.0 - 2.0 * self.error_rate

    @classmethod
    def shared_by(cls, readings: int, config: VerdictConfig) -> Self:
        """Share a verdict's error among so many models (Bonferroni).

        Args:
            readings: Different models judged on the same bars, at least 1.
            config: Error of one model alone.
        """
        error_rate = config.error_rate / readings
        wanted = math.ceil(LEAST_BEYOND / error_rate)
        return cls(error_rate, max(config.resamples, min(wanted, _MOST_RESAMPLES)))

    def interval(self, estimate: float, draws: Array1D, block_bars: float) -> Interval:
        """Return percentiles where enough histories lie beyond them, else the normal bounds."""
        percentile = interval_from(estimate, draws, level=self.level, block_bars=block_bars)
        if self.resamples * self.error_rate >= LEAST_BEYOND * (1.0 - 1e-9):
            return percentile
        reach = float(norm.ppf(1.0 - self.error_rate)) * percentile.standard_error
        return replace(percentile, lower=estimate - reach, upper=estimate + reach)

    def of_mean(self, values: Array1D, *, horizon_bars: int, seed: int) -> Interval:
        """Return the interval of a mean over bars, shape `(bars,)`."""
        column = values[:, None]
        block_bars = block_bars_for(column, horizon_bars=horizon_bars)
        sums = bootstrap_sums(column, block_bars=block_bars, resamples=self.resamples, seed=seed)
        return self.interval(float(values.mean()), sums[:, 0] / len(values), block_bars)
