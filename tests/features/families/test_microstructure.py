"""Spreads and flows from bars against plain NumPy, the authors' figures and a known spread."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from ultimate_deep.features.compute import bar_columns
from ultimate_deep.features.engine.runner import evaluate
from ultimate_deep.features.families import microstructure as micro

GOLDEN = Path(__file__).parents[2] / "golden" / "edge_spread.csv"


@pytest.fixture(scope="module")
def frame(make_bars) -> pd.DataFrame:
    return make_bars(600, seed=8)


def run(node, frame: pd.DataFrame) -> np.ndarray:
    return evaluate([node], bar_columns(frame))[:, 0]


def agree(got, want, *, rows: int, atol: float = 1e-12) -> None:
    both = np.isfinite(got)
    assert both.sum() == rows
    np.testing.assert_allclose(got[both], np.asarray(want)[both], rtol=1e-9, atol=atol)


def test_corwin_schultz(frame):
    want = np.zeros(len(frame))
    h, low, c = (frame[name].to_numpy() for name in ("high", "low", "close"))
    for t in range(1, len(frame)):
        top, bottom = h[t], low[t]
        if bottom > c[t - 1]:
            top, bottom = top - (bottom - c[t - 1]), c[t - 1]
        elif top < c[t - 1]:
            top, bottom = c[t - 1], bottom + (c[t - 1] - top)
        beta = np.log(h[t - 1] / low[t - 1]) ** 2 + np.log(top / bottom) ** 2
        gamma = np.log(max(h[t - 1], top) / min(low[t - 1], bottom)) ** 2
        k = 3.0 - 2.0 * np.sqrt(2.0)
        alpha = (np.sqrt(2.0 * beta) - np.sqrt(beta)) / k - np.sqrt(gamma / k)
        want[t] = max(2.0 * (np.exp(alpha) - 1.0) / (1.0 + np.exp(alpha)), 0.0)
    agree(run(micro.corwin_schultz(20), frame), pd.Series(want).rolling(20).mean(), rows=580)


def test_abdi_ranaldo(frame):
    middle = (np.log(frame.high) + np.log(frame.low)) / 2.0
    close = np.log(frame.close)
    pairs = 4.0 * (close.shift() - middle.shift()) * (close.shift() - middle)
    want = np.sqrt(pairs.clip(lower=0.0)).rolling(20).mean()
    agree(run(micro.abdi_ranaldo(20), frame), want, rows=580, atol=1e-10)


def test_roll(frame):
    moves = np.log(frame.close).diff().to_numpy()
    want = np.full(len(frame), np.nan)
    for t in range(51, len(frame)):
        now, before = moves[t - 49 : t + 1], moves[t - 50 : t]
        want[t] = 2.0 * np.sqrt(max(-np.cov(now, before, ddof=0)[0, 1], 0.0))
    agree(run(micro.roll(50), frame), want, rows=549, atol=1e-10)


@pytest.mark.parametrize("window", [20, 50])
def test_edge_is_that_of_its_authors(window):
    golden = pd.read_csv(GOLDEN)
    hours = pd.date_range("2024-01-01", periods=len(golden), freq="1h", tz="UTC")
    bars = golden[["open", "high", "low", "close"]].assign(volume=1.0).set_index(hours)
    want = golden[f"edge_{window}"].to_numpy()
    got = run(micro.edge(window), bars)
    defined = np.isfinite(want)
    assert np.isnan(got[:window]).all()
    assert defined.sum() > 150
    assert (want[defined] < 0.0).any() == (window == 20)
    np.testing.assert_allclose(got[defined], want[defined], rtol=1e-9, atol=1e-11)
    # Where it is undefined, and only once nothing trades: 0.
    idle = ~defined & np.isfinite(got)
    assert idle.sum() == (~defined).sum() - window
    assert (got[idle] == 0.0).all()


def quoted_bars(spread: float, rows: int = 3000, trades: int = 60) -> pd.DataFrame:
    """Bars of trades at the bid or the ask of a random walk whose full spread is known."""
    draw = np.random.default_rng(5)
    value = np.exp(np.cumsum(0.001 * draw.standard_normal(rows * trades))).reshape(rows, trades)
    prices = 50.0 * value * (1.0 + spread / 2.0 * draw.choice([-1.0, 1.0], (rows, trades)))
    columns = {
        "open": prices[:, 0],
        "high": prices.max(axis=1),
        "low": prices.min(axis=1),
        "close": prices[:, -1],
        "volume": np.ones(rows),
    }
    hours = pd.date_range("2020-01-01", periods=rows, freq="1h", tz="UTC")
    return pd.DataFrame(columns, index=hours)


@pytest.mark.parametrize(
    ("estimate", "error"),
    [
        (micro.edge(500), 0.05),
        (micro.roll(500), 0.15),
        # Biased at few trades a bar, as their papers say.
        (micro.corwin_schultz(500), 0.4),
        (micro.abdi_ranaldo(500), 0.4),
    ],
)
def test_a_known_spread_is_found(estimate, error):
    found = np.nanmean(run(estimate, quoted_bars(0.01)))
    assert found == pytest.approx(0.01, rel=error)


def test_illiquidity_counts_bars_that_traded(frame):
    moves = np.log(frame.close / frame.close.shift()).abs()
    impact = (moves / (frame.close * frame.volume)).where(frame.volume > 0.0)
    assert impact.isna().sum() > 5
    want = impact.rolling(20, min_periods=1).mean()
    got = run(micro.amihud(20), frame)
    agree(got, want, rows=len(frame) - 20, atol=1e-18)


def test_impact_and_flow(frame):
    moves = np.log(frame.close / frame.close.shift())
    signed = np.sign(frame.close.diff()) * frame.volume
    slope = moves.rolling(50).cov(signed) / signed.rolling(50).var()
    scaled = slope * frame.volume.rolling(50).mean() / moves.rolling(50).std(ddof=0)
    agree(run(micro.kyle_lambda(50), frame), scaled, rows=550, atol=1e-10)
    z = moves / moves.rolling(50).std(ddof=0)
    flow = 2.0 * norm.cdf(z) - 1.0
    got = run(micro.bulk_flow(50), frame)
    agree(got, flow, rows=550, atol=NORMAL_ERROR)
    one_sided = pd.Series(np.abs(flow) * frame.volume.to_numpy()).rolling(50).sum()
    vpin = one_sided / frame.volume.rolling(50).sum().to_numpy()
    agree(run(micro.vpin_proxy(50), frame), vpin, rows=501, atol=NORMAL_ERROR)


# Of the graph's normal distribution.
NORMAL_ERROR = 2e-7


def test_features_of_the_family_are_bounded_and_named(frame):
    features = micro.entries()
    assert [f.name for f in features if "proxy" in f.name] == ["vpin_proxy_50"]
    values = evaluate([f.node for f in features], bar_columns(frame))
    for k, feature in enumerate(features):
        column = values[feature.warmup_bars :, k]
        assert np.isfinite(column).all(), feature.name
        assert column.min() >= (-np.inf if feature.low is None else feature.low), feature.name
        assert column.max() <= (np.inf if feature.high is None else feature.high), feature.name
