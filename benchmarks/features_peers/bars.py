"""Bars to measure on: a random walk with ranges of its own and unequal volumes."""

import numpy as np
import pandas as pd


def make_bars(rows: int, *, seed: int = 0) -> pd.DataFrame:
    """Simulated bars of a minute each, prices about 100, every volume above zero.

    No volume is zero and no range empty: what a library answers there is its own rule, not its
    speed.
    """
    draw = np.random.default_rng(seed)
    moves = draw.standard_normal(rows)
    moves *= 0.0005 * np.exp(0.3 * draw.standard_normal(rows))
    close = 100.0 * np.exp(np.cumsum(moves))
    opening = np.concatenate([[100.0], close[:-1]])
    opening *= 1.0 + 1e-4 * draw.standard_normal(rows)
    high = np.maximum(opening, close) * (1.0 + 2e-4 * draw.random(rows))
    low = np.minimum(opening, close) * (1.0 - 2e-4 * draw.random(rows))
    volume = draw.lognormal(3.0, 1.0, rows)
    index = pd.date_range("2000-01-01", periods=rows, freq="min", tz="UTC", name="timestamp")
    columns = {"open": opening, "high": high, "low": low, "close": close, "volume": volume}
    return pd.DataFrame(columns, index=index)
