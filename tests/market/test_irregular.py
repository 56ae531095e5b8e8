"""Bars of ticks, volume or dollars: counted as they come, at the times that they really had."""

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.evaluation.leaks.perturbation import truncate
from ultimate_deep.features import FeatureMatrix, FeatureStream, compute_features
from ultimate_deep.market.bars import Bars, BarsError
from ultimate_deep.market.config import DataConfig, LabelSpec, SplitSpec
from ultimate_deep.market.labels import horizon_bars_of
from ultimate_deep.market.market import Market, as_market, load_market
from ultimate_deep.market.readers import bars_of_frame, read_files
from ultimate_deep.market.times import close_times, utc_times
from ultimate_deep.pipeline.inputs.config import InputConfig
from ultimate_deep.pipeline.inputs.tables import input_tables
from ultimate_deep.pipeline.rows import assemble_rows, row_opens, split_rows

SECOND = 1_000_000_000


def ticks(rows=400, seed=0):
    """A table of bars that come in bursts: from seconds to hours apart."""
    draw = np.random.default_rng(seed)
    gaps = np.round(np.exp(draw.normal(5, 2, rows)) + 1).astype(np.int64)
    times = pd.Timestamp("2024-01-02", tz="UTC").value + np.cumsum(gaps) * SECOND
    close = 100 * np.exp(np.cumsum(draw.normal(0, 0.002, rows)))
    opens = np.r_[100.0, close[:-1]] * np.exp(draw.normal(0, 0.0005, rows))
    table = {"open": opens, "high": np.maximum(opens, close) * 1.001,
             "low": np.minimum(opens, close) * 0.999, "close": close,
             "volume": draw.integers(1, 99, rows).astype(float)}  # fmt: skip
    return pd.DataFrame(table, index=pd.DatetimeIndex(times, tz="UTC", name="timestamp"))


def nothing(frame):
    values = np.zeros((len(frame), 1), np.float32)
    return FeatureMatrix(values=values, names=("none",), families=("none",), warmup_bars=0,
                         index=pd.DatetimeIndex(frame.index))  # fmt: skip


@pytest.fixture
def file(tmp_path):
    ticks().to_csv(tmp_path / "abc.csv")
    return tmp_path / "abc.csv"


def test_a_bar_is_over_when_the_next_one_opens(file):
    frame, bars = ticks(), read_files(file, bars="irregular")["ABC"]
    np.testing.assert_array_equal(bars.frame.to_numpy(), frame.to_numpy())
    np.testing.assert_array_equal(close_times(bars)[:-1], utc_times(frame.index[1:]))
    assert bars.closes[-1] is pd.NaT
    assert bars.interval == pd.Timedelta(np.median(np.diff(frame.index.asi8)), unit="ns")
    years = (frame.index[-1] - frame.index[0]) / pd.Timedelta(days=365.25)
    assert bars.bars_per_year == pytest.approx(399 / years, rel=1e-12)
    assert (bars.gaps.count, bars.gaps.closings) == (0, 0)
    assert "Irregular bars as stated" in bars.notes[0]
    assert "irregular>" in repr(bars)


def test_times_that_are_closes_open_each_bar_where_the_one_before_ended(file):
    frame, bars = ticks(), read_files(file, bars="irregular", stamp="close")["ABC"]
    np.testing.assert_array_equal(bars.frame.to_numpy(), frame.to_numpy()[1:])
    np.testing.assert_array_equal(close_times(bars), utc_times(frame.index[1:]))
    np.testing.assert_array_equal(utc_times(bars.index), utc_times(frame.index[:-1]))
    years = (frame.index[-1] - frame.index[0]) / pd.Timedelta(days=365.25)
    assert bars.bars_per_year == pytest.approx(399 / years, rel=1e-12)


def test_bars_of_several_lengths_are_refused_unless_told(tmp_path):
    hours = ticks(60).set_axis(pd.date_range("2024-01-02", periods=60, freq="1h", tz="UTC"), axis=0)
    minutes = ticks(90).set_axis(
        pd.date_range("2024-01-05", periods=90, freq="5min", tz="UTC"), axis=0
    )
    hours.to_csv(tmp_path / "x_2023.csv", index_label="timestamp")
    minutes.to_csv(tmp_path / "x_2024.csv", index_label="timestamp")
    with pytest.raises(BarsError, match=r"those of x_2024.csv of .*bars='irregular'"):
        read_files(tmp_path, symbol="X")
    bars = read_files(tmp_path, symbol="X", bars="irregular")["X"]
    assert len(bars) == 150
    both = hours.index.append(minutes.index)
    np.testing.assert_array_equal(close_times(bars)[:-1], utc_times(both[1:]))


