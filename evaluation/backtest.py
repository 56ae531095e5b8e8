"""Vectorised backtest: decide at a bar's close, fill at the next bar's open, pay for every fill.

Row `i` of every result array is the time from the open of bar `i` to the open of bar `i + 1`:
the position held then, what was traded at its beginning, what it earned by its end. The last
open only closes, so that nothing is left to a price that nobody has seen.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from evaluation.account import TRADE_COLUMNS, BacktestResult, performance_metrics
from evaluation.arrays import Array1D, vector
from evaluation.pooling import combine_backtests
from evaluation.signals import Mode, check_mode
from portfolio.costs import CostSpec

__all__ = ["BacktestConfig", "BacktestResult", "combine_backtests", "run_backtest"]


@dataclass(frozen=True, kw_only=True)
class BacktestConfig:
    """How signals become positions.

    Args:
        mode: "long_flat" refuses negative signals, "long_short" takes them.
        costs: fees and slippage per side.
        horizon_bars: how long each decision is held, as its label says. With `h > 1` the
            position is the mean of the last `h` signals: `h` overlapping tranches.
    """

    mode: Mode = "long_flat"
    costs: CostSpec = field(default_factory=CostSpec)
    horizon_bars: int = 1

    def __post_init__(self) -> None:
        check_mode(self.mode)
        if isinstance(self.horizon_bars, bool) or not isinstance(self.horizon_bars, int):
            raise TypeError(f"horizon_bars must be a whole number, got {self.horizon_bars!r}.")
        if self.horizon_bars < 1:
            raise ValueError(
                f"horizon_bars must be at least 1, got {self.horizon_bars}; "
                "give the label's horizon."
            )


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
    `t + 1`. Positions are fractions of equity, rebalanced at every open: a fraction `p` drifts
    to `p (1 + r) / (1 + p r)` over a return `r`, and the turnover is the distance from there to
    the next target. Costs are charged on the turnover. A row that loses the whole equity ends
    the account: equity stays at 0 and nothing is traded any more.

    Args:
        frame: bars with an `open` column and a strictly increasing `DatetimeIndex`.
        signal: wanted position per bar in [-1, 1] (at least 0 in "long_flat"), shape `(rows,)`;
            NaN means flat.
        bars_per_year: for the yearly figures.
        symbol: name for the trade list.

    Raises:
        ValueError: lengths that differ, no rows, a price that is NaN, infinite or not positive,
            a signal outside its range, an index out of order.
    """
    price, index = _checked_prices(frame)
    target = _target_positions(_checked_signal(signal, len(price), config.mode), config)
    bar_return = np.zeros(len(price))
    np.divide(price[1:], price[:-1], out=bar_return[:-1])
    bar_return[:-1] -= 1.0
    ledger = _settle(target, bar_return, config.costs.per_side_fraction)
    trades = _trade_list(ledger, price, index, symbol)
    return _result(index, ledger, trades, bars_per_year)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Ledger:
    position: Array1D
    drifted: Array1D  # what was left of the previous position at this row's open
    turnover: Array1D
    growth: Array1D  # 1 + gross return
    cost_factor: Array1D  # 1 - cost of this row's trading
    return_net: Array1D
    equity: Array1D


def _checked_prices(frame: pd.DataFrame) -> tuple[Array1D, pd.DatetimeIndex]:
    if "open" not in frame.columns:
        raise ValueError(
            f"bars need an `open` column, got {list(frame.columns)}; read them with `read_bars`."
        )
    if not isinstance(frame.index, pd.DatetimeIndex):
        raise ValueError(
            f"bars need a DatetimeIndex, got {type(frame.index).__name__}; "
            "set the open times as the index."
        )
    if len(frame) == 0:
        raise ValueError("bars must have at least one row, got none; check the split's dates.")
    price = frame["open"].to_numpy(dtype=np.float64)
    bad = ~((price > 0) & (price < np.inf))  # NaN fails both
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"open must be positive and finite, got {price[row]} at row {row} "
            f"({frame.index[row]}); repair the bars with `read_bars(..., repair='drop')`."
        )
    if not frame.index.is_monotonic_increasing or not frame.index.is_unique:
        raise ValueError(
            "open times must be strictly increasing; sort the bars and drop duplicates, "
            "one symbol at a time."
        )
    return price, frame.index


def _checked_signal(signal: npt.ArrayLike, rows: int, mode: Mode) -> Array1D:
    values = vector("signal", signal, allow_nan=True)
    if len(values) != rows:
        raise ValueError(
            f"signal must have one entry per bar: {rows} bars, {len(values)} signals; "
            "put NaN or 0 where there is no decision."
        )
    lowest = -1.0 if mode == "long_short" else 0.0
    bad = (values < lowest) | (values > 1.0)
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"signal must lie in [{lowest:g}, 1] in mode {mode!r}, got {values[row]} at row {row}; "
            "negative signals need mode='long_short', larger ones would need borrowed money."
        )
    return np.nan_to_num(values, nan=0.0)


