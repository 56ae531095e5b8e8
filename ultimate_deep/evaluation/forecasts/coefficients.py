"""Information coefficients with their standard errors where returns overlap."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, rankdata

from ultimate_deep.evaluation.arrays import Array1D, same_length, vector
from ultimate_deep.evaluation.significance.long_run_variance import long_run_variance
from ultimate_deep.evaluation.significance.permutation import (
    information_coefficient,
    rank_information_coefficient,
)

Method = Literal["spearman", "pearson"]


@dataclass(frozen=True, kw_only=True)
class Coefficient:
    """How far a forecast goes with what follows it.

    Args:
        value: The coefficient in [-1, 1]; NaN where forecast or return does not vary.
        standard_error: Allows for returns that overlap; NaN with `value`.
        p: Two-sided probability of a value of this size without any relation.
        rows: Rows behind it.
    """

    value: float
    standard_error: float
    p: float
    rows: int


def forecast_coefficient(
    forecast: npt.ArrayLike,
    return_log: npt.ArrayLike,
    *,
    method: Method = "spearman",
    horizon_bars: int = 1,
) -> Coefficient:
    """Correlation of forecast and return, with the error that overlapping returns leave.

    The coefficient is the mean of the products of standardised ranks (or values); its error is
    that of the mean of a dependent series, with `2 max(horizon_bars, 2 (rows / 100) ** (2 / 9))`
    lags, and never smaller than for independent rows.

    Args:
        forecast: Values, finite or NaN, shape `(rows,)`, of one symbol in order of time.
        return_log: Log returns over the forecast's horizon, likewise; rows with a NaN in either are
            left out.
        method: `spearman` correlates ranks, `pearson` values.
        horizon_bars: Bars that each return spans.

    Source: Grinold & Kahn (2000), Active Portfolio Management, ch. 6; Newey & West (1987),
    Econometrica 55(3), eq. 5.
    """
    guess = vector("forecast", forecast, allow_nan=True)
    outcome = vector("return_log", return_log, allow_nan=True)
    same_length(forecast=guess, return_log=outcome)
    if method not in ("spearman", "pearson"):
        raise ValueError(f"method must be 'spearman' or 'pearson', got {method!r}")
    if horizon_bars < 1:
        raise ValueError(f"horizon_bars must be at least 1, got {horizon_bars}")
    known = ~(np.isnan(guess) | np.isnan(outcome))
    guess, outcome = guess[known], outcome[known]
    rows = len(guess)
    if rows < 3 or not _varies(guess) or not _varies(outcome):
        return Coefficient(value=math.nan, standard_error=math.nan, p=math.nan, rows=rows)
    if method == "spearman":
        value = rank_information_coefficient(guess, outcome)
        products = _standardised(rankdata(guess)) * _standardised(rankdata(outcome))
    else:
        value = information_coefficient(guess, outcome)
        products = _standardised(guess) * _standardised(outcome)
    lags = min(2 * max(horizon_bars, int(2.0 * (rows / 100.0) ** (2.0 / 9.0))), rows // 3)
    variance = max(long_run_variance(products, lags=lags), float(products.var()))
    error = math.sqrt(variance / rows)
    p = 2.0 * float(norm.sf(abs(value) / error)) if error > 0 else 0.0
    return Coefficient(value=value, standard_error=error, p=p, rows=rows)


def _varies(values: Array1D) -> bool:
    return bool(values.min() < values.max())


def _standardised(values: Array1D) -> Array1D:
    centred = values - values.mean()
    return centred / math.sqrt(float(np.square(centred).mean()))
