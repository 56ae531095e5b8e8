"""Times that cannot be read, or not by themselves, each with what to state."""

from __future__ import annotations

import pandas as pd

from ultimate_deep.market.reading.hours import read_hours
from ultimate_deep.market.reading.raw_table import RawTable
from ultimate_deep.market.reading.roles import HOURS, key
from ultimate_deep.market.reading.shown import cell
from ultimate_deep.market.reading.stamps import Stamps
from ultimate_deep.market.validation import BarsError


def refuse_days_alone(table: RawTable, day: int, stamps: Stamps) -> None:
    """Refuse days that are stated to be the times where a column beside them holds the hours."""
    if not table.header or not are_midnights(stamps) or not stamps.times.duplicated().any():
        return
    for at, name in enumerate(table.names):
        hours = read_hours(table.cells[at]) if key(name) in HOURS and at != day else None
        if hours is not None and not joined(stamps, hours).times.duplicated().any():
            raise BarsError(
                f"{table.name}: the column {table.names[day]} holds days, and {name} their hours; "
                f"state both: columns='date={table.names[day]},time={name}'"
            )


def unreadable(table: RawTable, at: int) -> BarsError:
    """Return the error of a column of times in which none could be read."""
    first = table.cells[at].iloc[0] if len(table.cells) else ""
    if ":" in str(first) and read_hours(table.cells[at]) is not None:
        return BarsError(
            f"{table.name}: column {table.names[at] or '(nameless)'} holds hours without a day, "
            f"row 0 is {cell(first)}; add a column date with the days"
        )
    return BarsError(
        f"{table.name}: no time could be read in column {table.names[at] or '(nameless)'}, row 0 "
        f"is {cell(first)}; state how times are written, such as time_format='%d.%m.%Y %H:%M', or "
        "which column holds them, such as columns='time=NAME'"
    )


def unreadable_hours(table: RawTable, at: int, day: int) -> BarsError:
    """Return the error of hours beside days that could not be read."""
    return BarsError(
        f"{table.name}: column {table.names[at]} stands beside days and its hours could not be "
        f"read, row 0 is {cell(table.cells[at].iloc[0])}; write them as 09:30 or 0930, or, where "
        f"they are none, state that the day alone counts: columns='date={table.names[day]}'"
    )


def milliseconds(table: RawTable) -> BarsError:
    """Return the error of small numbers that may be milliseconds of a day."""
    return BarsError(
        f"{table.name}: times such as {cell(table.cells[0].iloc[0])} may be milliseconds of the "
        "day in the file's name, as LEAN writes them; state format='lean', and for other markets "
        "than equities price_scale=1 and their timezone='UTC'"
    )


def are_midnights(stamps: Stamps) -> bool:
    """Return whether all known times are midnights."""
    known = stamps.times.dropna()
    return len(known) > 0 and bool((known == known.normalize()).all())


def joined(days: Stamps, hours: pd.Series) -> Stamps:
    """Return days with the hours beside them."""
    times = days.times + pd.TimedeltaIndex(hours)
    ends = bool((hours == pd.Timedelta(days=1)).any())
    return Stamps(times, f"{days.style}, hours beside them", ends=ends)
