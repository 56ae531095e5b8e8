"""One portfolio from several symbols' accounts."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ultimate_deep.evaluation.arrays import Array1D
from ultimate_deep.evaluation.backtesting.account import BacktestResult, performance_metrics


def combine_backtests(results: Sequence[BacktestResult]) -> BacktestResult:
    """Hold several accounts side by side: the capital is split equally once, then never moved.

    Each symbol starts with `1 / symbols` of the capital and keeps what it earns, so the
    portfolio needs no rebalancing that nobody paid for. Its equity is the mean of the accounts'
    equities; before an account's first bar it holds cash, after its last it keeps its value.
    Positions and turnover are weighted by each account's share of the whole; between an account's
    own bars it holds what it held.

    The trades are those of all symbols, by time of entry, each return still a fraction of its own
    account; `entry_row` and `exit_row` count the rows of its own symbol.

    Args:
        results: One result per symbol; their bars may differ in time.

    Returns:
        A result over the union of their timestamps. One account comes back as it is.

    Raises:
        ValueError: No accounts, or time zones that do not go together.
    """
    if not results:
        raise ValueError("combine_backtests needs at least one account, got none")
    if len(results) == 1:
        return results[0]
    if len({result.index.tz for result in results}) != 1:
        raise ValueError(
            "the accounts' open times are in different time zones; convert all bars to UTC"
        )
    index = results[0].index
    for result in results[1:]:
        index = index.union(result.index)
    equity = np.mean([_held(index, result) for result in results], axis=0)
    before = np.concatenate([[1.0], equity[:-1]])
    gross, position, turnover, cost = _weighted(index, before, results)
    net = np.divide(equity, before, out=np.ones(len(index)), where=before > 0) - 1.0
    trades = pd.concat([result.trades for result in results], ignore_index=True)
    trades = trades.sort_values("entry_time", kind="stable", ignore_index=True)
    bars_per_year = union_bars_per_year(
        index,
        [result.index for result in results],
        [result.bars_per_year for result in results],
    )
    return BacktestResult(
        index=index,
        equity=equity,
        return_net=net,
        return_gross=gross,
        position=position,
        turnover=turnover,
        cost=cost,
        make_trades=trades.copy,
        metrics=performance_metrics(
            return_net=net,
            return_gross=gross,
            equity=equity,
            position=position,
            turnover=turnover,
            cost=cost,
            trade_return_net=trades["return_net"].to_numpy(dtype=np.float64),
            trade_bars=trades["bars"].to_numpy(dtype=np.int64),
            bars_per_year=bars_per_year,
        ),
        bars_per_year=bars_per_year,
    )


def _weighted(
    index: pd.DatetimeIndex, before: Array1D, results: Sequence[BacktestResult]
) -> tuple[Array1D, Array1D, Array1D, Array1D]:
    """Gross return, position and turnover by each account's share of `before`, and the cost."""
    gross, position, turnover, cost = np.zeros((4, len(index)))
    for result in results:
        rows = index.get_indexer(result.index)
        own_before = np.concatenate([[1.0], result.equity[:-1]]) / len(results)
        weight = np.divide(
            own_before, before[rows], out=np.zeros(len(rows)), where=before[rows] > 0
        )
        gross[rows] += weight * result.return_gross
        invested = np.concatenate([[0.0], own_before * result.position])
        latest = result.index.searchsorted(index, side="right")
        position += np.divide(invested[latest], before, out=np.zeros(len(index)), where=before > 0)
        turnover[rows] += weight * result.turnover
        cost[rows] += result.cost / len(results)
    return gross, position, turnover, cost


def _held(index: pd.DatetimeIndex, result: BacktestResult) -> Array1D:
    """The account's equity at every time of `index`: 1 before its first bar, then the latest."""
    latest = result.index.searchsorted(index, side="right")
    return np.concatenate([[1.0], result.equity])[latest]


def union_bars_per_year(
    index: pd.DatetimeIndex, parts: Sequence[pd.DatetimeIndex], bars_per_year: Sequence[float]
) -> float:
    """Rows of a union per year, from how much denser it is than each part's bars."""
    density = []
    for part, own in zip(parts, bars_per_year, strict=True):
        first = index.searchsorted(part[0], side="left")
        last = index.searchsorted(part[-1], side="right")
        density.append(own * float(last - first) / len(part))
    return max(density)
