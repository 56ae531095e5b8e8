"""From a raw table to the validated bars of each symbol in it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ultimate_deep.market.config import Adjust, BarKind, Stamp
from ultimate_deep.market.reading.adjusting import (
    adjust_prices,
    note_unused,
    with_adjusted_volume,
)
from ultimate_deep.market.reading.ends import ends_of_times, opens_named
from ultimate_deep.market.reading.formats import FORMATS
from ultimate_deep.market.reading.layouts import Layout, Statement, find_layout
from ultimate_deep.market.reading.localising import localise
from ultimate_deep.market.reading.numbers import are_absent, read_numbers
from ultimate_deep.market.reading.raw_table import RawTable
from ultimate_deep.market.reading.roles import (
    PRICES,
    Columns,
)
from ultimate_deep.market.reading.shown import MOST_CHARACTERS, cell
from ultimate_deep.market.reading.stray_lines import without_stray_lines
from ultimate_deep.market.reading.symbols import symbols_of
from ultimate_deep.market.reading.telling import refuse_spliced, telling
from ultimate_deep.market.reading.tickers import symbol_of_header, with_tickers
from ultimate_deep.market.validation import (
    BAR_COLUMNS,
    BarsError,
    Repair,
    RowSieve,
    apply_priced,
    validate_bars,
)

# In place of a file name where a table was given in Python.
TABLE = "the table"


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """The validated bars of one symbol in one file.

    Attributes:
        file: Name of the file, with the member of an archive.
        frame: Canonical, but for times that are the ends of bars.
        notes: Sentences on what was left out or assumed.
        read_as: What the file was taken to be, in one line.
        zone: Zone of the market's own days, where the file or the caller says it.
        ends: Whether the times are the ends of bars.
        stated: Whether the caller names the symbol.
        adjusted: Whether its prices were changed by its adjusted close; None where it has none.
        has_volume: Whether it says anything of volume.
    """

    file: str
    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    read_as: str = ""
    zone: str = "UTC"
    ends: bool = False
    stated: bool = False
    adjusted: bool | None = None
    has_volume: bool = True


@dataclass(frozen=True, kw_only=True, eq=False)
class _Rows:
    """A table's cells with what they mean, before rules."""

    table: RawTable
    layout: Layout
    columns: Columns
    numbers: dict[str, np.ndarray]
    notes: tuple[str, ...]


def read_rows(
    table: RawTable,
    stated: Statement,
    *,
    adjust: Adjust,
    stamp: Stamp,
    repair: Repair,
    kind: BarKind = "regular",
) -> list[tuple[str, Part]]:
    """Return the symbols of one table with their bars.

    Args:
        table: Cells and names, before any meaning.
        stated: What the caller says of it.
        adjust: Whether an adjusted close adjusts all prices.
        stamp: Whether times say when bars open or when they close.
        repair: `"raise"` or `"drop"`.
        kind: Whether bars have one length.

    Raises:
        BarsError: What the table breaks, with the rule, the row, the value and the remedy.
    """
    if len(table.cells) == 0:
        raise BarsError(f"{table.name}: empty, not one row of bars; check the download")
    table = with_tickers(table, stated.columns)
    layout = find_layout(table, stated)
    if adjust == "auto":
        layout = with_adjusted_volume(layout, table, stated="volume" in stated.columns)
    table, layout, stray = without_stray_lines(table, layout, stated)
    found = []
    tickers = [columns.ticker for columns in layout.columns]
    for columns in layout.columns:
        numbers, sign = _numbers(table, columns, stated)
        notes = (*table.notes, *stray, *note_unused(layout, table))
        of_columns = _Rows(
            table=table, layout=layout, columns=columns, numbers=numbers, notes=notes
        )
        symbols = (
            np.full(
                len(table.cells),
                symbol_of_header(columns.ticker, tickers, stated.symbol, table.name),
                dtype=object,
            )
            if columns.ticker
            else symbols_of(table, layout.symbol, stated.symbol)
        )
        codes, names = pd.factorize(symbols)
        ends = np.cumsum(np.bincount(codes))
        of_each = np.split(np.argsort(codes, kind="stable"), ends[:-1])
        for symbol, chosen in zip(names, of_each, strict=True):
            part = _part(
                of_columns, chosen, symbol, stated, adjust=adjust, stamp=stamp, repair=repair,
                kind=kind,
            )  # fmt: skip
            said = f", {sign}" if sign else ""
            found.append((symbol, replace(part, read_as=part.read_as + said)))
    return found


