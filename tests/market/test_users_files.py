"""What users bring: each kind of file reads as its bars, or is refused with a remedy that works."""

import bz2
import lzma
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ultimate_deep.market.bars import BarsError
from ultimate_deep.market.config import DataConfig, LabelSpec
from ultimate_deep.market.market import load_market
from ultimate_deep.market.readers import read_files
from ultimate_deep.market.reading.stamps import read_stamps
from ultimate_deep.market.sessions import find_bars_per_year, find_gaps, find_session

HEADER = "timestamp,open,high,low,close,volume"


def walk(index, level=100.0, seed=0):
    """Bars of a random walk, as a table."""
    draw = np.random.default_rng(seed)
    close = np.round(level * np.exp(np.cumsum(draw.normal(0, 0.003, len(index)))), 4)
    opens = np.r_[level, close[:-1]]
    high, low = np.maximum(opens, close) + 0.01 * level, np.minimum(opens, close) - 0.01 * level
    table = {"open": opens, "high": high, "low": low, "close": close}
    table = {name: np.round(values, 4) for name, values in table.items()}
    volume = draw.integers(10, 99, len(index)).astype(float)
    return pd.DataFrame(table | {"volume": volume}, index=index.rename("timestamp"))


def hours(rows=40, start="2023-01-02"):
    return pd.date_range(start, periods=rows, freq="1h", tz="UTC")


def days(rows=40, start="2023-01-02"):
    return pd.bdate_range(start, periods=rows)


def saved(path, frame, **options):
    frame.to_csv(path, **options)
    return path


def same(bars, frame):
    pd.testing.assert_frame_equal(
        bars.frame, frame.tz_localize("UTC") if frame.index.tz is None else frame,
        check_freq=False, check_index_type=False,
    )  # fmt: skip


# Wrong numbers without a word.


def test_numeric_tickers_stay_apart_and_a_splice_with_a_jump_is_refused(tmp_path):
    saved(tmp_path / "600000.SH.csv", walk(days(), 10.0))
    saved(tmp_path / "600519.SH.csv", walk(days(start="2024-01-01"), 1_500.0))
    assert list(read_files(tmp_path, timezone="UTC")) == ["600000-SH", "600519-SH"]
    for name, old in (("X_2023.csv", "600000.SH.csv"), ("X_2024.csv", "600519.SH.csv")):
        (tmp_path / old).rename(tmp_path / name)
    with pytest.raises(BarsError, match=r"X_2023.csv ends at .* begins at 1500 .*symbol='X'"):
        read_files(tmp_path, timezone="UTC")
    joined = read_files(tmp_path, timezone="UTC", symbol="X")["X"]
    assert len(joined) == 80
    assert "both are X as stated" in joined.notes[0]


def test_an_adjusted_close_adjusts_and_a_night_like_a_split_is_named(tmp_path):
    plain = walk(days(60))
    factor = np.where(np.arange(60) < 30, 4.0, 1.0)
    raw = plain.copy()
    raw[["open", "high", "low", "close"]] *= factor[:, None]
    path = saved(tmp_path / "aapl.csv", raw.assign(**{"Adj Close": plain["close"]}))
    bars = read_files(path, timezone="UTC")["AAPL"]
    np.testing.assert_allclose(bars.frame.to_numpy(), plain.to_numpy(), rtol=1e-12)
    np.testing.assert_array_equal(bars.frame["close"], plain["close"])
    assert "adjusted by Adj Close, from 0.25 to 1" in bars.notes[0]
    told = read_files(path, timezone="UTC", adjust="none")["AAPL"]
    np.testing.assert_array_equal(told.frame.to_numpy(), raw.to_numpy())
    assert any("2023-02-13 00:00 opens at" in note and "as after a split of 4:1" in note
               for note in told.notes)  # fmt: skip
    raw["Adj Close"] = 0.0
    with pytest.raises(BarsError, match=r"by Adj Close, which is 0 in row 0 .*adjust='none'"):
        read_files(saved(path, raw), timezone="UTC")


def test_scaled_prices_and_new_york_are_leans_equities_alone(tmp_path):
    frame = walk(hours().tz_localize(None), 9_000.0)
    lines = "\n".join(f"{t:%Y%m%d %H:%M},{','.join(map(str, row))}"
                      for t, row in zip(frame.index, frame.to_numpy(), strict=True))  # fmt: skip
    with zipfile.ZipFile(tmp_path / "btcusd_trade.zip", "w") as archive:
        archive.writestr("btcusd.csv", lines)
    with pytest.raises(BarsError, match="naive time"):
        read_files(tmp_path / "btcusd_trade.zip")
    same(read_files(tmp_path / "btcusd_trade.zip", timezone="UTC")["BTCUSD"], frame)
    whole = "\n".join(f"{t:%Y%m%d %H:%M},3500000,3500100,3499000,3500000,5" for t in frame.index)
    (tmp_path / "btcjpy_trade.csv").write_text(whole)
    bars = read_files(tmp_path / "btcjpy_trade.csv", timezone="UTC")["BTCJPY"]
    assert bars.frame["open"].iloc[0] == 3_500_000


