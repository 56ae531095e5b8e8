"""What names and columns beside the times say of them: the same, halves of a day, and zones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from ultimate_deep.market.reading.raw_table import RawTable
from ultimate_deep.market.reading.roles import key
from ultimate_deep.market.reading.shown import cell, shown
from ultimate_deep.market.reading.stamps import Stamps
from ultimate_deep.market.reading.texts import trimmed
from ultimate_deep.market.reading.zones import has_short_name, is_place, offset_of
from ultimate_deep.market.validation import BarsError

_PLACES = frozenset(("timezone", "tz", "zone", "tzname", "timezonename", "exchangetimezone"))
_OFFSETS = frozenset(("utcoffset", "gmtoffset", "tzoffset", "timezoneoffset", "offsetfromutc"))
# Short names of zones that stand in names of columns; IANA knows them all.
_SHORT = (
    "ET|EST|EDT|CT|CST|CDT|MT|MST|MDT|PT|PST|PDT|CET|CEST|EET|EEST|WET|WEST|MSK|BST|IST|JST|KST"
    "|HKT|AEST|AEDT|NZST|NZDT|SAST"
)
_SHORT_IN_NAME = re.compile(rf"(?:^|[\s_(\[])({_SHORT})[)\]]?\s*$")
_SAMPLE = 256
LONGEST_SHIFT = pd.Timedelta(hours=15)  # between two zones


def with_halves(
    table: RawTable, stamps: Stamps, places: tuple[int, ...], rest: Iterable[int]
) -> tuple[Stamps, tuple[int, ...]]:
    """Return times with the halves of the day that a column of their own holds, AM and PM.

    Args:
        table: Cells and names, before any meaning.
        stamps: Times as other columns have them.
        places: Positions of those.
        rest: Positions of columns that are nothing else.

    Raises:
        BarsError: Hours beyond 12 that contradict the half of their day.
    """
    if stamps.days or re.search("%I|%p| since ", stamps.style):
        return stamps, places
    for at in rest:
        if at in places or not _is_half(table.cells[at].iloc[:1]):
            continue
        column = table.cells[at]
        if not _is_half(column.drop_duplicates()):
            continue
        later = _plain(column).eq("pm").to_numpy()
        hour = np.asarray(stamps.times.hour, dtype=np.float64)
        wrong = np.asarray(hour > 12) & ~later
        if wrong.any():
            row = int(np.argmax(wrong))
            raise BarsError(
                f"{table.name}: row {row} is at {stamps.times[row]:%H:%M}, and the column "
                f"{table.names[at]} beside it says {cell(column.iloc[row])}; correct one of them, "
                "or remove that column"
            )
        hours = np.where(hour > 12, 0.0, hour % 12 + 12 * later - hour)
        times = stamps.times + pd.to_timedelta(hours, unit="h")
        style = f"{stamps.style}, {table.names[at] or 'AM and PM'} beside them"
        return replace(stamps, times=times.as_unit("ns"), style=style), (*places, at)
    return stamps, places


def _plain(column: pd.Series) -> pd.Series:
    return trimmed(column).str.lower().str.replace(".", "", regex=False)


def _is_half(column: pd.Series) -> bool:
    if pd.api.types.is_numeric_dtype(column.dtype) or not len(column):
        return False
    return bool(_plain(column).isin(("am", "pm")).all())


def with_zone(
    table: RawTable,
    stamps: Stamps,
    places: Sequence[int],
    timezone: str | None,
    *,
    told: bool,
) -> Stamps:
    """Return times with the zone that a column beside them names.

    Args:
        table: Cells and names, before any meaning.
        stamps: Times as their columns have them.
        places: Positions of their columns.
        timezone: What the caller says of times without a zone.
        told: Whether the caller names the column of times.

    Raises:
        BarsError: Several zones, or a zone stated that the names or columns contradict.
    """
    if stamps.aware or not table.header:
        return stamps
    for at, name in enumerate(table.names):
        if at not in places and key(name) in _PLACES:
            zones = [one for one in trimmed(table.cells[at]).unique() if one]
            if len(zones) > 1 and all(map(is_place, zones)):
                raise BarsError(
                    f"{table.name}: the column {name} holds the zones {shown(zones, 3)}, and times "
                    "of one file are in one; split the file by them"
                )
            if len(zones) == 1 and (is_place(zones[0]) or offset_of(zones[0]) == pd.Timedelta(0)):
                zone = zones[0] if is_place(zones[0]) else "UTC"
                return replace(stamps, zone=zone)
    for at in places:
        _refuse_other_name(table, at, timezone, stamps)
    if timezone is not None and not told:
        for at, name in enumerate(table.names):
            if at not in places and key(name) in _OFFSETS:
                _refuse_other_offset(table, at, stamps, timezone, places)
    return stamps


def _refuse_other_name(table: RawTable, at: int, timezone: str | None, stamps: Stamps) -> None:
    """Refuse `Time (ET)` as times of a zone that has no such time."""
    short = _SHORT_IN_NAME.search(table.names[at])
    if short is None or timezone is None or has_short_name(timezone, short[1], stamps.times):
        return
    raise BarsError(
        f"{table.name}: the column {table.names[at]} says that its times are {short[1]}, and "
        f"{timezone}, as stated, has no such time; state the zone that it is of, such as "
        "timezone='America/New_York', or rename the column"
    )


def _refuse_other_offset(
    table: RawTable, at: int, stamps: Stamps, timezone: str, places: Sequence[int]
) -> None:
    """Refuse times beside their distance from UTC where the stated zone has another."""
    some = np.unique(np.linspace(0, len(table.cells) - 1, _SAMPLE).astype(np.int64))
    written = _distances(trimmed(table.cells[at].iloc[some]))
    times = stamps.times[some]
    local = times.tz_localize(timezone, ambiguous="NaT", nonexistent="NaT")
    own = times - local.tz_convert("UTC").tz_localize(None)
    known = np.asarray(written.notna()) & np.asarray(own.notna())
    other = known & np.asarray(written != own)
    if other.any():
        row = int(some[np.argmax(other)])
        raise BarsError(
            f"{table.name}: times are stated to be in {timezone}, and {table.names[at]} is "
            f"{cell(table.cells[at].iloc[row])} beside {times[int(np.argmax(other))]} in row {row};"
            " state the zone in which they are, or, where they are in "
            f"{timezone} all the same, their column too: columns='time={table.names[places[0]]}'"
        )


def _distances(text: pd.Series) -> pd.TimedeltaIndex:
    """Return distances from UTC, written as +05:30, or as hours, minutes or seconds."""
    number = pd.to_numeric(text, errors="coerce").to_numpy(dtype=np.float64)
    hours = np.where(np.abs(number) > 14, number / 60, number)
    hours = np.where(np.abs(number) > 14 * 60, number / 3_600, hours)
    found = pd.Series(pd.to_timedelta(hours, unit="h"))
    spoken = [offset_of(one) if ":" in one or one.strip("+-0123456789.") else None
              for one in text]  # fmt: skip
    return pd.TimedeltaIndex(
        [one if one is not None else counted for one, counted in zip(spoken, found, strict=True)]
    )


def alike(one: Stamps, other: Stamps) -> bool:
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
