"""The event-driven engine: equal to the vectorised one where that can follow, and its own rules."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ultimate_deep.evaluation.backtesting.account import TRADE_COLUMNS
from ultimate_deep.evaluation.backtesting.event_driven import (
    EVENT_TRADE_COLUMNS,
    account_rules,
    run_event_backtest,
)
from ultimate_deep.evaluation.backtesting.vectorised import BacktestConfig, run_backtest
from ultimate_deep.portfolio.breakers import BreakerSpec
from ultimate_deep.portfolio.costs import CostSpec
from ultimate_deep.portfolio.event_driven.live_account import LiveAccount, PriceBar
from ultimate_deep.portfolio.sizing_spec import SizingSpec
from ultimate_deep.portfolio.stops import StopSpec

FREE = CostSpec(fee_bps=0.0, slippage_bps=0.0)
YEAR = 8760.0
CURVES = ("equity", "return_net", "return_gross", "position", "turnover", "cost")


def bars_of(rows, seed, volatility=0.01):
    draw = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(volatility * draw.standard_t(4, rows)))
    opens = np.append(100.0, close[:-1]) * np.exp(0.3 * volatility * draw.standard_normal(rows))
    reach = np.exp(0.5 * volatility * np.abs(draw.standard_normal((2, rows))))
    return frame_of(
        opens,
        np.maximum(opens, close) * reach[0],
        np.minimum(opens, close) / reach[1],
        close,
        draw.uniform(500.0, 1500.0, rows),
    )


def frame_of(opens, high=None, low=None, close=None, volume=None):
    opens = np.asarray(opens, float)
    index = pd.date_range("2024-01-01", periods=len(opens), freq="h", tz="UTC", name="timestamp")
    close = opens if close is None else close
    columns = {
        "open": opens,
        "high": np.maximum(opens, close) if high is None else high,
        "low": np.minimum(opens, close) if low is None else low,
        "close": close,
        "volume": 1000.0 if volume is None else volume,
    }
    return pd.DataFrame(columns, index=index, dtype=float)


def run_one(frame, signal, config, **options):
    result = run_event_backtest({"X": frame}, {"X": signal}, config, bars_per_year=YEAR, **options)
    assert tuple(result.trades.columns) == EVENT_TRADE_COLUMNS
    assert (result.equity >= 0.0).all()
    total = np.prod(1.0 + result.trades["return_net"])
    assert total == pytest.approx(result.equity[-1], rel=1e-11)
    return result


def assert_engines_agree(frame, signal, config):
    fast = run_backtest(frame, signal, config, bars_per_year=YEAR, symbol="X")
    slow = run_event_backtest({"X": frame}, {"X": signal}, config, bars_per_year=YEAR)
    for name in CURVES:
        np.testing.assert_allclose(
            getattr(slow, name), getattr(fast, name), rtol=1e-12, atol=1e-13, err_msg=name
        )
    assert len(fast.trades) == len(slow.trades)
    for name in TRADE_COLUMNS:
        ours, theirs = slow.trades[name], fast.trades[name]
        if name.startswith("return"):
            # Growth as a product in one engine, as a sum of logarithms in the other.
            np.testing.assert_allclose(1.0 + ours, 1.0 + theirs, rtol=1e-12, atol=0, err_msg=name)
        elif name == "size":
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, err_msg=name)
        else:
            assert ours.tolist() == theirs.tolist(), name
    for name, value in fast.metrics.items():
        # A mean of trades that nearly cancel keeps the trades' own error, 1e-12, in basis points.
        least = 1e-8 if name.endswith("_bps") else 1e-12
        assert slow.metrics[name] == pytest.approx(value, rel=1e-10, abs=least, nan_ok=True), name


costs_of_all_kinds = st.builds(
    CostSpec,
    fee_bps=st.sampled_from([0.0, 1.0, 120.0]),
    slippage_bps=st.sampled_from([0.0, 2.5]),
    spread_bps=st.sampled_from([0.0, 3.0]),
    impact_coefficient=st.sampled_from([0.0, 0.7]),
    impact_span_bars=st.integers(1, 30),
    impact_grows=st.booleans(),
    borrow_bps_per_year=st.sampled_from([0.0, 5000.0]),
    funding_bps_per_year=st.sampled_from([0.0, 9000.0, -9000.0]),
)


@settings(max_examples=120, deadline=None)
@given(
    data=st.data(),
    rows=st.integers(1, 40),
    costs=costs_of_all_kinds,
    latency=st.integers(0, 4),
    horizon=st.integers(1, 4),
    mode=st.sampled_from(["long_flat", "long_short"]),
)
def test_engines_agree_trade_for_trade(data, rows, costs, latency, horizon, mode):
    seed = data.draw(st.integers(0, 10_000))
    # Moves up to a loss of everything for a short position.
    frame = bars_of(rows, seed, volatility=data.draw(st.sampled_from([0.001, 0.02, 0.4])))
    lowest = -1.0 if mode == "long_short" else 0.0
    sides = st.sampled_from([math.nan, 0.0, 1.0, lowest, 0.5 * lowest])
    shares = st.integers(int(20 * lowest), 20).map(lambda twentieths: twentieths / 20)
    signal = data.draw(st.lists(sides | shares, min_size=rows, max_size=rows))
    config = BacktestConfig(
        mode=mode, costs=costs, horizon_bars=horizon, latency_bars=latency, capital=1e6
    )
    assert_engines_agree(frame, signal, config)


def test_engines_agree_on_real_bars(real_bars_folder):
    bars = pd.read_parquet(real_bars_folder / "spy_1h.parquet").tail(4000)
    frame = bars.set_index("timestamp") if "timestamp" in bars.columns else bars
    signal = np.random.default_rng(3).integers(-1, 2, len(frame)).astype(float)
    costs = CostSpec(spread_bps=1.0, borrow_bps_per_year=50.0, funding_bps_per_year=20.0)
    config = BacktestConfig(mode="long_short", costs=costs, horizon_bars=3, latency_bars=1)
    assert_engines_agree(frame, signal, config)


def test_a_stop_fills_at_its_price_and_waits_for_a_new_signal():
    low = [100, 99.5, 97.0, 99, 99, 99, 99, 99]
    frame = frame_of([100.0] * 8, low=low)
    signal = [1, 1, 1, 1, 0, 1, 1, 1]
    config = BacktestConfig(costs=FREE, stops=StopSpec(stop_loss=0.02))
    result = run_one(frame, signal, config)
    trades = result.trades
    assert trades[["entry_row", "exit_row"]].to_numpy().tolist() == [[1, 2], [6, 7]]
    assert trades["exit_reason"].tolist() == ["stop_loss", "end"]
    assert trades["exit_price"].tolist() == [98.0, 100.0]
    np.testing.assert_allclose(result.equity, [1, 1, 0.98, 0.98, 0.98, 0.98, 0.98, 0.98])
    again = replace(config, stops=StopSpec(stop_loss=0.02, re_enter=True))
    assert run_one(frame, signal, again).trades["entry_row"].tolist() == [1, 3, 6]


def test_gaps_fill_at_the_open_and_the_stop_comes_first():
    # Row 3 opens through the stop; row 5's bar touches both levels.
    opens = [100.0, 100.0, 100.0, 90.0, 100.0, 100.0, 100.0]
    high, low = np.full(7, 100.5), np.minimum(opens, 99.9)
    high[5], low[5] = 120.0, 80.0
    config = BacktestConfig(
        mode="long_short", costs=FREE, stops=StopSpec(stop_loss=0.05, take_profit=0.05)
    )
    trades = run_one(frame_of(opens, high, low), [1, 1, 1, 0, 1, 1, 1], config).trades
    assert trades["exit_reason"].tolist() == ["stop_loss", "stop_loss"]
    assert trades["exit_price"].tolist() == [90.0, 95.0]
    assert trades["bars"].tolist() == [2, 0]
    up = [100.0, 100.0, 100.0, 112.0, 112.0]
    trades = run_one(frame_of(up, up, up), [1] * 5, config).trades
    assert trades["exit_reason"].tolist() == ["take_profit"]
    assert trades["exit_price"].tolist() == [112.0]  # a gap in favour
    trades = run_one(frame_of(up, up, up), [-1] * 5, config).trades
    assert trades["exit_price"].tolist() == [112.0]
    assert trades["exit_reason"].tolist() == ["stop_loss"]


def test_the_trailing_stop_follows_closed_bars_and_the_time_barrier_ends_a_trade():
    opens = np.array([100.0, 100.0, 104.0, 110.0, 110.0, 108.0, 108.0])
    high = np.array([100.0, 105.0, 111.0, 112.0, 110.5, 108.0, 108.0])
    low = np.array([100.0, 99.5, 103.0, 109.0, 106.0, 108.0, 108.0])
    config = BacktestConfig(costs=FREE, stops=StopSpec(trailing_stop=0.05))
    trade = run_one(frame_of(opens, high, low), [1] * 7, config).trades.iloc[0]
    assert (trade["exit_row"], trade["exit_price"]) == (4, pytest.approx(0.95 * 112.0))
    assert trade["exit_reason"] == "trailing_stop"
    timed = BacktestConfig(costs=FREE, stops=StopSpec(max_bars=2))
    trade = run_one(frame_of(opens, high, low), [1] * 7, timed).trades.iloc[0]
    assert (trade["entry_row"], trade["exit_row"], trade["exit_reason"]) == (1, 3, "max_bars")


def test_stops_in_volatilities_use_the_volatility_at_the_entry():
    from ultimate_deep.portfolio.volatility import bar_volatility

    frame = bars_of(300, seed=4)
    signal = np.zeros(300)
    signal[100:] = 1.0
    stops = StopSpec(stop_loss=1.5, unit="volatility", volatility_span_bars=30)
    trade = run_one(frame, signal, BacktestConfig(costs=FREE, stops=stops)).trades.iloc[0]
    sigma = bar_volatility(frame["open"], frame["close"], span_bars=30)[100]
    level = frame["open"].iloc[101] * (1.0 - 1.5 * sigma)
    opened = frame["open"].iloc[trade["exit_row"]]
    assert trade["exit_price"] == pytest.approx(min(level, opened), rel=1e-12)
    assert trade["exit_reason"] == "stop_loss"


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    stop=st.floats(0.001, 0.05),
    profit=st.floats(0.001, 0.05),
    trailing=st.booleans(),
)
def test_no_stop_fills_better_than_its_price(seed, stop, profit, trailing):
    frame = bars_of(200, seed)
    signal = np.random.default_rng(seed).integers(-1, 2, 200).astype(float)
    stops = StopSpec(stop_loss=stop, take_profit=profit, trailing_stop=stop if trailing else None)
    trades = run_one(frame, signal, BacktestConfig(mode="long_short", stops=stops)).trades
    move = trades["side"] * (trades["exit_price"] / trades["entry_price"] - 1.0)
    reason = trades["exit_reason"]
    assert (move[reason == "stop_loss"] <= -stop + 1e-12).all()
    assert (move[reason == "take_profit"] >= profit - 1e-12).all()
    ended = frame.iloc[trades["exit_row"]]
    assert (trades["exit_price"].to_numpy() <= ended["high"].to_numpy() + 1e-9).all()
    assert (trades["exit_price"].to_numpy() >= ended["low"].to_numpy() - 1e-9).all()
    at_open = trades["exit_price"].to_numpy() == ended["open"].to_numpy()
    profits = (reason == "take_profit").to_numpy()
    np.testing.assert_allclose(move[profits & ~at_open], profit, rtol=1e-9)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.floats(0.001, 0.5), stopped=st.booleans())
def test_fills_never_exceed_their_share_of_the_volume(seed, share, stopped):
    frame = bars_of(120, seed)
    draw = np.random.default_rng(seed)
    frame["volume"] *= draw.integers(0, 2, 120)  # half of the bars trade nothing
    signal = np.repeat(draw.integers(-1, 2, 20), 6).astype(float)
    config = BacktestConfig(
        mode="long_short",
        capital=50_000.0,
        max_volume_share=share,
        stops=StopSpec(stop_loss=0.01) if stopped else StopSpec(),
    )
    result = run_one(frame, signal, config)
    before = np.append(1.0, result.equity[:-1])
    # What a stop sells inside a bar it sells at the bar's low at the worst.
    lowest = frame["low"] if stopped else frame["open"]
    units = result.turnover * before * config.capital / np.maximum(lowest, 1e-9)
    most = share * frame["volume"] * np.maximum(frame["high"] / lowest, 1.0)
    assert (units[:-1] <= most[:-1] * (1 + 1e-9) + 1e-9).all()
    assert result.position[-1] == 0.0


def test_what_one_bar_cannot_fill_is_tried_again():
    # 100 units are wanted, 40 a bar can be had.
    frame = frame_of([10.0] * 8, volume=[400.0] * 8)
    config = BacktestConfig(costs=FREE, capital=1000.0, max_volume_share=0.1)
    result = run_one(frame, [1, 1, 1, 1, 0, 0, 0, 0], config)
    np.testing.assert_allclose(result.position, [0, 0.4, 0.8, 1.0, 1.0, 0.6, 0.2, 0.0], atol=1e-12)
    assert len(result.trades) == 1


def test_a_drawdown_flattens_everything_for_as_long_as_it_says():
    close = np.array([100, 100, 90, 80, 80, 80, 80, 80, 80, 80, 80.0])
    frame = frame_of(np.append(100.0, close[:-1]), close=close)
    other = frame_of(np.full(11, 50.0))
    both, signal = {"A": frame, "B": other}, np.ones(11)
    for cooldown, flat in ((None, range(4, 11)), (3, range(4, 7))):
        breakers = BreakerSpec(max_drawdown=0.08, cooldown_bars=cooldown)
        config = BacktestConfig(costs=FREE, breakers=breakers)
        result = run_event_backtest(both, {"A": signal, "B": signal}, config, bars_per_year=YEAR)
        # Half of the account loses 20% by the close of row 3.
        assert result.trades["exit_reason"].tolist()[:2] == ["drawdown", "drawdown"]
        assert np.flatnonzero(result.position == 0.0).tolist() == sorted({0, *flat, 10})
        assert np.prod(1 + result.trades["return_net"]) == pytest.approx(result.equity[-1])


@pytest.mark.parametrize(("action", "held"), [("flat", 0.0), ("halve", 0.5)])
def test_a_volatility_spike_cuts_positions_while_it_lasts(action, held):
    draw = np.random.default_rng(1)
    moves = 0.001 * draw.standard_normal(400)
    moves[300:310] = 0.03
    close = 100.0 * np.exp(np.cumsum(moves))
    frame = frame_of(np.append(100.0, close[:-1]), close=close)
    breakers = BreakerSpec(volatility_ratio=2.5, short_bars=10, long_bars=200, spike_action=action)
    result = run_one(frame, np.ones(400), BacktestConfig(costs=FREE, breakers=breakers))
    assert (result.position[1:300] == 1.0).all()
    assert (result.position[303:311] == held).all()
    assert (result.position[350:399] == 1.0).all()


FULL = BacktestConfig(
    mode="long_short",
    horizon_bars=2,
    latency_bars=1,
    capital=30_000.0,
    max_volume_share=0.2,
    costs=CostSpec(
        spread_bps=2.0,
        impact_coefficient=0.8,
        borrow_bps_per_year=300.0,
        funding_bps_per_year=500.0,
    ),
    stops=StopSpec(
        stop_loss=2.0, trailing_stop=3.0, take_profit=4.0, unit="volatility", max_bars=20
    ),
    breakers=BreakerSpec(
        max_drawdown=0.2, cooldown_bars=15, volatility_ratio=2.5, short_bars=3, long_bars=30
    ),
)


def test_the_future_changes_nothing_in_the_past():
    rows, cut = 300, 180
    frame = bars_of(rows, seed=8)
    signal = np.random.default_rng(8).integers(-1, 2, rows).astype(float)
    whole = run_one(frame, signal, FULL)
    changed, other = frame.copy(), signal.copy()
    changed.iloc[cut:] = bars_of(rows, seed=9).iloc[cut:]
    other[cut - 1 :] = 1.0
    again = run_one(changed, other, FULL)
    for name in ("position", "equity", "cost"):
        before = slice(0, cut - 1)  # the row before the cut ends at the changed open
        np.testing.assert_array_equal(getattr(whole, name)[before], getattr(again, name)[before])
    done = whole.trades["exit_row"] < cut - 1
    assert done.sum() > 20
    pd.testing.assert_frame_equal(
        whole.trades[done], again.trades[done.to_numpy()[: len(again.trades)]]
    )


@pytest.mark.parametrize(
    "dearer",
    [
        {"fee_bps": 5.0},
        {"spread_bps": 10.0},
        {"impact_coefficient": 1.0},
        {"borrow_bps_per_year": 1000.0},
    ],
)
def test_higher_costs_never_help(dearer):
    frame = bars_of(400, seed=2)
    signal = np.random.default_rng(2).integers(-1, 2, 400).astype(float)
    base = BacktestConfig(mode="long_short")
    worse = replace(base, costs=CostSpec(**dearer))
    cheap = run_one(frame, signal, base)
    dear = run_one(frame, signal, worse)
    assert (dear.equity <= cheap.equity * (1 + 1e-12)).all()
    assert dear.equity[-1] < cheap.equity[-1]
    assert dear.metrics["total_return_gross"] == pytest.approx(cheap.metrics["total_return_gross"])


def test_funding_is_paid_by_longs_and_received_by_shorts():
    frame = frame_of([100.0] * 25)
    costs = replace(FREE, funding_bps_per_year=876.0)  # 0.1 bps an hour
    for side in (1.0, -1.0):
        config = BacktestConfig(mode="long_short", costs=costs)
        result = run_one(frame, np.full(25, side), config)
        assert result.equity[-1] == pytest.approx((1.0 - side * 876e-4 / 8760) ** 23, rel=1e-12)
        assert result.metrics["cost_paid"] == pytest.approx(1.0 - result.equity[-1], rel=1e-9)
    borrowed = BacktestConfig(mode="long_short", costs=replace(FREE, borrow_bps_per_year=876.0))
    assert run_one(frame, np.ones(25), borrowed).equity[-1] == 1.0
    assert run_one(frame, -np.ones(25), borrowed).equity[-1] < 1.0


def test_impact_is_the_square_root_law():
    frame = bars_of(50, seed=3)
    signal = np.zeros(50)
    signal[30:] = 1.0
    costs = replace(FREE, impact_coefficient=0.9, impact_span_bars=10)
    result = run_one(frame, signal, BacktestConfig(costs=costs, capital=25_000.0))
    weights = (1.0 - 2.0 / 11.0) ** np.arange(30, -1, -1)
    close, opens = frame["close"].to_numpy()[:31], frame["open"].to_numpy()
    moves = np.log(close / np.append(opens[0], close[:-1]))
    sigma = math.sqrt(np.average(moves**2, weights=weights))
    notional = np.average(close * frame["volume"].to_numpy()[:31], weights=weights)
    expected = 0.9 * sigma * math.sqrt(25_000.0 / notional)
    assert result.cost[31] == pytest.approx(expected, rel=1e-12)


def test_symbols_with_other_hours_share_one_account():
    first, second = bars_of(200, seed=5), bars_of(90, seed=6)
    second.index = second.index[:1].append(second.index[1:] + pd.Timedelta("17h30min"))
    draw = np.random.default_rng(5)
    signals = {
        "A": draw.integers(-1, 2, 200).astype(float),
        "B": draw.integers(-1, 2, 90).astype(float),
    }
    for config in (FULL, BacktestConfig(mode="long_short")):
        result = run_event_backtest(
            {"A": first, "B": second}, signals, config, bars_per_year={"A": YEAR, "B": YEAR}
        )
        assert len(result.equity) == len(first.index.union(second.index))
        assert result.trades["entry_time"].is_monotonic_increasing
        for symbol, frame in (("A", first), ("B", second)):
            own = result.trades[result.trades["symbol"] == symbol]
            assert len(own) > 5
            assert (frame.index[own["entry_row"]] == own["entry_time"]).all()
            prices = frame["open"].to_numpy()[own["entry_row"]]
            np.testing.assert_array_equal(prices, own["entry_price"])
        total = np.prod(1.0 + result.trades["return_net"])
        assert total == pytest.approx(result.equity[-1], rel=1e-11)
        assert result.metrics["cost_paid"] > 0.0


def test_an_idle_symbol_changes_nothing_but_the_share():
    frame = bars_of(150, seed=7)
    signal = np.random.default_rng(7).integers(-1, 2, 150).astype(float)
    config = BacktestConfig(mode="long_short", stops=StopSpec(stop_loss=0.01))
    alone = run_one(frame, 0.5 * signal, config)
    result = run_event_backtest(
        {"A": frame, "B": bars_of(150, seed=1)},
        {"A": signal, "B": np.zeros(150)},
        config,
        bars_per_year=YEAR,
    )
    np.testing.assert_allclose(result.equity, alone.equity, rtol=1e-13)
    everything = run_event_backtest(
        {"A": frame, "B": bars_of(150, seed=1)},
        {"A": 0.5 * signal, "B": np.zeros(150)},
        config,
        bars_per_year=YEAR,
        weights={"A": 0.999, "B": 0.001},
    )
    np.testing.assert_allclose(everything.position[:5], 0.999 * alone.position[:5], rtol=1e-12)


def test_a_short_that_loses_everything_ends_the_account():
    opens = [100.0, 100.0, 210.0, 100.0, 100.0]
    config = BacktestConfig(mode="long_short", stops=StopSpec(max_bars=4))
    result = run_one(frame_of(opens), [-1.0] * 5, config)
    assert result.equity.tolist()[1:] == [0.0] * 4
    assert result.trades["return_net"].tolist() == [-1.0]
    assert result.trades["exit_reason"].tolist() == ["ruin"]


def test_bars_fed_one_by_one_give_the_same_account():
    rows = 250
    frames = {"A": bars_of(rows, seed=1), "B": bars_of(rows, seed=2).iloc[40:]}
    draw = np.random.default_rng(4)
    signals = {name: draw.integers(-1, 2, len(frame)) * 1.0 for name, frame in frames.items()}
    config = replace(FULL, horizon_bars=1, latency_bars=0, max_volume_share=0.5)
    batch = run_event_backtest(frames, signals, config, bars_per_year=YEAR)
    live = LiveAccount(["A", "B"], account_rules(config))
    wanted, trades, equity = {"A": 0.0, "B": 0.0}, [], []
    for time in frames["A"].index:
        bars = {
            name: PriceBar(**frame.loc[time].to_dict())
            for name, frame in frames.items()
            if time in frame.index
        }
        targets = {name: wanted[name] for name in bars}
        trades += live.add_bars(bars, targets, years=1.0 / 8760.0 if equity else 0.0)
        equity.append(live.equity)
        for name in bars:
            row = frames[name].index.get_loc(time)
            wanted[name] = 0.5 * signals[name][row]
    # The batch ends one row earlier: its last open closes everything.
    np.testing.assert_array_equal(equity[1:-1], batch.equity[: rows - 2])
    ended = batch.trades[batch.trades["exit_reason"] != "end"]
    assert (
        sorted((t.symbol, t.entry_row, t.exit_row, t.return_net) for t in trades)[:10]
        == sorted(
            zip(
                ended["symbol"],
                ended["entry_row"],
                ended["exit_row"],
                ended["return_net"],
                strict=True,
            )
        )[:10]
    )
    assert set(live.positions) == {"A", "B"}


def test_what_cannot_be_done_is_refused_by_name():
    frame, signal = bars_of(20, seed=1), np.ones(20)
    config = BacktestConfig(
        stops=StopSpec(stop_loss=0.1, max_bars=3),
        breakers=BreakerSpec(max_drawdown=0.1),
        max_volume_share=0.1,
    )
    named = "stops.stop_loss, stops.max_bars, breakers.max_drawdown, max_volume_share"
    with pytest.raises(ValueError, match=f"{named}.*run_event_backtest"):
        run_backtest(frame, signal, config, bars_per_year=YEAR)
    kelly = BacktestConfig(sizing=SizingSpec(method="kelly"))
    with pytest.raises(ValueError, match=r"sizing 'kelly' is applied before.*run_any_backtest"):
        run_backtest(frame, signal, kelly, bars_per_year=YEAR)
    for column, needs in (("high", "a stop"), ("close", "a breaker"), ("volume", "max_volume")):
        with pytest.raises(ValueError, match=f"{needs}.* needs a `{column}` column"):
            run_one(frame.drop(columns=column), signal, config)
    with pytest.raises(ValueError, match="signals must have the symbols of the bars"):
        run_event_backtest({"X": frame}, {"Y": signal}, bars_per_year=YEAR)
    with pytest.raises(ValueError, match="weights must add up to at most 1"):
        run_event_backtest(
            {"X": frame, "Y": frame},
            {"X": signal, "Y": signal},
            bars_per_year=YEAR,
            weights={"X": 0.8, "Y": 0.3},
        )
    with pytest.raises(ValueError, match=r"\[0, 1\] in mode 'long_flat', got -1.0 at row 0"):
        run_one(frame, -signal, BacktestConfig())
    impact = BacktestConfig(costs=CostSpec(impact_coefficient=1.0))
    silent = frame.assign(volume=0.0)
    for engine in (run_one, lambda *given: run_backtest(*given, bars_per_year=YEAR)):
        with pytest.raises(ValueError, match=r"impact needs traded volume.*up to row 1 "):
            engine(silent, signal, impact)


def test_prices_that_never_moved_are_no_spike_of_volatility():
    index = pd.date_range("2020-01-01", periods=60, freq="h", tz="UTC")
    frame = pd.DataFrame(dict.fromkeys(("open", "high", "low", "close"), 100.0), index=index)
    frame["volume"] = 1e6
    calm = BacktestConfig(breakers=BreakerSpec(volatility_ratio=1.5, short_bars=3, long_bars=20))
    result = run_event_backtest({"A": frame}, {"A": np.ones(60)}, calm, bars_per_year={"A": 8760.0})
    assert result.metrics["trades"] == 1
