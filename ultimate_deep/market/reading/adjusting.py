"""Prices as if splits and dividends had always been paid, by an adjusted close."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from ultimate_deep.market.reading.layouts import Layout
from ultimate_deep.market.reading.raw_table import RawTable
from ultimate_deep.market.reading.roles import key
from ultimate_deep.market.reading.shown import shown
from ultimate_deep.market.validation import BarsError, RowSieve

ADJUSTED_VOLUMES = ("adjvolume", "adjustedvolume", "volumeadj", "volumeadjusted", "adjvol")


def with_adjusted_volume(layout: Layout, table: RawTable, *, stated: bool) -> Layout:
    """Return a layout whose volume is adjusted where its prices are: 4 shares after a split of 4:1.

    Args:
        layout: What the columns of a table are.
        table: Cells and names.
        stated: Whether the caller says which column is the volume.
    """
    columns = layout.columns[0]
    if stated or len(layout.columns) > 1 or columns.adjusted is None:
        return layout
    found = [at for at, name in enumerate(table.names)
             if key(name, noted=True) in ADJUSTED_VOLUMES and at not in columns.used]  # fmt: skip
    if len(found) != 1:
        return layout
    return replace(layout, columns=(replace(columns, volume=found[0]),))


def note_unused(layout: Layout, table: RawTable) -> tuple[str, ...]:
    """Return a sentence on columns that adjust prices in a way that is not followed."""
    if any(columns.adjusted is not None for columns in layout.columns):
        return ()
    used = {at for columns in layout.columns for at in columns.used}
    names = [name for at, name in enumerate(table.names)
             if at not in used and table.header and _adjusts(key(name, noted=True))]  # fmt: skip
    if not names:
        return ()
    return (
        f"{table.name}: {shown(names, 4)} left out: prices are taken as they stand, and nothing "
        "tells whether they are adjusted.",
    )


def _adjusts(name: str) -> bool:
    return name.startswith("adj") or name.endswith(("adj", "adjusted", "factor", "ajexdi"))


def adjust_prices(sieve: RowSieve, name: str, file: str, notes: list[str]) -> pd.DataFrame:
    """Return the rows with all prices multiplied by adjusted close over close.

    Args:
        sieve: Rows with the columns of bars and `adjusted`.
        name: What the file calls the adjusted close.
        file: The file's name.
        notes: A sentence is added to them where anything changes.

    Raises:
        BarsError: An adjusted close that is no price.
    """
    frame = sieve.frame
    close, adjusted = frame["close"].to_numpy(), frame["adjusted"].to_numpy()
    bad = ~(np.isfinite(adjusted) & (adjusted > 0) & (close > 0))
    if bad.any():
        row = int(np.argmax(bad))
        raise BarsError(
            f"{sieve.symbol}: prices are adjusted by {name}, which is {adjusted[row]:.10g} in row "
            f"{sieve.rows[row]} (close {close[row]:.10g}); correct it, or read the prices as they "
            "were: adjust='none'"
        )
    factor = adjusted / close
    if np.abs(factor - 1.0).max() < 1e-12:
        return frame
    notes.append(
        f"{file}: all prices are adjusted by {name}, from {factor.min():.4g} to "
        f"{factor.max():.4g} times what was paid (adjust='none' takes them as they were)."
    )
    # The close is the adjusted close itself, to the last bit, as is all that equals it.
    prices = {
        one: np.where(frame[one] == close, adjusted, frame[one] * factor)
        for one in ("open", "high", "low")
    }
    # High and low hold open and close as before, whatever the last bit is rounded to.
    for one, outer in (("high", np.maximum), ("low", np.minimum)):
        held = frame[one] == outer(frame[one], outer(frame["open"], close))
        body = outer(prices["open"], adjusted)
        prices[one] = np.where(held, outer(prices[one], body), prices[one])
    return frame.assign(**prices, close=adjusted)
