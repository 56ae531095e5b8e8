"""Is a Sharpe ratio luck? Its standard error, and what the best of many trials shows by chance.

Every Sharpe ratio here is **per bar** unless its name says `per_year`; one per year is
`per_bar * sqrt(bars_per_year)`. Kurtosis is not in excess: 3 for the normal distribution.
"""

import math

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr
from scipy.stats import norm

from ultimate_deep.evaluation.arrays import Array1D, vector
from ultimate_deep.evaluation.measures.returns import sharpe
from ultimate_deep.evaluation.significance.long_run_variance import long_run_variance


def return_moments(return_net: npt.ArrayLike) -> tuple[float, float]:
    """Skewness and kurtosis of returns, shape `(rows,)`, as moments over the rows.

    Kurtosis is not in excess. NaN, both, where the returns do not vary.
    """
    score = _standardised(vector("return_net", return_net))
    if score is None:
        return math.nan, math.nan
    square = score * score
    return float((square * score).mean()), float((square * square).mean())


def _standardised(returns: Array1D) -> Array1D | None:
    """Returns with mean 0 and variance 1; None where they have no Sharpe ratio."""
    if math.isnan(sharpe(returns, bars_per_year=1.0)):
        return None
    return np.asarray((returns - returns.mean()) / returns.std(), dtype=np.float64)


def sharpe_standard_error(
    sharpe_per_bar: float, *, bars: float, skewness: float = 0.0, kurtosis: float = 3.0
) -> float:
    """Standard error of a Sharpe ratio per bar, for returns that do not depend on each other.

    `sqrt((1 - skewness SR + (kurtosis - 1) / 4 SR^2) / (bars - 1))`. NaN where an argument is
    NaN and below two bars.

    Raises:
        ValueError: Moments that no distribution has (`kurtosis < skewness^2 + 1`).

    Source: Mertens (2002); Bailey & Lopez de Prado (2012), J. of Risk 15(2), eq. 7.
    """
    if math.isnan(sharpe_per_bar + bars + skewness + kurtosis) or bars < 2:
        return math.nan
    if kurtosis < (skewness * skewness + 1.0) * (1.0 - 1e-9):
        raise ValueError(
            f"kurtosis must be at least skewness^2 + 1, got {kurtosis} at skewness {skewness}; "
            "give the kurtosis itself, 3 for the normal, not the excess over it"
        )
    variance = 1.0 - skewness * sharpe_per_bar + (kurtosis - 1.0) / 4.0 * sharpe_per_bar**2
    return math.sqrt(max(variance, 0.0) / (bars - 1.0))


def dependent_sharpe_standard_error(
    return_net: npt.ArrayLike, *, horizon_bars: int = 1, lags: int | None = None
) -> float:
    """Standard error of the Sharpe ratio per bar when neighbouring returns depend on each other.

    The influence of row `t` on the ratio is `z - SR / 2 (z^2 - 1)` with `z` the standardised
    return; the error is the root of that series' long-run variance over the rows. With `lags=0`
    it is `sharpe_standard_error` at the returns' own moments (with `rows` for `rows - 1`).

    Args:
        return_net: Simple returns per bar, shape `(rows,)`.
        horizon_bars: How long decisions are held, which is how far they overlap.
        lags: Lags of `long_run_variance`.

    Returns:
        NaN where the returns do not vary.

    Source: Lo (2002), Financial Analysts Journal 58(4), appendix (GMM with Newey-West weights).
    """
    returns = vector("return_net", return_net)
    score = _standardised(returns)
    if score is None:
        return math.nan
    ratio = sharpe(returns, bars_per_year=1.0)
    influence = score - 0.5 * ratio * (score * score - 1.0)
    variance = long_run_variance(influence, lags=lags, horizon_bars=horizon_bars)
    return math.sqrt(variance / len(returns))


def probabilistic_sharpe(
    sharpe_per_bar: float,
    *,
    bars: float,
    benchmark_per_bar: float = 0.0,
    skewness: float = 0.0,
    kurtosis: float = 3.0,
) -> float:
    """Confidence that the true Sharpe ratio is above a benchmark, in [0, 1].

    Args:
        sharpe_per_bar: The observed ratio.
        bars: How many returns it comes from. Where they depend on each other, give fewer
            (`SharpeSignificance.independent_bars`).
        benchmark_per_bar: Ratio to beat.
        skewness, kurtosis: Moments of the returns per bar; kurtosis not in excess.

    Returns:
        NaN where the Sharpe ratio is NaN or there are fewer than two bars.

    Source: Bailey & Lopez de Prado (2012), J. of Risk 15(2), eq. 11.
    """
    error = sharpe_standard_error(sharpe_per_bar, bars=bars, skewness=skewness, kurtosis=kurtosis)
    return confidence_above(sharpe_per_bar, benchmark_per_bar, error)


