"""The vectorised backtest against a plain loop that keeps cash and units, trade for trade."""

import math
import pickle
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ultimate_deep.evaluation.backtesting.account import TRADE_COLUMNS
from ultimate_deep.evaluation.backtesting.vectorised import (
    BacktestConfig,
    combine_backtests,
    run_backtest,
)
from ultimate_deep.portfolio.costs import CostSpec

FREE = CostSpec(fee_bps=0.0, slippage_bps=0.0)


def make_frame(prices, start="2020-01-01", freq="h"):
    index = pd.date_range(start, periods=len(prices), freq=freq, tz="UTC", name="timestamp")
    return pd.DataFrame({"open": np.asarray(prices, dtype=float)}, index=index)


def plain_loop(prices, signals, horizon, cost_bps):
    """Trade with cash and units, one open after the other, as a person would write it down.

    Knows nothing of the vectorised formulas: fractions appear only as value over equity.
    """
    cash, units = 1.0, 0.0
    equity_after, turnovers, trades, current = [], [], [], None
    for bar, price in enumerate(prices):
        wealth = cash + units * price
        if wealth <= 0:
            raise AssertionError("these cases must not ruin the account")
        recent = []
        for back in range(1, horizon + 1):
            signal = signals[bar - back] if bar - back >= 0 else 0.0
            recent.append(0.0 if math.isnan(signal) else signal)
        # Decimals: 0.1 + 0.2 - 0.3 is no position, whatever floats say.
        wanted = float(sum(Decimal(str(value)) for value in recent)) / horizon
        target = wanted if bar < len(prices) - 1 else 0.0
        held = units * price
        traded = abs(target * wealth - held)
        cost = traded * cost_bps / 1e4
        turnovers.append(traded / wealth)

        side = (target > 0) - (target < 0)
        leaving = current is not None and side != current["side"]
        entering = side != 0 and (current is None or leaving)
        cost_growth = (wealth - cost) / wealth
        leaving_share = (abs(held) / traded if leaving and entering else 1.0) if traded else 0.0
        if current is not None and not leaving:
            current["net"] *= cost_growth
        if leaving:
            current["net"] *= cost_growth**leaving_share
            current.update(exit_row=bar, exit_price=price)
            trades.append(current)
            current = None
        if entering:
            share = 1.0 - leaving_share if leaving else 1.0
            current = {"side": side, "entry_row": bar, "entry_price": price, "gross": 1.0}
            current["net"] = cost_growth**share

        # The target is a fraction of the equity that is left after paying.
        wealth -= cost
        units = target * wealth / price
        cash = wealth - units * price
        if bar < len(prices) - 1:
            later = cash + units * prices[bar + 1]
            if current is not None:
                current["net"] *= later / wealth
                current["gross"] *= later / wealth
            equity_after.append(later)
        else:
            equity_after.append(wealth)
    return np.array(equity_after), np.array(turnovers), trades


def gappy_prices(rows, seed):
    """A rough walk with overnight jumps up to a quarter."""
    generator = np.random.default_rng(seed)
    steps = generator.standard_t(3, rows) * 0.01
    jumps = generator.random(rows) < 0.03
    steps[jumps] += generator.uniform(-0.25, 0.25, int(jumps.sum()))
    return 100.0 * np.exp(np.cumsum(np.clip(steps, -0.5, 0.5)))


def assert_same(frame, signal, mode, horizon, cost_bps):
    config = BacktestConfig(
        mode=mode, costs=CostSpec(fee_bps=cost_bps, slippage_bps=0.0), horizon_bars=horizon
    )
    got = run_backtest(frame, signal, config, bars_per_year=8760.0, symbol="X")
    equity, turnover, trades = plain_loop(
        frame["open"].tolist(), np.asarray(signal).tolist(), horizon, cost_bps
    )
    # Two orders of the same few thousand roundings: 1e-9 leaves room, a wrong rule does not fit.
    np.testing.assert_allclose(got.equity, equity, rtol=1e-9)
    np.testing.assert_allclose(got.turnover, turnover, rtol=0, atol=1e-9)
    assert len(got.trades) == len(trades)
    for row, expected in zip(got.trades.itertuples(), trades, strict=True):
        assert (row.entry_row, row.exit_row, row.side) == (
            expected["entry_row"],
            expected["exit_row"],
            expected["side"],
        )
        assert (row.entry_price, row.exit_price) == (
            expected["entry_price"],
            expected["exit_price"],
        )
        assert row.return_gross == pytest.approx(expected["gross"] - 1.0, abs=1e-9)
        assert row.return_net == pytest.approx(expected["net"] - 1.0, abs=1e-9)
        assert row.entry_time == frame.index[row.entry_row]
        assert row.exit_time == frame.index[row.exit_row]
    assert np.prod(1.0 + got.trades["return_net"]) == pytest.approx(got.equity[-1], rel=1e-9)
    return got