def test_dates_written_as_numbers_are_dates(tmp_path):
    frame = walk(days())
    path = saved(tmp_path / "spy_20230102.csv", frame, header=False, date_format="%Y%m%d")
    same(read_files(path, timezone="UTC")["SPY"], frame)


def test_the_volume_is_the_column_of_that_name(tmp_path):
    frame = walk(hours())
    path = saved(tmp_path / "x.csv", frame.assign(volume_ma=7.0)[["volume_ma", *frame.columns]])
    same(read_files(path)["X"], frame)


@pytest.mark.parametrize(
    ("index", "session", "settled", "bars_a_year"),
    [
        (pd.date_range("2023-03-01 14:00", periods=1000, freq="1min", tz="UTC"),
         "continuous", False, 525_960),
        (pd.date_range("2023-03-01 14:30", periods=390, freq="1min", tz="UTC"),
         "exchange", False, 390 * 252),
        (pd.date_range("2020-01-01", "2022-12-31", freq="1D", tz="Asia/Riyadh").tz_convert("UTC"),
         "continuous", True, 365.25),
    ],
)  # fmt: skip
def test_a_session_is_settled_only_by_whole_days(index, session, settled, bars_a_year):
    interval = index[1] - index[0]
    assert find_session(index, interval) == (session, settled)
    assert find_bars_per_year(index, interval, session) == pytest.approx(bars_a_year, rel=1e-3)


def test_a_week_from_sunday_to_thursday_has_five_days():
    index = pd.date_range("2020-01-01", "2022-12-31", freq="1D", tz="Asia/Riyadh")
    index = index[~index.day_of_week.isin([4, 5])].tz_convert("UTC")
    for zone in ("UTC", "Asia/Riyadh"):
        session, settled = find_session(index, pd.Timedelta("1D"), zone)
        assert (session, settled) == ("weekdays", True)
    assert find_bars_per_year(index, pd.Timedelta("1D"), "weekdays") == pytest.approx(261, rel=1e-2)


def test_symbols_and_hours_are_seen_before_duplicates(tmp_path):
    one, two = walk(days()), walk(days(), 200.0, seed=1)
    both = pd.concat([one.assign(ticker="AAA"), two.assign(ticker="BBB")]).sort_index(kind="stable")
    path = saved(tmp_path / "long.csv", both)
    read = read_files(path, timezone="UTC", repair="drop")
    same(read["AAA"], one)
    same(read["BBB"], two)
    path = saved(path, both.rename(columns={"ticker": "fund"}))
    for repair in ("raise", "drop"):
        with pytest.raises(BarsError, match="the column fund tells them apart") as caught:
            read_files(path, timezone="UTC", repair=repair)
    remedy = str(caught.value).split("columns='")[1].split("'")[0]
    assert list(read_files(path, timezone="UTC", columns=remedy)) == ["AAA", "BBB"]

    frame = walk(pd.date_range("2023-01-02 09:30", periods=120, freq="5min"))
    parts = frame.assign(Date=frame.index.strftime("%Y-%m-%d"), Time=frame.index.strftime("%H:%M"))
    path = saved(tmp_path / "minutes.csv", parts, index=False)
    same(read_files(path, timezone="UTC", repair="drop")["MINUTES"], frame)


# Files that most first users have.


def test_wide_tables_hold_several_symbols(tmp_path):
    one, two = walk(days()), walk(days(), 200.0, seed=1)
    for keys, name in ((["AAA", "BBB"], "tickers first"), (None, "fields first")):
        wide = pd.concat({"AAA": one, "BBB": two}, axis=1)
        wide = wide if keys else wide.swaplevel(axis=1).sort_index(axis=1)
        bars = read_files(saved(tmp_path / "wide.csv", wide), timezone="UTC")
        same(bars["AAA"], one)
        same(bars["BBB"], two)
        wide.to_parquet(tmp_path / "wide.parquet")
        assert list(read_files(tmp_path / "wide.parquet", timezone="UTC")) == ["AAA", "BBB"], name


