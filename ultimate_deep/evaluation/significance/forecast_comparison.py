"""Does one forecast lose less than another, beyond chance?"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, t

from ultimate_deep.evaluation.arrays import Array1D, same_length, vector
from ultimate_deep.evaluation.significance.decision_times import sums_per_time
from ultimate_deep.evaluation.significance.long_run_variance import (
    autocovariance,
    default_lags,
    long_run_variance,
)


@dataclass(frozen=True, kw_only=True)
class DieboldMariano:
    """Test of equal expected loss of two forecasts.

    Args:
        statistic: Corrected statistic; negative where the first forecast loses less. NaN where
            the losses differ by a constant.
        p_value: The two-sided p-value.
        p_value_first_better: One-sided, small where the first forecast is better.
        mean_difference: Mean loss of the first minus that of the second, per row.
        standard_error: Standard error of that mean.
        times: Distinct decision times, the independent count before dependence.
        horizon_bars: The horizon as given.
        lags: Autocovariances that entered the standard error.
    """

    statistic: float
    p_value: float
    p_value_first_better: float
    mean_difference: float
    standard_error: float
    times: int
    horizon_bars: int
    lags: int


def diebold_mariano(
    loss_first: npt.ArrayLike,
    loss_second: npt.ArrayLike,
    *,
    horizon_bars: int = 1,
    lags: int | None = None,
    decision_time: npt.ArrayLike | None = None,
) -> DieboldMariano:
    """Compare two forecasts of the same outcomes by their losses.

    The long-run variance sums the autocovariances up to `horizon_bars - 1` with equal weights, as
    optimal forecasts over `h` bars have errors that depend over `h - 1`; where that is not
    positive (possible for equal weights) it falls back to falling weights over
    `default_lags`. The statistic is then made smaller for short samples and held against
    Student's distribution.

    Args:
        loss_first, loss_second: Loss of each forecast (squared error, log loss, 0/1 error, ...),
            finite, shape `(rows,)`, in order of time.
        horizon_bars: Number of bars over which the outcomes reach.
        lags: Where given, that many autocovariances with falling weights (Newey-West) instead,
            for losses that depend on each other beyond the horizon.
        decision_time: Time of each row, shape `(rows,)`, when several symbols are pooled; losses
            of one time then count as one observation.

    Raises:
        ValueError: Shapes that differ, NaN, a horizon below 1 or at least as long as the rows.

    Source: Diebold & Mariano (1995), J. Business & Economic Statistics 13(3), sec. 1.1; the
        correction: Harvey, Leybourne & Newbold (1997), Int. J. Forecasting 13(2), eq. 9.
    """
    first, second = vector("loss_first", loss_first), vector("loss_second", loss_second)
    same_length(loss_first=first, loss_second=second)
    difference = first - second
    series = _per_time(difference, decision_time)
    times = len(series)
    if not 1 <= horizon_bars < max(times, 2):
        raise ValueError(
            f"horizon_bars must be at least 1 and less than the {times} times, got {horizon_bars}"
        )
    mean = float(difference.mean())
    variance, used = _variance(series, horizon_bars, lags)
    # A spread this small next to the losses is rounding: they differ by a constant.
    scale = max(float(np.abs(first).max()), float(np.abs(second).max()))
    error = math.sqrt(variance / times) if variance > (1e-12 * scale) ** 2 else math.nan
    statistic = mean / error * _short_sample_factor(times, horizon_bars)
    lower = float(t.cdf(statistic, times - 1))
    return DieboldMariano(
        statistic=statistic,
        p_value=2.0 * min(lower, float(t.sf(statistic, times - 1))) if error > 0 else math.nan,
        p_value_first_better=lower,
        mean_difference=mean,
        standard_error=error,
        times=times,
        horizon_bars=horizon_bars,
        lags=used,
    )


def bars_to_tell_apart(
    comparison: DieboldMariano, *, error_rate: float = 0.05, power: float = 0.8
) -> float:
    """Distinct decision times after which a difference this large would show, by the power rule.

    `times ((z(1 - error_rate / 2) + z(power)) standard_error / mean_difference)^2`. Infinity
    where there is no difference, NaN where it has no error.
    """
    if math.isnan(comparison.standard_error):
        return math.nan
    if comparison.mean_difference == 0.0:
        return math.inf
    reach = float(norm.ppf(1.0 - error_rate / 2.0) + norm.ppf(power))
    ratio = reach * comparison.standard_error / comparison.mean_difference
    return comparison.times * ratio * ratio


def _per_time(difference: Array1D, decision_time: npt.ArrayLike | None) -> Array1D:
    """One value per time whose mean is the mean over the rows."""
    sums = sums_per_time(difference[:, None], decision_time)[:, 0]
    return np.asarray(sums * (len(sums) / len(difference)), dtype=np.float64)


def _variance(series: Array1D, horizon_bars: int, lags: int | None) -> tuple[float, int]:
    if len(series) < 2:
        return math.nan, 0
    if lags is not None:
        return long_run_variance(series, lags=lags), lags
    covariance = autocovariance(series, horizon_bars - 1)
    variance = float(covariance[0] + 2.0 * covariance[1:].sum())
    if variance > 0.0 or covariance[0] == 0.0:
        return variance, horizon_bars - 1
    used = default_lags(series, horizon_bars=horizon_bars)
    return long_run_variance(series, lags=used), used


def _short_sample_factor(times: int, horizon: int) -> float:
    return math.sqrt((times + 1.0 - 2.0 * horizon + horizon * (horizon - 1.0) / times) / times)