def test_bars_of_one_length_stated_as_irregular_are_named(tmp_path):
    index = pd.date_range("2024-01-02", periods=60, freq="1h", tz="UTC")
    early = index.insert(31, index[30] + pd.Timedelta("20min"))
    for times, said in ((index, False), (early, True)):
        bars = bars_of_frame(ticks(len(times)).set_axis(times, axis=0), bars="irregular")
        note = next(note for note in bars.notes if "they are no irregular bars" in note)
        assert ("would know of a bar what comes after" in note) == said
    assert not any("no irregular bars" in note for note in
                   bars_of_frame(ticks(), bars="irregular").notes)  # fmt: skip


def test_bars_of_days_that_are_not_of_time_are_refused_unless_told():
    draw = np.random.default_rng(3)
    gaps = np.cumsum(draw.uniform(1.2, 9.0, 60) * 8.64e13).astype(np.int64)
    slow = ticks(60).set_axis(pd.DatetimeIndex(gaps, tz="UTC", name="timestamp"), axis=0)
    with pytest.raises(BarsError, match=r"no fixed length.* are no whole days; .*'irregular'"):
        bars_of_frame(slow)
    assert bars_of_frame(slow, bars="irregular").bars_per_year == pytest.approx(72, rel=0.2)
    for every in ("W-MON", "MS", "W-FRI"):
        times = pd.date_range("2023-01-01", periods=60, freq=every, tz="America/New_York")
        assert not bars_of_frame(ticks(60).set_axis(times, axis=0)).irregular


def test_openings_and_ends_of_irregular_bars_are_not_joined(tmp_path):
    frame = ticks(200)
    frame[:100].to_csv(tmp_path / "x_1.csv")
    frame[100:].to_csv(tmp_path / "x_2.csv", index_label="close_time")
    with pytest.raises(BarsError, match=r"times of x_2.csv are the ends .* those of x_1"):
        read_files(tmp_path, symbol="X", bars="irregular")


@pytest.mark.parametrize("stated", [{"interval": "1h"}, {"session": "exchange"}])
def test_what_needs_one_length_is_refused(file, stated):
    with pytest.raises(BarsError, match=f"irregular bars have no {next(iter(stated))}, got"):
        read_files(file, bars="irregular", **stated)
    read_files(file, bars="irregular")


def test_simulated_bars_and_unknown_kinds_are_refused(file):
    with pytest.raises(BarsError, match="simulated bars have one length"):
        load_market(DataConfig(bars="irregular"), LabelSpec())
    with pytest.raises(ValueError, match="bars must be regular or irregular, got 'tick'"):
        read_files(file, bars="tick")


def test_the_remedy_for_a_table_given_in_python_works():
    with pytest.raises(BarsError, match="no fixed length") as refused:
        as_market(ticks())
    remedy = "bars_of_frame(frame, bars='irregular')"
    assert f"{remedy} of ultimate_deep.market" in str(refused.value)
    assert eval(remedy, {"bars_of_frame": bars_of_frame, "frame": ticks()}).irregular


@pytest.mark.parametrize("stamp", ["open", "close"])
@pytest.mark.parametrize(("horizon", "embargo"), [(1, 0), (3, 0), (7, 5)])
def test_no_label_reaches_a_later_part_in_real_time(stamp, horizon, embargo):
    """Checked against the file's own times, not against what the code says of a label's end."""
    spec = SplitSpec(train_fraction=0.5, validation_fraction=0.2, embargo_bars=embargo)
    for seed in range(10):
        frame = ticks(300, seed)
        market = Market({"X": bars_of_frame(frame, bars="irregular", stamp=stamp)})
        rows = assemble_rows(market, LabelSpec(horizon_bars=horizon), nothing)
        split = split_rows(rows, spec, market.interval)
        times = utc_times(frame.index)
        # Row of the file: with closes the first one is no bar.
        at = rows.bar_row + (stamp == "close")
        later = times[np.minimum(at + 1, 299)]
        decided = times[at] if stamp == "close" else later
        label_ends = times[np.minimum(at + 1 + horizon, 299)]
        known = np.isfinite(rows.labels)
        np.testing.assert_array_equal(rows.decision_time[known], decided[known])
        np.testing.assert_array_equal(rows.label_end_time[known], label_ends[known])
        step = np.timedelta64(int(np.median(np.diff(times).astype(np.int64))), "ns")
        for earlier, part in (("train", "validation"), ("validation", "test")):
            begins = decided[getattr(split, part)].min()
            ends = label_ends[getattr(split, earlier)].max()
            assert ends < begins - embargo * step
            assert ((times > ends) & (times <= begins)).sum() > embargo
        # Nothing is purged without need: the next row's label would reach too far.
        last = split.train.max() + 1
        boundary = np.searchsorted(times, split.boundaries[0].to_datetime64())
        limit = min(times[boundary - embargo], times[boundary] - embargo * step)
        assert label_ends[last] >= limit


