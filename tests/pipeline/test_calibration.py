"""Temperature and threshold: known truths are found, and empty evidence is said to be empty."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit
from sklearn.metrics import log_loss

from ultimate_deep.evaluation.signals import signal_from_probability
from ultimate_deep.pipeline.calibration import TEMPERATURE_RANGE, choose_threshold, fit_temperature


def draw(rows: int, spread: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """True logits, and labels drawn with their probability."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0.0, spread, rows)
    return logits, (rng.random(rows) < expit(logits)).astype(np.float64)


@pytest.mark.parametrize("overconfidence", [0.5, 1.0, 4.0])
def test_the_true_temperature_is_found(overconfidence):
    logits, labels = draw(40_000, 1.0)
    fit = fit_temperature(logits * overconfidence, labels)
    assert fit.temperature == pytest.approx(overconfidence, rel=0.05)  # about three errors
    assert fit.log_loss_after <= fit.log_loss_before
    assert fit.note == ""


def test_equals_a_general_minimiser_and_scikit_learns_loss():
    logits, labels = draw(500, 2.0, seed=3)
    fit = fit_temperature(logits, labels)
    found = minimize_scalar(
        lambda t: log_loss(labels, expit(logits / t)),
        bounds=(0.1, 10),
        method="bounded",
        options={"xatol": 1e-8},
    )
    assert fit.temperature == pytest.approx(found.x, rel=1e-5)  # a flat minimum in float64
    assert fit.log_loss_after == pytest.approx(found.fun, rel=1e-12)
    assert fit.log_loss_before == pytest.approx(log_loss(labels, expit(logits)), rel=1e-12)


def test_rows_without_label_are_left_out():
    logits, labels = draw(300, 1.0)
    wider = fit_temperature(np.append(logits, [50.0]), np.append(labels, [np.nan]))
    assert wider == fit_temperature(logits, labels)
    assert wider.rows == 300


def test_logits_that_say_the_opposite_become_one_half():
    logits, labels = draw(1_000, 1.0)
    fit = fit_temperature(-logits, labels)
    assert fit.temperature == pytest.approx(TEMPERATURE_RANGE[1])
    assert "do not tell the classes apart" in fit.note


def test_perfect_logits_stop_at_the_smallest_temperature():
    fit = fit_temperature(np.array([-3.0, -2.0, 2.0, 3.0]), np.array([0.0, 0.0, 1.0, 1.0]))
    assert fit.temperature == pytest.approx(TEMPERATURE_RANGE[0])
    assert "perfectly" in fit.note


@pytest.mark.parametrize(
    ("logits", "labels", "note"),
    [
        (np.zeros(10), np.arange(10) % 2, "all logits are zero"),
        (np.linspace(-1, 1, 10), np.ones(10), "one class"),
    ],
)
def test_nothing_to_fit_leaves_one(logits, labels, note):
    fit = fit_temperature(logits, labels)
    assert fit.temperature == 1.0
    assert note in fit.note


def test_equal_logits_are_fitted_to_the_base_rate():
    fit = fit_temperature(np.full(100, 3.0), np.repeat([0.0, 1.0], [40, 60]))
    assert expit(3.0 / fit.temperature) == pytest.approx(0.6)


def test_enormous_logits_do_not_overflow():
    logits, labels = draw(1_000, 1.0)
    fit = fit_temperature(logits * 1e4, labels)
    assert fit.temperature == pytest.approx(TEMPERATURE_RANGE[1])
    assert np.isfinite(fit.log_loss_before)


@pytest.mark.parametrize(
    ("logits", "labels", "rule"),
    [
        ([0.0, np.nan], [0.0, 1.0], "logits are finite, got nan in labelled row 1"),
        ([0.0, 1.0], [0.0, 2.0], "labels are 0, 1 or NaN, got 2"),
        ([0.0, 1.0], [np.nan, np.nan], "no validation row has a label"),
        ([[0.0], [1.0]], [0.0, 1.0], "one temperature per horizon"),
    ],
)
def test_bad_input_is_refused(logits, labels, rule):
    with pytest.raises(ValueError, match=rule):
        fit_temperature(np.array(logits), np.array(labels))


def mean_net_return(probability, returns, cost, mode):
    def objective(threshold: float) -> float:
        signal = signal_from_probability(probability, threshold, mode=mode)
        return float(np.mean(signal * returns - cost * np.abs(signal)))

    return objective


@pytest.mark.parametrize("mode", ["long_flat", "long_short"])
def test_costs_raise_the_threshold_to_where_trades_pay(mode):
    logits, labels = draw(20_000, 1.0)
    probability, returns = expit(logits), 2.0 * labels - 1.0
    free = choose_threshold(
        probability, mean_net_return(probability, returns, 0.0, mode), mode=mode
    )
    costly = choose_threshold(
        probability, mean_net_return(probability, returns, 0.4, mode), mode=mode
    )
    # A trade earns 2p - 1 in the mean, so it pays from p = (1 + cost) / 2 on; the maximum is
    # flat, since trades near it earn about nothing.
    assert free.threshold == pytest.approx(0.5, abs=0.03)
    assert costly.threshold == pytest.approx(0.7, abs=0.03)
    assert costly.coverage < free.coverage
    assert costly.value == costly.table["value"].max()
    assert costly.note == ""


def test_flat_probabilities_still_get_candidates_of_every_coverage():
    probability = 0.5 + 1e-4 * np.random.default_rng(0).normal(size=5_000)
    choice = choose_threshold(probability, lambda threshold: threshold)
    assert len(choice.table) > 30
    assert choice.coverage == pytest.approx(0.05, abs=0.002)


def test_too_few_trades_are_never_chosen():
    probability = np.r_[np.full(97, 0.52), np.full(3, 0.9)]
    choice = choose_threshold(probability, lambda t: 1.0 if t > 0.6 else 0.1, minimum_coverage=0.1)
    assert choice.threshold < 0.6
    assert choice.coverage == 1.0


@pytest.mark.parametrize(
    "probability", [np.full(50, np.nan), np.full(50, 0.2)], ids=["undefined", "never long"]
)
def test_without_any_trade_one_half_is_kept_and_said(probability):
    choice = choose_threshold(probability, lambda threshold: 0.0, mode="long_flat")
    assert choice.threshold == 0.5
    assert choice.coverage == 0.0
    assert "no threshold trades at least" in choice.note


def test_losing_everywhere_is_said():
    probability = np.random.default_rng(0).random(200)
    choice = choose_threshold(probability, lambda threshold: -1.0 + threshold)
    assert choice.value < 0
    assert "no threshold earns anything" in choice.note


def test_undefined_objective_excludes_a_threshold():
    probability = np.random.default_rng(0).random(200)
    choice = choose_threshold(probability, lambda t: np.nan if t > 0.7 else t)
    assert 0.6 < choice.threshold <= 0.7


@pytest.mark.parametrize(
    ("options", "rule"),
    [({"minimum_coverage": 0.0}, "share in"), ({"candidates": 0}, "at least 1")],
)
def test_bad_options_are_refused(options, rule):
    with pytest.raises(ValueError, match=rule):
        choose_threshold(np.full(5, 0.6), lambda threshold: 0.0, **options)
