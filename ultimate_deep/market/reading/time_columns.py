"""Which column of a table says when its bars open, and what it says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ultimate_deep.market.reading.beside_times import alike, with_halves, with_zone
from ultimate_deep.market.reading.counted_times import refuse_part_of_time
from ultimate_deep.market.reading.doubtful_dates import refuse_other_order
from ultimate_deep.market.reading.formats import FORMATS, date_in_name
from ultimate_deep.market.reading.hours import read_hours
from ultimate_deep.market.reading.raw_table import RawTable
from ultimate_deep.market.reading.roles import CLOSES, HOURS, OPENS, key, named
from ultimate_deep.market.reading.shown import cell, shown
from ultimate_deep.market.reading.stamps import Stamps, read_stamps
from ultimate_deep.market.reading.unread_times import (
    are_midnights,
    joined,
    milliseconds,
    refuse_days_alone,
    unreadable,
    unreadable_hours,
)
from ultimate_deep.market.reading.zones import is_place
from ultimate_deep.market.validation import BarsError

MILLISECONDS_OF_DAY = 86_400_000
_OFFSET = re.compile(
    r"(?:utc|gmt)\s*([+-])\s*(\d{1,2})(?:(\.\d{1,2})|:?(\d{2}))?(?!\d)", re.IGNORECASE
)
_PLACE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z_-]+(?:/[A-Za-z_-]+)?")


@dataclass(frozen=True, kw_only=True, eq=False)
class Times:
    """When bars open, or end, as a table says it.

    Attributes:
        stamps: One for each row.
        places: Positions of the columns that were read.
        ends: Whether they are the ends of bars.
    """

    stamps: Stamps
    places: tuple[int, ...]
    ends: bool = False


def find_times(
    table: RawTable,
    used: Sequence[int],
    stated: Mapping[str, str],
    time_format: str | None,
    format_name: str,
    timezone: str | None,
) -> Times:
    """Return the times of a table.

    Args:
        table: Cells and names, before any meaning.
        used: Positions of columns that are something else.
        stated: What the caller says of columns.
        time_format: How the caller says that times are written.
        format_name: A key of `FORMATS`.
        timezone: What the caller says of times without a zone.

    Raises:
        BarsError: No column of times, several that contradict each other, or times in doubt.
    """
    if time_format is not None:
        refuse_part_of_time(time_format, table.name)
    reader = _Reader(table, time_format, FORMATS[format_name].day_first, timezone)
    times = _find(table, used, stated, format_name, reader)
    rest = [at for at in range(len(table.names)) if at not in used]
    stamps, places = with_halves(table, times.stamps, times.places, rest)
    told = "time" in stated or "date" in stated
    if time_format is None and not stamps.days and len(table.cells):
        first = str(table.cells[places[0]].iloc[0])
        refuse_other_order(stamps.times, stamps.style, first, table.name)
    stamps = with_zone(table, stamps, places, timezone, told=told)
    return replace(times, stamps=stamps, places=places)


def _find(
    table: RawTable,
    used: Sequence[int],
    stated: Mapping[str, str],
    format_name: str,
    reader: _Reader,
) -> Times:
    if "time" in stated or "date" in stated:
        return _stated(table, stated, reader)
    if format_name == "lean":
        return _lean(table, reader)
    rest = [at for at in range(len(table.names)) if at not in set(used)]
    if not table.header:
        return _headerless(table, rest, reader)
    keys = {at: key(table.names[at]) for at in rest}
    opens = sorted((at for at in rest if keys[at] in OPENS), key=lambda at: OPENS.index(keys[at]))
    read = {at: reader(at) for at in opens}
    read = _without_counters(table, rest, read, reader)
    opens = [at for at in opens if at in read]
    full = [at for at in opens if read[at].readable > 0.5 and not read[at].days]
    days = [at for at in opens if read[at].readable > 0.5 and read[at].days]
    hours = [at for at in rest if keys[at] in HOURS]
    full = [at for at in full if not _is_of_other_days(read[at], days, read, at in hours)]
    if full and any(
        at not in full and read_hours(table.cells[at]) is not None for at in hours
    ):  # fmt: skip
        # Days that are written with an hour which is always zero, as spreadsheets do.
        days += [at for at in full if are_midnights(read[at])]
        full = [at for at in full if at not in days]
    if full:
        return _agreed(table, full, [*full, *days], read)
    for day in days:
        beside = [at for at in hours if at not in days and not _is_blank(table.cells[at])]
        for at in beside:
            found = read_hours(table.cells[at], whole=keys[at] == "hour")
            if found is not None:
                return Times(stamps=joined(read[day], found), places=(day, at))
        if beside and bool(read[day].times.duplicated().any()):
            raise unreadable_hours(table, beside[0], day)
    if days:
        return Times(stamps=read[days[0]], places=(days[0],))
    if reader.doubt is not None:
        raise reader.doubt
    for at in (at for at in rest if keys[at] in CLOSES):
        ends = reader(at)
        if ends.readable > 0.5:
            return Times(stamps=ends, places=(at,), ends=True)
    return _unnamed(table, rest, opens, reader)


class _Reader:
    """Reads columns of a table as times, and keeps the first doubt that one of them raises."""

    def __init__(
        self,
        table: RawTable,
        time_format: str | None,
        day_first: bool | None,
        timezone: str | None,
    ) -> None:
        self.table = table
        self.time_format = time_format
        self.day_first = day_first
        self.timezone = timezone
        self.doubt: BarsError | None = None

    def __call__(self, at: int, *, sure: bool = False) -> Stamps:
        table = self.table
        where = f"{table.name}, column {table.names[at] or '(nameless)'}"
        try:
            stamps = read_stamps(
                table.cells[at], where=where, stated=self.time_format, day_first=self.day_first,
                timezone=self.timezone,
            )  # fmt: skip
        except BarsError as error:
            if sure:
                raise
            self.doubt = self.doubt or error
            return Stamps(pd.DatetimeIndex([pd.NaT] * len(table.cells)), "no times")
        if stamps.aware or not table.header:
            return stamps
        return _in_zone_of_name(stamps, table.names[at])


def _in_zone_of_name(stamps: Stamps, name: str) -> Stamps:
    """Return times of the zone that a column's name says, as `Time (UTC+8)` and `gmt_time` do."""
    shift = _OFFSET.search(name)
    if shift is not None:
        # 5.5 and 5.30 are both half past: no zone is of other minutes than a quarter's.
        part = {"2": 15, "3": 30, "4": 45, "5": 30, "7": 45}.get((shift[3] or ".0")[1], 0)
        minutes = int(shift[2]) * 60 + int(shift[4] or part)
        ahead = pd.Timedelta(minutes=minutes if shift[1] == "+" else -minutes)
        times = (stamps.times - ahead).tz_localize("UTC")
        return Stamps(times, f"{stamps.style} in {shift[0].upper()}")
    place = _PLACE.search(name)
    if place is not None and is_place(place[0]):
        return replace(stamps, zone=place[0])
    words = re.sub(r"[\W_\d]+", " ", name.lower()).strip()
    if re.search(r"\b(utc|gmt)\b|^(utc|gmt)|(utc|gmt)$", words):
        return Stamps(stamps.times.tz_localize("UTC"), f"{stamps.style} in UTC")
    return stamps


