"""Vectorised backtest: decide at a bar's close, fill at the next bar's open, pay for every fill.

Row `i` of every result array is the time from the open of bar `i` to the open of bar `i + 1`:
the position held then, what was traded at its beginning, what it earned by its end. The last
open only closes, so that nothing is left to a price that nobody has seen.

`evaluation.backtesting.event_driven` is the engine for what depends on the path: stops,
breakers, partial fills, several symbols in one account.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from ultimate_deep.evaluation.arrays import Array1D
from ultimate_deep.evaluation.backtesting.account import (
    TRADE_COLUMNS,
    BacktestResult,
    performance_metrics,
)
from ultimate_deep.evaluation.backtesting.bar_columns import (
    bad_price,
    checked_index,
    column,
    price_column,
    volume_column,
    years_to_next,
)
from ultimate_deep.evaluation.backtesting.config import BacktestConfig
from ultimate_deep.evaluation.backtesting.kernels import (
    PRICE_ERROR,
    Charges,
    Curves,
    TradeRows,
    first_error,
    settle,
)
from ultimate_deep.evaluation.backtesting.pooling import combine_backtests
from ultimate_deep.evaluation.backtesting.wanted import (
    lowest_signal,
    refuse_sizing,
    signal_column,
    signal_error,
    wanted_positions,
)
from ultimate_deep.portfolio.volatility import bar_volatility
from ultimate_deep.portfolio.volatility_kernels import weighted_means

__all__ = ["BacktestConfig", "BacktestResult", "combine_backtests", "run_backtest"]

_NONE = np.zeros(0)


def run_backtest(
    frame: pd.DataFrame,
    signal: npt.ArrayLike,
    config: BacktestConfig = BacktestConfig(),
    *,
    bars_per_year: float,
    symbol: str = "",
) -> BacktestResult:
    """Trade `signal` on the bars of `frame`.

    The signal of row `t` is decided at the close of bar `t` and first filled at the open of bar
    `t + 1 + latency_bars`. Positions are fractions of equity, rebalanced at every open: a fraction
    `p` drifts to `p (1 + r) / (1 + p r)` over a return `r`, and the turnover is the distance from
    there to the next target. Costs are charged on the turnover, holding costs at the end of each
    row. A row that loses the whole equity ends the account: equity stays at 0 and nothing is
    traded any more.

    Args:
        frame: Bars with an `open` column and a strictly increasing `DatetimeIndex`; impact
            needs `close` and `volume` too.
        signal: Wanted position per bar in [-1, 1] (at least 0 in "long_flat"), shape `(rows,)`;
            NaN means flat.
        config: Costs, horizon, latency and what the account starts with.
        bars_per_year: Bars in a year, for the yearly figures.
        symbol: Name for the trade list.

    Raises:
        ValueError: Lengths that differ, no rows, a price that is NaN, infinite or not positive,
            a signal outside its range, an index out of order; options that depend on the path;
            a sizing that was not applied; impact where the market had no volume.
    """
    _refuse_path_dependent(config)
    refuse_sizing(config)
    index = checked_index(frame)
    price = column(frame, "open", reason="a backtest")
    values = signal_column(signal, len(price))
    kind, row = first_error(price, values, lowest_signal(config.mode))
    if kind == PRICE_ERROR:
        raise bad_price("open", price, row, index)
    if kind:
        raise signal_error(values, row, config.mode)
    wanted = wanted_positions(values, config.horizon_bars)
    rows = len(price)
    curves = Curves(*(np.empty(rows) for _ in Curves._fields))
    trades = _room_for_trades(rows)
    charges = _charges(frame, index, config)
    count, row = settle(price, wanted, config.delay_bars, charges, curves, trades)
    if row >= 0:
        raise no_volume_error(index, row, symbol)
    made = TradeRows(*(part[:count].copy() for part in trades))
    prices = price[made.entry_row], price[made.exit_row]
    return _result(
        index, curves, made, partial(_trade_list, made, *prices, index, symbol), bars_per_year
    )


class NoVolumeError(ValueError):
    """A fill before any volume was traded, of whose impact nothing is known."""


def no_volume_error(index: pd.DatetimeIndex, row: int, symbol: str) -> NoVolumeError:
    """The error for a fill whose impact is undefined."""
    return NoVolumeError(
        f"impact needs traded volume before every fill; there was none up to row {row} "
        f"({index[row]}){f' of {symbol}' if symbol else ''}; "
        "give bars with volume, or costs with impact_coefficient=0"
    )


def _refuse_path_dependent(config: BacktestConfig) -> None:
    if config.path_dependent:
        raise ValueError(
            f"the vectorised engine cannot follow {', '.join(config.path_dependent)}: what they "
            "do depends on the path; call "
            "`ultimate_deep.evaluation.backtesting.event_driven.run_event_backtest`, or "
            "`ultimate_deep.evaluation.backtesting.engines.run_any_backtest`, which chooses the "
            "engine"
        )


def _room_for_trades(rows: int) -> TradeRows:
    """Arrays that no trade list can outgrow; memory is only used where they are written."""
    return TradeRows(
        side=np.empty(rows, np.int64),
        entry_row=np.empty(rows, np.int64),
        exit_row=np.empty(rows, np.int64),
        size=np.empty(rows),
        growth_gross=np.empty(rows),
        growth_net=np.empty(rows),
    )


def _charges(frame: pd.DataFrame, index: pd.DatetimeIndex, config: BacktestConfig) -> Charges:
    costs = config.costs
    held = costs.borrow_per_year != 0.0 or costs.funding_per_year != 0.0
    return Charges(
        per_side=costs.per_side_fraction,
        impact=_impact(frame, config) if costs.impact > 0.0 else _NONE,
        grows=costs.impact_grows,
        borrow_per_year=costs.borrow_per_year,
        funding_per_year=costs.funding_per_year,
        years=years_to_next(index) if held else _NONE,
    )


def _impact(frame: pd.DataFrame, config: BacktestConfig) -> Array1D:
    """Fraction paid for impact at each open where the whole starting capital is traded; infinite
    where there was no volume before."""
    costs, reason = config.costs, "impact"
    close = price_column(frame, "close", reason=reason)
    volume = volume_column(frame, reason=reason)
    span = costs.impact_span_bars
    sigma = bar_volatility(price_column(frame, "open", reason=reason), close, span_bars=span)
    notional = weighted_means(volume * close, 2.0 / (span + 1.0))
    unit = np.full(len(close), np.inf)  # nothing is known before the first bar has closed
    with np.errstate(divide="ignore"):
        share = config.capital / notional[:-1]
    known = np.isfinite(share)
    unit[1:][known] = costs.impact * sigma[:-1][known] * np.sqrt(share[known])
    return unit


def _trade_list(
    trades: TradeRows,
    entry_price: Array1D,
    exit_price: Array1D,
    index: pd.DatetimeIndex,
    symbol: str,
) -> pd.DataFrame:
    entry, end = trades.entry_row, trades.exit_row
    codes = np.zeros(len(entry), np.int8)
    columns = {
        "symbol": pd.Categorical.from_codes(codes, categories=pd.Index([symbol]), validate=False),
        "side": trades.side,
        "entry_row": entry,
        "exit_row": end,
        "entry_time": index.take(entry),
        "exit_time": index.take(end),
        "bars": end - entry,
        "entry_price": entry_price,
        "exit_price": exit_price,
        "size": trades.size,
        "return_gross": trades.growth_gross - 1.0,
        "return_net": trades.growth_net - 1.0,
    }
    return pd.DataFrame(columns, columns=list(TRADE_COLUMNS), copy=False)


def _result(
    index: pd.DatetimeIndex,
    curves: Curves,
    trades: TradeRows,
    make_trades: Callable[[], pd.DataFrame],
    bars_per_year: float,
) -> BacktestResult:
    return BacktestResult(
        index=index,
        equity=curves.equity,
        return_net=curves.return_net,
        return_gross=curves.return_gross,
        position=curves.position,
        turnover=curves.turnover,
        cost=curves.cost,
        make_trades=make_trades,
        metrics=performance_metrics(
            return_net=curves.return_net,
            return_gross=curves.return_gross,
            equity=curves.equity,
            position=curves.position,
            turnover=curves.turnover,
            cost=curves.cost,
            trade_return_net=trades.growth_net - 1.0,
            trade_bars=trades.exit_row - trades.entry_row,
            bars_per_year=bars_per_year,
        ),
        bars_per_year=bars_per_year,
    )
