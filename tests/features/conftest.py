"""Bars of known shapes for the feature tests."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest


def bars(rows: int, *, seed: int = 0, start: str = "2020-02-27 05:00", every: str = "1h"):
    """A random walk with stochastic volatility, gaps in time and price, ties and empty bars."""
    draw = np.random.default_rng(seed)
    volatility = 0.005 * np.exp(0.3 * draw.standard_normal(rows))
    close = 100.0 * np.exp(np.cumsum(volatility * draw.standard_normal(rows)))
    close[draw.random(rows) < 0.02] = 100.0
    opening = np.concatenate([[100.0], close[:-1]]) * np.exp(0.001 * draw.standard_normal(rows))
    high = np.maximum(opening, close) * (1.0 + 0.002 * draw.random(rows))
    low = np.minimum(opening, close) * (1.0 - 0.002 * draw.random(rows))
    volume = draw.lognormal(3.0, 1.0, rows) * (draw.random(rows) > 0.02)
    steps = np.where(draw.random(rows) < 0.03, draw.integers(2, 60, rows), 1)
    offsets = pd.to_timedelta(pd.Timedelta(every).value * steps.cumsum(), unit="ns")
    index = pd.DatetimeIndex(pd.Timestamp(start, tz="UTC") + offsets, name="timestamp")
    columns = {"open": opening, "high": high, "low": low, "close": close, "volume": volume}
    return pd.DataFrame(columns, index=index)


@pytest.fixture(scope="session")
def make_bars() -> Callable[..., pd.DataFrame]:
    """The function that makes random bars."""
    return bars


@pytest.fixture(scope="session")
def random_bars() -> pd.DataFrame:
    """1,500 hourly bars."""
    return bars(1500)
