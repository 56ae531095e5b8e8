"""Fractional differences against their closed form and against a plain loop."""

import numpy as np
import pytest
from scipy.special import gamma

from ultimate_deep.features.compute import bar_columns
from ultimate_deep.features.engine.runner import evaluate
from ultimate_deep.features.families import fractional


@pytest.mark.parametrize("order", [0.3, 0.5, 0.7])
def test_weights_are_the_binomial_series(order):
    k = np.arange(1, 60)
    want = gamma(k - order) / (gamma(-order) * gamma(k + 1.0))
    got = fractional.fractional_weights(order, 59)
    assert got[0] == 1.0
    np.testing.assert_allclose(got[1:], want, rtol=1e-12)


def test_two_halves_make_a_whole_difference():
    """`(1 - L)^d (1 - L)^(1 - d) = 1 - L`."""
    for order in (0.3, 0.5):
        parts = [fractional.fractional_weights(d, 80) for d in (order, 1.0 - order)]
        whole = np.convolve(*parts)[:81]
        np.testing.assert_allclose(whole, np.eye(1, 81)[0] - np.eye(1, 81, 1)[0], atol=1e-14)


def test_weights_on_changes_fall_to_nothing_at_the_windows_end():
    weights = np.array(fractional.change_weights(0.5, 100))
    assert len(weights) == 100
    assert (np.diff(weights) < 0.0).all()
    assert 0.0 < weights[-1] < 3e-4


@pytest.mark.parametrize("order", [0.3, 0.5, 0.7])
def test_feature_is_the_difference_of_the_log_price_measured_from_the_newest_bar(make_bars, order):
    frame = make_bars(420, seed=12)
    (feature,) = (
        f for f in fractional.entries() if f.name == f"fractional_close_{round(100 * order)}"
    )
    got = evaluate([feature.node], bar_columns(frame))[:, 0]
    price = np.log(frame["close"].to_numpy())
    weights = np.array(fractional.fractional_weights(order, 100))
    norm = np.sqrt((np.array(fractional.change_weights(order, 100)) ** 2).sum())
    assert np.isnan(got[:100]).all()
    for row in range(100, 420):
        window = price[row - 100 : row + 1][::-1]
        want = weights @ (window - window[0]) / (norm * np.diff(window).std())
        assert got[row] == pytest.approx(want, rel=1e-9, abs=1e-11)


def test_memory_lies_between_that_of_returns_and_that_of_the_price(make_bars):
    """On a random walk the lower the order, the more of the past is kept."""
    nodes = [feature.node for feature in fractional.entries()[:3]]
    values = evaluate(nodes, bar_columns(make_bars(1500, seed=4)))[100:]
    memory = [np.corrcoef(x[1:], x[:-1])[0, 1] for x in values.T]
    assert memory[0] > memory[1] + 0.1 > memory[2] + 0.2


@pytest.mark.parametrize(("order", "window"), [(0.0, 10), (1.0, 10), (0.5, 0)])
def test_senseless_orders_are_refused(order, window):
    with pytest.raises(ValueError, match="order between 0 and 1"):
        fractional.fractional_weights(order, window)
