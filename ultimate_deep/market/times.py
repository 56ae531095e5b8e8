"""Times of bars and decisions as plain arrays: naive `datetime64` that means UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ultimate_deep.market.bars import Bars

SECONDS_A_DAY = 86_400


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
    """Return when each bar is over and known, `datetime64[ns]` in UTC, `(bars,)`."""
    return open_times(bars) + bars.interval.to_timedelta64()


def utc_index(times: np.ndarray) -> pd.DatetimeIndex:
    """Return times in UTC, such as `utc_times` gives, as an index that states its zone."""
    return pd.DatetimeIndex(times, tz="UTC")


def opens_of_decisions(decision_time: np.ndarray, interval: pd.Timedelta) -> pd.DatetimeIndex:
    """Return when the bars opened at whose closes was decided, with the zone UTC.

    Args:
        decision_time: `datetime64[ns]` in UTC, `(rows,)`.
        interval: Length of one bar.
    """
    return utc_index(decision_time - np.timedelta64(interval.value, "ns"))


def utc_seconds(timestamp: Any) -> float:
    """Return UTC seconds since 1970 of an aware datetime or of a number, which means them already.

    Raises:
        TypeError: A naive time, or neither of the two.
    """
    if isinstance(timestamp, pd.Timestamp):
        if timestamp.tz is None:
            raise TypeError(f"bar times must state their zone; got the naive {timestamp}")
        return stamp_microseconds(timestamp) / 1e6
    if isinstance(timestamp, datetime):
        if timestamp.tzinfo is None:
            raise TypeError(f"bar times must state their zone; got the naive {timestamp}")
        return stamp_microseconds(pd.Timestamp(timestamp)) / 1e6
    if isinstance(timestamp, int | float | np.integer | np.floating):
        return float(timestamp)
    raise TypeError(f"a bar's time must be a datetime or UTC seconds; got {timestamp!r}")


def stamp_microseconds(timestamp: pd.Timestamp) -> int:
    """Return whole microseconds since 1970; `value` counts nanoseconds whatever the unit."""
    return timestamp.value // 1000


def index_microseconds(index: pd.DatetimeIndex) -> npt.NDArray[np.int64]:
    """Return whole microseconds since 1970 of every time, `(rows,)`."""
    microseconds: npt.NDArray[np.int64] = index.as_unit("us").asi8
    return microseconds


def duration_microseconds(length: pd.Timedelta) -> int:
    """Return the whole microseconds of a length of time."""
    return int(pd.Timedelta(length) // pd.Timedelta(microseconds=1))


def seconds_of_interval(interval: str | pd.Timedelta | None) -> float | None:
    """Seconds of a bar's interval, such as '1min'; None stays None.

    Raises:
        ValueError: It is not a length of time above zero.
    """
    if interval is None:
        return None
    try:
        seconds = pd.Timedelta(interval).total_seconds()
    except ValueError as error:
        raise ValueError(
            f"an interval must be a length of time such as '1min'; got {interval!r}"
        ) from error
    if not seconds > 0.0:
        raise ValueError(f"an interval must be above zero; got {interval!r}")
    return seconds


def clock_of(times: np.ndarray) -> np.ndarray:
    """Return days since 1970-01-01 UTC and seconds of that day, float32 `(rows, 2)`.

    Args:
        times: `datetime64` in UTC, `(rows,)`. Both columns are exact in float32.
    """
    seconds = times.astype("datetime64[s]").astype(np.int64)
    return np.column_stack(np.divmod(seconds, SECONDS_A_DAY)).astype(np.float32)
