"""`FeatureStream` and `iter_features`: the bits of `compute_features`, whatever the way."""

import datetime as dt
import json
import os

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.features import (
    BarRefusedError,
    FeatureStream,
    compute_features,
    feature_names,
    iter_features,
    timeframe_names,
)

COLUMNS = ["open", "high", "low", "close", "volume"]
NAMES = (
    *("return_log_1", "rsi_14", "value_at_risk_5_100", "day_sin", "month_turn", "adx_14"),
    *("close_rank_100", "haar_detail_64", "hurst_100", "streak_10", "permutation_entropy_100"),
    *timeframe_names(("rsi_7", "return_log_3"), (5, 15)),
)


@pytest.fixture(scope="module")
def frame(make_bars) -> pd.DataFrame:
    return make_bars(2600, seed=51, every="1min")


@pytest.fixture(scope="module")
def batch(frame) -> np.ndarray:
    return compute_features(frame, NAMES, interval="1min").values


def push(stream: FeatureStream, frame: pd.DataFrame) -> np.ndarray:
    rows = zip(frame.index, frame[COLUMNS].to_numpy().tolist(), strict=True)
    return np.array([stream.push(time, *bar) for time, bar in rows])


def fresh() -> FeatureStream:
    return FeatureStream(NAMES, interval="1min")


def test_bars_and_blocks_may_be_mixed_at_will(frame, batch):
    stream = fresh()
    parts = [
        stream.extend(frame.iloc[:700]).values,
        push(stream, frame.iloc[700:900]),
        stream.extend(frame.iloc[900:901]).values,
        push(stream, frame.iloc[901:960]),
        stream.extend(frame.iloc[960:2600]).values,
    ]
    np.testing.assert_array_equal(np.concatenate(parts), batch)
    assert stream.bars_taken == 2600
    assert stream.last_timestamp == frame.index[-1]


@pytest.mark.parametrize("block_rows", [1, 333, 5000])
def test_blocks_are_the_rows_of_the_whole(frame, batch, block_rows):
    part = frame.iloc[:600] if block_rows == 1 else frame
    blocks = list(iter_features(part, NAMES, interval="1min", block_rows=block_rows))
    np.testing.assert_array_equal(np.concatenate([b.values for b in blocks]), batch[: len(part)])
    assert sum(len(block.index) for block in blocks) == len(part)


def test_blocks_leave_volume_out_as_the_whole_does(frame):
    silent = frame.assign(volume=0.0)
    block = next(iter_features(silent, block_rows=700))
    whole = compute_features(silent.iloc[:700])
    assert block.names == whole.names
    assert block.dropped == whole.dropped
    assert block.warmup_bars == whole.warmup_bars


@pytest.mark.parametrize("taken", [0, 1, 137, 1500])
def test_a_saved_stream_goes_on_to_the_bit(tmp_path, frame, batch, taken):
    stream = fresh()
    push(stream, frame.iloc[:taken])
    path = stream.save(tmp_path / "stream.npz")
    assert [file.name for file in tmp_path.iterdir()] == ["stream.npz"]
    later = FeatureStream.load(path)
    assert later.names == NAMES
    got = push(later, frame.iloc[taken : taken + 300])
    np.testing.assert_array_equal(got, batch[taken : taken + 300])


def test_a_copy_has_a_future_of_its_own(frame, batch):
    stream = fresh()
    push(stream, frame.iloc[:900])
    twin = stream.copy()
    other = frame.iloc[900:1000].copy()
    other[COLUMNS[:4]] *= 1.5
    push(twin, other)
    np.testing.assert_array_equal(push(stream, frame.iloc[900:1000]), batch[900:1000])
    assert twin.bars_taken == stream.bars_taken == 1000


def test_rows_are_the_callers_to_keep(frame):
    stream = FeatureStream(["return_log_1"])
    rows = [
        stream.push(time, *bar)
        for time, bar in zip(
            frame.index[:600], frame[COLUMNS].to_numpy()[:600].tolist(), strict=True
        )
    ]
    rows[3][:] = 7.0
    np.testing.assert_array_equal(
        np.array(rows)[4:], compute_features(frame.iloc[:600], ["return_log_1"]).values[4:]
    )


