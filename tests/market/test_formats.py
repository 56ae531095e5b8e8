"""Files as vendors ship them are read, or refused with the rule, the row, the value, the remedy."""

import gzip
import zipfile

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.market.bars import BarsError
from ultimate_deep.market.readers import read_files
from ultimate_deep.market.reading.formats import ALIASES, FORMATS

ROWS = 48
CANONICAL_HEADER = "timestamp,open,high,low,close,volume"
BINANCE_HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
    "taker_buy_quote_volume,ignore"
)


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


def binance_lines(unit, header):
    lines = [BINANCE_HEADER] if header else []
    for k, t in enumerate(times()):
        stamp = t.value // unit
        lines.append(f"{stamp},{ohlc(k)},{k + 1},{stamp + 3_599_999},5.0,7,1.0,2.0,0")
    return lines


def cryptodatadownload_lines(
    columns="date,symbol,open,high,low,close,volume_btc,volume", rows=ROWS
):
    lines = [
        f"{t.strftime('%Y-%m-%d %I-%p')},BTC/USD,{ohlc(k)},{k + 1},{k * 99}"
        for k, t in enumerate(times(rows=rows))
    ]
    return ["Timestamps are UTC,https://www.CryptoDataDownload.com", columns, *reversed(lines)]


def metatrader_lines():
    return ["Date,open,high,low,close,tick_volume",
            *(f"{t.strftime('%Y-%m-%d %H:%M:%S')},{ohlc(k, 1)}.0,{k + 1}"
              for k, t in enumerate(times()))]  # fmt: skip


def metatrader5_lines():
    head = "<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<TICKVOL>,<VOL>,<SPREAD>".replace(",", "\t")
    return [head, *(f"{t.strftime('%Y.%m.%d,%H:%M:%S')},{ohlc(k)},{k + 1},0,3".replace(",", "\t")
                    for k, t in enumerate(times()))]  # fmt: skip


def metatrader4_lines():
    return [f"{t.strftime('%Y.%m.%d,%H:%M')},{ohlc(k)},{k + 1}" for k, t in enumerate(times())]


def lean_lines():
    local = times().tz_convert("America/New_York")
    return [
        f"{t.strftime('%Y%m%d %H:%M')},{','.join(str(price * 100) for price in prices(k))},{k + 1}"
        for k, t in enumerate(local)
    ]


def dukascopy_lines():
    return ["Gmt time,Open,High,Low,Close,Volume",
            *(f"{t.strftime('%d.%m.%Y %H:%M:%S.000')},{ohlc(k)},{k + 1}"
              for k, t in enumerate(times()))]  # fmt: skip


CASES = {
    "canonical": ("canonical", canonical_lines(), {}),
    "canonical, Z and other case": (
        "canonical",
        [line.replace("+00:00", "Z").replace("open", "Open") for line in canonical_lines()],
        {},
    ),
    "canonical, naive": (
        "canonical",
        [line.replace("+00:00", "") for line in canonical_lines()],
        {"timezone": "UTC"},
    ),
    "binance, ms": ("binance_klines", binance_lines(10**6, header=False), {}),
    "binance, us": ("binance_klines", binance_lines(10**3, header=False), {}),
    "binance, header": ("binance_klines", binance_lines(10**6, header=True), {}),
    "cryptodatadownload": ("cryptodatadownload", cryptodatadownload_lines(), {}),
    "cryptodatadownload, blanks": (
        "cryptodatadownload",
        cryptodatadownload_lines("Date,Symbol,Open,High,Low,Close,Volume BTC,Volume USD"), {},
    ),
    "metatrader": ("metatrader", metatrader_lines(), {"timezone": "UTC", "price_scale": 100}),
    "metatrader 5": ("metatrader", metatrader5_lines(), {"timezone": "UTC"}),
    "metatrader 4": ("metatrader", metatrader4_lines(), {"timezone": "UTC"}),
    "dukascopy": ("dukascopy", dukascopy_lines(), {}),
    "lean": ("lean", lean_lines(), {"format": "lean"}),
}  # fmt: skip


