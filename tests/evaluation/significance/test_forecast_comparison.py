"""Diebold-Mariano: written out, against statsmodels, and by its size."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.regression.linear_model import OLS

from ultimate_deep.evaluation.significance.forecast_comparison import (
    bars_to_tell_apart,
    diebold_mariano,
)


def pair(rows=60, seed=0):
    return np.random.default_rng(seed).normal(size=(2, rows)) ** 2


@pytest.mark.parametrize("horizon", [1, 2, 5])
def test_statistic_is_the_formula_written_out(horizon):
    first, second = pair()
    second = second + 0.4
    difference = first - second
    rows, centred = 60, difference - difference.mean()
    variance = sum(centred**2) / rows
    for lag in range(1, horizon):
        variance += 2 * sum(centred[lag:] * centred[:-lag]) / rows
    plain = difference.mean() / math.sqrt(variance / rows)
    factor = math.sqrt((rows + 1 - 2 * horizon + horizon * (horizon - 1) / rows) / rows)
    found = diebold_mariano(first, second, horizon_bars=horizon)
    assert found.statistic == pytest.approx(plain * factor, rel=1e-12)
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(plain * factor), rows - 1), rel=1e-9)
    assert found.p_value_first_better == pytest.approx(stats.t.cdf(plain * factor, rows - 1))
    assert found.lags == horizon - 1


def test_one_step_is_the_t_test_of_the_difference():
    # (rows - 1) / rows in the correction turns the variance into that of Student's test.
    first, second = pair(seed=1)
    expected = stats.ttest_1samp(first - second, 0.0)
    found = diebold_mariano(first, second)
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-12)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-9)


def test_chosen_lags_are_those_of_newey_west():
    first, second = pair(rows=200, seed=2)
    options = {"maxlags": 7, "use_correction": False}
    fit = OLS(first - second, np.ones(200)).fit(cov_type="HAC", cov_kwds=options)
    found = diebold_mariano(first, second, lags=7)
    assert found.standard_error == pytest.approx(float(fit.bse[0]), rel=1e-9)


def test_a_variance_that_is_not_positive_falls_back():
    first = np.tile([1.0, -1.0], 30) + np.linspace(0.0, 0.1, 60)
    found = diebold_mariano(first, np.zeros(60), horizon_bars=2)
    assert found.lags > 1
    assert found.standard_error > 0.0


def test_size_with_overlapping_horizons():
    generator = np.random.default_rng(3)
    claims, h = 0, 6
    for _ in range(300):
        noise = generator.normal(size=(2, 500 + h - 1))
        first, second = (np.convolve(line, np.ones(h), mode="valid") for line in noise)
        claims += diebold_mariano(first, second, horizon_bars=h).p_value <= 0.05
    assert 5 <= claims <= 32  # 15 expected; beyond either has a chance below 0.3%


def test_pooled_rows_of_one_time_are_one_observation():
    first, second = pair(rows=80, seed=4)
    alone = diebold_mariano(first, second)
    order = np.random.default_rng(0).permutation(240)
    pooled = diebold_mariano(
        np.tile(first, 3)[order],
        np.tile(second, 3)[order],
        decision_time=np.tile(np.arange(80), 3)[order],
    )
    assert pooled.times == 80
    assert pooled.p_value == pytest.approx(alone.p_value, rel=1e-9)


def test_power_rule():
    first, second = pair(rows=400, seed=5)
    found = diebold_mariano(first, second + 0.3)
    times = bars_to_tell_apart(found, error_rate=0.05, power=0.8)
    reach = 1.959964 + 0.841621
    assert times == pytest.approx(400 * (reach * found.standard_error / found.mean_difference) ** 2)


def test_equal_losses_and_bad_horizons():
    first, _ = pair()
    same = diebold_mariano(first, first)
    assert math.isnan(same.statistic)
    assert math.isnan(same.p_value)
    assert math.isnan(same.p_value_first_better)
    assert math.isnan(diebold_mariano(first, first + 0.1).p_value)
    assert math.isnan(bars_to_tell_apart(same))
    with pytest.raises(ValueError, match="horizon_bars"):
        diebold_mariano(first, first, horizon_bars=60)
    with pytest.raises(ValueError, match="one length"):
        diebold_mariano(first, first[:5])
    with pytest.raises(ValueError, match="decision_time"):
        diebold_mariano(first, first, decision_time=np.arange(3))