def test_packings_and_binary_tables(tmp_path):
    frame = walk(hours())
    text = frame.to_csv().encode()
    (tmp_path / "A.csv.bz2").write_bytes(bz2.compress(text))
    (tmp_path / "B.csv.xz").write_bytes(lzma.compress(text))
    with pa.CompressedOutputStream(str(tmp_path / "C.csv.zst"), "zstd") as stream:
        stream.write(text)
    frame.reset_index().to_feather(tmp_path / "D-1h.feather")
    frame.rename_axis(None).to_parquet(tmp_path / "E.parquet.gzip", compression="gzip")
    part = tmp_path / "symbol=F" / "year=2023" / "part-0.parquet"
    part.parent.mkdir(parents=True)
    frame.reset_index().to_parquet(part)
    (tmp_path / "G.csv").write_bytes(frame.to_csv().encode("utf-16"))
    read = read_files(tmp_path)
    assert sorted(read) == list("ABCDEFG")
    for bars in read.values():
        same(bars, frame)
    for name, magic, what in (
        ("x.csv", b"\x89HDF\r\n", "an HDF5 file is not read; export CSV or Parquet"),
        ("x.txt", b"\x80\x04\x95", "a pickle is not read"),
    ):
        (tmp_path / name).write_bytes(magic + b"\x00" * 64)
        with pytest.raises(BarsError, match=what):
            read_files(tmp_path / name)


def test_broken_and_locked_archives_are_refused_in_words(tmp_path):
    frame = walk(hours(400))
    whole = tmp_path / "A.csv.gz"
    frame.to_csv(whole)
    whole.write_bytes(whole.read_bytes()[:-200])
    with pytest.raises(BarsError, match="broken archive"):
        read_files(whole)
    with zipfile.ZipFile(tmp_path / "B.zip", "w") as archive:
        archive.writestr("B.csv", frame.to_csv())
    data = bytearray((tmp_path / "B.zip").read_bytes())
    data[6] |= 1  # says that the member is encrypted
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "B.zip").write_bytes(bytes(data))
    with pytest.raises(BarsError, match="the archive is encrypted; unpack it"):
        read_files(tmp_path / "B.zip")


def test_what_lies_beside_the_bars_is_passed_over_and_said(tmp_path):
    frame = walk(hours())
    saved(tmp_path / "AAA.csv", frame)
    (tmp_path / "README.txt").write_text("Downloaded from Example.\nTerms apply.\n")
    bars = read_files(tmp_path)["AAA"]
    same(bars, frame)
    assert bars.notes[0] == "Passed over, since they hold no bars: README.txt."
    with zipfile.ZipFile(tmp_path / "AAA.zip", "w") as archive:
        archive.write(tmp_path / "AAA.csv", "AAA.csv")
        archive.writestr("AAA.txt", "rows: 40, gaps: 0\n")
        archive.writestr("__MACOSX/._AAA.csv", b"\x00\x05\x16\x07")
    same(read_files(tmp_path / "AAA.zip")["AAA"], frame)
    with pytest.raises(BarsError, match=r"README.txt: no line of it names open, high"):
        read_files(tmp_path / "README.txt")


@pytest.mark.parametrize("change", [
    lambda text: "Example data\nterms apply\n\n" + text,
    lambda text: "# source: a, b, c, d, e, f\n# zone: UTC\n" + text,
    lambda text: text + "Downloaded from Example as of 01-03-2023 04:10pm\n",
    lambda text: text.replace("\n", ",\n").replace("volume,\n", "volume\n"),
    lambda text: text.replace("\n", "\r\n"),
    lambda text: "# a comment\n\r" + text.replace("\n", "\n\r"),
    lambda text: text.replace("\n", "\n\n"),
])  # fmt: skip
def test_lines_that_are_no_bars(change, tmp_path):
    frame = walk(hours())
    (tmp_path / "a.csv").write_bytes(change(frame.to_csv()).encode())
    same(read_files(tmp_path / "a.csv")["A"], frame)


@pytest.mark.parametrize("cell", ["", "-", "-1", "n/a", None])
def test_absent_volume_is_zero_and_said(cell, tmp_path):
    frame = walk(hours())
    table = frame.drop(columns="volume") if cell is None else frame.assign(volume=cell)
    bars = read_files(saved(tmp_path / "a.csv", table))["A"]
    same(bars, frame.assign(volume=0.0))
    assert any("Volume is absent" in note for note in bars.notes)


def test_volume_that_is_missing_here_and_there_is_refused_with_a_remedy(tmp_path):
    frame = walk(hours())
    frame.iloc[7, 4] = np.nan
    path = saved(tmp_path / "a.csv", frame)
    with pytest.raises(BarsError, match=r"volume is ''; .*columns='volume=none'"):
        read_files(path)
    same(read_files(path, columns="volume=none")["A"], frame.assign(volume=0.0))


def test_a_day_whose_midnight_is_skipped_begins_at_one(tmp_path):
    frame = walk(pd.date_range("2018-10-15", "2018-11-30", freq="1D"))
    bars = read_files(saved(tmp_path / "B3.csv", frame), timezone="America/Sao_Paulo")["B3"]
    assert len(bars) == 47
    assert bars.index[20] == pd.Timestamp("2018-11-04 03:00", tz="UTC")


