"""Times are whole nanoseconds, whichever way bars come, and a stream is saved to the bit."""

import datetime as dt
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.features import (
    BarRefusedError,
    FeatureStream,
    compute_features,
    iter_features,
    timeframe_names,
)
from ultimate_deep.market.timeframes import coarse_bars

GOLDEN = Path(__file__).parents[1] / "golden"
COLUMNS = ["open", "high", "low", "close", "volume"]
BAR = (1.0, 2.0, 0.5, 1.5, 3.0)
BASES = ("return_log_1", "elapsed_log_20")
NAMES = ("return_log_1", "elapsed_log_20", "day_sin", *timeframe_names(BASES, (5, 15)))
FINE = NAMES[:3]
BOTH = pytest.mark.parametrize("names", [NAMES, FINE], ids=["coarser bars too", "fine bars"])


def close_by(frame: pd.DataFrame, every: str) -> pd.DataFrame:
    """These bars one after the other, from a time that no coarse bar begins at."""
    start = pd.Timestamp("2024-05-06 07:08:09.010203", tz="UTC").as_unit("ns")
    offsets = np.arange(len(frame)) * pd.Timedelta(every).as_unit("ns").value
    return frame.set_index(start + pd.to_timedelta(offsets, unit="ns"))


def rows_of(frame: pd.DataFrame):
    return zip(frame.index, *(frame[name].tolist() for name in COLUMNS), strict=True)


def values_of(frame: pd.DataFrame, names=NAMES, interval=None) -> np.ndarray:
    (block,) = iter_features(frame, names, interval=interval, block_rows=len(frame))
    return block.values


@pytest.mark.parametrize("every", ["1500ns", "1001us", "1ms", "10ms", "100ms", "0.3s", "1min"])
def test_coarse_bars_are_exact_at_every_interval(make_exact_bars, every):
    frame = close_by(make_exact_bars(600, "1h"), every)
    got = values_of(frame, timeframe_names(BASES, (5, 15)), every)
    for place, factor in enumerate((5, 15)):
        coarse = coarse_bars(frame, pd.Timedelta(every), factor)
        want = np.vstack([np.full((1, 2), np.nan), values_of(coarse.frame, BASES)])
        np.testing.assert_array_equal(got[:, 2 * place : 2 * place + 2], want[coarse.newest + 1])
    assert np.isfinite(got[-1]).all()


@pytest.mark.parametrize("every", ["1001us", "10ms", "1min"])
def test_a_stream_is_itself_again_at_every_save_point(make_exact_bars, tmp_path, every):
    frame = close_by(make_exact_bars(340, "1h"), every)
    batch = values_of(frame, NAMES, every)
    stream = FeatureStream(NAMES, interval=every)
    stream.extend(frame[:250])
    for row, bar in enumerate(rows_of(frame[250:]), start=250):
        loaded = FeatureStream.load(stream.save(tmp_path / "stream.npz"))
        assert loaded.last_timestamp == stream.last_timestamp == frame.index[row - 1]
        np.testing.assert_array_equal(loaded.push(*bar), batch[row])
        np.testing.assert_array_equal(stream.push(*bar), batch[row])


@pytest.mark.parametrize(
    ("file", "taken", "interval"),
    [("stream_of_seconds.npz", 138, "1min"), ("stream_of_seconds_fine.npz", 141, None)],
)
def test_a_stream_that_was_saved_with_times_in_seconds_goes_on(
    make_exact_bars, tmp_path, file, taken, interval
):
    """Both files were written before times were nanoseconds; one has two coarse bars under way."""
    frame = make_exact_bars(3000, "1min")[:400]
    stream = FeatureStream.load(GOLDEN / file)
    assert stream.bars_taken == taken
    assert stream.last_timestamp == frame.index[taken - 1]
    stream = FeatureStream.load(stream.save(tmp_path / "again.npz"))
    with pytest.raises(BarRefusedError, match="late, repeated"):
        stream.push(frame.index[taken - 1], *BAR)
    got = np.array([stream.push(*bar) for bar in rows_of(frame[taken:])])
    np.testing.assert_array_equal(got, values_of(frame, stream.names, interval)[taken:])


def test_a_file_that_lacks_a_part_is_refused(tmp_path):
    path = FeatureStream(NAMES, interval="1min").save(tmp_path / "stream.npz")
    with np.load(path) as parts:
        kept = {key: parts[key] for key in parts.files if key != "x5.start"}
    np.savez(path, **kept)
    with pytest.raises(ValueError, match="not hold a saved FeatureStream: it lacks 'start'"):
        FeatureStream.load(path)


