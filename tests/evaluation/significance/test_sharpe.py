"""Sharpe ratios against their papers' worked examples and against simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from ultimate_deep.evaluation.measures.returns import sharpe
from ultimate_deep.evaluation.significance.sharpe import (
    deflated_sharpe,
    dependent_sharpe_standard_error,
    expected_maximum_sharpe,
    minimum_track_record_bars,
    probabilistic_sharpe,
    return_moments,
    sharpe_standard_error,
)


def autoregression(rows, phi, generator, paths=1):
    noise = generator.normal(size=(rows, paths))
    for row in range(1, rows):
        noise[row] += phi * noise[row - 1]
    return noise


def test_deflated_sharpe_of_the_paper():
    # Bailey & Lopez de Prado (2014): 100 trials whose yearly ratios have variance 1/2, the best
    # 2.5 a year over 1,250 days of 250 a year, skewness -3, kurtosis 10.
    daily, variance = 2.5 / math.sqrt(250), 0.5 / 250
    assert daily == pytest.approx(0.1581, abs=5e-5)
    best = expected_maximum_sharpe(trials=100, trial_sharpe_variance=variance)
    assert best == pytest.approx(0.1132, abs=5e-5)
    deflated = deflated_sharpe(
        daily,
        bars=1250,
        trials=100,
        trial_sharpe_variance_per_bar=variance,
        skewness=-3,
        kurtosis=10,
    )
    assert deflated == pytest.approx(0.9004, abs=5e-5)


def test_probabilistic_sharpe_of_the_paper():
    # Bailey & Lopez de Prado (2012): a hedge fund's two years of months.
    assert probabilistic_sharpe(0.458, bars=24, skewness=-2.448, kurtosis=10.164) == pytest.approx(
        0.913, abs=5e-4
    )
    assert probabilistic_sharpe(0.458, bars=24) == pytest.approx(0.982, abs=5e-4)


@pytest.mark.parametrize(("bars_per_year", "years"), [(252, 2.73), (52, 2.83), (12, 3.24)])
def test_minimum_track_record_of_the_paper(bars_per_year, years):
    # A yearly ratio of 2 above one of 1 at 95%, for daily, weekly and monthly normal returns.
    root = math.sqrt(bars_per_year)
    bars = minimum_track_record_bars(2 / root, benchmark_per_bar=1 / root, confidence=0.95)
    assert bars / bars_per_year == pytest.approx(years, abs=5e-3)


def test_at_the_minimum_track_record_the_confidence_is_reached():
    shape = {"benchmark_per_bar": 0.02, "skewness": -1.2, "kurtosis": 7.0}
    bars = minimum_track_record_bars(0.05, confidence=0.97, **shape)
    assert probabilistic_sharpe(0.05, bars=bars, **shape) == pytest.approx(0.97, abs=1e-12)
    assert minimum_track_record_bars(0.02, benchmark_per_bar=0.02) == math.inf
    assert math.isnan(minimum_track_record_bars(math.nan))


@pytest.mark.parametrize("trials", [10, 100, 1000])
def test_expected_maximum_is_that_of_normal_draws(trials):
    draws = np.random.default_rng(0).normal(scale=0.3, size=(4000, trials)).max(axis=1)
    # The approximation of the theorem itself is 2% off at ten trials and less beyond.
    expected = expected_maximum_sharpe(trials=trials, trial_sharpe_variance=0.09)
    assert expected == pytest.approx(draws.mean(), rel=0.025)


def test_few_trials_and_bad_arguments():
    assert expected_maximum_sharpe(trials=1, trial_sharpe_variance=1.0) == 0.0
    assert expected_maximum_sharpe(trials=1.1, trial_sharpe_variance=1.0) == 0.0
    assert expected_maximum_sharpe(trials=1e9, trial_sharpe_variance=1.0) == pytest.approx(
        6.1, abs=0.1
    )
    with pytest.raises(ValueError, match="count this one too"):
        expected_maximum_sharpe(trials=0, trial_sharpe_variance=1.0)
    with pytest.raises(ValueError, match="must not be negative"):
        expected_maximum_sharpe(trials=2, trial_sharpe_variance=-1.0)
    with pytest.raises(ValueError, match="not the excess"):
        probabilistic_sharpe(0.1, bars=100, kurtosis=0.0)
    with pytest.raises(ValueError, match="confidence"):
        minimum_track_record_bars(0.1, confidence=1.0)


def test_moments_are_those_of_scipy():
    returns = np.random.default_rng(1).standard_t(5, size=2000) ** 3
    skewness, kurtosis = return_moments(returns)
    assert skewness == pytest.approx(stats.skew(returns), rel=1e-12)
    assert kurtosis == pytest.approx(stats.kurtosis(returns, fisher=False), rel=1e-12)
    assert all(math.isnan(moment) for moment in return_moments(np.full(10, 0.01)))


def test_standard_error_is_the_spread_over_samples_with_skewness():
    generator = np.random.default_rng(2)
    returns = -generator.exponential(size=(4000, 400)) + 1.3  # skewness -2, kurtosis 9
    ratios = returns.mean(axis=1) / returns.std(axis=1, ddof=1)
    error = sharpe_standard_error(0.3, bars=400, skewness=-2.0, kurtosis=9.0)
    assert error == pytest.approx(ratios.std(), rel=0.04)  # 4,000 samples: 1.1%, bias: 2%
    plain = sharpe_standard_error(0.3, bars=400)
    assert plain < 0.9 * error


def test_dependent_error_without_lags_is_the_formula_at_the_returns_moments():
    returns = np.random.default_rng(3).standard_t(6, size=3000) + 0.2
    skewness, kurtosis = return_moments(returns)
    ratio = returns.mean() / returns.std()
    formula = sharpe_standard_error(ratio, bars=3001, skewness=skewness, kurtosis=kurtosis)
    # The function's own ratio loses a degree of freedom: 1 / 6000 of a small term.
    assert dependent_sharpe_standard_error(returns, lags=0) == pytest.approx(formula, rel=1e-4)


def test_dependent_error_is_the_spread_over_autocorrelated_samples():
    generator = np.random.default_rng(4)
    paths = autoregression(1500, 0.5, generator, paths=600).T + 0.1
    ratios = paths.mean(axis=1) / paths.std(axis=1, ddof=1)
    errors = [dependent_sharpe_standard_error(path) for path in paths[:60]]
    spread = ratios.std()
    # Falling weights leave out some of the dependence: 10% at this length and dependence.
    assert np.mean(errors) == pytest.approx(spread, rel=0.15)
    naive = sharpe_standard_error(0.1 * math.sqrt(0.75), bars=1500)
    assert naive < 0.65 * spread


def test_what_does_not_vary_has_no_sharpe():
    flat = np.zeros(50)
    assert math.isnan(sharpe(flat, bars_per_year=1.0))
    assert math.isnan(dependent_sharpe_standard_error(flat))
    assert math.isnan(probabilistic_sharpe(math.nan, bars=50))
    assert math.isnan(probabilistic_sharpe(0.1, bars=1))