def test_times_may_be_numbers_or_aware_datetimes():
    bar = (1.0, 2.0, 0.5, 1.5, 3.0)
    stream = FeatureStream(["day_sin", "return_log_1"])
    at = dt.datetime(2024, 5, 6, 7, 8, 9, 123_456, tzinfo=dt.UTC)
    east = at.astimezone(dt.timezone(dt.timedelta(hours=9)))
    for time in (
        at.timestamp(),
        east,
        pd.Timestamp(at),
        pd.Timestamp(at).as_unit("s").value // 10**9,
    ):
        twin = FeatureStream(["day_sin", "return_log_1"])
        twin.push(time, *bar)
        assert abs((twin.last_timestamp - at).total_seconds()) < 1.0
    with pytest.raises(TypeError, match="naive"):
        stream.push(at.replace(tzinfo=None), *bar)
    with pytest.raises(TypeError, match="datetime or UTC seconds"):
        stream.push("2024-05-06", *bar)
    with pytest.raises(TypeError, match="must hold numbers"):
        stream.push(at, "1.0", *bar[1:])
    assert stream.bars_taken == 0


BAD = {
    "late": ((-60.0, 1.0, 2.0, 0.5, 1.5, 3.0), "late, repeated or out of order"),
    "repeated": ((0.0, 1.0, 2.0, 0.5, 1.5, 3.0), "late, repeated or out of order"),
    "not a number": ((60.0, 1.0, 2.0, 0.5, float("nan"), 3.0), "finite"),
    "endless": ((60.0, 1.0, float("inf"), 0.5, 1.5, 3.0), "finite"),
    "no price": ((60.0, 0.0, 2.0, 0.0, 1.5, 3.0), "above zero"),
    "negative volume": ((60.0, 1.0, 2.0, 0.5, 1.5, -3.0), "volume"),
    "close above high": ((60.0, 1.0, 1.2, 0.5, 1.5, 3.0), "between low and high"),
    "high below low": ((60.0, 1.0, 0.4, 0.5, 1.5, 3.0), "between low and high"),
}


@pytest.mark.parametrize("names", [NAMES, NAMES[:11]], ids=["coarser bars too", "fine bars"])
def test_a_refused_bar_changes_nothing(frame, names):
    stream = FeatureStream(names, interval="1min")
    push(stream, frame.iloc[:1100])
    twin = stream.copy()
    last = frame.index[1099].timestamp()
    for (after, *bar), message in BAD.values():
        with pytest.raises(BarRefusedError, match=message):
            stream.push(last + after, *bar)
    with pytest.raises(BarRefusedError, match="must follow the last one taken"):
        stream.extend(frame.iloc[1000:1200])
    assert stream.bars_taken == 1100
    want, got = push(twin, frame.iloc[1100:1300]), push(stream, frame.iloc[1100:1300])
    np.testing.assert_array_equal(got, want)


def test_further_columns_are_asked_for_by_name(make_whole_bars):
    frame = make_whole_bars(400, seed=4)
    names = ("rsi_7", *feature_names("order_book"))
    stream = FeatureStream(names)
    assert set(stream.columns[6:]) <= set(frame.columns)
    bar = frame.iloc[0]
    usual = (frame.index[0], *bar[COLUMNS])
    with pytest.raises(TypeError, match=r"further columns.*ask_price_1"):
        stream.push(*usual)
    with pytest.raises(TypeError, match="further columns"):
        stream.push(*usual, **dict.fromkeys(stream.columns[6:], 1.0), spread=0.1)
    with pytest.raises(ValueError, match=r"lack the columns.*further columns"):
        compute_features(frame[COLUMNS], names)


