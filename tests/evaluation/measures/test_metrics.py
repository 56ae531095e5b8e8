"""Every metric against scikit-learn, a hand calculation or its defining property."""

import math

import numpy as np
import pytest
from sklearn import metrics as reference

from ultimate_deep.evaluation.measures import metrics
from ultimate_deep.evaluation.signals import signal_from_probability
from ultimate_deep.portfolio.costs import CostSpec


@pytest.fixture(scope="module", params=[0, 1, 2])
def sample(request):
    generator = np.random.default_rng(request.param)
    probability = np.round(generator.beta(6, 5, 700), 2)  # rounded: many ties
    label = (generator.random(700) < 0.3 + 0.4 * probability).astype(float)
    return label, probability


def test_classification_agrees_with_scikit_learn(sample):
    label, probability = sample
    guess = metrics.predicted_up(probability)
    assert metrics.accuracy(label, guess) == reference.accuracy_score(label, guess)
    assert metrics.balanced_accuracy(label, guess) == pytest.approx(
        reference.balanced_accuracy_score(label, guess), rel=1e-12
    )
    np.testing.assert_array_equal(
        metrics.confusion(label, guess), reference.confusion_matrix(label, guess)
    )
    assert metrics.roc_auc(label, probability) == pytest.approx(
        reference.roc_auc_score(label, probability), rel=1e-12
    )
    assert metrics.log_loss(label, probability) == pytest.approx(
        reference.log_loss(label, probability), rel=1e-12
    )
    assert metrics.brier(label, probability) == pytest.approx(
        reference.brier_score_loss(label, probability), rel=1e-12
    )


def test_roc_curve_agrees_with_scikit_learn(sample):
    label, probability = sample
    curve = metrics.roc_curve(label, probability)
    false, true, threshold = reference.roc_curve(label, probability, drop_intermediate=False)
    np.testing.assert_allclose(curve.false_positive_rate, false)
    np.testing.assert_allclose(curve.true_positive_rate, true)
    np.testing.assert_array_equal(curve.threshold, threshold)
    area = np.trapezoid(curve.true_positive_rate, curve.false_positive_rate)
    assert area == pytest.approx(metrics.roc_auc(label, probability), rel=1e-12)


def test_log_loss_of_certainty_is_finite():
    wrong = metrics.log_loss([1.0], [0.0])
    assert wrong == pytest.approx(reference.log_loss([1.0], [0.0], labels=[0, 1]), rel=1e-9)
    assert metrics.log_loss([1.0, 0.0], [1.0, 0.0]) == pytest.approx(0.0, abs=1e-15)


def test_reliability_counts_every_row_once_and_averages_back(sample):
    label, probability = sample
    table = metrics.reliability(label, probability, bins=8)
    assert table["rows"].sum() == len(label)
    assert np.average(table["probability"], weights=table["rows"]) == pytest.approx(
        probability.mean()
    )
    assert np.average(table["frequency"], weights=table["rows"]) == pytest.approx(label.mean())
    assert table["probability"].is_monotonic_increasing


def test_calibration_error_by_hand():
    probability = [0.2, 0.2, 0.2, 0.2, 0.8, 0.8, 0.8, 0.8]
    label = [0, 0, 0, 1, 1, 1, 1, 1]
    assert metrics.ece(label, probability, bins=2) == pytest.approx((0.05 + 0.2) / 2)
    assert metrics.ece([1, 0], [0.5, 0.5]) == 0.0
    assert len(metrics.reliability([1, 0], [0.5, 0.5])) == 1


def test_one_class_is_undefined_not_wrong():
    label, probability = np.ones(5), np.linspace(0.1, 0.9, 5)
    assert math.isnan(metrics.roc_auc(label, probability))
    assert math.isnan(metrics.balanced_accuracy(label, metrics.predicted_up(probability)))
    curve = metrics.roc_curve(label, probability)
    assert np.isnan(curve.false_positive_rate[1:]).all()
    assert curve.true_positive_rate[-1] == 1.0
    assert metrics.classification_metrics(label, probability)["rows"] == 5


@pytest.mark.parametrize(
    "metric", [metrics.log_loss, metrics.brier, metrics.roc_auc, metrics.ece, metrics.roc_curve]
)
def test_wrong_shapes_and_values_raise(metric):
    with pytest.raises(ValueError, match=r"shape \(rows,\), got \(3, 1\)"):
        metric(np.ones(3), np.full((3, 1), 0.5))
    with pytest.raises(ValueError, match=r"one length, got .*3.*2"):
        metric(np.ones(3), np.full(2, 0.5))
    with pytest.raises(ValueError, match="must be finite, got nan at row 1"):
        metric([1.0, np.nan, 0.0], [0.5, 0.5, 0.5])
    with pytest.raises(ValueError, match="logits"):
        metric([1.0, 0.0], [0.5, -1.7])
    with pytest.raises(ValueError, match=r"0 or 1, got 2.0 at row 0"):
        metric([2.0, 0.0], [0.5, 0.5])
    with pytest.raises(ValueError, match="at least one row"):
        metric([], [])
    with pytest.raises(TypeError, match="must hold numbers"):
        metric(["up", "down"], [0.5, 0.5])


@pytest.mark.parametrize("metric", [metrics.accuracy, metrics.balanced_accuracy, metrics.confusion])
def test_predictions_must_be_zero_or_one(metric):
    with pytest.raises(ValueError, match=r"0 or 1, got 0.7 at row 1"):
        metric([1.0, 0.0], [1.0, 0.7])


