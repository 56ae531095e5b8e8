"""Accounts that ask more of the same signals."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.evaluation.backtesting.config import BacktestConfig
from ultimate_deep.pipeline.accounts import (
    Traded,
    held_throughout,
    impact_account,
    patient_account,
    spread_account,
    steady_account,
    traded_account,
    usual_share,
)
from ultimate_deep.portfolio.costs import CostSpec

BARS = 400
RULES = BacktestConfig(mode="long_short", costs=CostSpec(fee_bps=1.0, slippage_bps=1.0))


@pytest.fixture
def one():
    """Prices that move, with fresh opens, and a position that changes now and then."""
    draw = np.random.default_rng(4)
    close = 100.0 * np.exp(np.cumsum(1e-3 * draw.normal(size=BARS)))
    opened = np.r_[100.0, close[:-1]] * np.exp(3e-4 * np.sign(draw.normal(size=BARS)))
    columns = {"open": opened, "high": np.maximum(opened, close), "low": np.minimum(opened, close)}
    frame = pd.DataFrame(
        columns | {"close": close, "volume": 1e4},
        index=pd.date_range("2024-01-01", periods=BARS, freq="h", tz="UTC"),
    )
    wanted = np.repeat(draw.choice([-1.0, 0.0, 1.0], BARS // 4), 4)
    return Traded("A", frame, wanted, 8_760.0)


def without_volume(one, rows):
    volume = one.frame["volume"].to_numpy().copy()
    volume[:rows] = 0.0
    return replace(one, frame=one.frame.assign(volume=volume))


def test_impact_is_paid_where_the_first_bars_have_no_volume(one):
    """One silent bar at the beginning tells nothing of all the others."""
    full = impact_account([one], RULES).return_net.mean()
    assert impact_account([without_volume(one, 1)], RULES).return_net.mean() == pytest.approx(
        full, rel=0.02
    )
    assert full < traded_account([one], RULES).return_net.mean()


def test_impact_is_that_of_the_capital_and_not_of_what_it_has_become(one):
    """An account that wins in every bar pays as much in the last bar as in the first."""
    rising = 100.0 * 1.01 ** np.arange(BARS)
    frame = one.frame.assign(
        open=rising, high=rising, low=rising, close=rising, volume=1e6 / rising
    )
    wanted = np.tile([1.0, 0.0], BARS // 2)
    rules = replace(RULES, capital=1e4)
    winner = replace(one, frame=frame, wanted=wanted)
    cost = (
        impact_account([winner], rules).cost
        / np.r_[1.0, impact_account([winner], rules).equity[:-1]]
    )
    bought = cost[41::2][:-1]
    assert bought.max() == pytest.approx(bought.min(), rel=0.01)
    growing = replace(rules.costs, impact_coefficient=1.0)
    grown = traded_account([winner], replace(rules, costs=growing))
    later = grown.cost / np.r_[1.0, grown.equity[:-1]]
    assert later[BARS - 3] > 1.5 * later[41]


def test_the_usual_bar_is_one_that_trades(one):
    silent = without_volume(one, 3 * BARS // 4).frame
    assert usual_share(silent, 1e5) == pytest.approx(usual_share(one.frame, 1e5), rel=0.1)
    assert math.isnan(usual_share(without_volume(one, BARS).frame, 1e5))


def test_the_spread_that_bars_show_is_paid_where_it_is_more(one):
    wider = replace(RULES, costs=replace(RULES.costs, fee_bps=4.0))
    found = spread_account([one], RULES, 5.0)
    np.testing.assert_array_equal(found.return_net, traded_account([one], wider).return_net)
    assert spread_account([one], RULES, 1.9) is None
    assert spread_account([one], RULES, math.nan) is None
    # Whoever says what the spread is has said what is paid.
    said = replace(RULES, costs=replace(RULES.costs, spread_bps=1.0))
    assert spread_account([one], said, 5.0) is None


def test_holding_the_mean_position_is_what_a_constant_account_does(one):
    always = replace(one, wanted=np.full(BARS, -1.0))
    np.testing.assert_array_equal(
        steady_account([always], RULES).return_net, traded_account([always], RULES).return_net
    )
    gaps = replace(one, wanted=np.where(np.arange(BARS) < 100, np.nan, one.wanted))
    found = steady_account([gaps], RULES)
    assert not found.position[:101].any()
    assert found.position[150] == pytest.approx(one.wanted[100:].mean())


def test_what_is_held_throughout_is_held_between_decisions_too(one):
    wanted = np.full(BARS, np.nan)
    wanted[10:300:4] = 1.0
    found = traded_account([held_throughout(replace(one, wanted=wanted))], RULES)
    assert found.metrics["trades"] == 1
    assert found.position[11:298].min() == 1.0
    assert not found.position[:11].any()
    nothing = replace(one, wanted=np.full(BARS, np.nan))
    assert np.isnan(held_throughout(nothing).wanted).all()


def test_fresh_prices_need_no_patience(one):
    assert patient_account([one], RULES) == (0.0, None)


def test_an_order_waits_for_another_price_however_near_the_stale_one_is(one):
    """Opens a hair from the last close, as rounding leaves them."""
    draw = np.random.default_rng(5)
    last = one.frame["close"].shift(fill_value=100.0)
    for near in (
        last.astype(np.float32),
        last.round(4),
        last * (1 + 1e-5 * draw.normal(size=BARS)),
    ):
        stale = replace(one, frame=one.frame.assign(open=near.astype(float)))
        share, account = patient_account([stale], RULES)
        assert share > 0.95
        # All orders come one bar later, for there prices move in every bar.
        late = traded_account([stale], replace(RULES, latency_bars=1))
        same = np.isclose(account.position, late.position, atol=1e-3)
        assert same[:-2].mean() > 0.95


def test_no_order_is_filled_where_nobody_trades(one):
    volume = np.where(np.arange(BARS) % 4 == 1, 0.0, 1e4)
    share, account = patient_account([replace(one, frame=one.frame.assign(volume=volume))], RULES)
    # Positions change every fourth bar, which is the first of trade after a silent one.
    assert share > 0.5
    assert not account.turnover[1::4][:-1].max() > 0.01
    # Of a symbol without any volume nothing is known.
    assert patient_account([without_volume(one, BARS)], RULES) == (0.0, None)
