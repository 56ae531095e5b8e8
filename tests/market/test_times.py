import datetime
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.market.bars import Bars
from ultimate_deep.market.simulator import simulate_bars
from ultimate_deep.market.times import (
    clock_of,
    close_times,
    duration_microseconds,
    index_microseconds,
    index_nanoseconds,
    interval_nanoseconds,
    open_times,
    seconds_of,
    stamp_microseconds,
    unit_of_size,
    utc_index,
    utc_nanoseconds,
    utc_time,
    utc_times,
)

NEW_YORK = pd.date_range("2024-03-10 00:00", periods=4, freq="h", tz="America/New_York")
UTC = np.array(["2024-03-10T05", "2024-03-10T06", "2024-03-10T07", "2024-03-10T08"], "M8[ns]")


@pytest.fixture
def bars() -> Bars:
    return simulate_bars(64, seed=0, interval="15min").bars


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_any_zone_and_unit_become_nanoseconds_in_utc(unit):
    times = utc_times(NEW_YORK.as_unit(unit))
    assert times.dtype == "datetime64[ns]"
    assert (times == UTC).all()


def test_times_without_a_zone_are_in_utc():
    assert (utc_times(UTC.astype("datetime64[s]")) == UTC).all()
    assert (utc_times(pd.DatetimeIndex(UTC)) == UTC).all()


def test_missing_times_stay_missing():
    assert np.isnat(utc_times(np.array(["2024-01-01", "NaT"], "M8[s]"))).tolist() == [False, True]


def test_what_is_returned_is_a_copy():
    index = pd.DatetimeIndex(UTC, tz="UTC")
    utc_times(index)[0] = np.datetime64("1970-01-01")
    assert index[0] == pd.Timestamp("2024-03-10 05:00", tz="UTC")


def test_one_time_must_state_its_zone():
    assert utc_time("2024-03-10T00:00:00-05:00") == UTC[0]
    assert utc_time(NEW_YORK[1]) == UTC[1]
    with pytest.raises(TypeError, match="tz-naive"):
        utc_time("2024-03-10")


def test_a_bar_is_known_one_interval_after_its_open(bars):
    assert (open_times(bars) == bars.index.tz_localize(None).to_numpy()).all()
    assert (close_times(bars) - open_times(bars) == np.timedelta64(15, "m")).all()
    assert close_times(bars).dtype == "datetime64[ns]"


def test_the_clock_is_exact_in_float32():
    days = np.array(["1969-12-31T23:59:59", "2262-01-01T23:59:59"], "M8[ns]")
    assert clock_of(days).tolist() == [[-1.0, 86_399.0], [106_651.0, 86_399.0]]
    assert clock_of(days).dtype == np.float32


