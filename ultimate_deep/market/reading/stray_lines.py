"""Lines of a table that are no bars: a vendor's last words, or the header once more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ultimate_deep.market.reading.layouts import Layout, Statement
from ultimate_deep.market.reading.numbers import read_numbers
from ultimate_deep.market.reading.raw_table import RawTable
from ultimate_deep.market.reading.roles import PRICES, has_prices, key
from ultimate_deep.market.reading.shown import cell, shown
from ultimate_deep.market.validation import BarsError

MOST_STRAY_LINES = 20
MOST_STRAY_SHARE = 0.01


def without_stray_lines(
    table: RawTable, layout: Layout, stated: Statement
) -> tuple[RawTable, Layout, tuple[str, ...]]:
    """Leave out lines that have neither a time nor a price, such as a vendor's last words.

    Args:
        table: Cells and names.
        layout: What the columns are.
        stated: What the caller says of the table.

    Returns:
        The table and its layout without them, and a sentence that says so.

    Raises:
        BarsError: Such a line names the columns below it otherwise.
    """
    timeless = np.asarray(layout.times.stamps.times.isna())
    if not timeless.any():
        return table, layout, ()
    stray = timeless.copy()
    for columns in layout.columns:
        cells = {role: table.cells[at][timeless] for role, at in
                 zip(PRICES, columns.prices, strict=True)}  # fmt: skip
        try:
            numbers, _ = read_numbers(cells, decimal=stated.decimal or "point", separator="",
                                      where=table.name)  # fmt: skip
        except BarsError:
            return table, layout, ()
        priced = np.zeros(len(timeless), dtype=bool)
        priced[timeless] = np.isfinite(np.column_stack(list(numbers.values()))).any(axis=1)
        stray &= ~priced
    many = int(stray.sum())
    if many == 0 or many > max(MOST_STRAY_LINES, MOST_STRAY_SHARE * len(stray)):
        return table, layout, ()
    for at in np.flatnonzero(stray):
        _refuse_other_header(table, int(at))
    row = int(np.argmax(stray))
    texts = [str(one) for one in table.cells.iloc[row] if isinstance(one, str) and one]
    keep = np.flatnonzero(~stray)
    note = (
        f"{table.name}: {many} line{'s' * (many != 1)} without a time and a price left out, the "
        f"first is {cell(' '.join(texts))}."
    )
    kept = replace(table, cells=table.cells.iloc[keep].reset_index(drop=True))
    stamps = replace(layout.times.stamps, times=layout.times.stamps.times[keep])
    return kept, replace(layout, times=replace(layout.times, stamps=stamps)), (note,)


def _refuse_other_header(table: RawTable, row: int) -> None:
    """Refuse a line that names the columns below it otherwise than the header does."""
    names = [str(one) for one in table.cells.iloc[row]]
    if has_prices(names) and [key(one) for one in names] != [key(one) for one in table.names]:
        raise BarsError(
            f"{table.name}: row {row} is another header, with other columns: {shown(names)}; split "
            "the file there"
        )
