"""Times of bars and decisions as plain arrays: naive `datetime64` that means UTC."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ultimate_deep.market.bars import Bars

SECONDS_A_DAY = 86_400
NANOSECONDS = 1_000_000_000
# Seconds between which a bar may open: from 1900 to the last that nanoseconds since 1970 reach.
FIRST_SECOND, LAST_SECOND = -2_208_988_800, 9_223_372_036
_FIRST, _LAST = FIRST_SECOND * NANOSECONDS, LAST_SECOND * NANOSECONDS
# In place of the nanoseconds of a time that there is not; NaT's too.
NEVER = -(2**63)
TIME_RULE = "a bar's time must lie between 1900 and April 2262"

_LONG = 10**40

Unit = Literal["s", "ms", "us", "ns"]
# Names of units, and how many of them are a second.
UNITS: dict[Unit, tuple[str, int]] = {
    "s": ("seconds", 1),
    "ms": ("milliseconds", 1_000),
    "us": ("microseconds", 1_000_000),
    "ns": ("nanoseconds", NANOSECONDS),
}


def utc_times(times: np.ndarray | pd.Index) -> np.ndarray:
    """Return times as `datetime64[ns]` in UTC, `(rows,)`; those without a zone are in UTC."""
    index = pd.DatetimeIndex(times)
    if index.tz is not None:
        index = index.tz_convert("UTC").tz_localize(None)
    return index.to_numpy().astype("datetime64[ns]")


def utc_time(stamp: str | pd.Timestamp) -> np.datetime64:
    """Return one time that states its zone, such as a boundary in `metrics.json`, in UTC."""
    return pd.Timestamp(stamp).tz_convert(None).to_datetime64()


def open_times(bars: Bars) -> np.ndarray:
    """Return when each bar opens, `datetime64[ns]` in UTC, `(bars,)`."""
    return utc_times(bars.frame.index)


def close_times(bars: Bars) -> np.ndarray:
    """Return when each bar is over and known, `datetime64[ns]` in UTC, `(bars,)`.

    A last irregular bar of which nothing says it is taken to last as long as most do.
    """
    regular: np.ndarray = open_times(bars) + bars.interval.to_timedelta64()
    if bars.closes is None:
        return regular
    closes = utc_times(bars.closes)
    return np.where(np.isnat(closes), regular, closes)


def utc_index(times: np.ndarray) -> pd.DatetimeIndex:
    """Return times in UTC, such as `utc_times` gives, as an index that states its zone."""
    return pd.DatetimeIndex(times, tz="UTC")


def utc_nanoseconds(timestamp: Any) -> int:
    """Return UTC nanoseconds since 1970 of an aware datetime, or of a number, which means seconds.

    Seconds are rounded to microseconds, which is what floating-point numbers resolve.

    Raises:
        TypeError: A naive time, or neither of the two.
        ValueError: A time outside 1900 to 2262, such as milliseconds instead of seconds.
    """
    if isinstance(timestamp, datetime) and timestamp is not pd.NaT:
        if timestamp.tzinfo is None:
            raise TypeError(f"bar times must state their zone; got the naive {timestamp}")
        stamp = timestamp if isinstance(timestamp, pd.Timestamp) else pd.Timestamp(timestamp)
        try:
            nanoseconds = stamp.value
        except OverflowError:
            raise ValueError(f"{TIME_RULE}; got {str(timestamp)[:80]}") from None
        if not _FIRST <= nanoseconds <= _LAST:
            raise ValueError(f"{TIME_RULE}; got {timestamp}")
        return nanoseconds
    if isinstance(timestamp, int | float | np.integer | np.floating):
        number = int(timestamp) if isinstance(timestamp, np.integer) else timestamp
        number = float(number) if isinstance(number, np.floating) else number
        if not FIRST_SECOND <= number <= LAST_SECOND:
            raise ValueError(wrong_seconds(number))
        return round(float(number) * 1e6) * 1000
    raise TypeError(f"a bar's time must be a datetime or UTC seconds; got {timestamp!r}")


def wrong_seconds(number: float) -> str:
    """Say why a number is no bar's time in seconds, and in which unit it would be one."""
    unit = unit_of_size(number)
    what = f"{TIME_RULE}, and numbers mean seconds since 1970; got {shown_number(number)}"
    if unit is None:
        return what
    stamp = pd.Timestamp(number, unit=unit, tz="UTC")
    return (
        f"{what}, which would be {stamp:%Y-%m-%d %H:%M:%S} in {UNITS[unit][0]}: give "
        f"timestamp / {UNITS[unit][1]}, or pd.Timestamp(timestamp, unit='{unit}', tz='UTC')"
    )


