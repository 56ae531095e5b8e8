"""What frames of bars must hold: values of sizes that features can take, times that increase."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from ultimate_deep.features.engine.bar_executor import LARGEST, LEAST
from ultimate_deep.features.engine.graph import COLUMNS
from ultimate_deep.market.times import Unit, index_nanoseconds, unit_of_size

# Seconds since 1970: a number below them may count rows.
_EARLY = 1e8


def check_values(
    columns: npt.NDArray[np.float64], names: Sequence[str], frame: pd.DataFrame
) -> None:
    """Refuse values that no bar can have."""
    if not np.isfinite(columns.sum(axis=1)).all():
        bad = ~np.isfinite(columns)
        if bad.any():
            row = int(bad.any(axis=0).argmax())
            name = names[int(bad[:, row].argmax())]
            raise ValueError(
                f"{name} of the bar at {frame.index[row]} (row {row}) is not finite; "
                "drop or repair such bars first (ultimate_deep.read_bars does)"
            )
    if columns.shape[1] == 0:
        return
    _check_sizes(columns, names, frame)
    if columns[:4].min() <= 0.0 or columns[4].min() < 0.0:
        wrong = np.vstack([columns[:4] <= 0.0, columns[4:5] < 0.0])
        row = int(wrong.any(axis=0).argmax())
        name = COLUMNS[int(wrong[:, row].argmax())]
        raise ValueError(
            f"{name} of the bar at {frame.index[row]} (row {row}) is {frame[name].iloc[row]}; "
            "prices must be above zero and volumes not below it"
        )
    opening, high, low, close = columns[:4]
    outside = np.asarray(np.maximum(opening, close) > high)
    outside |= np.minimum(opening, close) < low
    if outside.any():
        row = int(outside.argmax())
        raise ValueError(
            f"the bar at {frame.index[row]} (row {row}) has open {opening[row]:g}, high "
            f"{high[row]:g}, low {low[row]:g}, close {close[row]:g}; open and close must lie "
            "between low and high: drop or repair such bars first "
            "(ultimate_deep.read_bars does)"
        )


def _check_sizes(
    columns: npt.NDArray[np.float64], names: Sequence[str], frame: pd.DataFrame
) -> None:
    """Refuse values so large or small that features of them would overflow."""
    others = np.abs(columns[[4, *range(6, len(columns))]])
    tiny = ((others < LEAST) & (others > 0.0)).any() or 0.0 < columns[:4].min() < LEAST
    if not tiny and max(columns.max(), -columns.min()) <= LARGEST:
        return
    size = np.abs(columns)
    outside = (size > LARGEST) | ((size < LEAST) & (size > 0.0))
    row = int(outside.any(axis=0).argmax())
    name = names[int(outside[:, row].argmax())]
    raise ValueError(
        f"{name} of the bar at {frame.index[row]} (row {row}) is {frame[name].iloc[row]}; values "
        f"must be 0 or between {LEAST:g} and {LARGEST:g} in size: drop or repair such bars, or "
        "give the column in another unit"
    )


def bar_times(index: pd.Index) -> npt.NDArray[np.int64]:
    """UTC nanoseconds since 1970 of a strictly increasing, tz-aware time index."""
    if not isinstance(index, pd.DatetimeIndex):
        unit = unit_of_numbers(index)
        remedy = (
            f"bars.set_index(pd.to_datetime(bars.index, unit={unit!r}, utc=True))"
            if unit
            else "bars.set_index(pd.to_datetime(bars.pop('timestamp'), utc=True)), with the column "
            "of opening times"
        )
        raise TypeError(
            f"bars must be indexed by time (DatetimeIndex); got {type(index).__name__}; "
            f"give {remedy}"
        )
    if index.tz is None:
        raise ValueError(
            "bar times are naive; state their zone first: frame.tz_localize('UTC') if they are UTC"
        )
    times = index_nanoseconds(index)
    disorder = times[1:] <= times[:-1]
    if disorder.any():
        row = int(disorder.argmax()) + 1
        raise ValueError(
            f"bar times must increase strictly; row {row} ({index[row]}) follows {index[row - 1]}; "
            "sort the frame and drop duplicates"
        )
    return times


def unit_of_numbers(numbers: pd.Index | pd.Series) -> Unit | None:
    """Unit in which numbers count the time since 1970; None where they are none of this age."""
    if len(numbers) == 0 or numbers.dtype.kind not in "iuf" or numbers.min() < _EARLY:
        return None
    return unit_of_size(float(numbers.min()))
