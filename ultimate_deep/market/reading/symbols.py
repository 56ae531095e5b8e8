"""What market a file is of: as a column says, or else the file's name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ultimate_deep.market.reading.raw_table import RawTable
from ultimate_deep.market.reading.roles import NONE, SYMBOLS, key, named
from ultimate_deep.market.reading.shown import shown
from ultimate_deep.market.validation import BarsError

# Of lengths with the unit first only those of trading programs: H23 is a contract, D05 a share.
INTERVAL_IN_NAME = re.compile(
    r"(?:s(?:1|5|10|15|30)|m(?:1|2|3|4|5|6|10|12|15|20|30|45)|h(?:1|2|3|4|6|8|12)|d1|w1|mn1)"
    r"|\d+[smhdw]|\d+min|\d*(?:hour|minute|hourly|daily|day|weekly|monthly)"
)
_UNITS = {"s": 1, "m": 60, "min": 60, "minute": 60, "h": 3_600, "hour": 3_600, "hourly": 3_600,
          "d": 86_400, "day": 86_400, "daily": 86_400, "w": 604_800, "weekly": 604_800,
          "mn": 2_592_000, "monthly": 2_592_000}  # fmt: skip
# The periods of MetaTrader, behind the name of a pair: GBPUSDH1, EURUSD60.
PERIOD_OF_PAIR = re.compile(
    r"([a-z]{6,})(?:m(?:1|2|3|4|5|6|10|12|15|20|30)|h(?:1|2|3|4|6|8|12)|d1|w1|mn1?)"
    r"|([a-z]{6})(?:1|5|15|30|60|240|1440|10080|43200)"
)
# fmt: off
VENDORS_IN_NAME = frozenset((
    "binance", "bitfinex", "bitstamp", "bybit", "okx", "coinbase", "cryptodatadownload", "ejtrader",
    "gemini", "kraken", "lean", "quote", "trade", "bars", "ohlc", "ohlcv", "klines", "mt4", "mt5",
    "export", "histdata", "dat", "ascii", "stooq", "yfinance", "yahoo", "dukascopy", "candlestick",
    "bid", "ask", "part",
))
# Those of them that say where prices come from, or which prices they are.
PLACES_IN_NAME = frozenset((
    "binance", "bitfinex", "bitstamp", "bybit", "okx", "coinbase", "gemini", "kraken", "stooq",
    "yfinance", "yahoo", "dukascopy", "histdata", "ejtrader",
))
KINDS_IN_NAME = frozenset(("quote", "trade", "bid", "ask"))
# Columns of these names hold symbols, however few; of others, such as `name`, when mostly filled.
SURE = frozenset((
    "symbol", "ticker", "tic", "sym", "instrument", "pair", "tscode", "secid", "isin", "ric",
    "tckrsymb", "tradingsymbol",
))
MOSTLY = 0.5
SIDES = frozenset(("bid", "ask", "mid", "midpoint", "bids", "asks"))
SIDE_COLUMNS = frozenset(("side", "pricetype", "bidask", "quote", "quotetype"))
SUFFIXES = r"(\.(csv|txt|tsv|dat|prn|parquet|pq|feather|arrow|zip|gz|gzip|bz2|xz|zst))+$"
# fmt: on


def symbol_column(table: RawTable, used: Sequence[int], stated: Mapping[str, str]) -> int | None:
    """Return the position of the column of symbols; None where the table has none.

    A column that is mostly filled counts, and one of a sure name such as `ticker` if any of it is:
    rows without a symbol are refused later, unless they are no bars.

    Args:
        table: Cells and names, before any meaning.
        used: Positions of columns that are something else.
        stated: What the caller says of columns.

    Raises:
        BarsError: No column of a stated name.
    """
    if "symbol" in stated:
        if stated["symbol"].lower() == NONE:
            return None
        return named(stated["symbol"], table.names, table.name, "symbol")
    if not table.header or any(table.tickers):
        return None
    keys = {key(name): at for at, name in enumerate(table.names) if at not in used}
    for word in SYMBOLS:
        if word not in keys:
            continue
        texts = _texts(table.cells[keys[word]])
        filled = float((texts != "").mean()) if texts is not None and len(texts) else 0.0
        if filled >= MOSTLY or (filled > 0.0 and word in SURE):
            return keys[word]
    return None


def _texts(column: pd.Series) -> pd.Series | None:
    """Return symbols as text, empty where nothing is written; None for numbers with fractions."""
    if pd.api.types.is_float_dtype(column.dtype):
        known = column.dropna()
        if not bool((known == known.round()).all()):
            return None
        # Codes are floats beside an absent one.
        return column.map("{:.0f}".format).where(column.notna(), "").astype("str")
    return column.astype("str").str.strip().where(column.notna(), "")


def symbols_of(table: RawTable, column: int | None, stated: str | None) -> np.ndarray:
    """Return the symbol of each row.

    Args:
        table: Cells and names, before any meaning.
        column: Position of its column of symbols; None where it holds one symbol.
        stated: What the caller says.

    Raises:
        BarsError: Several symbols where one is stated, rows without one, or sides of a market.
    """
    rows = len(table.cells)
    if column is None:
        said = next((table.said[word] for word in SYMBOLS if word in table.said), None)
        return np.full(rows, stated or said or symbol_of_name(table.name), dtype=object)
    known = _texts(table.cells[column])
    written = table.cells[column].astype("str").str.strip() if known is None else known
    refuse_sides(written, table.name, table.names[column])
    texts = written.str.upper().str.replace("/", "")
    if texts.nunique() < written.nunique():
        texts = written  # BACpA and BACPA, and AB/C and ABC, are two
    blank = np.asarray(texts == "")
    if blank.any() and stated is None:
        row = int(np.argmax(blank))
        raise BarsError(
            f"{table.name}: {int(blank.sum()):,} rows have no symbol in the column "
            f"{table.names[column]}, first row {row}; write it there, or, where all rows are of "
            "one market, state that it names none: columns='symbol=none'"
        )
    texts = texts[~blank]
    found = list(dict.fromkeys(texts))
    if stated is None:
        return texts.to_numpy(dtype=object)
    if len(found) > 1:
        raise BarsError(
            f"{table.name}: holds the symbols {shown(found)}, not one; leave out "
            f"symbol={stated!r}, or split the file"
        )
    return np.full(rows, stated, dtype=object)


def refuse_sides(texts: pd.Series, where: str, name: str) -> None:
    """Refuse bid and ask, which are no symbols.

    Args:
        texts: Cells of one column.
        where: File, for messages.
        name: Name of the column.

    Raises:
        BarsError: Nothing but sides of one market, and more than one.
    """
    sides = SIDES | {"a", "b"} if key(name) in SIDE_COLUMNS else SIDES
    if not set(texts.iloc[:64].str.lower()) <= sides:
        return
    found = set(texts.str.lower())
    if len(found) < 2 or not found <= sides:
        return
    raise BarsError(
        f"{where}: the column {name} holds {shown(texts.unique(), 4)}, which are sides of one "
        "market and no symbols; keep the rows of one side in the file"
    )


@dataclass(frozen=True, kw_only=True)
class FileName:
    """What a file's name says of its market.

    Attributes:
        symbol: The name without vendor, interval, dates and the number of the file.
        said: What was taken out and must be alike in all files of a symbol, by what it is.
        dates: Words taken for dates.
        number: Digits taken for the number of a file, such as `2` of `EURUSD_1h_2.csv`.
        bare: Whether nothing but such a number was taken out.
    """

    symbol: str
    said: dict[str, str]
    dates: tuple[str, ...]
    number: str
    bare: bool


def symbol_of_name(name: str) -> str:
    """Return the symbol that a file's name suggests, as `parse_name` finds it."""
    return parse_name(name).symbol