def test_undefined_labels_end_after_every_decision():
    market = as_market(ticks(), kind="irregular")
    rows = assemble_rows(market, LabelSpec(horizon_bars=4), nothing)
    assert (rows.label_end_time[-5:] > rows.decision_time.max()).all()
    np.testing.assert_array_equal(row_opens(market, rows), utc_times(ticks().index))


def test_bars_cut_off_are_over_when_they_were():
    bars = as_market(ticks(), kind="irregular")["bars"]
    time = close_times(bars)[200]
    cut = truncate({"X": bars}, time)
    np.testing.assert_array_equal(close_times(cut.market["X"]), close_times(bars)[:201])
    np.testing.assert_array_equal(close_times(bars.keep(slice(5, 9))), close_times(bars)[5:9])
    with pytest.raises(BarsError, match="3 closes with the zone UTC for 2 bars"):
        Bars(frame=bars.frame[:2], symbol="X", interval=bars.interval, session="continuous",
             closes=bars.closes[:3])  # fmt: skip


@pytest.mark.parametrize(
    ("closes", "said"),
    [
        (lambda opens: opens[2:5], "opens before the one before it closes"),
        (lambda opens: opens[:3], "closes when it opens"),
        (lambda opens: opens[1:4].insert(0, pd.NaT)[:3], "a bar before the last one has no close"),
        (lambda opens: opens[1:4].tz_convert("Asia/Tokyo"), "closes with the zone Asia/Tokyo"),
    ],
)
def test_closes_that_cannot_be_are_refused(closes, said):
    frame = bars_of_frame(ticks(), bars="irregular").frame
    with pytest.raises(BarsError, match=said):
        Bars(frame=frame[:3], symbol="X", interval=pd.Timedelta("1h"), session="continuous",
             closes=closes(pd.DatetimeIndex(frame.index)))  # fmt: skip


def test_several_symbols_are_not_judged_together():
    one, two = (bars_of_frame(ticks(seed=seed), symbol=f"S{seed}", bars="irregular")
                for seed in (1, 2))  # fmt: skip
    market = Market({"S1": one, "S2": two})
    assert market.interval == max(one.interval, two.interval)
    with pytest.raises(ValueError, match=r"share no times, got S1, S2; .*bars\['S1'\]"):
        market.check_common_times()
    Market({"S1": one}).check_common_times()


def test_coarser_bars_and_horizons_of_time_are_refused():
    market = as_market(ticks(), kind="irregular")
    with pytest.raises(ValueError, match=r"these are irregular; leave out \['rsi_14_5x'\]"):
        compute_features(market, ["rsi_14_5x", "return_log_1"])
    with pytest.raises(ValueError, match="a number of bars, got '15min'"):
        horizon_bars_of("15min", None)
    assert horizon_bars_of("4", None) == 4
    rows = assemble_rows(market, LabelSpec(), lambda frame: compute_features(frame, ["rsi_14"]))
    with pytest.raises(ValueError, match=r"inputs.timeframes are of bars \[4\] times as long"):
        input_tables(market, rows, "timeframes", InputConfig(window_bars=4, timeframes=(4,)))
    pictures = InputConfig(gaf_window_bars=16, gaf_size=8, gaf_timeframes=(1,))
    table = input_tables(market, rows, "gaf", pictures).tables["gaf_1x"]
    np.testing.assert_array_equal(table.ends, rows.bar_row)
    wide = InputConfig(gaf_window_bars=16, gaf_size=8, gaf_timeframes=(1, 4))
    with pytest.raises(ValueError, match=r"give inputs.gaf_timeframes=\[1\]"):
        input_tables(market, rows, "gaf", wide)


def test_a_stream_of_irregular_bars_gives_what_the_batch_gives():
    frame, names = ticks(), ["return_log_1", "elapsed_log_20", "hour_sin"]
    batch = compute_features(as_market(frame, kind="irregular"), names)
    stream = FeatureStream(names)
    rows = [
        stream.push(time, *bar) for time, bar in zip(frame.index, frame.to_numpy(), strict=True)
    ]
    start = batch.warmup_bars
    assert np.ptp(batch.values[start:, 1]) > 1.0
    for row, given in zip(rows[start:], batch.values[start:], strict=True):
        np.testing.assert_array_equal(row, given)
