"""Every rule of bars is broken once: the message has the rule, the row, the value, the remedy."""

import re

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.market.bars import BAR_COLUMNS, Bars, BarsError, validate_bars


def make_frame(rows=60, freq="1h", start="2024-01-01", seed=0):
    generator = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(0.01 * generator.standard_normal(rows)))
    opens = np.concatenate([[100.0], close[:-1]])
    return pd.DataFrame(
        {
            "open": opens,
            "high": np.maximum(opens, close) * 1.001,
            "low": np.minimum(opens, close) * 0.999,
            "close": close,
            "volume": generator.uniform(1, 2, rows),
        },
        index=pd.date_range(start, periods=rows, freq=freq, tz="UTC", name="timestamp"),
    )


def put(row, column, value):
    def change(frame):
        frame = frame.astype({column: object}) if isinstance(value, str) else frame
        frame.iloc[row, frame.columns.get_loc(column)] = value
        return frame

    return change


def reorder(rows):
    return lambda frame: frame.iloc[rows]


ROW_RULES = {
    "nan": (put(7, "close", np.nan), "every value is a finite number", 7, "close is", 1),
    "infinity": (put(7, "volume", np.inf), "every value is a finite number", 7, "inf", 1),
    "text": (put(7, "open", "n/a"), "every value is a finite number", 7, "open is 'n/a'", 1),
    "zero price": (put(8, "low", 0.0), "prices are above zero", 8, "low 0", 1),
    "negative price": (put(8, "open", -3.0), "prices are above zero", 8, "open -3", 1),
    "high below low": (put(9, "high", 1.0), "high is not below low", 9, "high 1", 1),
    "open above high": (put(9, "open", 1e6), "open and close lie between", 9, "open 1000000", 1),
    "close below low": (put(9, "close", 1e-3), "open and close lie between", 9, "close 0.001", 1),
    "negative volume": (put(5, "volume", -1.0), "volume is not negative", 5, "volume -1", 1),
    "duplicates": (
        lambda frame: put(10, "volume", 1.5)(reorder([*range(10), 9, *range(10, 60)])(frame)),
        "no duplicates", 10, "before", 1,
    ),
    "disorder": (
        reorder([*range(10), 11, 10, *range(12, 60)]), "no disorder", 11, "the row before", 1,
    ),
    "one row from the future": (
        reorder([*range(10), 59, *range(10, 59)]), "no disorder", None, "", 1,
    ),
    "missing time": (
        lambda frame: frame.set_axis(frame.index.where(frame.index != frame.index[4]), axis=0),
        "every bar has a time", 4, "no time", 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ROW_RULES)
def test_a_bad_row_is_named_or_dropped(name):
    change, rule, row, value, dropped = ROW_RULES[name]
    frame = change(make_frame())
    with pytest.raises(BarsError) as caught:
        validate_bars(frame, symbol="ABC")
    message = str(caught.value)
    assert message.startswith(f"ABC: {rule}")
    assert "; " in message
    assert 'repair="drop"' in message
    if row is not None:
        assert f"row {row} (" in message
        assert value in message
        stamp = frame.index[row]
        assert (str(stamp) if stamp is not pd.NaT else "no time") in message

    repaired, notes = validate_bars(frame, symbol="ABC", repair="drop")
    assert len(repaired) == len(frame) - dropped
    assert len(notes) == 1
    assert re.match(rf"Dropped {dropped} rows?: {re.escape(rule)}", notes[0])
    Bars(frame=repaired, symbol="ABC", interval=pd.Timedelta("1h"), session="continuous")


def test_a_row_that_repeats_another_in_every_value_is_kept_once():
    frame = make_frame()
    repaired, notes = validate_bars(reorder([*range(10), 9, *range(10, 60)])(frame), symbol="ABC")
    pd.testing.assert_frame_equal(repaired, validate_bars(frame, symbol="ABC")[0], check_freq=False)
    assert notes[0].startswith("1 row repeats another in every value and was left out, the first")


FRAME_RULES = {
    "missing column": (lambda f: f.drop(columns="volume"), "missing column volume", "zeros"),
    "column twice": (lambda f: pd.concat([f, f[["open"]]], axis=1), "open is there twice", "one"),
    "empty": (lambda f: f.iloc[:0], "empty", "check"),
    "no times": (lambda f: f.reset_index(drop=True), "the index holds int64", "tz-aware"),
    "naive": (lambda f: f.tz_localize(None), "naive time", "timezone='UTC'"),
    "few rows": (lambda f: f.iloc[:20], "too few rows", "a longer file"),
    "newest first": (lambda f: f.iloc[::-1], "disorder, the newest bar comes first", "reverse"),
}


@pytest.mark.parametrize("repair", ["raise", "drop"])
@pytest.mark.parametrize("name", FRAME_RULES)
def test_a_bad_frame_is_refused_under_any_repair(name, repair):
    change, rule, remedy = FRAME_RULES[name]
    with pytest.raises(BarsError, match=r"; ") as caught:
        validate_bars(change(make_frame()), symbol="ABC", repair=repair)
    assert rule in str(caught.value)
    assert remedy in str(caught.value).rsplit("; ", 1)[1]


def test_bad_rows_that_leave_too_few_are_counted():
    frame = make_frame(36)
    frame.iloc[:6, 0] = np.nan
    with pytest.raises(BarsError, match="at least 32 bars are needed, got 30 of 36 rows given"):
        validate_bars(frame, symbol="ABC", repair="drop")


def test_unknown_options_are_refused():
    with pytest.raises(ValueError, match="repair must be"):
        validate_bars(make_frame(), symbol="ABC", repair="fix")
    with pytest.raises(ValueError, match="minimum_rows"):
        validate_bars(make_frame(), symbol="ABC", minimum_rows=0)


def test_valid_bars_pass_unchanged_from_index_or_column_and_any_zone():
    frame = make_frame()
    for given in (frame, frame.reset_index(), frame.tz_convert("Asia/Tokyo").assign(extra=1)):
        canonical, notes = validate_bars(given, symbol="ABC")
        assert notes == ()
        assert tuple(canonical.columns) == BAR_COLUMNS
        assert str(canonical.index.dtype) == "datetime64[ns, UTC]"
        pd.testing.assert_frame_equal(canonical, frame, check_freq=False, check_index_type=False)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda f: f[["close", *BAR_COLUMNS[:3], "volume"]], "the columns are close"),
        (lambda f: f.astype("float32"), "the columns hold float32"),
        (lambda f: f.tz_localize(None), "not times in UTC"),
        (lambda f: f.tz_convert("Asia/Tokyo"), "not times in UTC"),
        (lambda f: f.iloc[:1], "1 rows"),
        (lambda f: f.iloc[[0, 0, 1]], "do not increase strictly"),
        (put(3, "open", np.nan), "NaN or infinity"),
    ],
)
def test_bars_hold_only_canonical_frames(change, problem):
    with pytest.raises(BarsError, match=problem):
        Bars(
            frame=change(make_frame()),
            symbol="ABC",
            interval=pd.Timedelta("1h"),
            session="continuous",
        )


def test_bars_check_their_other_fields():
    good = {"symbol": "A", "interval": pd.Timedelta("1h"), "session": "continuous"}
    for field, value, message in (
        ("symbol", "", "need a symbol"),
        ("symbol", "b\udce4r", "UTF-8 can hold"),
        ("interval", pd.Timedelta(0), "interval must be above zero"),
        ("session", "nightly", "session must be one of continuous, weekdays, exchange"),
    ):
        with pytest.raises(BarsError, match=message):
            Bars(frame=make_frame(), **{**good, field: value})


def test_absent_volume_is_known():
    frame = make_frame()
    fields = {"symbol": "A", "interval": pd.Timedelta("1h"), "session": "continuous"}
    assert Bars(frame=frame, **fields).has_volume
    assert not Bars(frame=frame.assign(volume=0.0), **fields).has_volume