def test_a_clock_of_what_is_known_is_never_early():
    times = np.array(["2024-01-01T10:00:00", "2024-01-01T10:00:00.000001",
                      "2024-01-01T23:59:59.5", "1969-12-31T23:59:58.5"], "M8[ns]")  # fmt: skip
    day = 19_723
    np.testing.assert_array_equal(
        clock_of(times), [[day, 36_000], [day, 36_000], [day, 86_399], [-1, 86_398]]
    )
    np.testing.assert_array_equal(
        clock_of(times, upwards=True), [[day, 36_000], [day, 36_001], [day + 1, 0], [-1, 86_399]]
    )


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_microseconds_are_those_of_whole_python_integers(unit):
    """Before and after 1970, of one time and of many; what is finer than one is cut off."""
    times = pd.DatetimeIndex(
        ["1969-12-31 23:59:59", "2024-03-10 05:00:01", "2200-01-01"], tz="UTC"
    ).as_unit(unit)
    if unit == "ns":
        times = times + pd.Timedelta(1_999, unit="ns")
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    microsecond = datetime.timedelta(microseconds=1)
    expected = [(stamp.to_pydatetime(warn=False) - epoch) // microsecond for stamp in times]
    assert index_microseconds(times).tolist() == expected
    assert [stamp_microseconds(stamp) for stamp in times] == expected


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_nanoseconds_are_those_of_whole_python_integers(unit):
    times = pd.DatetimeIndex(
        ["1900-01-01", "1969-12-31 23:59:59", "2024-03-10 05:00:01", "2262-04-11"], tz="UTC"
    ).as_unit(unit)
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    expected = [(stamp.to_pydatetime() - epoch) // datetime.timedelta(seconds=1) for stamp in times]
    further = 999_999_999 if unit == "ns" else 0
    times = times + pd.Timedelta(further, unit="ns").as_unit(unit)
    exact = [seconds * 10**9 + further for seconds in expected]
    assert index_nanoseconds(times).tolist() == exact
    for stamp, nanoseconds in zip(times, exact, strict=True):
        assert utc_nanoseconds(stamp) == nanoseconds
        assert utc_nanoseconds(stamp.tz_convert("Asia/Tokyo")) == nanoseconds
        plain = stamp.to_pydatetime(warn=False)
        assert utc_nanoseconds(plain) == nanoseconds // 1000 * 1000


def test_seconds_of_whole_microseconds_are_the_nearest_numbers():
    microseconds = np.array([-(10**15) - 1, -1, 0, 7, 1_715_000_000_123_457, 8 * 10**15 + 3])
    assert seconds_of(microseconds * 1000).tolist() == [int(one) / 1e6 for one in microseconds]
    near = seconds_of(np.array([1_999, -1]))
    assert near.tolist() == pytest.approx([1.999e-6, -1e-9], abs=1e-20)
    for one in microseconds:
        assert utc_nanoseconds(int(one) / 1e6) == one * 1000


def test_numbers_are_seconds_already_and_what_is_no_time_is_refused():
    for one in (3, 3.0, np.int64(3), np.float64(3), np.float32(3), np.uint8(3)):
        assert utc_nanoseconds(one) == 3_000_000_000
    for naive in (pd.Timestamp("2024-01-01"), datetime.datetime(2024, 1, 1)):
        with pytest.raises(TypeError, match="state their zone; got the naive 2024-01-01"):
            utc_nanoseconds(naive)
    for wrong in ("2024", pd.NaT, None):
        with pytest.raises(TypeError, match="a datetime or UTC seconds; got"):
            utc_nanoseconds(wrong)


@pytest.mark.parametrize(
    ("number", "unit"),
    [
        *((0, "s"), (-2_208_988_800, "s"), (9_223_372_036, "s"), (9_223_372_037, "ms")),
        *((1_715_000_000_000, "ms"), (1_715_000_000_000_000.0, "us"), (1.715e18, "ns")),
        *((-2_208_988_801, "ms"), (10**20, None), (float("nan"), None), (float("inf"), None)),
    ],
)
def test_the_unit_of_a_number_is_known_by_its_size(number, unit):
    assert unit_of_size(number) == unit
    if unit != "s":
        with pytest.raises(ValueError, match="between 1900 and April 2262"):
            utc_nanoseconds(number)


def test_intervals_are_whole_nanoseconds():
    given = ["1min", pd.Timedelta("1001us"), np.timedelta64(7, "ns"), datetime.timedelta(hours=1)]
    exact = [60 * 10**9, 1_001_000, 7, 3_600 * 10**9]
    assert [interval_nanoseconds(one) for one in given] == exact
    assert interval_nanoseconds(None) is None
    for wrong in ("soon", "200000D"):
        with pytest.raises(ValueError, match="length of time such as '1min'; got"):
            interval_nanoseconds(wrong)
    for wrong in ("0min", "-1s", "0.3ns", "NaT", ""):
        with pytest.raises(ValueError, match="above zero; got"):
            interval_nanoseconds(wrong)


def test_lengths_of_time_are_cut_to_whole_microseconds():
    assert duration_microseconds(pd.Timedelta("1h")) == 3_600_000_000
    assert duration_microseconds(pd.Timedelta(1_999, unit="ns")) == 1
    assert duration_microseconds(pd.Timedelta(-1, unit="ns")) == -1


def test_bars_are_over_an_interval_after_they_open(bars):
    opened = utc_index(close_times(bars)) - bars.interval
    pd.testing.assert_index_equal(opened, bars.frame.index, check_names=False, exact=False)
    assert str(utc_index(UTC).tz) == "UTC"


def test_features_and_folds_leave_the_arithmetic_of_times_to_the_market():
    root = Path(__file__).resolve().parents[2]
    rooms = [root / "features", root / "ultimate_deep" / "evaluation" / "schemes"]
    told = re.compile(r"\.asi8|as_unit\(|// 1000|microseconds=1|np\.diff\(times\)\.astype")
    found = [
        f"{path.relative_to(root)}: {line.strip()}"
        for room in rooms
        for path in sorted(room.rglob("*.py"))
        for line in path.read_text().splitlines()
        if told.search(line)
    ]
    assert found == []
