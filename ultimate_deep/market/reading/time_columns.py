"""Which column of a table says when its bars open, and what it says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ultimate_deep.market.reading.formats import FORMATS, date_in_name
from ultimate_deep.market.reading.hours import read_hours
from ultimate_deep.market.reading.raw_table import RawTable
from ultimate_deep.market.reading.roles import CLOSES, HOURS, OPENS, key, named
from ultimate_deep.market.reading.shown import cell, shown
from ultimate_deep.market.reading.stamps import Stamps, read_stamps
from ultimate_deep.market.validation import BarsError

MILLISECONDS_OF_DAY = 86_400_000
LONGEST_SHIFT = pd.Timedelta(hours=15)  # between two zones
_OFFSET = re.compile(r"(?:utc|gmt)\s*([+-])\s*(\d{1,2})(?::?(\d{2}))?(?!\d)", re.IGNORECASE)


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
    reader = _Reader(table, time_format, FORMATS[format_name].day_first, timezone)
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
    full = [at for at in opens if read[at].readable > 0.5 and not read[at].days]
    days = [at for at in opens if read[at].readable > 0.5 and read[at].days]
    hours = [at for at in rest if keys[at] in HOURS]
    full = [at for at in full if not _is_of_other_days(read[at], days, read, at in hours)]
    if full and any(
        at not in full and read_hours(table.cells[at]) is not None for at in hours
    ):  # fmt: skip
        # Days that are written with an hour which is always zero, as spreadsheets do.
        days += [at for at in full if _are_midnights(read[at])]
        full = [at for at in full if at not in days]
    if full:
        return _agreed(table, full, [*full, *days], read)
    for day in days:
        beside = [at for at in hours if at not in days and not _is_blank(table.cells[at])]
        for at in beside:
            found = read_hours(table.cells[at], whole=keys[at] == "hour")
            if found is not None:
                return Times(stamps=_joined(read[day], found), places=(day, at))
        if beside and bool(read[day].times.duplicated().any()):
            raise _unreadable_hours(table, beside[0], day)
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
    """Return times in UTC where a column's name says so, as `Time (UTC+8)` and `gmt_time` do."""
    shift = _OFFSET.search(name)
    if shift is not None:
        minutes = int(shift[2]) * 60 + int(shift[3] or 0)
        ahead = pd.Timedelta(minutes=minutes if shift[1] == "+" else -minutes)
        times = (stamps.times - ahead).tz_localize("UTC")
        return Stamps(times, f"{stamps.style} in {shift[0].upper()}")
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
            raise _unreadable(table, at)
        _refuse_days_alone(table, at, stamps)
        return Times(stamps=stamps, places=(at,), ends=_named_ends(table, at))
    day = named(stated["date"], names, table.name, "date")
    stamps = reader(day, sure=True)
    if stamps.readable == 0.0:
        raise _unreadable(table, day)
    if "time" not in stated:
        return Times(stamps=stamps, places=(day,), ends=_named_ends(table, day))
    at = named(stated["time"], names, table.name, "time")
    hours = read_hours(table.cells[at])
    if hours is None:
        raise _unreadable(table, at)
    ends = _named_ends(table, day) or _named_ends(table, at)
    return Times(stamps=_joined(stamps, hours), places=(day, at), ends=ends)


def _are_midnights(stamps: Stamps) -> bool:
    known = stamps.times.dropna()
    return len(known) > 0 and bool((known == known.normalize()).all())


def _refuse_days_alone(table: RawTable, day: int, stamps: Stamps) -> None:
    """Refuse days that are stated to be the times where a column beside them holds the hours."""
    if not table.header or not _are_midnights(stamps) or not stamps.times.duplicated().any():
        return
    for at, name in enumerate(table.names):
        hours = read_hours(table.cells[at]) if key(name) in HOURS and at != day else None
        if hours is not None and not _joined(stamps, hours).times.duplicated().any():
            raise BarsError(
                f"{table.name}: the column {table.names[day]} holds days, and {name} their hours; "
                f"state both: columns='date={table.names[day]},time={name}'"
            )


def _named_ends(table: RawTable, at: int) -> bool:
    """Return whether a column's name says that bars end at its times."""
    return table.header and key(table.names[at]) in CLOSES


def _unreadable(table: RawTable, at: int) -> BarsError:
    first = table.cells[at].iloc[0] if len(table.cells) else ""
    if ":" in str(first) and read_hours(table.cells[at]) is not None:
        return BarsError(
            f"{table.name}: column {table.names[at] or '(nameless)'} holds hours without a day, "
            f"row 0 is {cell(first)}; add a column date with the days"
        )
    return BarsError(
        f"{table.name}: no time could be read in column {table.names[at] or '(nameless)'}, row 0 "
        f"is {cell(first)}; state how times are written, such as time_format='%d.%m.%Y %H:%M', or "
        "which column holds them, such as columns='time=NAME'"
    )


