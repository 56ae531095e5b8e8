"""Order-book snapshots of a simulated market: what the book looks like at each bar's close."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

LEVELS = 5
SIDES = ("bid", "ask")
BOOK_COLUMNS = tuple(
    f"{side}_{kind}_{level}"
    for side in SIDES
    for kind in ("price", "size")
    for level in range(1, LEVELS + 1)
)

PRESSURE_MEMORY = 0.9
PRESSURE_SCALE = 0.6
SIZE_NOISE = 0.4
HALF_SPREAD = 0.05  # of the bar's sigma
LEVEL_GAP = 0.04
SIZE_SHARE = 0.02  # of the bar's volume, at the best level
SIZE_GROWTH = 1.15


@dataclass(frozen=True, eq=False)
class BookNoise:
    """What is drawn of a book.

    Attributes:
        size_log: `(rows, 2, LEVELS)` log of each size over its usual one; bids first.
        spread_log: `(rows,)` log of the spread over its usual one.
    """

    size_log: np.ndarray
    spread_log: np.ndarray

    @classmethod
    def draw(cls, rows: int, generator: np.random.Generator) -> BookNoise:
        """Draw books whose pressure (bids large, asks small, or the reverse) dies out slowly."""
        from scipy.signal import lfilter  # takes a while to import, and few markets have a book

        fresh = generator.standard_normal(rows) * np.sqrt(1 - PRESSURE_MEMORY**2)
        pressure = PRESSURE_SCALE * lfilter([1.0], [1.0, -PRESSURE_MEMORY], fresh)
        size_log = SIZE_NOISE * generator.standard_normal((rows, 2, LEVELS))
        size_log += pressure[:, None, None] * np.array([1.0, -1.0])[:, None]
        return cls(size_log, 0.3 * generator.standard_normal(rows))

    def imbalance(self) -> np.ndarray:
        """Return bid less ask size over their sum, all levels, in (-1, 1), `(rows,)`."""
        bids, asks = (np.exp(self.size_log) * _usual_sizes()).sum(axis=2).T
        return (bids - asks) / (bids + asks)

    def snapshots(self, close: np.ndarray, volume: np.ndarray, sigma: np.ndarray) -> np.ndarray:
        """Return the columns `BOOK_COLUMNS`, `(rows, 20)`.

        Bids fall and asks rise level by level, and the close lies strictly between the best two.

        Args:
            close: Last price of each bar, `(rows,)`.
            volume: What was traded in it, `(rows,)`.
            sigma: Standard deviation of its log return, `(rows,)`.
        """
        half = HALF_SPREAD * np.exp(self.spread_log)
        away = half[:, None] + LEVEL_GAP * np.arange(LEVELS)
        away = away * sigma[:, None]
        sizes = np.exp(self.size_log) * (_usual_sizes() * SIZE_SHARE * volume[:, None, None])
        bids, asks = close[:, None] * np.exp(-away), close[:, None] * np.exp(away)
        return np.hstack([bids, sizes[:, 0], asks, sizes[:, 1]])


def book_frame(noise: BookNoise, frame: pd.DataFrame, sigma: np.ndarray) -> pd.DataFrame:
    """Return the books at the close of each bar of `frame`, beside its index."""
    values = noise.snapshots(frame["close"].to_numpy(), frame["volume"].to_numpy(), sigma)
    return pd.DataFrame(values, index=frame.index, columns=list(BOOK_COLUMNS))


def _usual_sizes() -> np.ndarray:
    return SIZE_GROWTH ** np.arange(LEVELS)
