"""Compiled loops of the simulator: one bar after another, and one probability after another."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from ultimate_deep.market.composed_drift import distant_drift, nested_drift, threshold_drift

WINDOW_BARS = 20

FAST_BARS = 4
SLOW_BARS = 16
LINEAR_SCALE = 1 / np.sqrt(1 / FAST_BARS - 1 / SLOW_BARS)  # unit variance of independent returns

COARSE_BARS = 16
TREND_BLOCKS = 4
SCALE_BLOCKS = 8

INTERACTION, LINEAR, LONG_MEMORY, CROSS_TIMEFRAME, OUTSIDE, NESTED, THRESHOLD, DISTANT = range(8)

GARCH_ALPHA = 0.08
GARCH_BETA = 0.90
REGIME_MEMORY = 0.98
TURBULENT_ABOVE = 1.3
CALM_BELOW = 0.9
TURBULENT_SCALE = 1.7
SHAPE_OF_SIGMA = 0.25

VOLUME_MEMORY = 0.8
VOLUME_NOISE = 0.3
SHAPE_OF_VOLUME = 0.6


@njit(cache=True)
def planted_drift(close: np.ndarray, volume: np.ndarray, row: int) -> float:
    """Return g in (-1, 1) at the close of a bar, from it and the 19 bars before.

    `tanh(2 * tanh(z) * (tanh(v) + 1/4))`, where z and v are the z-scores of the close and of the
    volume in their last 20 values. Zero before there are 20 bars, and where a window does not vary.
    """
    if row < WINDOW_BARS - 1:
        return 0.0
    close_sum = close_squares = volume_sum = volume_squares = 0.0
    for k in range(row - WINDOW_BARS + 1, row + 1):
        # Relative to the last value, so that squares keep their digits.
        here, traded = close[k] / close[row] - 1.0, volume[k] / volume[row] - 1.0
        close_sum += here
        close_squares += here * here
        volume_sum += traded
        volume_squares += traded * traded
    close_mean, volume_mean = close_sum / WINDOW_BARS, volume_sum / WINDOW_BARS
    close_variance = close_squares / WINDOW_BARS - close_mean**2
    volume_variance = volume_squares / WINDOW_BARS - volume_mean**2
    if close_variance <= 0.0 or volume_variance <= 0.0:
        return 0.0
    momentum = np.tanh(-close_mean / np.sqrt(close_variance))
    surprise = np.tanh(-volume_mean / np.sqrt(volume_variance))
    return np.tanh(2.0 * momentum * (surprise + 0.25))


@njit(cache=True)
def standardised_return(close: np.ndarray, row: int) -> float:
    """Return a bar's log return from close to close over the root mean square of the last 20.

    Zero before there are 21 bars, and where the price has not moved.
    """
    if row < WINDOW_BARS:
        return 0.0
    squares = 0.0
    for k in range(row - WINDOW_BARS + 1, row + 1):
        squares += np.log(close[k] / close[k - 1]) ** 2
    if squares <= 0.0:
        return 0.0
    return np.log(close[row] / close[row - 1]) / np.sqrt(squares / WINDOW_BARS)


@njit(cache=True)
def linear_drift(standardised: np.ndarray, row: int) -> float:
    """Return g at a close: the mean of the last 4 standardised returns less that of the last 16.

    The weights sum to zero, so that a lasting drift does not feed itself. Unit variance where
    returns are independent; zero before there are 36 bars.
    """
    if row < WINDOW_BARS + SLOW_BARS - 1:
        return 0.0
    fast = slow = 0.0
    for k in range(row - SLOW_BARS + 1, row + 1):
        slow += standardised[k]
        if k > row - FAST_BARS:
            fast += standardised[k]
    return LINEAR_SCALE * (fast / FAST_BARS - slow / SLOW_BARS)


@njit(cache=True)
def long_memory_drift(shock: np.ndarray, memory: np.ndarray, row: int) -> float:
    """Return g at a close: `sum(memory[i] * shock[row - i])` over the bars that there are."""
    total = 0.0
    for i in range(min(len(memory), row + 1)):
        total += memory[i] * shock[row - i]
    return total


@njit(cache=True)
def cross_timeframe_drift(close: np.ndarray, last: float, first_block: int, row: int) -> float:
    """Return g in (-1, 1) at a close: the trend of complete 16-bar bars, given back.

    `-c * (1 - c * tanh(x)) / 2`, where x is the last standardised return and c the tanh of the
    return of the last 4 complete blocks over twice the root mean square of the last 8 blocks'
    returns. A block under way is not looked at. Zero before there are 9 complete blocks.

    Args:
        close: Prices at the closes so far, `(rows,)`.
        last: The last standardised return, `x`.
        first_block: Row at which a block begins, in [0, 16).
        row: Row of the close.
    """
    end = row - (row + 1 - first_block) % COARSE_BARS  # the last bar of a complete block
    if end - SCALE_BLOCKS * COARSE_BARS < 0:
        return 0.0
    squares = 0.0
    for block in range(SCALE_BLOCKS):
        here = end - block * COARSE_BARS
        squares += np.log(close[here] / close[here - COARSE_BARS]) ** 2
    if squares <= 0.0:
        return 0.0
    trend = np.log(close[end] / close[end - TREND_BLOCKS * COARSE_BARS])
    coarse = np.tanh(trend / np.sqrt(TREND_BLOCKS * squares / SCALE_BLOCKS))
    return -coarse * (1.0 - coarse * np.tanh(last)) / 2.0


class Planted(NamedTuple):
    """What the drift depends on.

    Attributes:
        kind: `INTERACTION`, `LINEAR`, `LONG_MEMORY`, `CROSS_TIMEFRAME`, `NESTED`, `THRESHOLD`,
            `DISTANT` or `OUTSIDE`.
        amplitude: Amplitude of the drift, in standard deviations of a bar.
        strength: `(rows,)` multiplies the drift of each bar.
        memory: `(lags,)` weights of the last shocks, newest first.
        outside: `(rows,)` g as known at each close, of `OUTSIDE`.
        first_block: Row at which a coarse bar begins.
    """

    kind: int
    amplitude: float
    strength: np.ndarray
    memory: np.ndarray
    outside: np.ndarray
    first_block: int


class Scales(NamedTuple):
    """Sizes that do not depend on what is drawn.

    Attributes:
        sigma_typical: Typical sigma of a bar's log return.
        shape: `(rows,)` of the day.
        level: `(rows,)` multiplies sigma.
        shock_variance: Variance of a body's shock; more than 1 with jumps.
        delay_bars: Bars after which a bar bears on drift and sigma.
        price_start: The first open.
        volume_typical: Typical volume of a bar.
    """

    sigma_typical: float
    shape: np.ndarray
    level: np.ndarray
    shock_variance: float
    delay_bars: int
    price_start: float
    volume_typical: float


@njit(cache=True)
def simulate_path(
    shock: np.ndarray,
    gap: np.ndarray,
    bridge: np.ndarray,
    volume_noise: np.ndarray,
    planted: Planted,
    scales: Scales,
) -> tuple[np.ndarray, ...]:
    """Return open, high, low, close, volume, drift and sigma, each `(rows,)`.

    Row k's log return from its open to the next is `sigma[k] * (drift[k] + shock[k] + gap[k])`,
    where drift and sigma use bars up to `k - delay_bars` alone; jumps are part of the shocks.
    """
    rows = len(shock)
    opens, highs, lows, closes, volumes, drift, sigma = [np.zeros(rows) for _ in range(7)]
    standardised = np.zeros(rows)
    variance, slow, turbulent, volume_state = 1.0, 1.0, False, 0.0
    price = np.log(scales.price_start)
    for k in range(rows):
        known = k - scales.delay_bars
        if known >= 0:
            square = shock[known] ** 2 / scales.shock_variance
            variance = (
                1.0 - GARCH_ALPHA - GARCH_BETA + (GARCH_ALPHA * square + GARCH_BETA) * variance
            )
            slow = REGIME_MEMORY * slow + (1.0 - REGIME_MEMORY) * square
            turbulent = slow > (CALM_BELOW if turbulent else TURBULENT_ABOVE)
            if planted.kind in (LINEAR, CROSS_TIMEFRAME, NESTED, THRESHOLD, DISTANT):
                standardised[known] = standardised_return(closes, known)
            if planted.kind == INTERACTION:
                g = planted_drift(closes, volumes, known)
            elif planted.kind == LINEAR:
                g = linear_drift(standardised, known)
            elif planted.kind == LONG_MEMORY:
                g = long_memory_drift(shock, planted.memory, known)
            elif planted.kind == CROSS_TIMEFRAME:
                last = standardised[known]
                g = cross_timeframe_drift(closes, last, planted.first_block, known)
            elif planted.kind == NESTED:
                g = nested_drift(closes, volumes, standardised, known)
            elif planted.kind == THRESHOLD:
                g = threshold_drift(closes, standardised, known)
            elif planted.kind == DISTANT:
                g = distant_drift(standardised, known)
            else:
                g = planted.outside[known]
            drift[k] = planted.amplitude * g * planted.strength[k]
        scale = np.sqrt(variance) * (TURBULENT_SCALE if turbulent else 1.0)
        wave = 1.0 + SHAPE_OF_SIGMA * scales.shape[k]
        sigma[k] = scales.sigma_typical * scale * wave * scales.level[k]
        body = sigma[k] * (drift[k] + shock[k])
        top, bottom = bridge_extremes(body, sigma[k], bridge[k])
        opens[k], closes[k] = np.exp(price), np.exp(price + body)
        highs[k] = max(opens[k], closes[k], np.exp(price + top))
        lows[k] = min(opens[k], closes[k], np.exp(price + bottom))
        volume_state = VOLUME_MEMORY * volume_state + VOLUME_NOISE * volume_noise[k]
        volumes[k] = scales.volume_typical * np.exp(
            volume_state
            + SHAPE_OF_VOLUME * scales.shape[k]
            + 0.5 * np.log(scale)
            + 0.2 * abs(shock[k])
        )
        price += body + sigma[k] * gap[k]
    return opens, highs, lows, closes, volumes, drift, sigma


@njit(cache=True)
def bridge_extremes(body: float, sigma: float, noise: np.ndarray) -> tuple[float, float]:
    """Return the highest and lowest log price of a random walk pinned to 0 and to the body."""
    steps = len(noise)
    scale = sigma / np.sqrt(steps)
    pull = noise.sum() / steps
    here, top, bottom = 0.0, max(0.0, body), min(0.0, body)
    for step in range(steps - 1):
        here += scale * (noise[step] - pull) + body / steps
        top, bottom = max(top, here), min(bottom, here)
    return top, bottom


@njit(cache=True)
def sum_exceeds(
    drift: np.ndarray,
    sigma: np.ndarray,
    horizon_bars: int,
    threshold: float,
    nodes: np.ndarray,
    weights: np.ndarray,
    table: np.ndarray,
    table_end: float,
) -> np.ndarray:
    """Return for each row t the probability that its label's log return exceeds a threshold.

    The return is the sum over bars t+1 to t+h of `sigma * (drift + x)` with independent x whose
    real characteristic function is tabulated on [0, table_end]. NaN in the last h+1 rows.

    Source: Gil-Pelaez (1951), Biometrika 38, eq. 2; by symmetry the integrand is
    `sin(u * (mean - threshold)) * prod(cf(sigma_j * u)) / u`.
    """
    rows = len(drift)
    out = np.full(rows, np.nan)
    per_unit = (len(table) - 1) / table_end
    for t in range(rows - 1 - horizon_bars):
        mean, variance = -threshold, 0.0
        for k in range(t + 1, t + 1 + horizon_bars):
            mean += sigma[k] * drift[k]
            variance += sigma[k] ** 2
        std = np.sqrt(variance)
        total = 0.0
        for n in range(len(nodes)):
            product = 1.0
            for k in range(t + 1, t + 1 + horizon_bars):
                place = sigma[k] / std * nodes[n] * per_unit
                cell = min(int(place), len(table) - 2)
                part = place - cell
                product *= table[cell] * (1.0 - part) + table[cell + 1] * part
            total += weights[n] * np.sin(nodes[n] * mean / std) * product / nodes[n]
            if horizon_bars > 1 and abs(product) < 1e-10:
                break
        out[t] = min(max(0.5 + total / np.pi, 0.0), 1.0)
    return out
