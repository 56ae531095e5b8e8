"""Compiled sums over an account's curves."""

from __future__ import annotations

import numpy as np
from numba import njit

BLOCK = 1024


@njit(cache=True)
def curve_sums(
    return_net: np.ndarray, return_gross: np.ndarray, equity: np.ndarray, position: np.ndarray
) -> tuple[float, float, float, float, float, float]:
    """Sums in two passes, block by block so that rounding does not grow with the rows.

    Returns:
        Mean of `return_net`, sum of its squared distances from the mean, sum of its squared
        losses, product of `1 + return_gross`, largest drawdown, sum of `abs(position)`.
    """
    rows = len(return_net)
    total = losses = held = 0.0
    growth, peak, deepest = 1.0, 1.0, 0.0
    for start in range(0, rows, BLOCK):
        part = part_losses = part_held = 0.0
        for row in range(start, min(start + BLOCK, rows)):
            value = return_net[row]
            part += value
            loss = min(value, 0.0)
            part_losses += loss * loss
            part_held += abs(position[row])
            growth *= 1.0 + return_gross[row]
            peak = max(peak, equity[row])
            deepest = max(deepest, 1.0 - equity[row] / peak)
        total += part
        losses += part_losses
        held += part_held
    mean = total / rows
    squares = 0.0
    for start in range(0, rows, BLOCK):
        part = 0.0
        for row in range(start, min(start + BLOCK, rows)):
            part += (return_net[row] - mean) ** 2
        squares += part
    return mean, squares, losses, growth, deepest, held


@njit(cache=True)
def trade_sums(return_net: np.ndarray, bars: np.ndarray) -> tuple[int, float, float, int]:
    """Number of gains, their sum, the sum of the losses (positive), and the sum of the bars."""
    wins = length = 0
    gains = losses = 0.0
    for start in range(0, len(return_net), BLOCK):
        part_gains = part_losses = 0.0
        for row in range(start, min(start + BLOCK, len(return_net))):
            value = return_net[row]
            wins += value > 0.0
            part_gains += max(value, 0.0)
            part_losses -= min(value, 0.0)
            length += bars[row]
        gains += part_gains
        losses += part_losses
    return wins, gains, losses, length
