"""Effective trials: closed forms at both ends, and the average over an explicit matrix."""

import math

import numpy as np
import pytest

from ultimate_deep.evaluation.significance.effective_trials import (
    average_correlation,
    effective_trials_by_correlation,
    effective_trials_by_eigenvalues,
)

COUNTS = [effective_trials_by_correlation, effective_trials_by_eigenvalues]


def common(rows, trials, correlation, seed=0):
    generator = np.random.default_rng(seed)
    shared = math.sqrt(correlation) * generator.normal(size=(rows, 1))
    return shared + math.sqrt(1.0 - correlation) * generator.normal(size=(rows, trials))


def test_average_is_that_of_the_matrix():
    returns = common(500, 12, 0.3) * np.arange(1, 13) + 7.0
    matrix = np.corrcoef(returns.T)
    expected = matrix[~np.eye(12, dtype=bool)].mean()
    assert average_correlation(returns) == pytest.approx(expected, abs=1e-12)
    assert math.isnan(average_correlation(returns[:, :1]))


def test_participation_is_that_of_the_eigenvalues():
    for rows, trials in ((300, 20), (15, 20)):
        returns = common(rows, trials, 0.4)
        eigenvalues = np.linalg.eigvalsh(np.corrcoef(returns.T))
        expected = eigenvalues.sum() ** 2 / np.square(eigenvalues).sum()
        assert effective_trials_by_eigenvalues(returns) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("count", COUNTS)
def test_equal_trials_count_once_and_independent_ones_fully(count):
    single = np.random.default_rng(1).normal(size=(400, 1))
    assert count(single) == pytest.approx(1.0)
    assert count(single * np.arange(1.0, 9.0)) == pytest.approx(1.0)
    assert count(common(200_000, 8, 0.0)) == pytest.approx(8.0, rel=0.01)
    half = count(common(100_000, 8, 0.5))
    assert 1.0 < half < 5.0


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("trials", [2, 3, 7, 60])
def test_rounding_never_carries_a_count_beyond_its_ends(count, trials):
    """The ledger refuses less than one trial, or more than there are."""
    rng = np.random.default_rng(trials)
    # Orthogonal but for the last bit.
    waves = np.cos(np.outer(np.arange(256) + 0.5, np.arange(1, trials + 1)) * np.pi / 256)
    for _ in range(200):
        one = rng.normal(size=(rng.integers(2, 40), 1)) * 10.0 ** rng.integers(-4, 3)
        equal = np.repeat(one, trials, axis=1)
        assert average_correlation(equal) <= 1.0
        for table in (equal, one * rng.uniform(0.1, 9.0, size=trials), waves * one[0]):
            assert 1.0 <= count(table) <= trials


def test_families_of_equal_trials():
    families = np.repeat(np.random.default_rng(2).normal(size=(50_000, 4)), 5, axis=1)
    assert effective_trials_by_eigenvalues(families) == pytest.approx(4.0, rel=0.01)
    assert effective_trials_by_correlation(families) > 15  # strict, as documented


@pytest.mark.parametrize("count", COUNTS)
def test_bad_tables_are_named(count):
    table = common(50, 3, 0.0)
    flat = table.copy()
    flat[:, 1] = 0.0
    with pytest.raises(ValueError, match="throughout column 1"):
        count(flat)
    table[4, 2] = math.nan
    with pytest.raises(ValueError, match="row 4, column 2"):
        count(table)
    with pytest.raises(ValueError, match="shape"):
        count(table[:, 0])
