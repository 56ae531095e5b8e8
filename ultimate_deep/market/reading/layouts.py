"""What each column of a table is, in one finding that people can read and correct."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from ultimate_deep.market.reading.formats import FORMATS, base_volume, find_format, refuse_scaled
from ultimate_deep.market.reading.numbers import Decimal, read_numbers
from ultimate_deep.market.reading.raw_table import RawTable
from ultimate_deep.market.reading.roles import (
    NONE,
    PRICES,
    RESOLUTIONS,
    Columns,
    find_columns,
    key,
    named,
)
from ultimate_deep.market.reading.shown import MOST_CHARACTERS, shown
from ultimate_deep.market.reading.symbols import symbol_column
from ultimate_deep.market.reading.time_columns import Times, find_times
from ultimate_deep.market.remarks import exchanged
from ultimate_deep.market.validation import BarsError

LEAST_IN_ORDER = 0.9  # share of rows whose high and low hold open and close
MOSTLY = 0.5
LEAST_MOVES = 8
NEAR = 0.05


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What the caller says of files, beyond what they say themselves.

    Attributes:
        format: One of `formats.FORMATS`, or `auto`.
        symbol: Names all that is read.
        timezone: IANA name of what times without a zone mean.
        price_scale: Prices in the file are this many times the price.
        columns: Column of a role, `{"time": "ts"}`, from `roles.parse_columns`.
        time_format: How times are written, in the signs of `strptime`.
        decimal: The decimal sign.
    """

    format: str = "auto"
    symbol: str | None = None
    timezone: str | None = None
    price_scale: float | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    time_format: str | None = None
    decimal: Decimal | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """What the columns of a table are.

    Attributes:
        format: A key of `FORMATS`.
        columns: Those of each symbol.
        times: When bars open.
        symbol: Position of the column of symbols; None where the file holds one.
    """

    format: str
    columns: tuple[Columns, ...]
    times: Times
    symbol: int | None

    def words(self, table: RawTable) -> str:
        """Return the finding in one line."""
        names = [name[:MOST_CHARACTERS] or "(nameless)" for name in table.names]
        first = self.columns[0]
        parts = [f"time {' and '.join(names[at] for at in self.times.places)}"]
        parts[0] += f" ({self.times.stamps.style})"
        pairs = zip(PRICES, first.prices, strict=True)
        same = all(key(names[at], noted=True) == role for role, at in pairs)
        if not same:
            parts.append("prices " + ", ".join(names[at] for at in first.prices))
        parts.append("no volume" if first.volume is None else f"volume {names[first.volume]}")
        if self.symbol is not None:
            parts.append(f"symbol {names[self.symbol]}")
        used = {at for one in self.columns for at in one.used} | set(self.times.places)
        rest = [names[at] for at in range(len(names)) if at not in used and at != self.symbol]
        if rest:
            parts.append(f"left out {shown(rest, 8)}")
        return f"{FORMATS[self.format].says}: {'; '.join(parts)}"


def find_layout(table: RawTable, stated: Statement) -> Layout:
    """Return what the columns of a table are.

    Raises:
        BarsError: A role that no column or more than one has, times in doubt, or bars of several
            lengths in one table.
    """
    form = find_format(table, name=stated.format)
    if form == "canonical" and stated.format == "auto" and stated.price_scale is None:
        refuse_scaled(table)
    if table.header:
        columns = _named_columns(table, form, stated.columns)
    else:
        columns = _counted_columns(table, form, stated)
    used = [at for one in columns for at in one.used]
    symbol = symbol_column(table, used, stated.columns)
    if symbol is not None:
        used.append(symbol)
    times = find_times(table, used, stated.columns, stated.time_format, form, stated.timezone)
    _refuse_mixed_lengths(table, [*used, *times.places])
    if not table.header and not all(role in stated.columns for role in PRICES):
        _refuse_exchanged(table, columns[0], times, stated)
    return Layout(format=form, columns=tuple(columns), times=times, symbol=symbol)


def _named_columns(table: RawTable, form: str, stated: Mapping[str, str]) -> list[Columns]:
    told = dict(stated)
    if form == "cryptodatadownload" and "volume" not in told:
        base = base_volume(table)
        if base is not None:
            told["volume"] = table.names[base]
    elif "volume" not in told:
        keys = {key(name, noted=True): name for name in table.names}
        found = next((keys[one] for one in FORMATS[form].volume if one in keys), None)
        if found is not None:
            told["volume"] = found
    columns = find_columns(table.names, table.tickers, told, table.name)
    if "adjusted" in stated:
        return columns
    # A column such as `adjusted` may say whether prices are, and not what they are.
    return [
        replace(one, adjusted=None)
        if one.adjusted is not None and not _holds_prices(table, one.adjusted)
        else one
        for one in columns
    ]


def _holds_prices(table: RawTable, at: int) -> bool:
    column = table.cells[at]
    if pd.api.types.is_bool_dtype(column.dtype):
        return False
    some = column.iloc[:64].dropna().astype("str").str.strip()
    return bool(some[some != ""].str.contains(r"\d").all())


def _counted_columns(table: RawTable, form: str, stated: Statement) -> list[Columns]:
    """Return the columns of a file without a header: time, open, high, low, close, volume.

    The prices themselves must say that they are that: high and low hold open and close.
    """
    told = stated.columns
    if all(role in told for role in PRICES):
        return find_columns(table.names, (), {"volume": "none", **told}, table.name)
    width = table.cells.shape[1]
    first = 1
    if width > 5 and _hours_second(table, form, stated):
        first = 2
    if width < first + 4:
        raise _unknown(table)
    prices = tuple(range(first, first + 4))
    numbers, _ = _numbers(table, dict(zip(PRICES, prices, strict=True)), stated)
    if not _in_order(numbers):
        raise _unknown(table)
    volume = None if width == first + 4 else first + 4
    if "volume" in told:
        none = told["volume"].lower() == NONE
        volume = None if none else named(told["volume"], table.names, table.name, "volume")
    elif volume is not None:
        _check_volume(table, volume, numbers, stated)
    return [Columns(prices=prices, volume=volume)]  # type: ignore[arg-type]


