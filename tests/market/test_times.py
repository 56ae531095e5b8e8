import numpy as np
import pandas as pd
import pytest

from ultimate_deep.market.bars import Bars
from ultimate_deep.market.simulator import simulate_bars
from ultimate_deep.market.times import clock_of, close_times, open_times, utc_time, utc_times

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
