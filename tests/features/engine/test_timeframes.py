"""Features of coarser bars: equal to those of resampled bars, and never seen before their close."""

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.features import compute_features, feature_names, timeframe_names
from ultimate_deep.features.registry import registry

HOW = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
BASES = ("rsi_7", "return_log_3", "volume_surprise_z_20", "elapsed_log_20")


@pytest.fixture(scope="module")
def frame(make_bars) -> pd.DataFrame:
    """Minutes with gaps of up to an hour: some coarse bars miss their last minute, or all."""
    return make_bars(3000, seed=61, every="1min")


def resampled(frame: pd.DataFrame, factor: int) -> pd.DataFrame:
    """Coarse bars by pandas, and the minute at whose close each is known to be over."""
    coarse = frame.resample(f"{factor}min", origin="epoch").agg(HOW).dropna()
    ends = coarse.index + pd.Timedelta(minutes=factor)
    # The first minute that closes at the end or later.
    place = np.searchsorted(frame.index + pd.Timedelta(minutes=1), ends)
    return coarse.assign(place=place)


@pytest.mark.parametrize("factor", [5, 15, 60])
def test_values_are_those_of_resampled_bars(frame, factor):
    bases = BASES if factor < 60 else ("return_log_3", "close_location")
    got = compute_features(frame, timeframe_names(bases, (factor,)), interval="1min").values
    coarse = resampled(frame, factor)
    values = compute_features(coarse, bases).values
    want = np.full_like(got, np.nan)
    places = coarse["place"].to_numpy()
    for k, place in enumerate(places):
        until = places[k + 1] if k + 1 < len(places) else len(want)
        want[place:until] = values[k]
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("cut", [1501, 1777, 2222])
def test_nothing_of_the_future_is_seen(frame, cut):
    slow = ("return_log_3", "elapsed_log_20")
    names = (*timeframe_names(BASES, (5,)), *timeframe_names(slow, (15,)))
    whole = compute_features(frame, names, interval="1min").values
    short = compute_features(frame.iloc[:cut], names, interval="1min").values
    np.testing.assert_array_equal(short, whole[:cut])
    other = frame.copy()
    other.iloc[cut:, :4] *= 1.3
    changed = compute_features(other, names, interval="1min").values
    np.testing.assert_array_equal(changed[:cut], whole[:cut])
    assert not np.array_equal(changed[cut:], whole[cut:], equal_nan=True)


def test_a_coarse_bar_stamped_early_would_be_caught(frame):
    """The usual mistake, resampled features joined by their bar's open time, changes the past."""

    def early(bars: pd.DataFrame) -> np.ndarray:
        coarse = bars.resample("15min", origin="epoch").agg(HOW).dropna()
        closes = np.log(coarse["close"]).diff(3)
        return closes.reindex(bars.index, method="ffill").to_numpy()

    whole, cut = early(frame), 1777
    assert not np.array_equal(early(frame.iloc[:cut]), whole[:cut], equal_nan=True)


def test_warm_up_counts_coarse_bars(make_bars):
    steady = make_bars(3000, seed=5, every="1min")
    steady.index = pd.date_range(
        "2024-01-01", periods=3000, freq="1min", tz="UTC", name="timestamp"
    )
    name = "rsi_7_15x"
    matrix = compute_features(steady, [name], interval="1min")
    base = registry().features["rsi_7"].warmup_bars
    assert matrix.warmup_bars == (base + 1) * 15 - 1
    assert np.isfinite(matrix.values[matrix.warmup_bars :]).all()
    assert np.isnan(matrix.values[: matrix.warmup_bars]).all()
    assert matrix.families == ("timeframes",)
    assert "of bars 15 times as long" in registry().choose([name])[0].unit


def test_coarse_and_fine_stand_side_by_side(frame):
    names = ["rsi_14", "rsi_14_5x", "return_log_1"]
    matrix = compute_features(frame, names, interval="1min")
    fine = compute_features(frame, ["rsi_14", "return_log_1"])
    np.testing.assert_array_equal(matrix.values[:, [0, 2]], fine.values)
    found = compute_features(frame, names)  # their interval shows in their times
    np.testing.assert_array_equal(found.values, matrix.values)
    coarse = {name for name in feature_names() if name.rpartition("_")[2] in ("4x", "16x")}
    assert coarse == set(feature_names("timeframes"))


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (["rsi_14_5x"], {"interval": "irregular"}, r"bars of one length.*rsi_14_5x"),
        (["rsi_14_7x"], {"interval": "1min"}, "unknown features.*rsi_14_7x"),
        (["rsi_14_5x"], {"interval": "soon"}, "length of time such as '1min'; got 'soon'"),
        (["rsi_14_5x"], {"interval": "0min"}, "above zero"),
        (["rsi_14_5x"], {"interval": "2min"}, r"sooner than the interval of 120 s"),
        (["rsi_14_60x"], {"interval": "1min"}, "need at least"),
    ],
)
def test_what_is_refused(frame, names, options, message):
    with pytest.raises(ValueError, match=message):
        compute_features(frame, names, **options)
    with pytest.raises(ValueError, match="times as long; got"):
        timeframe_names(("rsi_14",), (7,))
