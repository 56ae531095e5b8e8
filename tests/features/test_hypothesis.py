"""Bars that hypothesis makes: constant prices, single ticks, no volume, huge gaps, limit moves."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ultimate_deep.features.engine.graph import COLUMNS
from ultimate_deep.features.engine.runner import evaluate
from ultimate_deep.features.families import cross_asset, order_book
from ultimate_deep.features.feature_engine import LIMIT
from ultimate_deep.features.registry import registry

ROWS = 600

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
        kinds += [kind] * draw(st.sampled_from([1, 1, 2, 5, 30, 120, 600]))
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
    features = registry().choose(None)
    values = evaluate([f.node for f in features], columns, dtype=np.float32, limit=LIMIT)
    for k, feature in enumerate(features):
        column = values[feature.warmup_bars :, k]
        assert np.isfinite(column).all(), feature.name
        if feature.low is not None:
            assert column.min() >= feature.low - 1e-5, feature.name
        if feature.high is not None:
            assert column.max() <= feature.high + 1e-5, feature.name


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(columns=markets(), cut=st.integers(500, ROWS - 1))
def test_any_market_is_causal(columns, cut):
    nodes = [feature.node for feature in registry().choose(None)]
    whole = evaluate(nodes, columns)
    np.testing.assert_array_equal(whole[:cut], evaluate(nodes, columns[:, :cut]))


SIZES = (0.0, 1.0, 1e-12, 1e9)

BOOK_FEATURES, PAIR_FEATURES = order_book.entries(), cross_asset.entries()


@st.composite
def books(draw) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """A market and books around its closes: wide, locked, crossed, thin, empty, at one price."""
    columns = draw(markets())
    book = {}
    wide = np.array(
        draw(st.lists(st.sampled_from([0.0, 1e-5, 0.2, -1e-3]), min_size=3, max_size=3))
    )
    wide = np.resize(np.repeat(wide, draw(st.sampled_from([1, 7, 100]))), ROWS)
    step = draw(st.sampled_from([0.0, 1e-5, 0.05]))
    for side, sign in (("bid", -1.0), ("ask", 1.0)):
        for level in range(1, 6):
            away = np.exp(sign * (wide + step * (level - 1)))
            sizes = draw(st.lists(st.sampled_from(SIZES), min_size=2, max_size=5))
            book[f"{side}_price_{level}"] = columns[3] * away
            book[f"{side}_size_{level}"] = np.resize(np.array(sizes), ROWS)
    return columns, book


@st.composite
def pairs(draw) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """A market beside another one that may be the same, stand still or be closed for long."""
    columns = draw(markets())
    other = draw(st.sampled_from(["same", "still", "another"]))
    price = {"same": columns[3], "still": np.full(ROWS, 7.0)}.get(other)
    ages = draw(st.lists(st.sampled_from([0.0, 0.5, 60.0, 1e5]), min_size=1, max_size=4))
    shares = draw(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=4))
    return columns, {
        "peer_close": draw(markets())[3] if price is None else price,
        "peer_age_bars": np.resize(np.array(ages), ROWS),
        "peers_rising": np.resize(np.array(shares), ROWS),
    }


def check_bounded(features, columns, further):
    nodes = [feature.node for feature in features]
    read = sorted({name for node in nodes for name in node.columns}.difference(COLUMNS))
    whole = np.vstack([columns, *(further[name][None] for name in read)])
    values = evaluate(nodes, whole, dtype=np.float32, limit=LIMIT)
    for k, feature in enumerate(features):
        column = values[feature.warmup_bars :, k]
        assert np.isfinite(column).all(), feature.name
        assert feature.low is None or column.min() >= feature.low - 1e-5, feature.name
        assert feature.high is None or column.max() <= feature.high + 1e-5, feature.name
    np.testing.assert_array_equal(
        values[:450], evaluate(nodes, whole[:, :450], dtype=np.float32, limit=LIMIT)
    )


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(given_book=books())
def test_any_book_gives_finite_bounded_features(given_book):
    check_bounded(BOOK_FEATURES, *given_book)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(pair=pairs())
def test_any_pair_gives_finite_bounded_features(pair):
    check_bounded(PAIR_FEATURES, *pair)
