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


def find_session(index: pd.DatetimeIndex, interval: pd.Timedelta) -> tuple[Session, bool]:
    """Return the session, and whether the times settle it.

    A day counts as full from 80% of its bars. Full days with Saturdays are `"continuous"`, without
    them `"weekdays"`, shorter days are `"exchange"`. Times that reach over no Saturday do not tell
    the first two apart: the answer is then `"continuous"`, not settled. Daily bars without
    Saturdays are `"exchange"`, unless more than 256 a year.
    """
    if interval > DAY:
        return "continuous", True
    week_day = index.day_of_week
    days = index.normalize()
    weekends_seen = bool(((days.unique()[:-1] + DAY).day_of_week == SATURDAY).any())
    saturdays = float((week_day == SATURDAY).mean()) > 0.05
    if interval == DAY:
        if saturdays:
            return "continuous", True
        often = _measured_bars_per_year(index) > 256
        return ("weekdays" if often else "exchange"), index[-1] - index[0] > YEAR
    bars_per_day = float(np.median(np.unique(days.asi8, return_counts=True)[1]))
    if bars_per_day * interval < 0.8 * DAY:
        return "exchange", True
    if weekends_seen and not saturdays:
        return "weekdays", True
    return "continuous", weekends_seen


def find_bars_per_year(index: pd.DatetimeIndex, interval: pd.Timedelta, session: Session) -> float:
    """Return the bars of an average year, for annualisation.

    Continuous markets have all of 365.25 days. The others are measured where the times cover a
    year (breaks above ten days left out), else 5 days in 7, or 252 times the median bars of a day.
    """
    if session == "continuous":
        return float(YEAR / interval)
    if index[-1] - index[0] >= YEAR:
        return _measured_bars_per_year(index)
    if session == "weekdays":
        return float(YEAR / interval) * 5 / 7
    bars_per_day = np.median(np.unique(index.normalize().asi8, return_counts=True)[1])
    return float(bars_per_day) * EXCHANGE_DAYS_PER_YEAR


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
        return Gaps(count=0, longest=pd.Timedelta(0), closings=0)
    filled = np.zeros(int(position[-1]) + 1, dtype=bool)
    filled[position] = True
    usual_until = np.cumsum(_usual_hours(index, filled, interval, session))
    missing = usual_until[position[1:] - 1] - usual_until[position[:-1]]
    is_gap = breaks & ((missing > 0) | (steps > LONGEST_CLOSING.as_unit("ns").value))
    return Gaps(
        count=int(is_gap.sum()),
        longest=pd.Timedelta(int(steps[is_gap].max(initial=0)), unit="ns"),
        closings=int((breaks & ~is_gap).sum()),
    )


def _usual_hours(
    index: pd.DatetimeIndex, filled: np.ndarray, interval: pd.Timedelta, session: Session
) -> np.ndarray:
    """Return for each interval since the first bar whether a bar is usual there, `(slots,)`."""
    week = max(1, round(WEEK / interval))
    if session == "continuous" or interval > DAY:
        return np.ones(len(filled), dtype=bool)
    if len(filled) >= 2 * week:
        return _filled_around(filled, week)
    day = max(1, round(DAY / interval))
    often = 2 * np.bincount(np.flatnonzero(filled) % day, minlength=day)
    days = index.normalize().unique()
    trading_days = (days.day_of_week < SATURDAY).sum()
    day_of_week = pd.date_range(index[0], periods=len(filled), freq=interval).day_of_week
    return np.resize(often >= trading_days, len(filled)) & np.asarray(day_of_week < SATURDAY)


def _filled_around(filled: np.ndarray, week: int) -> np.ndarray:
    """Return whether there are bars one or two weeks before and after.

    Where the times do not reach a week to one side, both weeks of the other side count, as far as
    they are there.
    """
    before, before_both = _filled_before(filled, week)
    after, after_both = (side[::-1] for side in _filled_before(filled[::-1], week))
    around = before & after
    around[:week] = after_both[:week]
    around[-week:] = before_both[-week:]
    return around


def _filled_before(filled: np.ndarray, week: int) -> tuple[np.ndarray, np.ndarray]:
    """Return whether there is a bar one or two weeks before, and whether in both."""
    one = np.zeros(len(filled), dtype=bool)
    one[week:] = filled[:-week]
    two = one.copy()
    two[2 * week :] = filled[: -2 * week]
    return one | two, one & two