def confidence_above(estimate: float, benchmark: float, standard_error: float) -> float:
    """Normal probability that the truth lies above `benchmark`. NaN where an argument is NaN."""
    distance = estimate - benchmark
    if math.isnan(distance) or math.isnan(standard_error):
        return math.nan
    if standard_error == 0.0:
        return 0.5 if distance == 0.0 else float(distance > 0.0)
    return float(ndtr(distance / standard_error))


def expected_maximum_sharpe(*, trials: float, trial_sharpe_variance: float) -> float:
    """Sharpe ratio that the best of `trials` trials without any skill is expected to show.

    `sqrt(V) ((1 - g) Z(1 - 1/N) + g Z(1 - 1/(N e)))` with `g` the Euler-Mascheroni constant and
    `Z` the normal quantile; in the unit (per bar or per year) of the variance's ratios. 0 for one
    trial: nothing was selected. The approximation is for many trials; for two it is 8% low, and
    below 0 (fewer than 1.29 effective trials) it is cut at 0.

    Args:
        trials: How many independent trials were made, at least 1; fractions are allowed, see
            `effective_trials`.
        trial_sharpe_variance: Variance of the Sharpe ratios over the trials.

    Raises:
        ValueError: Fewer than one trial, a negative variance.

    Source: Bailey & Lopez de Prado (2014), J. Portfolio Management 40(5), eq. 1, appendix 1
        ("False Strategy Theorem").
    """
    if not (math.isfinite(trials) and trials >= 1.0):
        raise ValueError(f"trials must be at least 1 and finite, got {trials}; count this one too")
    if trial_sharpe_variance < 0.0:
        raise ValueError(f"trial_sharpe_variance must not be negative, got {trial_sharpe_variance}")
    if trials == 1.0:
        return 0.0
    gamma = float(np.euler_gamma)
    # isf(x) is Z(1 - x), and keeps its digits for a billion trials.
    highest = (1.0 - gamma) * norm.isf(1.0 / trials) + gamma * norm.isf(1.0 / (trials * math.e))
    return math.sqrt(trial_sharpe_variance) * max(float(highest), 0.0)


def deflated_sharpe(
    sharpe_per_bar: float,
    *,
    bars: float,
    trials: float,
    trial_sharpe_variance_per_bar: float,
    skewness: float = 0.0,
    kurtosis: float = 3.0,
) -> float:
    """Confidence that the true Sharpe ratio is above what the best of all trials shows by chance.

    `probabilistic_sharpe` against `expected_maximum_sharpe`. Above 0.95 the usual claim.

    Args:
        sharpe_per_bar: Observed ratio of the selected trial.
        bars: How many returns it comes from.
        trials: How many independent trials were made in all.
        trial_sharpe_variance_per_bar: Variance over the trials of their ratios per bar; that of
            yearly ratios divided by the bars per year.
        skewness, kurtosis: Moments of the selected trial's returns per bar; kurtosis not in excess.

    Source: Bailey & Lopez de Prado (2014), J. Portfolio Management 40(5), eq. 2.
    """
    return probabilistic_sharpe(
        sharpe_per_bar,
        bars=bars,
        benchmark_per_bar=expected_maximum_sharpe(
            trials=trials, trial_sharpe_variance=trial_sharpe_variance_per_bar
        ),
        skewness=skewness,
        kurtosis=kurtosis,
    )


def minimum_track_record_bars(
    sharpe_per_bar: float,
    *,
    benchmark_per_bar: float = 0.0,
    confidence: float = 0.95,
    skewness: float = 0.0,
    kurtosis: float = 3.0,
) -> float:
    """Bars after which this Sharpe ratio is above the benchmark with the given confidence.

    Returns:
        At least 1. Infinity where the ratio is not above the benchmark: no length would do. NaN
        where the Sharpe ratio is NaN.

    Source: Bailey & Lopez de Prado (2012), J. of Risk 15(2), eq. 13.
    """
    if not 0.5 < confidence < 1.0:
        raise ValueError(
            f"confidence must lie in (0.5, 1), got {confidence}; give for example 0.95"
        )
    error = sharpe_standard_error(sharpe_per_bar, bars=2.0, skewness=skewness, kurtosis=kurtosis)
    lead = sharpe_per_bar - benchmark_per_bar
    if math.isnan(error) or math.isnan(lead):
        return math.nan
    if lead <= 0.0:
        return math.inf
    return 1.0 + (error * float(norm.ppf(confidence)) / lead) ** 2
