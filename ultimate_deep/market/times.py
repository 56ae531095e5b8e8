"""Times of bars and decisions as plain arrays: naive `datetime64` that means UTC."""

from __future__ import annotations

import numpy as np
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


def clock_of(times: np.ndarray) -> np.ndarray:
    """Return days since 1970-01-01 UTC and seconds of that day, float32 `(rows, 2)`.

    Args:
        times: `datetime64` in UTC, `(rows,)`. Both columns are exact in float32.
    """
    seconds = times.astype("datetime64[s]").astype(np.int64)
    return np.column_stack(np.divmod(seconds, SECONDS_A_DAY)).astype(np.float32)
