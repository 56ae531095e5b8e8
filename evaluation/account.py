"""What an account did: its curves, its trades and the figures that sum it up."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from evaluation import returns
from evaluation.arrays import Array1D

TRADE_COLUMNS = (
    "symbol",
    "side",
    "entry_row",
    "exit_row",
    "entry_time",
    "exit_time",
    "bars",
    "entry_price",
    "exit_price",
    "size",
    "return_gross",
    "return_net",
)


@dataclass(frozen=True, eq=False, kw_only=True)
class BacktestResult:
    """What came of the signals, from a capital of 1. Every array has shape `(rows,)`.

    Args:
        index: open time of each bar.
        equity: value after each row, in units of the starting capital; 0 after a total loss.
        return_net, return_gross: simple return of each row after and before costs.
        position: fraction of equity held, in [-1, 1].
        turnover: fraction of equity traded at the row's open.
        cost: what that trading cost, in units of the starting capital.
        trades: one row per trade with the columns `TRADE_COLUMNS`; a trade is a maximal run of
            positions of one sign, its returns are fractions of the equity at its entry.
            The product of `1 + return_net` over one symbol's trades is its final equity.
        metrics: see `performance_metrics`.
        bars_per_year: what the yearly figures assume.
    """

    index: pd.DatetimeIndex
    equity: Array1D
    return_net: Array1D
    return_gross: Array1D
    position: Array1D
    turnover: Array1D
    cost: Array1D
    trades: pd.DataFrame
    metrics: dict[str, float]
    bars_per_year: float


def performance_metrics(
    *,
    return_net: Array1D,
    return_gross: Array1D,
    equity: Array1D,
    position: Array1D,
    turnover: Array1D,
    cost: Array1D,
    trade_return_net: Array1D,
    trade_bars: npt.NDArray[np.int64],
    bars_per_year: float,
) -> dict[str, float]:
    """Summarise one account. Undefined figures are NaN (see `evaluation.returns`).

    Returns:
        `total_return`, `total_return_gross`, `annual_return`, `annual_volatility`,
        `max_drawdown`, `exposure` (mean absolute position) as fractions; `sharpe`, `sortino`
        per year; `turnover` (total, in times the equity) and `annual_turnover`; `trades`,
        `win_rate`, `profit_factor`, `average_trade_bps`, `average_trade_bars` over net trade
        returns, NaN without trades; `cost_paid` in units of the starting capital;
        `mean_return_net_bps` per bar; `bars`.
    """
    rows, traded = len(return_net), len(trade_return_net) > 0
    total = float(equity[-1]) - 1.0
    return {
        "total_return": total,
        "total_return_gross": float(np.prod(1.0 + return_gross)) - 1.0,
        "annual_return": returns.annual_return(total, rows=rows, bars_per_year=bars_per_year),
        "annual_volatility": returns.annual_volatility(return_net, bars_per_year=bars_per_year),
        "sharpe": returns.sharpe(return_net, bars_per_year=bars_per_year),
        "sortino": returns.sortino(return_net, bars_per_year=bars_per_year),
        "max_drawdown": returns.max_drawdown(equity),
        "win_rate": returns.win_rate(trade_return_net),
        "profit_factor": returns.profit_factor(trade_return_net),
        "turnover": float(turnover.sum()),
        "annual_turnover": float(turnover.mean()) * bars_per_year,
        "exposure": float(np.abs(position).mean()),
        "trades": float(len(trade_return_net)),
        "average_trade_bps": float(trade_return_net.mean()) * 1e4 if traded else math.nan,
        "average_trade_bars": float(trade_bars.mean()) if traded else math.nan,
        "cost_paid": float(cost.sum()),
        "mean_return_net_bps": float(return_net.mean()) * 1e4,
        "bars": float(rows),
    }