def _stated(table: RawTable, stated: Mapping[str, str], reader: _Reader) -> Times:
    names = table.names
    if "time" in stated and "date" not in stated:
        at = named(stated["time"], names, table.name, "time")
        stamps = reader(at, sure=True)
        if stamps.readable == 0.0:
            raise unreadable(table, at)
        refuse_days_alone(table, at, stamps)
        return Times(stamps=stamps, places=(at,), ends=_named_ends(table, at))
    day = named(stated["date"], names, table.name, "date")
    stamps = reader(day, sure=True)
    if stamps.readable == 0.0:
        raise unreadable(table, day)
    if "time" not in stated:
        return Times(stamps=stamps, places=(day,), ends=_named_ends(table, day))
    at = named(stated["time"], names, table.name, "time")
    hours = read_hours(table.cells[at])
    if hours is None:
        raise unreadable(table, at)
    ends = _named_ends(table, day) or _named_ends(table, at)
    return Times(stamps=joined(stamps, hours), places=(day, at), ends=ends)


def _named_ends(table: RawTable, at: int) -> bool:
    """Return whether a column's name says that bars end at its times."""
    return table.header and key(table.names[at]) in CLOSES


def _is_blank(cells: pd.Series) -> bool:
    return bool((cells.isna() | (cells.astype("str").str.strip() == "")).all())


