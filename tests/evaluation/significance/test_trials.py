"""Every trial deflated: the single functions column by column, resting trials, errors."""

import math

import numpy as np
import pytest

from ultimate_deep.evaluation.significance.sharpe import deflated_sharpe, return_moments
from ultimate_deep.evaluation.significance.trials import deflate_trials


def test_columns_are_those_of_the_single_function():
    table = np.random.default_rng(0).standard_t(5, size=(400, 6)) * 0.01 + 0.001
    table[:, 4] = 0.0  # never traded: counted, but has no ratio
    found = deflate_trials(table)
    others = [0, 1, 2, 3, 5]
    ratios = table[:, others].mean(axis=0) / table[:, others].std(axis=0, ddof=1)
    np.testing.assert_allclose(found.sharpe_per_bar[others], ratios)
    assert found.trials == 6
    assert found.trial_sharpe_variance_per_bar == pytest.approx(ratios.var(ddof=1))
    for column, ratio in zip(others, ratios, strict=True):
        skewness, kurtosis = return_moments(table[:, column])
        assert found.deflated[column] == pytest.approx(
            deflated_sharpe(
                ratio,
                bars=400,
                trials=6,
                trial_sharpe_variance_per_bar=ratios.var(ddof=1),
                skewness=skewness,
                kurtosis=kurtosis,
            )
        )
    assert math.isnan(found.sharpe_per_bar[4])
    assert math.isnan(found.deflated[4])
    assert found.best == others[int(ratios.argmax())]
    assert deflate_trials(table, trials=2.5).deflated[0] > found.deflated[0]


def test_one_good_trial_among_noise_survives_and_noise_does_not():
    table = np.random.default_rng(1).normal(size=(2000, 200)) * 0.01
    assert np.nanmax(deflate_trials(table).deflated) < 0.95
    table[:, 7] += 0.0015
    found = deflate_trials(table)
    assert found.best == 7
    assert found.deflated[7] > 0.95
    assert (np.delete(found.deflated, 7) < 0.95).all()


def test_errors_name_the_rule():
    with pytest.raises(ValueError, match="at least two trials"):
        deflate_trials(np.zeros((10, 3)))
    with pytest.raises(ValueError, match="2 columns"):
        deflate_trials(np.ones((10, 1)))
