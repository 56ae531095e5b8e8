"""One account's Sharpe ratio with everything that speaks for and against it."""

import math
from dataclasses import dataclass

import numpy.typing as npt

from ultimate_deep.evaluation.arrays import same_length, vector
from ultimate_deep.evaluation.measures.returns import sharpe
from ultimate_deep.evaluation.significance.sharpe import (
    confidence_above,
    dependent_sharpe_standard_error,
    expected_maximum_sharpe,
    minimum_track_record_bars,
    return_moments,
    sharpe_standard_error,
)


@dataclass(frozen=True, kw_only=True)
class SharpeSignificance:
    """How sure a Sharpe ratio is, after the trials it was picked from.

    Every figure is NaN where the returns do not vary.

    Args:
        per_year, per_bar: The ratio, risk-free rate zero.
        standard_error_per_year: Standard error for returns that do not depend on each other, at
            their own skewness and kurtosis.
        dependent_standard_error_per_year: The same with the dependence of neighbouring bars.
        probabilistic: Confidence that the true ratio is above zero.
        deflated: Confidence that it is above `expected_maximum_per_year`.
        dependent_probabilistic, dependent_deflated: Both with the dependent standard error, which
            holds also where positions overlap or returns trend.
        expected_maximum_per_year, expected_maximum_per_bar: What the best of `trials` trials
            without skill shows.
        minimum_track_record_bars: Bars after which this ratio is above zero with `confidence`;
            infinity for a ratio of zero or less.
        deflated_track_record_bars: The same above `expected_maximum_per_bar`.
        skewness, kurtosis: Moments of the returns per bar; kurtosis not in excess (3 for the
            normal).
        trials: Independent trials, this one included.
        trial_sharpe_variance_per_bar: Variance over the trials of their ratios per bar.
        confidence: Confidence of the minimum track record lengths.
        bars: Number of returns judged.
        independent_bars: How many independent returns they are worth for the ratio.
        bars_per_year: What the yearly figures assume.
    """

    per_year: float
    per_bar: float
    standard_error_per_year: float
    dependent_standard_error_per_year: float
    probabilistic: float
    deflated: float
    dependent_probabilistic: float
    dependent_deflated: float
    expected_maximum_per_year: float
    expected_maximum_per_bar: float
    minimum_track_record_bars: float
    deflated_track_record_bars: float
    skewness: float
    kurtosis: float
    trials: float
    trial_sharpe_variance_per_bar: float
    confidence: float
    bars: int
    independent_bars: float
    bars_per_year: float


def sharpe_significance(
    return_net: npt.ArrayLike,
    *,
    bars_per_year: float,
    trials: float = 1.0,
    trial_sharpe_variance_per_bar: float = math.nan,
    horizon_bars: int = 1,
    confidence: float = 0.95,
) -> SharpeSignificance:
    """Sum up the Sharpe ratio of net returns.

    Args:
        return_net: Simple net return per bar of the chosen trial, shape `(bars,)`.
        bars_per_year: Bars in a year, for the yearly figures.
        trials: How many independent trials were made on these bars, this one included; see
            `effective_trials`. The plain count is the strict choice.
        trial_sharpe_variance_per_bar: Variance over the trials of their Sharpe ratios per bar.
            Where NaN (not recorded): `1 / (bars - 1)`, that of independent trials without skill
            on as many bars.
        horizon_bars: How long decisions are held, a floor for the dependence that counts.
        confidence: Confidence of the minimum track record lengths, in (0.5, 1).

    Raises:
        ValueError: No bars, NaN returns, arguments out of range.

    Source: see `evaluation.significance.sharpe`.
    """
    returns = vector("return_net", return_net)
    bars = same_length(return_net=returns)
    variance = trial_sharpe_variance_per_bar
    if math.isnan(variance):
        variance = 1.0 / max(bars - 1, 1)
    ratio = sharpe(returns, bars_per_year=1.0)
    per_year = sharpe(returns, bars_per_year=bars_per_year)  # checks bars_per_year too
    root = math.sqrt(bars_per_year)
    skewness, kurtosis = return_moments(returns)
    best = expected_maximum_sharpe(trials=trials, trial_sharpe_variance=variance)
    error = sharpe_standard_error(ratio, bars=bars, skewness=skewness, kurtosis=kurtosis)
    dependent = dependent_sharpe_standard_error(returns, horizon_bars=horizon_bars)
    lengths = [
        minimum_track_record_bars(
            ratio,
            benchmark_per_bar=benchmark,
            confidence=confidence,
            skewness=skewness,
            kurtosis=kurtosis,
        )
        for benchmark in (0.0, best)
    ]
    return SharpeSignificance(
        per_year=per_year,
        per_bar=ratio,
        standard_error_per_year=error * root,
        dependent_standard_error_per_year=dependent * root,
        probabilistic=confidence_above(ratio, 0.0, error),
        deflated=confidence_above(ratio, best, error),
        dependent_probabilistic=confidence_above(ratio, 0.0, dependent),
        dependent_deflated=confidence_above(ratio, best, dependent),
        expected_maximum_per_year=best * root,
        expected_maximum_per_bar=best,
        minimum_track_record_bars=lengths[0],
        deflated_track_record_bars=lengths[1],
        skewness=skewness,
        kurtosis=kurtosis,
        trials=trials,
        trial_sharpe_variance_per_bar=variance,
        confidence=confidence,
        bars=bars,
        independent_bars=bars * (error / dependent) ** 2 if dependent > 0.0 else math.nan,
        bars_per_year=bars_per_year,
    )
