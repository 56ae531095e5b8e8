"""Event-driven backtest: several symbols in one account, stops, breakers, partial fills.

Rows mean what they mean in `evaluation.backtesting.vectorised`; without path-dependent options and
with one symbol both engines give the same account, trade for trade. With several symbols there is a
row for every open time of any symbol, and all of them share the equity: a symbol's target is its
signal times its weight, a fraction of the whole account, brought back to that fraction at each of
its opens. (`combine_backtests` holds separate accounts side by side instead.)
"""

from collections.abc import Mapping

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
    checked_index,
    price_column,
    volume_column,
    years_to_next,
)
from ultimate_deep.evaluation.backtesting.config import BacktestConfig
from ultimate_deep.evaluation.backtesting.kernels import first_error
from ultimate_deep.evaluation.backtesting.pooling import union_bars_per_year
from ultimate_deep.evaluation.backtesting.vectorised import no_volume_error
from ultimate_deep.evaluation.backtesting.wanted import (
    lowest_signal,
    refuse_sizing,
    signal_column,
    signal_error,
    wanted_positions,
)
from ultimate_deep.portfolio.arrays import read_only
from ultimate_deep.portfolio.event_driven.account import AccountHistory, AccountRules, run_account
from ultimate_deep.portfolio.event_driven.types import REASONS, BarTables, Orders, T
from ultimate_deep.portfolio.options import check_number

EVENT_TRADE_COLUMNS = (*TRADE_COLUMNS, "exit_reason")

_NO_PRICES = read_only(np.zeros(0))

Array2D = npt.NDArray[np.float64]


def run_event_backtest(
    frames: Mapping[str, pd.DataFrame],
    signals: Mapping[str, npt.ArrayLike],
    config: BacktestConfig = BacktestConfig(),
    *,
    bars_per_year: float | Mapping[str, float],
    weights: Mapping[str, float] | None = None,
) -> BacktestResult:
    """Trade the signals of all symbols in one account.

    Args:
        frames: Bars by symbol; only the columns that the options need must be there (impact:
            `close`, `volume`; stops: `high`, `low`; breakers: `close`; `max_volume_share`:
            `volume`). A symbol trades from its first open to its last, which closes it.
        signals: Wanted position per bar of the symbol in [-1, 1] (at least 0 in "long_flat"),
            shape `(rows of the symbol,)`; NaN means flat.
        config: All options but a sizing.
        bars_per_year: Bars in a year of the symbols, one figure or one per symbol.
        weights: Largest share of the account for each symbol, above 0, at most 1 together;
            `1 / symbols` each by default.

    Returns:
        One row per open time of any symbol. Its trades have `EVENT_TRADE_COLUMNS`: the usual ones,
        in order of entry, and why each ended (`types.REASONS`); `entry_row` and `exit_row`
        count the symbol's own bars, a trade that a stop ends in the bar of its entry has 0
        bars. A trade's returns are its part of the account's growth while it was open: the
        product of `1 + return_net` over all trades is the final equity.

    Raises:
        ValueError: Bars or signals that `run_backtest` refuses too, symbols that do not match,
            weights out of range, a column that an option needs and that is absent.
    """
    refuse_sizing(config)
    rules = account_rules(config)
    shares = _weights(frames, signals, weights)
    indices = {symbol: checked_index(frame) for symbol, frame in frames.items()}
    index = _union(list(indices.values()))
    rows = [index.get_indexer(own) if len(frames) > 1 else None for own in indices.values()]
    columns, targets = [], []
    for symbol, frame in frames.items():
        columns.append(_columns(frame, rules))
        targets.append(shares[symbol] * _targets(signals[symbol], len(frame), config))
    years = np.zeros(len(index))
    years[1:] = years_to_next(index)[:-1]
    tables = {
        name: _aligned([own[name] for own in columns], rows, len(index), np.nan)
        for name in ("open", "high", "low", "close", "volume")
    }
    market = BarTables(years=years, **tables)
    orders = Orders(
        target=_aligned(targets, rows, len(index), 0.0),
        last_bar=np.array([len(frame) - 1 for frame in frames.values()], np.float64),
    )
    history = run_account(market, orders, rules)
    if history.without_volume is not None:
        number, row = history.without_volume
        raise no_volume_error(index, row, list(frames)[number])
    per_year = union_bars_per_year(index, list(indices.values()), _per_year(frames, bars_per_year))
    return _result(index, history, _trade_list(history, indices), per_year)


def account_rules(config: BacktestConfig) -> AccountRules:
    """The part of the configuration that the account follows."""
    return AccountRules(
        costs=config.costs,
        stops=config.stops,
        breakers=config.breakers,
        capital=config.capital,
        max_volume_share=config.max_volume_share,
    )


