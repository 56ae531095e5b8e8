"""When a market trades: its interval, session, bars per year and gaps, found from timestamps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

Session = Literal["continuous", "weekdays", "exchange"]
"""Around the clock all week; around the clock from Monday to Friday; exchange hours."""

DAY = pd.Timedelta(days=1)
WEEK = pd.Timedelta(days=7)
YEAR = pd.Timedelta(days=365.25)
EXCHANGE_DAYS_PER_YEAR = 252
LONGEST_CLOSING = pd.Timedelta(days=10)
SATURDAY = 5
LONGEST_BREAK = pd.Timedelta(hours=4)  # of a day, in a market that is open around the clock
SLOTS_AT_ONCE = 4_000_000


@dataclass(frozen=True, kw_only=True)
class Gaps:
    """Breaks between neighbouring bars that are longer than the interval.

    Attributes:
        count: Breaks that swallow a bar which the week's usual hours would have had.
        longest: The longest of them, from bar open to bar open; zero without any.
        closings: The other breaks, at which this market is usually closed (nights, weekends).
    """

    count: int
    longest: pd.Timedelta
    closings: int


NO_GAPS = Gaps(count=0, longest=pd.Timedelta(0), closings=0)


def find_interval(index: pd.DatetimeIndex) -> pd.Timedelta:
    """Return the most common difference between neighbouring times, the shortest if several are.

    Raises:
        ValueError: Fewer than two times.
    """
    if len(index) < 2:
        raise ValueError(f"an interval needs at least two bars, got {len(index)}")
    differences, counts = np.unique(np.diff(index.as_unit("ns").asi8), return_counts=True)
    return pd.Timedelta(int(differences[np.argmax(counts)]), unit="ns")


def median_interval(times: np.ndarray) -> np.timedelta64:
    """Return the median difference between neighbouring times; zero with fewer than two.

    For times of decisions, which may be those of several symbols; a market's own interval, the
    most common difference, is `find_interval`.

    Args:
        times: `datetime64[ns]`, ascending.
    """
    if len(times) < 2:
        return np.timedelta64(0, "ns")
    return np.timedelta64(int(np.median(np.diff(times).astype(np.int64))), "ns")


def find_session(
    index: pd.DatetimeIndex, interval: pd.Timedelta, zone: str = "UTC"
) -> tuple[Session, bool]:
    """Return the session, and whether the times settle it.

    A day counts as full from 80% of its bars; the first and the last day, which the file cuts off,
    do not count. Full days on all days of the week are `"continuous"`; without one or two of them,
    whichever they are, `"weekdays"`; shorter days are `"exchange"`, not settled if they are on all
    seven. Times that reach over no whole
    week do not tell the first two apart: the answer is then `"continuous"`, not settled. Daily bars
    on five days of the week are `"exchange"`, unless more than 256 a year.

    Args:
        index: When bars open, in UTC.
        interval: Length of a bar.
        zone: Zone in which the market has its days.
    """
    if interval > DAY:
        return "continuous", True
    local = index.tz_convert(zone)
    closed = _closed_days(local)
    week_seen = index[-1] - index[0] >= WEEK
    if interval == DAY:
        if week_seen and closed == 0:
            return "continuous", len(index) >= 4 * 7
        if not week_seen:
            return "exchange" if closed else "continuous", False
        often = _measured_bars_per_year(index) > 256
        return ("weekdays" if often else "exchange"), index[-1] - index[0] > YEAR
    days, bars = np.unique(local.tz_localize(None).normalize().asi8, return_counts=True)
    if len(days) < 3:
        # No day is whole: only the longest run without a break says anything.
        longest = _longest_run(index, interval)
        return ("exchange" if longest < DAY / 2 else "continuous"), False
    if float(np.median(bars[1:-1])) * interval < 0.8 * DAY:
        # Short days on all seven may be a market around the clock that lacks bars.
        return "exchange", not (week_seen and closed == 0)
    if week_seen and closed:
        return "weekdays", True
    return "continuous", week_seen


def _closed_days(local: pd.DatetimeIndex) -> int:
    """Return on how many days of the week there are next to no bars."""
    counts = np.bincount(local.day_of_week, minlength=7)
    return int((counts < 0.05 * counts.max()).sum())


def _longest_run(index: pd.DatetimeIndex, interval: pd.Timedelta) -> pd.Timedelta:
    """Return the longest time from the open of a bar to the end of one without a break between."""
    whole = np.diff(index.as_unit("ns").asi8) <= interval.as_unit("ns").value
    edges = np.flatnonzero(np.concatenate([[True], ~whole, [True]]))
    return interval * int(np.diff(edges).max())


def find_bars_per_year(index: pd.DatetimeIndex, interval: pd.Timedelta, session: Session) -> float:
    """Return the bars of an average year, for annualisation.

    Continuous markets have all of 365.25 days. The others are measured where the times cover a
    year (breaks above ten days left out), else 5 days in 7 (less a break of every day), or 252
    times the median bars of a day (365.25 times where all days of the week have bars).
    """
    if session == "continuous":
        return float(YEAR / interval)
    if index[-1] - index[0] >= YEAR:
        return _measured_bars_per_year(index)
    if session == "weekdays":
        return float(YEAR / interval) * 5 / 7 * (1.0 - _daily_break(index, interval) / DAY)
    bars_per_day = np.median(np.unique(index.normalize().asi8, return_counts=True)[1])
    every_day = index[-1] - index[0] >= 2 * WEEK and _closed_days(index) == 0
    return float(bars_per_day) * (YEAR / DAY if every_day else EXCHANGE_DAYS_PER_YEAR)


def _daily_break(index: pd.DatetimeIndex, interval: pd.Timedelta) -> pd.Timedelta:
    """Return how long a market is closed at one hour of most of its days, zero where it is not.

    Futures have such a break of an hour; a clock change moves it by one in UTC.
    """
    length, hour = interval.as_unit("ns").value, 3_600_000_000_000
    stamps = index.as_unit("ns").asi8
    closed = np.diff(stamps) - length
    breaks = (closed >= hour // 2) & (closed <= LONGEST_BREAK.as_unit("ns").value)
    at = ((stamps[:-1][breaks] + length) // hour) % 24
    counts = np.bincount(at, minlength=24)
    often = counts + np.roll(counts, -1)
    first = int(np.argmax(often))
    if often[first] < 0.5 * index.normalize().nunique():
        return pd.Timedelta(0)
    usual = np.isin(at, [first, (first + 1) % 24])
    return pd.Timedelta(int(np.median(closed[breaks][usual])), unit="ns")


def elapsed_bars_per_year(edges: pd.DatetimeIndex) -> float:
    """Return the bars of an average year by the time that went by.

    Args:
        edges: When each bar opens, and when the last one closes where that is known.
    """
    return float((len(edges) - 1) * (YEAR / (edges[-1] - edges[0])))


def _measured_bars_per_year(index: pd.DatetimeIndex) -> float:
    steps = np.diff(index.as_unit("ns").asi8)
    covered = steps[steps <= LONGEST_CLOSING.as_unit("ns").value]
    if len(covered) == 0:
        return float(YEAR / find_interval(index))
    return float(len(covered) * YEAR.as_unit("ns").value / covered.sum())


def find_gaps(index: pd.DatetimeIndex, interval: pd.Timedelta, session: Session) -> Gaps:
    """Return the gaps, telling missing bars from the hours at which this market is closed.

    A missing bar is usual, and its break a gap, when one or two weeks before *and* after there is
    a bar (where the times reach so far), which a clock change does not disturb. In times of less
    than two weeks it is usual on Monday to Friday if half of the days have a bar at its hour. In a
    continuous market, and in breaks above ten days, every bar is usual. Holidays count as gaps.
    """
    stamps = index.as_unit("ns").asi8
    steps = np.diff(stamps)
    position = (stamps - stamps[0]) // interval.as_unit("ns").value
    breaks = np.diff(position) > 1
    if not breaks.any():
        return NO_GAPS
    # Breaks above ten days are gaps whatever the hours, so that a far stamp costs no memory.
    long = steps > LONGEST_CLOSING.as_unit("ns").value
    is_gap = breaks & long
    asked = np.flatnonzero(breaks & ~long)
    usual = _UsualHours(index, position, interval, session)
    for rows in _batches(asked, position):
        is_gap[rows] = usual.any_missing(rows)
    return Gaps(
        count=int(is_gap.sum()),
        longest=pd.Timedelta(int(steps[is_gap].max(initial=0)), unit="ns"),
        closings=int((breaks & ~is_gap).sum()),
    )


def _batches(rows: np.ndarray, position: np.ndarray) -> list[np.ndarray]:
    """Return breaks in groups of about as many missing bars as fit in memory easily."""
    if len(rows) == 0:
        return []
    missing = np.cumsum(position[rows + 1] - position[rows] - 1)
    return np.split(rows, np.flatnonzero(np.diff(missing // SLOTS_AT_ONCE)) + 1)


class _UsualHours:
    """Whether a missing bar stands at hours at which this market usually trades.

    Args:
        index: When bars open.
        position: Intervals since the first bar, of each bar, `(bars,)`.
        interval: Length of a bar.
        session: When the market trades.
    """

    def __init__(
        self,
        index: pd.DatetimeIndex,
        position: np.ndarray,
        interval: pd.Timedelta,
        session: Session,
    ) -> None:
        self.position = position
        self.start, self.interval = index[0], interval
        self.week = max(1, round(WEEK / interval))
        self.slots = int(position[-1]) + 1
        self.always = session == "continuous" or interval > DAY
        self.by_week = self.slots >= 2 * self.week
        self.day = max(1, round(DAY / interval))
        if not self.always and not self.by_week:
            days = index.normalize().unique()
            trading_days = int((days.day_of_week < SATURDAY).sum())
            often = 2 * np.bincount(np.unique(position) % self.day, minlength=self.day)
            self.often = often >= trading_days

    def any_missing(self, rows: np.ndarray) -> np.ndarray:
        """Return for each break whether it swallows a bar that is usual there.

        Args:
            rows: Position, in the bars, of the bar before each break.
        """
        if self.always:
            return np.ones(len(rows), dtype=bool)
        first, last = self.position[rows] + 1, self.position[rows + 1]
        lengths = last - first
        starts = np.cumsum(lengths) - lengths
        slots = np.arange(int(lengths.sum())) - np.repeat(starts - first, lengths)
        usual = self._around(slots) if self.by_week else self._often(slots)
        found: np.ndarray = np.add.reduceat(usual.astype(np.int64), starts) > 0
        return found

    def _often(self, slots: np.ndarray) -> np.ndarray:
        opens = self.start + self.interval * pd.Index(slots)
        week_day = pd.DatetimeIndex(opens).day_of_week
        usual: np.ndarray = self.often[slots % self.day] & np.asarray(week_day < SATURDAY)
        return usual

    def _around(self, slots: np.ndarray) -> np.ndarray:
        """Return whether there are bars one or two weeks before and after.

        Where the times do not reach a week to one side, both weeks of the other side count, as far
        as they are there.
        """
        week = self.week
        one_before, two_before = self._filled(slots - week), self._filled(slots - 2 * week)
        one_after, two_after = self._filled(slots + week), self._filled(slots + 2 * week)
        around = (one_before | two_before) & (one_after | two_after)
        second_after = np.where(slots + 2 * week < self.slots, two_after, one_after)
        second_before = np.where(slots - 2 * week >= 0, two_before, one_before)
        around = np.where(slots < week, one_after & second_after, around)
        usual: np.ndarray = np.where(slots >= self.slots - week, one_before & second_before, around)
        return usual

    def _filled(self, slots: np.ndarray) -> np.ndarray:
        """Return whether there is a bar at these intervals since the first."""
        at = np.searchsorted(self.position, slots)
        filled: np.ndarray = self.position[np.minimum(at, len(self.position) - 1)] == slots
        return filled
