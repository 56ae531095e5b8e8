"""Coarse bars: what they hold, and that nothing of one is seen before it is over."""

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.market.timeframes import coarse_bars
from ultimate_deep.market.windows import Windows

HOUR = pd.Timedelta("1h")


def bars(stamps):
    rng = np.random.default_rng(0)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, len(stamps))))
    opens = np.concatenate([[100.0], close[:-1]])
    high, low = np.maximum(opens, close) * 1.001, np.minimum(opens, close) * 0.999
    columns = {"open": opens, "high": high, "low": low, "close": close}
    frame = pd.DataFrame({**columns, "volume": rng.uniform(1, 2, len(stamps))}, index=stamps)
    frame.index.name = "timestamp"
    return frame


def test_coarse_bars_are_those_of_pandas():
    frame = bars(pd.date_range("2020-01-01 03:00", periods=50, freq="1h", tz="UTC"))
    found = coarse_bars(frame, HOUR, 4)
    rule = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    # The last span, 04:00 to 08:00, is over only at 08:00.
    expected = frame.resample("4h", origin="epoch").agg(rule).iloc[:-1]
    pd.testing.assert_frame_equal(found.frame, expected, check_freq=False)


def test_a_coarse_bar_is_known_with_its_last_fine_bar_or_the_next_that_comes():
    stamps = pd.date_range("2020-01-01", periods=12, freq="1h", tz="UTC").delete([3, 8])
    found = coarse_bars(bars(stamps), HOUR, 4)
    # Hour 3 is missing: the first bar is known with hour 4, at whose close it is over.
    assert found.newest.tolist() == [-1, -1, -1, 0, 0, 0, 1, 1, 1, 2]
    assert len(found.frame) == 3


@pytest.mark.parametrize("cut", [1, 7, 18, 31, 64])
def test_what_is_known_does_not_depend_on_later_bars(cut):
    rng = np.random.default_rng(5)
    stamps = pd.date_range("2020-03-01", periods=80, freq="1h", tz="UTC")
    frame = bars(stamps[np.sort(rng.choice(80, 65, replace=False))])
    whole, part = coarse_bars(frame, HOUR, 4), coarse_bars(frame.iloc[:cut], HOUR, 4)
    np.testing.assert_array_equal(part.newest, whole.newest[:cut])
    pd.testing.assert_frame_equal(part.frame, whole.frame.iloc[: len(part.frame)])


def test_windows_copy_only_what_is_asked_for():
    table = np.arange(24, dtype=np.float32).reshape(12, 2)
    windows = Windows(table, np.array([3, 5, 11]), 4)
    assert windows.shape == (3, 4, 2)
    np.testing.assert_array_equal(windows[np.array([1])][0], table[2:6])
    np.testing.assert_array_equal(windows[1:], np.stack([table[2:6], table[8:12]]))
    np.testing.assert_array_equal(windows.take(slice(0, 1))[:], table[None, :4])
    assert np.flatnonzero(~windows.covered()).tolist() == [6, 7]
    newest = Windows(table, np.array([0, 11]), None)
    np.testing.assert_array_equal(newest[:], table[[0, 11]])
    with pytest.raises(ValueError, match="leave out the rows before"):
        Windows(table, np.array([2]), 4)
    with pytest.raises(ValueError, match="float32"):
        Windows(table.astype(np.float64), np.array([3]), 4)
