"""The files of vendors, as they come, read as the same bars, given at most what they cannot say."""

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.market.bars import BarsError
from ultimate_deep.market.readers import read_files

ROWS = 40
HOURLY = pd.date_range("2023-01-10", periods=ROWS, freq="1h", tz="UTC")
DAILY = pd.bdate_range("2023-01-10", periods=ROWS, tz="UTC")


def prices(row):
    return 10_000 + row, 10_030 + row, 9_970 + row, 10_001 + row


def table(index, line, header=(), newest_first=False):
    """Lines of a file: `line` gives the fields of a row as text."""
    lines = [line(t, *(f"{p / 100:.2f}" for p in prices(row)), row) for row, t in enumerate(index)]
    return [*header, *(reversed(lines) if newest_first else lines)]


def volume(row):
    return 1_000 + row


def iso(t):
    return t.strftime("%Y-%m-%d %H:%M:%S")


def day(t):
    return t.strftime("%Y-%m-%d")


UTC = {"timezone": "UTC"}
VENDORS = {
    "yfinance, download": (DAILY, table(
        DAILY, lambda t, o, h, low, c, k: f"{day(t)},{c},{h},{low},{o},{volume(k)}",
        ["Price,Close,High,Low,Open,Volume", "Ticker,ABC,ABC,ABC,ABC,ABC", "Date,,,,,"]), UTC),
    "yfinance, history": (DAILY, table(
        DAILY, lambda t, o, h, low, c, k: f"{iso(t)}+00:00,{o},{h},{low},{c},{volume(k)},0.0,0.0",
        ["Date,Open,High,Low,Close,Volume,Dividends,Stock Splits"]), {}),
    "Yahoo": (DAILY, table(
        DAILY, lambda t, o, h, low, c, k: f"{day(t)},{o},{h},{low},{c},{c},{volume(k)}",
        ["Date,Open,High,Low,Close,Adj Close,Volume"]), UTC),
    "Alpha Vantage": (DAILY, table(
        DAILY, lambda t, o, h, low, c, k: f"{day(t)},{o},{h},{low},{c},{volume(k)}",
        ["timestamp,open,high,low,close,volume"], newest_first=True), UTC),
    "Alpha Vantage, client": (DAILY, table(
        DAILY, lambda t, o, h, low, c, k: f"{day(t)},{o},{h},{low},{c},{volume(k)}",
        ["date,1. open,2. high,3. low,4. close,5. volume"]), UTC),
    "Stooq": (HOURLY, table(
        HOURLY, lambda t, o, h, low, c, k:
        f"ABC.US,60,{t:%Y%m%d},{t:%H%M%S},{o},{h},{low},{c},{volume(k)},0",
        ["<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>"]), UTC),
    "Nasdaq": (DAILY, table(
        DAILY, lambda t, o, h, low, c, k: f"{t:%m/%d/%Y},${c},{volume(k)},${o},${h},${low}",
        ["Date,Close/Last,Volume,Open,High,Low"], newest_first=True), UTC),
    "Investing.com": (DAILY, table(
        DAILY, lambda t, o, h, low, c, k:
        f'"{t:%m/%d/%Y}","{c}","{o}","{h}","{low}","{volume(k) / 1000:.3f}K","0.01%"',
        ['\ufeff"Date","Price","Open","High","Low","Vol.","Change %"'], newest_first=True), UTC),
    "TradingView": (HOURLY, table(
        HOURLY, lambda t, o, h, low, c, k: f"{t.value // 10**9},{o},{h},{low},{c},{volume(k)}",
        ["time,open,high,low,close,Volume"]), {}),
    "Binance": (HOURLY, table(
        HOURLY, lambda t, o, h, low, c, k:
        f"{t.value // 10**3},{o},{h},{low},{c},{volume(k)},{t.value // 10**3 + 3599999999},"
        "5.0,7,1.0,2.0,0"), {}),
    "Bybit": (HOURLY, table(
        HOURLY, lambda t, o, h, low, c, k: f"{t.value // 10**6},{o},{h},{low},{c},{volume(k)},1",
        ["startTime,openPrice,highPrice,lowPrice,closePrice,volume,turnover"]), {}),
    "OKX": (HOURLY, table(
        HOURLY, lambda t, o, h, low, c, k:
        f"{t.value // 10**6},{o},{h},{low},{c},{volume(k)},1,1,1",
        ["ts,open,high,low,close,vol,volCcy,volCcyQuote,confirm"]), {}),
    "Kraken": (HOURLY, table(
        HOURLY, lambda t, o, h, low, c, k:
        f"{t.value // 10**9},{o},{h},{low},{c},{volume(k)},9"), {}),
    "Coinbase": (HOURLY, table(
        HOURLY, lambda t, o, h, low, c, k: f"{t.value // 10**9},{low},{h},{o},{c},{volume(k)}",
        ["time,low,high,open,close,volume"], newest_first=True), {}),
    "CryptoDataDownload": (HOURLY, table(
        HOURLY, lambda t, o, h, low, c, k:
        f"{t.value // 10**9},{iso(t)},ABC/USD,{o},{h},{low},{c},{volume(k)},99.5",
        ["https://www.CryptoDataDownload.com",
         "unix,date,symbol,open,high,low,close,Volume ABC,Volume USD"], newest_first=True), {}),
    "Polygon, flat file": (HOURLY, table(
        HOURLY, lambda t, o, h, low, c, k: f"ABC,{volume(k)},{o},{c},{h},{low},{t.value},12",
        ["ticker,volume,open,close,high,low,window_start,transactions"]), {}),
    "Alpaca": (HOURLY, table(
        HOURLY, lambda t, o, h, low, c, k:
        f"ABC,{iso(t)}+00:00,{o},{h},{low},{c},{volume(k)},5,{c}",
        ["symbol,timestamp,open,high,low,close,volume,trade_count,vwap"]), {}),
    "Interactive Brokers": (HOURLY, table(
        HOURLY, lambda t, o, h, low, c, k:
        f"{t:%Y%m%d %H:%M:%S} UTC,{o},{h},{low},{c},{volume(k)},{c},7",
        ["date,open,high,low,close,volume,average,barCount"]), {}),
    "Dukascopy": (HOURLY, table(
        HOURLY, lambda t, o, h, low, c, k:
        f"{t:%d.%m.%Y %H:%M:%S}.000,{o},{h},{low},{c},{volume(k)}",
        ["Gmt time,Open,High,Low,Close,Volume"]), {}),
    "HistData": (HOURLY, table(
        HOURLY, lambda t, o, h, low, c, k:
        f"{t:%Y%m%d %H%M%S};{o};{h};{low};{c};{volume(k)}"), UTC),
    "MetaTrader 4": (HOURLY, table(
        HOURLY, lambda t, o, h, low, c, k:
        f"{t:%Y.%m.%d},{t:%H:%M},{o},{h},{low},{c},{volume(k)}"), UTC),
    "MetaTrader 5": (HOURLY, table(
        HOURLY, lambda t, o, h, low, c, k:
        f"{t:%Y.%m.%d}\t{t:%H:%M:%S}\t{o}\t{h}\t{low}\t{c}\t{volume(k)}\t0\t3",
        ["<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>"]), UTC),
    "FirstRate Data": (HOURLY, table(
        HOURLY, lambda t, o, h, low, c, k: f"{iso(t)},{o},{h},{low},{c},{volume(k)}"), UTC),
    "Kibot": (HOURLY, table(
        HOURLY, lambda t, o, h, low, c, k:
        f"{t:%m/%d/%Y},{t:%H:%M},{o},{h},{low},{c},{volume(k)}"),
        UTC | {"time_format": "%m/%d/%Y"}),
    "CoinAPI": (HOURLY, table(
        HOURLY, lambda t, o, h, low, c, k:
        f"{t:%Y-%m-%dT%H:%M:%S}.0000000Z;{t + pd.Timedelta('1h'):%Y-%m-%dT%H:%M:%S}.0000000Z;"
        f"{t:%Y-%m-%dT%H:%M}:03.0000000Z;{o};{h};{low};{c};{volume(k)};12",
        ["time_period_start;time_period_end;time_open;price_open;price_high;price_low;price_close;"
         "volume_traded;trades_count"]), {}),
    "Tiingo": (DAILY, table(
        DAILY, lambda t, o, h, low, c, k:
        f"{day(t)}T00:00:00.000Z,{c},{h},{low},{o},{volume(k)},{c},{h},{low},{o},{volume(k)},0.0,1.0",
        ["date,close,high,low,open,volume,adjClose,adjHigh,adjLow,adjOpen,adjVolume,divCash,"
         "splitFactor"]), {}),
    "Finnhub": (HOURLY, table(
        HOURLY, lambda t, o, h, low, c, k: f"{c},{h},{low},{o},ok,{t.value // 10**9},{volume(k)}",
        ["c,h,l,o,s,t,v"]), {}),
    "tushare": (DAILY, table(
        DAILY, lambda t, o, h, low, c, k:
        f"600000.SH,{t:%Y%m%d},{o},{h},{low},{c},{o},0.01,0.01,{volume(k)},99.5",
        ["ts_code,trade_date,open,high,low,close,pre_close,change,pct_chg,vol,amount"]), UTC),
    "akshare": (DAILY, table(
        DAILY, lambda t, o, h, low, c, k: f"{day(t)},{o},{c},{h},{low},{volume(k)},99.5,0.1",
        ["日期,开盘,收盘,最高,最低,成交量,成交额,振幅"]), UTC),
    "CoinMarketCap": (DAILY, table(
        DAILY, lambda t, o, h, low, c, k:
        f'"{day(t)}T00:00:00.000Z";"{day(t)}T23:59:59.999Z";"ABC";{o};{h};{low};{c};{volume(k)};9.5;'
        f'"{day(t)}T23:59:59.999Z"',
        ["timeOpen;timeClose;name;open;high;low;close;volume;marketCap;timestamp"]),
        {"columns": "time=timeOpen"}),
    "FXCM": (HOURLY, table(
        HOURLY, lambda t, o, h, low, c, k:
        f"{t:%m/%d/%Y %H:%M:%S}.000,{o},{h},{low},{c},1,1,1,1,{volume(k)}",
        ["DateTime,BidOpen,BidHigh,BidLow,BidClose,AskOpen,AskHigh,AskLow,AskClose,Volume"]),
        UTC | {"time_format": "%m/%d/%Y %H:%M:%S.%f"}),
    "a German bank": (DAILY, table(
        DAILY, lambda t, o, h, low, c, k: ";".join(
            [f"{t:%d.%m.%Y}", *(x.replace(".", ",") for x in (o, c, low, h)), f"{volume(k)}"]),
        ["Datum;Eröffnung;Schluss;Tief;Hoch;Volumen"], newest_first=True), UTC),
}  # fmt: skip


@pytest.mark.parametrize("name", VENDORS)
def test_the_files_of_a_vendor_are_read(name, tmp_path):
    index, lines, options = VENDORS[name]
    (tmp_path / "ABC.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (bars,) = read_files(tmp_path / "ABC.csv", **options).values()
    assert list(bars.frame.index) == list(index)
    expected = np.array([prices(row) for row in range(ROWS)]) / 100
    np.testing.assert_array_equal(bars.frame[["open", "high", "low", "close"]].to_numpy(), expected)
    np.testing.assert_array_equal(bars.frame["volume"], [volume(row) for row in range(ROWS)])
    assert bars.read_as[0].startswith("ABC.csv read as ")


def test_ends_of_bars_are_refused_until_they_are_said_to_be_ends(tmp_path):
    index, lines, _ = VENDORS["CoinMarketCap"]
    path = tmp_path / "ABC.csv"
    path.write_text("\n".join(line.split(";", 1)[1] for line in lines) + "\n")
    with pytest.raises(BarsError, match=r"23:59:59.999000\+00:00 are the ends .*stamp='close'"):
        read_files(path)
    bars = read_files(path, stamp="close")["ABC"]
    assert list(bars.frame.index) == list(index)
