"""Sizing, stops, breakers and the volatility they share."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from ultimate_deep.portfolio.breakers import BreakerSpec
from ultimate_deep.portfolio.sizing import kelly_fraction, size_positions
from ultimate_deep.portfolio.sizing_spec import METHODS, SizingSpec
from ultimate_deep.portfolio.stops import StopSpec
from ultimate_deep.portfolio.volatility import bar_volatility


@pytest.mark.parametrize(("gain", "loss"), [(1.0, 1.0), (2.0, 1.0), (0.5, 1.0), (0.03, 0.02)])
@pytest.mark.parametrize("chance", [0.45, 0.55, 0.7, 0.95])
def test_the_kelly_fraction_maximises_expected_logarithmic_growth(chance, gain, loss):
    def growth_lost(share):
        return -(chance * math.log1p(share * gain) + (1.0 - chance) * math.log1p(-share * loss))

    found = minimize_scalar(growth_lost, bounds=(0.0, (1.0 - 1e-9) / loss), method="bounded")
    expected = found.x if -found.fun > 1e-9 else 0.0
    share = float(kelly_fraction(chance, average_gain=gain, average_loss=loss))
    assert share == pytest.approx(expected, abs=2e-4 / loss)


def test_positions_by_each_method():
    signal = np.array([1.0, -1.0, 0.5, 0.0, math.nan])
    chance = np.array([0.6, 0.3, 0.9, math.nan, math.nan])
    fixed = size_positions(signal, SizingSpec(fixed_fraction=0.4))
    np.testing.assert_allclose(fixed, [0.4, -0.4, 0.2, 0.0, math.nan])
    kelly = size_positions(signal, SizingSpec(method="kelly"), probability=chance)
    np.testing.assert_allclose(kelly, [0.1, -0.2, 0.2, 0.0, math.nan])
    spec = SizingSpec(method="confidence", confidence_threshold=0.55)
    confident = size_positions(signal, spec, probability=chance)
    expected = [0.05 / 0.45, -0.15 / 0.45, 0.5 * 0.35 / 0.45, 0.0, math.nan]
    np.testing.assert_allclose(confident, expected)
    target = SizingSpec(method="volatility_target", target_volatility=0.1)
    yearly = np.array([0.2, 0.05, math.nan, 0.0, 0.3])
    held = size_positions(signal, target, volatility_per_year=yearly)
    np.testing.assert_allclose(held, [0.5, -1.0, 0.0, 0.0, math.nan])


@given(
    method=st.sampled_from(METHODS),
    most=st.floats(0.05, 1.0),
    chances=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20),
)
def test_positions_keep_their_side_and_their_limit(method, most, chances):
    signal = np.where(np.arange(len(chances)) % 2 == 0, 1.0, -0.7)
    spec = SizingSpec(method=method, max_position=most, average_loss=0.01, average_gain=0.01)
    held = size_positions(
        signal, spec, probability=chances, volatility_per_year=np.array(chances) + 0.01
    )
    assert (np.abs(held) <= most * np.abs(signal) + 1e-15).all()
    assert (held * signal >= 0.0).all()


def test_what_sizing_needs_is_asked_for():
    kelly = SizingSpec(method="kelly")
    with pytest.raises(ValueError, match="needs `probability`"):
        size_positions([1.0], kelly)
    with pytest.raises(ValueError, match=r"wherever there is a signal, got nan at row 1"):
        size_positions([0.0, 1.0], kelly, probability=[math.nan, math.nan])
    with pytest.raises(ValueError, match=r"must have the signal's shape \(2,\), got \(1,\)"):
        size_positions([0.0, 1.0], kelly, probability=[0.5])
    with pytest.raises(ValueError, match="needs `volatility_per_year`"):
        size_positions([1.0], SizingSpec(method="volatility_target"))
    with pytest.raises(ValueError, match=r"lie in \[-1, 1\]"):
        size_positions([2.0], SizingSpec())


@pytest.mark.parametrize("span", [1, 5, 60])
def test_volatility_is_pandas_weighted_mean_of_squares(span):
    draw = np.random.default_rng(0)
    close = 50.0 * np.exp(np.cumsum(0.01 * draw.standard_normal(300)))
    opens = np.append(50.0, close[:-1]) * 1.001
    moves = np.diff(np.log(close), prepend=np.log(opens[0]))
    expected = np.sqrt(pd.Series(moves**2).ewm(span=span, adjust=True).mean())
    found = bar_volatility(opens, close, span_bars=span)
    # A logarithm of a ratio and a difference of logarithms: 1e-16 of a move of 1e-4 and less.
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    part = bar_volatility(opens[:100], close[:100], span_bars=span)
    np.testing.assert_array_equal(part, found[:100])  # nothing looks ahead


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: SizingSpec(method="all"), ValueError, "method must be one of"),
        (lambda: SizingSpec(max_position=1.5), ValueError, "max_position must be .* at most 1"),
        (lambda: SizingSpec(average_loss=0.0), ValueError, "average_loss must be .*above 0"),
        (lambda: SizingSpec(confidence_threshold=1.0), ValueError, "must be below 1"),
        (lambda: StopSpec(stop_loss=0.0), ValueError, "stop_loss must be finite and above 0"),
        (lambda: StopSpec(stop_loss=2.0), ValueError, 'below 1 as a fraction.*unit="volatility"'),
        (lambda: StopSpec(max_bars=0), ValueError, "max_bars must be at least 1, got 0"),
        (lambda: StopSpec(max_bars=2.5), TypeError, "max_bars must be a whole number"),
        (lambda: StopSpec(unit="ticks"), ValueError, "unit must be"),
        (lambda: BreakerSpec(max_drawdown=20), ValueError, "max_drawdown must be .* at most 1"),
        (lambda: BreakerSpec(max_drawdown="a"), TypeError, "max_drawdown must be a number"),
        (lambda: BreakerSpec(cooldown_bars=0), ValueError, "cooldown_bars must be at least 1"),
        (lambda: BreakerSpec(short_bars=300), ValueError, "long_bars must exceed short_bars"),
        (lambda: BreakerSpec(volatility_ratio=9.0), ValueError, "must be below 4.27"),
        (lambda: BreakerSpec(spike_action="x"), ValueError, "spike_action must be"),
    ],
)
def test_bad_options_are_refused_by_name(make, error, message):
    with pytest.raises(error, match=message):
        make()
