"""From files as vendors ship them to validated bars, and back to a canonical file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

from ultimate_deep.machine.files import whole_file
from ultimate_deep.market.bars import Bars
from ultimate_deep.market.config import Adjust, BarKind, Stamp
from ultimate_deep.market.intervals import interval_of
from ultimate_deep.market.reading.files import find_files
from ultimate_deep.market.reading.joining import join_parts
from ultimate_deep.market.reading.layouts import Statement
from ultimate_deep.market.reading.numbers import Decimal
from ultimate_deep.market.reading.origins import Origins
from ultimate_deep.market.reading.raw_table import NotBars
from ultimate_deep.market.reading.roles import NONE, parse_columns
from ultimate_deep.market.reading.rows import TABLE, Part, read_rows
from ultimate_deep.market.reading.shown import shown
from ultimate_deep.market.reading.tables import read_tables
from ultimate_deep.market.sessions import Session
from ultimate_deep.market.validation import MINIMUM_ROWS, BarsError, Repair, validate_bars


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
    columns: str | Mapping[str, str] = "",
    time_format: str | None = None,
    decimal: Decimal | None = None,
    adjust: Adjust = "auto",
    stamp: Stamp = "open",
    bars: BarKind = "regular",
    minimum_rows: int = MINIMUM_ROWS,
) -> dict[str, Bars]:
    """Read the bars of one or several symbols.

    Args:
        source: A table as text (CSV and its like, packed as gz, bz2, xz, zst or zip or not),
            Parquet or Feather, several, or a folder of them. Files of one symbol are joined; bars
            that several hold are kept once where they agree.
        format: One of `format_names()`, or `"auto"` to have it found.
        symbol: Names all that is read; else a symbol column or the file's name does.
        interval: Interval of the bars; else the most common difference of their times.
        session: When the market trades; else found from the times.
        timezone: IANA name of what naive times mean, where the format does not say or says other.
        price_scale: Prices in the file are this many times the price.
        repair: `"raise"` or `"drop"`; what was dropped stands in `Bars.notes`.
        columns: Which column is which where names do not say it, `time=ts,volume=vol` or a mapping.
        time_format: How times are written, in the signs of `strptime`, or from which day on
            numbers count, such as `days since 1970-01-01`; else found.
        decimal: `point` or `comma`; else found.
        adjust: Whether an adjusted close adjusts all prices.
        stamp: Whether times say when a bar opens or when it closes.
        bars: `regular` bars have one length; `irregular` ones, of ticks, volume or dollars, are
            over when the next one opens, and horizons count them.
        minimum_rows: Fewer bars of a symbol than this raise.

    Returns:
        The bars of each symbol, in the order of the files.

    Raises:
        BarsError: Bars that break a rule, with the rule, the row, the value and the remedy.
        FileNotFoundError: When there is no such file.
    """
    _check_stated(timezone, price_scale, adjust, stamp, bars)
    statement = Statement(
        format=format, symbol=symbol, timezone=timezone, price_scale=price_scale,
        columns=parse_columns(columns), time_format=time_format, decimal=decimal,
    )  # fmt: skip
    names = tuple(name for name in statement.columns.values() if name.lower() != NONE)
    parts: dict[str, list[Part]] = {}
    passed: list[NotBars] = []
    origins = Origins(symbol)
    paths = [source] if isinstance(source, (str, Path)) else list(source)
    for path in find_files(paths):
        for table in read_tables(path, names):
            if isinstance(table, NotBars):
                passed.append(table)
                continue
            for name, part in read_rows(
                table, statement, adjust=adjust, stamp=stamp, repair=repair, kind=bars
            ):
                parts.setdefault(name, []).append(part)
                origins.add(name, table, pd.DatetimeIndex(part.frame.index))
    if not parts:
        raise BarsError("; ".join(f"{one.name}: {one.why}" for one in passed[:3]))
    step = None if interval is None else interval_of(interval)
    read = {
        name: join_parts(
            name, of_symbol, interval=step, session=session, minimum_rows=minimum_rows,
            repair=repair, kind=bars,
        )
        for name, of_symbol in parts.items()
    }  # fmt: skip
    origins.check()
    further = origins.note()
    if passed:
        further += (
            f"Passed over, since they hold no bars: {shown([one.name for one in passed])}.",
        )
    if further:
        first = next(iter(read))
        read[first] = replace(read[first], notes=(*further, *read[first].notes))
    return read


def bars_of_frame(
    frame: pd.DataFrame,
    *,
    symbol: str = "bars",
    interval: str | pd.Timedelta | None = None,
    session: Session | None = None,
    repair: Repair = "raise",
    bars: BarKind = "regular",
    stamp: Stamp = "open",
    minimum_rows: int = MINIMUM_ROWS,
) -> Bars:
    """Return a table of one symbol's bars in canonical form, as if it had been read from a file.

    Args:
        frame: Bars indexed by the time at which each opens (or closes, as `stamp` says), with a
            zone, or with that time in a column `timestamp`; columns `open high low close volume`.
        symbol: What the market is called.
        interval: Interval of the bars; else the most common difference of their times.
        session: When the market trades; else found from the times.
        repair: `"raise"` or `"drop"`; what was dropped stands in `Bars.notes`.
        bars: `regular` bars have one length; `irregular` ones, of ticks, volume or dollars, are
            over when the next one opens, and horizons count them.
        stamp: Whether times say when a bar opens or when it closes.
        minimum_rows: Fewer bars than this raise.

    Raises:
        BarsError: Bars that break a rule, with the rule, the row, the value and the remedy.
    """
    _check_stated(None, None, "auto", stamp, bars)
    zone = "UTC"
    if isinstance(frame.index, pd.DatetimeIndex) and frame.index.tz is not None:
        zone = str(frame.index.tz)
    canonical, notes = validate_bars(frame, symbol=symbol, repair=repair, minimum_rows=1, kind=bars)
    part = Part(file=TABLE, frame=canonical, notes=notes, zone=zone, ends=stamp == "close")
    step = None if interval is None else interval_of(interval)
    return join_parts(
        symbol, [part], interval=step, session=session, minimum_rows=minimum_rows, repair=repair,
        kind=bars,
    )  # fmt: skip


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


def _check_stated(
    timezone: str | None, price_scale: float | None, adjust: str, stamp: str, bars: str
) -> None:
    if timezone is not None:
        try:
            ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError, IsADirectoryError) as error:
            raise ValueError(
                f"timezone must be an IANA name like UTC or America/New_York, got {timezone!r}"
            ) from error
    if price_scale is not None and not 0 < price_scale < np.inf:
        raise ValueError(f"price_scale must be above zero, got {price_scale}; give 1 for none")
    stated = (("adjust", adjust, Adjust), ("stamp", stamp, Stamp), ("bars", bars, BarKind))
    for name, given, kinds in stated:
        if given not in get_args(kinds):
            raise ValueError(f"{name} must be {' or '.join(get_args(kinds))}, got {given!r}")