def parse_name(name: str) -> FileName:
    """Return the symbol that a file's name suggests, and what was taken out of it.

    Of an archive the member's name counts. Digits that are no date belong to the symbol, as in
    `600519.SH`, and so does a year or an interval that an exchange stands behind, as in `2015.T`
    and `S32.AX`.
    """
    stem = re.sub(SUFFIXES, "", name.rsplit("/")[-1].lower())
    listed = re.fullmatch(r"(\d{4,6}|[smhdw]\d+)\.([a-z]{1,3})", stem)
    if listed:
        symbol = f"{listed[1]}-{listed[2]}".upper()
        return FileName(symbol=symbol, said={}, dates=(), number="", bare=False)
    words: list[str] = []
    dates: list[str] = []
    said: dict[str, str] = {}
    for word in re.split(r"[_\-. ]+", stem):
        period = PERIOD_OF_PAIR.fullmatch(word)
        short = (period[1] or period[2]) if period else word
        if period:
            length = word.removeprefix(short)
            said["interval"] = _seconds(f"{length}m" if length.isdigit() else length)
        if not short:
            continue
        if _is_date(short, after_date=bool(dates)):
            dates.append(short)
        elif short in VENDORS_IN_NAME:
            said |= {"exchange": short} if short in PLACES_IN_NAME else {}
            said |= {"prices": short} if short in KINDS_IN_NAME else {}
        elif INTERVAL_IN_NAME.fullmatch(short):
            said["interval"] = _seconds(short)
        else:
            words.append(short)
    # A number that only counts files, as in EURUSD_1h_2.csv.
    number = words.pop() if len(words) > 1 and re.fullmatch(r"\d{1,2}", words[-1]) else ""
    return FileName(
        symbol="-".join(words or [stem]).upper(), said=said, dates=tuple(dates), number=number,
        bare=bool(number) and not (said or dates),
    )  # fmt: skip


def _seconds(word: str) -> str:
    """Return how long bars are by a word such as `4h`, `h4` or `daily`, in seconds."""
    digits = re.search(r"\d+", word)
    unit = re.sub(r"\d", "", word)
    return str(int(digits[0] if digits else 1) * _UNITS[unit])


def _is_date(word: str, *, after_date: bool) -> bool:
    if not word.isdigit():
        return False
    if len(word) == 8:
        return not pd.isna(pd.to_datetime(word, format="%Y%m%d", errors="coerce"))
    if len(word) == 6:
        return 1900 <= int(word[:4]) <= 2100 and 1 <= int(word[4:]) <= 12
    if len(word) == 4:
        return 1900 <= int(word) <= 2100
    return len(word) <= 2 and after_date
