"""Drifts made by composition are what their formulas say, from the past alone, and hide."""

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.market.composed_drift import distant_drift, nested_drift, threshold_drift
from ultimate_deep.market.simulation_spec import SimulationSpec
from ultimate_deep.market.simulator import simulate_bars
from ultimate_deep.market.simulator_kernels import standardised_return

ROWS = 900


@pytest.fixture(scope="module")
def past():
    frame = simulate_bars(ROWS, seed=11).bars.frame
    close, volume = frame["close"].to_numpy(), frame["volume"].to_numpy()
    ours = np.array([standardised_return(close, k) for k in range(ROWS)])
    return close, volume, ours


def _place(values):
    windows = pd.Series(values).rolling(20)
    return ((values - windows.mean()) / windows.std(ddof=0)).to_numpy()


def _size(standardised, bars):
    return (pd.Series(standardised**2).rolling(bars).mean() ** 0.5).to_numpy()


def _moved(standardised):
    return (pd.Series(standardised).rolling(4).sum() / 2).to_numpy()


def test_nested_is_an_interaction_of_interactions(past):
    close, volume, x = past
    found = np.array([nested_drift(close, volume, x, k) for k in range(ROWS)])
    place = np.tanh(_place(close)) * np.tanh(_place(volume))
    restless = _moved(x) * np.log(_size(x, 10) / _size(x, 60))
    expected = np.tanh(8 * np.tanh(2 * place) * np.tanh(2 * restless))
    np.testing.assert_allclose(found[79:], expected[79:], atol=1e-7)
    assert (found[:79] == 0).all()


def test_threshold_turns_with_the_regime(past):
    close, _, x = past
    found = np.array([threshold_drift(close, x, k) for k in range(ROWS)])
    calm = np.where(_size(x, 10) < _size(x, 60), 1.0, -1.0)
    place = _place(close)
    expected = np.where(np.abs(place) > 0.7, calm * np.sign(place), 0.0)
    np.testing.assert_array_equal(found[79:], expected[79:])
    assert set(found[79:]) == {-1.0, 0.0, 1.0}
    assert (found[:79] == 0).all()


def test_distant_reads_a_state_of_256_bars_ago(past):
    _, _, x = past
    found = np.array([distant_drift(x, k) for k in range(ROWS)])
    state = (pd.Series(x).rolling(64).sum().shift(256) / 8).to_numpy()
    expected = np.tanh(2 * state) * np.tanh(_moved(x))
    np.testing.assert_allclose(found[339:], expected[339:], atol=1e-9)
    assert (found[:339] == 0).all()


@pytest.mark.parametrize("row", [340, 600])
def test_nothing_of_the_future_is_read(past, row):
    close, volume, x = past
    ahead = [np.where(np.arange(ROWS) <= row, values, np.nan) for values in past]
    assert nested_drift(*ahead, row) == nested_drift(close, volume, x, row) != 0
    assert distant_drift(ahead[2], row) == distant_drift(x, row) != 0
    assert threshold_drift(ahead[0], ahead[2], row) == threshold_drift(close, x, row)


@pytest.mark.parametrize(("signal", "most"), [("nested", 0.1), ("threshold", 0.35)])
def test_no_part_shows_what_the_whole_knows(signal, most):
    market = simulate_bars(20_000, seed=5, edge=0.14, spec=SimulationSpec(signal=signal))
    close, volume = (market.bars.frame[name].to_numpy() for name in ("close", "volume"))
    x = np.array([standardised_return(close, k) for k in range(len(close))])
    known = np.isfinite(market.expected_return)
    known[:100] = False
    truth = np.sign(market.expected_return[known])
    for part in (_place(close), _place(volume), _moved(x), np.log(_size(x, 10) / _size(x, 60))):
        assert abs(np.corrcoef(truth, np.tanh(part[known]))[0, 1]) < most
