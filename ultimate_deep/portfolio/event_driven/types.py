"""What the account's state machine takes and gives.

A change here must change `kernels.py` too (its `TYPES_DIGEST`; a test says so): compiled code
is kept for as long as its own file stays as it is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class SymbolFields(NamedTuple):
    """Columns of the symbols' state."""

    held: int = 0  # fraction of the row's equity still held
    row_position: int = 1  # the same when the row began
    mark: int = 2  # last open seen
    last_close: int = 3
    bars: int = 4  # bars seen
    realised: int = 5  # earned inside this row by stops, fraction of the row's equity
    stop_cost: int = 6  # their costs
    side: int = 7  # of the open trade, 0 without one
    entry_row: int = 8
    entry_price: int = 9
    best: int = 10  # best price since the entry
    distance_unit: int = 11  # 1, or one bar's volatility at the entry
    log_gross: int = 12
    log_net: int = 13
    size_sum: int = 14
    size_rows: int = 15
    blocked: int = 16  # side that may not open again before the wanted side changes
    reason: int = 17  # why the position is being left
    exit_row: int = 18
    exit_price: int = 19
    next_position: int = 20
    traded: int = 21  # fraction of equity traded at this open
    cost: int = 22
    partial: int = 23  # 1 where the fill was cut
    notional: int = 24  # weighted mean of traded notional
    variance: int = 25  # four weighted means of squared returns from here on
    weight: int = 29  # and the sums of their weights


class AccountFields(NamedTuple):
    """Entries of the account's state; those from `row_position` on are the last completed row."""

    equity: int = 0
    kept: int = 1  # 1 - cost of this row's trading
    turnover: int = 2
    position: int = 3
    peak: int = 4
    flat_rows: int = 5  # rows left in which the account stays flat
    ruined: int = 6
    trades: int = 7  # trades written to `closed`
    without_volume: int = 8  # 1 + the symbol whose impact is undefined
    row_position: int = 9
    row_turnover: int = 10
    row_net: int = 11
    row_gross: int = 12
    row_equity: int = 13
    row_cost: int = 14


class TradeFields(NamedTuple):
    """Columns of `closed`."""

    symbol: int = 0
    side: int = 1
    entry_row: int = 2
    exit_row: int = 3
    entry_price: int = 4
    exit_price: int = 5
    size: int = 6
    log_gross: int = 7
    log_net: int = 8
    reason: int = 9


class Reasons(NamedTuple):
    """Why a trade ended."""

    signal: int = 0
    end: int = 1  # of the symbol's bars
    stop_loss: int = 2
    trailing_stop: int = 3
    take_profit: int = 4
    max_bars: int = 5
    drawdown: int = 6
    volatility: int = 7
    ruin: int = 8


class Spans(NamedTuple):
    """The four volatilities."""

    impact: int = 0
    stops: int = 1
    short: int = 2
    long: int = 3


class Rules(NamedTuple):
    """The account's rules as plain numbers; what is not used is infinite (ratios, distances)."""

    per_side: float
    impact: float
    grows: bool
    borrow: float
    funding: float
    capital: float
    volume_share: float
    stop_loss: float
    take_profit: float
    trailing_stop: float
    stops_inside: bool
    stops_in_volatility: bool
    max_bars: float
    re_enter: bool
    max_drawdown: float
    cooldown: float
    spike_ratio: float
    spike_scale: float
    long_bars: int
    learns: bool
    alpha: np.ndarray  # (4,) of impact, stops, short and long volatility


class BarTables(NamedTuple):
    """Bars of shape `(rows, symbols)`, NaN opens where a symbol has none, and the time since the
    row before `(rows,)` in years."""

    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray
    years: np.ndarray


class Orders(NamedTuple):
    """What is wanted from each open on, `(rows, symbols)`, a fraction of the account's equity, and
    the number of each symbol's last bar `(symbols,)`, at whose open everything is closed."""

    target: np.ndarray
    last_bar: np.ndarray


class Books(NamedTuple):
    """The account's whole memory: `symbols` (symbols, fields), `account` (fields,), and room for
    `closed` trades (trades, fields), named by the fields of `kernels`."""

    symbols: np.ndarray
    account: np.ndarray
    closed: np.ndarray


S, A, T, R, V = SymbolFields(), AccountFields(), TradeFields(), Reasons(), Spans()
REASONS = R._fields
SYMBOL_FIELDS, ACCOUNT_FIELDS, TRADE_FIELDS = 33, len(A), len(T)
