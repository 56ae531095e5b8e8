"""Which rows may train beside a test period: those whose label shares no moment with it.

Source: Lopez de Prado (2018), Advances in Financial Machine Learning, sec. 7.4.1 (purging) and
7.4.2 (embargo). We embargo both sides of a test period, he the later one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ultimate_deep.market.sessions import median_interval
from ultimate_deep.market.splits import checked_spans

_Times = np.ndarray | pd.DatetimeIndex


@dataclass(frozen=True, eq=False)
class Spans:
    """From when to when each row's label reaches, pooled over symbols, in any order.

    Attributes:
        decided: `(rows,)` datetime64[ns] in UTC, when each row is decided.
        ended: `(rows,)` when each row's label is known, not before the decision.
        times: The distinct decision times, sorted.
        place: `(rows,)` position of each row's decision in `times`.
        interval: Interval of the bars.
    """

    decided: np.ndarray
    ended: np.ndarray
    times: np.ndarray
    place: np.ndarray
    interval: np.timedelta64

    @classmethod
    def from_times(
        cls,
        decision_time: _Times,
        label_end_time: _Times,
        *,
        interval: pd.Timedelta | None = None,
    ) -> Spans:
        """Check and sort out the times.

        Args:
            decision_time: `(rows,)` datetime64 in UTC, in any order; several rows may share one.
            label_end_time: `(rows,)` datetime64 in UTC.
            interval: Interval of the bars; the median step between decisions where absent.

        Raises:
            ValueError: Arrays that are empty or of unequal length, missing times, a label that
                ends before its decision, or an interval that is not positive.
        """
        decided, ended = checked_spans(decision_time, label_end_time)
        times, place = np.unique(decided, return_inverse=True)
        return cls(decided, ended, times, place, _given_or_found(times, interval))

    def __len__(self) -> int:
        return len(self.decided)


@dataclass(frozen=True)
class Period:
    """A test period: consecutive decision times that no training label may touch.

    Attributes:
        first: Position in `Spans.times` of its first decision.
        stop: Position after that of its last one.
        start: Its first decision's time.
        end: When the last of its labels is known.
    """

    first: int
    stop: int
    start: np.datetime64
    end: np.datetime64


@dataclass(frozen=True, eq=False)
class Fold:
    """One split of the rows; row numbers ascend, int64, and are in one of the parts at most.

    Attributes:
        train: Rows that may train.
        test: Rows of the test periods.
        purged: Rows left out since their label shares a moment with a test period.
        embargoed: Rows left out since they come nearer to a test period than the embargo.
        periods: The test periods, oldest first.
    """

    train: np.ndarray
    test: np.ndarray
    purged: np.ndarray
    embargoed: np.ndarray
    periods: tuple[Period, ...]


def period_between(spans: Spans, first: int, stop: int) -> Period:
    """Return the period of the decision times from `first` to before `stop`."""
    inside = (spans.place >= first) & (spans.place < stop)
    return Period(first, stop, spans.times[first], spans.ended[inside].max())


def purged_fold(
    spans: Spans, candidates: np.ndarray, periods: tuple[Period, ...], embargo_bars: int
) -> Fold:
    """Take from the candidates all that touch or come too near to a test period.

    A row may train beside a period if its label ended strictly before the period's first decision,
    or if it was decided strictly after the period's last label was known. The embargo widens the
    period on both sides by `embargo_bars` intervals or as many distinct decision times, whichever
    is more.

    Args:
        spans: Spans of all rows.
        candidates: `(rows,)` bool, which rows would train.
        periods: Test periods, oldest first.
        embargo_bars: Bars of the embargo, not negative.
    """
    test = np.zeros(len(spans), bool)
    touching, near = test.copy(), test.copy()
    for period in periods:
        test |= (spans.place >= period.first) & (spans.place < period.stop)
        touching |= _reaches(spans, period.start, period.end)
        near |= _reaches(spans, *_widened(spans, period, embargo_bars))
    asked = candidates & ~test
    purged, embargoed = asked & touching, asked & near & ~touching
    return Fold(
        train=np.flatnonzero(asked & ~touching & ~near),
        test=np.flatnonzero(test),
        purged=np.flatnonzero(purged),
        embargoed=np.flatnonzero(embargoed),
        periods=periods,
    )


def _reaches(spans: Spans, start: np.datetime64, end: np.datetime64) -> np.ndarray:
    return (spans.ended >= start) & (spans.decided <= end)


def _widened(
    spans: Spans, period: Period, embargo_bars: int
) -> tuple[np.datetime64, np.datetime64]:
    if embargo_bars == 0:
        return period.start, period.end
    times, width = spans.times, embargo_bars * spans.interval
    after = int(np.searchsorted(times, period.end, side="right"))
    start = times[max(period.first - embargo_bars, 0)]
    end = times[min(after + embargo_bars, len(times)) - 1]
    return min(start, period.start - width), max(end, period.end + width)


def _given_or_found(times: np.ndarray, interval: pd.Timedelta | None) -> np.timedelta64:
    if interval is None:
        return median_interval(times)
    if interval <= pd.Timedelta(0):
        raise ValueError(f"interval must be positive, got {interval}; give the bars' length")
    return interval.to_timedelta64()