@pytest.mark.parametrize("mode", ["long_flat", "long_short"])
@pytest.mark.parametrize("horizon", [1, 3, 24])
@pytest.mark.parametrize("cost_bps", [0.0, 2.0, 50.0])
def test_agrees_with_the_plain_loop_on_gaps_and_missing_signals(mode, horizon, cost_bps):
    rows = 1500
    frame = make_frame(gappy_prices(rows, seed=horizon))
    generator = np.random.default_rng(7)
    signal = generator.integers(-1 if mode == "long_short" else 0, 2, rows).astype(float)
    signal[generator.random(rows) < 0.1] = np.nan
    signal[200:260] = 1.0
    signal[300:360] = 0.0
    got = assert_same(frame, signal, mode, horizon, cost_bps)
    assert len(got.trades) >= (2 if horizon == 24 else 20)  # overlapping tranches seldom rest
    assert abs(np.diff(np.log(frame["open"]))).max() > 0.15  # there were gaps to get wrong


def test_agrees_with_the_plain_loop_on_fractional_signals():
    frame = make_frame(gappy_prices(400, seed=5))
    signal = np.round(np.random.default_rng(3).uniform(-1, 1, 400), 1)
    assert_same(frame, signal, "long_short", 4, 3.0)


@settings(max_examples=150, deadline=None)
@given(
    data=st.data(),
    rows=st.integers(1, 12),
    horizon=st.integers(1, 5),
    mode=st.sampled_from(["long_flat", "long_short"]),
    cost_bps=st.sampled_from([0.0, 1.0, 100.0]),
)
def test_agrees_with_the_plain_loop_on_any_short_history(data, rows, horizon, mode, cost_bps):
    prices = data.draw(st.lists(st.floats(70.0, 130.0), min_size=rows, max_size=rows))
    values = [0.0, 1.0, math.nan] + ([-1.0] if mode == "long_short" else [])
    signal = data.draw(st.lists(st.sampled_from(values), min_size=rows, max_size=rows))
    assert_same(make_frame(prices), signal, mode, horizon, cost_bps)


def test_agrees_with_the_plain_loop_on_real_bars(real_bars_folder):
    bars = pd.read_parquet(real_bars_folder / "spy_1h.parquet").tail(3000)
    frame = bars.set_index("timestamp") if "timestamp" in bars.columns else bars
    signal = np.random.default_rng(1).integers(-1, 2, len(frame)).astype(float)
    assert_same(frame, signal, "long_short", 2, 1.0)


def test_a_decision_fills_at_the_next_open_and_closes_at_the_last():
    frame = make_frame([100.0, 110.0, 121.0, 60.0, 90.0])
    got = run_backtest(
        frame, [1.0, 0.0, 0.0, 1.0, 1.0], BacktestConfig(costs=FREE), bars_per_year=1.0
    )
    np.testing.assert_allclose(got.position, [0, 1, 0, 0, 0])  # row 3's signal has no exit left
    np.testing.assert_allclose(got.equity, [1, 1.1, 1.1, 1.1, 1.1])
    assert tuple(got.trades.columns) == TRADE_COLUMNS
    assert got.trades[["entry_row", "exit_row"]].to_numpy().tolist() == [[1, 2]]


def test_costs_are_paid_on_what_is_traded():
    frame = make_frame([100.0] * 6)
    config = BacktestConfig(mode="long_short", costs=CostSpec(fee_bps=10.0, slippage_bps=0.0))
    got = run_backtest(frame, [1.0, -1.0, 0.0, 0.0, 0.0, 0.0], config, bars_per_year=1.0)
    np.testing.assert_allclose(got.turnover, [0, 1, 2, 1, 0, 0])
    np.testing.assert_allclose(got.equity[-1], 0.999 * 0.998 * 0.999, rtol=1e-14)
    assert got.metrics["cost_paid"] == pytest.approx(1.0 - got.equity[-1], rel=1e-12)
    assert got.metrics["trades"] == 2
    assert got.metrics["win_rate"] == 0.0
    assert got.metrics["total_return_gross"] == 0.0