def _is_of_other_days(
    one: Stamps, days: Sequence[int], read: Mapping[int, Stamps], of_hours: bool
) -> bool:
    """Return whether digits beside a day were read as times of other days: they are hours."""
    return of_hours and any(not alike(one, read[day]) for day in days)


def _agreed(
    table: RawTable, full: Sequence[int], every: Sequence[int], read: Mapping[int, Stamps]
) -> Times:
    """Return the surest of several columns, which must name the same instants, or their days."""
    best = next((at for at in full if read[at].aware), full[0])
    for other in every:
        if other == best or alike(read[best], read[other]):
            continue
        raise BarsError(
            f"{table.name}: the columns {table.names[best]} and {table.names[other]} are both "
            f"times and do not agree, row 0 has {read[best].times[0]} and "
            f"{read[other].times[0]}; state which says when a bar opens: "
            f"columns='time={table.names[best]}'"
        )
    return Times(stamps=read[best], places=(best,))


def _lean(table: RawTable, reader: _Reader) -> Times:
    """Read `19980102 09:00`, or milliseconds since the midnight of the date in the file's name."""
    column = table.cells[0]
    digits = column.astype("str").str.fullmatch(r"\d{1,8}")
    if not bool(digits.all()):
        return Times(stamps=reader(0, sure=True), places=(0,))
    dated = date_in_name(table.name)
    number = pd.to_numeric(column, errors="coerce")
    if not dated or bool((number >= MILLISECONDS_OF_DAY).any()):
        raise BarsError(
            f"{table.name}: LEAN writes milliseconds of the day, whose date the file's name holds, "
            f"and {table.name} holds none for them, time is {cell(column.iloc[0])} in row 0; name "
            "the file as LEAN does, such as 20240311_trade.zip"
        )
    midnight = pd.Timestamp(dated)
    times = pd.DatetimeIndex(midnight + pd.to_timedelta(number, unit="ms"))
    return Times(stamps=Stamps(times.as_unit("ns"), f"milliseconds of {dated}"), places=(0,))


def _headerless(table: RawTable, rest: Sequence[int], reader: _Reader) -> Times:
    """Read the first column, and the second where it holds the hours of the first one's days."""
    if 0 not in rest:
        raise BarsError(
            f"{table.name}: no column of times is left; {table.described}; state it, such as "
            "columns='time=0'"
        )
    stamps = reader(0, sure=True)
    if stamps.readable <= 0.5:
        raise milliseconds(table) if _are_of_day(table) else unreadable(table, 0)
    if stamps.days and 1 in rest:
        # 1000 beside a day that comes once is a price, not ten o'clock.
        written = table.cells[1].astype("str").str.contains(":").all()
        hours = read_hours(table.cells[1])
        if hours is not None and (written or bool(stamps.times.duplicated().any())):
            return Times(stamps=joined(stamps, hours), places=(0, 1))
    return Times(stamps=stamps, places=(0,))


def _are_of_day(table: RawTable) -> bool:
    """Return whether times may be milliseconds of the day that the file's name holds."""
    number = pd.to_numeric(table.cells[0], errors="coerce")
    inside = (number >= 0) & (number < MILLISECONDS_OF_DAY)
    return bool(date_in_name(table.name)) and bool(inside.all())


