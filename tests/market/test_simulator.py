"""The simulated market keeps what it promises: its edge, its probabilities, its symmetry."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ultimate_deep.market.bars import validate_bars
from ultimate_deep.market.config import LabelSpec
from ultimate_deep.market.labels import make_labels
from ultimate_deep.market.shock_law import GAP_SHARE, draw_shocks
from ultimate_deep.market.simulation_noise import Noise
from ultimate_deep.market.simulation_oracle import realise
from ultimate_deep.market.simulator import simulate_bars
from ultimate_deep.market.simulator_kernels import planted_drift, sum_exceeds

COLUMNS = ["open", "high", "low", "close", "volume"]


@pytest.fixture(scope="module")
def strong():
    return simulate_bars(20_000, seed=5, edge=0.2)


@pytest.fixture(scope="module")
def no_edge():
    return simulate_bars(20_000, seed=5)


SPECS = [
    LabelSpec(),
    LabelSpec(horizon_bars=6),
    LabelSpec(horizon_bars=3, cost_band_bps=30.0),
    LabelSpec(horizon_bars=2, cost_band_bps=5.0, ties="up"),
    LabelSpec(cost_band_bps=5.0, ties="down"),
]


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_edge_is_met_and_labels_come_true_as_often_as_said(spec):
    market = simulate_bars(12_000, seed=2, edge=0.18, label=spec)
    assert abs(market.edge - 0.18) <= 0.002
    probability = market.probability_up
    assert market.edge == pytest.approx(np.nanmean(np.maximum(probability, 1 - probability)) - 0.5)
    np.testing.assert_array_equal(
        np.isnan(probability), np.arange(12_000) >= 12_000 - 1 - spec.horizon_bars
    )
    values = make_labels(market.bars.frame, spec).values
    kept = ~np.isnan(values)
    values, probability = values[kept], probability[kept]
    # Labels of overlapping horizons depend on each other: every h-th one is taken.
    for first in range(spec.horizon_bars):
        chosen = slice(first, None, spec.horizon_bars)
        excess, said = values[chosen] - probability[chosen], probability[chosen]
        deciles = np.minimum((said * 10).astype(int), 9)
        for decile in np.unique(deciles):
            inside = deciles == decile
            spread = np.sqrt((said[inside] * (1 - said[inside])).sum())
            # 4.5 standard deviations: about 100 comparisons are made.
            assert abs(excess[inside].sum()) <= 4.5 * spread + 1


@pytest.mark.parametrize("horizon", [1, 4])
def test_probability_is_that_of_futures_drawn_again(horizon):
    """Redraw all noise after a bar many times: the share of rises is the stated probability."""
    spec, rows, row, draws = LabelSpec(horizon_bars=horizon), 120, 80, 4_000
    noise = Noise.draw(rows, 7, pd.Timedelta("1h"), horizon)
    _, path, probability = realise(noise, 0.9, spec)
    generator = np.random.default_rng(1)
    # The gap of bar t is unknown at its close; shock, bridge and volume are known.
    shocks = np.repeat(noise.shock[None], draws, axis=0)
    shocks[:, row + 1 :] = draw_shocks(generator, draws * (rows - row - 1)).reshape(
        draws, -1
    ) * np.sqrt(1 - GAP_SHARE**2)
    gaps = np.repeat(noise.gap[None], draws, axis=0)
    drawn = draw_shocks(generator, draws * (rows - row)).reshape(draws, -1)
    gaps[:, row:] = drawn * GAP_SHARE
    rises = 0
    for shock, gap in zip(shocks, gaps, strict=True):
        volume = np.concatenate(
            [noise.volume[: row + 1], generator.standard_normal(rows - row - 1)]
        )
        other = replace(noise, shock=shock, gap=gap, volume=volume)
        future = other.path(0.9)
        rises += future.open[row + 1 + horizon] > future.open[row + 1]
    np.testing.assert_array_equal(future.close[: row + 1], path.close[: row + 1])
    assert (future.close[row + 1 :] != path.close[row + 1 :]).all()
    said = probability[row]
    assert abs(said - 0.5) > 0.05
    assert abs(rises / draws - said) < 4 * np.sqrt(said * (1 - said) / draws)


def test_inversion_agrees_with_distributions_known_in_closed_form():
    table_end, size = 24.0, 1 << 14
    nodes, weights = np.polynomial.legendre.leggauss(128)
    nodes, weights = 12.0 * (nodes + 1), 12.0 * weights
    normal = np.exp(-0.5 * np.linspace(0, table_end, size) ** 2)
    drift, sigma = np.linspace(-4, 4, 50), np.linspace(0.5, 2.0, 50)
    for horizon, threshold in ((1, 0.0), (3, 0.7)):
        said = sum_exceeds(drift, sigma, horizon, threshold, nodes, weights, normal, table_end)
        for t in range(49 - horizon):
            steps = slice(t + 1, t + 1 + horizon)
            mean, std = (sigma * drift)[steps].sum(), np.sqrt((sigma**2)[steps].sum())
            assert said[t] == pytest.approx(stats.norm.sf((threshold - mean) / std), abs=1e-6)


def test_without_an_edge_nothing_is_planted(no_edge):
    assert no_edge.amplitude == 0.0
    assert no_edge.edge == 0.0
    assert np.nanmax(np.abs(no_edge.probability_up - 0.5)) == 0.0
    opens = no_edge.bars.frame["open"].to_numpy()
    sign = np.sign(np.diff(np.log(opens)))[1:]
    frame, rows = no_edge.bars.frame, np.arange(len(opens) - 2)
    drift = [planted_drift(frame["close"].to_numpy(), frame["volume"].to_numpy(), k) for k in rows]
    for past in (
        drift,
        frame["close"].diff().fillna(0)[:-2],
        frame["volume"].diff().fillna(0)[:-2],
    ):
        assert abs(np.corrcoef(sign, past)[0, 1]) < 4 / np.sqrt(len(sign))


def test_what_is_planted_is_causal_and_open_to_a_net_but_not_to_a_line(strong):
    frame = strong.bars.frame
    close, volume = frame["close"].to_numpy(), frame["volume"].to_numpy()
    drift = np.array([planted_drift(close, volume, k) for k in range(len(frame))])
    # Past the first bars, the probability is a rising function of g and of nothing else.
    order = np.argsort(drift[:-2])
    assert (np.diff(strong.probability_up[:-2][order]) >= -1e-9).all()
    cut = 7_000
    for k in (cut - 1, cut):
        poisoned = close.copy(), volume.copy()
        for values in poisoned:
            values[k + 1 :] = np.nan
        assert planted_drift(*poisoned, k) == drift[k]
    # Its ingredients are window z-scores of close and volume; each alone finds little.
    windows = [pd.Series(values).rolling(20) for values in (close, volume)]
    z, v = ((one.obj - one.mean()) / one.std(ddof=0) for one in windows)
    np.testing.assert_allclose(
        np.tanh(2 * np.tanh(z) * (np.tanh(v) + 0.25))[19:], drift[19:], atol=1e-6
    )
    truth = strong.probability_up[19:-2] - 0.5
    best = np.abs(truth).mean()
    for single in (z, v):
        for sign in (1, -1):
            assert (truth * np.sign(sign * single[19:-2])).mean() < 0.6 * best
    assert (truth * np.sign(z * (np.tanh(v) + 0.25))[19:-2]).mean() > 0.999 * best


def test_same_seed_same_bars_and_another_seed_others(strong):
    again = simulate_bars(20_000, seed=5, edge=0.2)
    pd.testing.assert_frame_equal(again.bars.frame, strong.bars.frame)
    np.testing.assert_array_equal(again.probability_up, strong.probability_up)
    other = simulate_bars(20_000, seed=6, edge=0.2)
    assert (other.bars.frame["close"] != strong.bars.frame["close"]).all()


def test_bars_are_valid_and_say_what_they_are(strong):
    bars = strong.bars
    frame, notes = validate_bars(bars.frame, symbol="SIMULATED")
    assert notes == ()
    pd.testing.assert_frame_equal(frame, bars.frame)
    assert bars.simulated
    assert bars.notes == (f"Simulated bars, seed 5, oracle's edge {strong.edge:.4f}.",)
    assert (bars.session, bars.bars_per_year) == ("continuous", 8766)
    assert (frame["volume"] > 0).all()
    assert (frame["high"] > frame[["open", "close"]].max(axis=1)).mean() > 0.5


def test_volatility_clusters_tails_are_heavy_and_bounded_and_days_have_a_shape(no_edge):
    frame = no_edge.bars.frame
    change = np.log(frame["close"]).diff().dropna()
    assert change.kurt() > 3
    assert change.abs().autocorr(1) > 0.15
    assert change.abs().rolling(200).mean().pipe(lambda one: one.max() / one.min()) > 2
    assert abs(change.skew()) < 1.0
    noise = draw_shocks(np.random.default_rng(0), 400_000)
    assert np.abs(noise).max() <= 8.2
    assert noise.std() == pytest.approx(1.0, abs=0.01)
    hour = frame.groupby(frame.index.hour)["volume"].mean()
    assert hour.idxmax() in (13, 14, 15)
    assert hour.max() > 1.5 * hour.min()
    gap = (frame["open"].shift(-1) / frame["close"] - 1).abs()
    assert 0 < gap.median() < 0.3 * change.abs().median()


def test_many_daily_and_minute_bars_stay_positive_and_finite():
    for rows, interval in ((90_000, "1D"), (100_000, pd.Timedelta("1min"))):
        bars = simulate_bars(rows, seed=0, interval=interval).bars
        assert np.isfinite(bars.frame.to_numpy()).all()
        assert (bars.frame.to_numpy() > 0).all()
        assert bars.interval == pd.Timedelta(interval)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"label": LabelSpec(kind="triple_barrier")}, "'triple_barrier' is not known exactly"),
        ({"rows": 63}, "rows must be at least 64 .*got 63"),
        ({"label": LabelSpec(horizon_bars=100)}, "rows must be at least 122"),
        ({"edge": -0.1}, r"edge must be in \[0, 0.5\), got -0.1"),
        ({"edge": 0.5}, r"edge must be in \[0, 0.5\), got 0.5"),
        ({"edge": 0.45}, r"edge=0.45 cannot be reached .*at most 0\.3\d+ can be had; give another"),
        ({"edge": 0.05, "label": LabelSpec(ties="down", cost_band_bps=40)}, "at least 0"),
        ({"label": LabelSpec(ties="down", cost_band_bps=40)}, "cannot be had .*; give ties='drop'"),
        ({"interval": "-1h"}, "interval must be above zero"),
        ({"interval": "7D", "rows": 20_000}, "pass the end of the calendar, which holds 13,684"),
    ],
)
def test_what_cannot_be_simulated_is_refused(request_, message):
    with pytest.raises(ValueError, match=message):
        simulate_bars(**{"rows": 100, "seed": 0, **request_})