def test_the_future_changes_nothing_in_the_past():
    prices = gappy_prices(300, seed=9)
    signal = np.random.default_rng(2).integers(-1, 2, 300).astype(float)
    config = BacktestConfig(mode="long_short", horizon_bars=3)
    whole = run_backtest(make_frame(prices), signal, config, bars_per_year=1.0)
    changed = prices.copy()
    changed[200:] *= 3.0
    other = signal.copy()
    other[199:] = 1.0
    again = run_backtest(make_frame(changed), other, config, bars_per_year=1.0)
    np.testing.assert_array_equal(whole.equity[:199], again.equity[:199])
    np.testing.assert_array_equal(whole.position[:200], again.position[:200])


def test_a_total_loss_ends_the_account():
    frame = make_frame([100.0, 100.0, 210.0, 105.0, 50.0, 50.0])
    config = BacktestConfig(mode="long_short")
    got = run_backtest(frame, [-1.0] * 6, config, bars_per_year=8760.0)
    np.testing.assert_array_equal(got.equity[1:], 0.0)
    np.testing.assert_array_equal(got.position[2:], 0.0)
    assert got.metrics["total_return"] == -1.0
    assert got.metrics["annual_return"] == -1.0
    assert got.metrics["max_drawdown"] == 1.0
    assert got.trades["return_net"].tolist() == [-1.0]
    assert all(np.isfinite(list(got.metrics.values())))


def test_a_rebalancing_that_costs_more_than_is_left_ends_the_account():
    frame = make_frame([100.0, 100.0, 199.99, 199.99, 199.99])
    config = BacktestConfig(mode="long_short", costs=CostSpec(fee_bps=100.0, slippage_bps=0.0))
    got = run_backtest(frame, [-1.0, -1.0, -1.0, 0.0, 0.0], config, bars_per_year=1.0)
    assert got.equity[1] > 0
    np.testing.assert_array_equal(got.equity[2:], 0.0)
    assert got.metrics["total_return"] == -1.0


def test_no_trades_gives_undefined_figures_not_flattering_ones():
    got = run_backtest(make_frame(gappy_prices(50, 1)), np.full(50, np.nan), bars_per_year=8760.0)
    assert len(got.trades) == 0
    for name in ("sharpe", "sortino", "win_rate", "profit_factor", "average_trade_bps"):
        assert math.isnan(got.metrics[name]), name
    for name in ("trades", "total_return", "turnover", "exposure", "cost_paid", "max_drawdown"):
        assert got.metrics[name] == 0.0, name


@pytest.mark.parametrize("rows", [1, 2])
def test_the_shortest_histories_work(rows):
    got = run_backtest(make_frame([100.0] * rows), np.ones(rows), bars_per_year=1.0)
    assert got.metrics["trades"] == 0


@pytest.mark.parametrize(
    ("frame", "signal", "message"),
    [
        (make_frame([1.0, 2.0]), [1.0], "one entry per bar: 2 bars, 1 signals"),
        (make_frame([1.0, np.nan]), [1.0, 1.0], "positive and finite, got nan at row 1"),
        (make_frame([1.0, -3.0]), [1.0, 1.0], r"got -3.0 at row 1 \(2020-01-01 01:00"),
        (make_frame([1.0, np.inf]), [1.0, 1.0], "got inf at row 1"),
        (make_frame([1.0, 2.0]), [0.0, -1.0], r"\[0, 1\] in mode 'long_flat', got -1.0 at row 1"),
        (make_frame([1.0, 2.0]), [0.0, 1.5], "got 1.5 at row 1"),
        (make_frame([1.0, 2.0]), [[0.0, 1.0]], r"shape \(rows,\), got \(1, 2\)"),
        (make_frame([1.0, 2.0]).iloc[::-1], [0.0, 1.0], "strictly increasing"),
        (make_frame([1.0, 2.0]).rename(columns={"open": "o"}), [0.0, 1.0], "need an `open`"),
        (make_frame([]), [], "at least one row"),
        (make_frame([1.0, 2.0]).reset_index(), [0.0, 1.0], "DatetimeIndex"),
    ],
)
def test_bad_input_is_named(frame, signal, message):
    with pytest.raises(ValueError, match=message):
        run_backtest(frame, signal, bars_per_year=1.0)


