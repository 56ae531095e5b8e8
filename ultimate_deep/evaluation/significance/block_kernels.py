"""Compiled loops of the block bootstrap: one pass over the blocks of each resampled history."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def end_at(length: np.ndarray, rows: int) -> None:
    """Cut the blocks of each history where it has so many rows; those after it get length 0.

    Args:
        length: Lengths of blocks, `(resamples, blocks)` int64, changed in place.
        rows: Rows of a history.
    """
    for history in range(length.shape[0]):
        left = rows
        for block in range(length.shape[1]):
            length[history, block] = min(length[history, block], left)
            left -= length[history, block]


@njit(cache=True)
def sum_blocks(total: np.ndarray, start: np.ndarray, length: np.ndarray, sums: np.ndarray) -> None:
    """Write the sum of each history of blocks, for every column.

    Args:
        total: Running totals, `(columns, 2 * rows + 1)`, over the rows twice.
        start: First rows of the blocks, `(resamples, blocks)` int64.
        length: Lengths of the blocks, of the same shape.
        sums: What is written, `(resamples, columns)`.
    """
    for column in range(total.shape[0]):
        running = total[column]
        for history in range(start.shape[0]):
            found = 0.0
            for block in range(start.shape[1]):
                first = start[history, block]
                found += running[first + length[history, block]] - running[first]
            sums[history, column] = found
