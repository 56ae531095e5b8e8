"""Sources of one or several files and symbols; what is bad is named, or dropped and told."""

import zipfile

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.market.bars import BarsError
from ultimate_deep.market.readers import read_files, write_bars

ROWS = 48
CANONICAL_HEADER = "timestamp,open,high,low,close,volume"


def times(zone="UTC", start="2024-03-04", rows=ROWS):
    return pd.date_range(start, periods=rows, freq="1h", tz=zone)


def prices(row):
    """Open, high, low, close of a row, as cents, so that every format can write them exactly."""
    return 10_000 + row, 10_020 + row, 9_990 + row, 10_001 + row


def ohlc(row, per_unit=100):
    if per_unit == 1:
        return ",".join(str(price) for price in prices(row))
    return ",".join(f"{price / per_unit:.10g}" for price in prices(row))


def canonical_lines(rows=ROWS, start="2024-03-04"):
    stamps = times(rows=rows, start=start)
    return [CANONICAL_HEADER, *(f"{t},{ohlc(k)},{k + 1}" for k, t in enumerate(stamps))]


def clock_change_lines(hours):
    rows = [f"{t},{ohlc(k)},1" for k, t in enumerate(hours)]
    return [CANONICAL_HEADER, *rows]


def write(path, lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def assert_expected(frame, rows=ROWS):
    assert list(frame.index) == list(times(rows=rows))
    expected = np.array([prices(k) for k in range(rows)]) / 100
    np.testing.assert_array_equal(frame[["open", "high", "low", "close"]].to_numpy(), expected)
    np.testing.assert_array_equal(frame["volume"], np.arange(rows) + 1.0)


BAD_FILES = {
    "unparsable time": (5, "yesterday,1,1,1,1,1", "row 4 .*timestamp is 'yesterday'"),
    "a date as number": (None, None, "naive time"),
    "text as price": (5, "2024-03-04 04:00:00+00:00,abc,1,1,1,1", "row 4 .*open is 'abc'"),
    "empty price": (5, "2024-03-04 04:00:00+00:00,,1,1,1,1", "row 4 .*open is ''"),
    "no price": (5, "2024-03-04 04:00:00+00:00,0,1,0,1,1", "prices are above zero.*row 4 "),
    "naive among zoned": (5, "2024-03-04 04:00:00,1,1,1,1,1", "row 4 .*'2024-03-04 04:00:00'"),
    "duplicate": (5, "2024-03-04 03:00:00+00:00,1,1,1,1,1", "no duplicates.*row 4 "),
    "disorder": (5, "2024-03-01 03:00:00+00:00,1,1,1,1,1", "no disorder.*row 4 "),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_rows_of_files_are_named_or_dropped(case, tmp_path):
    line, text, message = BAD_FILES[case]
    lines = canonical_lines()
    if line is None:
        lines = [lines[0], *(f"20240304,{row.split(',', 1)[1]}" for row in lines[1:])]
    else:
        lines[line] = text
    path = write(tmp_path / "x.csv", lines)
    with pytest.raises(BarsError, match=message) as caught:
        read_files(path)
    assert "x.csv" in str(caught.value)
    assert "; " in str(caught.value)
    if line is not None:
        bars = read_files(path, repair="drop")["X"]
        assert len(bars) == ROWS - 1
        assert bars.notes[0].startswith("Dropped 1 row: ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty file"),
        (b"\n\n", "empty file"),
        (CANONICAL_HEADER.encode(), "a header without one row"),
        (b"timestamp,open,high\n2024,1,2,3\n", "no line of it names open, high, low and close"),
        (
            f"{CANONICAL_HEADER}\n2024,1,2,3,4,5\n2024,1,2,3,4,5,6,7\n".encode(),
            "header has 6 fields, the rows have 8; the last field of row 1 is '7'",
        ),
        (
            f"{CANONICAL_HEADER}\n".encode() + b"2024,1,2,3,4,5\n" * 3000 + b"2024,1,2,3,4,5,6\n",
            "cannot be read as a table separated by ','",
        ),
        ("timestamp,öpen\n".encode("latin-1") + b"x" * 50, "no line of it names open"),
        (b"timestamp\x00\xff\xfe" + b"x" * 50, "no text and no table that is read, byte 10"),
        (b'{"t": [1, 2]}', "it is JSON; export CSV or Parquet"),
    ],
)
def test_broken_files_are_refused(content, message, tmp_path):
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(BarsError, match=message) as caught:
        read_files(tmp_path / "x.csv")
    assert "; " in str(caught.value)