def test_bad_configuration_is_named():
    with pytest.raises(ValueError, match="mode must be one of"):
        BacktestConfig(mode="short")
    with pytest.raises(ValueError, match="horizon_bars must be at least 1, got 0"):
        BacktestConfig(horizon_bars=0)
    with pytest.raises(TypeError, match="whole number"):
        BacktestConfig(horizon_bars=1.5)
    with pytest.raises(ValueError, match="bars_per_year must be positive"):
        run_backtest(make_frame([1.0, 2.0]), [0.0, 0.0], bars_per_year=0.0)


def test_several_symbols_share_the_capital_equally():
    first = run_backtest(
        make_frame(gappy_prices(200, 1)), np.ones(200), bars_per_year=8760.0, symbol="A"
    )
    second = run_backtest(
        make_frame(gappy_prices(150, 2), start="2020-01-03"),
        np.ones(150),
        bars_per_year=8760.0,
        symbol="B",
    )
    both = combine_backtests([first, second])
    times = first.index.union(second.index)
    expected = pd.DataFrame(
        {"a": pd.Series(first.equity, first.index), "b": pd.Series(second.equity, second.index)},
        index=times,
    )
    expected = expected.ffill().fillna(1.0).mean(axis=1)
    np.testing.assert_allclose(both.equity, expected, rtol=1e-12)
    assert both.metrics["trades"] == 2
    assert both.trades["symbol"].tolist() == ["A", "B"]
    assert both.metrics["cost_paid"] == pytest.approx(
        (first.metrics["cost_paid"] + second.metrics["cost_paid"]) / 2
    )
    np.testing.assert_allclose(np.cumprod(1 + both.return_net), both.equity, rtol=1e-12)
    # Long everywhere: the portfolio's position is the invested share of its wealth.
    assert both.position[len(times) // 2] == pytest.approx(1.0, abs=0.01)


def test_a_combined_position_is_held_between_an_accounts_own_bars():
    hours = pd.date_range("2024-01-01", periods=13, freq="h", tz="UTC")
    frames = [pd.DataFrame({"open": 100.0}, index=index) for index in (hours, hours[::4])]
    free = BacktestConfig(costs=CostSpec(fee_bps=0.0, slippage_bps=0.0))
    accounts = [
        run_backtest(frame, np.ones(len(frame)), free, bars_per_year=8760.0 / step)
        for frame, step in zip(frames, (1, 4), strict=True)
    ]
    both = combine_backtests(accounts)
    # Hourly from the second hour on, every fourth hour from the fifth; the last opens close.
    expected = [0.0] + [0.5] * 3 + [1.0] * 8 + [0.0]
    np.testing.assert_allclose(both.position, expected)
    assert both.metrics["exposure"] == pytest.approx(9.5 / 13)


def test_one_account_combines_to_itself_and_equal_bars_keep_their_year():
    one = run_backtest(make_frame(gappy_prices(100, 1)), np.ones(100), bars_per_year=6240.0)
    assert combine_backtests([one]) is one
    assert combine_backtests([one, one]).metrics["sharpe"] == pytest.approx(one.metrics["sharpe"])
    assert combine_backtests([one, one]).bars_per_year == 6240.0
    with pytest.raises(ValueError, match="at least one account"):
        combine_backtests([])


def test_a_result_with_its_trades_goes_to_another_process():
    one = run_backtest(make_frame(gappy_prices(100, 1)), np.ones(100), bars_per_year=6240.0)
    for result in (one, combine_backtests([one, one])):
        sent = pickle.loads(pickle.dumps(result))
        pd.testing.assert_frame_equal(sent.trades, result.trades)
        assert len(sent.trades) == sent.metrics["trades"]


def test_trades_read_later_are_those_of_the_bars_that_were_given():
    frame = make_frame(gappy_prices(100, 1))
    expected = run_backtest(frame, np.ones(100), bars_per_year=6240.0).trades
    late = run_backtest(frame, np.ones(100), bars_per_year=6240.0)
    frame.iloc[:, 0] = 999.0
    pd.testing.assert_frame_equal(late.trades, expected)


def test_a_ruined_account_leaves_the_others_alone():
    config = BacktestConfig(mode="long_short", costs=FREE)
    lost = run_backtest(make_frame([1.0, 1.0, 3.0, 3.0]), [-1.0] * 4, config, bars_per_year=1.0)
    calm = run_backtest(make_frame([1.0, 1.0, 1.0, 1.0]), [0.0] * 4, config, bars_per_year=1.0)
    assert combine_backtests([lost, calm]).equity[-1] == pytest.approx(0.5)
    assert combine_backtests([lost, lost]).equity[-1] == 0.0
