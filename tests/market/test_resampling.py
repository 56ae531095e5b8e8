"""Bars put together to longer ones: what they hold, and what is refused."""

import dataclasses

import pandas as pd
import pytest

import ultimate_deep as ud
from ultimate_deep.market.bars import BarsError
from ultimate_deep.market.config import DataConfig, LabelSpec
from ultimate_deep.market.market import given_market, load_market
from ultimate_deep.market.readers import write_bars
from ultimate_deep.market.resampling import resampled

RULE = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}


@pytest.fixture(scope="module")
def minutes():
    bars = ud.simulate_bars(3_000, interval="1min")["SIMULATED"]
    return dataclasses.replace(bars, symbol="MINUTES", simulated=False)


def test_read_bars_are_put_together_and_say_so(minutes, tmp_path):
    path = write_bars(minutes, tmp_path / "minutes.csv")
    market = ud.read_bars(path, resample="15min")
    found = market["MINUTES"]
    expected = minutes.frame.resample("15min").agg(RULE)
    pd.testing.assert_frame_equal(found.frame, expected, check_freq=False)
    assert found.interval == pd.Timedelta("15min")
    assert any("put together from 3,000 bars of 1 minute" in line for line in market.told)


def test_bars_of_that_length_stay_and_given_ones_are_put_together_too(minutes):
    quarter = resampled(minutes, "15min")
    assert resampled(quarter, "15min") is quarter
    hours = given_market(quarter, DataConfig(resample="1h"))["MINUTES"]
    pd.testing.assert_frame_equal(hours.frame, resampled(minutes, "1h").frame)


def test_orders_are_filled_from_the_bars_that_were_put_together(minutes, tmp_path):
    path = str(write_bars(minutes, tmp_path / "minutes.csv"))
    market = load_market(DataConfig(path=path, resample="15min", fills=path), LabelSpec())
    first = market.fills["MINUTES"].frame["open"]
    assert first.iloc[3] == minutes.frame["close"].iloc[45]


@pytest.mark.parametrize(
    ("length", "words"),
    [
        ("90s", r"must be a multiple of the bars' length, 1 minute, got 90 s"),
        ("30s", r"must be a multiple of the bars' length, 1 minute, got 30 s"),
        ("soon", r"data.resample must be a length of time, got 'soon'"),
        ("1d", r"3,000 bars of 1 minute make 2 of 1 day, at least 32 are needed"),
    ],
)
def test_what_cannot_be_put_together_is_refused(minutes, length, words):
    with pytest.raises(ValueError, match=words):
        resampled(minutes, length)


def test_irregular_and_simulated_bars_are_refused(minutes):
    closes = minutes.index + pd.Timedelta("1min")
    with pytest.raises(BarsError, match="for bars of one length, got irregular ones"):
        resampled(dataclasses.replace(minutes, closes=closes), "15min")
    data = DataConfig(resample="15min")
    with pytest.raises(BarsError, match=r"simulated at any length: data.simulated_interval 15min"):
        load_market(data, LabelSpec())
    with pytest.raises(BarsError, match="puts read bars together, got '15min'"):
        given_market(ud.simulate_bars(100), data)
