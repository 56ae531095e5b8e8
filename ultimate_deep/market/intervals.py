"""Lengths of bars, in words."""

from __future__ import annotations

import re

import pandas as pd


def interval_in_words(interval: pd.Timedelta) -> str:
    """Return a bar's length in the largest unit that divides it, such as `4 hours`."""
    seconds = int(interval.total_seconds())
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}" + ("s" if seconds > size else "")
    return f"{seconds} s"


def about_in_words(length: pd.Timedelta) -> str:
    """Return a length of time to three digits, such as `7.33 minutes`."""
    seconds = length.total_seconds()
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60), ("s", 1), ("ms", 1e-3)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def interval_of(given: str | pd.Timedelta, name: str = "interval") -> pd.Timedelta:
    """Return the length of a bar that was given as a text.

    Args:
        given: Such as `15min` or `1d`.
        name: What it was given for, in errors.

    Raises:
        ValueError: It is no length of time above zero.
    """
    try:
        # pandas' next version knows days by the capital alone.
        if isinstance(given, str):
            given = re.sub(r"^(\s*[\d.]+\s*)d(\s*)$", r"\1D\2", given)
        found = pd.Timedelta(given)
    except ValueError:
        found = pd.NaT  # type: ignore[assignment]
    rule = "a length of time" if pd.isna(found) else "above zero"
    if pd.isna(found) or found <= pd.Timedelta(0):
        raise ValueError(f"{name} must be {rule}, got {given!r}; give e.g. '1h' or '5min'")
    return found
