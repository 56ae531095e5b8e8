"""Tests over many models: arch itself, Hansen's statistic written out, orientation, size, power."""

import math

import numpy as np
import pandas as pd
import pytest
from arch.bootstrap import MCS, StationaryBootstrap
from arch.bootstrap import RealityCheck as ArchRealityCheck

from ultimate_deep.evaluation.significance.multiple_comparison import (
    Resampling,
    model_confidence_set,
    reality_check,
    superior_predictive_ability,
)

# Blocks this short are not gathered into buckets, so that arch sees the very rows.
SHORT = Resampling(block_bars=5.0, resamples=300)
QUICK = Resampling(resamples=200)


def losses(rows=250, lead=(0.0, 0.1, -0.3), scale=(1.0, 0.2, 5.0), seed=0):
    noise = np.random.default_rng(seed).normal(size=(rows, len(lead) + 1))
    return noise[:, 0] + 2.0, 2.0 - np.array(lead) + noise[:, 1:] * np.array(scale)


def test_reality_check_is_that_of_arch():
    benchmark, models = losses()
    test = ArchRealityCheck(benchmark, models, block_size=5, reps=300, seed=3)
    test.compute()
    found = reality_check(benchmark, models, seed=3, resampling=SHORT)
    assert found.p_value == pytest.approx((300 * test.pvalues["upper"] + 1) / 301)


def test_superior_ability_is_hansens_statistic_written_out():
    benchmark, models = losses(lead=(0.05, 0.02, -1.5), scale=(0.3, 0.2, 5.0))
    gains = benchmark[:, None] - models
    rows, mean = len(gains), gains.mean(axis=0)
    centred, stay = gains - mean, 1.0 - 1.0 / 5.0
    variance = (centred**2).mean(axis=0)
    for lag in range(1, rows):
        weight = (1 - lag / rows) * stay**lag + lag / rows * stay ** (rows - lag)
        variance += 2 * weight * (centred[:-lag] * centred[lag:]).sum(axis=0) / rows
    deviation = np.sqrt(variance)
    threshold = -deviation * np.sqrt(2 * math.log(math.log(rows)) / rows)
    assert (mean < threshold).any()  # a poor model, which tells the three p-values apart
    bootstrap = StationaryBootstrap(5, gains, seed=3)
    drawn = np.array([data[0][0].mean(axis=0) for data in bootstrap.bootstrap(300)])
    found = superior_predictive_ability(benchmark, models, seed=3, resampling=SHORT)
    statistic = (mean / deviation).max()
    for centre, p_value in (
        (np.maximum(mean, 0.0), found.p_value_lower),
        (np.where(mean >= threshold, mean, 0.0), found.p_value),
        (mean, found.p_value_upper),
    ):
        null = ((drawn - centre) / deviation).max(axis=1)
        assert p_value == pytest.approx(((null > statistic).sum() + 1) / 301)
    assert found.best_t == pytest.approx(statistic * math.sqrt(rows))
    assert found.p_value_lower < found.p_value_upper


def test_confidence_set_is_that_of_arch():
    _, models = losses(lead=(0.0, 0.02, -0.4, -0.01), scale=(0.3, 0.3, 0.3, 0.3))
    test = MCS(models, size=0.1, block_size=5, reps=300, seed=3)
    test.compute()
    frame = pd.DataFrame(models, columns=["a", "b", "c", "d"])
    found = model_confidence_set(frame, error_rate=0.1, seed=3, resampling=SHORT)
    assert found.included == tuple("abcd"[model] for model in test.included)
    for model, p_value in test.pvalues["Pvalue"].items():
        assert found.p_values["abcd"[model]] == p_value
    assert "c" not in found.included
    assert found.mean_losses["b"] == pytest.approx(models[:, 1].mean())


def test_less_loss_is_better():
    benchmark, models = losses(rows=300, lead=(0.0, 0.5, -0.5), scale=(1.0, 1.0, 1.0))
    frame = pd.DataFrame(models, columns=["same", "better", "worse"])
    for test in (reality_check, superior_predictive_ability):
        found = test(benchmark, frame, resampling=QUICK)
        assert found.p_value < 0.01
        assert found.best == "better"
        assert found.best_gain == pytest.approx((benchmark - models[:, 1]).mean())
        # With the sides exchanged nothing beats the good one.
        assert test(models[:, 1], frame.drop(columns="better"), resampling=QUICK).p_value == 1.0
    assert superior_predictive_ability(benchmark, frame, resampling=QUICK).superior == ("better",)
    assert model_confidence_set(frame, resampling=QUICK).included == ("better",)