def _numbers(
    table: RawTable, columns: Columns, stated: Statement
) -> tuple[dict[str, np.ndarray], str]:
    places = dict(zip(PRICES, columns.prices, strict=True))
    if columns.volume is not None:
        places["volume"] = columns.volume
    if columns.adjusted is not None:
        places["adjusted"] = columns.adjusted
    cells = {role: table.cells[at] for role, at in places.items()}
    return read_numbers(cells, decimal=stated.decimal, separator=table.separator, where=table.name)


def _part(
    rows: _Rows,
    chosen: np.ndarray,
    symbol: str,
    stated: Statement,
    *,
    adjust: Adjust,
    stamp: Stamp,
    repair: Repair,
    kind: BarKind,
) -> Part:
    table, layout = rows.table, rows.layout
    label = f"{symbol} in {table.name}"
    notes = list(rows.notes)
    numbers = {role: values[chosen] for role, values in rows.numbers.items()}
    volume = _volume(rows, chosen, notes)
    numbers["volume"] = np.zeros(len(chosen)) if volume is None else volume
    frame = pd.DataFrame(numbers, index=layout.times.stamps.times[chosen])
    if rows.columns.ticker:
        frame, chosen = _listed(frame, chosen, symbol, notes)
    known = pd.DatetimeIndex(frame.index.dropna())
    newest_first = len(frame) > 1 and known.is_monotonic_decreasing
    if newest_first:
        frame, chosen = frame.iloc[::-1], chosen[::-1]
        notes.append(f"{table.name} begins with the newest bar and is read from its end.")
    sieve = RowSieve(frame, symbol=label, repair=repair, row_numbers=chosen)
    _read_times(sieve, rows)
    zone, whose = localise(sieve, table.name, layout, stated)
    if newest_first:
        _put_first_of_file_first(sieve)
    _finite(sieve, rows)
    frame = sieve.frame
    adjusted = None
    if rows.columns.adjusted is not None and adjust == "auto":
        name = table.names[rows.columns.adjusted]
        frame = adjust_prices(sieve, name, table.name, notes)
        adjusted = frame is not sieve.frame
    frame = frame[list(BAR_COLUMNS)]
    ends = ends_of_times(pd.DatetimeIndex(frame.index), table, layout, stamp, label)
    used = {*rows.columns.used, *layout.times.places, layout.symbol}
    canonical, more = validate_bars(
        frame, symbol=label, repair=repair, minimum_rows=1, row_numbers=sieve.rows,
        telling=lambda: telling(table, used, layout.times.stamps.times), kind=kind,
    )  # fmt: skip
    if layout.symbol is None and not rows.columns.ticker and stated.symbol is None and (
        "symbol" not in stated.columns
    ):  # fmt: skip
        refuse_spliced(table, used, sieve)
    scale = FORMATS[layout.format].price_scale if stated.price_scale is None else stated.price_scale
    canonical = _unscale(canonical, layout.format, scale, label)
    words = layout.words(table) + f"; times in {whose}" + _scale_words(scale)
    if not (ends or opens_named(table, layout)):
        words += ", taken to be when bars open"
    if layout.symbol is None and not rows.columns.ticker:
        words += f"; symbol {symbol[:MOST_CHARACTERS]}"
    return Part(
        file=table.name, frame=canonical, notes=(*notes, *sieve.notes, *more),
        read_as=f"{table.name} read as {words}", zone=zone,
        ends=ends, stated=stated.symbol is not None, adjusted=adjusted,
        has_volume=volume is not None,
    )  # fmt: skip


def _put_first_of_file_first(sieve: RowSieve) -> None:
    """Put rows of one time in the order of the file, of which the rest is read from its end."""
    index = pd.DatetimeIndex(sieve.frame.index)
    if index.has_duplicates and index.is_monotonic_increasing:
        order = np.lexsort((sieve.rows, index.asi8))
        sieve.frame, sieve.rows = sieve.frame.iloc[order], sieve.rows[order]


def _scale_words(scale: float | None) -> str:
    return "" if scale in (None, 1, 1.0) else f", prices divided by {scale:,.10g}"


