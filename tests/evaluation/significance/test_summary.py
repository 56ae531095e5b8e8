"""The summary holds the very figures of the functions it names."""

import json
import math

import numpy as np
import pytest

from ultimate_deep.evaluation.json_safe import json_safe
from ultimate_deep.evaluation.measures import returns
from ultimate_deep.evaluation.significance import sharpe
from ultimate_deep.evaluation.significance.summary import sharpe_significance


def test_figures_are_those_of_the_single_functions():
    net = np.random.default_rng(0).standard_t(6, size=1500) * 0.01 + 0.0008
    found = sharpe_significance(
        net, bars_per_year=252.0, trials=40, trial_sharpe_variance_per_bar=0.0012, confidence=0.9
    )
    skewness, kurtosis = sharpe.return_moments(net)
    shape = {"skewness": skewness, "kurtosis": kurtosis}
    ratio = returns.sharpe(net, bars_per_year=1.0)
    best = sharpe.expected_maximum_sharpe(trials=40, trial_sharpe_variance=0.0012)
    assert found.per_year == returns.sharpe(net, bars_per_year=252.0)
    assert found.per_bar == ratio
    assert found.probabilistic == sharpe.probabilistic_sharpe(ratio, bars=1500, **shape)
    assert found.deflated == sharpe.deflated_sharpe(
        ratio, bars=1500, trials=40, trial_sharpe_variance_per_bar=0.0012, **shape
    )
    assert found.expected_maximum_per_year == pytest.approx(best * math.sqrt(252.0))
    assert found.minimum_track_record_bars == sharpe.minimum_track_record_bars(
        ratio, confidence=0.9, **shape
    )
    assert found.dependent_standard_error_per_year == pytest.approx(
        sharpe.dependent_sharpe_standard_error(net) * math.sqrt(252.0)
    )
    at_length = sharpe.probabilistic_sharpe(
        ratio, bars=found.deflated_track_record_bars, benchmark_per_bar=best, **shape
    )
    assert math.isinf(found.deflated_track_record_bars) or at_length == pytest.approx(0.9)


def test_trials_only_lower_the_confidence():
    net = np.random.default_rng(1).normal(size=2000) * 0.01 + 0.0005
    alone = sharpe_significance(net, bars_per_year=252.0)
    assert alone.trials == 1
    assert alone.deflated == alone.probabilistic
    assert alone.trial_sharpe_variance_per_bar == pytest.approx(1 / 1999)
    many = [sharpe_significance(net, bars_per_year=252.0, trials=count) for count in (10, 1000)]
    assert alone.deflated > many[0].deflated > many[1].deflated


def test_deflation_keeps_its_promise_for_the_best_of_noise():
    generator = np.random.default_rng(2)
    claims = 0
    for _ in range(100):
        trials = generator.normal(size=(500, 30))
        ratios = trials.mean(axis=0) / trials.std(axis=0, ddof=1)
        best = trials[:, ratios.argmax()]
        found = sharpe_significance(
            best, bars_per_year=252.0, trials=30, trial_sharpe_variance_per_bar=ratios.var(ddof=1)
        )
        assert found.probabilistic > 0.8  # without deflation nearly every noise looks good
        claims += found.deflated > 0.95
    assert claims <= 6


def test_overlap_is_worth_fewer_bars():
    noise = np.random.default_rng(3).normal(size=6000) * 0.01 + 0.0002
    overlapping = np.convolve(noise, np.ones(10) / 10, mode="valid")
    found = sharpe_significance(overlapping, bars_per_year=252.0, horizon_bars=10)
    assert found.independent_bars < 0.3 * found.bars
    assert abs(found.dependent_probabilistic - 0.5) < abs(found.probabilistic - 0.5)


def test_an_account_that_never_traded_has_no_figures():
    found = sharpe_significance(np.zeros(100), bars_per_year=252.0, trials=5)
    for name in ("per_year", "probabilistic", "deflated", "minimum_track_record_bars", "kurtosis"):
        assert math.isnan(getattr(found, name))
    assert found.expected_maximum_per_year > 0.0
    plain = json.loads(json.dumps(json_safe(found)))
    assert plain["deflated"] is None
    assert plain["bars"] == 100
    with pytest.raises(ValueError, match="at least one row"):
        sharpe_significance([], bars_per_year=252.0)
    with pytest.raises(ValueError, match="bars_per_year"):
        sharpe_significance([0.1, 0.2], bars_per_year=0.0)
