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
        count: breaks that swallow a bar which the week's usual hours would have had.
        longest: the longest of them, from bar open to bar open; zero without any.
        closings: the other breaks, at which this market is usually closed (nights, weekends).
    """

    count: int
    longest: pd.Timedelta
    closings: int


def find_interval(index: pd.DatetimeIndex) -> pd.Timedelta:
    """Return the most common difference between neighbouring times, the shortest if several are.

    Raises:
        ValueError: with fewer than two times.
    """
    if len(index) < 2:
        raise ValueError(f"An interval needs at least two bars, got {len(index)}.")
    differences, counts = np.unique(np.diff(index.as_unit("ns").asi8), return_counts=True)
    return pd.Timedelta(int(differences[np.argmax(counts)]), unit="ns")


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

    A slot of the week (its n-th interval) is usual when at least 75% of the weeks have a bar in it,
    half below eight weeks; a continuous market has only usual slots. Holidays count as gaps.
    """
    position = (index.as_unit("ns").asi8 - index.as_unit("ns").asi8[0]) // interval.value
    before, after = position[:-1], position[1:]
    breaks = after - before > 1
    if not breaks.any():
        return Gaps(count=0, longest=pd.Timedelta(0), closings=0)
    usual = _usual_slots(index, position, interval, session)
    # Usual slots strictly inside a break, from sums over whole weeks and the week begun.
    before_slot = np.concatenate([[0], np.cumsum(usual)])

    def usual_until(last: np.ndarray) -> np.ndarray:
        weeks, slots = np.divmod(last + 1, len(usual))
        return weeks * before_slot[-1] + before_slot[slots]

    missing = usual_until(after - 1) - usual_until(before)
    is_gap = breaks & (missing > 0)
    longest = np.diff(index.as_unit("ns").asi8)[is_gap].max(initial=0)
    return Gaps(
        count=int(is_gap.sum()),
        longest=pd.Timedelta(int(longest), unit="ns"),
        closings=int((breaks & ~is_gap).sum()),
    )


def _usual_slots(
    index: pd.DatetimeIndex, position: np.ndarray, interval: pd.Timedelta, session: Session
) -> np.ndarray:
    """Return `(slots,)` bool, slot 0 being the first bar's: is a bar usual there?"""
    slots_in_week = max(1, round(WEEK / interval))
    if session == "continuous" or interval > DAY:
        return np.ones(slots_in_week, dtype=bool)
    rows = int(position[-1]) + 1
    if rows < 2 * slots_in_week:
        # Too short to see a week twice: usual times of a day, on Monday to Friday.
        slots_in_day = max(1, round(DAY / interval))
        filled = np.bincount(np.unique(position) % slots_in_day, minlength=slots_in_day)
        days = len(index.normalize().unique())
        slot_day = pd.date_range(index[0], periods=slots_in_week, freq=interval).day_of_week
        return np.resize(2 * filled >= days, slots_in_week) & (np.asarray(slot_day) < SATURDAY)
    filled = np.bincount(np.unique(position) % slots_in_week, minlength=slots_in_week)
    weeks = rows // slots_in_week + (np.arange(slots_in_week) < rows % slots_in_week)
    return filled >= weeks * (0.75 if rows >= 8 * slots_in_week else 0.5)
