"""Interval, session, bars per year and gaps are found from times alone."""

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.market.sessions import (
    find_bars_per_year,
    find_gaps,
    find_interval,
    find_session,
    median_interval,
)

HOUR = pd.Timedelta("1h")


def hours(days, start="2023-01-02"):
    return pd.date_range(start, periods=days * 24, freq="1h", tz="UTC")


def weekdays(days, start="2023-01-02"):
    """Around the clock from Sunday 22:00 to Friday 22:00."""
    index = hours(days, start)
    hour_of_week = index.day_of_week * 24 + index.hour
    return index[(hour_of_week < 4 * 24 + 22) | (hour_of_week >= 6 * 24 + 22)]


def exchange(days, start="2023-01-02"):
    """Seven hours from 9:00 in New York, Monday to Friday, so that UTC hours change in spring."""
    index = pd.date_range(start, periods=days * 24, freq="1h", tz="America/New_York")
    return index[(index.day_of_week < 5) & (index.hour >= 9) & (index.hour < 16)].tz_convert("UTC")


@pytest.mark.parametrize(
    ("index", "session", "settled", "bars_per_year"),
    [
        (hours(60), "continuous", True, 8766),
        (weekdays(60), "weekdays", True, 8766 * 5 / 7),
        (weekdays(800), "weekdays", True, 8766 * 5 / 7),
        (exchange(60), "exchange", True, 7 * 252),
        (exchange(800), "exchange", True, 7 * 261),
        (hours(3), "continuous", False, 8766),
        (pd.date_range("2023-01-02", periods=900, freq="1D", tz="UTC"), "continuous", True, 365.25),
        (pd.bdate_range("2020-01-01", periods=900, tz="UTC"), "weekdays", True, 261),
        (pd.bdate_range("2020-01-01", periods=90, tz="UTC"), "weekdays", False, 261),
        (pd.date_range("2000-01-02", periods=99, freq="7D", tz="UTC"), "continuous", True, 52.18),
    ],
)
def test_session_and_bars_per_year(index, session, settled, bars_per_year):
    interval = find_interval(index)
    assert find_session(index, interval) == (session, settled)
    # Measured over whole weeks that begin and end inside a week: half a per cent.
    assert find_bars_per_year(index, interval, session) == pytest.approx(bars_per_year, rel=5e-3)


def test_holidays_make_daily_bars_an_exchange():
    index = pd.bdate_range("2018-01-01", periods=1300, tz="UTC")
    index = index[~((index.day == 1) & (index.month % 4 != 0))]
    assert find_session(index, pd.Timedelta("1D")) == ("exchange", True)


def test_interval_is_the_most_common_difference():
    assert find_interval(weekdays(30)) == HOUR
    assert find_interval(hours(3).delete([4, 9])) == HOUR
    with pytest.raises(ValueError, match="at least two bars, got 1"):
        find_interval(hours(1)[:1])


def test_the_median_interval_is_of_all_differences_and_zero_without_any():
    times = np.array([0, 1, 2, 10, 20, 21], "datetime64[h]").astype("datetime64[ns]")
    assert median_interval(times) == np.timedelta64(1, "h")
    assert median_interval(times[1:5]) == np.timedelta64(8, "h")
    assert median_interval(times[:1]) == median_interval(times[:0]) == np.timedelta64(0, "ns")


@pytest.mark.parametrize(
    ("index", "session"), [(hours(90), "continuous"), (weekdays(90), "weekdays"),
                           (exchange(90), "exchange"), (exchange(10), "exchange")],
)  # fmt: skip
def test_only_bars_missing_at_usual_hours_are_gaps(index, session):
    whole = find_gaps(index, HOUR, session)
    assert whole.count == 0
    assert whole.longest == pd.Timedelta(0)
    assert (whole.closings > 0) == (session != "continuous")
    middle = int(index.get_indexer([index[0].normalize() + pd.Timedelta("8D") + 17 * HOUR])[0])
    holed = find_gaps(index.delete([middle, middle + 1]), HOUR, session)
    assert (holed.count, holed.longest, holed.closings) == (1, 3 * HOUR, whole.closings)


def test_two_weeks_of_a_closed_market_do_not_shrink_the_year():
    index = exchange(800)
    shut = index[(index < "2024-03-01") | (index > "2024-03-20")]
    expected = find_bars_per_year(index, HOUR, "exchange")
    assert find_bars_per_year(shut, HOUR, "exchange") == pytest.approx(expected, rel=5e-3)


def test_a_break_of_an_hour_each_day_is_no_bar_of_a_year():
    """Futures trade from Sunday evening to Friday afternoon, but for an hour a day."""
    local = pd.date_range("2023-01-08 17:00", "2023-03-31 15:00", freq="1h", tz="America/Chicago")
    open_at = local[(local.hour != 16) & ((local + pd.Timedelta("7h")).day_of_week < 5)]
    hour = pd.Timedelta("1h")
    assert find_session(open_at.tz_convert("UTC"), hour, "America/Chicago")[0] == "weekdays"
    futures = find_bars_per_year(open_at.tz_convert("UTC"), hour, "weekdays")
    assert futures == pytest.approx(5 * 23 * 365.25 / 7)
    whole = pd.date_range("2023-01-09", periods=24 * 60, freq="1h", tz="UTC")
    whole = whole[whole.day_of_week < 5]
    assert find_bars_per_year(whole, hour, "weekdays") == 365.25 * 24 * 5 / 7
