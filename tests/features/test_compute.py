"""`compute_features`: what it gives, and what it refuses and why."""

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.features import FeatureMatrix, compute_features, feature_names, feature_table
from ultimate_deep.features.engine.graph import column, cumulative
from ultimate_deep.features.engine.windows import mean
from ultimate_deep.features.registry import MOST_WARMUP_BARS, Feature, check_features, registry


def test_matrix_of_all_features(random_bars):
    before = random_bars.copy()
    matrix = compute_features(random_bars)
    assert isinstance(matrix, FeatureMatrix)
    assert matrix.values.dtype == np.float32
    assert matrix.values.shape == (len(random_bars), len(feature_names()))
    assert matrix.names == feature_names()
    assert matrix.families == tuple(feature_table()["family"])
    assert matrix.warmup_bars == feature_table()["warmup_bars"].max() <= MOST_WARMUP_BARS
    assert matrix.index.equals(random_bars.index)
    assert matrix.dropped == {}
    assert np.isfinite(matrix.values[matrix.warmup_bars :]).all()
    pd.testing.assert_frame_equal(random_bars, before)


def test_chosen_features_keep_their_order_and_values(random_bars):
    everything = compute_features(random_bars).frame()
    names = ["rsi_14", "return_log_1", "day_sin"]
    matrix = compute_features(random_bars, names)
    assert matrix.names == tuple(names)
    assert matrix.families == ("momentum", "price", "time")
    assert matrix.warmup_bars == registry().features["rsi_14"].warmup_bars
    pd.testing.assert_frame_equal(matrix.frame(), everything[names])


def test_a_single_name_may_be_a_string(random_bars):
    assert compute_features(random_bars, "rsi_14").names == ("rsi_14",)


def test_other_zones_columns_and_column_order_do_not_matter(random_bars):
    names = ["return_log_5", "week_sin", "obv_change_10"]
    want = compute_features(random_bars, names)
    shuffled = random_bars[["volume", "close", "low", "high", "open"]].assign(note="x")
    shuffled.index = shuffled.index.tz_convert("America/New_York")
    got = compute_features(shuffled, names)
    np.testing.assert_array_equal(got.values, want.values)
    assert got.index.equals(want.index)
    assert str(got.index.tz) == "UTC"


def test_bars_without_volume_drop_its_features_by_name(random_bars):
    silent = random_bars.assign(volume=0.0)
    matrix = compute_features(silent)
    assert set(matrix.dropped) == {
        name
        for name, inputs in feature_table()[["name", "inputs"]].to_numpy()
        if "volume" in inputs
    }
    assert len(matrix.dropped) >= 20
    assert "volume" in matrix.dropped["money_flow_14"]
    assert not set(matrix.dropped) & set(matrix.names)
    kept = compute_features(random_bars, matrix.names)
    np.testing.assert_array_equal(matrix.values, kept.values)
    with pytest.raises(ValueError, match=r"need volume.*money_flow_14"):
        compute_features(silent, ["rsi_14", "money_flow_14"])


def test_unknown_names_are_answered_with_the_nearest(random_bars):
    with pytest.raises(ValueError, match=r"'rsi14' \(nearest: rsi_14.*feature_names"):
        compute_features(random_bars, ["rsi14"])


@pytest.mark.parametrize(
    ("names", "message"), [(["rsi_14", "rsi_14"], "twice"), ([], "no feature names")]
)
def test_names_given_twice_or_not_at_all(random_bars, names, message):
    with pytest.raises(ValueError, match=message):
        compute_features(random_bars, names)


def _reversed(frame):
    return frame.iloc[::-1]


def _set(row, name, value):
    def change(frame):
        frame = frame.copy()
        frame.iloc[row, frame.columns.get_loc(name)] = value
        return frame

    return change


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda f: f.drop(columns=["low", "volume"]), ValueError, r"lack.*'low', 'volume'.*file"),
        (lambda f: f.rename(columns=str.title), ValueError, r"give bars.rename\(columns=str.lower"),
        (lambda f: f.tz_localize(None), ValueError, "naive"),
        (lambda f: f.reset_index(drop=True), TypeError, "indexed by time"),
        (lambda f: f.to_numpy(), TypeError, "DataFrame"),
        (_reversed, ValueError, r"increase strictly; row 1 "),
        (lambda f: pd.concat([f.iloc[:5], f.iloc[4:]]), ValueError, r"increase strictly; row 5 "),
        (lambda f: f.assign(close="x"), ValueError, "'close' must hold numbers"),
        (_set(17, "high", np.nan), ValueError, r"high of the bar at .*row 17.*not finite"),
        (_set(18, "volume", np.inf), ValueError, r"volume of the bar at .*row 18"),
        (_set(19, "low", 0.0), ValueError, r"low of the bar at .*row 19.*above zero"),
        (_set(20, "volume", -1.0), ValueError, r"volume of the bar at .*row 20"),
        (lambda f: f.iloc[:495], ValueError, r"at least 496 bars.*got 495"),
        (lambda f: f.iloc[:0], ValueError, r"at least 496 bars.*got 0"),
    ],
)
def test_malformed_bars_are_refused(random_bars, change, error, message):
    with pytest.raises(error, match=message):
        compute_features(change(random_bars))


def test_one_bar_more_than_the_warm_up_is_enough(random_bars):
    matrix = compute_features(random_bars.iloc[:496])
    assert np.isfinite(matrix.values[-1]).all()
    short = compute_features(random_bars.iloc[:2], ["return_log_1"])
    assert np.isfinite(short.values[1]).all()


def _feature(name, node):
    return Feature(name, node, "Nobody (1900)", "nothing")


def test_the_registry_refuses_what_would_break_a_promise():
    price = column("close")
    short, long = mean(price, 3), mean(price, MOST_WARMUP_BARS + 2)
    with pytest.raises(ValueError, match="exists already in family 'a'"):
        check_features([("a", _feature("x", short)), ("b", _feature("x", short))])
    with pytest.raises(ValueError, match="never forgets"):
        check_features([("a", _feature("x", cumulative(price) - short))])
    with pytest.raises(ValueError, match="needs 501 bars of warm-up"):
        check_features([("a", _feature("x", long))])


@pytest.mark.parametrize("name", ["btcusd_1h", "spy_1h", "eurusd_1m", "usdjpy_1h", "btcusd_1m"])
def test_real_bars(real_bars_folder, name):
    frame = pd.read_parquet(real_bars_folder / f"{name}.parquet")
    if "timestamp" in frame.columns:
        frame = frame.set_index("timestamp")
    matrix = compute_features(frame)
    after = matrix.values[matrix.warmup_bars :]
    assert np.isfinite(after).all()
    # A robust scaler plus clipping at 8 suffices: few values lie far out. Flags, whose quartiles
    # are equal, keep their scale.
    middle = np.median(after, axis=0)
    low, high = np.percentile(after, [25, 75], axis=0)
    spread = np.where(high > low, high - low, 1.0) / 1.349
    clipped = (np.abs(after - middle) > 8.0 * spread).mean(axis=0)
    # Overnight gaps stand apart from hourly ones; quiet minutes have many bars without range.
    most = 0.25 if name == "btcusd_1m" else 0.2
    assert clipped.max() < most, matrix.names[int(clipped.argmax())]
    assert clipped.mean() < 0.01
    assert bool(matrix.dropped) == bool((frame["volume"] == 0.0).all())
