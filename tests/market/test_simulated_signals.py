"""Every kind of signal, with jumps, waves, books and several assets, keeps its stated truth."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ultimate_deep.features import compute_features, feature_names
from ultimate_deep.market.bars import validate_bars
from ultimate_deep.market.config import LabelSpec
from ultimate_deep.market.labels import make_labels
from ultimate_deep.market.shock_law import (
    FREQUENCY_BOUND,
    GAP_SHARE,
    body_scales,
    characteristic_table,
    draw_jumps,
    draw_shocks,
)
from ultimate_deep.market.simulated_book import BOOK_COLUMNS, BookNoise
from ultimate_deep.market.simulation_noise import (
    MEMORY_BARS,
    MEMORY_ORDER,
    Noise,
    draw_waves,
    memory_weights,
)
from ultimate_deep.market.simulation_oracle import realise
from ultimate_deep.market.simulation_spec import (
    SIGNALS,
    AssetSpec,
    JumpSpec,
    RegimeSpec,
    SimulationSpec,
)
from ultimate_deep.market.simulator import lead_lag_drift, simulate_assets, simulate_bars
from ultimate_deep.market.simulator_kernels import (
    cross_timeframe_drift,
    linear_drift,
    long_memory_drift,
    standardised_return,
)

HOUR = pd.Timedelta("1h")
JUMPS = JumpSpec(per_bar=0.05, size=5.0)
WAVES = RegimeSpec(strength_depth=1.5, volatility_depth=0.8, period_bars=900)
SPECS = {
    **{signal: SimulationSpec(signal=signal) for signal in SIGNALS},
    "jumps": SimulationSpec(signal="linear", jumps=JUMPS),
    "waves": SimulationSpec(signal="cross_timeframe", regimes=WAVES),
    "all": SimulationSpec(signal="long_memory", jumps=JUMPS, regimes=WAVES, order_book=True),
}
TIED = AssetSpec(count=3, correlation=0.6, lead_lag_bars=3)


def _check_calibration(market):
    """What was said comes true, in each part of the range, within 4.5 standard deviations."""
    said = market.probability_up
    values = make_labels(market.bars.frame, market.label).values
    kept = ~np.isnan(values)
    said, values = said[kept], values[kept]
    for first in range(market.label.horizon_bars):
        chosen = slice(first, None, market.label.horizon_bars)
        here, came = said[chosen], values[chosen]
        bins = np.minimum((here * 8).astype(int), 7)
        for one in np.unique(bins):
            inside = bins == one
            spread = math.sqrt((here[inside] * (1 - here[inside])).sum())
            assert abs((came[inside] - here[inside]).sum()) <= 4.5 * spread + 1


def _check_expected_return(market):
    """Realised returns are the stated mean on average, in either half of it."""
    stated, came = market.expected_return, make_labels(market.bars.frame, market.label).return_log
    np.testing.assert_array_equal(np.isnan(stated), np.isnan(came))
    above = stated > 0
    for half in (above, ~above & ~np.isnan(stated)):
        excess = (came - stated)[half][:: market.label.horizon_bars]
        assert abs(excess.mean()) <= 4.5 * excess.std() / math.sqrt(len(excess))
    defined = np.isfinite(stated)
    np.testing.assert_array_equal(above[defined], market.probability_up[defined] > 0.5)


@pytest.mark.parametrize(
    ("name", "horizon"), [(name, 5 if n % 2 else 1) for n, name in enumerate(SPECS)]
)
def test_edge_is_met_and_labels_come_true_as_often_as_said(name, horizon):
    label = LabelSpec(horizon_bars=horizon)
    market = simulate_bars(8_000, seed=4, edge=0.12, label=label, spec=SPECS[name])
    assert market.edge == pytest.approx(0.12, abs=0.0005)
    _check_calibration(market)
    _check_expected_return(market)
    _, notes = validate_bars(market.bars.frame, symbol="SIMULATED")
    assert notes == ()
    assert (market.order_book is not None) == SPECS[name].has_book


@pytest.mark.parametrize("name", SPECS)
def test_without_an_edge_there_is_no_drift(name):
    market = simulate_bars(4_000, seed=1, spec=SPECS[name])
    assert (market.edge, market.amplitude) == (0.0, 0.0)
    assert np.nanmax(np.abs(market.probability_up - 0.5)) == 0.0


class _Futures:
    """Noise whose past is kept up to a bar, and all that is unknown at its close drawn anew."""

    def __init__(self, noise: Noise, row: int, horizon: int, draws: int, seed: int, common=0.0):
        generator, self.row, self.end = np.random.default_rng(seed), row, row + 2 + horizon
        ahead = self.end - row - 1
        scales = body_scales(noise.correlation)
        self.shock = draw_shocks(generator, draws * ahead).reshape(draws, -1) * scales[0]
        self.shock += common * scales[-1]
        if noise.jumps.per_bar:
            jumps = draw_jumps(generator, draws * ahead, noise.jumps).reshape(draws, -1)
            self.shock += jumps * np.sqrt(1 - GAP_SHARE**2)
        self.gap = draw_shocks(generator, draws * (ahead + 1)).reshape(draws, -1) * GAP_SHARE
        self.volume = generator.standard_normal((draws, ahead))
        self.outside = generator.uniform(-1, 1, (draws, ahead))
        self.noise = noise

    def __getitem__(self, draw: int) -> Noise:
        noise, known = self.noise, slice(self.row + 1)
        here = {name: getattr(noise, name)[: self.end] for name in ("bridge", "strength")}
        for name in ("shape", "level"):
            here[name] = getattr(noise.scales, name)[: self.end]
        scales = noise.scales._replace(shape=here.pop("shape"), level=here.pop("level"))
        for name in ("shock", "volume", "outside"):
            here[name] = np.concatenate([getattr(noise, name)[known], getattr(self, name)[draw]])
        # The gap after a bar is unknown at its close.
        here["gap"] = np.concatenate([noise.gap[: self.row], self.gap[draw]])
        return replace(noise, scales=scales, **here)


def _row_of_a_clear_call(probability: np.ndarray, horizon: int) -> int:
    last = len(probability) - 2 - horizon
    chosen = np.arange(last - 100, last)
    return int(chosen[np.argmax(np.abs(probability[chosen] - 0.5))])


@pytest.mark.parametrize(
    ("name", "horizon"), [(name, 1 + 3 * (n % 2)) for n, name in enumerate(SPECS)]
)
def test_probability_is_that_of_futures_drawn_again(name, horizon):
    """Redraw all that follows a bar many times: the share of rises is the stated probability."""
    spec, draws = SPECS[name], 1_200
    rows = 480 if name == "distant" else 320  # its drift begins after 340 bars
    noise = Noise.draw(rows, 7, HOUR, horizon, spec=spec)
    if spec.signal == "order_book":
        book = BookNoise.draw(rows, np.random.default_rng(8))
        noise = replace(noise, outside=book.imbalance())
    _, path, probability = realise(noise, 0.9, LabelSpec(horizon_bars=horizon))
    row = _row_of_a_clear_call(probability, horizon)
    futures = _Futures(noise, row, horizon, draws, seed=1)
    rises = 0
    for draw in range(draws):
        future = futures[draw].path(0.9)
        rises += future.open[row + 1 + horizon] > future.open[row + 1]
    np.testing.assert_array_equal(future.close[: row + 1], path.close[: row + 1])
    assert (future.close[row + 1 :] != path.close[row + 1 : row + 2 + horizon]).all()
    said = probability[row]
    assert abs(said - 0.5) > 0.12
    assert abs(rises / draws - said) < 4 * math.sqrt(said * (1 - said) / draws)


def test_probability_of_a_follower_is_that_of_futures_of_all_assets():
    spec, rows, horizon, draws = SimulationSpec(signal="linear", assets=TIED), 200, 2, 1_000
    leader = Noise.draw(rows, 7, HOUR, horizon, spec=spec)
    follower = replace(
        Noise.draw(rows, 7, HOUR, horizon, spec=spec, asset=1),
        kind="lead_lag",
        outside=lead_lag_drift(leader.path(0.4).close, 3),
    )
    probability = realise(follower, 0.6, LabelSpec(horizon_bars=horizon)).probability
    row = _row_of_a_clear_call(probability, horizon)
    common = draw_shocks(np.random.default_rng(3), draws * (horizon + 1)).reshape(draws, -1)
    leads = _Futures(leader, row, horizon, draws, 4, common)
    follows = _Futures(follower, row, horizon, draws, 5, common)
    rises = 0
    for draw in range(draws):
        outside = lead_lag_drift(leads[draw].path(0.4).close, 3)
        future = replace(follows[draw], outside=outside).path(0.6)
        rises += future.open[row + 1 + horizon] > future.open[row + 1]
    said = probability[row]
    assert abs(said - 0.5) > 0.1
    assert abs(rises / draws - said) < 4 * math.sqrt(said * (1 - said) / draws)


def test_assets_are_correlated_led_and_each_has_its_own_truth():
    spec = SimulationSpec(signal="linear", assets=TIED)
    markets = simulate_assets(12_000, seed=2, edge=0.1, spec=spec)
    assert list(markets) == ["SIMULATED_1", "SIMULATED_2", "SIMULATED_3"]
    for symbol, market in markets.items():
        assert market.bars.symbol == symbol
        assert market.edge == pytest.approx(0.1, abs=0.0005)
        _check_calibration(market)
    closes = np.array([np.log(one.bars.frame["close"]) for one in markets.values()])
    change = np.diff(closes)
    moves = np.corrcoef(np.clip(change, -0.02, 0.02))
    assert 0.5 < moves[0, 1] < 0.65
    ahead = np.corrcoef(change[0, :-2], change[1, 2:])[0, 1]
    assert ahead > 0.05
    assert np.corrcoef(change[1, :-2], change[0, 2:])[0, 1] < ahead - 0.03
    # Without a leader each carries the signal itself, still correlated.
    alone = replace(spec, assets=AssetSpec(count=2, correlation=0.6))
    for market in simulate_assets(5_000, seed=2, edge=0.1, spec=alone).values():
        _check_calibration(market)


def test_one_asset_is_what_simulate_bars_gives_and_old_markets_are_the_same():
    one = simulate_bars(3_000, seed=5, edge=0.2)
    same = simulate_assets(3_000, seed=5, edge=0.2)["SIMULATED"]
    pd.testing.assert_frame_equal(one.bars.frame, same.bars.frame)
    # Figures of the first version, to the last digits that another machine's libm leaves.
    assert one.bars.frame["close"].iloc[-1] == pytest.approx(209.9056569471473, rel=1e-9)
    assert np.nansum(one.probability_up) == pytest.approx(1514.532848238979, rel=1e-9)
    assert one.amplitude == pytest.approx(0.8570392290762634, rel=1e-9)
    label = LabelSpec(horizon_bars=6)
    six = simulate_bars(2_000, seed=2, edge=0.1, label=label)
    assert six.bars.frame["close"].iloc[-1] == pytest.approx(93.09652428550531, rel=1e-9)
    with pytest.raises(ValueError, match=r"one asset, got assets.count=3; use simulate_assets"):
        simulate_bars(3_000, seed=5, spec=SimulationSpec(assets=TIED))


@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_characteristic_function_is_that_of_what_is_drawn(correlation):
    generator, draws = np.random.default_rng(0), 200_000
    jumps = JumpSpec(per_bar=0.2, size=3.0)
    noise = draw_shocks(generator, draws) * GAP_SHARE
    for scale in body_scales(correlation):
        noise += draw_shocks(generator, draws) * scale
    noise += draw_jumps(generator, draws, jumps) * np.sqrt(1 - GAP_SHARE**2)
    table = characteristic_table(correlation, jumps)
    for frequency in (0.1, 0.3, 1.0, 2.0, 4.0):
        stated = table[round(frequency / FREQUENCY_BOUND * (len(table) - 1))]
        assert np.cos(frequency * noise).mean() == pytest.approx(stated, abs=4 / math.sqrt(draws))
    # To second order at zero: one half of the variance.
    variance = 1.0 + jumps.variance * (1 - GAP_SHARE**2)
    step = FREQUENCY_BOUND / (len(table) - 1)
    assert 2 * (1 - table[4]) / (4 * step) ** 2 == pytest.approx(variance, rel=1e-3)


@pytest.mark.parametrize("jumps", [JumpSpec(per_bar=0.01, size=20), JumpSpec(per_bar=1, size=10)])
def test_large_jumps_are_inverted_as_the_poisson_mixture_says(jumps):
    """Conditional on the number of jumps the sum is known: integrate the shock's law over it."""
    noise = replace(Noise.draw(100, 0, HOUR, 1), jumps=jumps, kind="order_book")
    noise = replace(noise, outside=np.linspace(-1, 1, 100))
    _, path, said = realise(noise, 3.0, LabelSpec())
    sample = np.sort(draw_shocks(np.random.default_rng(5), 200_000))
    sample = sample * math.sqrt(1 - GAP_SHARE**2) + GAP_SHARE * draw_shocks(
        np.random.default_rng(6), 200_000
    )
    whole = math.sqrt(1 - GAP_SHARE**2)
    for row in (5, 30, 60, 90):
        drift, total = (
            path.drift[row + 1],
            stats.poisson.pmf(0, jumps.per_bar) * ((sample + path.drift[row + 1] > 0).mean()),
        )
        for count in range(1, 12):
            spread = jumps.size * math.sqrt(count) * whole
            inside = stats.norm.cdf((sample[::20] + drift) / spread).mean()
            total += stats.poisson.pmf(count, jumps.per_bar) * inside
        assert said[row] == pytest.approx(total, abs=0.005)


