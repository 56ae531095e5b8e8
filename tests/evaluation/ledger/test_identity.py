import dataclasses

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.evaluation.ledger.identity import OHLCV, DataIdentity


def frame(bars, *, seed=0, start="2024-01-10", step="1h"):
    rng = np.random.default_rng(seed)
    index = pd.date_range(start, periods=bars, freq=step, tz="UTC", name="timestamp")
    return pd.DataFrame(rng.normal(100, 1, (bars, 5)), index=index, columns=list(OHLCV))


def walk(bars, *, seed=0):
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.004, bars)))
    return frame(bars, seed=seed).assign(close=close)


def identify(**frames):
    return DataIdentity.from_frames(frames)


def test_a_renamed_file_and_another_order_of_symbols_are_the_same_data():
    one, two = frame(2000, seed=1), frame(2000, seed=2)
    assert identify(a=one, b=two) == identify(z=two, y=one)
    assert identify(a=one, b=two).digest == identify(z=two, y=one).digest


@pytest.mark.parametrize(
    "change",
    [
        lambda bars: bars.iloc[300:],
        lambda bars: bars.iloc[:-300],
        lambda bars: bars.iloc[700:1800],
        lambda bars: pd.concat([bars, frame(500, seed=9, start="2024-04-10")]),
        lambda bars: bars.assign(funding=1.0),
        lambda bars: bars.tz_convert("Asia/Tokyo"),
    ],
)
def test_cut_appended_and_widened_bars_are_the_same_data(change):
    bars = frame(2160)
    assert identify(a=bars).overlaps(identify(b=change(bars)))


def test_one_shared_symbol_is_enough():
    shared = frame(2000, seed=1)
    one = identify(a=shared, b=frame(2000, seed=2))
    assert one.overlaps(identify(c=frame(2000, seed=3), d=shared))
    assert not one.overlaps(identify(c=frame(2000, seed=3)))


@pytest.mark.parametrize("column", range(5))
def test_every_value_counts(column):
    bars = frame(400)
    other = bars.copy()
    other.iloc[123, column] += 1e-9
    changed = set(identify(a=bars).chunks) - set(identify(a=other).chunks)
    assert 1 <= len(changed) <= 3


@pytest.mark.parametrize(
    "change",
    [
        lambda bars: bars.assign(volume=bars["volume"] * 1.000000001),
        lambda bars: bars * [100.0, 100.0, 100.0, 100.0, 1.0],
        lambda bars: bars.set_axis(bars.index + pd.Timedelta("1s"), axis=0),
        lambda bars: bars.astype("float32").astype("float64"),
        lambda bars: bars.round(4),
    ],
)
def test_the_same_bars_in_another_unit_or_rounding_are_the_same_data(change):
    bars = walk(2160)
    assert identify(a=bars).overlaps(identify(b=change(bars)))


def test_quiet_stretches_and_other_walks_are_other_data():
    flat = walk(2160).assign(close=1.0)
    other = walk(2160, seed=1).assign(close=1.0)
    assert not identify(a=flat).overlaps(identify(b=other))
    assert not identify(a=walk(5000)).overlaps(identify(b=walk(5000, seed=1)))


def test_bars_of_another_time_are_other_data():
    bars = frame(2000)
    assert not identify(a=bars).overlaps(identify(a=bars.shift(freq="1h")))


def test_bars_of_days_are_known_by_the_month():
    bars = frame(90, start="2024-01-01", step="1D")
    assert len(identify(a=bars).chunks) == 9
    assert identify(a=bars.iloc[20:70]).overlaps(identify(a=bars))


def test_bars_of_minutes_are_known_by_the_day():
    bars = frame(3 * 1440, step="1min")
    longer = pd.concat([bars, frame(1440, seed=4, start="2024-01-13", step="1min")])
    assert len(identify(a=bars).chunks) == 9
    assert identify(a=bars.iloc[100:]).overlaps(identify(a=longer))


def test_negative_zero_and_nan_have_one_form():
    bars = frame(100)
    bars.iloc[3, 4] = 0.0
    bars.iloc[5, 0] = np.nan
    other = bars.copy()
    other.iloc[3, 4] = -0.0
    other.iloc[5, 0] = -np.nan
    assert identify(a=bars) == identify(a=other)


def test_arrays_are_the_frame():
    bars = frame(300)
    naive = bars.index.tz_localize(None).to_numpy()
    assert DataIdentity.from_arrays({"x": (naive, bars.to_numpy())}) == identify(a=bars)
    assert dataclasses.is_dataclass(identify(a=bars))


@pytest.mark.parametrize(
    ("bars", "rule"),
    [
        ({}, "at least one symbol"),
        ({"a": frame(10).iloc[:0]}, "at least one bar"),
        ({"a": frame(10).iloc[::-1]}, "row 1 of a"),
        ({"a": frame(10).iloc[[0, 1, 1]]}, "row 2 of a"),
        ({"a": frame(10).drop(columns="volume")}, r"a lacks \['volume'\]"),
    ],
)
def test_bad_bars_are_refused(bars, rule):
    with pytest.raises(ValueError, match=rule):
        DataIdentity.from_frames(bars)


def test_values_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"shape \(10, 4\)"):
        DataIdentity.from_arrays({"a": (frame(10).index, np.ones((10, 4)))})