def test_a_loud_poor_model_hides_the_good_one_only_without_standard_errors():
    generator = np.random.default_rng(5)
    quiet = 0.05 * generator.normal(size=(800, 1)) - 0.01
    loud = 20.0 * generator.normal(size=(800, 3))
    models = np.hstack([quiet, loud])
    assert reality_check(np.zeros(800), models, resampling=QUICK).p_value > 0.2
    found = superior_predictive_ability(np.zeros(800), models, resampling=QUICK)
    assert found.p_value < 0.01
    assert found.superior == ("0",)


def test_size_and_power_under_dependence():
    generator = np.random.default_rng(6)
    quick = Resampling(resamples=100)
    claims = {0.0: 0, 0.6: 0}
    for lead in claims:
        for _ in range(40 if lead == 0.0 else 15):
            noise = generator.normal(size=(250, 4))
            for row in range(1, 250):
                noise[row] += 0.5 * noise[row - 1]
            noise[:, 2] -= lead
            found = superior_predictive_ability(np.zeros(250), noise, resampling=quick)
            claims[lead] += found.p_value <= 0.1
    assert claims[0.0] <= 10  # of 40 at a rate of 0.1: more has a chance of 0.2%
    assert claims[0.6] >= 12


def test_buckets_hardly_move_the_p_value():
    benchmark, models = losses(rows=1500, lead=(0.02, 0.03, 0.0), scale=(0.5, 0.5, 0.5))
    fine = Resampling(block_bars=7.9, resamples=600)
    coarse = Resampling(block_bars=8.1, resamples=600)  # pairs of rows
    one, other = (
        superior_predictive_ability(benchmark, models, resampling=way) for way in (fine, coarse)
    )
    assert one.p_value == pytest.approx(other.p_value, abs=0.08)
    assert one.best_t == pytest.approx(other.best_t, rel=0.05)


def test_pooled_rows_of_one_time_are_one_observation():
    benchmark, models = losses(rows=400, lead=(0.05, 0.0), scale=(1.0, 1.0))
    time = np.arange(400)
    alone = superior_predictive_ability(benchmark, models, resampling=SHORT)
    order = np.random.default_rng(0).permutation(1200)
    thrice = (
        np.tile(values, (3, *[1] * (values.ndim - 1)))[order] for values in (benchmark, models)
    )
    pooled = superior_predictive_ability(
        *thrice, decision_time=np.tile(time, 3)[order], resampling=SHORT
    )
    assert pooled.times == 400
    assert pooled.p_value == alone.p_value
    assert pooled.best_t == pytest.approx(alone.best_t)


def test_errors_name_the_rule():
    benchmark, models = losses(rows=40)
    with pytest.raises(ValueError, match="at least 20 rows"):
        reality_check(benchmark[:10], models[:10])
    with pytest.raises(ValueError, match="throughout column 1"):
        reality_check(benchmark, np.column_stack([models[:, 0], benchmark + 0.1]))
    with pytest.raises(ValueError, match="one length"):
        reality_check(benchmark[:30], models)
    with pytest.raises(ValueError, match="a name of its own"):
        reality_check(benchmark, pd.DataFrame(models, columns=["a", "a", "b"]))
    with pytest.raises(ValueError, match="differ by a constant"):
        model_confidence_set(np.column_stack([models, models[:, 0] + 1.0]))
    with pytest.raises(ValueError, match="at most 100"):
        model_confidence_set(np.random.default_rng(0).normal(size=(30, 101)))
    with pytest.raises(ValueError, match="2 columns"):
        model_confidence_set(models[:, :1])
    models[3, 1] = math.nan
    with pytest.raises(ValueError, match="row 3, column 1"):
        superior_predictive_ability(benchmark, models)
    with pytest.raises(ValueError, match="error_rate"):
        superior_predictive_ability(benchmark, models, error_rate=0.0)
    with pytest.raises(ValueError, match="block_bars"):
        reality_check(benchmark, models[:, :1], resampling=Resampling(block_bars=0.5))
    with pytest.raises(ValueError, match="at least 100"):
        Resampling(resamples=10)


def test_models_that_are_all_superior_in_several_steps_are_all_found():
    noise = np.random.default_rng(5).normal(size=(600, 2))
    noise = (noise - noise.mean(axis=0)) / noise.std(axis=0)
    # 1.8 standard errors fall short of the bound for two models, not of that for one.
    gains = noise + np.array([20.0, 1.8]) / np.sqrt(600)
    rows = Resampling(block_bars=1.0)
    found = superior_predictive_ability(np.zeros(600), -gains, seed=1, resampling=rows)
    assert found.superior == ("0", "1")
