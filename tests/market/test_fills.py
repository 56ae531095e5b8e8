"""A fill comes from the first finer bar that surely comes after the opening, or is told apart."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.market.bars import Bars, BarsError
from ultimate_deep.market.config import DataConfig, LabelSpec
from ultimate_deep.market.fills import find_fills
from ultimate_deep.market.market import Market, as_market, filled_from, load_market, with_fills
from ultimate_deep.market.readers import bars_of_frame
from ultimate_deep.market.simulator import simulate_bars

HOURS = 40
WHOLE = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}


def frame_of(close, volume, freq="10min"):
    """Bars whose every open is the last close."""
    close = np.asarray(close, float)
    opened = np.append(close[0], close[:-1])
    times = pd.date_range("2024-01-01", periods=len(close), freq=freq, tz="UTC", name="timestamp")
    high, low = np.maximum(opened, close), np.minimum(opened, close)
    columns = {"open": opened, "high": high, "low": low, "close": close, "volume": volume}
    return pd.DataFrame(columns, index=times, dtype=float)


def bars_of(frame, symbol="A"):
    return bars_of_frame(frame, symbol=symbol, session="continuous", minimum_rows=2)


@pytest.fixture
def fine():
    """Ten minutes each, a third of them without a trade."""
    draw = np.random.default_rng(3)
    traded = draw.random(6 * HOURS) < 0.67
    walk = 100.0 + np.cumsum(draw.normal(size=6 * HOURS))
    last = np.maximum.accumulate(np.where(traded, np.arange(6 * HOURS), 0))
    return frame_of(walk[last], np.where(traded, 5.0, 0.0))


@pytest.fixture
def hourly(fine):
    return fine.resample("1h").agg(WHOLE)


def one_by_one(hourly, fine):
    """The same prices, high and low, bar by bar."""
    hour = pd.Timedelta("1h")
    rows = [
        fine[(fine.index >= time) & (fine.index < time + hour) & (fine["volume"] > 0)]
        for time in hourly.index
    ]
    met = hourly.copy()
    for number, time in enumerate(hourly.index):
        if rows[number].empty:
            continue
        filled, last = rows[number].index[0], time + hour - pd.Timedelta("1min")
        if number + 1 < len(rows) and not rows[number + 1].empty:
            last = rows[number + 1].index[0]
        between = fine[(fine.index > filled) & (fine.index <= last)]
        price = fine.loc[filled, "close"]
        met.loc[time, "open"] = price
        met.loc[time, "high"] = max([price, *between["high"]])
        met.loc[time, "low"] = min([price, *between["low"]])
    return met, np.array([not one.empty for one in rows])


def test_every_price_is_the_first_close_of_a_trade_after_the_opening(hourly, fine):
    draw = np.random.default_rng(5)
    gone = fine[draw.random(len(fine)) < 0.5]  # bars without a trade are often left out
    gone = gone[(gone.index < "2024-01-01 06:00") | (gone.index >= "2024-01-01 09:00")]
    found = find_fills(bars_of(hourly), bars_of(gone))
    expected, filled = one_by_one(hourly, gone)
    assert 3 <= (~filled).sum() < 10
    np.testing.assert_array_equal(found.filled, filled)
    pd.testing.assert_frame_equal(found.frame, expected, check_freq=False, check_index_type=False)
    assert found.share == filled.mean()
    assert f"in {filled.sum()} of {HOURS} bars; the other {(~filled).sum()} keep" in found.note


def test_what_came_before_the_fill_touches_no_stop():
    """The opening repeats a print far away, and the first trade is elsewhere."""
    fine = frame_of([100.0, 108.0, 101.0, 101.5, 102.0, 100.5, 101.0, 101.2], 1.0, "30min")
    hourly = fine.resample("1h").agg(WHOLE)
    found = find_fills(bars_of(hourly), bars_of(fine))
    assert hourly["high"].tolist()[1] == 108.0
    assert found.frame["open"].tolist() == [100.0, 101.0, 102.0, 101.0]
    # The old order's way to the next fill is its own: 108 came after 100 was paid.
    assert found.frame["high"].tolist() == [108.0, 102.0, 102.0, 101.2]
    assert found.frame["low"].tolist() == [100.0, 101.0, 100.5, 101.0]


def test_without_volume_no_fill_is_chosen_by_its_price():
    """A coin decides between bid and ask: who waits for another price than the last buys at bid."""
    draw = np.random.default_rng(1)
    fine = frame_of(100.0 + 0.1 * draw.choice([-1.0, 1.0], 6 * 4_000), 0.0)
    hourly = fine.resample("1h").agg(WHOLE)
    found = find_fills(bars_of(hourly), bars_of(fine))
    at_ask = hourly["close"].to_numpy()[:-1] > 100.0
    paid = found.frame["open"].to_numpy()[1:][at_ask]
    assert abs(paid.mean() - 100.0) < 5 * 0.1 / np.sqrt(len(paid))
    assert found.filled.all()
    assert "none may have traded" in found.note


def test_finer_bars_that_are_stamped_at_their_end_fill_at_no_later_price():
    """The market rises by less than rounding a minute, so that no range is left."""
    close = 100.0 + np.cumsum(np.full(60 * 50, 0.005))
    fine = frame_of(close, 1.0, "1min")
    hourly = fine.resample("1h").agg(WHOLE)
    right = find_fills(bars_of(hourly), bars_of(fine))
    assert right.repeated == 0.0
    assert "stamped" not in right.note
    ends = bars_of(fine.set_axis(fine.index + pd.Timedelta("1min")))
    late = find_fills(bars_of(hourly), ends)
    assert late.repeated == 1.0
    assert "as they would if the finer bars were stamped at their end" in late.note


def test_bars_of_another_length_time_or_market_are_refused(hourly, fine):
    bars, finer = bars_of(hourly), bars_of(fine)
    refused = {
        "divide those of data.path into two or more, got bars of 1 hour": bars,
        "divide those of data.path into two or more, got bars of 25 min": bars_of(
            fine.resample("25min").agg(WHOLE)
        ),
        "no bar of data.fills lies inside a bar of A, got bars of 10 minutes from 2025": bars_of(
            fine.set_axis(fine.index + pd.Timedelta(days=366))
        ),
        "are no finer bars of A: in 40 of 40 bars they leave the range": bars_of(fine * 1.2),
        "adjusted and stamped alike and in the same timezone": bars_of(
            fine.set_axis(fine.index + pd.Timedelta("3h"))
        ),
        "leave data.fills out, or give bars of time": bars_of_frame(fine, bars="irregular"),
    }
    for said, other in refused.items():
        with pytest.raises(ValueError, match=said):
            find_fills(bars, other)
    never = fine.assign(volume=np.where(fine.index < fine.index[6 * 20], 0.0, 1.0))
    with pytest.raises(ValueError, match="whose volume is zero in all that lie inside; give"):
        find_fills(bars_of(hourly[:20]), bars_of(never))
    assert find_fills(bars, finer).filled.any()


def test_a_few_bars_that_disagree_keep_their_open():
    fine = frame_of(100.0 + np.sin(np.arange(6 * 400)), 1.0)
    hourly = fine.resample("1h").agg(WHOLE)
    fine.iloc[60, fine.columns.get_loc("high")] = 150.0  # a bad tick, in the eleventh hour
    found = find_fills(bars_of(hourly), bars_of(fine))
    assert np.flatnonzero(~found.filled).tolist() == [10]
    assert found.frame["open"].iloc[10] == hourly["open"].iloc[10]
    assert found.frame["high"].iloc[10] == hourly["high"].iloc[10]


def test_symbols_find_their_own(hourly, fine):
    two = Market({name: bars_of(hourly, name) for name in ("A", "B")})
    finer = Market({name: bars_of(fine * scale, name) for name, scale in (("B", 1), ("A", 1))})
    assert list(with_fills(two, finer).fills) == ["A", "B"]
    single = with_fills(as_market(bars_of(hourly, "X")), as_market(bars_of(fine, "Y")))
    assert single.fills["X"].filled.any()
    assert single.told[-1].startswith("X: Orders are filled at the close of the first bar of 10")
    with pytest.raises(ValueError, match="of every symbol, got none of B among A; add their files"):
        with_fills(two, as_market(bars_of(fine, "A")))
    with pytest.raises(ValueError, match="one price for each bar, got 40 of 'X' for 39 bars"):
        replace(single, bars={"X": bars_of(hourly[:39], "X")})


def test_files_are_read_as_the_bars_are(hourly, fine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, frame in (("h", hourly), ("m", fine)):
        table = frame.reset_index().rename(columns={"close": "last trade", "timestamp": "when"})
        table["when"] = table["when"].dt.tz_convert("America/New_York").dt.tz_localize(None)
        table.to_csv(f"{name}.csv", index=False)
    data = DataConfig(
        path="h.csv", fills="m.csv", columns="time=when,close=last trade",
        timezone="America/New_York", symbol="S", session="continuous",
    )  # fmt: skip
    market = load_market(data, LabelSpec())
    expected = find_fills(bars_of(hourly), bars_of(fine))
    pd.testing.assert_frame_equal(
        market.traded_frame("S"), expected.frame, check_freq=False, check_index_type=False
    )
    # Files that fill alike are one; the bars are the same with and without.
    bare = load_market(replace(data, fills=()), LabelSpec())
    assert (
        market.fills_digest
        == load_market(replace(data, fills=("m.csv",)), LabelSpec()).fills_digest
    )
    assert bare.fills_digest == ""
    assert bare.fingerprint() == market.fingerprint() == bare.fingerprint_with_fills()
    assert market.fingerprint_with_fills() != market.fingerprint()
    pd.testing.assert_frame_equal(bare.traded_frame("S"), bare["S"].frame)


def test_simulated_bars_have_no_finer_ones(fine):
    with pytest.raises(BarsError, match=r"got 'm.csv' and no data.path; name it too"):
        load_market(DataConfig(fills="m.csv"), LabelSpec())
    simulated = simulate_bars(500, seed=1).bars
    assert isinstance(simulated, Bars)
    with pytest.raises(ValueError, match=r"no bar of data.fills lies inside"):
        find_fills(simulated, bars_of(fine))


def test_no_file_of_finer_bars_leaves_the_opens(hourly):
    market = Market({"A": bars_of(hourly)})
    assert filled_from(market, ()) is market
    assert filled_from(market, None) is market