def test_broken_archives_and_absent_files_are_refused(tmp_path):
    for name in ("x.zip", "x.csv.gz", "x.parquet"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        with pytest.raises(BarsError, match=rf"{name}: .*; "):
            read_files(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("readme.md", "nothing")
    with pytest.raises(BarsError, match=r"holds no .csv .* only readme.md"):
        read_files(tmp_path / "x.zip")
    with pytest.raises(FileNotFoundError, match=r"absent\.csv"):
        read_files(tmp_path / "absent.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no table in the folder"):
        read_files(tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match="list of sources is empty"):
        read_files([])


def test_missing_and_doubled_columns_are_named(tmp_path):
    path = write(tmp_path / "x.csv", ["timestamp,open,high,low,close", "2024-01-01,1,1,1,1"])
    with pytest.raises(BarsError, match=r"column 'vol', and there is none of that name"):
        read_files(path, columns="volume=vol")
    path = write(tmp_path / "x.csv", [CANONICAL_HEADER + ",open", "2024-01-01,1,1,1,1,1,2"])
    with pytest.raises(BarsError, match="'open' and 'open' may each be the open; rename one"):
        read_files(path)
    with pytest.raises(ValueError, match=r"columns says which .*got 'price' = 'close'"):
        read_files(path, columns="price=close")


def test_a_folder_of_several_symbols_and_files_of_one_symbol_are_joined(tmp_path):
    lines = canonical_lines()
    write(tmp_path / "EURUSD_1h_2.csv", [lines[0], *lines[25:]])
    write(tmp_path / "EURUSD_1h_10.csv", lines[:25])
    write(tmp_path / "gold-1h.txt", lines)
    write(tmp_path / "notes.md", ["no bars"])
    bars = read_files(tmp_path)
    assert list(bars) == ["EURUSD", "GOLD"]
    for one in bars.values():
        assert_expected(one.frame)
    both = [tmp_path / "EURUSD_1h_2.csv", str(tmp_path / "EURUSD_1h_10.csv")]
    assert_expected(read_files(both, symbol="E")["E"].frame)

    write(tmp_path / "EURUSD_1h_10.csv", lines[:27])
    joined = read_files(tmp_path)["EURUSD"]
    assert_expected(joined.frame)
    assert "share 2 bars, kept once, in the same words" in joined.notes[0]

    lines[25] = lines[25].rsplit(",", 1)[0] + ",99"
    write(tmp_path / "EURUSD_1h_10.csv", lines[:27])
    with pytest.raises(
        BarsError,
        match=r"EURUSD_1h_10.csv and EURUSD_1h_2.csv overlap and do not agree on 1 of 2 bars.*"
        r"volume is 99 in one and 25 in the other",
    ):
        read_files(tmp_path)
    kept = read_files(tmp_path, repair="drop")["EURUSD"]
    assert kept.frame["volume"].iloc[24] == 99


def test_files_of_different_intervals_are_not_joined(tmp_path):
    write(tmp_path / "a-1h.csv", canonical_lines())
    minutes = pd.date_range("2025-01-01", periods=20, freq="1min", tz="UTC")
    write(tmp_path / "a-1m.csv", clock_change_lines(minutes))
    with pytest.raises(
        BarsError, match=r"a-1h.csv are of 0 days 01:00:00, those of a-1m.csv of 0 days 00"
    ):
        read_files(tmp_path)


def test_a_symbol_column_parts_a_file(tmp_path):
    lines = [CANONICAL_HEADER + ",symbol"]
    for k, t in enumerate(times()):
        lines += [f"{t},{ohlc(k)},{k + 1},eth/usd", f"{t},{ohlc(k)},{k + 1},BTCUSD"]
    path = write(tmp_path / "all.csv", lines)
    bars = read_files(path)
    assert list(bars) == ["ETHUSD", "BTCUSD"]
    assert_expected(bars["BTCUSD"].frame)
    with pytest.raises(BarsError, match="holds the symbols ETHUSD, BTCUSD, not one"):
        read_files(path, symbol="ETHUSD")
    lines[42] = lines[42].replace(",100.", ",-100.")
    with pytest.raises(BarsError, match=r"BTCUSD in all.csv: prices are above zero.*row 41 "):
        read_files(write(path, lines))


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("btcusd_1h.csv", "BTCUSD"), ("BTCUSDT-1h-2024-01.csv", "BTCUSDT"),
        ("ejtrader_GBPUSDh1.csv", "GBPUSD"), ("Coinbase_BTCUSD_1h.csv", "BTCUSD"),
        ("BTC-USD.csv", "BTC-USD"), ("lean_spy_hour.csv", "SPY"), ("EURUSD_M15.csv", "EURUSD"),
        ("1h.csv", "1H"), ("600519.SH.csv", "600519-SH"), ("EURUSD60.csv", "EURUSD"),
        ("7203.T.csv", "7203-T"), ("2015.T.csv", "2015-T"),
        ("DAT_ASCII_EURUSD_M1_2023.csv", "EURUSD"),
        ("BTC_USDT-1h.csv", "BTC-USDT"), ("X-1h-2023-01.csv", "X"), ("000001.csv", "000001"),
    ],
)  # fmt: skip
def test_the_symbol_is_found_in_the_files_name(name, symbol, tmp_path):
    assert list(read_files(write(tmp_path / name, canonical_lines()))) == [symbol]


