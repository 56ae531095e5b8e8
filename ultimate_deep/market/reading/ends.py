"""Whether times say when bars open or when they end: as stated, as named, or as they look."""

from __future__ import annotations

import pandas as pd

from ultimate_deep.market.config import Stamp
from ultimate_deep.market.reading.layouts import Layout
from ultimate_deep.market.reading.raw_table import RawTable
from ultimate_deep.market.reading.roles import BEGINS, key
from ultimate_deep.market.reading.time_columns import ends_of_bars
from ultimate_deep.market.validation import BarsError


def opens_named(table: RawTable, layout: Layout) -> bool:
    """Return whether a column's name, or the format, says that bars open at its times."""
    if not table.header:
        return layout.format == "binance_klines"
    return key(table.names[layout.times.places[0]]) in BEGINS


def ends_of_times(
    index: pd.DatetimeIndex, table: RawTable, layout: Layout, stamp: Stamp, label: str
) -> bool:
    """Return whether times are the ends of bars.

    Args:
        index: Times of one symbol's rows.
        table: Cells and names.
        layout: What its columns are.
        stamp: What the caller says of its times.
        label: Symbol and file, for messages.

    Raises:
        BarsError: Ends that are not said to be ends, or openings that are said to be.
    """
    if stamp == "close":
        if opens_named(table, layout) and not layout.times.ends:
            what = "the format of Binance's klines"
            if table.header:
                what = f"the column {table.names[layout.times.places[0]]}"
            raise BarsError(
                f"{label}: {what} says when bars open, and stamp='close' states that its times are "
                "their ends; leave stamp out"
            )
        return True
    if layout.times.ends:
        return True
    short = ends_of_bars(index)
    if short or layout.times.stamps.ends:
        which = index[0] if short else "24:00"
        raise BarsError(
            f"{label}: times such as {which} are the ends of bars and not when they open; state "
            "it: stamp='close'"
        )
    return False
