"""Both engines against vectorbt 1.2; `tests/golden/make_vectorbt_backtest.py` made the figures."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.evaluation.backtesting.event_driven import run_event_backtest
from ultimate_deep.evaluation.backtesting.vectorised import BacktestConfig, run_backtest
from ultimate_deep.portfolio.costs import CostSpec
from ultimate_deep.portfolio.stops import StopSpec

GOLDEN = Path(__file__).parents[2] / "golden" / "vectorbt_backtest.json"
FREE = CostSpec(fee_bps=0.0, slippage_bps=0.0)


@pytest.fixture(scope="module")
def golden():
    return json.loads(GOLDEN.read_text())


def frame_of(bars):
    rows = len(bars["open"])
    index = pd.date_range("2024-01-01", periods=rows, freq="h", tz="UTC", name="timestamp")
    return pd.DataFrame(bars, index=index)


def signal_of(positions):
    """The signals that lead to `positions` at the opens: each is decided one bar earlier."""
    return np.append(np.asarray(positions)[1:], np.nan)


def vectorised(frame, signal, costs):
    config = BacktestConfig(mode="long_short", costs=costs)
    return run_backtest(frame, signal, config, bars_per_year=8760.0)


def event_driven(frame, signal, costs):
    config = BacktestConfig(mode="long_short", costs=costs)
    return run_event_backtest({"X": frame}, {"X": signal}, config, bars_per_year=8760.0)


def value_after_trading(result):
    """vectorbt's value of a row: at its open, after that open's trading."""
    return np.concatenate([[1.0], result.equity[:-1]]) - result.cost


@pytest.mark.parametrize("engine", [vectorised, event_driven])
def test_long_and_short_shares_without_costs_are_vectorbts(golden, engine):
    result = engine(frame_of(golden["bars"]), signal_of(golden["positions"]["shares"]), FREE)
    # Without costs both conventions are the same: only the order of roundings differs.
    np.testing.assert_allclose(value_after_trading(result), golden["free"]["value"], rtol=1e-12)
    np.testing.assert_array_equal(result.position, golden["positions"]["shares"])
    assert result.equity.std() > 0.005  # something happened


@pytest.mark.parametrize("engine", [vectorised, event_driven])
def test_all_or_nothing_with_costs_is_vectorbts(golden, engine):
    fees, slippage = golden["costs"]["fees"], golden["costs"]["slippage"]
    # A sale leaves (1 - slippage)(1 - fees) of the value in both; this is our cost per side.
    per_side = 1.0 - (1.0 - slippage) * (1.0 - fees)
    costs = CostSpec(fee_bps=per_side * 1e4, slippage_bps=0.0)
    positions = np.asarray(golden["positions"]["all_in"])
    result = engine(frame_of(golden["bars"]), signal_of(positions), costs)
    # A purchase leaves 1 - cost in ours; vectorbt buys what the cash pays for including costs,
    # which leaves 1 / ((1 + slippage)(1 + fees)). Both are charged once for each purchase.
    theirs = 1.0 / ((1.0 + slippage) * (1.0 + fees))
    purchases = np.cumsum(np.diff(positions, prepend=0.0) > 0)
    expected = np.asarray(golden["all_in"]["value"]) / (theirs / (1.0 - per_side)) ** purchases
    np.testing.assert_allclose(value_after_trading(result), expected, rtol=1e-12)
    assert purchases[-1] == len(result.trades) > 10
    assert golden["all_in"]["orders"] == 2 * len(result.trades)


@pytest.mark.parametrize("engine", [vectorised, event_driven])
def test_shares_with_costs_are_vectorbts_to_second_order(golden, engine):
    per_side = golden["costs"]["fees"] + golden["costs"]["slippage"]
    costs = CostSpec(fee_bps=per_side * 1e4, slippage_bps=0.0)
    result = engine(frame_of(golden["bars"]), signal_of(golden["positions"]["shares"]), costs)
    # Targets are shares of equity after paying in ours, before paying in vectorbt's. What is
    # traded differs by the cost times itself, and the position by the cost times the position
    # until the next trade, which earns that part of the price's move.
    traded = np.flatnonzero(result.turnover > 1e-12)
    moves = np.abs(np.add.reduceat(result.return_gross, traded))
    room = per_side * (result.turnover[traded] * (per_side + moves)).sum()
    difference = value_after_trading(result) / golden["shares"]["value"] - 1.0
    assert np.abs(difference).max() < room < 0.02 * result.metrics["cost_paid"]


def test_two_symbols_in_one_account_are_vectorbts(golden):
    frame = frame_of(golden["bars"])
    other = pd.DataFrame({"open": golden["other_open"]}, index=frame.index)
    pair = np.asarray(golden["positions"]["pair"])
    result = run_event_backtest(
        {"first": frame, "second": other},
        {"first": signal_of(2.0 * pair[:, 0]), "second": signal_of(2.0 * pair[:, 1])},
        BacktestConfig(mode="long_short", costs=FREE),
        bars_per_year=8760.0,
    )
    np.testing.assert_allclose(value_after_trading(result), golden["together"]["value"], rtol=1e-12)
    np.testing.assert_allclose(result.position, pair.sum(axis=1), rtol=1e-12)
    assert np.prod(1.0 + result.trades["return_net"]) == pytest.approx(result.equity[-1], rel=1e-12)


@pytest.mark.parametrize(
    ("name", "stops"),
    [
        ("stop_loss", StopSpec(stop_loss=0.02)),
        ("take_profit", StopSpec(take_profit=0.025)),
        ("stop_and_profit", StopSpec(stop_loss=0.015, take_profit=0.02)),
        ("trailing", StopSpec(trailing_stop=0.02)),
    ],
)
def test_stops_are_vectorbts(golden, name, stops):
    config = BacktestConfig(mode="long_short", costs=FREE, stops=stops)
    signal = signal_of(golden["positions"]["sides"])
    trades = run_event_backtest(
        {"X": frame_of(golden["bars"])}, {"X": signal}, config, bars_per_year=8760.0
    ).trades
    expected = pd.DataFrame(golden["stops"][name]["trades"])
    for column in ("side", "entry_row", "exit_row"):
        assert trades[column].tolist() == expected[column].tolist(), column
    # No costs and everything in: prices and returns agree but for roundings. A short position is
    # brought back to the whole equity at every open by us, and left as it is by vectorbt.
    for column in ("entry_price", "exit_price"):
        np.testing.assert_allclose(trades[column], expected[column], rtol=1e-12)
    long = (trades["side"] == 1).to_numpy()
    np.testing.assert_allclose(
        trades["return_net"][long], expected["return"][long], rtol=1e-11, atol=1e-13
    )
    inside = ~trades["exit_reason"].isin(["signal", "end"])
    assert inside.sum() > 5
    assert expected["inside_bar"].sum() > 4
