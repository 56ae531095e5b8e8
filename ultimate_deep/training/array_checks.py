"""Checks and hashes of arrays and of windows over a table, in blocks that need little memory."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ultimate_deep.machine.stored_rows import StoredRows
from ultimate_deep.market.windows import Windows

BLOCK_ROWS = 1 << 14


def check_values(name: str, values: Any) -> None:
    """Refuse what is no float32 array or windows, and values that are not finite.

    Of windows only the bars that a window covers count: a table may begin with warm-up.

    Raises:
        TypeError: Another type or dtype.
        ValueError: A scalar, or a value that is not finite.
    """
    if isinstance(values, Windows):
        _check_windows(name, values)
        return
    if isinstance(values, StoredRows):  # written whole by this program: reading all takes minutes
        return
    if not isinstance(values, np.ndarray) or values.dtype != np.float32:
        kind = values.dtype if isinstance(values, np.ndarray) else type(values).__name__
        raise TypeError(f"{name} must be a float32 NumPy array, got {kind}; use .astype('float32')")
    if values.ndim == 0:
        raise ValueError(f"{name} must have a first axis of rows, got a scalar")
    row = _first_not_finite(values, 0, len(values))
    if row is not None:
        raise ValueError(
            f"{name} must be finite, row {row} is not; drop warm-up rows and undefined labels"
        )


def check_range(name: str, values: np.ndarray, low: float, high: float) -> None:
    """Refuse values outside `[low, high]`, naming the first such row."""
    bad = ((values < low) | (values > high)).reshape(len(values), -1).any(axis=1)
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(f"{name} must lie in [{low}, {high}], row {row} has {values[row]}")


def add_to_digest(digest: Any, values: np.ndarray | Windows | StoredRows) -> None:
    """Add everything that batches of `values` depend on to a hash."""
    if isinstance(values, StoredRows):
        digest.update(values.identity())
        return
    if not isinstance(values, Windows):
        digest.update(np.ascontiguousarray(values).data)
        return
    digest.update(f"windows {values.window_bars}".encode())
    digest.update(np.ascontiguousarray(values.ends).data)
    for start, stop in _covered_runs(values):
        digest.update(f"{start} {stop}".encode())
        digest.update(np.ascontiguousarray(values.table[start:stop]).data)


def _check_windows(name: str, windows: Windows) -> None:
    for start, stop in _covered_runs(windows):
        bar = _first_not_finite(windows.table, start, stop)
        if bar is None:
            continue
        before = bar + (windows.window_bars or 1)
        row = int(np.argmax((windows.ends >= bar) & (windows.ends < before)))
        raise ValueError(
            f"{name} must be finite, bar {bar} of its table is not and the window of row {row} "
            "covers it; leave out rows whose window reaches into warm-up or gaps"
        )


def _covered_runs(windows: Windows) -> Iterator[tuple[int, int]]:
    """Yield start and stop of every unbroken run of bars that windows cover."""
    marks = np.concatenate(([False], windows.covered(), [False]))
    edges = np.flatnonzero(marks[1:] != marks[:-1])
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        yield int(start), int(stop)


def _first_not_finite(values: np.ndarray, start: int, stop: int) -> int | None:
    """Return the first row in `[start, stop)` with a value that is not finite; None if none."""
    if 0 in values.shape:
        return None
    for low in range(start, stop, BLOCK_ROWS):
        block = values[low : min(low + BLOCK_ROWS, stop)]
        finite = np.isfinite(block).reshape(len(block), -1).all(axis=1)
        if not finite.all():
            return low + int(np.argmin(finite))
    return None