def _volume(rows: _Rows, chosen: np.ndarray, notes: list[str]) -> np.ndarray | None:
    """Return the volume; None where the file has none of it."""
    at = rows.columns.volume
    if at is None:
        return None
    volume = rows.numbers["volume"][chosen]
    # Brokers write -1 where they know of none.
    if len(volume) and bool((np.isnan(volume) | (volume == -1.0)).all()):
        unread = np.isnan(volume) & ~are_absent(rows.table.cells[at].iloc[chosen])
        if not unread.any():
            notes.append(f"{rows.table.name} has no volume in its column of volume.")
            return None
    return volume


def _listed(
    frame: pd.DataFrame, chosen: np.ndarray, symbol: str, notes: list[str]
) -> tuple[pd.DataFrame, np.ndarray]:
    """Leave out the rows of a table of several symbols in which this one has no price."""
    priced = np.isfinite(frame[list(PRICES)].to_numpy()).any(axis=1)
    if priced.all():
        return frame, chosen
    many = int((~priced).sum())
    notes.append(f"{many:,} row{'s' * (many != 1)} without a price of {symbol} left out.")
    return frame[priced], chosen[priced]


def _read_times(sieve: RowSieve, rows: _Rows) -> None:
    places = rows.layout.times.places
    names = [rows.table.names[at] or "(nameless)" for at in places]
    numbers = sieve.rows

    def value(row: int) -> str:
        texts = [cell(rows.table.cells[at].iloc[numbers[row]]) for at in places]
        return ", ".join(f"{name} is {text}" for name, text in zip(names, texts, strict=True))

    sieve.apply(
        f"every time can be read, as {rows.layout.times.stamps.style}",
        np.asarray(sieve.frame.index.isna()),
        value,
        remedy="correct the time, or state how times are written, such as "
        "time_format='%Y-%m-%d %H:%M:%S'",
    )
    if len(sieve.frame) == 0:
        raise BarsError(
            f"{rows.table.name}: no time could be read; state how times are written, such as "
            "time_format='%d.%m.%Y %H:%M'"
        )


def _finite(sieve: RowSieve, rows: _Rows) -> None:
    """Every cell of prices and volume is a finite number; the message shows the cell itself."""
    prices = sieve.frame[list(PRICES)].to_numpy()
    if (prices == 0).any() or np.isnan(prices).any():
        cells = rows.table.cells.iloc[sieve.rows]
        blank = np.column_stack([are_absent(cells[at]) for at in rows.columns.prices])
        apply_priced(sieve, blank | (prices == 0))
    finite = np.isfinite(sieve.frame[list(BAR_COLUMNS)].to_numpy())
    places = dict(zip(PRICES, rows.columns.prices, strict=True)) | {"volume": rows.columns.volume}
    numbers = sieve.rows

    def value(row: int) -> str:
        role = BAR_COLUMNS[int(np.argmin(finite[row]))]
        return f"{role} is {cell(rows.table.cells[places[role]].iloc[numbers[row]])}"

    prices_fine = finite[:, :4].all(axis=1)
    absent = (~finite[:, 4] & prices_fine).sum()
    remedy = "fill or remove the row at its source"
    if absent:
        remedy = "write zero where the volume is unknown, or state columns='volume=none'"
    sieve.apply(
        "every value is a finite number", np.asarray(~finite.all(axis=1)), value, remedy=remedy
    )


def _unscale(
    frame: pd.DataFrame, format_name: str, scale: float | None, label: str
) -> pd.DataFrame:
    """Divide the prices by the scale of the format or the caller; None must not be needed."""
    prices = frame[list(PRICES)].to_numpy()
    whole = np.rint(prices)
    # Some exports multiplied in floating point: 159548.99999999997 is an integer.
    integers = bool((np.abs(prices - whole) < 1e-6).all())
    if scale is None:
        if integers:
            raise BarsError(
                f"{label}: integer prices, and the format {format_name} does not state their "
                f"scale; row 0 ({frame.index[0]}) opens at {prices[0, 0]:.10g}; state it, "
                "for example price_scale=100000 where 158611 means 1.58611, or price_scale=1"
            )
        return frame
    if scale == 1:
        return frame
    return frame.assign(
        **{
            name: (whole if integers else prices)[:, column] / scale
            for column, name in enumerate(PRICES)
        }
    )
