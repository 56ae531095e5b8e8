"""Bars that are not of time: of ticks, volume or dollars, or of several lengths in one file."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ultimate_deep.market.bars import Bars
from ultimate_deep.market.intervals import about_in_words
from ultimate_deep.market.sessions import Session, find_interval, median_interval
from ultimate_deep.market.times import utc_times
from ultimate_deep.market.validation import BarsError

MOSTLY = 0.9
LEAST_STEPS = 30  # fewer say nothing of how long bars are


def refuse_clock(symbol: str, interval: pd.Timedelta | None, session: Session | None) -> None:
    """Refuse what is stated of bars of one length alone.

    Raises:
        BarsError: An interval or a session.
    """
    for name, stated in (("interval", interval), ("session", session)):
        if stated is not None:
            raise BarsError(
                f"{symbol}: irregular bars have no {name}, got {stated}; leave it out, or read "
                "them as bars of one length: bars='regular'"
            )


def remedy(*, of_table: bool) -> str:
    """Return how bars are read as irregular ones: from files, or from a table given in Python."""
    how = "bars='irregular'"
    if of_table:
        how = f"give bars_of_frame(frame, {how}) of ultimate_deep.market"
    return f"where each bar is over when the next one opens, {how} to read them as they are"


def median_step(index: pd.DatetimeIndex) -> pd.Timedelta:
    """Return the median time from one bar to the next."""
    return pd.Timedelta(median_interval(utc_times(index)))


def irregular_bars(symbol: str, frame: pd.DataFrame, *, ends: bool) -> Bars:
    """Return canonical rows as bars of which each is over when the next one opens.

    Args:
        symbol: Name of the market.
        frame: Canonical rows, indexed by when bars open, or end.
        ends: Whether the times are the ends of bars: each then opens no earlier than the one before
            ends, and the first, of which nothing says when it opened, is left out.
    """
    times = pd.DatetimeIndex(frame.index)
    if ends:
        frame = frame.iloc[1:].set_axis(times[:-1], axis=0)
        frame.index.name = "timestamp"
        closes = times[1:]
    else:
        unknown = pd.DatetimeIndex([pd.NaT], tz="UTC").as_unit("ns")
        closes = pd.DatetimeIndex(times[1:].append(unknown))
    return Bars(
        frame=frame, symbol=symbol, interval=median_step(times), session="continuous",
        closes=closes.rename(None), opens_known=not ends,
    )  # fmt: skip


def notes_of(bars: Bars, times: pd.DatetimeIndex) -> list[str]:
    """Return sentences on how irregular bars were read.

    Args:
        bars: Bars as read.
        times: Times of the file.
    """
    known = (
        "a bar's time is its end, its label is known when the last bar of its horizon is over, and "
        "the first bar, which opened nobody knows when, is left out"
        if not bars.opens_known
        else "a bar is over when the next one opens"
    )
    notes = [
        f"Irregular bars as stated, {about_in_words(bars.interval)} long in the median and about "
        f"{bars.bars_per_year:,.0f} a year by the time elapsed: horizons count bars, purging goes "
        f"by the clock; {known}."
    ]
    steps = np.diff(times.asi8)
    common = find_interval(times)
    share = float((steps == common.as_unit("ns").value).mean())
    if len(steps) >= LEAST_STEPS and share >= MOSTLY:
        sooner = int((steps < common.as_unit("ns").value).sum())
        look = f", and {sooner:,} of them would know of a bar what comes after the next one opened"
        notes.append(
            f"{share:.1%} of the bars follow one another by {common}: if that is how long they "
            f"last, they are no irregular bars{look if sooner else ''}."
        )
    return notes
