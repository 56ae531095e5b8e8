"""Zones behind times: an offset, UTC by its names, or a place; short names are refused."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ultimate_deep.market.validation import BarsError

ZONE = re.compile(
    r"(?<=[\dMm])\s*(?P<zone>Z|z|(?:UTC|GMT)?[+-]\d{2}:?\d{2}|(?:UTC|GMT)[+-]\d{1,2}|UTC|GMT|utc|gmt"
    r"|[A-Z][A-Za-z]+/[A-Za-z_]+(?:/[A-Za-z_]+)?|(?!AM$|PM$)[A-Z]{2,5})$"
)


def zones_of(text: pd.Series) -> pd.Series:
    """Return what stands behind each time as its zone, missing where nothing does."""
    ends = r"([A-Za-z_]{1,}|[+-]\d{1,2}:?\d{0,2})$"
    if not pc.any(pc.match_substring_regex(pa.array(text, pa.string()), ends)).as_py():
        return pd.Series([None] * len(text), index=text.index, dtype="object")
    return text.str.extract(ZONE)["zone"]


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
    meaning: dict[str, pd.Timedelta] = {}
    for zone in distinct:
        offset = _offset(zone)
        if offset is None:
            offset = short.get(zone)
        if offset is not None:
            meaning[zone] = offset
        elif _is_place(zone) and len(distinct) == 1:
            return None, zone
        elif _is_place(zone):
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


def _is_place(zone: str) -> bool:
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


def _offset(zone: str) -> pd.Timedelta | None:
    if zone.upper() in ("Z", "UTC", "GMT"):
        return pd.Timedelta(0)
    found = re.fullmatch(r"(?:UTC|GMT)?([+-])(\d{1,2}):?(\d{2})?", zone)
    if found is None:
        return None
    hours, minutes = int(found[2]), int(found[3] or 0)
    return pd.Timedelta(hours=hours, minutes=minutes) * (-1 if found[1] == "-" else 1)
