"""Bars that hypothesis makes: constant prices, single ticks, no volume, huge gaps, limit moves."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.compute import LIMIT
from features.program import evaluate
from features.registry import registry

ROWS = 520

# One step of the market: (log move in ticks, size of the range, volume, seconds to the next bar).
KINDS = {
    "still": (0.0, 0.0, 0.0, 60.0),
    "tick up": (1e-5, 0.0, 1.0, 60.0),
    "tick down": (-1e-5, 0.0, 1.0, 60.0),
    "usual": (3e-3, 2e-3, 1e3, 60.0),
    "fall": (-4e-3, 5e-3, 2e3, 60.0),
    "limit up": (0.0953, 0.0, 5.0, 60.0),
    "limit down": (-0.1054, 0.0, 5.0, 60.0),
    "crash": (-3.0, 0.5, 1e9, 60.0),
    "rally": (3.0, 0.5, 1e9, 60.0),
    "weekend": (0.02, 1e-3, 1e3, 2e5),
    "tiny volume": (1e-4, 1e-4, 1e-12, 60.0),
}


@st.composite
def markets(draw) -> np.ndarray:
    """`(6, ROWS)`: runs of one kind of bar each, and a starting price of any size."""
    kinds: list[str] = []
    while len(kinds) < ROWS:
        kind = draw(st.sampled_from(sorted(KINDS)))
        kinds += [kind] * draw(st.sampled_from([1, 1, 2, 5, 30, 120, 520]))
    steps = np.array([KINDS[kind] for kind in kinds[:ROWS]])
    path = np.cumsum(steps[:, 0])
    # Keep prices within what a float holds comfortably, by reflecting the path.
    path = 20.0 - np.abs(np.mod(path + 20.0, 80.0) - 40.0)
    start = draw(st.sampled_from([1e-6, 0.01, 1.1, 100.0, 65_432.1, 1e6]))
    close = start * np.exp(path)
    opening = np.concatenate([[start], close[:-1]])
    high = np.maximum(opening, close) * np.exp(steps[:, 1])
    low = np.minimum(opening, close) * np.exp(-steps[:, 1])
    seconds = 1.5e9 + np.cumsum(steps[:, 3])
    return np.stack([opening, high, low, close, steps[:, 2], seconds])


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(columns=markets())
def test_any_market_gives_finite_bounded_features(columns):
    features = list(registry().features.values())
    values = evaluate([f.node for f in features], columns, dtype=np.float32, limit=LIMIT)
    for k, feature in enumerate(features):
        column = values[feature.warmup_bars :, k]
        assert np.isfinite(column).all(), feature.name
        if feature.low is not None:
            assert column.min() >= feature.low - 1e-5, feature.name
        if feature.high is not None:
            assert column.max() <= feature.high + 1e-5, feature.name


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(columns=markets(), cut=st.integers(430, ROWS - 1))
def test_any_market_is_causal(columns, cut):
    nodes = [feature.node for feature in registry().features.values()]
    whole = evaluate(nodes, columns)
    np.testing.assert_array_equal(whole[:cut], evaluate(nodes, columns[:, :cut]))