def write(path, lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def assert_expected(frame, rows=ROWS):
    assert list(frame.index) == list(times(rows=rows))
    expected = np.array([prices(k) for k in range(rows)]) / 100
    np.testing.assert_array_equal(frame[["open", "high", "low", "close"]].to_numpy(), expected)
    np.testing.assert_array_equal(frame["volume"], np.arange(rows) + 1.0)


@pytest.mark.contract(by="case")
@pytest.mark.parametrize("packing", ["plain", "gz", "zip"])
@pytest.mark.parametrize("case", CASES)
def test_every_format_is_detected_and_read(case, packing, tmp_path):
    _, lines, options = CASES[case]
    path = write(tmp_path / "BTCUSD_1h.csv", lines)
    if packing == "gz":
        (tmp_path / "BTCUSD_1h.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
        path = tmp_path / "BTCUSD_1h.csv.gz"
    elif packing == "zip":
        with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
            archive.write(path, path.name)
        path = tmp_path / "archive.zip"
    bars = read_files(path, **options)
    assert list(bars) == ["BTCUSD"]
    assert_expected(bars["BTCUSD"].frame)
    assert bars["BTCUSD"].interval == pd.Timedelta("1h")
    assert not bars["BTCUSD"].simulated


@pytest.mark.contract(walks=lambda: FORMATS)
def test_every_format_has_a_case_and_can_be_stated(tmp_path):
    assert {case[0] for case in CASES.values()} == set(FORMATS)
    for name, lines, options in CASES.values():
        options = {"format": name, "symbol": "A"} | options
        bars = read_files(write(tmp_path / "x.csv", lines), **options)
        assert_expected(bars["A"].frame)


@pytest.mark.parametrize(("short", "name"), ALIASES.items())
def test_a_format_goes_by_its_short_name_too(short, name, tmp_path):
    _, lines, options = next(case for case in CASES.values() if case[0] == name)
    path = write(tmp_path / "x.csv", lines)
    assert_expected(read_files(path, format=short, **options)["X"].frame)


def test_milliseconds_and_microseconds_may_follow_each_other(tmp_path):
    lines = [*binance_lines(10**6, header=False)[:20], *binance_lines(10**3, header=False)[20:]]
    assert_expected(read_files(write(tmp_path / "x.csv", lines))["X"].frame)


def test_lean_minutes_take_their_date_from_the_archive(tmp_path):
    lines = [f"{34_200_000 + 60_000 * k},1000000,1000000,1000000,1000000,5" for k in range(60)]
    with zipfile.ZipFile(tmp_path / "20240311_trade.zip", "w") as archive:
        archive.writestr("20240311_spy_minute_trade.csv", "\n".join(lines))
    bars = read_files(tmp_path / "20240311_trade.zip")["SPY"]
    # 9:30 in New York on the day after the clocks went forward.
    assert bars.index[0] == pd.Timestamp("2024-03-11 13:30", tz="UTC")
    assert (bars.interval, len(bars)) == (pd.Timedelta("1min"), 60)
    path = write(tmp_path / "spy.csv", lines)
    with pytest.raises(BarsError, match=r"time is '34200000' in row 0; name the file"):
        read_files(path, format="lean")


def test_columns_that_are_not_recognised_are_refused_with_a_remedy_that_works(tmp_path):
    lines = canonical_lines()
    path = write(tmp_path / "x.csv", [lines[0].replace("open", "erster"), *lines[1:]])
    with pytest.raises(
        BarsError, match=r"no column is recognised as open; the columns are timestamp, er"
    ):
        read_files(path)
    assert_expected(read_files(path, columns="open=erster,time=timestamp")["X"].frame)

    path = write(tmp_path / "x.csv", ["when,note," + lines[0].split(",", 1)[1],
                                      *(f"{k},no{k % 7}," + row.split(",", 1)[1]
                                        for k, row in enumerate(lines[1:]))])  # fmt: skip
    with pytest.raises(
        BarsError, match="no column is recognised as the time; the columns are when"
    ):
        read_files(path)

    path = write(tmp_path / "x.csv", [lines[0] + ",o", *(row + ",1" for row in lines[1:])])
    assert_expected(read_files(path)["X"].frame)  # the standard word decides
    last = lines[0].replace("close", "last") + ",settle"
    path = write(tmp_path / "x.csv", [last, *(row + ",1" for row in lines[1:])])
    with pytest.raises(BarsError, match=r"'last' and 'settle' may each be the close") as caught:
        read_files(path)
    remedy = str(caught.value).split("columns='")[1].split("'")[0]
    assert_expected(read_files(path, columns=remedy)["X"].frame)

    head = "date,symbol,open,high,low,close,unix,volume usd,tick_volume,volume btc"
    row = "2024-03-04,BTCUSD,1,1,1,1,1709510400,1,1,1"
    with pytest.raises(BarsError, match=r"ambiguous format \(cryptodatadownload or metatrader\)"):
        read_files(write(tmp_path / "x.csv", [head, row]))
    with pytest.raises(BarsError, match="its lines are no rows of bars; the first is '1,2,3'"):
        read_files(write(tmp_path / "x.csv", ["1,2,3", "4,5,6"]))
    with pytest.raises(ValueError, match="format must be auto or one of canonical, binance_klines"):
        read_files(write(tmp_path / "x.csv", canonical_lines()), format="csv")


def test_times_without_a_zone_are_refused_until_it_is_stated(tmp_path):
    path = write(tmp_path / "x.csv", metatrader4_lines())
    with pytest.raises(
        BarsError, match=r"naive time.*row 0 is 2024-03-04 00:00:00.*timezone='UTC'"
    ):
        read_files(path)
    bars = read_files(path, timezone="Asia/Tokyo")["X"]
    assert bars.index[0] == pd.Timestamp("2024-03-03 15:00", tz="UTC")
    with pytest.raises(ValueError, match=r"IANA name.*'Mars/Base'"):
        read_files(path, timezone="Mars/Base")


def test_a_stated_zone_overrides_the_one_of_the_format(tmp_path):
    path = write(tmp_path / "x_trade.csv", lean_lines())
    bars = read_files(path, timezone="UTC", format="lean")["X"]
    assert bars.index[0] == pd.Timestamp("2024-03-03 19:00", tz="UTC")


def test_integer_prices_need_a_stated_scale(tmp_path):
    path = write(tmp_path / "gbpusd.csv", metatrader_lines())
    with pytest.raises(BarsError, match=r"integer prices.*opens at 10000; .*price_scale="):
        read_files(path, timezone="UTC")
    assert read_files(path, timezone="UTC", price_scale=1)["GBPUSD"].frame["open"].iloc[0] == 10_000
    with pytest.raises(ValueError, match="price_scale must be above zero, got 0"):
        read_files(path, timezone="UTC", price_scale=0)


def clock_change_lines(hours):
    rows = [f"{t},{ohlc(k)},1" for k, t in enumerate(hours)]
    return [CANONICAL_HEADER, *rows]


def test_clock_changes_are_read_where_certain_and_refused_elsewhere(tmp_path):
    # On 2024-11-03 New York has the hour from 1:00 twice, on 2024-03-10 none from 2:00.
    utc = pd.date_range("2024-11-03", periods=40, freq="1h", tz="UTC")
    local = utc.tz_convert("America/New_York").tz_localize(None)
    path = write(tmp_path / "x.csv", clock_change_lines(local))
    assert list(read_files(path, timezone="America/New_York")["X"].index) == list(utc)

    path = write(tmp_path / "x.csv", clock_change_lines(local.delete(6)))
    with pytest.raises(BarsError, match=r"one instant in America/New_York.*row 5 .*has it twice"):
        read_files(path, timezone="America/New_York")
    bars = read_files(path, timezone="America/New_York", repair="drop")["X"]
    assert list(bars.index) == list(utc.delete([5, 6]))
    assert "Dropped 1 row: every time names one instant" in bars.notes[0]

    spring = pd.date_range("2024-03-10", periods=40, freq="1h")
    with pytest.raises(BarsError, match=r"row 2 \(2024-03-10 02:00:00\).*skips this time"):
        read_files(
            write(tmp_path / "x.csv", clock_change_lines(spring)), timezone="America/New_York"
        )


def test_rows_of_a_file_with_the_newest_first_keep_their_numbers(tmp_path):
    lines = cryptodatadownload_lines()
    lines[2 + 7] = lines[2 + 7].replace("BTC/USD,100.", "BTC/USD,-100.")
    with pytest.raises(BarsError, match=r"prices are above zero.*row 7 \(2024-03-05 16:00:00"):
        read_files(write(tmp_path / "x.csv", lines))
    backwards = write(tmp_path / "x.csv", [CANONICAL_HEADER, *canonical_lines()[:0:-1]])
    bars = read_files(backwards)["X"]
    assert_expected(bars.frame)
    assert bars.notes[0] == "x.csv begins with the newest bar and is read from its end."
