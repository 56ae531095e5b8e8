"""From the times of a file to instants: whose zone they are in, and the hours of clock changes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ultimate_deep.market.reading.formats import FORMATS
from ultimate_deep.market.reading.layouts import Layout, Statement
from ultimate_deep.market.validation import BarsError, RowSieve


def localise(sieve: RowSieve, name: str, layout: Layout, stated: Statement) -> tuple[str, str]:
    """Turn naive times of a zone into UTC; return the market's zone, and in words whose it is.

    Args:
        sieve: Rows by their times.
        name: The file's name, for messages.
        layout: What its columns are.
        stated: What the caller says of it.

    Raises:
        BarsError: Times without a zone, or that name no instant or two.
    """
    index = pd.DatetimeIndex(sieve.frame.index)
    form, own = layout.format, layout.times.stamps.zone
    other = stated.timezone if stated.timezone not in (None, own or "UTC") else None
    if index.tz is not None:
        days = f", its days in {other} as stated" if other else ""
        return stated.timezone or "UTC", f"UTC as the file says{days}"
    zone = own or stated.timezone or FORMATS[form].timezone
    if zone is None:
        raise BarsError(
            f"{name}: naive time, neither the file nor the format {form} states "
            f"a time zone; row {sieve.rows[0]} is {index[0]}; state it, for example "
            "timezone='UTC'"
        )
    if layout.times.stamps.days:
        # A date names a day and not its midnight, which some clock changes skip.
        local = index.tz_localize(
            zone, ambiguous=np.ones(len(index), dtype=bool), nonexistent="shift_forward"
        )
        sieve.frame = sieve.frame.set_axis(local, axis=0)
    else:
        _certain(sieve, index, zone)
    if own is not None:
        return zone, f"{zone} as the file says{f' and not in {other} as stated' if other else ''}"
    return zone, f"{zone} as {'stated' if stated.timezone else f'the format {form} has it'}"


def _certain(sieve: RowSieve, index: pd.DatetimeIndex, zone: str) -> None:
    """Localise; the hours of clock changes must be certain."""
    try:
        sieve.frame = sieve.frame.set_axis(index.tz_localize(zone, ambiguous="infer"), axis=0)
        return
    except ValueError:
        uncertain = index.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    sieve.apply(
        f"every time names one instant in {zone}",
        np.asarray(uncertain.isna()),
        lambda row: "the clock change skips this time or has it twice",
        remedy="export the file in UTC, or state the right timezone",
    )
    sieve.frame = sieve.frame.set_axis(uncertain.dropna(), axis=0)
