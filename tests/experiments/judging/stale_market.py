"""An hourly market whose opens repeat the last close, with the bars of ten minutes inside it."""

import numpy as np
import pandas as pd

PARTS = 6  # finer bars in each bar
BAR = 8e-4  # standard deviation of an hour's log return of the mid


def stale_market(
    rows: int,
    seed: int,
    *,
    half: float = 8e-4,
    drift: float = 0.0,
    memory: float = 0.0,
    quiet: float = 0.3,
) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """Return bars, finer bars, and what drives the bars' returns.

    Trades are at bid or ask of a walk, by coin; every open is the last close.

    Args:
        rows: Bars.
        seed: Same seed, same bars.
        half: Half of the spread.
        drift: Size of a wave in the mid's return of an hour, in standard deviations of it.
        memory: Of the wave, from one bar to the next; at 0 it is new in each.
        quiet: Share of the finer bars without a trade.
    """
    draw, many = np.random.default_rng(seed), rows * PARTS
    wave = np.empty(rows)
    wave[0] = 0.0
    for row in range(1, rows):
        wave[row] = memory * wave[row - 1] + np.sqrt(1.0 - memory**2) * draw.normal()
    step = BAR / np.sqrt(PARTS) * draw.normal(size=many)
    step += np.repeat(drift * wave, PARTS) * BAR / PARTS
    prints = np.cumsum(step) + half * draw.choice([-1.0, 1.0], many)
    traded = draw.random(many) >= quiet
    traded[0] = True
    last = np.maximum.accumulate(np.where(traded, np.arange(many), 0))
    close = 100.0 * np.exp(prints[last])
    opened = np.append(100.0, close[:-1])
    volume = np.where(traded, 10.0, 0.0)
    times = pd.date_range("2020-01-01", periods=many, freq="10min", tz="UTC", name="timestamp")
    finer = pd.DataFrame(
        {
            "open": opened, "high": np.maximum(opened, close), "low": np.minimum(opened, close),
            "close": close, "volume": volume,
        },
        index=times,
    )  # fmt: skip
    whole = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    return finer.resample("1h").agg(whole), finer, wave
