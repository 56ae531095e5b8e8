"""Compiled sums over an account's curves."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

BLOCK = 1024


class CurveSums(NamedTuple):
    """What `curve_sums` finds; squares are of distances from the mean."""

    mean_net: float
    squares_net: float
    squared_losses: float
    growth_gross: float
    max_drawdown: float
    absolute_position: float
    turnover: float
    cost: float


@njit(cache=True)
def curve_sums(
    return_net: np.ndarray,
    return_gross: np.ndarray,
    equity: np.ndarray,
    position: np.ndarray,
    turnover: np.ndarray,
    cost: np.ndarray,
) -> CurveSums:
    """Sum an account's curves `(rows,)` in two passes, block by block so that rounding does not
    grow with the rows."""
    rows = len(return_net)
    total = losses = held = traded = paid = 0.0
    growth, peak, least, deepest = 1.0, 1.0, 1.0, 0.0
    for start in range(0, rows, BLOCK):
        part = part_losses = part_held = part_traded = part_paid = 0.0
        for row in range(start, min(start + BLOCK, rows)):
            value = return_net[row]
            part += value
            loss = value if value < 0.0 else 0.0
            part_losses += loss * loss
            part_held += abs(position[row])
            part_traded += turnover[row]
            part_paid += cost[row]
            growth *= 1.0 + return_gross[row]
            if equity[row] > peak:
                peak, least = equity[row], equity[row] * (1.0 - deepest)
            elif equity[row] < least:  # a new depth: seldom
                least = equity[row]
                deepest = 1.0 - least / peak
        total += part
        losses += part_losses
        held += part_held
        traded += part_traded
        paid += part_paid
    mean = total / rows
    squares = 0.0
    for start in range(0, rows, BLOCK):
        part = 0.0
        for row in range(start, min(start + BLOCK, rows)):
            distance = return_net[row] - mean
            part += distance * distance
        squares += part
    return CurveSums(mean, squares, losses, growth, deepest, held, traded, paid)


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
