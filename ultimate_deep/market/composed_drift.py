"""Compiled drifts that are made by composition: what a few steps of reasoning see and one does not.

None has a part that a single feature, or a sum of functions of single features, would show.
"""

from __future__ import annotations

import numpy as np
from numba import njit

WINDOW_BARS = 20
FAST_BARS = 4
QUICK_BARS = 10
SLOW_BARS = 60
THRESHOLD = 0.7
DISTANT_BARS = 256
STATE_BARS = 64


@njit(cache=True)
def place_in_window(values: np.ndarray, row: int) -> float:
    """Return the z-score of a value among the last 20; zero where they do not vary."""
    total = squares = 0.0
    for k in range(row - WINDOW_BARS + 1, row + 1):
        here = values[k] / values[row] - 1.0  # relative, so that squares keep their digits
        total += here
        squares += here * here
    mean = total / WINDOW_BARS
    variance = squares / WINDOW_BARS - mean**2
    return 0.0 if variance <= 0.0 else -mean / np.sqrt(variance)


@njit(cache=True)
def root_mean_square(standardised: np.ndarray, bars: int, row: int) -> float:
    """Return the root mean square of the last standardised returns."""
    squares = 0.0
    for k in range(row - bars + 1, row + 1):
        squares += standardised[k] ** 2
    return np.sqrt(squares / bars)


@njit(cache=True)
def recent_move(standardised: np.ndarray, row: int) -> float:
    """Return half the sum of the last 4 standardised returns."""
    moved = 0.0
    for k in range(row - FAST_BARS + 1, row + 1):
        moved += standardised[k]
    return moved / 2.0


@njit(cache=True)
def nested_drift(
    close: np.ndarray, volume: np.ndarray, standardised: np.ndarray, row: int
) -> float:
    """Return g in (-1, 1) at a close: an interaction of two interactions.

    `tanh(8 * tanh(2 z v) * tanh(2 m w))` with the z-scores z of the close and v of the volume in
    their last 20 values, half the sum m of the last 4 standardised returns and the log w of the
    root mean square of the last 10 over that of the last 60. Zero before there are 80 bars.
    """
    if row < WINDOW_BARS + SLOW_BARS - 1:
        return 0.0
    place = np.tanh(place_in_window(close, row)) * np.tanh(place_in_window(volume, row))
    quick = root_mean_square(standardised, QUICK_BARS, row)
    slow = root_mean_square(standardised, SLOW_BARS, row)
    if quick <= 0.0 or slow <= 0.0:
        return 0.0
    restless = recent_move(standardised, row) * np.log(quick / slow)
    return np.tanh(8.0 * np.tanh(2.0 * place) * np.tanh(2.0 * restless))


@njit(cache=True)
def threshold_drift(close: np.ndarray, standardised: np.ndarray, row: int) -> float:
    """Return g of -1, 0 or 1 at a close: a threshold whose sense a regime turns.

    Beyond 0.7 the z-score of the close in its last 20 values goes on where the last 10
    standardised returns are smaller than the last 60, by their root mean squares, and goes back
    where they are larger. Zero before there are 80 bars.
    """
    if row < WINDOW_BARS + SLOW_BARS - 1:
        return 0.0
    place = place_in_window(close, row)
    if abs(place) <= THRESHOLD:
        return 0.0
    quick = root_mean_square(standardised, QUICK_BARS, row)
    goes_on = 1.0 if quick < root_mean_square(standardised, SLOW_BARS, row) else -1.0
    return goes_on * np.sign(place)


@njit(cache=True)
def distant_drift(standardised: np.ndarray, row: int) -> float:
    """Return g in (-1, 1) at a close: a state of long ago says which way moves go on.

    `tanh(2 s) * tanh(m)`, where s is the sum of the 64 standardised returns that ended 256 bars
    ago over 8 and m half the sum of the last 4. Zero before there are 340 bars.
    """
    if row < WINDOW_BARS + DISTANT_BARS + STATE_BARS - 1:
        return 0.0
    state = 0.0
    for k in range(row - DISTANT_BARS - STATE_BARS + 1, row - DISTANT_BARS + 1):
        state += standardised[k]
    return np.tanh(2.0 * state / np.sqrt(STATE_BARS)) * np.tanh(recent_move(standardised, row))
