"""Measures of several horizons and classes against scikit-learn, SciPy and known answers."""

import math

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as reference

from ultimate_deep.evaluation.forecasts.coefficients import forecast_coefficient
from ultimate_deep.evaluation.forecasts.confidence import (
    accuracy_by_confidence,
    area_under_accuracy,
)
from ultimate_deep.evaluation.forecasts.quantiles import (
    coverage,
    crossing_share,
    crps,
    interval_coverage,
    pinball,
)
from ultimate_deep.evaluation.forecasts.table import (
    Forecasts,
    called,
    confusion_table,
    forecast_table,
    probability_of_logits,
    quantile_table,
    reliability_table,
)
from ultimate_deep.evaluation.measures import metrics
from ultimate_deep.evaluation.measures.classes import (
    accuracy_of,
    class_confusion,
    f1_of,
    mcc_of,
    precision_of,
    recall_of,
)


def drawn(classes, rows=600, horizons=2, seed=0):
    generator = np.random.default_rng(seed)
    shape = (rows, horizons) if classes == 2 else (rows, horizons, classes)
    logits = generator.normal(size=shape)
    returns = generator.normal(size=(rows, horizons))
    labels = generator.integers(0, classes, (rows, horizons)).astype(float)
    up = logits if classes == 2 else logits[..., -1] - logits[..., 0]
    labels[up > 1.0] = classes - 1  # so that there is something to find
    returns[up > 1.0] += 1.5
    return labels, probability_of_logits(logits), returns


def value(table, of, metric, horizon=0):
    found = table.query("horizon == @horizon and of == @of and metric == @metric")["value"]
    assert len(found) == 1
    return float(found.iloc[0])


@pytest.mark.parametrize("classes", [2, 3])
def test_measures_of_a_confusion_matrix_agree_with_scikit_learn(classes):
    generator = np.random.default_rng(classes)
    label, guess = generator.integers(0, classes, (2, 500))
    guess[:200] = label[:200]
    counts = class_confusion(label, guess, classes=classes)
    np.testing.assert_array_equal(counts, reference.confusion_matrix(label, guess))
    assert accuracy_of(counts) == reference.accuracy_score(label, guess)
    for ours, theirs in (
        (precision_of, reference.precision_score),
        (recall_of, reference.recall_score),
        (f1_of, reference.f1_score),
    ):
        np.testing.assert_allclose(ours(counts), theirs(label, guess, average=None), rtol=1e-12)
    assert mcc_of(counts) == pytest.approx(reference.matthews_corrcoef(label, guess), rel=1e-12)


def test_what_is_undefined_is_nan_and_what_is_missed_is_zero():
    counts = class_confusion([0, 0, 2], [0, 2, 0], classes=3)
    np.testing.assert_array_equal(precision_of(counts), [0.5, math.nan, 0.0])
    np.testing.assert_array_equal(recall_of(counts), [0.5, math.nan, 0.0])
    np.testing.assert_array_equal(f1_of(counts), [0.5, math.nan, 0.0])
    assert math.isnan(mcc_of(class_confusion([0, 1], [1, 1], classes=2)))
    with pytest.raises(ValueError, match=r"class from 0 to 1, got 2\.0 at row 1"):
        class_confusion([0, 2], [0, 1], classes=2)
    with pytest.raises(ValueError, match=r"shape \(classes, classes\)"):
        mcc_of(np.ones((2, 3)))


@pytest.mark.parametrize("method", ["spearman", "pearson"])
def test_coefficient_agrees_with_scipy(method):
    generator = np.random.default_rng(1)
    forecast = generator.normal(size=800)
    outcome = 0.1 * forecast + generator.standard_t(4, 800)
    forecast[3], outcome[5] = math.nan, math.nan
    known = np.isfinite(forecast) & np.isfinite(outcome)
    theirs = {"spearman": stats.spearmanr, "pearson": stats.pearsonr}[method]
    expected = theirs(forecast[known], outcome[known])
    found = forecast_coefficient(forecast, outcome, method=method)
    assert found.rows == 798
    assert found.value == pytest.approx(expected.statistic, rel=1e-12)
    assert found.p == pytest.approx(expected.pvalue, rel=0.3)
    constant = forecast_coefficient(np.ones(50), outcome[100:150], method=method)
    assert math.isnan(constant.value)
    assert math.isnan(constant.p)


