"""Default features of coarser bars: what every feature promises, and where bars have no length."""

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.features import (
    FeatureStream,
    compute_features,
    feature_names,
    feature_table,
    iter_features,
)
from ultimate_deep.features.compute import NO_LENGTH
from ultimate_deep.features.registry import DEFAULT_COARSE, MOST_WARMUP_BARS, registry
from ultimate_deep.market.market import as_market
from ultimate_deep.market.timeframes import coarse_bars
from ultimate_deep.pipeline.rows import feature_function

CUTS = (437, 700, 1023, 1311)
PRICES = ["open", "high", "low", "close"]


def names() -> list[str]:
    return list(feature_names("timeframes"))


every_coarse_feature = pytest.mark.contract(walks=names)


def values_of(frame: pd.DataFrame) -> np.ndarray:
    return compute_features(frame, names(), interval="1h").values


def steady(frame: pd.DataFrame, start: str) -> pd.DataFrame:
    """The same bars hour by hour: none is missing."""
    index = pd.date_range(start, periods=len(frame), freq="1h", tz="UTC", name="timestamp")
    return frame.set_axis(index, axis=0)


@every_coarse_feature
def test_they_are_default_features_with_a_table_row_each():
    table = feature_table().set_index("name")
    assert tuple(table.index) == feature_names()
    assert set(names()) <= set(table.index)
    assert set(table.loc[names(), "family"]) == {"timeframes"}
    assert table.loc[names(), "warmup_bars"].max() <= MOST_WARMUP_BARS
    assert len(names()) == sum(map(len, DEFAULT_COARSE.values())) <= 14
    assert set(table.loc[names(), "inputs"]) == {"close"}


@every_coarse_feature
def test_none_sees_the_future(random_bars):
    whole = values_of(random_bars)
    for cut in CUTS:
        draw = np.random.default_rng(cut)
        other = random_bars.copy()
        factors = draw.uniform(0.5, 2.0, (len(other) - cut, 1))
        other.iloc[cut:, :4] *= factors
        times = other.index[:cut].append(other.index[cut:] + pd.Timedelta("37D"))
        for frame in (random_bars.iloc[:cut], other, other.set_axis(times, axis=0)):
            np.testing.assert_array_equal(values_of(frame)[:cut], whole[:cut])


@every_coarse_feature
def test_each_is_that_of_the_bars_which_are_over(random_bars):
    got = compute_features(random_bars, interval="1h").frame()
    for factor, bases in DEFAULT_COARSE.items():
        coarse = coarse_bars(random_bars, pd.Timedelta("1h"), factor)
        want = compute_features(coarse.frame, bases).values
        want = np.vstack([np.full((1, len(bases)), np.nan), want])[coarse.newest + 1]
        np.testing.assert_array_equal(got[[f"{name}_{factor}x" for name in bases]], want)


@every_coarse_feature
def test_the_unit_of_prices_changes_nothing(random_bars):
    before = values_of(random_bars)
    np.testing.assert_array_equal(values_of(random_bars.mul(0.125)), before)
    np.testing.assert_allclose(values_of(random_bars.mul(31_415.9)), before, rtol=2e-6, atol=2e-6)


@every_coarse_feature
def test_warm_up_is_the_declared_one_and_gaps_make_it_no_longer(random_bars):
    aligned = steady(random_bars, "1970-01-01")
    for frame, exact in ((aligned, True), (random_bars, False)):
        values = values_of(frame)
        for k, feature in enumerate(registry().choose(names())):
            assert np.isfinite(values[feature.warmup_bars :, k]).all(), feature.name
            assert not exact or np.isnan(values[: feature.warmup_bars, k]).all(), feature.name


@every_coarse_feature
@pytest.mark.parametrize("start", [300, 301, 777, 790])
def test_no_value_after_warm_up_depends_on_where_the_bars_begin(random_bars, start):
    """Even where they begin in the middle of a coarse bar."""
    whole, later = values_of(random_bars), values_of(random_bars.iloc[start:])
    for k, feature in enumerate(registry().choose(names())):
        first = feature.warmup_bars
        np.testing.assert_allclose(
            later[first:, k], whole[start + first :, k], rtol=1e-6, atol=1e-9, err_msg=feature.name
        )


@every_coarse_feature
def test_a_still_market_has_the_neutral_value(random_bars):
    still = random_bars.assign(**dict.fromkeys(PRICES, 1.1), volume=0.7)
    values = values_of(still)
    for k, feature in enumerate(registry().choose(names())):
        np.testing.assert_allclose(values[-150:, k], feature.neutral, atol=1e-6)


@every_coarse_feature
def test_none_repeats_another_default_feature(random_bars):
    matrix = compute_features(steady(random_bars, "2024-01-01"))
    values = matrix.values[matrix.warmup_bars :].astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):  # a flag may be constant here
        correlation = np.abs(np.corrcoef(values, rowvar=False))
    for name in names():
        k = matrix.names.index(name)
        assert (np.delete(correlation[k], k) > 0.9999).sum() == 0, name


@pytest.mark.parametrize("interval", ["1h", None])
def test_the_default_stream_equals_the_default_batch(random_bars, interval):
    """Of a stated interval with coarser bars; without one, the features of the bars as they are."""
    stream = FeatureStream(interval=interval)
    batch = compute_features(random_bars, stream.names, interval=interval).values
    assert stream.names == tuple(
        name for name in feature_names() if interval or name not in names()
    )
    half = 700
    stream.extend(random_bars.iloc[:half])
    for row, bar in enumerate(random_bars.iloc[half : half + 200].itertuples(), start=half):
        got = stream.push(bar.Index, bar.open, bar.high, bar.low, bar.close, bar.volume)
        np.testing.assert_array_equal(got, batch[row])


def test_the_interval_is_found_from_the_times(random_bars):
    found = compute_features(random_bars)
    stated = compute_features(random_bars, interval="1h")
    assert found.names == stated.names == feature_names()
    np.testing.assert_array_equal(found.values, stated.values)
    assert found.dropped == {}
    (block,) = iter_features(random_bars, block_rows=len(random_bars))
    np.testing.assert_array_equal(block.values, found.values)


def _irregular(frame: pd.DataFrame) -> pd.DataFrame:
    draw = np.random.default_rng(4)
    seconds = draw.integers(20, 9_000, len(frame)).cumsum()
    start = pd.Timestamp("2024-01-01", tz="UTC")
    return frame.set_axis(start + pd.to_timedelta(seconds, unit="s"), axis=0)


def test_bars_of_no_length_leave_them_out(random_bars):
    irregular = _irregular(random_bars)
    market = as_market(random_bars, kind="irregular")
    computed = {
        "found": compute_features(irregular),
        "known": compute_features(market),
        "stated": compute_features(random_bars, interval="irregular"),
        "of a run": feature_function(market)(random_bars),
        "in blocks": next(iter(iter_features(irregular, block_rows=len(irregular)))),
        # As with days of a place that keeps summer time: one of the year is shorter.
        "too long": compute_features(random_bars, interval="61min"),
    }
    for case, matrix in computed.items():
        assert matrix.dropped == dict.fromkeys(names(), NO_LENGTH), case
        assert not set(matrix.names) & set(names()), case
        assert len(matrix.names) == len(feature_names()) - len(names()), case
    with pytest.raises(ValueError, match=r"these are irregular; leave out \['rsi_14_4x'\]"):
        compute_features(irregular, ["rsi_14_4x"])