def _target_positions(signal: Array1D, config: BacktestConfig) -> Array1D:
    """Position wanted from each open on: the mean of the last `h` signals before it."""
    rows, horizon = len(signal), config.horizon_bars
    target = np.zeros(rows)
    if horizon == 1:
        target[1:] = signal[:-1]
    elif np.array_equal(signal, np.rint(signal)):
        total = np.zeros(rows + 1)
        np.cumsum(signal, out=total[1:])  # whole numbers: exact
        oldest = np.maximum(np.arange(rows) - horizon, 0)
        target = (total[:-1] - total[oldest]) / horizon
    else:
        padded = np.concatenate([np.zeros(horizon), signal[:-1]])
        windows = np.lib.stride_tricks.sliding_window_view(padded, horizon)
        target = np.round(windows.sum(axis=1) / horizon, 12)  # no dust where tranches cancel
    target[-1] = 0.0  # the last open only closes
    return target


def _settle(position: Array1D, bar_return: Array1D, cost_fraction: float) -> _Ledger:
    growth = position * bar_return
    growth += 1.0
    drifted = np.zeros(len(position))
    with np.errstate(divide="ignore", invalid="ignore"):
        np.multiply(position[:-1], 1.0 + bar_return[:-1], out=drifted[1:])
        drifted[1:] /= growth[:-1]
    turnover = np.abs(position - drifted)
    cost_factor = 1.0 - cost_fraction * turnover
    ruined = ~((growth > 0.0) & (cost_factor > 0.0))  # NaN and infinities come after ruin only
    if ruined.any():
        row = int(np.argmax(ruined))
        if not cost_factor[row] > 0.0:
            position[row], growth[row], cost_factor[row] = 0.0, 1.0, 0.0
        else:
            growth[row] = 0.0
        after = slice(row + 1, None)
        position[after], drifted[after], turnover[after] = 0.0, 0.0, 0.0
        growth[after], cost_factor[after] = 1.0, 1.0
    return_net = cost_factor * growth
    equity = np.asarray(np.cumprod(return_net), dtype=np.float64)
    return_net -= 1.0
    return _Ledger(
        position=position,
        drifted=drifted,
        turnover=turnover,
        growth=growth,
        cost_factor=cost_factor,
        return_net=return_net,
        equity=equity,
    )


def _trade_list(
    ledger: _Ledger, price: Array1D, index: pd.DatetimeIndex, symbol: str
) -> pd.DataFrame:
    sign = np.sign(ledger.position)
    previous = np.concatenate([[0.0], sign[:-1]])
    changed = sign != previous
    entry = np.flatnonzero(changed & (sign != 0.0))
    end = np.flatnonzero(changed & (previous != 0.0))  # the open at which the position is left
    reversal = changed & (sign != 0.0) & (previous != 0.0)
    # A reversal is one fill for two trades: its cost is shared by the notional of each.
    share = np.zeros(len(sign))
    rows = np.flatnonzero(reversal)
    share[rows] = np.abs(ledger.drifted[rows]) / ledger.turnover[rows]
    exit_factor = np.where(
        reversal[end], ledger.cost_factor[end] ** share[end], ledger.cost_factor[end]
    )
    factor = ledger.cost_factor.copy()
    factor[rows] = ledger.cost_factor[rows] ** (1.0 - share[rows])
    segments = np.column_stack([entry, end]).ravel()  # every second segment is a trade
    gross = np.multiply.reduceat(ledger.growth, segments)[::2] if len(entry) else np.zeros(0)
    factor *= ledger.growth
    net = np.multiply.reduceat(factor, segments)[::2] if len(entry) else np.zeros(0)
    held = np.concatenate([[0.0], np.cumsum(np.abs(ledger.position))])
    return pd.DataFrame(
        {
            "symbol": np.full(len(entry), symbol, dtype=object),
            "side": sign[entry].astype(np.int64),
            "entry_row": entry,
            "exit_row": end,
            "entry_time": index[entry],
            "exit_time": index[end],
            "bars": end - entry,
            "entry_price": price[entry],
            "exit_price": price[end],
            "size": (held[end] - held[entry]) / np.maximum(end - entry, 1),
            "return_gross": gross - 1.0,
            "return_net": net * exit_factor - 1.0,
        },
        columns=list(TRADE_COLUMNS),
    )


def _result(
    index: pd.DatetimeIndex, ledger: _Ledger, trades: pd.DataFrame, bars_per_year: float
) -> BacktestResult:
    before = np.concatenate([[1.0], ledger.equity[:-1]])
    cost = before * (1.0 - ledger.cost_factor)
    return_gross = ledger.growth - 1.0
    return BacktestResult(
        index=index,
        equity=ledger.equity,
        return_net=ledger.return_net,
        return_gross=return_gross,
        position=ledger.position,
        turnover=ledger.turnover,
        cost=cost,
        trades=trades,
        metrics=performance_metrics(
            return_net=ledger.return_net,
            return_gross=return_gross,
            equity=ledger.equity,
            position=ledger.position,
            turnover=ledger.turnover,
            cost=cost,
            trade_return_net=trades["return_net"].to_numpy(),
            trade_bars=trades["bars"].to_numpy(),
            bars_per_year=bars_per_year,
        ),
        bars_per_year=bars_per_year,
    )
