"""From files as vendors ship them to validated bars, and back to a canonical file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

from ultimate_deep.machine.files import whole_file
from ultimate_deep.market.bars import Bars
from ultimate_deep.market.clocks import CLOCKS
from ultimate_deep.market.files import find_files
from ultimate_deep.market.formats import FORMATS, column_names, find_format
from ultimate_deep.market.intervals import interval_of
from ultimate_deep.market.remarks import remarks
from ultimate_deep.market.sessions import Session, find_interval, find_session
from ultimate_deep.market.tables import RawTable, read_tables
from ultimate_deep.market.validation import (
    MINIMUM_ROWS,
    PRICE_COLUMNS,
    BarsError,
    Repair,
    RowSieve,
    validate_bars,
)

INTERVAL_IN_NAME = re.compile(r"\d*(?:[smhdw]\d+|\d+[smhdw]|\d+min|minute|hour|hourly|daily|day)")
# fmt: off
VENDORS_IN_NAME = frozenset((
    "binance", "bitfinex", "bitstamp", "coinbase", "cryptodatadownload", "ejtrader", "gemini",
    "kraken", "lean", "quote", "trade", "bars", "ohlc", "ohlcv", "klines", "mt4", "mt5", "export",
))
# fmt: on


@dataclass(frozen=True, kw_only=True)
class _Request:
    """What the caller states of each file."""

    format: str
    symbol: str | None
    timezone: str | None
    price_scale: float | None
    repair: Repair


@dataclass(frozen=True, kw_only=True, eq=False)
class _Part:
    """The validated bars of one symbol in one file."""

    file: str
    frame: pd.DataFrame
    notes: tuple[str, ...]


def read_files(
    source: str | Path | Sequence[str | Path],
    *,
    format: str = "auto",
    symbol: str | None = None,
    interval: str | pd.Timedelta | None = None,
    session: Session | None = None,
    timezone: str | None = None,
    price_scale: float | None = None,
    repair: Repair = "raise",
    minimum_rows: int = MINIMUM_ROWS,
) -> dict[str, Bars]:
    """Read the bars of one or several symbols.

    Args:
        source: A CSV or Parquet file (CSV also as gz or zip), several, or a folder of them. Files
            of one symbol are joined where they do not overlap.
        format: One of `FORMATS`, or `"auto"` to detect it.
        symbol: Names all that is read; else a symbol column or the file's name does.
        interval: Interval of the bars; else the most common difference of their times.
        session: When the market trades; else found from the times.
        timezone: IANA name of what naive times mean, where the format does not say or says other.
        price_scale: Prices in the file are this many times the price.
        repair: `"raise"` or `"drop"`; what was dropped stands in `Bars.notes`.
        minimum_rows: Fewer bars of a symbol than this raise.

    Returns:
        The bars of each symbol, in the order of the files.

    Raises:
        BarsError: Bars that break a rule, with the rule, the row, the value and the remedy.
        FileNotFoundError: When there is no such file.
    """
    _check_stated(timezone, price_scale)
    request = _Request(
        format=format, symbol=symbol, timezone=timezone, price_scale=price_scale, repair=repair
    )
    parts: dict[str, list[_Part]] = {}
    paths = [source] if isinstance(source, (str, Path)) else list(source)
    for path in find_files(paths):
        for table in read_tables(path):
            for name, part in _read_table(table, request):
                parts.setdefault(name, []).append(part)
    step = None if interval is None else interval_of(interval)
    return {
        name: _join(name, of_symbol, step, session, minimum_rows)
        for name, of_symbol in parts.items()
    }


def bars_of_frame(
    frame: pd.DataFrame,
    *,
    symbol: str = "bars",
    interval: str | pd.Timedelta | None = None,
    session: Session | None = None,
    repair: Repair = "raise",
    minimum_rows: int = MINIMUM_ROWS,
) -> Bars:
    """Return a table of one symbol's bars in canonical form, as if it had been read from a file.

    Args:
        frame: Bars indexed by the time at which each opens, with a zone, or with that time in a
            column `timestamp`; columns `open high low close volume`.
        symbol: What the market is called.
        interval: Interval of the bars; else the most common difference of their times.
        session: When the market trades; else found from the times.
        repair: `"raise"` or `"drop"`; what was dropped stands in `Bars.notes`.
        minimum_rows: Fewer bars than this raise.

    Raises:
        BarsError: Bars that break a rule, with the rule, the row, the value and the remedy.
    """
    canonical, notes = validate_bars(frame, symbol=symbol, repair=repair, minimum_rows=1)
    part = _Part(file="the table", frame=canonical, notes=notes)
    step = None if interval is None else interval_of(interval)
    return _join(symbol, [part], step, session, minimum_rows)


def write_bars(bars: Bars, path: str | Path) -> Path:
    """Write canonical bars as `.parquet`, `.csv` or `.csv.gz`; the file appears whole or not.

    Raises:
        ValueError: A name with another suffix.
    """
    path = Path(path)
    name = path.name.lower()
    if not name.endswith((".parquet", ".csv", ".csv.gz")):
        raise ValueError(
            f"bars are written as .parquet, .csv or .csv.gz, got {path.name!r}; rename it"
        )
    table = bars.frame.reset_index()
    with whole_file(path) as draft:
        if name.endswith(".parquet"):
            table.to_parquet(draft, index=False)
        else:
            packed = name.endswith(".gz")
            table.to_csv(draft, index=False, compression="gzip" if packed else None)
    return path


def _check_stated(timezone: str | None, price_scale: float | None) -> None:
    if timezone is not None:
        try:
            ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(
                f"timezone must be an IANA name like UTC or America/New_York, got {timezone!r}"
            ) from error
    if price_scale is not None and not 0 < price_scale < np.inf:
        raise ValueError(f"price_scale must be above zero, got {price_scale}; give 1 for none")


def _read_table(table: RawTable, request: _Request) -> list[tuple[str, _Part]]:
    """Return the symbols of one table with their parts."""
    format_name = find_format(table, name=request.format)
    positions = FORMATS[format_name].positions
    if not table.columns:
        if not positions or len(positions) > table.cells.shape[1]:
            raise BarsError(
                f"{table.name}: the format {format_name} needs "
                f"{len(positions) or 'a header and'} columns, and there is no header; the first "
                f"row is {', '.join(table.first_row)}; add a header, or state another "
                f"format, one of {', '.join(FORMATS)}"
            )
        cells = table.cells.iloc[:, : len(positions)].set_axis(list(positions), axis=1)
        table = replace(table, cells=cells)
    names = column_names(table, format_name)
    if len(table.cells) == 0:
        raise BarsError(f"{table.name}: empty, not one row of bars; check the download")
    sieve = _with_times(table, format_name, request)
    symbols = _symbols(table, request.symbol)[sieve.rows]
    parts = []
    for symbol in dict.fromkeys(symbols):
        chosen = symbols == symbol
        label = f"{symbol} in {table.name}"
        frame, notes = validate_bars(
            sieve.frame.loc[chosen, list(names)].rename(columns=names),
            symbol=label,
            repair=request.repair,
            minimum_rows=1,
            row_numbers=sieve.rows[chosen],
        )
        frame = _unscale(frame, format_name, request.price_scale, label)
        notes = (*sieve.notes, *notes)
        parts.append((symbol, _Part(file=table.name, frame=frame, notes=notes)))
    return parts


def _with_times(table: RawTable, format_name: str, request: _Request) -> RowSieve:
    """Return the cells indexed by UTC, oldest first where the whole file is newest first."""
    form = FORMATS[format_name]
    times = CLOCKS[form.clock](table.cells, form.time, table.name)
    column = next(name for name in form.time if name in table.cells.columns)
    cells = table.cells.set_axis(times, axis=0)
    rows = np.arange(len(cells))
    known = times.dropna()
    if form.comment and known.is_monotonic_decreasing:
        cells, rows = cells.iloc[::-1], rows[::-1]
    sieve = RowSieve(cells, symbol=table.name, repair=request.repair, row_numbers=rows)
    sieve.apply(
        f"every time can be read as the format {format_name} writes it",
        np.asarray(sieve.frame.index.isna()),
        lambda row: f"{column} is {str(cells[column].iloc[row])!r}",
        remedy="correct the time, or state another format",
    )
    if len(sieve.frame) == 0:
        raise BarsError(f"{table.name}: no time could be read; state another format")
    index = pd.DatetimeIndex(sieve.frame.index)
    if index.tz is None:
        zone = request.timezone or form.timezone
        if zone is None:
            raise BarsError(
                f"{table.name}: naive time, neither the file nor the format {format_name} states "
                f"a time zone; row {sieve.rows[0]} is {index[0]}; state it, for example "
                "timezone='UTC'"
            )
        _localise(sieve, index, zone)
    return sieve


def _localise(sieve: RowSieve, index: pd.DatetimeIndex, zone: str) -> None:
    """Turn naive times of a zone into UTC; the hours of clock changes must be certain."""
    try:
        sieve.frame = sieve.frame.set_axis(index.tz_localize(zone, ambiguous="infer"), axis=0)
        return
    except ValueError:
        uncertain = index.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    sieve.apply(
        f"every time names one instant in {zone}",
        np.asarray(uncertain.isna()),
        lambda row: "the clock change skips this time or has it twice",
        remedy="export the file in UTC, or state the right timezone",
    )
    sieve.frame = sieve.frame.set_axis(uncertain.dropna(), axis=0)


def _unscale(
    frame: pd.DataFrame, format_name: str, stated: float | None, label: str
) -> pd.DataFrame:
    """Divide the prices by the scale of the format or the caller."""
    scale = FORMATS[format_name].price_scale if stated is None else stated
    prices = frame[list(PRICE_COLUMNS)].to_numpy()
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
            for column, name in enumerate(PRICE_COLUMNS)
        }
    )


def _symbols(table: RawTable, stated: str | None) -> np.ndarray:
    """Return the symbol of each row."""
    rows = len(table.cells)
    if "symbol" not in table.cells.columns:
        return np.full(rows, stated or _symbol_of_name(table.name), dtype=object)
    column = table.cells["symbol"].astype("str").str.strip().str.upper().str.replace("/", "")
    found = list(dict.fromkeys(column))
    if stated is None:
        return column.to_numpy(dtype=object)
    if len(found) > 1:
        raise BarsError(
            f"{table.name}: holds the symbols {', '.join(found)}, not one; leave out "
            f"symbol={stated!r}, or split the file"
        )
    return np.full(rows, stated, dtype=object)


def _symbol_of_name(name: str) -> str:
    """Return the symbol that a file's name suggests: without vendor, interval and dates.

    Of an archive the member's name counts.
    """
    stem = re.sub(r"(\.(csv|txt|tsv|parquet|pq|zip|gz))+$", "", name.rsplit("/")[-1].lower())
    words = []
    for word in re.split(r"[_\-. ]+", stem):
        short = re.sub(r"(?<=[a-z]{3})[mhd]\d+$", "", word)
        if not short or short.isdigit() or short in VENDORS_IN_NAME:
            continue
        if not INTERVAL_IN_NAME.fullmatch(short):
            words.append(short)
    return "-".join(words or [stem]).upper()


def _join(
    symbol: str,
    parts: list[_Part],
    stated_interval: pd.Timedelta | None,
    session: Session | None,
    minimum_rows: int,
) -> Bars:
    """Return the bars of one symbol from its files."""
    parts = sorted(parts, key=lambda part: part.frame.index[0])
    for left, right in pairwise(parts):
        if right.frame.index[0] <= left.frame.index[-1]:
            raise BarsError(
                f"{symbol}: {left.file} and {right.file} overlap; the first ends at "
                f"{left.frame.index[-1]}, the second begins at {right.frame.index[0]}; "
                "cut one of them, or read them apart if they are of different intervals"
            )
    frame, notes = validate_bars(
        pd.concat([part.frame for part in parts]), symbol=symbol, minimum_rows=max(minimum_rows, 2)
    )
    index = pd.DatetimeIndex(frame.index)
    interval = find_interval(index)
    if stated_interval is not None and interval != stated_interval:
        raise BarsError(
            f"{symbol}: the interval is stated as {stated_interval}, but the most common "
            f"difference of times is {interval}; leave it out, or resample the bars"
        )
    for part in parts:
        own = find_interval(pd.DatetimeIndex(part.frame.index)) if len(part.frame) > 2 else interval
        if own != interval:
            raise BarsError(
                f"{symbol}: the bars of {part.file} are of {own}, the others of {interval}; "
                "read files of different intervals apart"
            )
    found, settled = find_session(index, interval)
    bars = Bars(frame=frame, symbol=symbol, interval=interval, session=session or found)
    dropped = dict.fromkeys(note for part in parts for note in part.notes)
    guess = () if session or settled else (_SESSION_GUESS.format(session=found),)
    return replace(bars, notes=(*dropped, *notes, *guess, *remarks(bars)))


_SESSION_GUESS = (
    "The session was taken to be {session}, but these few bars do not settle it: state session= to "
    "annualise rightly."
)