def _joined(days: Stamps, hours: pd.Series) -> Stamps:
    times = days.times + pd.TimedeltaIndex(hours)
    ends = bool((hours == pd.Timedelta(days=1)).any())
    return Stamps(times, f"{days.style}, hours beside them", ends=ends)


def _is_blank(cells: pd.Series) -> bool:
    return bool((cells.isna() | (cells.astype("str").str.strip() == "")).all())


def _is_of_other_days(
    one: Stamps, days: Sequence[int], read: Mapping[int, Stamps], of_hours: bool
) -> bool:
    """Return whether digits beside a day were read as times of other days: they are hours."""
    return of_hours and any(not _alike(one, read[day]) for day in days)


def _unreadable_hours(table: RawTable, at: int, day: int) -> BarsError:
    return BarsError(
        f"{table.name}: column {table.names[at]} stands beside days and its hours could not be "
        f"read, row 0 is {cell(table.cells[at].iloc[0])}; write them as 09:30 or 0930, or, where "
        f"they are none, state that the day alone counts: columns='date={table.names[day]}'"
    )


def _agreed(
    table: RawTable, full: Sequence[int], every: Sequence[int], read: Mapping[int, Stamps]
) -> Times:
    """Return the surest of several columns, which must name the same instants, or their days."""
    best = next((at for at in full if read[at].aware), full[0])
    for other in every:
        if other == best or _alike(read[best], read[other]):
            continue
        raise BarsError(
            f"{table.name}: the columns {table.names[best]} and {table.names[other]} are both "
            f"times and do not agree, row 0 has {read[best].times[0]} and "
            f"{read[other].times[0]}; state which says when a bar opens: "
            f"columns='time={table.names[best]}'"
        )
    return Times(stamps=read[best], places=(best,))


def _alike(one: Stamps, other: Stamps) -> bool:
    """Return whether two columns name the same instants, apart from zone and cut-off fractions."""
    gap = pd.Series(_clock(one) - _clock(other)).dropna()
    if gap.empty:
        return True
    if one.days or other.days:
        return bool((gap.abs() < pd.Timedelta(days=1) + LONGEST_SHIFT).all())
    if one.aware == other.aware:
        return bool((gap.abs() < pd.Timedelta(seconds=1)).all())
    return bool((gap.abs() <= LONGEST_SHIFT).all()) and gap.dt.floor("1s").nunique() <= 2


def _clock(stamps: Stamps) -> pd.DatetimeIndex:
    return stamps.times.tz_localize(None) if stamps.times.tz is not None else stamps.times


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
        raise _milliseconds(table) if _are_of_day(table) else _unreadable(table, 0)
    if stamps.days and 1 in rest:
        # 1000 beside a day that comes once is a price, not ten o'clock.
        written = table.cells[1].astype("str").str.contains(":").all()
        hours = read_hours(table.cells[1])
        if hours is not None and (written or bool(stamps.times.duplicated().any())):
            return Times(stamps=_joined(stamps, hours), places=(0, 1))
    return Times(stamps=stamps, places=(0,))


def _are_of_day(table: RawTable) -> bool:
    """Return whether times may be milliseconds of the day that the file's name holds."""
    number = pd.to_numeric(table.cells[0], errors="coerce")
    inside = (number >= 0) & (number < MILLISECONDS_OF_DAY)
    return bool(date_in_name(table.name)) and bool(inside.all())


def _milliseconds(table: RawTable) -> BarsError:
    return BarsError(
        f"{table.name}: times such as {cell(table.cells[0].iloc[0])} may be milliseconds of the "
        "day in the file's name, as LEAN writes them; state format='lean', and for other markets "
        "than equities price_scale=1 and their timezone='UTC'"
    )


def _unnamed(table: RawTable, rest: Sequence[int], opens: Sequence[int], reader: _Reader) -> Times:
    """Return the one column of an unknown name that holds nothing but times."""
    found = []
    for at in rest:
        column = table.cells[at]
        if at in opens or pd.api.types.is_numeric_dtype(column.dtype):
            continue
        stamps = reader(at)
        typed = pd.api.types.is_datetime64_any_dtype(column.dtype)
        if stamps.readable > 0.99 and (typed or stamps.style.startswith("times as")):
            found.append((at, stamps))
    if len(found) == 1:
        return Times(stamps=found[0][1], places=(found[0][0],))
    if reader.doubt is not None:
        raise reader.doubt
    if opens:
        raise _unreadable(table, opens[0])
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