def test_signals_agree_with_pandas_and_see_no_bar_ahead():
    frame = simulate_bars(900, seed=3, edge=0.1).bars.frame
    close = frame["close"].to_numpy()
    change = np.log(frame["close"]).diff()
    x = (change / (change**2).rolling(20).mean() ** 0.5).fillna(0.0)
    ours = np.array([standardised_return(close, k) for k in range(900)])
    np.testing.assert_allclose(ours, x, atol=1e-9)
    difference = x.rolling(4).mean() - x.rolling(16).mean()
    scaled = difference / math.sqrt(4 * (1 / 4 - 1 / 16) ** 2 + 12 / 16**2)
    linear = np.array([linear_drift(ours, k) for k in range(900)])
    np.testing.assert_allclose(linear[35:], scaled[35:], atol=1e-9)
    # Coarse bars by resampling on the clock: 16 hours from the epoch on.
    coarse = np.log(frame["close"].resample("16h", origin="epoch").last())
    usual = (coarse.diff() ** 2).rolling(8).mean() ** 0.5
    trend = np.tanh((coarse - coarse.shift(4)) / (2 * usual))
    trend.index = trend.index + pd.Timedelta("15h")  # known with the last hour of the block
    seen = trend[trend.index < frame.index[-1]].reindex(frame.index).ffill()
    expected = (-seen * (1 - seen * np.tanh(x)) / 2).fillna(0.0)
    first = int(-(frame.index[0].value // HOUR.value) % 16)
    cross = np.array([cross_timeframe_drift(close, ours[k], first, k) for k in range(900)])
    np.testing.assert_allclose(cross[200:], expected[200:], atol=1e-9)
    assert (cross[200:] != 0).all()
    shock = np.random.default_rng(0).standard_normal(900)
    weights = memory_weights()
    long = np.array([long_memory_drift(shock, weights, k) for k in range(900)])
    np.testing.assert_allclose(long, np.convolve(shock, weights)[:900], atol=1e-9)
    for k in (250, 600):
        ahead = close.copy()
        ahead[k + 1 :] = np.nan
        assert standardised_return(ahead, k) == ours[k]
        assert cross_timeframe_drift(ahead, ours[k], first, k) == cross[k]


def test_memory_weights_are_those_of_fractional_noise_centred():
    lag = np.arange(1, MEMORY_BARS + 1)
    d, weights = MEMORY_ORDER, memory_weights()
    gamma = [math.exp(math.lgamma(i + d) - math.lgamma(d) - math.lgamma(i + 1)) for i in lag]
    np.testing.assert_allclose(weights, (gamma - np.mean(gamma)) / (np.std(gamma) * 512**0.5))
    assert (weights**2).sum() == pytest.approx(1.0)
    assert weights.sum() == pytest.approx(0.0, abs=1e-9)
    assert (weights > 0).sum() == 125
    # Slow: a sixth of the variance of g comes from shocks that are more than 20 bars old.
    assert (weights[20:] ** 2).sum() == pytest.approx(1 / 6, abs=0.01)


def test_lead_lag_drift_agrees_with_pandas():
    close = simulate_bars(300, seed=3).bars.frame["close"]
    change = np.log(close).diff()
    for bars in (1, 5, 40):
        usual = ((change**2).rolling(20).mean() * bars) ** 0.5
        expected = np.tanh((np.log(close) - np.log(close).shift(bars)) / usual).fillna(0.0)
        ours = lead_lag_drift(close.to_numpy(), bars)
        np.testing.assert_allclose(ours, expected, atol=1e-9)
        assert (ours != 0).sum() == 300 - max(20, bars)


def test_waves_fade_and_turn_the_drift_and_scale_volatility():
    strength, level = draw_waves(np.random.default_rng(0), 9_000, WAVES)
    assert strength.min() == pytest.approx(-0.5, abs=1e-3)
    assert strength.max() == pytest.approx(2.5, abs=1e-3)
    assert np.log(level).max() == pytest.approx(0.8, abs=1e-3)
    np.testing.assert_allclose(strength[:-900], strength[900:], atol=1e-9)
    spec = SimulationSpec(signal="linear", regimes=WAVES)
    market = simulate_bars(9_000, seed=6, edge=0.1, spec=spec)
    strength, level = draw_waves(np.random.default_rng([6, 4]), 9_000, WAVES)
    strong, weak = strength[1:-1] > 2.2, np.abs(strength[1:-1]) < 0.2
    distance = np.abs(market.probability_up[:-2] - 0.5)
    assert distance[strong].mean() > 5 * distance[weak].mean()
    change = np.abs(np.diff(np.log(market.bars.frame["open"])))
    assert change[level[:-1] > 2].mean() > 2.5 * change[level[:-1] < 0.5].mean()


def test_jumps_are_as_frequent_and_as_large_as_stated_and_volatility_stays_bounded():
    jumps = JumpSpec(per_bar=0.1, size=5.0)
    drawn = draw_jumps(np.random.default_rng(0), 200_000, jumps)
    assert (drawn != 0).mean() == pytest.approx(1 - math.exp(-0.1), abs=0.003)
    assert drawn.var() == pytest.approx(jumps.variance, rel=0.03)
    calm = simulate_bars(20_000, seed=9).bars.frame["close"]
    wild = simulate_bars(20_000, seed=9, spec=SimulationSpec(jumps=jumps)).bars.frame["close"]
    calm, wild = np.log(calm).diff().dropna(), np.log(wild).diff().dropna()
    assert wild.kurt() > 2 * calm.kurt()
    assert 1.2 * math.sqrt(1 + jumps.variance) > wild.std() / calm.std() > 1.3


def test_books_are_sorted_positive_and_straddle_the_close():
    spec = SimulationSpec(signal="order_book")
    market = simulate_bars(5_000, seed=3, edge=0.1, spec=spec)
    book, close = market.order_book, market.bars.frame["close"]
    assert tuple(book.columns) == BOOK_COLUMNS
    assert book.index.equals(market.bars.frame.index)
    assert np.isfinite(book.to_numpy()).all()
    assert (book.to_numpy() > 0).all()
    bids = book[[f"bid_price_{k}" for k in range(1, 6)]].to_numpy()
    asks = book[[f"ask_price_{k}" for k in range(1, 6)]].to_numpy()
    assert (np.diff(bids) < 0).all()
    assert (np.diff(asks) > 0).all()
    assert ((bids[:, 0] < close) & (close < asks[:, 0])).all()
    spread_bps = 1e4 * np.median(asks[:, 0] / bids[:, 0] - 1)
    assert 1 < spread_bps < 20
    # The balance of all five levels is the signal, nothing else is.
    sizes = {
        side: book[[f"{side}_size_{k}" for k in range(1, 6)]].sum(axis=1) for side in ("bid", "ask")
    }
    balance = (sizes["bid"] - sizes["ask"]) / (sizes["bid"] + sizes["ask"])
    order = np.argsort(balance.to_numpy()[:-2])
    assert (np.diff(market.probability_up[:-2][order]) >= -1e-9).all()
    assert abs(balance.mean()) < 0.15
    # The features of the book take it, and one of them is that balance.
    matrix = compute_features(market.bars.frame.join(book), feature_names(family="order_book"))
    read = matrix.values[:, matrix.names.index("book_imbalance_5")]
    known = np.isfinite(read)
    np.testing.assert_allclose(read[known], balance[known], atol=1e-6)
    # Books beside another signal change none of its bars.
    plain = simulate_bars(500, seed=3, edge=0.1)
    with_book = simulate_bars(500, seed=3, edge=0.1, spec=SimulationSpec(order_book=True))
    pd.testing.assert_frame_equal(plain.bars.frame, with_book.bars.frame)
    assert plain.order_book is None
    assert with_book.order_book is not None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SimulationSpec(signal="magic"), "signal must be one of .*got 'magic'"),
        (lambda: JumpSpec(per_bar=1.5), r"jumps.per_bar must lie in \[0, 1\], got 1.5"),
        (lambda: JumpSpec(size=math.nan), r"jumps.size must be a finite number, got nan"),
        (lambda: JumpSpec(size=21.0), r"jumps.size must lie in \[0, 20\], got 21"),
        (lambda: RegimeSpec(strength_depth=-1), r"regimes.strength_depth must lie in \[0, 4\]"),
        (lambda: RegimeSpec(volatility_depth=3), r"regimes.volatility_depth must lie in"),
        (lambda: RegimeSpec(period_bars=1), "regimes.period_bars must be at least 2, got 1"),
        (lambda: AssetSpec(count=0), "assets.count must be at least 1, got 0"),
        (lambda: AssetSpec(count=2, correlation=1.0), r"must lie in \[0, 1\), got 1.0"),
        (lambda: AssetSpec(count=2, lead_lag_bars=-1), "lead_lag_bars must be at least 0"),
        (lambda: AssetSpec(correlation=0.5), "nothing to be tied to.*set assets.count to 2"),
    ],
)
def test_impossible_specifications_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
