"""Sizing and the choice of the engine; an account's figures; what compiled code depends on."""

import hashlib
import inspect
from dataclasses import replace

import numpy as np
import pytest

from ultimate_deep.evaluation.backtesting.engines import run_any_backtest, sized_signal
from ultimate_deep.evaluation.backtesting.event_driven import run_event_backtest
from ultimate_deep.evaluation.backtesting.vectorised import (
    BacktestConfig,
    combine_backtests,
    run_backtest,
)
from ultimate_deep.evaluation.measures import returns
from ultimate_deep.portfolio.costs import CostSpec
from ultimate_deep.portfolio.event_driven import kernels as event_kernels
from ultimate_deep.portfolio.event_driven import types as event_types
from ultimate_deep.portfolio.sizing import size_positions
from ultimate_deep.portfolio.sizing_spec import SizingSpec
from ultimate_deep.portfolio.stops import StopSpec
from ultimate_deep.portfolio.volatility import bar_volatility

YEAR = 8760.0


def bars_of(rows, seed):
    import pandas as pd

    draw = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(0.01 * draw.standard_normal(rows)))
    opens = np.append(100.0, close[:-1])
    columns = {"open": opens, "high": np.maximum(opens, close), "low": np.minimum(opens, close)}
    index = pd.date_range("2024-01-01", periods=rows, freq="h", tz="UTC", name="timestamp")
    return pd.DataFrame({**columns, "close": close, "volume": 1e4}, index=index)


@pytest.fixture
def market():
    frames = {"A": bars_of(200, 1), "B": bars_of(200, 2)}
    draw = np.random.default_rng(3)
    signals = {name: draw.integers(-1, 2, 200).astype(float) for name in frames}
    chances = {name: 0.5 + 0.2 * signal for name, signal in signals.items()}
    return frames, signals, chances


def test_the_engine_follows_from_the_options(market):
    frames, signals, chances = market
    years = dict.fromkeys(frames, YEAR)
    config = BacktestConfig(mode="long_short", sizing=SizingSpec(method="kelly"))
    found = run_any_backtest(frames, signals, config, bars_per_year=years, probabilities=chances)
    sized = {
        name: size_positions(signals[name], config.sizing, probability=chances[name])
        for name in frames
    }
    plain = replace(config, sizing=SizingSpec())
    expected = combine_backtests(
        [
            run_backtest(frame, sized[name], plain, bars_per_year=YEAR, symbol=name)
            for name, frame in frames.items()
        ]
    )
    np.testing.assert_array_equal(found.equity, expected.equity)
    assert found.trades["symbol"].tolist() == expected.trades["symbol"].tolist()
    stopped = replace(config, stops=StopSpec(stop_loss=0.02))
    found = run_any_backtest(frames, signals, stopped, bars_per_year=years, probabilities=chances)
    expected = run_event_backtest(
        frames, sized, replace(stopped, sizing=SizingSpec()), bars_per_year=YEAR
    )
    np.testing.assert_array_equal(found.equity, expected.equity)
    with pytest.raises(ValueError, match="needs `probability`"):
        run_any_backtest(frames, signals, config, bars_per_year=years)


def test_accounts_side_by_side_share_the_capital_that_impact_depends_on(market):
    frames, signals, _ = market
    costs = CostSpec(impact_coefficient=1.0)
    config = BacktestConfig(mode="long_short", costs=costs, capital=2e5)
    years = dict.fromkeys(frames, YEAR)
    found = run_any_backtest(frames, signals, config, bars_per_year=years)
    half = replace(config, capital=1e5)
    expected = [
        run_backtest(frame, signals[name], half, bars_per_year=YEAR)
        for name, frame in frames.items()
    ]
    np.testing.assert_array_equal(found.equity, combine_backtests(expected).equity)
    larger = run_any_backtest(frames, signals, replace(config, capital=2e6), bars_per_year=years)
    assert larger.equity[-1] < found.equity[-1]


def test_a_volatility_target_uses_closed_bars(market):
    frame = market[0]["A"]
    spec = SizingSpec(method="volatility_target", target_volatility=0.3, volatility_span_bars=20)
    found = sized_signal(frame, np.ones(200), spec, bars_per_year=YEAR)
    sigma = bar_volatility(frame["open"], frame["close"], span_bars=20) * np.sqrt(YEAR)
    np.testing.assert_allclose(found, np.minimum(0.3 / sigma, 1.0))
    changed = frame.copy()
    changed.iloc[100:] *= 2.0
    again = sized_signal(changed, np.ones(200), spec, bars_per_year=YEAR)
    np.testing.assert_array_equal(found[:100], again[:100])
    assert np.unique(found).size > 50


def test_figures_in_one_pass_are_those_of_their_definitions(market):
    frames, signals, _ = market
    result = run_backtest(
        frames["A"], signals["A"], BacktestConfig(mode="long_short"), bars_per_year=YEAR
    )
    net, trades = result.return_net, result.trades["return_net"].to_numpy()
    expected = {
        "sharpe": returns.sharpe(net, bars_per_year=YEAR),
        "sortino": returns.sortino(net, bars_per_year=YEAR),
        "annual_volatility": returns.annual_volatility(net, bars_per_year=YEAR),
        "max_drawdown": returns.max_drawdown(result.equity),
        "win_rate": returns.win_rate(trades),
        "profit_factor": returns.profit_factor(trades),
        "total_return_gross": np.prod(1.0 + result.return_gross) - 1.0,
        "exposure": np.abs(result.position).mean(),
        "average_trade_bps": trades.mean() * 1e4,
        "average_trade_bars": result.trades["bars"].mean(),
    }
    for name, value in expected.items():
        assert result.metrics[name] == pytest.approx(value, rel=1e-12), name


def test_options_that_depend_on_the_path_are_listed():
    assert BacktestConfig().path_dependent == ()
    config = BacktestConfig(stops=StopSpec(trailing_stop=0.1), max_volume_share=0.2)
    assert config.path_dependent == ("stops.trailing_stop", "max_volume_share")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"latency_bars": -1}, ValueError, "latency_bars must be at least 0, got -1"),
        ({"capital": 0.0}, ValueError, "capital must be finite and above 0, got 0.0"),
        ({"max_volume_share": 2.0}, ValueError, "max_volume_share must be .* at most 1, got 2.0"),
        ({"capital": "much"}, TypeError, "capital must be a number"),
    ],
)
def test_bad_options_are_named(options, error, message):
    with pytest.raises(error, match=message):
        BacktestConfig(**options)


def test_compiled_code_knows_its_types():
    # numba keeps compiled code for as long as its own file stays the same; this digest makes
    # `kernels.py` change with `types.py`.
    digest = hashlib.sha256(inspect.getsource(event_types).encode()).hexdigest()[:16]
    assert digest == event_kernels.TYPES_DIGEST, f'set TYPES_DIGEST = "{digest}"'