def test_a_further_column_that_only_coarser_bars_read_is_checked_too(make_whole_bars):
    frame = make_whole_bars(30, seed=6, every="1min")
    stream = FeatureStream(("return_log_1", "book_imbalance_1_5x"), interval="1min")
    usual = (frame.index[0], *frame.iloc[0][COLUMNS])
    further = dict.fromkeys(stream.columns[6:], 1.0)
    with pytest.raises(BarRefusedError, match="finite"):
        stream.push(*usual, **(further | {stream.columns[6]: float("nan")}))
    assert stream.bars_taken == 0
    stream.push(*usual, **further)


def test_what_load_refuses(tmp_path):
    with pytest.raises(FileNotFoundError):
        FeatureStream.load(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("no stream")
    with pytest.raises(ValueError, match="does not hold a saved FeatureStream"):
        FeatureStream.load(tmp_path / "text.npz")
    path = FeatureStream(["rsi_14"]).save(tmp_path / "stream.npz")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match="does not hold a saved FeatureStream"):
        FeatureStream.load(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [("base.clock", np.array([-1, 0])), ("base.clock", np.array([1.0, np.nan])),
     ("base.clock", np.array([1])), ("base.state", np.zeros(7)), ("x5.part", np.zeros(1)),
     ("x5.held", np.zeros(2, np.float32)), ("x5.start", np.array(["a"])), ("x5.held", None)],
)  # fmt: skip
def test_a_stream_of_other_sizes_is_refused(key, value, tmp_path):
    path = FeatureStream(("return_log_3_5x",), interval="1min").save(tmp_path / "s.npz")
    with np.load(path) as parts:
        arrays = dict(parts)
    assert key in arrays
    np.savez(path, **{name: one for name, one in (arrays | {key: value}).items()
                      if one is not None})  # fmt: skip
    with pytest.raises(ValueError, match=r"does not hold a saved FeatureStream: .*bars instead"):
        FeatureStream.load(path)


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        *(("names", 1.5), ("names", None), ("names", [3]), ("names", "rsi_14"), ("digest", None)),
        *(("interval_nanoseconds", one) for one in ("1min", 1.5, 0, True, 2**63, 10**400)),
    ],
)
def test_a_stream_that_says_what_none_does_is_refused(tmp_path, entry, value):
    path = FeatureStream(["rsi_14"], interval="1min").save(tmp_path / "s.npz")
    with np.load(path) as parts:
        arrays = dict(parts)
    about = json.loads(arrays["about"].tobytes()) | {entry: value}
    np.savez(path, **(arrays | {"about": np.frombuffer(json.dumps(about).encode(), np.uint8)}))
    with pytest.raises(ValueError, match=r"a saved FeatureStream: its (names|inter|digest)"):
        FeatureStream.load(path)


def test_a_stream_is_read_from_a_plain_file_alone(tmp_path):
    path = FeatureStream(["rsi_14"]).save(tmp_path / "s.npz")
    with np.load(path) as parts:
        np.savez_compressed(tmp_path / "packed.npz", **parts)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "deep.npz").write_bytes(path.read_bytes())
    np.savez(tmp_path / "deep.npz", about=np.frombuffer(b"[" * 5_000, np.uint8))
    for name, why in (
        ("packed.npz", "is packed"),
        ("pipe", "no regular file"),
        ("deep.npz", "nests"),
    ):
        with pytest.raises(ValueError, match=f"does not hold a saved FeatureStream: .*{why}"):
            FeatureStream.load(tmp_path / name)


def test_a_stream_of_other_definitions_is_refused(tmp_path, monkeypatch):
    path = FeatureStream(["rsi_14"]).save(tmp_path / "stream.npz")
    monkeypatch.setattr("ultimate_deep.features.feature_engine.Engine.digest", "another")
    with pytest.raises(ValueError, match=r"definitions have changed.*bars instead"):
        FeatureStream.load(path)


def test_blocks_refuse_what_the_whole_refuses(frame):
    with pytest.raises(ValueError, match="at least 1 row"):
        next(iter_features(frame, block_rows=0))
    disorder = pd.concat([frame.iloc[:500], frame.iloc[400:600]])
    with pytest.raises(ValueError, match=r"increase strictly; row 500 "):
        list(iter_features(disorder, ["rsi_14"], block_rows=500))
