"""Zones behind times: an offset, UTC by its names, or a place; short names are refused."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ultimate_deep.market.reading.shown import shown
from ultimate_deep.market.validation import BarsError

# Offsets from UTC that places have; hours behind a dash beyond them are the end of a range.
OFFSET = r"(?:\+(?:0\d|1[0-4])|-(?:0\d|1[0-2]))(?::?[0-5]\d)?"
FARTHEST_BEHIND, FARTHEST_AHEAD = pd.Timedelta(hours=-12), pd.Timedelta(hours=14)
# One place has two in a year, and few over the decades; ranges of hours have one for each hour.
MOST_OFFSETS = 6
# What precedes a zone is a digit or the M of AM and PM, which are no zones themselves. An offset
# without a colon needs a time before it, since dates end in -03 and -2023 too.
_ZONE = (
    r"^(?P<body>.*?[\dMm])\s*(?P<zone>Z|z|[+-]\d{2}:\d{2}"
    r"|(?:UTC|GMT)[+-]\d{1,2}(?::?\d{2})?|UTC|GMT|utc|gmt"
    r"|[A-Z][A-Za-z]+/[A-Za-z_-]+(?:/[A-Za-z_-]+)?(?:[+-]\d{1,2})?|[A-Z]{2,5})$"
)
_BARE_ZONES = (
    r"^(?P<body>.*\d[:Tt ]\d{2,}(?:[.,]\d+)?(?:\s?[AaPp][Mm])?)\s*(?P<zone>[+-]\d{4})$",
    r"^(?P<body>.*:\d{2}(?:[.,]\d+)?(?:\s?[AaPp][Mm])?)\s*(?P<zone>[+-]\d{2})$",
)
# What the short names of a zone are called together.
_GENERIC = {name: {f"{name[0]}ST", f"{name[0]}DT"} for name in ("ET", "CT", "MT", "PT")}
_END = r"([A-Za-z_]|[+-]\d{1,2}:?\d{0,2})$"
_HALVES = pa.array(["AM", "PM"])


def split_zones(text: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return what stands before the zone of each time, and the zone, missing where there is none.

    Args:
        text: Cells without blanks around them, empty where nothing is written.
    """
    cells = pa.array(text, pa.string())
    if not pc.any(pc.match_substring_regex(cells, _END)).as_py():
        return text, pd.Series([None] * len(text), index=text.index, dtype="object")
    parts = pc.extract_regex(cells, _ZONE)
    zone = pc.struct_field(parts, "zone")
    before = pc.struct_field(parts, "body")
    for pattern in _BARE_ZONES:
        bare = pc.extract_regex(cells, pattern)
        zone = pc.coalesce(pc.struct_field(bare, "zone"), zone)
        before = pc.coalesce(pc.struct_field(bare, "body"), before)
    found = pc.and_(pc.is_valid(zone), pc.invert(pc.is_in(zone, _HALVES)))
    zone = pc.if_else(found, zone, pa.scalar(None, pa.string()))
    body = pc.if_else(found, before, cells)
    coded = pc.dictionary_encode(zone)
    names = np.array([*coded.dictionary.to_pylist(), None], dtype=object)
    codes = pc.fill_null(coded.indices, len(names) - 1).to_numpy(zero_copy_only=False)
    return (
        body.to_pandas().set_axis(text.index).astype("str"),
        pd.Series(names[codes], index=text.index, dtype="object"),
    )


def offsets_of(
    zones: pd.Series, zoned: pd.Series, where: str, times: pd.DatetimeIndex, timezone: str | None
) -> tuple[pd.Series | None, str | None]:
    """Return each cell's distance from UTC, or the zone that all of them name.

    Args:
        zones: What stands behind each time.
        zoned: Where something does.
        where: File and column, for messages.
        times: What stands before it.
        timezone: The zone whose short names these may be, as the caller states.
    """
    distinct = [str(zone) for zone in zones[zoned].unique()]
    short = {} if timezone is None else _short_names(timezone, times)
    if len(distinct) == 1 and timezone and _GENERIC.get(distinct[0], {""}) <= short.keys():
        return None, timezone
    meaning: dict[str, pd.Timedelta] = {}
    numeric = [zone for zone in distinct if zone[0] in "+-"]
    if len(numeric) > MOST_OFFSETS or any(offset_of(zone) is None for zone in numeric):
        raise BarsError(
            f"{where}: the times end in {shown(numeric, 3)}, as ranges of hours do and not in "
            "offsets from UTC; write when a bar opens alone, in a column of its own"
        )
    for zone in distinct:
        offset = offset_of(zone)
        if offset is None:
            offset = short.get(zone)
        if offset is not None:
            meaning[zone] = offset
        elif is_place(zone) and len(distinct) == 1:
            return None, zone
        elif is_place(zone):
            raise BarsError(
                f"{where}: times of several zones, {', '.join(distinct[:4])}; write them in one"
            )
        else:
            known = f", and {timezone} has no such time then" if timezone else ""
            raise BarsError(
                f"{where}: {zone!r} after a time names no zone for certain{known}; state the zone "
                "that it is of, such as timezone='America/New_York'"
            )
    return zones.map(meaning), None


def has_short_name(timezone: str, name: str, times: pd.DatetimeIndex) -> bool:
    """Return whether a zone has a time of this short name, EST or ET, in the years of times."""
    names = _short_names(timezone, times).keys()
    return name in names or _GENERIC.get(name, {""}) <= names


def is_place(zone: str) -> bool:
    """Return whether a text names a zone by a place, such as `America/New_York`."""
    try:
        return "/" in zone and bool(ZoneInfo(zone).key)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False


def _short_names(timezone: str, times: pd.DatetimeIndex) -> dict[str, pd.Timedelta]:
    """Return what a zone's short names mean in the years of these times, if one thing each."""
    years = times.dropna().year
    if len(years) == 0:
        return {}
    place = ZoneInfo(timezone)
    found: dict[str, set[timedelta]] = {}
    for year in range(int(years.min()), int(years.max()) + 1):
        for month in range(1, 13):
            moment = datetime(year, month, 15, tzinfo=place)
            offset = moment.utcoffset()
            if offset is not None:
                found.setdefault(moment.tzname() or "", set()).add(offset)
    return {name: pd.Timedelta(one) for name, (one, *more) in found.items() if not more}


def offset_of(zone: str) -> pd.Timedelta | None:
    """Return the distance from UTC that `+05:30`, `UTC-5` or `Z` says; None for other texts."""
    if zone.upper() in ("Z", "UTC", "GMT"):
        return pd.Timedelta(0)
    found = re.fullmatch(r"(?:UTC|GMT)?([+-])(\d{1,2}):?(\d{2})?", zone)
    if found is None:
        return None
    hours, minutes = int(found[2]), int(found[3] or 0)
    ahead = pd.Timedelta(hours=hours, minutes=minutes) * (-1 if found[1] == "-" else 1)
    inside = FARTHEST_BEHIND <= ahead <= FARTHEST_AHEAD and minutes < 60
    return ahead if inside else None