def _weights(
    frames: Mapping[str, pd.DataFrame],
    signals: Mapping[str, npt.ArrayLike],
    weights: Mapping[str, float] | None,
) -> dict[str, float]:
    if not frames:
        raise ValueError("a backtest needs the bars of at least one symbol, got none")
    given = weights if weights is not None else dict.fromkeys(frames, 1.0 / len(frames))
    for name, mapping in (("signals", signals), ("weights", given)):
        if set(mapping) != set(frames):
            raise ValueError(
                f"{name} must have the symbols of the bars, {sorted(frames)}, "
                f"got {sorted(mapping)}; give one entry per symbol"
            )
    remedy = "give the largest share of the account that the symbol may have"
    for symbol, weight in given.items():
        check_number(f"weight of {symbol}", weight, above=0.0, highest=1.0, remedy=remedy)
    if sum(given.values()) > 1.0 + 1e-12:
        raise ValueError(
            f"weights must add up to at most 1, got {sum(given.values())}; "
            "more would need borrowed money"
        )
    return dict(given)


def _per_year(
    frames: Mapping[str, pd.DataFrame], bars_per_year: float | Mapping[str, float]
) -> list[float]:
    if isinstance(bars_per_year, Mapping):
        return [bars_per_year[symbol] for symbol in frames]
    return [bars_per_year] * len(frames)


def _union(indices: list[pd.DatetimeIndex]) -> pd.DatetimeIndex:
    if len({own.tz for own in indices}) != 1:
        raise ValueError(
            "the symbols' open times are in different time zones; convert all bars to UTC"
        )
    index = indices[0]
    for own in indices[1:]:
        index = index.union(own)
    return index


def _columns(frame: pd.DataFrame, rules: AccountRules) -> dict[str, Array1D]:
    """The columns that the rules need; the open stands in for the others, which are not read."""
    opens = price_column(frame, "open", reason="a backtest")
    found = dict.fromkeys(("open", "high", "low", "close", "volume"), opens)
    for name, reason in rules.columns.items():
        if name == "volume":
            found[name] = volume_column(frame, reason=reason)
        else:
            found[name] = price_column(frame, name, reason=reason)
    return found


def _targets(signal: npt.ArrayLike, rows: int, config: BacktestConfig) -> Array1D:
    values = signal_column(signal, rows)
    kind, row = first_error(_NO_PRICES, values, lowest_signal(config.mode))
    if kind:
        raise signal_error(values, row, config.mode)
    target = np.zeros(rows)
    wanted = wanted_positions(values, config.horizon_bars)
    target[config.delay_bars :] = np.nan_to_num(wanted, nan=0.0)[: max(rows - config.delay_bars, 0)]
    return target


def _aligned(
    columns: list[Array1D], rows: list[npt.NDArray[np.intp] | None], total: int, fill: float
) -> Array2D:
    if rows[0] is None:
        return columns[0].reshape(-1, 1)
    table = np.full((total, len(columns)), fill)
    for number, (values, own) in enumerate(zip(columns, rows, strict=True)):
        table[own, number] = values
    return table


def _trade_list(history: AccountHistory, indices: Mapping[str, pd.DatetimeIndex]) -> pd.DataFrame:
    trades = history.trades
    code, entry, end, reason = (
        trades[:, field].astype(np.int64) for field in (T.symbol, T.entry_row, T.exit_row, T.reason)
    )
    times = list(indices.values())
    starts = np.cumsum([0, *(len(own) for own in times)])[code]
    joined = times[0] if len(times) == 1 else times[0].append(times[1:])
    names = pd.Index(list(indices))
    columns = {
        "symbol": pd.Categorical.from_codes(code, categories=names),
        "side": trades[:, T.side].astype(np.int64),
        "entry_row": entry,
        "exit_row": end,
        "entry_time": joined.take(starts + entry),
        "exit_time": joined.take(starts + end),
        "bars": end - entry,
        "entry_price": trades[:, T.entry_price],
        "exit_price": trades[:, T.exit_price],
        "size": trades[:, T.size],
        "return_gross": np.expm1(trades[:, T.log_gross]),
        "return_net": np.expm1(trades[:, T.log_net]),
        "exit_reason": pd.Categorical.from_codes(reason, categories=pd.Index(REASONS)),
    }
    table = pd.DataFrame(columns, columns=list(EVENT_TRADE_COLUMNS), copy=False)
    if len(times) == 1:
        return table  # one symbol's trades end in the order in which they began
    return table.sort_values("entry_time", kind="stable", ignore_index=True)


def _result(
    index: pd.DatetimeIndex, history: AccountHistory, trades: pd.DataFrame, bars_per_year: float
) -> BacktestResult:
    curves = {
        name: getattr(history, name)
        for name in ("return_net", "return_gross", "equity", "position", "turnover", "cost")
    }
    metrics = performance_metrics(
        **curves,
        trade_return_net=trades["return_net"].to_numpy(),
        trade_bars=trades["bars"].to_numpy(),
        bars_per_year=bars_per_year,
    )
    return BacktestResult(
        index=index,
        **curves,
        make_trades=trades.copy,
        metrics=metrics,
        bars_per_year=bars_per_year,
    )
