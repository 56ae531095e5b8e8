"""How each format writes its times; what cannot be read becomes NaT, never a guess."""

from __future__ import annotations

import re
from collections.abc import Callable

import pandas as pd

ZONE_AT_END = r"(?:Z|[+-]\d{2}:?\d{2})$"
DATE_IN_NAME = re.compile(r"(?<!\d)(\d{8})(?!\d)")
MILLISECONDS_OF_DAY = 86_400_000

Clock = Callable[[pd.DataFrame, tuple[str, ...], str], pd.DatetimeIndex]


def iso_clock(cells: pd.DataFrame, time: tuple[str, ...], name: str) -> pd.DatetimeIndex:
    """Read ISO 8601 text or a column of times. With a zone in every filled cell: aware, in UTC."""
    column = _column(cells, time)
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return pd.DatetimeIndex(column).tz_convert("UTC")
    if pd.api.types.is_datetime64_dtype(column.dtype):
        return pd.DatetimeIndex(column)
    if pd.api.types.is_numeric_dtype(column.dtype):
        # Seconds, milliseconds or a date written as a number: not to be guessed.
        return _none(len(column))
    text = column.astype("str").str.strip()
    zoned = text.str.contains(ZONE_AT_END, regex=True)
    if zoned.any():
        aware = pd.to_datetime(text.where(zoned), format="ISO8601", errors="coerce", utc=True)
        return pd.DatetimeIndex(aware)
    return pd.DatetimeIndex(pd.to_datetime(text, format="ISO8601", errors="coerce"))


def epoch_clock(cells: pd.DataFrame, time: tuple[str, ...], name: str) -> pd.DatetimeIndex:
    """Read seconds, milliseconds or microseconds since 1970, told apart by size, row by row."""
    number = pd.to_numeric(_column(cells, time), errors="coerce").astype("float64")
    number = number.where((number > 0) & (number < 1e17))
    seconds = number < 1e11
    milliseconds = ~seconds & (number < 1e14)
    # Microseconds since 1970 are exact in float64 until the year 2255.
    micro = number.mask(seconds, number * 1e6).mask(milliseconds, number * 1e3)
    times = pd.to_datetime(micro.round().astype("Int64"), unit="us", utc=True)
    return pd.DatetimeIndex(times)


def am_pm_clock(cells: pd.DataFrame, time: tuple[str, ...], name: str) -> pd.DatetimeIndex:
    """Read `unix` if it is there, else dates like `2019-10-17 09-AM` or ISO 8601."""
    if "unix" in cells.columns:
        return epoch_clock(cells, ("unix",), name)
    text = _column(cells, time).astype("str").str.strip()
    read = pd.to_datetime(text, format="%Y-%m-%d %I-%p", errors="coerce")
    plain = pd.to_datetime(text.where(read.isna()), format="ISO8601", errors="coerce")
    return pd.DatetimeIndex(read.fillna(plain))


def dotted_clock(cells: pd.DataFrame, time: tuple[str, ...], name: str) -> pd.DatetimeIndex:
    """Read dates like `2012.11.16` (or ISO 8601), with the hour there or in a column `time`."""
    if "date" in cells.columns and "time" in cells.columns:
        text = cells["date"].astype("str") + " " + cells["time"].astype("str")
    else:
        column = _column(cells, time)
        if not pd.api.types.is_string_dtype(column.dtype):
            return iso_clock(cells, time, name)
        text = column.astype("str")
    dashed = text.str.strip().str.replace(r"^(\d{4})\.(\d{2})\.(\d{2})", r"\1-\2-\3", regex=True)
    return iso_clock(pd.DataFrame({"time": dashed}), ("time",), name)


def lean_clock(cells: pd.DataFrame, time: tuple[str, ...], name: str) -> pd.DatetimeIndex:
    """Read `19980102 09:00`, or milliseconds since the midnight of the date in the file's name."""
    column = _column(cells, time)
    if not pd.api.types.is_numeric_dtype(column.dtype):
        text = column.astype("str").str.strip()
        return pd.DatetimeIndex(pd.to_datetime(text, format="%Y%m%d %H:%M", errors="coerce"))
    dated = DATE_IN_NAME.search(name)
    if dated is None:
        return _none(len(column))
    midnight = pd.to_datetime(pd.Series([dated[1]] * len(column)), format="%Y%m%d", errors="coerce")
    inside = column.where((column >= 0) & (column < MILLISECONDS_OF_DAY))
    return pd.DatetimeIndex(midnight + pd.to_timedelta(inside, unit="ms"))


CLOCKS: dict[str, Clock] = {
    "iso": iso_clock,
    "epoch": epoch_clock,
    "am_pm": am_pm_clock,
    "dotted": dotted_clock,
    "lean": lean_clock,
}


def _column(cells: pd.DataFrame, names: tuple[str, ...]) -> pd.Series:
    return cells[next(name for name in names if name in cells.columns)]


def _none(rows: int) -> pd.DatetimeIndex:
    return pd.DatetimeIndex([pd.NaT] * rows)
