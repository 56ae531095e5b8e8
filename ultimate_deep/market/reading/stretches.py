"""Bars of several lengths in one table: a stretch that comes regularly at another step."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ultimate_deep.market.validation import BarsError

DAY, HOUR = pd.Timedelta(days=1).value, pd.Timedelta(hours=1).value
# So many steps in a row without one of the interval, most of them alike: bars of another length.
STRETCH = 32
MOSTLY_ALIKE = 0.6
# Equal steps in a row are a stretch where chance would make so few of them in the whole table.
CHANCE = 1e-6
# Steps that are rarer may still come together, as in quiet hours.
LEAST_SHARE = 0.3
_WEEKEND_DAYS = 4
_SHORTEST_MONTH, _LONGEST_MONTH = 28, 31


def refuse_stretches(
    symbol: str, index: pd.DatetimeIndex, interval: pd.Timedelta, irregular: str
) -> None:
    """Refuse hours among minutes, or days before hours.

    Args:
        symbol: Name of the market.
        index: When its bars open.
        interval: The most common step.
        irregular: How bars of several lengths are read as they are.

    Raises:
        BarsError: A stretch of bars that come regularly at another length.
    """
    steps = np.diff(index.as_unit("ns").asi8)
    length = interval.as_unit("ns").value
    found = _row_of_equal_steps(_classes(steps, length), length)
    if found is None and length < DAY:
        found = _mostly_other_steps(steps, length)
    if found is None:
        return
    first = steps[found]
    raise BarsError(
        f"{symbol}: most bars come {interval} apart, and those from {index[found]} on "
        f"{pd.Timedelta(int(first), unit='ns')}: these are bars of several lengths; split them, "
        f"one length in each file, or, {irregular}"
    )


def _classes(steps: np.ndarray, length: int) -> np.ndarray:
    """Return steps of which those of days, or of months, are alike."""
    if length < DAY:
        # A day of a clock change has 23 or 25 hours, and Friday's bar is three days long.
        over = (steps + HOUR) % DAY
        days = (steps >= DAY - HOUR) & (steps <= _WEEKEND_DAYS * DAY) & (over <= 2 * HOUR)
        return np.where(days, DAY, steps)
    months = (steps >= _SHORTEST_MONTH * DAY) & (steps <= _LONGEST_MONTH * DAY + HOUR)
    return np.where(months, _SHORTEST_MONTH * DAY, steps)


def _row_of_equal_steps(steps: np.ndarray, length: int) -> int | None:
    """Return where equal steps of another length begin, more in a row than chance has."""
    if len(steps) == 0:
        return None
    starts = np.flatnonzero(np.concatenate([[True], steps[1:] != steps[:-1]]))
    runs = np.diff(np.append(starts, len(steps)))
    kinds = steps[starts]
    # Days among days, and weekends among them, are no other length.
    other = (kinds != length) & ((length < DAY) | (kinds >= 7 * DAY))
    for at in np.argsort(-runs * other, kind="stable")[:16]:
        if not other[at]:
            break
        share = max(LEAST_SHARE, float((steps == kinds[at]).mean()))
        if np.log(len(steps)) + runs[at] * np.log(share) < np.log(CHANCE):
            return int(starts[at])
    return None


def _mostly_other_steps(steps: np.ndarray, length: int) -> int | None:
    count = len(steps) // STRETCH
    if count == 0:
        return None
    stretches = np.sort(steps[: count * STRETCH].reshape(count, STRETCH), axis=1)
    middle = stretches[:, STRETCH // 2]
    alike = (stretches == middle[:, None]).mean(axis=1) >= MOSTLY_ALIKE
    other = alike & (stretches != length).all(axis=1)
    if not other.any():
        return None
    block = int(np.argmax(other))
    return block * STRETCH + int(np.argmax(steps[block * STRETCH :] == middle[block]))
