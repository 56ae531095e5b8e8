"""The event-driven engine's account fed with one bar at a time, for paper and live use.

It is the very step that `run_account` repeats, so that a backtest and a live account that see the
same bars and targets agree bit for bit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ultimate_deep.portfolio.arrays import read_only
from ultimate_deep.portfolio.event_driven.account import AccountRules, new_books
from ultimate_deep.portfolio.event_driven.kernels import step
from ultimate_deep.portfolio.event_driven.types import REASONS, A, BarTables, Orders, S, T
from ultimate_deep.portfolio.options import check_number


@dataclass(frozen=True, kw_only=True)
class PriceBar:
    """One closed bar."""

    open: float
    high: float
    low: float
    close: float
    volume: float

    def __post_init__(self) -> None:
        remedy = "drop or repair the bar"
        for name in ("open", "high", "low", "close"):
            check_number(name, getattr(self, name), above=0.0, remedy=remedy)
        check_number("volume", self.volume, lowest=0.0, remedy=remedy)


@dataclass(frozen=True, kw_only=True)
class ClosedTrade:
    """A trade that ended; rows count the symbol's own bars from 0."""

    symbol: str
    side: int
    entry_row: int
    exit_row: int
    entry_price: float
    exit_price: float
    size: float
    return_gross: float
    return_net: float
    exit_reason: str


class LiveAccount:
    """An account of several symbols that starts with an equity of 1.

    Args:
        symbols: Names of the symbols.
        rules: Costs, stops, breakers, capital, largest share of volume.
    """

    def __init__(self, symbols: Sequence[str], rules: AccountRules = AccountRules()) -> None:
        if not symbols or len(set(symbols)) != len(symbols):
            raise ValueError(f"symbols must be different names, at least one, got {symbols!r}")
        self.symbols = tuple(symbols)
        self._rules = rules.compiled()
        self._books = new_books(len(symbols), 2 * len(symbols))

    @property
    def equity(self) -> float:
        """Value at the last open before that open's trading, in units of the start."""
        return float(self._books.account[A.equity])

    @property
    def positions(self) -> dict[str, float]:
        """Fraction of equity held in each symbol since the last open, after stops."""
        return {
            symbol: float(self._books.symbols[number, S.held])
            for number, symbol in enumerate(self.symbols)
        }

    def add_bars(
        self, bars: Mapping[str, PriceBar], targets: Mapping[str, float], *, years: float
    ) -> list[ClosedTrade]:
        """Take in the closed bars of one open time; return the trades that ended.

        Args:
            bars: Bars by symbol; symbols without a bar at this time are left out.
            targets: Fraction of equity wanted from these bars' opens on, decided before them; 0
                for symbols left out.
            years: Time since the opens before, for holding costs.

        Raises:
            ValueError: Unknown symbols, a target outside [-1, 1], impact without volume.
        """
        unknown = sorted((set(bars) | set(targets)) - set(self.symbols))
        if unknown:
            raise ValueError(f"bars and targets must be of {self.symbols}, got {unknown} too")
        remedy = "more would need borrowed money"
        for symbol, target in targets.items():
            check_number(f"target of {symbol}", target, lowest=-1.0, highest=1.0, remedy=remedy)
        fields = ("open", "high", "low", "close", "volume")
        lines = {field: self._line(bars, field) for field in fields}
        market = BarTables(years=np.array([years]), **lines)
        orders = Orders(
            target=np.array([[float(targets.get(symbol, 0.0)) for symbol in self.symbols]]),
            last_bar=np.full(len(self.symbols), np.inf),
        )
        self._books.account[A.trades] = 0.0
        market, orders = BarTables(*map(read_only, market)), Orders(*map(read_only, orders))
        step(0, market, orders, self._rules, self._books)
        if number := int(self._books.account[A.without_volume]):
            raise ValueError(
                f"impact needs traded volume before every fill; {self.symbols[number - 1]} had "
                "none; give bars with volume, or costs with impact_coefficient=0"
            )
        ended = self._books.closed[: int(self._books.account[A.trades])]
        return [self._trade(line) for line in ended]

    def _line(self, bars: Mapping[str, PriceBar], field: str) -> np.ndarray:
        missing = float("nan")
        return np.array(
            [[getattr(bars[name], field) if name in bars else missing for name in self.symbols]]
        )

    def _trade(self, line: np.ndarray) -> ClosedTrade:
        return ClosedTrade(
            symbol=self.symbols[int(line[T.symbol])],
            side=int(line[T.side]),
            entry_row=int(line[T.entry_row]),
            exit_row=int(line[T.exit_row]),
            entry_price=float(line[T.entry_price]),
            exit_price=float(line[T.exit_price]),
            size=float(line[T.size]),
            return_gross=float(np.expm1(line[T.log_gross])),
            return_net=float(np.expm1(line[T.log_net])),
            exit_reason=REASONS[int(line[T.reason])],
        )
