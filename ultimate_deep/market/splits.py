"""Chronological train, validation and test parts, purged and embargoed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ultimate_deep.market.config import SplitSpec
from ultimate_deep.market.times import utc_times


@dataclass(frozen=True, eq=False)
class Split:
    """Row numbers of the three parts, int64, in the order of the arrays given.

    Attributes:
        train: Rows whose labels ended before the first boundary (and its embargo).
        validation: Rows between the boundaries whose labels ended before the second.
        test: Rows from the second boundary on.
        boundaries: Decision times (UTC) from which validation and test begin.
        purged: Rows in no part, since their label reaches a later part.
        embargoed: Rows in no part, since their label ends within the embargo.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    boundaries: tuple[pd.Timestamp, pd.Timestamp]
    purged: int
    embargoed: int


def chronological_split(
    decision_time: np.ndarray | pd.DatetimeIndex,
    label_end_time: np.ndarray | pd.DatetimeIndex,
    spec: SplitSpec,
    *,
    interval: pd.Timedelta,
) -> Split:
    """Split pooled rows of one or several symbols at two times common to all.

    The boundaries are quantiles of the pooled decision times; rows of one time stay together. A
    row belongs to an earlier part only if its label ended strictly before the next boundary, or
    before the embargo: the earlier of `embargo_bars` intervals and as many distinct decision times
    before the boundary.

    Args:
        decision_time: `(rows,)` datetime64 in UTC, when each row is decided (a bar's close), in
            any order.
        label_end_time: `(rows,)` datetime64 in UTC, when each row's label is known; not before
            the decision.
        spec: The shares and the embargo.
        interval: Interval of the bars.

    Raises:
        ValueError: Arrays of unequal shape, missing times, labels that end before their
            decision, and when a part would be empty.
    """
    decided, ended = checked_spans(decision_time, label_end_time)
    times = np.unique(decided)
    ordered = np.sort(decided)
    shares = (spec.train_fraction, spec.train_fraction + spec.validation_fraction)
    first, second = (ordered[min(int(share * len(ordered)), len(ordered) - 1)] for share in shares)
    limits = [embargo_limit(times, bound, spec.embargo_bars, interval) for bound in (first, second)]
    in_train = decided < first
    in_validation = (decided >= first) & (decided < second)
    purge = (in_train & (ended >= first)) | (in_validation & (ended >= second))
    late = (in_train & (ended >= limits[0])) | (in_validation & (ended >= limits[1]))
    parts = {
        "train": np.flatnonzero(in_train & ~late),
        "validation": np.flatnonzero(in_validation & ~late),
        "test": np.flatnonzero(decided >= second),
    }
    for name, part in parts.items():
        if len(part) == 0:
            raise ValueError(
                f"the {name} part is empty: {len(decided):,} rows at {len(times):,} times, of "
                f"which {int(late.sum()):,} fall to purge and embargo, for {spec}; give "
                "more bars, other fractions, a shorter horizon or a smaller embargo"
            )
    return Split(
        **parts,
        boundaries=(pd.Timestamp(first, tz="UTC"), pd.Timestamp(second, tz="UTC")),
        purged=int(purge.sum()),
        embargoed=int((late & ~purge).sum()),
    )


def checked_spans(
    decision_time: np.ndarray | pd.DatetimeIndex, label_end_time: np.ndarray | pd.DatetimeIndex
) -> tuple[np.ndarray, np.ndarray]:
    """Return both as naive datetime64[ns] that mean UTC, `(rows,)`.

    Raises:
        ValueError: Empty arrays, unequal shapes, missing times, and labels that end before
            their decision.
    """
    decided = _whole_times(decision_time, "decision_time")
    ended = _whole_times(label_end_time, "label_end_time")
    if decided.shape != ended.shape:
        raise ValueError(
            "decision_time and label_end_time must have one entry for each row, got shapes "
            f"{decided.shape} and {ended.shape}"
        )
    early = ended < decided
    if early.any():
        row = int(np.argmax(early))
        raise ValueError(
            f"a label cannot end before its decision: row {row} is decided at {decided[row]} and "
            f"ends at {ended[row]}"
        )
    return decided, ended


def embargo_limit(
    times: np.ndarray, boundary: np.datetime64, embargo_bars: int, interval: pd.Timedelta
) -> np.datetime64:
    """Return the time from which a label's end is too late for the part before a boundary.

    Args:
        times: Distinct decision times, sorted.
        boundary: The later part's first decision.
        embargo_bars: Intervals, or as many decision times: whichever is more.
        interval: Interval of the bars.
    """
    place = int(np.searchsorted(times, boundary)) - embargo_bars
    by_count = times[max(place, 0)]
    by_clock = boundary - embargo_bars * interval.to_timedelta64()
    return min(by_count, by_clock)


def _whole_times(times: np.ndarray | pd.DatetimeIndex, name: str) -> np.ndarray:
    """Return `utc_times` that are all there."""
    index = pd.DatetimeIndex(times)
    if len(index) == 0:
        raise ValueError(f"{name} is empty; check that any row survived warm-up and ties")
    if index.hasnans:
        row = int(np.argmax(index.isna()))
        raise ValueError(
            f"{name} is missing in row {row}; leave rows without a label out of the split"
        )
    return utc_times(index)
