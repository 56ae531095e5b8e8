"""Sliding windows that are only indices: a batch is copied out when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows over one table of bars, an array-like `(rows, window_bars, features)`.

    Row `i` is `table[ends[i] - window_bars + 1 : ends[i] + 1]`. Nothing is copied before rows are
    asked for by number, mask or slice; then the result is an ordinary array, so that what reads
    batches need not know the difference.

    Args:
        table: Bars in order of time, float32 `(bars, features)`; several symbols one after
            another.
        ends: Position in the table of each row's newest bar, int64 `(rows,)`.
        window_bars: Bars in a window; None gives the newest bar alone, `(rows, features)`.

    Raises:
        ValueError: Wrong shapes or types, or a window that begins before the table.
    """

    table: np.ndarray
    ends: np.ndarray
    window_bars: int | None

    def __post_init__(self) -> None:
        if self.table.ndim != 2 or self.table.dtype != np.float32:
            raise ValueError(
                "table must be float32 of shape (bars, features), got "
                f"{self.table.dtype} {self.table.shape}; use .astype('float32')"
            )
        if self.ends.ndim != 1 or self.ends.dtype != np.int64:
            raise ValueError(f"ends must be int64 (rows,), got {self.ends.dtype} {self.ends.shape}")
        if self.window_bars is not None and self.window_bars < 1:
            raise ValueError(f"window_bars must be at least 1, got {self.window_bars}")
        first = (self.window_bars or 1) - 1
        if self.ends.size and not (first <= self.ends.min() and self.ends.max() < len(self.table)):
            raise ValueError(
                f"windows of {first + 1} bars end at rows {first} to {len(self.table) - 1} of the "
                f"table, got {self.ends.min()} to {self.ends.max()}; leave out the rows before"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """`(rows, window_bars, features)`, or `(rows, features)` without a window."""
        window = () if self.window_bars is None else (self.window_bars,)
        return (len(self.ends), *window, self.table.shape[1])

    @property
    def ndim(self) -> int:
        """3, or 2 without a window."""
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """The table's type, float32."""
        return self.table.dtype

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, rows: np.ndarray | slice) -> np.ndarray:
        """Return a fresh array of those rows."""
        ends = self.ends[rows]
        if self.window_bars is None:
            return self.table[ends]
        return self.table[ends[:, None] + np.arange(1 - self.window_bars, 1)]

    def take(self, rows: np.ndarray | slice) -> Windows:
        """Return the windows of those rows, still without copying the table."""
        return Windows(self.table, np.ascontiguousarray(self.ends[rows]), self.window_bars)

    def covered(self) -> np.ndarray:
        """Return which bars of the table any window looks at, bool `(bars,)`."""
        marks = np.zeros(len(self.table) + 1, dtype=np.int64)
        np.add.at(marks, self.ends - ((self.window_bars or 1) - 1), 1)
        np.add.at(marks, self.ends + 1, -1)
        return np.cumsum(marks[:-1]) > 0