def test_prices_below_zero_are_refused_with_the_reason(tmp_path):
    frame = walk(days())
    frame.loc[frame.index[20], ["low", "close"]] = (-40.32, -37.63)
    with pytest.raises(BarsError, match=r"close -37.63; a price at or below zero has no logarithm"):
        read_files(saved(tmp_path / "CL.csv", frame), timezone="UTC")


def test_bars_of_no_fixed_length_are_refused(tmp_path):
    draw = np.random.default_rng(0)
    index = pd.Timestamp("2023-01-02", tz="UTC") + pd.to_timedelta(
        np.cumsum(draw.integers(1, 900_000, 300)), unit="ms"
    )
    with pytest.raises(BarsError, match="bars of no fixed length, as those of ticks"):
        read_files(saved(tmp_path / "x.csv", walk(pd.DatetimeIndex(index))))


# Times.


@pytest.mark.parametrize(("cells", "message"), [
    (["01/02/2023 00:00", "02/02/2023 01:00"], "may be 01 February 2023 or 02 January 2023"),
    (["13/01/2023", "01/13/2023"], "neither order of day and month reads all dates"),
    (["2023-01-02 00:00:00 EST"] * 2, "'EST' after a time names no zone for certain"),
    (["2023-01-02 10:00 Europe/Rome", "2023-01-02 11:00 Asia/Tokyo"], "times of several zones"),
])  # fmt: skip
def test_times_in_doubt_are_refused(cells, message):
    with pytest.raises(BarsError, match=message):
        read_stamps(pd.Series(cells), where="a")


def test_a_stated_way_to_write_times_is_taken(tmp_path):
    frame = walk(hours().tz_localize(None))
    path = saved(tmp_path / "a.csv", frame, date_format="%d/%m/%Y %H:%M")
    with pytest.raises(BarsError) as caught:
        read_files(path, timezone="UTC")
    for choice in str(caught.value).split("time_format='")[1:]:
        form = choice.split("'")[0]
        bars = read_files(path, timezone="UTC", time_format=form)["A"]
        if form.startswith("%d"):
            same(bars, frame)
    with pytest.raises(BarsError, match="no time is written as time_format='%Y' states"):
        read_files(path, timezone="UTC", time_format="%Y")


def test_years_that_nanoseconds_cannot_hold_are_bad_rows(tmp_path):
    frame = walk(hours())
    lines = frame.to_csv().splitlines()
    lines[5] = lines[5].replace("2023", "2421")
    (tmp_path / "a.csv").write_text("\n".join(lines))
    with pytest.raises(BarsError, match=r"every time can be read.*row 4 .*'2421-01-02 04:00:00"):
        read_files(tmp_path / "a.csv")


def test_times_that_python_cannot_write_are_bad_rows(tmp_path):
    frame = walk(hours()).reset_index()
    naive = frame["timestamp"].dt.tz_localize(None)
    seconds = naive.to_numpy().astype("datetime64[s]").copy()
    seconds[7] = np.datetime64(2**41, "s")
    frame["timestamp"] = pd.Series(seconds).dt.tz_localize("UTC")
    frame.to_feather(tmp_path / "a.feather")
    with pytest.raises(BarsError, match=r"row 7 .*timestamp is 'a time out of range'"):
        read_files(tmp_path / "a.feather")


def test_a_far_stamp_costs_no_memory():
    index = pd.date_range("2023-01-01", periods=2_000, freq="1s", tz="UTC")
    index = index.append(pd.DatetimeIndex(["2030-01-01"], tz="UTC"))
    gaps = find_gaps(index, pd.Timedelta("1s"), "exchange")
    assert gaps.count == 1


# What is said.


def test_what_a_file_was_read_as_is_one_line(tmp_path):
    frame = walk(hours())
    path = saved(tmp_path / "abc.csv", frame.rename(columns={"volume": "vol"}).assign(vwap=1.0))
    market = load_market(DataConfig(path=str(path)), LabelSpec())
    assert market.told[0] == (
        "abc.csv read as a table of bars: time timestamp (times as %Y-%m-%d %H:%M:%S with a zone); "
        "volume vol; left out vwap; times in UTC as the file says, taken to be when bars open; "
        "symbol ABC"
    )


def test_messages_stay_short(tmp_path):
    wide = pd.DataFrame({f"a_column_of_a_long_name_{k}": [1.0] * 3 for k in range(900)})
    wide.insert(0, "open", 1.0)
    path = saved(tmp_path / "x.csv", wide.assign(high=1.0, low=1.0, close=1.0))
    with pytest.raises(BarsError) as caught:
        read_files(path)
    assert len(str(caught.value)) < 800
