"""Long-run variance against statsmodels' Newey-West and against sums written out."""

import math

import numpy as np
import pytest
from statsmodels.regression.linear_model import OLS

from ultimate_deep.evaluation.significance.long_run_variance import (
    autocovariance,
    default_lags,
    long_run_variance,
)


@pytest.mark.parametrize("lags", [0, 3, 31, 32, 120])
def test_variance_is_that_of_statsmodels(lags):
    series = np.cumsum(np.random.default_rng(0).normal(size=800)) * 0.1 + 3.0
    fit = OLS(series, np.ones(800)).fit(
        cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False}
    )
    expected = float(fit.bse[0]) ** 2 * 800
    assert long_run_variance(series, lags=lags) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("lags", [5, 40])
def test_autocovariance_is_the_sum_written_out(lags):
    series = np.random.default_rng(1).normal(size=97) + 1e3
    centred = series - series.mean()
    expected = [sum(centred[k:] * centred[: 97 - k]) / 97 for k in range(lags + 1)]
    np.testing.assert_allclose(autocovariance(series, lags), expected, rtol=0, atol=1e-12)


def test_overlap_enters_and_edges_are_defined():
    noise = np.random.default_rng(2).normal(size=20_000)
    overlapping = np.convolve(noise, np.ones(12), mode="valid")
    truth = 144.0  # twelve equal weights, squared sum
    assert long_run_variance(overlapping, horizon_bars=12) == pytest.approx(truth, rel=0.25)
    assert long_run_variance(overlapping, lags=0) == pytest.approx(12.0, rel=0.1)
    assert default_lags(overlapping, horizon_bars=12) >= 24
    assert math.isnan(long_run_variance([1.0]))
    assert long_run_variance(np.ones(40)) == 0.0
    with pytest.raises(ValueError, match="fewer lags"):
        autocovariance([1.0, 2.0], 2)