def test_sharpe_and_sortino_by_hand():
    returns = np.array([0.01, -0.02, 0.03, 0.0])
    mean = 0.005
    spread = math.sqrt((0.005**2 + 0.025**2 + 0.025**2 + 0.005**2) / 3)
    assert metrics.sharpe(returns, bars_per_year=252.0) == pytest.approx(
        mean / spread * math.sqrt(252)
    )
    assert metrics.sortino(returns, bars_per_year=252.0) == pytest.approx(
        mean / math.sqrt(0.02**2 / 4) * math.sqrt(252)
    )
    assert metrics.annual_volatility(returns, bars_per_year=252.0) == pytest.approx(
        spread * math.sqrt(252)
    )


def test_returns_without_spread_have_no_ratio():
    assert math.isnan(metrics.sharpe(np.zeros(10), bars_per_year=252.0))
    assert math.isnan(metrics.sharpe(np.full(10, 0.1), bars_per_year=252.0))
    assert math.isnan(metrics.sharpe([0.1], bars_per_year=252.0))
    assert math.isnan(metrics.sortino([0.1, 0.2], bars_per_year=252.0))
    assert math.isnan(metrics.annual_volatility([0.1], bars_per_year=252.0))


def test_drawdown_counts_from_the_starting_capital():
    np.testing.assert_allclose(metrics.drawdown([0.9, 1.2, 0.6]), [0.1, 0.0, 0.5])
    assert metrics.max_drawdown([0.9, 1.2, 0.6]) == pytest.approx(0.5)
    assert metrics.max_drawdown([]) == 0.0
    with pytest.raises(ValueError, match="not be negative"):
        metrics.max_drawdown([1.0, -0.1])


def test_annual_return_compounds_and_survives_extremes():
    assert metrics.annual_return(0.21, rows=2, bars_per_year=1.0) == pytest.approx(0.1)
    assert metrics.annual_return(-1.0, rows=5, bars_per_year=252.0) == -1.0
    assert metrics.annual_return(9.0, rows=1, bars_per_year=525600.0) == math.inf
    assert math.isnan(metrics.annual_return(0.0, rows=0, bars_per_year=252.0))


def test_win_rate_and_profit_factor():
    assert metrics.win_rate([0.1, -0.1, 0.0]) == pytest.approx(1 / 3)
    assert metrics.profit_factor([0.3, -0.1, 0.1]) == pytest.approx(4.0)
    assert metrics.profit_factor([0.3]) == math.inf
    for undefined in (metrics.win_rate([]), metrics.profit_factor([]), metrics.profit_factor([0])):
        assert math.isnan(undefined)


@pytest.mark.parametrize("mode", ["long_flat", "long_short"])
def test_threshold_sweep_agrees_with_a_count_by_hand(mode):
    generator = np.random.default_rng(4)
    probability, move = generator.random(400), generator.normal(0, 0.01, 400)
    probability[::17], move[5::19] = np.nan, np.nan
    table = metrics.threshold_sweep(
        probability, move, mode=mode, costs=CostSpec(fee_bps=3.0, slippage_bps=2.0)
    )
    known = ~(np.isnan(probability) | np.isnan(move))
    for row in table.itertuples():
        side = signal_from_probability(probability, row.threshold, mode=mode)
        nets = [
            s * (math.exp(m) - 1.0) - 0.001
            for s, m, k in zip(side, move, known, strict=True)
            if k and s != 0
        ]
        assert row.trades == len(nets)
        assert row.coverage == pytest.approx(len(nets) / known.sum())
        assert row.win_rate == pytest.approx(np.mean(np.array(nets) > 0))
        assert row.net_return_bps == pytest.approx(1e4 * np.mean(nets))
    assert table["coverage"].is_monotonic_decreasing


def test_threshold_sweep_without_trades_is_undefined_there():
    row = metrics.threshold_sweep([0.6, 0.7], [0.1, 0.1], thresholds=[0.9]).iloc[0]
    assert row["trades"] == 0
    assert np.isnan([row["win_rate"], row["hit_rate"], row["net_return_bps"]]).all()
    with pytest.raises(ValueError, match=r"threshold must lie in \[0.5, 1\]"):
        metrics.threshold_sweep([0.6], [0.1], thresholds=[0.4])


def test_share_of_edge_is_one_for_the_oracle_and_zero_for_a_coin():
    truth = np.random.default_rng(0).uniform(0.3, 0.7, 20_000)
    assert metrics.share_of_edge(truth, truth >= 0.5) == 1.0
    assert metrics.share_of_edge(truth, truth < 0.5) == pytest.approx(-1.0)
    coin = np.random.default_rng(1).integers(0, 2, 20_000)
    assert metrics.share_of_edge(truth, coin) == pytest.approx(0.0, abs=0.03)
    assert math.isnan(metrics.share_of_edge(np.full(5, 0.5), np.ones(5)))


def test_expected_accuracy_by_hand():
    assert metrics.expected_accuracy([0.6, 0.3], [1, 1]) == pytest.approx(0.45)
    assert metrics.oracle_accuracy([0.6, 0.3]) == pytest.approx(0.65)
    with pytest.raises(ValueError, match="one length"):
        metrics.expected_accuracy([0.6, 0.3], [1])
    with pytest.raises(ValueError, match="nan at row 0"):
        metrics.expected_accuracy([np.nan, 0.3], [1, 1])