@BOTH
@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("kind", [int, float, np.int64, np.float64])
def test_numbers_of_another_unit_are_refused_with_a_remedy_that_works(names, unit, kind):
    first, second = pd.Timestamp("2024-05-06 07:08:09", tz="UTC"), pd.Timedelta("1min")
    each = {"ms": 10**6, "us": 10**3, "ns": 1}[unit]
    stream = FeatureStream(names, interval="1min")
    timestamp = kind((first + second).as_unit("ns").value // each)
    with pytest.raises(BarRefusedError, match=r"between 1900 .*2024-05-06 07:09:09 in \w") as told:
        stream.push(timestamp, *BAR)
    assert stream.bars_taken == 0
    assert stream.last_timestamp is None
    stream.push(first.timestamp(), *BAR)
    with pytest.raises(BarRefusedError, match="the stream has not changed"):
        stream.push(timestamp, *BAR)
    assert stream.last_timestamp == first
    remedies = re.search(r"give (timestamp / \d+), or (pd\.Timestamp\(.*\));", str(told.value))
    for remedy in remedies.groups():
        followed = eval(remedy, {"pd": pd, "timestamp": timestamp})
        twin = stream.copy()
        twin.push(followed, *BAR)
        assert twin.last_timestamp == first + second


@BOTH
@pytest.mark.parametrize(
    "stamp",
    [
        *(float("nan"), float("inf"), -1e300, 1e60, 9.3e9, -2.3e9, 10**30),
        *(pd.Timestamp("2262-04-12", tz="UTC").as_unit("us"), pd.Timestamp(1850, 1, 1, tz="UTC")),
        *(dt.datetime(1899, 12, 31, tzinfo=dt.UTC), dt.datetime(9999, 1, 1, tzinfo=dt.UTC)),
    ],
    ids=str,
)
def test_a_refused_stamp_changes_nothing(names, stamp, make_exact_bars):
    frame = make_exact_bars(200, "1min")
    want = values_of(frame, names, "1min")
    stream = FeatureStream(names, interval="1min")
    stream.extend(frame[:150])
    for bar in rows_of(frame[150:160]):
        with pytest.raises(BarRefusedError, match="stream has not changed"):
            stream.push(stamp, *BAR)
        assert stream.bars_taken >= 150
        stream.push(*bar)
    got = np.array([stream.push(*bar) for bar in rows_of(frame[160:])])
    np.testing.assert_array_equal(got, want[160:])


@BOTH
def test_stamps_at_the_bounds_are_taken(names):
    stream = FeatureStream(names, interval="1min")
    bounds = ("1900-01-01", "2262-04-11 23:47:16")  # centuries apart
    index = pd.DatetimeIndex(bounds, tz="UTC").as_unit("us")
    frame = pd.DataFrame([BAR] * 2, index=index, columns=COLUMNS)
    got = np.array([stream.push(*bar) for bar in rows_of(frame)])
    np.testing.assert_array_equal(got, values_of(frame, names, "1min"))
    assert np.isfinite(got[-1, 0])
    assert stream.last_timestamp == index[-1]


@pytest.mark.parametrize("absent", ["NaT", "1899-12-31", "2262-04-12"])
def test_frames_with_times_outside_the_bounds_are_refused(make_exact_bars, absent):
    frame = make_exact_bars(200, "1min")
    index = frame.index.as_unit("us").to_series()
    index.iloc[70] = pd.Timestamp(absent, tz="UTC") if absent != "NaT" else pd.NaT
    frame = frame.set_index(pd.DatetimeIndex(index))
    with pytest.raises(ValueError, match=r"between 1900 and April 2262; row 70 is"):
        compute_features(frame, FINE)


@BOTH
def test_bars_are_told_apart_to_the_nanosecond(names):
    start = pd.Timestamp("2024-05-06 07:08:09.123456789", tz="UTC")
    stream = FeatureStream(names, interval="7ns")
    for k in range(40):
        stream.push(start + pd.Timedelta(7 * k, unit="ns"), *BAR)
        with pytest.raises(BarRefusedError, match=r"repeated.*2024-05-06 07:08:09\.1234"):
            stream.push(start + pd.Timedelta(7 * k, unit="ns"), *BAR)
    assert stream.last_timestamp == start + pd.Timedelta(7 * 39, unit="ns")
    later = [start + pd.Timedelta(7 * k, unit="ns") for k in (39, 40)]
    frame = pd.DataFrame([BAR] * 2, index=pd.DatetimeIndex(later), columns=COLUMNS)
    with pytest.raises(BarRefusedError, match="must follow the last one taken"):
        stream.extend(frame)
    stream.extend(frame[1:])
    assert stream.bars_taken == 41


@BOTH
def test_seconds_and_datetimes_give_the_same_bits(names, make_exact_bars):
    frame = close_by(make_exact_bars(200, "1h"), "1s")
    one, other = (FeatureStream(names, interval="1s") for _ in range(2))
    for time, *bar in rows_of(frame):
        values = one.push(time, *bar)
        np.testing.assert_array_equal(other.push(time.timestamp(), *bar), values)
        assert one.last_timestamp == other.last_timestamp == time


def test_a_bar_that_comes_a_nanosecond_too_soon_is_refused(make_exact_bars):
    frame = close_by(make_exact_bars(200, "1h"), "100ms")
    stream = FeatureStream(NAMES, interval="100ms")
    stream.extend(frame)
    soon = frame.index[-1] + pd.Timedelta(99_999_999, unit="ns")
    told = r"opens 0\.099999999 s after the one before, sooner than the interval of 0\.1 s"
    with pytest.raises(BarRefusedError, match=rf"{told}.*has not changed"):
        stream.push(soon, *BAR)
    with pytest.raises(BarRefusedError, match=rf"{told}.*has not changed"):
        stream.extend(pd.DataFrame([BAR], index=[soon], columns=COLUMNS))
    stream.push(soon + pd.Timedelta(1, unit="ns"), *BAR)
    assert all(a < b for a, b in pairwise(frame.index))


def test_a_spacing_is_told_to_the_nanosecond(make_exact_bars):
    stream = FeatureStream(NAMES, interval="1h")
    stream.push(pd.Timestamp("2026-01-01", tz="UTC"), *BAR)
    told = r"opens 3599\.999999999 s after .* interval of 3600 s"
    with pytest.raises(BarRefusedError, match=told):
        stream.push(pd.Timestamp("2026-01-01 00:59:59.999999999", tz="UTC"), *BAR)


@pytest.mark.parametrize("digits", [400, 5_000])
@pytest.mark.parametrize("names", [NAMES, ("rsi_14",)], ids=["coarse", "fine"])
def test_numbers_of_many_digits_are_refused_in_few_words(names, digits):
    stream = FeatureStream(names, interval="1h")
    time = pd.Timestamp("2026-01-01", tz="UTC")
    for place in range(6):
        bar = [time, *BAR]
        bar[place] = 10**digits
        with pytest.raises(BarRefusedError, match=rf"some {digits} digits.*not changed") as refused:
            stream.push(*bar)
        assert len(str(refused.value)) < 300
    assert stream.bars_taken == 0
    stream.push(time, *BAR)


@pytest.mark.parametrize("given", [float("nan"), float("inf"), np.float32("nan")])
def test_an_interval_that_is_no_length_of_time_gets_a_remedy_that_works(given):
    with pytest.raises(ValueError, match=r"which is no length of time; give '1min'"):
        FeatureStream(NAMES, interval=given)
    FeatureStream(NAMES, interval="1min")


@pytest.mark.parametrize("given", [60, 60.0, "60", " 1.5 ", np.int64(60)])
def test_an_interval_states_its_unit(given):
    with pytest.raises(ValueError, match=r"a number without its unit; give '.*s'"):
        FeatureStream(NAMES, interval=given)
    FeatureStream(NAMES, interval=f"{str(given).strip()}s")


def test_coarse_bars_of_centuries_are_refused():
    with pytest.raises(ValueError, match="longer than 292 years"):
        FeatureStream(NAMES, interval="10000D")
    FeatureStream(NAMES, interval="7000D")


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_frames_with_numbers_for_times_are_refused_with_a_remedy_that_works(make_exact_bars, unit):
    whole = make_exact_bars(200, "1min")
    numbers = whole.index.as_unit(unit).asi8
    of_column = whole.reset_index(drop=True).assign(timestamp=numbers)
    for bars in (whole.set_index(pd.Index(numbers)), of_column):
        with pytest.raises(TypeError, match=rf"unit='{unit}'") as told:
            compute_features(bars, FINE)
        remedy = re.search(r"give (bars\..*\))", str(told.value))[1]
        followed = eval(remedy, {"pd": pd, "bars": bars})
        np.testing.assert_array_equal(
            compute_features(followed, FINE).values, compute_features(whole, FINE).values
        )
    with pytest.raises(TypeError, match=r"pop\('timestamp'\), utc=True"):
        compute_features(whole.reset_index(drop=True), FINE)
