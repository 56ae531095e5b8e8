"""The account of the event-driven engine: its rules from the specs, its memory, its bars."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ultimate_deep.portfolio.arrays import read_only
from ultimate_deep.portfolio.breakers import BreakerSpec
from ultimate_deep.portfolio.costs import CostSpec
from ultimate_deep.portfolio.event_driven.kernels import run_bars
from ultimate_deep.portfolio.event_driven.types import (
    ACCOUNT_FIELDS,
    SYMBOL_FIELDS,
    TRADE_FIELDS,
    A,
    BarTables,
    Books,
    Orders,
    Rules,
)
from ultimate_deep.portfolio.stops import StopSpec

Array = npt.NDArray[np.float64]
_FIRST_TRADES = 4096


@dataclass(frozen=True, kw_only=True)
class AccountRules:
    """Everything that an account follows but its signals; see each spec and `BacktestConfig`."""

    costs: CostSpec = CostSpec()
    stops: StopSpec = StopSpec()
    breakers: BreakerSpec = BreakerSpec()
    capital: float = 100_000.0
    max_volume_share: float | None = None

    @property
    def columns(self) -> dict[str, str]:
        """Columns of the bars that are needed besides `open`, and what needs each."""
        needed: dict[str, str] = {}
        if self.max_volume_share is not None:
            needed["volume"] = "max_volume_share"
        if self.costs.impact > 0.0:
            needed |= {"close": "impact", "volume": "impact"}
        if self.stops.inside_bars:
            needed |= {"high": "a stop", "low": "a stop"}
            if self.stops.unit == "volatility":
                needed["close"] = 'stops with unit="volatility"'
        if self.breakers.active:
            needed["close"] = "a breaker"
        return needed

    def compiled(self) -> Rules:
        """The same as plain numbers."""
        costs, stops, breakers = self.costs, self.stops, self.breakers
        in_volatility = stops.inside_bars and stops.unit == "volatility"
        spikes = breakers.volatility_ratio is not None
        spans = (
            costs.impact_span_bars,
            stops.volatility_span_bars,
            breakers.short_bars,
            breakers.long_bars,
        )
        return Rules(
            per_side=costs.per_side_fraction,
            impact=float(costs.impact),
            grows=costs.impact_grows,
            borrow=costs.borrow_per_year,
            funding=costs.funding_per_year,
            capital=float(self.capital),
            volume_share=_or_infinite(self.max_volume_share),
            stop_loss=_or_infinite(stops.stop_loss),
            take_profit=_or_infinite(stops.take_profit),
            trailing_stop=_or_infinite(stops.trailing_stop),
            stops_inside=stops.inside_bars,
            stops_in_volatility=in_volatility,
            max_bars=_or_infinite(stops.max_bars),
            re_enter=stops.re_enter,
            max_drawdown=_or_infinite(breakers.max_drawdown),
            cooldown=_or_infinite(breakers.cooldown_bars),
            spike_ratio=_or_infinite(breakers.volatility_ratio),
            spike_scale=0.5 if breakers.spike_action == "halve" else 0.0,
            long_bars=breakers.long_bars,
            learns=bool(costs.impact > 0.0 or in_volatility or spikes),
            alpha=2.0 / (np.array(spans, np.float64) + 1.0),
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class AccountHistory:
    """What an account did, bar by bar and trade by trade.

    Attributes:
        position, turnover, return_net, return_gross, equity, cost: `(rows,)`.
        trades: `(trades, fields)`, columns named by `types.T`, in the order in which trades
            ended; rows count the symbol's own bars, reasons index `types.REASONS`.
        without_volume: Symbol and row of a fill whose impact is undefined, else None; what is
            after it was not traded.
    """

    position: Array
    turnover: Array
    return_net: Array
    return_gross: Array
    equity: Array
    cost: Array
    trades: Array
    without_volume: tuple[int, int] | None


def run_account(market: BarTables, orders: Orders, rules: AccountRules) -> AccountHistory:
    """Run an account that starts with 1 through all rows of the market."""
    compiled = rules.compiled()
    market, orders = BarTables(*map(read_only, market)), Orders(*map(read_only, orders))
    rows, symbols = orders.target.shape
    books = new_books(symbols, _FIRST_TRADES + 2 * symbols)
    curves = np.empty((6, rows))
    row = run_bars(0, market, orders, compiled, books, curves)
    while row < rows and not books.account[A.without_volume]:
        grown = np.empty((2 * len(books.closed), books.closed.shape[1]))
        grown[: len(books.closed)] = books.closed
        books = books._replace(closed=grown)
        row = run_bars(row, market, orders, compiled, books, curves)
    missing = int(books.account[A.without_volume]) - 1
    position, turnover, return_net, return_gross, equity, cost = curves
    return AccountHistory(
        position=position,
        turnover=turnover,
        return_net=return_net,
        return_gross=return_gross,
        equity=equity,
        cost=cost,
        trades=books.closed[: int(books.account[A.trades])],
        without_volume=(missing, row - 1) if missing >= 0 else None,
    )


def _or_infinite(value: float | None) -> float:
    return math.inf if value is None else float(value)


def new_books(symbols: int, trades: int) -> Books:
    """The memory of an account that has seen nothing and owns 1."""
    account = np.zeros(ACCOUNT_FIELDS)
    account[[A.equity, A.kept, A.peak]] = 1.0
    return Books(
        symbols=np.zeros((symbols, SYMBOL_FIELDS)),
        account=account,
        closed=np.empty((trades, TRADE_FIELDS)),
    )