def _without_counters(
    table: RawTable, rest: Sequence[int], read: Mapping[int, Stamps], reader: _Reader
) -> dict[int, Stamps]:
    """Leave out numbers of rows, which may pass for days or seconds, beside a column of times.

    Raises:
        BarsError: Such numbers in a nameless column, and nothing else that may be the time.
    """
    keys = {at: key(table.names[at]) for at in read}
    nameless = {at for at in read if keys[at] in ("", "index")}
    counted = {at for at, one in read.items() if one.is_counted}
    weak = [at for at in counted if at in nameless or (keys[at] in "td" and _counts(read[at]))]
    doubted = [at for at, one in read.items() if not one.readable and at in nameless]
    if not weak and not (doubted and reader.doubt):
        return dict(read)
    told = [one for at, one in read.items() if at not in weak and one.readable > 0.5]
    rest = [at for at in rest if at not in read]
    told += [one for _, one in _of_unknown_names(table, rest, reader)]
    # What names the same instants as another column does is no number of a row.
    weak = [at for at in weak if _counts(read[at]) or not any(alike(read[at], one) for one in told)]
    if told:
        left = {at: one for at, one in read.items() if at not in [*weak, *doubted]}
        if not any(one.readable == 0.0 for one in left.values()):
            reader.doubt = None
        return left
    counter = next((at for at in weak if at in nameless and _counts(read[at])), None)
    if counter is not None:
        raise BarsError(
            f"{table.name}: column {table.names[counter] or '(nameless)'} counts days or rows, row "
            f"0 is {cell(table.cells[counter].iloc[0])}, and no other column is recognised as the "
            f"time; the columns are {shown(table.names)}; state it, such as columns='time=NAME', "
            "or, where they are days as spreadsheets count, time_format='days since 1899-12-30'"
        )
    return dict(read)


def _counts(stamps: Stamps) -> bool:
    """Return whether numbers that may be days go up by one from row to row."""
    steps = np.diff(stamps.times.asi8)
    return (
        stamps.days and len(steps) > 0 and bool((np.abs(steps) == pd.Timedelta("1D").value).all())
    )


def _of_unknown_names(
    table: RawTable, rest: Sequence[int], reader: _Reader
) -> list[tuple[int, Stamps]]:
    """Return the columns that hold nothing but times, and no numbers."""
    found = []
    for at in rest:
        column = table.cells[at]
        if pd.api.types.is_numeric_dtype(column.dtype):
            continue
        stamps = reader(at)
        typed = pd.api.types.is_datetime64_any_dtype(column.dtype)
        if stamps.readable > 0.99 and (typed or stamps.style.startswith("times as")):
            found.append((at, stamps))
    return found


def _unnamed(table: RawTable, rest: Sequence[int], opens: Sequence[int], reader: _Reader) -> Times:
    """Return the one column of an unknown name that holds nothing but times."""
    found = _of_unknown_names(table, [at for at in rest if at not in opens], reader)
    if len(found) == 1:
        return Times(stamps=found[0][1], places=(found[0][0],))
    if reader.doubt is not None:
        raise reader.doubt
    if opens:
        raise unreadable(table, opens[0])
    several = " and ".join(table.names[at] for at, _ in found)
    what = f"{several} may each be the time" if found else "no column is recognised as the time"
    raise BarsError(
        f"{table.name}: {what}; the columns are {shown(table.names)}; state it, such as "
        f"columns='time={table.names[found[0][0]] if found else 'NAME'}'"
    )


def ends_of_bars(times: pd.DatetimeIndex) -> pd.Timedelta:
    """Return how far times such as 10:59:59.999 fall short of the end of a bar; zero for others."""
    known = times.dropna()
    if len(known) < 2:
        return pd.Timedelta(0)
    stamps = known.as_unit("ns").asi8
    for short in ("1s", "1ms", "1us", "1ns"):
        step = pd.Timedelta(short).value
        if bool(np.all((stamps + step) % pd.Timedelta("60s").value == 0)):
            return pd.Timedelta(short)
    return pd.Timedelta(0)
