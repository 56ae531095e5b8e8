"""Prices as if splits and dividends had always been paid, by an adjusted close."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ultimate_deep.market.validation import BarsError, RowSieve


def adjust_prices(sieve: RowSieve, name: str, notes: list[str]) -> pd.DataFrame:
    """Return the rows with all prices multiplied by adjusted close over close.

    Args:
        sieve: Rows with the columns of bars and `adjusted`.
        name: What the file calls the adjusted close.
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
        f"All prices are adjusted by {name}, from {factor.min():.4g} to {factor.max():.4g} times "
        "what was paid (adjust='none' takes them as they were)."
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
