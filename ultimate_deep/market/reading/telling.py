"""Columns of unknown names that tell rows apart, as symbols do."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from ultimate_deep.market.reading.raw_table import RawTable
from ultimate_deep.market.reading.roles import key
from ultimate_deep.market.reading.shown import shown
from ultimate_deep.market.reading.symbols import SIDE_COLUMNS, refuse_sides
from ultimate_deep.market.validation import BarsError, RowSieve

# fmt: off
# Columns that tell markets apart wherever they hold more than one value.
MARKETS = frozenset(("exchange", "exch", "venue", "mic", "expiry", "expiration", "expirydate", "expirationdate", "maturity", "maturitydate", "contractmonth", "deliverymonth", "strike", "strikeprice", "right", "optiontype", "callput", "putcall", "permno", "permco", "gvkey", "securityid", "instrumenttoken", "conid", "figi", "cusip", "sedol"))  # noqa: E501
# Words in capitals that are no symbols.
_NO_SYMBOLS = frozenset(("AM", "PM", "MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN", "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC", "Q1", "Q2", "Q3", "Q4", "H1", "H2", "UTC", "GMT", "EST", "EDT", "CST", "CDT", "MST", "MDT", "PST", "PDT", "CET", "CEST", "EET", "EEST", "BST", "IST", "JST", "PRE", "POST", "REG", "REGULAR", "YES", "NO", "TRUE", "FALSE", "UP", "DOWN", "BUY", "SELL", "HOLD", "LONG", "SHORT", "FLAT", "BULL", "BEAR", "TRAIN", "TEST", "VALID", "VAL", "OPEN", "CLOSED", "OK", "HIGH", "LOW"))  # noqa: E501
# fmt: on
_SYMBOL = r"[A-Z][A-Z0-9.&/-]{0,11}|\d{4,6}\.[A-Z]{1,3}"
# Where one market ends and another begins lies a break, or a step of the price.
LONG_STEPS = 3.0
STEP = np.log(1.2)


def telling(table: RawTable, used: Collection[int | None], times: pd.DatetimeIndex) -> str:
    """Return the name of a column of words that tells rows of one time apart, or nothing.

    Args:
        table: Cells and names.
        used: Positions of columns that are something else.
        times: Time of each row.

    Raises:
        BarsError: A column that holds the sides of one market.
    """
    for at, name in enumerate(table.names):
        column = table.cells[at]
        if at in used or not name or pd.api.types.is_numeric_dtype(column.dtype):
            continue
        words = column.astype("str")
        if pd.to_numeric(words, errors="coerce").notna().mean() > 0.5:
            continue
        keys = pd.DataFrame({"time": times, "word": words})
        if 1 < keys["word"].nunique() <= len(keys) // 2 and not keys.duplicated().any():
            refuse_sides(words, table.name, name)
            return name
    return ""


def refuse_spliced(table: RawTable, used: Collection[int | None], sieve: RowSieve) -> None:
    """Refuse markets that follow each other in one table and are told apart by a column.

    Args:
        table: Cells and names.
        used: Positions of columns that are something else.
        sieve: Rows of bars, with their numbers in the table.

    Raises:
        BarsError: Such a column, its values and what to state.
    """
    if len(sieve.rows) < 2:
        return
    order = np.argsort(pd.DatetimeIndex(sieve.frame.index).asi8, kind="stable")
    rows = sieve.rows[order]
    for at, name in enumerate(table.names):
        if at in used:
            continue
        column = table.cells[at].iloc[rows]
        if table.header and key(name) in SIDE_COLUMNS:
            refuse_sides(column.astype("str").str.strip(), table.name, name)
            continue
        market = table.header and key(name) in MARKETS
        if not market and not _may_be_symbols(column):
            continue
        words = column.astype("str").str.strip().where(column.notna(), "")
        found = [word for word in dict.fromkeys(words) if word]
        if len(found) < 2 or not (market or _follow(words, sieve.frame.iloc[order])):
            continue
        refuse_sides(words, table.name, name)
        raise BarsError(
            f"{table.name}: the column {name or at} holds {shown(found, 4)}, as of several "
            f"markets; state that it names the symbols, columns='symbol={name or at}', or, where "
            "all rows are of one market, that nothing does: columns='symbol=none'"
        )


def _may_be_symbols(column: pd.Series) -> bool:
    """Return whether a column begins with one word that may be a symbol and ends with another."""
    if pd.api.types.is_numeric_dtype(column.dtype) or column.dtype.kind in "Mm":
        return False
    ends = column.iloc[[0, -1]].astype("str").str.strip()
    return ends.iloc[0] != ends.iloc[1] and bool(ends.str.fullmatch(_SYMBOL).all())


def _follow(words: pd.Series, frame: pd.DataFrame) -> bool:
    """Return whether words that may be symbols stand in one block each, with breaks between."""
    if not bool(words.str.fullmatch(_SYMBOL).all()) or set(words.unique()) & _NO_SYMBOLS:
        return False
    borders = np.flatnonzero(words.to_numpy()[1:] != words.to_numpy()[:-1])
    if len(borders) != words.nunique() - 1 or words.nunique() > len(words) // 2:
        return False
    steps = np.diff(pd.DatetimeIndex(frame.index).asi8)
    jumps = np.abs(np.log(frame["open"].to_numpy()[1:] / frame["close"].to_numpy()[:-1]))
    far = (steps > LONG_STEPS * np.median(steps)) | (jumps > STEP)
    return bool(far[borders].all())
