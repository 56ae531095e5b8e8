"""Lengths of bars, in words."""

from __future__ import annotations

import pandas as pd


def interval_in_words(interval: pd.Timedelta) -> str:
    """Return a bar's length in the largest unit that divides it, such as `4 hours`."""
    seconds = int(interval.total_seconds())
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}" + ("s" if seconds > size else "")
    return f"{seconds} s"
