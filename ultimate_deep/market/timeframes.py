"""Coarser bars by the clock in UTC, and when each of them is over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ultimate_deep.market.times import utc_times

_JOINED = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}


@dataclass(frozen=True, eq=False)
class CoarseBars:
    """Coarse bars of one symbol, and which of them is known at each fine bar's close.

    Args:
        frame: Canonical coarse bars that are over by the last fine bar's close; the index is their
            opening time.
        newest: Position in `frame` of the newest coarse bar that is over at each fine bar's close,
            int64 `(fine rows,)`, -1 while there is none.
    """

    frame: pd.DataFrame
    newest: np.ndarray


def coarse_bars(frame: pd.DataFrame, interval: pd.Timedelta, factor: int) -> CoarseBars:
    """Put fine bars together to bars `factor` times as long.

    Coarse bars begin at multiples of their length since 1970 in UTC (15 one-minute bars at :00,
    :15, :30, :45), hold whatever fine bars there are, and are absent where there are none. One is
    known with the fine bar at whose close its span is over: with the last fine bar of the span,
    or, where that is missing, with the next bar that comes. Until then nothing of it is seen.

    Args:
        frame: Canonical bars of one symbol.
        interval: Length of the fine bars.
        factor: Fine bars in a coarse bar.

    Raises:
        ValueError: A factor below 1.
    """
    if factor < 1:
        raise ValueError(f"factor must be at least 1 bar, got {factor}")
    index = pd.DatetimeIndex(frame.index)
    opens = utc_times(index).astype(np.int64)
    span = interval.value * factor
    begins = opens // span * span
    joined = frame[list(_JOINED)].groupby(begins, sort=False).agg(_JOINED)
    ends = joined.index.to_numpy() + span
    closes = opens + interval.value
    newest = np.searchsorted(ends, closes, side="right").astype(np.int64) - 1
    over = int(newest[-1]) + 1 if len(newest) else 0
    coarse = joined.iloc[:over]
    times = pd.DatetimeIndex(coarse.index.to_numpy().astype("datetime64[ns]"), tz="UTC")
    coarse.index = times.as_unit(index.unit).rename(frame.index.name)
    return CoarseBars(coarse, newest)
