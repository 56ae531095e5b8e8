"""Zones behind times: an offset, UTC by its names, or a place; short names are refused."""

from __future__ import annotations

import re
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


def localised(naive: pd.DatetimeIndex, place: str) -> pd.DatetimeIndex:
    """Return the instants in UTC of times in a zone, NaT where a clock change leaves a doubt."""
    try:
        times = naive.tz_localize(place, ambiguous="infer", nonexistent="NaT")
    except ValueError:
        times = naive.tz_localize(place, ambiguous="NaT", nonexistent="NaT")
    return times.tz_convert("UTC")


def offsets_of(
    zones: pd.Series, zoned: pd.Series, where: str, form: str
) -> tuple[pd.Series | None, str | None]:
    """Return each cell's distance from UTC, or the zone that all of them name."""
    distinct = [str(zone) for zone in zones[zoned].unique()]
    meaning: dict[str, pd.Timedelta] = {}
    for zone in distinct:
        offset = _offset(zone)
        if offset is not None:
            meaning[zone] = offset
            continue
        try:
            known = "/" in zone and bool(ZoneInfo(zone).key)
        except (ZoneInfoNotFoundError, ValueError):
            known = False
        if known and len(distinct) == 1:
            return None, zone
        if known:
            raise BarsError(
                f"{where}: times of several zones, {', '.join(distinct[:4])}; write them in one"
            )
        raise BarsError(
            f"{where}: {zone!r} after a time names no zone for certain; state how times are "
            f"written and the zone, such as time_format='{form or '%Y-%m-%d %H:%M:%S'} {zone}' "
            "and timezone='America/New_York'"
        )
    return zones.map(meaning), None


def _offset(zone: str) -> pd.Timedelta | None:
    if zone.upper() in ("Z", "UTC", "GMT"):
        return pd.Timedelta(0)
    found = re.fullmatch(r"(?:UTC|GMT)?([+-])(\d{1,2}):?(\d{2})?", zone)
    if found is None:
        return None
    hours, minutes = int(found[2]), int(found[3] or 0)
    return pd.Timedelta(hours=hours, minutes=minutes) * (-1 if found[1] == "-" else 1)