def test_error_of_overlapping_returns_is_the_spread_over_many_histories():
    generator = np.random.default_rng(2)
    horizon, values, errors = 8, [], []
    for _ in range(200):
        steps = generator.normal(size=1_000 + horizon)
        returns = np.convolve(steps, np.ones(horizon), "valid")[1:]
        forecast = np.convolve(generator.normal(size=1_007), np.ones(8), "valid")
        found = forecast_coefficient(forecast, returns, horizon_bars=horizon)
        values.append(found.value)
        errors.append(found.standard_error)
    # Bartlett's weights over twice the horizon keep about nine tenths of the true error.
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.2)
    assert np.mean(errors) > 2 / math.sqrt(1_000)


def test_surer_rows_are_taken_first_and_ties_stay_together():
    correct = [1, 1, 0, 1, 0, 0, 1, 0]
    confidence = [0.9, 0.8, 0.7, 0.7, 0.6, 0.6, 0.6, 0.5]
    table = accuracy_by_confidence(correct, confidence, shares=(0.125, 0.25, 0.375, 1.0))
    assert table["rows"].tolist() == [1, 2, 4, 8]
    assert table["accuracy"].tolist() == [1.0, 1.0, 0.75, 0.5]
    assert table["coverage"].tolist() == [0.125, 0.25, 0.5, 1.0]
    assert table["least_confidence"].tolist() == [0.9, 0.8, 0.7, 0.5]
    assert area_under_accuracy(correct, np.zeros(8)) == 0.5
    assert (
        area_under_accuracy(correct, confidence)
        > 0.6
        > area_under_accuracy(correct, -np.array(confidence))
    )
    with pytest.raises(ValueError, match="shares must lie"):
        accuracy_by_confidence(correct, confidence, shares=(0.0,))


def test_quantile_measures_meet_their_known_answers():
    generator = np.random.default_rng(3)
    outcome, levels = generator.normal(size=4_000), (0.1, 0.5, 0.9)
    forecast = np.tile(stats.norm.ppf(levels), (4_000, 1))
    for k, level in enumerate(levels):
        assert pinball(outcome, forecast, levels=levels)[k] == pytest.approx(
            reference.mean_pinball_loss(outcome, forecast[:, k], alpha=level), rel=1e-12
        )
    np.testing.assert_allclose(coverage(outcome, forecast, levels=levels), levels, atol=0.02)
    inside, wanted = interval_coverage(outcome, forecast, levels=levels)
    assert inside == pytest.approx(wanted, abs=0.02)
    assert wanted == pytest.approx(0.8)
    assert crossing_share(forecast) == 0.0
    assert crossing_share(forecast[:, ::-1]) == 1.0
    with pytest.raises(ValueError, match="levels must rise"):
        pinball(outcome, forecast, levels=(0.5, 0.1, 0.9))
    with pytest.raises(ValueError, match="one column per level"):
        pinball(outcome, forecast, levels=(0.5,))


