"""The order-book family on books of known shape, against plain NumPy, and its contract."""

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.features.compute import bar_columns
from ultimate_deep.features.engine.runner import evaluate, program_of
from ultimate_deep.features.families import order_book
from ultimate_deep.features.feature_engine import LIMIT

LEVELS = range(1, 6)
TICK = 0.25


def with_book(bars: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Books around the closes, in ticks of 0.25, with thin levels, ties and empty sides."""
    draw = np.random.default_rng(seed)
    rows = len(bars)
    columns = {}
    best_bid = np.round(bars["close"].to_numpy() / TICK - draw.integers(1, 4, rows)) * TICK
    best = {"bid": best_bid, "ask": best_bid + TICK * draw.integers(1, 5, rows)}
    for side, sign in (("bid", -TICK), ("ask", TICK)):
        for level in LEVELS:
            size = draw.integers(1, 400, rows) * (draw.random(rows) > 0.05)
            columns[f"{side}_price_{level}"] = best[side] + sign * (level - 1)
            columns[f"{side}_size_{level}"] = size.astype(np.float64)
    return bars.assign(**columns)


def columns_of(frame: pd.DataFrame, nodes) -> np.ndarray:
    return bar_columns(frame, program_of(tuple(nodes)).columns)


def run(nodes, frame: pd.DataFrame, **options) -> np.ndarray:
    return evaluate(nodes, columns_of(frame, nodes), **options)


@pytest.fixture(scope="module")
def frame(make_bars) -> pd.DataFrame:
    return with_book(make_bars(400, seed=2))


@pytest.fixture(scope="module")
def values(frame) -> pd.DataFrame:
    features = order_book.entries()
    names = [feature.name for feature in features]
    return pd.DataFrame(run([f.node for f in features], frame), columns=names)


def test_balance_and_prices(frame, values):
    f = frame.reset_index(drop=True)
    sizes = {s: f[[f"{s}_size_{k}" for k in LEVELS]].to_numpy() for s in ("bid", "ask")}
    prices = {s: f[[f"{s}_price_{k}" for k in LEVELS]].to_numpy() for s in ("bid", "ask")}
    for n in (1, 3, 5):
        bid, ask = (sizes[side][:, :n].sum(axis=1) for side in ("bid", "ask"))
        total = bid + ask
        want = np.where(total > 0.0, (bid - ask) / np.where(total > 0.0, total, 1.0), 0.0)
        np.testing.assert_allclose(values[f"book_imbalance_{n}"], want, atol=1e-14)
    assert (values["book_imbalance_1"] == 0.0).any()
    middle = (f.bid_price_1 + f.ask_price_1) / 2.0
    quoted = f.ask_price_1 - f.bid_price_1
    np.testing.assert_allclose(
        values["book_spread_bps"], np.log(f.ask_price_1 / f.bid_price_1) * 1e4, rtol=1e-9
    )
    total = sizes["bid"].sum(axis=1) + sizes["ask"].sum(axis=1)
    crossed = (prices["bid"] * sizes["ask"] + prices["ask"] * sizes["bid"]).sum(axis=1)
    np.testing.assert_allclose(
        values["micro_price_5"], (crossed / total - middle) / quoted, rtol=1e-8, atol=1e-8
    )
    one = f.bid_size_1 + f.ask_size_1
    micro = (f.bid_price_1 * f.ask_size_1 + f.ask_price_1 * f.bid_size_1) / one
    moves = np.log(f.close / f.close.shift()).rolling(50).std(ddof=0)
    want = np.log((micro / middle).where(one > 0.0, 1.0)) / moves
    np.testing.assert_allclose(values["micro_price_1"][50:], want[50:], rtol=1e-7, atol=1e-9)


def test_depth_slope_is_a_regression_on_the_level(values, frame):
    slopes = {}
    for side in ("bid", "ask"):
        sizes = frame[[f"{side}_size_{k}" for k in LEVELS]].to_numpy()
        slopes[side] = np.polyfit(np.arange(5), sizes.T, 1)[0] / sizes.mean(axis=1)
    np.testing.assert_allclose(
        values["depth_slope"], (slopes["bid"] + slopes["ask"]) / 2.0, atol=1e-12
    )
    np.testing.assert_allclose(
        values["depth_slope_balance"], slopes["bid"] - slopes["ask"], atol=1e-12
    )


def test_order_flow_by_the_papers_cases(values, frame):
    """Row by row, each indicator of the definition written out."""
    bid, ask = frame["bid_price_1"].to_numpy(), frame["ask_price_1"].to_numpy()
    bids, asks = frame["bid_size_1"].to_numpy(), frame["ask_size_1"].to_numpy()
    flow, depth = np.full(len(frame), np.nan), np.full(len(frame), np.nan)
    for n in range(1, len(frame)):
        flow[n] = (
            (bid[n] >= bid[n - 1]) * bids[n]
            - (bid[n] <= bid[n - 1]) * bids[n - 1]
            - (ask[n] <= ask[n - 1]) * asks[n]
            + (ask[n] >= ask[n - 1]) * asks[n - 1]
        )
        depth[n] = bids[n] + asks[n] + bids[n - 1] + asks[n - 1]
    assert (bid[1:] == bid[:-1]).sum() > 20
    for window in (1, 5, 20):
        want = pd.Series(flow).rolling(window).sum() / pd.Series(depth).rolling(window).sum()
        np.testing.assert_allclose(
            values[f"order_flow_imbalance_{window}"][window:], want[window:], atol=1e-12
        )


def test_the_contract_of_features(make_bars, check_features):
    """Causal, scale-free in prices and sizes, warm when declared, bounded, all different."""
    frame = with_book(make_bars(500, seed=6), seed=1)
    features = order_book.entries()
    nodes = [feature.node for feature in features]
    columns = columns_of(frame, nodes)
    whole = check_features(features, columns)
    scaled = frame.copy()
    for name in frame.columns:
        scaled[name] *= 1.0 / 16.0 if "size" in name or name == "volume" else 8.0
    np.testing.assert_array_equal(run(nodes, scaled, dtype=np.float32, limit=LIMIT), whole)
    other = run(nodes, scaled * 1.7, dtype=np.float32, limit=LIMIT)
    np.testing.assert_allclose(other, whole, rtol=2e-6, atol=2e-6)
    correlation = np.corrcoef(whole[60:], rowvar=False) - np.eye(len(nodes))
    assert np.abs(correlation).max() < 0.99999


def test_a_still_or_empty_book_is_neutral(make_bars):
    frame = make_bars(80).assign(open=1.1, high=1.1, low=1.1, close=1.1, volume=0.0)
    for size in (0.0, 3.0):
        book = {f"{s}_size_{k}": size for s in ("bid", "ask") for k in LEVELS}
        prices = {f"{s}_price_{k}": 1.1 for s in ("bid", "ask") for k in LEVELS}
        features = order_book.entries()
        got = run([f.node for f in features], frame.assign(**book, **prices))[-1]
        np.testing.assert_allclose(got, [f.neutral for f in features], atol=1e-9)
