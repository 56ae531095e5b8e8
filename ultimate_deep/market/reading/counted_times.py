"""Times that count days or seconds since a day, which is stated or beyond doubt."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ultimate_deep.market.reading.shown import cell
from ultimate_deep.market.validation import BarsError

EXCEL_ORIGIN = "1899-12-30"
_DAY = 86_400_000_000_000
_LENGTHS = {
    "days": _DAY, "hours": 3_600_000_000_000, "minutes": 60_000_000_000,
    "seconds": 1_000_000_000, "milliseconds": 1_000_000, "microseconds": 1_000, "nanoseconds": 1,
}  # fmt: skip
_SINCE = re.compile(rf"\s*({'|'.join(_LENGTHS)}) since (\d{{4}}-\d{{2}}-\d{{2}})\s*")
_YEARS = (1700, 2200)
_MOST = 9.2e18
# What counts from where: spreadsheets (1899, 1904), SAS and Stata (1960), R and Python (1970);
# network time (1900), kdb (2000), Cocoa (2001).
_ORIGINS_OF_DAYS = (EXCEL_ORIGIN, "1904-01-01", "1960-01-01", "1970-01-01")
_ORIGINS = ("1900-01-01", "1904-01-01", "1960-01-01", "1970-01-01", "2000-01-01", "2001-01-01")
# Bars that end before are rarer than counts from another day.
_OLD = {"days": pd.Timestamp("1980-01-01"), "seconds": pd.Timestamp("2000-01-01")}
_OLDEST_CHOICE = pd.Timestamp("1990-01-01")
_AHEAD = pd.Timedelta(days=2)


def read_counted(text: pd.Series, form: str, where: str) -> pd.DatetimeIndex | None:
    """Return the times of a `time_format` such as `days since 1970-01-01`; None for other forms.

    Numbers that are shorter than days since 1970 are in UTC; others are of the caller's zone.

    Args:
        text: Numbers as text.
        form: What the caller states.
        where: File and column, for messages.

    Raises:
        BarsError: A day from which nothing is counted.
    """
    found = _SINCE.fullmatch(form)
    if found is None:
        return None
    unit, day = found.groups()
    try:
        origin = pd.Timestamp(day).as_unit("ns")
    except ValueError as error:
        raise BarsError(_no_day(where, form)) from error
    if not _YEARS[0] <= origin.year <= _YEARS[1]:
        raise BarsError(_no_day(where, form))
    naive = _counted(text, unit, origin)
    return naive.tz_localize("UTC") if unit != "days" and day == "1970-01-01" else naive


def refuse_part_of_time(form: str, where: str) -> None:
    """Refuse a `time_format` that leaves out the year, the day or the half of the day.

    Args:
        form: What the caller states, in the signs of `strptime`.
        where: The file, for messages.

    Raises:
        BarsError: What is missing.
    """
    signs = set(re.findall(r"%[-#]?([A-Za-z])", form.replace("%%", "")))
    if not signs or signs & set("cxDFs"):
        return
    hours = signs & set("HIXTR")
    remedy = "state it whole, such as time_format='%d/%m/%Y %H:%M'"
    if not signs & set("yYG"):
        what = "a year, and times would be of 1900"
        if not signs & set("dj"):
            remedy = "add a column date with the days, and leave time_format out"
        else:
            remedy = f"write the year too, and {remedy}"
    elif hours and not signs & set("djuw"):
        what = "a day, and all bars of a month would be of its first"
    elif {"H", "p"} <= signs:
        what, remedy = "hours to 12 before %p, which is passed over behind %H", (
            f"state %I: time_format={form.replace('%H', '%I')!r}"
        )  # fmt: skip
    else:
        return
    raise BarsError(f"{where}: time_format is {form!r}, without {what}; {remedy}")


def _no_day(where: str, form: str) -> str:
    return (
        f"{where}: time_format is {form!r}, and its day is none from {_YEARS[0]} to {_YEARS[1]}; "
        "state from which day is counted, such as time_format='days since 1970-01-01'"
    )


def _counted(text: pd.Series, unit: str, origin: pd.Timestamp) -> pd.DatetimeIndex:
    length = _LENGTHS[unit]
    cells = pa.array(text, pa.string())
    whole = pc.match_substring_regex(cells, r"^[+-]?[0-9]{1,18}$")
    exact = pc.cast(pc.if_else(whole, cells, pa.scalar("0")), pa.int64()).to_numpy()
    is_whole = np.asarray(whole.to_numpy(zero_copy_only=False), dtype=bool)
    number = pd.to_numeric(text, errors="coerce").astype("float64").to_numpy()
    good = np.isfinite(number) & (np.abs(number) * length < _MOST)
    good &= np.abs(number * length + origin.value) < _MOST
    # A tenth of a second is what fractions of today's days still hold.
    step = 100_000_000 if unit == "days" else 1_000
    steps = np.zeros(len(number), dtype=np.int64)
    rough, fine = good & ~is_whole, good & is_whole
    steps[rough] = np.rint(number[rough] * (length / step)).astype(np.int64) * step
    steps[fine] = exact[fine] * length
    times = pd.Series(origin + pd.to_timedelta(steps, unit="ns")).where(good)
    return pd.DatetimeIndex(times)


def refuse_other_origin(
    times: pd.DatetimeIndex, unit: str, written: pd.Series, where: str, further: Sequence[str] = ()
) -> None:
    """Refuse counts that would be of long ago, or are still ahead: they may begin on another day.

    Args:
        times: Instants or naive times that the usual origin gives.
        unit: What is counted, in words.
        written: The numbers as text.
        where: File and column, for messages.
        further: Other ways in which they may be written, in the signs of `strptime`.

    Raises:
        BarsError: The value, the days from which it may be counted, and what to state.
    """
    known = _naive(times).dropna()
    if len(known) == 0:
        return
    now = pd.Timestamp.now()
    last = known.max()
    middle = pd.Timestamp(int(np.median(known.as_unit("ns").asi8)))
    if last >= _OLD["days" if unit == "days" else "seconds"] and middle <= now + _AHEAD:
        return
    usual = EXCEL_ORIGIN if unit == "days" else "1970-01-01"
    at = int(np.argmax(_naive(times).to_numpy() == last.to_datetime64()))
    choices = []
    for day in _ORIGINS_OF_DAYS if unit == "days" else _ORIGINS:
        (other,) = _counted(written.iloc[[at]], unit, pd.Timestamp(day).as_unit("ns"))
        if day == usual or _OLDEST_CHOICE <= other <= now + _AHEAD:
            choices.append((f"{unit} since {day}", other))
    for form in further:
        other = pd.to_datetime(written.iloc[at], format=form, errors="coerce")
        if _OLDEST_CHOICE <= other <= now + _AHEAD:
            choices.append((form, other))
    shown = " or ".join(f"time_format='{form}' ({other:%Y-%m-%d})" for form, other in choices)
    raise BarsError(
        f"{where}: {cell(written.iloc[at])} may count {unit} from one of several days, or be no "
        f"time, and the usual one gives times of {last:%Y}; state how times are written: {shown}; "
        "or name another column: columns='time=NAME'"
    )


def _naive(times: pd.DatetimeIndex) -> pd.DatetimeIndex:
    return times.tz_localize(None) if times.tz is not None else times
