"""What an account did: its curves, its trades and the figures that sum it up."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from ultimate_deep.evaluation.arrays import Array1D, vector
from ultimate_deep.evaluation.backtesting.account_kernels import curve_sums, trade_sums
from ultimate_deep.evaluation.measures import returns

# A standard deviation this small next to the mean is rounding, not risk.
_NO_SPREAD = 1e-12

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
        index: Open time of each bar.
        equity: Value after each row, in units of the starting capital; 0 after a total loss.
        return_net, return_gross: Simple return of each row after and before costs.
        position: Fraction of equity held from the row's open on, in [-1, 1]; of several symbols
            the sum.
        turnover: Fraction of equity traded at the row's open, and inside the bar by stops.
        cost: What that trading and the holding cost, in units of the starting capital; negative
            where more funding was received than paid.
        make_trades: Makes `trades`, which hundreds of accounts are never asked for.
        metrics: Figures of `performance_metrics`.
        bars_per_year: What the yearly figures assume.
    """

    index: pd.DatetimeIndex
    equity: Array1D
    return_net: Array1D
    return_gross: Array1D
    position: Array1D
    turnover: Array1D
    cost: Array1D
    make_trades: Callable[[], pd.DataFrame]
    metrics: dict[str, float]
    bars_per_year: float

    @cached_property
    def trades(self) -> pd.DataFrame:
        """One row per trade with the columns `TRADE_COLUMNS`.

        A trade is a maximal run of positions of one sign, its returns are fractions of the equity
        at its entry, its size is the mean absolute position. The product of `1 + return_net` over
        one account's trades is its final equity, unless the cost of the very first fill took all
        of it.
        """
        return self.make_trades()


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
    """Summarise one account. Undefined figures are NaN.

    The definitions are those of `evaluation.measures.returns`, computed in one pass; a test
    holds the two together.

    Returns:
        `total_return`, `total_return_gross`, `annual_return`, `annual_volatility`,
        `max_drawdown`, `exposure` (mean absolute position) as fractions; `sharpe`, `sortino`
        per year; `turnover` (total, in times the equity) and `annual_turnover`; `trades`,
        `win_rate`, `profit_factor`, `average_trade_bps`, `average_trade_bars` over net trade
        returns, NaN without trades; `cost_paid` in units of the starting capital;
        `mean_return_net_bps` per bar; `bars`.
    """
    sums = curve_sums(return_net, return_gross, equity, position, turnover, cost)
    rows, total, mean = len(return_net), float(equity[-1]) - 1.0, sums.mean_net
    if not math.isfinite(mean):
        vector("return_net", return_net)  # names the row
    spread = math.sqrt(sums.squares_net / (rows - 1)) if rows > 1 else math.nan
    per_year = math.sqrt(bars_per_year)
    downside = math.sqrt(sums.squared_losses / rows) if rows > 1 else math.nan
    return {
        "total_return": total,
        "total_return_gross": sums.growth_gross - 1.0,
        "annual_return": returns.annual_return(total, rows=rows, bars_per_year=bars_per_year),
        "annual_volatility": spread * per_year,
        "sharpe": mean / spread * per_year if spread > _NO_SPREAD * abs(mean) else math.nan,
        "sortino": mean / downside * per_year if downside > 0.0 else math.nan,
        "max_drawdown": sums.max_drawdown,
        "turnover": sums.turnover,
        "annual_turnover": sums.turnover / rows * bars_per_year,
        "exposure": sums.absolute_position / rows,
        "cost_paid": sums.cost,
        "mean_return_net_bps": mean * 1e4,
        "bars": float(rows),
    } | _trade_metrics(trade_return_net, trade_bars)


def _trade_metrics(trade_return_net: Array1D, bars: npt.NDArray[np.int64]) -> dict[str, float]:
    count = len(trade_return_net)
    if not count:
        names = ("win_rate", "profit_factor", "average_trade_bps", "average_trade_bars")
        return {"trades": 0.0} | dict.fromkeys(names, math.nan)
    wins, gains, losses, length = trade_sums(trade_return_net, bars)
    without_losses = math.inf if gains else math.nan
    return {
        "trades": float(count),
        "win_rate": wins / count,
        "profit_factor": gains / losses if losses else without_losses,
        "average_trade_bps": (gains - losses) / count * 1e4,
        "average_trade_bars": length / count,
    }