def test_what_is_stated_is_kept_or_contradicted(tmp_path):
    path = write(tmp_path / "x.csv", canonical_lines())
    guessed = read_files(path)["X"]
    assert guessed.session == "continuous"
    assert "do not settle it" in guessed.notes[0]
    stated = read_files(path, session="weekdays", interval="1h")["X"]
    assert (stated.session, stated.notes) == ("weekdays", ())
    with pytest.raises(BarsError, match=r"stated as 0 days 00:15:00, but .* is 0 days 01:00:00"):
        read_files(path, interval="15min")
    with pytest.raises(BarsError, match="session must be one of"):
        read_files(path, session="nightly")
    with pytest.raises(BarsError, match="at least 500 bars are needed, got 48"):
        read_files(path, minimum_rows=500)


def test_gaps_absent_volume_and_early_bars_are_told(tmp_path):
    hours = times(rows=200).delete([50, 51, 90])
    lines = clock_change_lines(hours.insert(20, hours[19] + pd.Timedelta("30min")))
    path = write(tmp_path / "x.csv", [line.rsplit(",", 1)[0] + ",0" for line in lines])
    path.write_text(path.read_text().replace("close,0", "close,volume"))
    with pytest.raises(BarsError, match=r"01:00:00 apart; broken by 1 of 198 bars, .* 19:30:00"):
        read_files(path)
    notes = read_files(path, repair="drop")["X"].notes
    assert notes[:3] == (
        "Dropped 1 bar: bars come at least 0 days 01:00:00 apart. The first was 2024-03-04 "
        "19:30:00+00:00, 0 days 00:30:00 after the last.",
        "2 gaps at usual hours, the longest 0 days 03:00:00; 0 closings besides.",
        "Volume is absent (all zero): features of volume are left out.",
    )
    assert len(notes) == 4
    assert "very print" in notes[3]


@pytest.mark.parametrize("name", ["BTCUSD.parquet", "BTCUSD.csv", "BTCUSD.csv.gz"])
def test_written_bars_are_read_back_the_same(name, tmp_path):
    bars = read_files(write(tmp_path / "BTCUSD.txt", canonical_lines()))["BTCUSD"]
    frame = bars.frame * np.pi
    written = write_bars(type(bars)(frame=frame, symbol="BTCUSD", interval=bars.interval,
                                    session=bars.session), tmp_path / name)  # fmt: skip
    again = read_files(written)["BTCUSD"].frame
    np.testing.assert_array_equal(again.to_numpy(), frame.to_numpy())
    assert list(again.index) == list(frame.index)
    assert {file.name for file in tmp_path.iterdir()} == {"BTCUSD.txt", name}


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    bars = read_files(write(tmp_path / "BTCUSD.txt", canonical_lines()))["BTCUSD"]
    path = write(tmp_path / "BTCUSD.csv", ["old"])

    def fail_halfway(self, target, **options):
        target.write_text("half")
        raise OSError("disk full")

    monkeypatch.setattr(pd.DataFrame, "to_csv", fail_halfway)
    with pytest.raises(OSError, match="disk full"):
        write_bars(bars, path)
    assert path.read_text() == "old\n"
    assert {file.name for file in tmp_path.iterdir()} == {"BTCUSD.txt", "BTCUSD.csv"}
    with pytest.raises(ValueError, match=r"as .parquet, .csv or .csv.gz, got 'x.xlsx'"):
        write_bars(bars, tmp_path / "x.xlsx")


def test_parquet_may_keep_times_in_its_index_and_naive_times_need_a_zone(tmp_path):
    bars = read_files(write(tmp_path / "x.csv", canonical_lines()))["X"]
    bars.frame.to_parquet(tmp_path / "A.parquet")
    assert_expected(read_files(tmp_path / "A.parquet")["A"].frame)
    bars.frame.tz_localize(None).to_parquet(tmp_path / "A.parquet")
    with pytest.raises(BarsError, match="naive time"):
        read_files(tmp_path / "A.parquet")
    assert_expected(read_files(tmp_path / "A.parquet", timezone="UTC")["A"].frame)