def test_crps_of_many_quantiles_is_that_of_the_distribution():
    outcome = np.random.default_rng(4).normal(size=2_000)
    levels = (np.arange(400) + 0.5) / 400
    forecast = np.tile(stats.norm.ppf(levels), (2_000, 1))
    # Gneiting & Raftery (2007), eq. 21, for a normal distribution.
    exact = outcome * (2 * stats.norm.cdf(outcome) - 1) + 2 * stats.norm.pdf(outcome)
    exact = (exact - 1 / math.sqrt(math.pi)).mean()
    assert crps(outcome, forecast, levels=levels) == pytest.approx(exact, rel=0.005)
    # A certain forecast has the absolute error, at any levels.
    certain = crps(outcome, np.zeros((2_000, 3)), levels=(0.1, 0.5, 0.9))
    assert certain == pytest.approx(np.abs(outcome).mean(), rel=1e-12)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_table_agrees_with_scikit_learn_for_each_horizon_and_class(classes):
    labels, probability, returns = drawn(classes)
    labels[:7, 0], probability[9, 1], returns[3, 0] = math.nan, math.nan, math.nan
    forecasts = Forecasts(labels=labels, probability=probability, returns=returns)
    table = forecast_table(forecasts)
    for horizon in range(2):
        label, chances = forecasts.of_classes(horizon)
        assert value(table, "all", "rows", horizon) == len(label) == (593, 599)[horizon]
        guess = called(chances)
        expected = {
            "accuracy": reference.accuracy_score(label, guess),
            "balanced_accuracy": reference.balanced_accuracy_score(label, guess),
            "macro_f1": reference.f1_score(label, guess, average="macro"),
            "mcc": reference.matthews_corrcoef(label, guess),
            "log_loss": reference.log_loss(label, chances),
        }
        for metric, wanted in expected.items():
            assert value(table, "all", metric, horizon) == pytest.approx(wanted, rel=1e-9)
        names = ("down", "up") if classes == 2 else ("down", "flat", "up")
        for code, name in enumerate(names):
            here = label == code
            assert value(table, name, "roc_auc", horizon) == pytest.approx(
                reference.roc_auc_score(here, chances[:, code]), rel=1e-9
            )
            assert value(table, name, "calls", horizon) == (guess == code).sum()
            assert value(table, name, "brier", horizon) == pytest.approx(
                np.square(chances[:, code] - here).mean()
            )
        known = np.isfinite(returns[:, horizon]) & np.isfinite(forecasts.signal(horizon))
        rank = stats.spearmanr(forecasts.signal(horizon)[known], returns[known, horizon])
        assert value(table, "all", "rank_ic", horizon) == pytest.approx(rank.statistic, rel=1e-9)
        assert value(table, "all", "rank_ic_p", horizon) < 0.01
    counts = confusion_table(forecasts)
    assert counts.groupby("horizon")["rows"].sum().tolist() == [593, 599]
    curve = reliability_table(forecasts)
    assert curve.groupby(["horizon", "of"])["rows"].sum().unstack().to_numpy().tolist() == [
        [593] * classes,
        [599] * classes,
    ]


def test_two_classes_agree_with_the_measures_of_one_logit():
    labels, probability, _ = drawn(2, horizons=1)
    table = forecast_table(Forecasts(labels=labels, probability=probability))
    plain = metrics.classification_metrics(labels[:, 0], probability[:, 0])
    for name in ("rows", "accuracy", "balanced_accuracy", "log_loss"):
        assert value(table, "all", name) == plain[name]
    for name in ("roc_auc", "brier", "ece"):
        assert value(table, "up", name) == plain[name]
    assert not table["metric"].str.contains("ic").any()


def test_a_horizon_without_known_rows_has_no_figures_and_nothing_fails():
    labels, probability, returns = drawn(3, rows=40)
    labels[:, 1] = math.nan
    table = forecast_table(Forecasts(labels=labels, probability=probability, returns=returns))
    assert value(table, "all", "rows", 1) == 0
    assert "accuracy" not in set(table.query("horizon == 1")["metric"])


def test_forecasts_of_other_shapes_or_logits_are_refused():
    labels, probability, returns = drawn(3, rows=20)
    with pytest.raises(ValueError, match="probability_of_logits"):
        Forecasts(labels=labels, probability=np.full((20, 2), 1.5))
    with pytest.raises(ValueError, match="sum to 1"):
        Forecasts(labels=labels, probability=probability * 0.9)
    with pytest.raises(ValueError, match=r"\(rows, horizons\)"):
        Forecasts(labels=labels[:, 0], probability=probability)
    with pytest.raises(ValueError, match="returns have the labels' shape"):
        Forecasts(labels=labels, probability=probability, returns=returns[:, :1])
    with pytest.raises(ValueError, match="temperature must be above zero"):
        probability_of_logits(returns, temperature=0.0)


def test_the_quantile_table_leaves_out_unknown_returns():
    generator = np.random.default_rng(5)
    returns = generator.normal(size=(50, 2))
    returns[:10, 1] = math.nan
    levels = (0.25, 0.5, 0.75)
    table = quantile_table(returns, np.tile(stats.norm.ppf(levels), (50, 2, 1)), levels)
    assert value(table, "all", "rows", 1) == 40
    expected = (returns[10:, 1] <= 0).mean()
    assert value(table, "0.5", "coverage", 1) == pytest.approx(expected)
    with pytest.raises(ValueError, match=r"quantiles \(rows, horizons, levels\)"):
        quantile_table(returns, np.zeros((50, 3)), levels)
