"""Variance of a mean of dependent values: what `var / rows` is for independent ones."""

import math

import numpy as np
import numpy.typing as npt

from ultimate_deep.evaluation.arrays import Array1D, vector
from ultimate_deep.evaluation.significance.bootstrap import block_bars_for


def default_lags(values: npt.ArrayLike, *, horizon_bars: int = 1) -> int:
    """Lags that `long_run_variance` weighs: the block length that the bootstrap would take.

    Standard errors and bootstrap intervals so assume the same span of dependence.
    """
    series = vector("values", values)
    if len(series) < 2:
        return 0
    lags = math.ceil(block_bars_for(series[:, None], horizon_bars=horizon_bars))
    return min(lags, len(series) - 1)


def autocovariance(values: npt.ArrayLike, lags: int) -> Array1D:
    """Covariances at the lags 0 to `lags`, each a sum over `rows`, shape `(lags + 1,)`."""
    series = vector("values", values)
    rows = len(series)
    if not 0 <= lags < max(rows, 1):
        raise ValueError(
            f"lags must lie between 0 and rows - 1 = {rows - 1}, got {lags}; take fewer lags"
        )
    centred = series - series.mean()
    if lags < 32:
        products = [float(centred[: rows - lag] @ centred[lag:]) for lag in range(lags + 1)]
        return np.array(products) / rows
    size = 1 << (rows + lags).bit_length()  # room against wrap-around
    spectrum = np.fft.rfft(centred, size)
    product = np.fft.irfft(np.abs(spectrum) ** 2, size)[: lags + 1]
    return np.asarray(product / rows, dtype=np.float64)


def long_run_variance(
    values: npt.ArrayLike, *, lags: int | None = None, horizon_bars: int = 1
) -> float:
    """Variance per row of the mean of a dependent series: `var(mean) = result / rows`.

    Autocovariances with weights that fall linearly to zero (Bartlett), so never negative.

    Args:
        values: Finite values, shape `(rows,)`.
        lags: Lags that count; `default_lags` where None. 0 gives the plain variance.
        horizon_bars: Only for `default_lags`: over how many bars the values overlap.

    Returns:
        NaN below two rows, 0 for a constant.

    Source: Newey & West (1987), Econometrica 55(3), eq. 5.
    """
    series = vector("values", values)
    if len(series) < 2:
        return math.nan
    count = default_lags(series, horizon_bars=horizon_bars) if lags is None else lags
    covariance = autocovariance(series, count)
    weight = 1.0 - np.arange(1, count + 1) / (count + 1.0)
    return max(float(covariance[0] + 2.0 * (weight * covariance[1:]).sum()), 0.0)
