"""Bars of known shapes for the feature tests."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.features.engine.runner import evaluate
from ultimate_deep.features.feature_engine import LIMIT
from ultimate_deep.features.registry import MOST_WARMUP_BARS, Feature


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


def further(frame: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """`frame` with a book around its closes and another market beside it."""
    draw = np.random.default_rng(seed + 77)
    rows = len(frame)
    close = frame["close"].to_numpy()
    half = 1e-4 * draw.integers(1, 4, rows)
    added = {}
    for side, sign in (("bid", -1.0), ("ask", 1.0)):
        for level in range(1, 6):
            added[f"{side}_price_{level}"] = close * (1.0 + sign * (half + 1e-4 * (level - 1)))
            size = draw.integers(1, 400, rows) * (draw.random(rows) > 0.05)
            added[f"{side}_size_{level}"] = size.astype(np.float64)
    moves = 0.5 * np.diff(np.log(close), prepend=np.log(close[0]))
    added["peer_close"] = 20.0 * np.exp(np.cumsum(moves + 0.004 * draw.standard_normal(rows)))
    added["peer_age_bars"] = draw.integers(0, 5, rows).astype(np.float64)
    added["peers_rising"] = draw.integers(0, 11, rows) / 10.0
    return frame.assign(**added)


def exact_bars(rows: int, every: str) -> pd.DataFrame:
    """Bars with every further column from whole numbers alone: no library's rounding is in them."""
    draw = np.random.default_rng(29)
    close = 40_000 + np.cumsum(draw.integers(-60, 61, rows))
    opening = np.concatenate([[40_000], close[:-1]]) + draw.integers(-3, 4, rows)
    high = np.maximum(opening, close) + draw.integers(0, 30, rows)
    low = np.minimum(opening, close) - draw.integers(0, 30, rows)
    columns = {"open": opening / 64, "high": high / 64, "low": low / 64, "close": close / 64}
    volume = draw.integers(1, 5_000, rows) * (draw.integers(0, 50, rows) > 0)
    columns["volume"] = volume.astype(np.float64)
    for side, sign in (("bid", -1), ("ask", 1)):
        for level in range(1, 6):
            distance = sign * (draw.integers(1, 4, rows) + 4 * (level - 1))
            columns[f"{side}_price_{level}"] = (close + distance) / 64
            columns[f"{side}_size_{level}"] = draw.integers(0, 400, rows).astype(np.float64)
    columns["peer_close"] = (20_000 + np.cumsum(draw.integers(-30, 31, rows))) / 64
    columns["peer_age_bars"] = draw.integers(0, 5, rows).astype(np.float64)
    columns["peers_rising"] = draw.integers(0, 9, rows) / 8
    steps = np.where(draw.integers(0, 30, rows) == 0, draw.integers(2, 60, rows), 1)
    nanoseconds = pd.Timestamp("2024-02-27 05:00", tz="UTC").value + (
        pd.Timedelta(every).value * steps.cumsum()
    )
    index = pd.DatetimeIndex(nanoseconds, tz="UTC", name="timestamp")
    return pd.DataFrame(columns, index=index)


@pytest.fixture(scope="session")
def make_whole_bars() -> Callable[..., pd.DataFrame]:
    """The function that makes random bars with every further column."""
    return lambda *given, **named: further(bars(*given, **named))


@pytest.fixture(scope="session")
def make_bars() -> Callable[..., pd.DataFrame]:
    """The function that makes random bars."""
    return bars


@pytest.fixture(scope="session")
def make_exact_bars() -> Callable[..., pd.DataFrame]:
    """The function that makes the same bars on every machine."""
    return exact_bars


@pytest.fixture(scope="session")
def random_bars() -> pd.DataFrame:
    """1,500 hourly bars."""
    return bars(1500)


@pytest.fixture(scope="session")
def check_features() -> Callable[..., np.ndarray]:
    """Hold a family to its warm-ups, its bounds and the past; gives its values."""

    def check(features: list[Feature], columns: np.ndarray) -> np.ndarray:
        nodes = [feature.node for feature in features]
        whole = evaluate(nodes, columns, dtype=np.float32, limit=LIMIT)
        for k, feature in enumerate(features):
            column = whole[feature.warmup_bars :, k]
            assert feature.warmup_bars <= MOST_WARMUP_BARS
            assert np.isnan(whole[: feature.warmup_bars, k]).all(), feature.name
            assert np.isfinite(column).all(), feature.name
            assert column.min() >= (-np.inf if feature.low is None else feature.low), feature.name
            assert column.max() <= (np.inf if feature.high is None else feature.high), feature.name
            assert column.std() > 0.0, feature.name
        poisoned = columns.copy()
        poisoned[:, 300:] = np.nan
        np.testing.assert_array_equal(
            evaluate(nodes, poisoned, dtype=np.float32, limit=LIMIT)[:300], whole[:300]
        )
        return whole

    return check