def _check_volume(
    table: RawTable, at: int, numbers: Mapping[str, np.ndarray], stated: Statement
) -> None:
    """Refuse a column behind the prices that is no volume, where no header names it.

    Raises:
        BarsError: A price, such as an adjusted close, or the first size of quotes.
    """
    if _is_a_price(table, at, numbers, stated):
        last = table.cells.shape[1] - 1
        other = f"columns='volume={last}' or " if last > at else ""
        raise BarsError(
            f"{table.name}: there is no header, and column {at} lies between low and high or moves "
            f"as the close does, as no volume does; the first row is {shown(table.first_row)}; "
            "state the volume's column, counted from 0, or that there is none: "
            f"{other}columns='volume=none'"
        )
    if _are_quotes(table, at + 1, numbers, stated):
        raise BarsError(
            f"{table.name}: there is no header, and columns {at + 1} to {at + 4} are prices too, "
            f"as of quotes with bid and ask; the first row is {shown(table.first_row)}; to take "
            f"the first four, state that column {at} is no volume of trades: columns='volume=none'"
        )


def _hours_second(table: RawTable, form: str, stated: Statement) -> bool:
    rest = find_times(
        table, range(2, table.cells.shape[1]), {}, stated.time_format, form, stated.timezone
    )
    return len(rest.places) == 2


def _numbers(
    table: RawTable, places: Mapping[str, int], stated: Statement
) -> tuple[dict[str, np.ndarray], str]:
    cells = {role: table.cells[at] for role, at in places.items()}
    return read_numbers(cells, decimal=stated.decimal, separator=table.separator, where=table.name)


def _in_order(numbers: Mapping[str, np.ndarray]) -> bool:
    """Return whether high and low hold open and close, in bars whose prices are not all one."""
    prices = np.column_stack([numbers[role] for role in PRICES])
    prices = prices[np.isfinite(prices).all(axis=1)]
    moving = prices[np.ptp(prices, axis=1) > 0] if len(prices) else prices
    if len(prices) < 2:
        return False
    opens, high, low, close = moving.T
    held = (np.maximum(opens, close) <= high) & (np.minimum(opens, close) >= low)
    return not len(held) or bool(held.mean() >= LEAST_IN_ORDER)


def _refuse_exchanged(table: RawTable, columns: Columns, times: Times, stated: Statement) -> None:
    """Refuse opens and closes that are each other's, where no header names them.

    A bar opens nearer to the close before it than it closes to the open before it.
    """
    numbers, _ = _numbers(table, dict(zip(PRICES, columns.prices, strict=True)), stated)
    stamps = times.stamps.times
    known = np.asarray(stamps.notna()) & np.isfinite(numbers["open"] + numbers["close"])
    order = np.argsort(stamps.asi8[known], kind="stable")
    opens, close = numbers["open"][known][order], numbers["close"][known][order]
    if exchanged(opens, close):
        raise _unknown(table)


def _is_a_price(
    table: RawTable, at: int, numbers: Mapping[str, np.ndarray], stated: Statement
) -> bool:
    """Return whether a column lies between low and high mostly, or moves as the close does."""
    volume = _numbers(table, {"volume": at}, stated)[0]["volume"]
    known = np.isfinite(volume) & np.isfinite(numbers["high"]) & np.isfinite(numbers["low"])
    inside = (volume >= numbers["low"]) & (volume <= numbers["high"])
    if bool(known.any()) and float(inside[known].mean()) > MOSTLY:
        return True
    known &= (volume > 0) & (numbers["close"] > 0)
    own, close = np.diff(np.log(volume[known])), np.diff(np.log(numbers["close"][known]))
    moved = close != 0
    if moved.sum() < LEAST_MOVES:
        return False
    # An adjusted close moves as the close does, but for days of splits and dividends.
    along = np.abs(own - close)[moved] <= 0.5 * np.abs(close[moved])
    return float(along.mean()) > MOSTLY


def _are_quotes(
    table: RawTable, first: int, numbers: Mapping[str, np.ndarray], stated: Statement
) -> bool:
    """Return whether four more prices follow, as those of the ask behind those of the bid."""
    if table.cells.shape[1] < first + 4:
        return False
    more, _ = _numbers(table, {role: first + at for at, role in enumerate(PRICES)}, stated)
    with np.errstate(invalid="ignore", divide="ignore"):
        near = np.abs(more["close"] / numbers["close"] - 1.0) < NEAR
    return _in_order(more) and float(near.mean()) > MOSTLY


def _unknown(table: RawTable) -> BarsError:
    return BarsError(
        f"{table.name}: {table.described}, and its columns are not time, open, high, low, close, "
        "volume in this order; add a header, or state which is which, counted from 0: "
        "columns='time=0,open=1,high=2,low=3,close=4,volume=5'"
    )


def _refuse_mixed_lengths(table: RawTable, used: list[int]) -> None:
    for at, name in enumerate(table.names):
        if at in used or key(name) not in RESOLUTIONS or not len(table.cells):
            continue
        values = table.cells[at].astype("str").unique()
        if len(values) > 1:
            raise BarsError(
                f"{table.name}: column {name} holds {shown(values, 4)}, which look like bars of "
                "several lengths; split the file, one length in each"
            )
