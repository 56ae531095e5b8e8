"""What the engines read from a frame of bars, checked once."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from ultimate_deep.evaluation.arrays import Array1D
from ultimate_deep.portfolio.arrays import read_only
from ultimate_deep.portfolio.costs import DAYS_PER_YEAR

_TICKS_PER_DAY = {"s": 86_400.0, "ms": 86_400e3, "us": 86_400e6, "ns": 86_400e9}


def checked_index(frame: pd.DataFrame) -> pd.DatetimeIndex:
    """Return the open times.

    Raises:
        ValueError: No `open` column, no rows, an index that is no time or not increasing.
    """
    if "open" not in frame.columns:
        raise ValueError(
            f"bars need an `open` column, got {list(frame.columns)}; read them with `read_bars`"
        )
    index = frame.index
    if not isinstance(index, pd.DatetimeIndex):
        raise ValueError(
            f"bars need a DatetimeIndex, got {type(index).__name__}; "
            "set the open times as the index"
        )
    if len(frame) == 0:
        raise ValueError("bars must have at least one row, got none; check the split's dates")
    if not index.is_monotonic_increasing or not index.is_unique:
        raise ValueError(
            "open times must be strictly increasing; sort the bars and drop duplicates, "
            "one symbol at a time"
        )
    return index


def column(frame: pd.DataFrame, name: str, *, reason: str) -> Array1D:
    """Return a column as float64 in one piece of memory, shape `(rows,)`.

    Raises:
        ValueError: The column is absent; `reason` says what needs it.
    """
    if name not in frame.columns:
        raise ValueError(
            f"{reason} needs a `{name}` column, got {list(frame.columns)}; "
            "read the bars with `read_bars`"
        )
    return read_only(np.ascontiguousarray(frame[name].to_numpy(dtype=np.float64)))


def bad_price(name: str, price: Array1D, row: int, index: pd.DatetimeIndex) -> ValueError:
    """The error for a price that is NaN, infinite or not positive."""
    return ValueError(
        f"{name} must be positive and finite, got {price[row]} at row {row} "
        f"({index[row]}); repair the bars with `read_bars(..., repair='drop')`"
    )


def price_column(frame: pd.DataFrame, name: str, *, reason: str) -> Array1D:
    """Return a column of prices, shape `(rows,)`.

    Raises:
        ValueError: The column is absent, or a price is NaN, infinite or not positive.
    """
    price = column(frame, name, reason=reason)
    bad = ~((price > 0.0) & (price < np.inf))  # NaN fails both
    if bad.any():
        assert isinstance(frame.index, pd.DatetimeIndex)
        raise bad_price(name, price, int(np.argmax(bad)), frame.index)
    return price


def volume_column(frame: pd.DataFrame, *, reason: str) -> Array1D:
    """Return the volume, shape `(rows,)`.

    Raises:
        ValueError: The column is absent, or a volume is NaN, infinite or negative.
    """
    volume = column(frame, "volume", reason=reason)
    bad = ~((volume >= 0.0) & (volume < np.inf))
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"volume must be finite and not negative, got {volume[row]} at row {row} "
            f"({frame.index[row]}); repair the bars with `read_bars(..., repair='drop')`"
        )
    return volume


def years_to_next(index: pd.DatetimeIndex) -> Array1D:
    """Time from each open to the next in years of 365 days, shape `(rows,)`; the last is 0."""
    years = np.zeros(len(index))
    ticks: npt.NDArray[np.int64] = index.asi8
    np.divide(np.diff(ticks), _TICKS_PER_DAY[index.unit] * DAYS_PER_YEAR, out=years[:-1])
    return years
