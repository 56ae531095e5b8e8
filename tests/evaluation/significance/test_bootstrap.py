"""Block bootstrap: block lengths against theory, sums against indices, intervals against truth."""

import math

import numpy as np
import pytest
from scipy import stats

from ultimate_deep.evaluation.significance import bootstrap


def autoregression(rows, phi, seed):
    noise = np.random.default_rng(seed).normal(size=rows)
    for row in range(1, rows):
        noise[row] += phi * noise[row - 1]
    return noise


@pytest.mark.parametrize("phi", [0.3, 0.6, -0.4])
def test_block_length_follows_the_closed_form_of_an_autoregression(phi):
    # Politis & White (2004): (2 |phi| / (1 - phi^2))^(2/3) rows^(1/3) for AR(1).
    rows = 20_000
    theory = (2 * abs(phi) / (1 - phi**2)) ** (2 / 3) * rows ** (1 / 3)
    found = np.median(
        [bootstrap.optimal_block_bars(autoregression(rows, phi, seed)) for seed in range(9)]
    )
    assert found == pytest.approx(theory, rel=0.15)  # estimation error of the median of nine


def test_block_length_of_noise_and_of_degenerate_series():
    noise = np.random.default_rng(0).normal(size=5000)
    assert bootstrap.optimal_block_bars(noise) < 6
    assert bootstrap.optimal_block_bars(np.ones(100)) == 1.0
    assert bootstrap.optimal_block_bars([1.0, 2.0]) == 1.0
    trend = np.arange(400.0)
    assert bootstrap.optimal_block_bars(trend) <= math.ceil(3 * math.sqrt(400))


def test_blocks_cover_the_horizon_and_stay_below_a_third():
    noise = np.random.default_rng(0).normal(size=(1000, 2))
    assert bootstrap.block_bars_for(noise, horizon_bars=24) >= 48
    assert bootstrap.block_bars_for(noise[:30], horizon_bars=24) == 10
    assert bootstrap.block_bars_for(noise[:1]) == 1


def test_indices_are_runs_with_the_asked_mean_length():
    indices = bootstrap.stationary_indices(500, block_bars=8.0, resamples=400, seed=1)
    assert indices.shape == (400, 500)
    assert indices.min() == 0
    assert indices.max() == 499
    follows = (indices[:, 1:] - indices[:, :-1]) % 500 == 1
    # A break comes with chance 1/8, and one break in 500 continues the run by luck.
    assert follows.mean() == pytest.approx(1 - (1 / 8) * (1 - 1 / 500), abs=0.005)
    frequency = np.bincount(indices.ravel(), minlength=500) / indices.size
    np.testing.assert_allclose(frequency, 1 / 500, rtol=0.5)


@pytest.mark.parametrize("block_bars", [1.0, 7.5, 40.0])
def test_sums_are_those_of_the_resampled_rows(block_bars):
    table = np.random.default_rng(2).normal(size=(300, 2)) + 1e6
    indices = bootstrap.stationary_indices(300, block_bars=block_bars, resamples=50, seed=9)
    sums = bootstrap.bootstrap_sums(table, block_bars=block_bars, resamples=50, seed=9)
    np.testing.assert_allclose(sums, table[indices].sum(axis=1), rtol=1e-12)


def test_same_seed_same_interval():
    noise = np.random.default_rng(0).normal(size=400)
    assert bootstrap.mean_interval(noise, seed=3) == bootstrap.mean_interval(noise, seed=3)
    assert bootstrap.mean_interval(noise, seed=3) != bootstrap.mean_interval(noise, seed=4)


def test_standard_error_of_independent_rows_is_the_textbook_one():
    noise = np.random.default_rng(0).normal(size=5000)
    interval = bootstrap.mean_interval(noise)
    # About 290 blocks: the relative error of a standard error is near sqrt(1 / 580) = 4%.
    assert interval.standard_error == pytest.approx(noise.std() / math.sqrt(5000), rel=0.15)
    assert interval.lower < interval.estimate < interval.upper


def test_intervals_cover_the_mean_of_overlapping_returns():
    horizon, rows, missed = 8, 1500, 0
    for seed in range(200):
        steps = np.random.default_rng(seed).normal(size=rows + horizon - 1)
        overlapping = np.convolve(steps, np.ones(horizon), mode="valid")
        interval = bootstrap.mean_interval(
            overlapping, level=0.9, horizon_bars=horizon, resamples=400, seed=seed
        )
        missed += not interval.lower <= 0.0 <= interval.upper
    # Designed for 20 of 200. An ordinary bootstrap misses about 110.
    assert missed <= stats.binom.ppf(0.9999, 200, 0.15)


def test_any_statistic_can_be_judged():
    table = np.random.default_rng(0).normal(size=(400, 2))
    table[:, 1] += table[:, 0]
    interval = bootstrap.statistic_interval(
        lambda rows: float(np.corrcoef(rows.T)[0, 1]), table, resamples=300
    )
    assert interval.lower < interval.estimate < interval.upper
    assert interval.lower < math.sqrt(0.5) < interval.upper
    undefined = bootstrap.statistic_interval(lambda rows: math.nan, table, resamples=3)
    assert math.isnan(undefined.lower)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"block_bars": 0.5, "resamples": 10}, "block_bars must lie between 1 and the 3 rows"),
        ({"block_bars": 4.0, "resamples": 10}, "block_bars must lie between"),
        ({"block_bars": 1.0, "resamples": 0}, "resamples must be at least 1"),
    ],
)
def test_bad_settings_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        bootstrap.bootstrap_sums(np.ones((3, 1)), seed=0, **arguments)


def test_bad_values_are_named():
    with pytest.raises(ValueError, match=r"shape \(rows, columns\), got \(3,\)"):
        bootstrap.bootstrap_sums(np.ones(3), block_bars=1.0, resamples=2, seed=0)
    with pytest.raises(ValueError, match="must be finite, got nan at row 1"):
        bootstrap.mean_interval([1.0, np.nan])
    with pytest.raises(ValueError, match="at least one row"):
        bootstrap.mean_interval([])
    with pytest.raises(ValueError, match=r"level must lie in \(0, 1\)"):
        bootstrap.mean_interval([1.0, 2.0], level=98.0)
