"""Symbols that a header names: over each column, or within each column's name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ultimate_deep.market.reading.raw_table import RawTable
from ultimate_deep.market.reading.roles import OTHERS, PRICES, STANDARD, has_prices, key
from ultimate_deep.market.reading.shown import shown
from ultimate_deep.market.validation import BarsError

# fmt: off
# What stands before or behind a price and is no symbol.
_NO_TICKERS = frozenset(("adj", "adjusted", "unadjusted", "raw", "bid", "ask", "mid", "prev", "previous", "last", "trade", "price", "px", "avg", "mean", "ma", "sma", "ema", "change", "chg", "pct", "52w", "time", "date", "interest", "int", "day", "usd", "eur", "next", "lag", "lead", "future", "ha", "close", "open", "buy", "sell", "spread", "norm", "log"))  # noqa: E501
# fmt: on
_FLATTENED = (r"\('(.+)', '(.*)'\)", r"(.+)[._ ]([^._ ]+)", r"([^._ ]+(?: [^._ ]+)?)[._ ](.+)")
# Lengths of bars, and counts such as those of lags.
_NO_NAMES = re.compile(r"\d{1,2}|\d+(s|m|h|d|w|min|hour|day|minutes|hours|days)|[mhdw]\d{1,2}")


def with_tickers(table: RawTable, stated: Mapping[str, str]) -> RawTable:
    """Return a table whose names hold no symbols, with those that its header names.

    Args:
        table: Cells and names as the file spells them.
        stated: What the caller says of columns: one that names a price names it as the file does.

    Raises:
        BarsError: What stands over prices or within their names is no symbol, such as bid and ask.
    """
    if not table.header:
        return table
    names = table.names
    if not any(table.tickers) and not set(PRICES) & set(stated):
        split = _without_tickers(names)
        if split is not None:
            table = replace(table, names=tuple(split[0]), tickers=tuple(split[1]))
    found = [one for one in dict.fromkeys(table.tickers) if one]
    keys = {key(one) for one in found}
    foreign = [one for one in found if key(one) in _NO_TICKERS or _NO_NAMES.fullmatch(key(one))]
    if len(found) == 1 and keys <= {"usd", "eur"} and names == table.names:
        foreign = []  # a fund of that name
    if keys in ({"a", "b"}, {"a", "b", "m"}):
        foreign = found
    if not foreign:
        return table
    if len(found) == 1:
        return replace(table, tickers=())
    remedy = "keep the columns of one of them in the file"
    if names != table.names:
        rows = zip(table.names, names, table.tickers, strict=True)
        fields = {key(field): name for field, name, one in rows if one == found[0]}
        if set(PRICES) <= set(fields):
            remedy = "state those of one: columns='" + (
                ",".join(f"{role}={fields[role]}" for role in PRICES) + "'"
            )
    raise BarsError(
        f"{table.name}: the header has prices of {shown(found, 4)}, which name no markets of their "
        f"own; {remedy}"
    )


def symbol_of_header(ticker: str, tickers: Sequence[str], stated: str | None, where: str) -> str:
    """Return the symbol of the columns under one ticker: as stated, or that ticker.

    Raises:
        BarsError: Several tickers where one symbol is stated.
    """
    if stated is None:
        return ticker
    if len(tickers) > 1:
        raise BarsError(
            f"{where}: holds the symbols {shown(tickers)}, not one; leave out symbol={stated!r}, "
            "or split the file"
        )
    return stated


def _without_tickers(names: Sequence[str]) -> tuple[list[str], list[str]] | None:
    """Return names without the symbol that each of them holds, and the symbols, empty for none.

    `AAPL.Open`, `Open_AAPL` and `('Open', 'AAPL')` are so written by whoever flattens tables of
    several symbols, which are written in capitals. None where the names are not all of this kind,
    or name the four prices as they are.
    """
    if has_prices(names):
        return None
    fields, tickers = [], []
    for name in names:
        field, ticker = _split(name)
        fields.append(field)
        tickers.append(ticker)
    found = dict.fromkeys(one for one in tickers if one)
    of_each = [[field for field, one in zip(fields, tickers, strict=True) if one == ticker]
               for ticker in found]  # fmt: skip
    return (fields, tickers) if found and all(map(has_prices, of_each)) else None


def _split(name: str) -> tuple[str, str]:
    words = {word for role in STANDARD for word in (*STANDARD[role], *OTHERS[role])}
    words |= {"adjusted"}
    for pattern in _FLATTENED:
        found = re.fullmatch(pattern, name.strip())
        if found is None:
            continue
        field, ticker = found.groups() if key(found[1]) in words else found.groups()[::-1]
        if found[2] == "":
            return found[1], ""
        capital = ticker == ticker.upper() and key(ticker) not in _NO_TICKERS
        if key(field) in words and len(key(field)) > 1 and capital:
            return ("adj close" if key(field) == "adjusted" else field), ticker
    return name, ""
