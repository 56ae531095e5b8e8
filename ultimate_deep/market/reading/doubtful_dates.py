"""Dates of which two orders of day, month and year are possible: the likely one, or a refusal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ultimate_deep.market.reading.shown import cell
from ultimate_deep.market.validation import BarsError

_AHEAD = pd.Timedelta(days=2)
_LONGEST_BREAK = 7  # days between two days of bars, but for holidays
_SHORTEST_MONTH = 27
# Of 12 days below 13 in each of 12 months there are no more.
_MOST_DAYS = 144
_YEAR_FIRST = re.compile(
    r"(?:times|dates) as (%Y[-/.]?%m[-/.]?%d(?: ?%H:?%M(?::?%S(?:\.?%f)?)?)?)(?:,| with a zone|$)"
)
_LONGER = 20.0  # so many times longer is a span of years than one of days


@dataclass(frozen=True, eq=False)
class Dates:
    """Dates that were read in one way.

    Args:
        times: Naive; NaT where a cell is written otherwise.
        form: How the first of them is written, in the signs of `strptime`.
        days: Whether none of them has an hour.
        ends: Whether some of them are 24:00, the end of a day.
    """

    times: pd.DatetimeIndex
    form: str
    days: bool
    ends: bool = False


def likelier(read: Sequence[Dates], body: pd.Series, where: str) -> Dates:
    """Return the reading of 03-Jan-24 that its file bears out: the day first, or the year.

    No bar is of the future, bars stand in the order of time, and days follow each other sooner
    than years.

    Args:
        read: What each way to write them reads.
        body: Cells as text.
        where: File and column, for messages.

    Raises:
        BarsError: Readings that are both likely.
    """
    most = max(_count(one) for one in read)
    now = pd.Timestamp.now() + _AHEAD
    fits: Sequence[Dates] = [one for one in read if _count(one) == most]
    fits = [one for one in fits if not (one.times.max() > now)] or fits
    for narrow in (_in_order, _within_the_shorter):
        if len(fits) > 1:
            fits = narrow(fits)
    if len(fits) == 1:
        return fits[0]
    row = int(np.argmax(np.asarray(fits[0].times.notna())))
    choices = " or ".join(f"time_format='{one.form}'" for one in fits)
    raise BarsError(
        f"{where}: {cell(body.iloc[row])} in row {row} may be "
        f"{' or '.join(f'{one.times[row]:%d %B %Y}' for one in fits)}, and no other date of the "
        f"file tells; state how times are written: {choices}"
    )


def _count(one: Dates) -> int:
    return int(np.sum(np.asarray(one.times.notna())))


def _in_order(read: Sequence[Dates]) -> Sequence[Dates]:
    known = [one.times.dropna() for one in read]
    ordered = [
        one for one, times in zip(read, known, strict=True)
        if times.is_monotonic_increasing or times.is_monotonic_decreasing
    ]  # fmt: skip
    return ordered or read


def _within_the_shorter(read: Sequence[Dates]) -> Sequence[Dates]:
    spans = [(one.times.max().normalize() - one.times.min().normalize()).days for one in read]
    shortest = min(spans)
    if max(spans) == shortest:
        return read
    return [one for one, span in zip(read, spans, strict=True) if span < _LONGER * shortest or
            span == shortest]  # fmt: skip


def refuse_other_order(times: pd.DatetimeIndex, style: str, first: str, where: str) -> None:
    """Refuse 2023-03-01 where days and months are exchanged: bars of a month's days, months apart.

    Args:
        times: When bars open, with hours.
        style: How they are written, in words; what has no year before the month is passed over.
        first: The first of them as text.
        where: File and column, for messages.

    Raises:
        BarsError: Bars of single days that lie months apart, and days apart if exchanged.
    """
    written = _YEAR_FIRST.match(style)
    if written is None:
        return
    some = times[:: max(1, len(times) // 512)]
    if len(some) < 3 or (some.day > 12).any():
        return
    days = times.normalize().unique().dropna().sort_values()
    if not 2 < len(days) <= _MOST_DAYS or (days.day > 12).any() or len(days) > len(times) / 2:
        return
    exchanged = pd.DatetimeIndex(
        pd.to_datetime({"year": days.year, "month": days.day, "day": days.month})
    ).sort_values()
    far = np.median(np.diff(days.to_numpy()) / np.timedelta64(1, "D"))
    near = np.median(np.diff(exchanged.to_numpy()) / np.timedelta64(1, "D"))
    if far < _SHORTEST_MONTH or near > _LONGEST_BREAK:
        return
    form = written[1].replace(" ", "T") if "T" in first else written[1]
    other = f"{form[:2]}{form[2:].replace('m', '?').replace('d', 'm').replace('?', 'd')}"
    raise BarsError(
        f"{where}: bars of single days come months apart, from {cell(first)} on, and days apart if "
        f"the day stands before the month; state how times are written: time_format='{other}' or "
        f"time_format='{form}'"
    )
