"""Indicators in pandas, by rolling, ewm and whole columns.

Where pandas would call Python for every bar (`rolling.apply`), NumPy does it instead: weighted
sums by `convolve`, other statistics of windows by `sliding_window_view`. That is the faster way.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

# A pandas Series; NumPy's functions of Series are typed as arrays.
Column = Any
Columns = tuple[Column, ...]


def ema(x: Column, span: int) -> Column:
    return x.ewm(span=span, adjust=False).mean()


def wilder(x: Column, window: int) -> Column:
    return x.ewm(alpha=1.0 / window, adjust=False).mean()


def weighted(x: Column, weights: np.ndarray) -> Column:
    """Weighted sums of windows, the last weight for the newest bar."""
    out = np.full(len(x), np.nan)
    out[len(weights) - 1 :] = np.convolve(x.to_numpy(), weights[::-1], "valid")
    return pd.Series(out, index=x.index)


def wma(x: Column, window: int) -> Column:
    weights = np.arange(1.0, window + 1.0)
    return weighted(x, weights / weights.sum())


def of_windows(x: Column, window: int, statistic: Callable[[np.ndarray], np.ndarray]) -> Column:
    """A statistic of every window."""
    out = np.full(len(x), np.nan)
    out[window - 1 :] = statistic(sliding_window_view(x.to_numpy(), window))
    return pd.Series(out, index=x.index)


def true_range(b: pd.DataFrame) -> Column:
    before = b.close.shift()
    return np.maximum(b.high, before) - np.minimum(b.low, before)


def typical(b: pd.DataFrame) -> Column:
    return (b.high + b.low + b.close) / 3.0


def bands(b: pd.DataFrame) -> Columns:
    window = b.close.rolling(20)
    middle, half = window.mean(), 2.0 * window.std(ddof=0)
    return middle + half, middle, middle - half


def middle(b: pd.DataFrame, window: int) -> Column:
    return (b.high.rolling(window).max() + b.low.rolling(window).min()) / 2.0


def rsi(x: Column, window: int) -> Column:
    move = x.diff()
    return 100.0 * wilder(move.clip(lower=0.0), window) / wilder(move.abs(), window)


def macd(b: pd.DataFrame) -> Columns:
    line = ema(b.close, 12) - ema(b.close, 26)
    signal = ema(line, 9)
    return line, signal, line - signal


def place(b: pd.DataFrame, window: int) -> Column:
    low = b.low.rolling(window).min()
    return 100.0 * (b.close - low) / (b.high.rolling(window).max() - low)


def stochastic(b: pd.DataFrame) -> Columns:
    k = place(b, 14).rolling(3).mean()
    return k, k.rolling(3).mean()


def fast_stochastic(b: pd.DataFrame) -> Columns:
    k = place(b, 5)
    return k, k.rolling(3).mean()


def stochastic_rsi(b: pd.DataFrame) -> Columns:
    index = rsi(b.close, 14)
    window = index.rolling(5)
    low = window.min()
    k = 100.0 * (index - low) / (window.max() - low)
    return k, k.rolling(3).mean()


def williams(b: pd.DataFrame) -> Column:
    high = b.high.rolling(14).max()
    return -100.0 * (high - b.close) / (high - b.low.rolling(14).min())


def mean_deviation(x: Column, window: int) -> Column:
    return of_windows(x, window, lambda w: np.abs(w - w.mean(axis=1)[:, None]).mean(axis=1))


def cci(b: pd.DataFrame) -> Column:
    price = typical(b)
    return (price - price.rolling(20).mean()) / (0.015 * mean_deviation(price, 20))


def trix(b: pd.DataFrame) -> Column:
    return 100.0 * ema(ema(ema(b.close, 15), 15), 15).pct_change()


def ultimate(b: pd.DataFrame) -> Column:
    pressure = b.close - np.minimum(b.low, b.close.shift())
    span = true_range(b)
    parts = [pressure.rolling(w).sum() / span.rolling(w).sum() for w in (7, 14, 28)]
    return 100.0 * (4.0 * parts[0] + 2.0 * parts[1] + parts[2]) / 7.0


def moves(b: pd.DataFrame) -> tuple[Column, Column]:
    up, down = b.high.diff(), -b.low.diff()
    return up.where((up > down) & (up > 0.0), 0.0), down.where((down > up) & (down > 0.0), 0.0)


def directions(b: pd.DataFrame) -> tuple[Column, Column]:
    span = wilder(true_range(b), 14)
    plus, minus = moves(b)
    return 100.0 * wilder(plus, 14) / span, 100.0 * wilder(minus, 14) / span


def dx(b: pd.DataFrame) -> Column:
    plus, minus = directions(b)
    return 100.0 * (plus - minus).abs() / (plus + minus)


def adx_rating(b: pd.DataFrame) -> Column:
    adx = wilder(dx(b), 14)
    return (adx + adx.shift(13)) / 2.0


def aroon(b: pd.DataFrame) -> Columns:
    down = 100.0 - 4.0 * of_windows(b.low, 26, lambda w: w[:, ::-1].argmin(axis=1))
    return down, 100.0 - 4.0 * of_windows(b.high, 26, lambda w: w[:, ::-1].argmax(axis=1))


def aroon_oscillator(b: pd.DataFrame) -> Column:
    down, up = aroon(b)
    return up - down


def slope(x: Column, window: int) -> Column:
    steps = np.arange(window) - (window - 1) / 2.0
    return weighted(x, steps / (steps * steps).sum())


def line(b: pd.DataFrame, at: float) -> Column:
    """The least-squares line of 14 bars, `at` bars from their middle."""
    return b.close.rolling(14).mean() + at * slope(b.close, 14)


def money_flow(b: pd.DataFrame) -> Column:
    price = typical(b)
    flow, move = price * b.volume, price.diff()
    up = flow.where(move > 0.0, 0.0).rolling(14).sum()
    return 100.0 * up / (up + flow.where(move < 0.0, 0.0).rolling(14).sum())


def hull(b: pd.DataFrame) -> Column:
    return wma(2.0 * wma(b.close, 10) - wma(b.close, 20), 4)


def t3(b: pd.DataFrame) -> Column:
    averages = [b.close]
    for _ in range(6):
        averages.append(ema(averages[-1], 5))
    v = 0.7
    return (
        -(v**3) * averages[6]
        + 3.0 * (v**2 + v**3) * averages[5]
        - 3.0 * (2.0 * v**2 + v + v**3) * averages[4]
        + (1.0 + 3.0 * v + v**3 + 3.0 * v**2) * averages[3]
    )


def triangular(b: pd.DataFrame) -> Column:
    return b.close.rolling(10).mean().rolling(11).mean()


def volume_weighted(b: pd.DataFrame) -> Column:
    return (b.close * b.volume).rolling(20).sum() / b.volume.rolling(20).sum()


def acceleration(b: pd.DataFrame) -> Columns:
    width = 4.0 * (b.high - b.low) / (b.high + b.low)
    upper = (b.high * (1.0 + width)).rolling(20).mean()
    return upper, b.close.rolling(20).mean(), (b.low * (1.0 - width)).rolling(20).mean()


def heikin_ashi(b: pd.DataFrame) -> Columns:
    close = (b.open + b.high + b.low + b.close) / 4.0
    # open[t] = (open[t - 1] + close[t - 1]) / 2: an exponential average of the closes before.
    opening = close.shift().ewm(alpha=0.5, adjust=False).mean()
    return opening, np.maximum(b.high, opening), np.minimum(b.low, opening), close


def oscillator(x: Column) -> Column:
    slow = ema(x, 26)
    return 100.0 * (ema(x, 12) - slow) / slow


def smoothed_chande(b: pd.DataFrame) -> Column:
    move = b.close.diff()
    return 100.0 * wilder(move, 14) / wilder(move.abs(), 14)


def chande(b: pd.DataFrame) -> Column:
    move = b.close.diff()
    return 100.0 * move.rolling(14).sum() / move.abs().rolling(14).sum()


def intraday(b: pd.DataFrame) -> Column:
    body = b.close - b.open
    return 100.0 * body.clip(lower=0.0).rolling(14).sum() / body.abs().rolling(14).sum()


def kdj(b: pd.DataFrame) -> Columns:
    k = wilder(place(b, 9), 3)
    d = wilder(k, 3)
    return k, d, 3.0 * k - 2.0 * d


def elder(b: pd.DataFrame) -> Columns:
    average = ema(b.close, 13)
    return b.high - average, b.low - average


def stochastic_momentum(b: pd.DataFrame) -> Columns:
    high, low = b.high.rolling(13).max(), b.low.rolling(13).min()
    distance = ema(ema(b.close - (high + low) / 2.0, 25), 2)
    strength = 200.0 * distance / ema(ema(high - low, 25), 2)
    return strength, ema(strength, 9)


def awesome(b: pd.DataFrame) -> Column:
    price = (b.high + b.low) / 2.0
    return price.rolling(5).mean() - price.rolling(34).mean()


def accelerator(b: pd.DataFrame) -> Column:
    oscillator = awesome(b)
    return oscillator - oscillator.rolling(5).mean()


def coppock(b: pd.DataFrame) -> Column:
    both = 100.0 * (b.close.pct_change(11) + b.close.pct_change(14))
    return wma(both, 10)


def forecast(b: pd.DataFrame) -> Column:
    line = b.close.rolling(5).mean() + 3.0 * slope(b.close, 5)
    return 100.0 * (b.close - line.shift()) / b.close


def true_strength(b: pd.DataFrame) -> Column:
    move = b.close.diff()
    return 100.0 * ema(ema(move, 25), 13) / ema(ema(move.abs(), 25), 13)


def efficiency(b: pd.DataFrame) -> Column:
    return b.close.diff(10).abs() / b.close.diff().abs().rolling(10).sum()


def vertical_horizontal(b: pd.DataFrame) -> Column:
    window = b.close.rolling(28)
    return (window.max() - window.min()) / b.close.diff().abs().rolling(28).sum()


def mass(b: pd.DataFrame) -> Column:
    average = ema(b.high - b.low, 9)
    return (average / ema(average, 9)).rolling(25).sum()


def beta(b: pd.DataFrame) -> Column:
    x, y = b.high.pct_change(), b.low.pct_change()
    return x.rolling(5).cov(y) / x.rolling(5).var()


def chaikin_volatility(b: pd.DataFrame) -> Column:
    return 100.0 * ema(b.high - b.low, 10).pct_change(10)


def relative_volatility(b: pd.DataFrame) -> Column:
    spread, move = b.close.rolling(10).std(ddof=0), b.close.diff()
    up, down = (
        wilder(spread.where(move > 0.0, 0.0), 14),
        wilder(spread.where(move < 0.0, 0.0), 14),
    )
    return 100.0 * up / (up + down)


def money_volume(b: pd.DataFrame) -> Column:
    place = ((b.close - b.low) - (b.high - b.close)) / (b.high - b.low)
    return place.fillna(0.0) * b.volume


def accumulated(b: pd.DataFrame) -> Column:
    return money_volume(b).cumsum()


def chaikin_oscillator(b: pd.DataFrame) -> Column:
    line = accumulated(b)
    return ema(line, 3) - ema(line, 10)


def vortex(b: pd.DataFrame) -> Columns:
    span = true_range(b).rolling(14).sum()
    plus = (b.high - b.low.shift()).abs().rolling(14).sum()
    return plus / span, (b.low - b.high.shift()).abs().rolling(14).sum() / span


def williams_accumulation(b: pd.DataFrame) -> Column:
    before = b.close.shift()
    floor = np.where(b.close < before, np.maximum(b.high, before), b.close)
    return (b.close - np.where(b.close > before, np.minimum(b.low, before), floor)).cumsum()