def shown_number(number: float) -> str:
    """Return a number as it stands in messages; of a whole one of many digits, how many."""
    if isinstance(number, int) and abs(number) >= _LONG:
        return f"a whole number of some {number.bit_length() * math.log10(2):.0f} digits"
    return str(number)


def unit_of_size(number: float) -> Unit | None:
    """Return the unit in which a number since 1970 lies within 1900 to 2262, the longest first."""
    for unit, (_, each) in UNITS.items():
        if FIRST_SECOND * each <= number <= LAST_SECOND * each:
            return unit
    return None


def index_nanoseconds(index: pd.DatetimeIndex) -> npt.NDArray[np.int64]:
    """Return UTC nanoseconds since 1970 of every time, `(rows,)`.

    Raises:
        ValueError: A time that is absent or outside 1900 to 2262.
    """
    counts: npt.NDArray[np.int64] = index.asi8
    each = UNITS[index.unit][1]
    outside = (counts < FIRST_SECOND * each) | (counts > LAST_SECOND * each)
    if outside.any():
        row = int(outside.argmax())
        raise ValueError(
            f"{TIME_RULE}; row {row} is {index[row]}; drop such rows or correct their times"
        )
    return counts * (NANOSECONDS // each)


def seconds_of(nanoseconds: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return seconds as floating-point numbers, the nearest ones for whole microseconds."""
    microseconds = nanoseconds // 1000
    rest = nanoseconds - microseconds * 1000
    seconds: npt.NDArray[np.float64] = microseconds / 1e6
    return seconds + rest / 1e9 if rest.any() else seconds


def stamp_microseconds(timestamp: pd.Timestamp) -> int:
    """Return whole microseconds since 1970; raises what `utc_nanoseconds` does."""
    return utc_nanoseconds(timestamp) // 1000


def index_microseconds(index: pd.DatetimeIndex) -> npt.NDArray[np.int64]:
    """Return whole microseconds since 1970, `(rows,)`; raises what `index_nanoseconds` does."""
    microseconds: npt.NDArray[np.int64] = index_nanoseconds(index) // 1000
    return microseconds


def duration_microseconds(length: pd.Timedelta) -> int:
    """Return the whole microseconds of a length of time."""
    return int(pd.Timedelta(length) // pd.Timedelta(microseconds=1))


def interval_nanoseconds(interval: str | pd.Timedelta | None) -> int | None:
    """Return whole nanoseconds of a bar's interval, such as '1min'; None stays None.

    Raises:
        ValueError: It is not a length of time above zero, or a number without a unit.
    """
    if interval is None:
        return None
    rule = "an interval must be a length of time such as '1min'"
    if isinstance(interval, float | np.floating) and not math.isfinite(interval):
        raise ValueError(f"{rule}; got {interval}, which is no length of time; give '1min'")
    if _is_number(interval):
        raise ValueError(
            f"{rule}; got {interval!r}, a number without its unit; give '{interval}s' "
            "where it counts seconds"
        )
    try:
        length = pd.Timedelta(interval).as_unit("ns")
    except ValueError as error:
        raise ValueError(f"{rule}; got {interval!r}") from error
    if not length > pd.Timedelta(0):
        raise ValueError(f"an interval must be above zero; got {interval!r}")
    return length.value


def _is_number(given: Any) -> bool:
    if not isinstance(given, str):
        known = isinstance(given, int | float | np.integer | np.floating)
        return known and not isinstance(given, np.timedelta64)
    return given.strip().replace(".", "", 1).isdigit()


def clock_of(times: np.ndarray, *, upwards: bool = False) -> np.ndarray:
    """Return days since 1970-01-01 UTC and seconds of that day, float32 `(rows, 2)`.

    Args:
        times: `datetime64` in UTC, `(rows,)`. Both columns are exact in float32.
        upwards: Whether a part of a second counts as a whole one, as where it says from when on
            something is known; else it is cut off.
    """
    whole = times.astype("datetime64[s]")
    seconds = whole.astype(np.int64) + (whole < times if upwards else 0)
    return np.column_stack(np.divmod(seconds, SECONDS_A_DAY)).astype(np.float32)
