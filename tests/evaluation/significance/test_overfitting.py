"""CSCV: every combination written out on small tables, noise, a good trial, ties and errors."""

import json
import math
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from ultimate_deep.evaluation.json_safe import json_safe
from ultimate_deep.evaluation.significance.overfitting import backtest_overfitting, cscv_draws


def by_hand(returns, blocks):
    parts = np.split(returns, blocks)
    rows = []
    for chosen in combinations(range(blocks), blocks // 2):
        inside = np.concatenate([parts[block] for block in chosen])
        outside = np.concatenate([part for k, part in enumerate(parts) if k not in chosen])
        first, second = (part.mean(axis=0) / part.std(axis=0, ddof=1) for part in (inside, outside))
        best = int(first.argmax())
        rank = stats.rankdata(second)[best]
        share = rank / (returns.shape[1] + 1)
        rows.append((best, first[best], second[best], math.log(share / (1 - share))))
    return np.array(rows)


@pytest.mark.parametrize(("rows", "trials", "blocks"), [(60, 5, 6), (64, 2, 8), (120, 9, 4)])
def test_draws_are_those_written_out(rows, trials, blocks):
    # Large means: block moments must not lose digits.
    returns = np.random.default_rng(rows).normal(size=(rows, trials)) + 50.0
    draws = cscv_draws(returns, blocks=blocks)
    expected = by_hand(returns, blocks)
    np.testing.assert_array_equal(draws.selected, expected[:, 0])
    np.testing.assert_allclose(draws.in_sample, expected[:, 1], rtol=1e-9)
    np.testing.assert_allclose(draws.out_of_sample, expected[:, 2], rtol=1e-9)
    np.testing.assert_allclose(draws.logit, expected[:, 3], rtol=0, atol=1e-12)
    found = backtest_overfitting(returns, blocks=blocks)
    assert found.probability == (expected[:, 3] <= 0).mean()
    assert found.probability_of_loss == (expected[:, 2] < 0).mean()
    line = stats.linregress(expected[:, 1], expected[:, 2])
    assert found.degradation_slope == pytest.approx(line.slope, rel=1e-6)
    assert found.degradation_intercept == pytest.approx(line.intercept, rel=1e-6)
    assert found.degradation_r2 == pytest.approx(line.rvalue**2, rel=1e-6)


def test_chunks_change_nothing(monkeypatch):
    returns = np.random.default_rng(1).normal(size=(97, 7))
    whole = cscv_draws(returns, blocks=8)
    monkeypatch.setattr("ultimate_deep.evaluation.significance.overfitting._CHUNK_CELLS", 30)
    parts = cscv_draws(returns, blocks=8)
    np.testing.assert_array_equal(whole.selected, parts.selected)
    np.testing.assert_allclose(whole.logit, parts.logit)


def test_noise_is_a_coin_and_a_good_trial_is_none():
    generator = np.random.default_rng(2)
    noise = [
        backtest_overfitting(generator.normal(size=(400, 20)), blocks=8).probability
        for _ in range(60)
    ]
    assert np.mean(noise) == pytest.approx(0.5, abs=0.1)  # spread of one is about 0.25
    good = generator.normal(size=(1600, 50)) * 0.01
    good[:, 17] += 0.002
    found = backtest_overfitting(good)
    assert found.probability < 0.01
    assert found.probability_of_loss < 0.01
    assert (found.combinations, found.blocks, found.trials) == (12_870, 16, 50)
    assert sum(found.logit_counts) == found.combinations


def test_a_trial_that_rests_in_a_half_counts_as_zero_there():
    generator = np.random.default_rng(3)
    returns = generator.normal(size=(80, 3)) * 0.01
    returns[:40, 0] = 0.0  # trades in the second half only
    draws = cscv_draws(returns, blocks=2)
    first = returns[:40].mean(axis=0) / returns[:40, :].std(axis=0, ddof=1).clip(1e-9)
    assert draws.in_sample[0] == pytest.approx(max(0.0, *first[1:]))
    assert np.isfinite(draws.logit).all()


def test_summary_is_json():
    found = backtest_overfitting(np.random.default_rng(4).normal(size=(40, 3)), blocks=4)
    assert json.loads(json.dumps(json_safe(found)))["trials"] == 3


@pytest.mark.parametrize(
    ("shape", "blocks", "message"),
    [
        ((100, 3), 5, "even"),
        ((100, 3), 22, "even"),
        ((30, 3), 16, "at least 32 rows"),
        ((100, 1), 4, "2 columns"),
    ],
)
def test_errors_say_what_is_missing(shape, blocks, message):
    with pytest.raises(ValueError, match=message):
        backtest_overfitting(np.random.default_rng(0).normal(size=shape), blocks=blocks)
