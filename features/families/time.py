"""The clock: calendar, trading sessions and gaps between bars, all in UTC.

A bar's time is its open time, which is known long before its close, whatever the interval; the
time since the last bar is measured between open times too.
"""

from ultimate_deep.features.engine.graph import (
    Node,
    between,
    calendar,
    clip,
    column,
    cosine,
    lag,
    log_ratio,
    maximum,
    quantiles,
    sine,
)
from ultimate_deep.features.registry import Feature

SOURCE = "ISO 8601, UTC"


def elapsed() -> Node:
    """Seconds between the opens of the last bar and this one."""
    return column("timestamp") - lag(column("timestamp"), 1)


def elapsed_log(window: int = 20) -> Node:
    """Log of the time since the last bar over its median: above 0 after a gap."""
    return clip(log_ratio(elapsed(), quantiles(elapsed(), window, (0.5,))[0]), 0.0, 8.0)


def session(opens: float, closes: float) -> Node:
    """1 while the UTC hour lies between two hours of a working day, else 0."""
    working_day = between(calendar("weekday"), 0.0, 5.0)
    return between(calendar("hour"), opens, closes) * working_day


def _cycle(name: str, turns: Node, what: str) -> list[Feature]:
    return [
        Feature(f"{name}_sin", sine(turns), SOURCE, f"sine of {what}", None, -1.0, 1.0),
        Feature(f"{name}_cos", cosine(turns), SOURCE, f"cosine of {what}", None, -1.0, 1.0),
    ]


def _calendar() -> list[Feature]:
    hour = calendar("hour")
    week = (calendar("weekday") + hour / 24.0) / 7.0
    return [
        *_cycle("day", hour / 24.0, "the time of the day"),
        *_cycle("hour", hour, "the time within the hour"),
        *_cycle("week", week, "the time of the week"),
        *_cycle("month_day", calendar("month_day"), "the day of the month"),
        *_cycle("year", calendar("year_day"), "the day of the year"),
    ]


def _flags() -> list[Feature]:
    """Usual hours of the three centres in winter; a summer hour off is accepted."""
    weekday = calendar("weekday")
    turn = maximum(
        between(calendar("month_day"), 0.0, 0.1), between(calendar("month_day"), 0.9, 1.0)
    )
    flags = [
        ("session_tokyo", session(0.0, 9.0), "1 from 00 to 09 on working days"),
        ("session_london", session(8.0, 16.5), "1 from 08 to 16:30 on working days"),
        ("session_new_york", session(14.5, 21.0), "1 from 14:30 to 21 on working days"),
        ("friday", between(weekday, 4.0, 5.0), "1 on Fridays"),
        ("weekend", between(weekday, 5.0, 7.0), "1 on Saturdays and Sundays"),
        ("month_turn", turn, "1 in the first and last tenth of the month"),
    ]
    return [Feature(name, node, SOURCE, unit, None, 0.0, 1.0) for name, node, unit in flags]


def _gaps() -> list[Feature]:
    unit = "log of the time since the last bar over its median"
    return [
        Feature("elapsed_log_20", elapsed_log(), "French (1980)", unit, None, 0.0, 8.0),
    ]


def entries() -> list[Feature]:
    """The features of this family."""
    return [*_calendar(), *_flags(), *_gaps()]
