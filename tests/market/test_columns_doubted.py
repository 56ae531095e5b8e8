"""Columns, names and files that look like others: read as what they are, or refused in words."""

import ast
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.market.bars import BarsError
from ultimate_deep.market.readers import read_files

ROWS = 40
HOURS = pd.date_range("2023-01-17", periods=ROWS, freq="1h", tz="UTC")
DAYS = pd.bdate_range("2023-01-17", periods=ROWS, tz="UTC")
LATER = HOURS + pd.Timedelta("30D")
HEADER = "date,open,high,low,close,volume"
UTC = {"timezone": "UTC"}


def walk(index=HOURS, level=100.0, seed=0):
    """Bars of a random walk, in cents."""
    draw = np.random.default_rng(seed)
    close = np.round(level * np.exp(np.cumsum(draw.normal(0, 0.003, len(index)))), 2)
    opens = np.round(np.r_[level, close[:-1]] + 0.01, 2)
    high, low = np.maximum(opens, close) + 0.05, np.minimum(opens, close) - 0.05
    table = {"open": opens, "high": high, "low": low, "close": close}
    table = {name: np.round(values, 2) for name, values in table.items()}
    return pd.DataFrame(table | {"volume": draw.integers(100, 999, len(index))}, index=index)


def text(frame, header=HEADER, fields="{t},{o},{h},{l},{c},{v}", time="%Y-%m-%d %H:%M", ahead="0h"):
    """Lines of a file; its times lie `ahead` of when bars open."""
    lines = [header] if isinstance(header, str) else list(header)
    for row, (t, (o, h, low, c, v)) in enumerate(
        zip(frame.index, frame.to_numpy().tolist(), strict=True)
    ):
        lines.append(fields.format(t=(t + pd.Timedelta(ahead)).strftime(time), o=o, h=h, l=low, c=c,
                                   v=int(v), s=t.value // 10**9, k=row))  # fmt: skip
    return "\n".join(lines) + "\n"


def read(tmp_path, content, name="ABC.csv", **options):
    """The bars of one file, or of several by their names."""
    files = content if isinstance(content, dict) else {name: content}
    for file, lines in files.items():
        (tmp_path / file).write_text(lines, encoding="utf-8")
    path = tmp_path if isinstance(content, dict) else tmp_path / name
    return read_files(path, minimum_rows=2, **{**UTC, **options})


def same(bars, **frames):
    """Compare all bars that were read with those of each symbol."""
    assert list(bars) == list(frames)
    for symbol, frame in frames.items():
        assert list(bars[symbol].index) == list(frame.index)
        np.testing.assert_array_equal(bars[symbol].frame.to_numpy(), frame.to_numpy().astype(float))


def refused(tmp_path, content, match, **options):
    """Return what a refusal says."""
    with pytest.raises(BarsError, match=match) as caught:
        read(tmp_path, content, **options)
    return str(caught.value)


def remedy(said, name="columns"):
    """Return what a refusal says to state, as in columns='open=OPEN_PRC'."""
    return said.split(f"{name}='")[1].split("'")[0]


# Openings and ends.


def test_files_whose_times_are_openings_and_ends_are_not_joined(tmp_path):
    files = {
        "AAA_1.csv": text(walk(HOURS)),
        "AAA_2.csv": text(walk(LATER), HEADER.replace("date", "close_time"), ahead="1h"),
    }
    refused(tmp_path, files, "times of AAA_2.csv are the ends of bars, and those of AAA_1.csv")


@pytest.mark.parametrize("name", ["open_time", "time_period_start", "startTime", "begin"])
def test_openings_by_name_are_no_ends_whatever_is_stated(name, tmp_path):
    content = text(walk(), HEADER.replace("date", name))
    refused(tmp_path, content, f"{name} says when bars open.*leave stamp out", stamp="close")
    same(read(tmp_path, content), ABC=walk())


def test_klines_open_at_their_first_times(tmp_path):
    content = text(walk(), (), "{s}000,{o},{h},{l},{c},{v},{s}999,5,7,1,2,0")
    refused(tmp_path, content, "Binance's klines says when bars open.*leave", stamp="close")


@pytest.mark.parametrize("stated", ["time=close_time", "date=close_time"])
def test_ends_by_name_are_ends_when_stated_too(stated, tmp_path):
    header = HEADER.replace("date", "begin_ms,close_time")
    content = text(walk(), header, "{s}000,{t},{o},{h},{l},{c},{v}", ahead="1h")
    same(read(tmp_path, content, columns=stated), ABC=walk())


# Formats.


@pytest.mark.parametrize("name", ["es_trade.csv", "20240311_es_minute_trade_202403.csv"])
def test_a_first_row_of_whole_prices_makes_no_file_of_lean(name, tmp_path):
    frame = walk(DAYS, 1_688.0)
    frame.iloc[0, :4] = [1688, 1692, 1680, 1690]
    content = text(frame, (), "{t},{o:.10g},{h:.10g},{l:.10g},{c:.10g},{v}", "%Y%m%d %H:%M")
    (bars,) = read(tmp_path, content, name).values()
    np.testing.assert_array_equal(bars.frame.to_numpy(), frame.to_numpy())
    assert bars.index[0] == DAYS[0]


@pytest.mark.parametrize("name", ["samsung_trade.csv", "spy.csv"])
def test_whole_prices_in_files_named_trade_are_in_doubt(name, tmp_path):
    frame = walk(DAYS, 60_003.0).round()
    content = text(frame, (), "{t},{o:.0f},{h:.0f},{l:.0f},{c:.0f},{v}", "%Y%m%d %H:%M")
    refused(tmp_path, content, "whole prices.*format='lean'.*price_scale=1 where", name=name)
    (bars,) = read(tmp_path, content, name, price_scale=1).values()
    np.testing.assert_array_equal(bars.frame.to_numpy(), frame.to_numpy())
    (bars,) = read(tmp_path, content, name.replace(".", "_equity.")).values()
    assert bars.frame["close"].iloc[0] == frame["close"].iloc[0] / 10_000


@pytest.mark.parametrize(("other", "pair"), [
    ("volume_ma", "ABC/USD"), ("volume_from", "ABC/USD"), ("volume_ma", "MANA/USD"),
    ("volume_ma", "MA/NA"),
])  # fmt: skip
def test_a_plain_volume_beside_an_average_of_it_is_the_volume(other, pair, tmp_path):
    frame = walk()
    header = ["https://www.CryptoDataDownload.com", f"unix,{HEADER},{other}".replace(
        "date,", "date,symbol,")]  # fmt: skip
    content = text(frame, header, "{s},{t}," + pair + ",{o},{h},{l},{c},{v},7")
    same(read(tmp_path, content), **{pair.replace("/", ""): frame})


# Names of columns.


@pytest.mark.parametrize(("header", "seventh", "said"), [
    ("Date,O,H,L,C,V,High (52w)", "{o}", "prices O, H, L, C; volume V"),
    ("Date,O,H,L,C,V,Close (VWAP)", "{o}", "prices O, H, L, C; volume V"),
    ("Date,Open,High,Low,Last,Volume,Close (mid)", "{o}", "prices Open, High, Low, Last; volume V"),
    ("Date,Open,High,Low,Close,Vol,Volume (20d avg)", "7", "volume Vol;"),
    ("Date,Open,High,Low,Close,Vol.,Volume (USD)", "7", "volume Vol.;"),
])  # fmt: skip
def test_a_word_alone_goes_before_one_with_a_note(header, seventh, said, tmp_path):
    content = text(walk(), header, "{t},{o},{h},{l},{c},{v}," + seventh)
    bars = read(tmp_path, content)
    same(bars, ABC=walk())
    assert said in bars["ABC"].read_as[0]


@pytest.mark.parametrize(("role", "name"), [
    ("close", "Close (mid)"), ("high", "High (52w)"), ("volume", "Volume (000s)"),
    ("volume", "Volume (MA)"), ("volume", "Volume (Mio)"), ("volume", "Volume (20d avg)"),
])  # fmt: skip
def test_a_note_that_is_no_unit_is_in_doubt(role, name, tmp_path):
    content = text(walk(), HEADER.replace(role, name))
    stated = remedy(refused(tmp_path, content, "may be another thing than the"))
    assert stated == f"{role}={name}"
    same(read(tmp_path, content, columns=stated), ABC=walk())


def test_notes_of_units_are_read_and_those_of_all_prices(tmp_path):
    for header in ("Date,Open ($),High ($),Low ($),Close ($),Volume (lots)",
                   "Date,Open (in USD),High (in USD),Low (in USD),Close (in USD),Volume (BTC)",
                   "Date,Open (A),High (A),Low (A),Close (A),Volume",
                   "date,open (usd),high (usd),low (usd),close (usd),volume (btc)",
                   "日期,开盘价(元),最高价(元),最低价(元),收盘价(元),成交量(股)"):  # fmt: skip
        same(read(tmp_path, text(walk(), header)), ABC=walk())
    header = "Date,Open (USD),High (USD),Low (USD),Close (EUR),Volume"
    refused(tmp_path, text(walk(), header), "several units, EUR, USD")
    header = "Date,Open (prev),High (prev),Low (prev),Close (prev),Volume"
    refused(tmp_path, text(walk(), header), r"\(prev\) is no unit")


@pytest.mark.parametrize("name", [
    "Number of Shares", "Traded Qty", "Quantidade", "qty", "Shares Traded", "ACVOL_UNS",
])  # fmt: skip
def test_further_words_for_volume_count_where_there_is_no_other(name, tmp_path):
    same(read(tmp_path, text(walk(), HEADER.replace("volume", name))), ABC=walk())
    content = text(walk(), f"{HEADER},{name}".replace("volume", "vol"),
                   "{t},{o},{h},{l},{c},{v},7")  # fmt: skip
    same(read(tmp_path, content), ABC=walk())


def test_columns_that_no_word_names_are_not_all_the_first_one(tmp_path):
    header = "Date,TRDPRC_1,BID,ASK,OPEN_PRC,HIGH_1,LOW_1,ACVOL_UNS"
    content = text(walk(), header, "{t},{c},{c},{c},{o},{h},{l},{v}")
    stated = remedy(refused(tmp_path, content, "no column is recognised as open, high, low, close"))
    assert stated == "open=OPEN_PRC,high=HIGH_1,low=LOW_1,close=NAME"
    same(read(tmp_path, content, columns=stated.replace("NAME", "TRDPRC_1")), ABC=walk())


def test_a_name_may_hold_a_comma(tmp_path):
    content = text(walk(), 'Date,Open,High,Low,Close,"Volume (BTC, spot)","Volume (USD, spot)"',
                   "{t},{o},{h},{l},{c},{v},7")  # fmt: skip
    stated = remedy(refused(tmp_path, content, "may each be the volume"))
    for columns in (stated, f"time=Date,{stated}, close=Close,"):
        same(read(tmp_path, content, columns=columns), ABC=walk())


# Symbols of a header.

TWICE = "{t},{o},{h},{l},{c},{o},{h},{l},{c}"


@pytest.mark.parametrize("names", [
    ("Bid", "Ask"), ("Raw", "Adjusted"), ("1h", "1d"), ("A", "B"), ("open", "close"), ("1", "2"),
])  # fmt: skip
def test_what_stands_over_prices_need_not_be_a_market(names, tmp_path):
    over = ",".join(name for name in names for _ in range(4))
    content = text(walk(), [f",{over}", "time,Open,High,Low,Close,Open,High,Low,Close"], TWICE)
    refused(tmp_path, content, f"prices of {names[0]}, {names[1]}, .*keep the columns of one")
    wide = pd.concat(dict.fromkeys(names, walk()), axis=1)
    wide.to_parquet(tmp_path / "x.parquet")
    with pytest.raises(BarsError, match="keep the columns of one"):
        read_files(tmp_path / "x.parquet")
    pd.concat({names[0]: walk()}, axis=1).to_parquet(tmp_path / "x.parquet")
    if names[0] != "A":
        same(read_files(tmp_path / "x.parquet"), X=walk())


@pytest.mark.parametrize("ends", [("_B", "_A"), ("_1H", "_1D"), ("_1", "_2")])
def test_what_stands_behind_prices_need_not_be_a_market(ends, tmp_path):
    names = [f"{role}{end}" for end in ends for role in ("open", "high", "low", "close")]
    if ends[0] == "_B":
        names = [name.upper() for name in names]
    content = text(walk(), ",".join(["time", *names]), TWICE)
    stated = remedy(refused(tmp_path, content, "name no markets of their own"))
    same(read(tmp_path, content, columns=stated), ABC=walk().assign(volume=0))


# Lines of a header.


@pytest.mark.parametrize("cell", ["-", "N/A", "null", "nan"])
def test_a_first_row_without_prices_is_no_line_of_symbols(cell, tmp_path):
    row = ",".join(['"Jan 16 2023"', *[cell] * 5])
    content = text(walk(DAYS), (HEADER, row), time="%b %d %Y")
    refused(tmp_path, content, "ABC in ABC.csv: every row has a price.*row 0")
    same(read(tmp_path, content, repair="drop"), ABC=walk(DAYS))


@pytest.mark.parametrize("row", [
    "date,USD,USD,USD,USD,USD", "-,USD,USD,USD,USD,shares", "float,float,float,float,float,int",
    "timestamp,double,double,double,double,long",
])  # fmt: skip
def test_units_and_types_below_names_are_no_symbols(row, tmp_path):
    same(read(tmp_path, text(walk(DAYS), (HEADER, row))), ABC=walk(DAYS))
    hundredths = text(walk(DAYS) * 100, (HEADER, ",cents,cents,cents,cents,shares"))
    refused(tmp_path, hundredths, "no column is recognised")


def test_a_stated_symbol_goes_before_that_of_the_header(tmp_path):
    header = ("Price,Open,High,Low,Close,Volume", "Ticker,USD,USD,USD,USD,USD", "Date,,,,,")
    content = text(walk(DAYS), header)
    same(read(tmp_path, content), USD=walk(DAYS))
    same(read(tmp_path, content, symbol="XYZ"), XYZ=walk(DAYS))
    names = [f"{role}_{one}" for one in ("AAA", "BBB") for role in ("open", "high", "low", "close")]
    refused(tmp_path, text(walk(), ",".join(["time", *names]), TWICE), "leave out symbol='X'",
            symbol="X")  # fmt: skip


def test_a_line_above_the_header_may_hold_a_stated_name(tmp_path):
    header = ("Date,1/3/2023", "Security,ABC Equity", "", "Date,PX_OPEN,PX_HIGH,PX_LOW,PX_LAST,V")
    for stated in ("time=Date", "date=Date"):
        same(read(tmp_path, text(walk(DAYS), header), columns=stated), ABC=walk(DAYS))


@pytest.mark.parametrize(("encoding", "header"), [
    ("gb18030", "日期,开盘,最高,最低,收盘,成交量"), ("cp949", "일자,시가,고가,저가,종가,거래량"),
    ("cp932", "日付,始値,高値,安値,終値,出来高"), ("cp1251", "Дата,Откр.,Макс.,Мин.,Цена,Объём"),
])  # fmt: skip
def test_names_in_the_encodings_of_their_languages(encoding, header, tmp_path):
    (tmp_path / "a.csv").write_bytes(text(walk(), header).encode(encoding))
    same(read_files(tmp_path / "a.csv", **UTC), A=walk())


# Names of files.


def two(first, second):
    return {first: text(walk(HOURS, seed=3)), second: text(walk(LATER, 101.0, seed=4))}


@pytest.mark.parametrize(("first", "second", "symbols"), [
    ("ES_H23.csv", "ES_M23.csv", {"ES-H23", "ES-M23"}),
    ("CL H23.csv", "CL M23.csv", {"CL-H23", "CL-M23"}),
    ("D05_SI.csv", "S68_SI.csv", {"D05-SI", "S68-SI"}),
    ("ES_H2023.csv", "ES_M2023.csv", {"ES-H2023", "ES-M2023"}),
    ("AAA_1h_2023.csv", "AAA_60min_2024.csv", {"AAA"}),
    ("EURUSDH1_2023.csv", "EURUSD60.csv", {"EURUSD"}),
    ("AAA_hourly_10.csv", "AAA_hourly_30.csv", {"AAA"}),
])  # fmt: skip
def test_files_are_of_one_symbol_only_where_their_names_say_so(first, second, symbols, tmp_path):
    bars = read(tmp_path, two(first, second))
    assert set(bars) == symbols
    joined = f"{first}, {second} are joined as {min(symbols)}, in the order of their times."
    assert (joined in next(iter(bars.values())).notes) == (len(symbols) == 1)


@pytest.mark.parametrize(("first", "second"), [
    ("ES-H4.csv", "ES-M4.csv"), ("VIX_M1.csv", "VIX_M2.csv"), ("LIBOR_3M.csv", "LIBOR_6M.csv"),
    ("swap_2W.csv", "swap_1M.csv"), ("CAC_40.csv", "CAC_20.csv"), ("UST_10.csv", "UST_30.csv"),
    ("1925_T.csv", "1928_T.csv"), ("BTCUSD_kraken.csv", "BTCUSD_binance.csv"),
    ("trade_AAPL.csv", "quote_AAPL.csv"), ("200012_SZ.csv", "200011_SZ.csv"),
    ("us_2y_1d.csv", "us_2y_30d.csv"),
])  # fmt: skip
def test_files_whose_names_differ_are_not_spliced(first, second, tmp_path):
    said = refused(tmp_path, two(first, second), "state it: symbol=")
    symbol = remedy(said, "symbol")
    assert list(read(tmp_path, {}, symbol=symbol)) == [symbol]
    assert len(read(tmp_path, two(first, second)[first], name=first)) == 1


def test_a_year_alone_is_no_symbol(tmp_path):
    files = {
        "2022.csv": text(walk(HOURS - pd.Timedelta("365D"))),
        "2023.csv": text(walk(HOURS)),
    }
    refused(tmp_path, files, "named after dates alone.*state it: symbol='NAME'")
    assert len(read(tmp_path, files, symbol="NAME")["NAME"]) == 2 * ROWS
    codes = {"1925.csv": text(walk(HOURS)), "2013.csv": text(walk(LATER, 200.0))}
    (tmp_path / "codes").mkdir()
    assert list(read(tmp_path / "codes", codes)) == ["1925", "2013"]


# Columns that tell markets apart.

ONE, OTHER = walk(HOURS, seed=3), walk(LATER, 101.0, seed=4)


def stacked(name, first="AAA", second="BBB", header=None, last=""):
    """Bars of two markets in one table, the second after the first."""
    header = f"date,{name},open,high,low,close,volume" if header is None else header
    row = "{{t}},{one},{{o}},{{h}},{{l}},{{c}},{{v}}".format
    return text(ONE, header, row(one=first)) + text(OTHER, (), row(one=second))[:-1] + "\n" + last


@pytest.mark.parametrize("last", ["Source: Example\n", "Source: Example,,,,,,\n"])
def test_a_last_line_hides_no_column_of_symbols(last, tmp_path):
    same(read(tmp_path, stacked("ticker", last=last)), AAA=ONE, BBB=OTHER)


@pytest.mark.parametrize("name", ["ticker", "code"])
def test_rows_without_a_symbol_are_no_bars_of_any(name, tmp_path):
    content = stacked(name).replace("AAA", "", 3)
    said = refused(tmp_path, content, "3 rows have no symbol in the column .*, first row 0")
    assert remedy(said) == "symbol=none"
    assert list(read(tmp_path, content, columns="symbol=none")) == ["ABC"]
    content = stacked(name, second="")
    refused(tmp_path, content, "40 rows have no symbol in the column .*, first row 40")
    assert list(read(tmp_path, content, symbol="X")) == ["X"]


def test_codes_that_a_table_holds_as_floats_are_symbols(tmp_path):
    for codes in ((1.0, 600_000.0), ("AA", None)):
        table = pd.concat([ONE.assign(code=codes[0]), OTHER.assign(code=codes[1])])
        table.rename_axis("date").to_parquet(tmp_path / "a.parquet")
        if codes[1] is None:
            with pytest.raises(BarsError, match="40 rows have no symbol"):
                read_files(tmp_path / "a.parquet")
        else:
            same(read_files(tmp_path / "a.parquet"), **{"1": ONE, "600000": OTHER})


@pytest.mark.parametrize("name", ["Ativo", "代码", "股票代码", "tradingsymbol"])
def test_further_words_for_symbols(name, tmp_path):
    same(read(tmp_path, stacked(name, "PETR4", "VALE3")), PETR4=ONE, VALE3=OTHER)


@pytest.mark.parametrize(("name", "first", "second"), [
    ("share", "PETR4", "VALE3"), ("expiry", "2023-03", "2023-06"), ("exchange", "kraken", "gemini"),
    ("permno", "10107", "14593"), ("x", "600000.SH", "600519.SH"), ("strike", "100", "105"),
])  # fmt: skip
def test_a_column_that_tells_markets_apart_is_not_passed_over(name, first, second, tmp_path):
    content = stacked(name, first, second)
    for repair in ("raise", "drop"):
        said = refused(tmp_path, content, f"column {name} holds {first}, {second}", repair=repair)
    bars = read(tmp_path, content, columns=remedy(said))
    assert list(bars) == [first, second] or list(bars) == [first.upper(), second.upper()]
    for index, frame in zip(bars, (ONE, OTHER), strict=True):
        np.testing.assert_array_equal(bars[index].frame.to_numpy(), frame.to_numpy())
    assert len(read(tmp_path, content, columns="symbol=none")["ABC"]) == 2 * ROWS


def test_a_column_behind_the_volume_may_name_markets(tmp_path):
    row = "{{t}},{{o}},{{h}},{{l}},{{c}},{{v}},{one}".format
    content = text(ONE, (), row(one="AAA")) + text(OTHER, (), row(one="BBB"))
    said = refused(tmp_path, content, "column 6 holds AAA, BBB")
    same(read(tmp_path, content, columns=remedy(said)), AAA=ONE, BBB=OTHER)


@pytest.mark.parametrize("words", [("TUE", "WED"), ("train", "test"), ("EST", "EDT")])
def test_words_that_are_no_markets_tell_none_apart_but_in_columns_of_them(words, tmp_path):
    assert len(read(tmp_path, stacked("note", *words))["ABC"]) == 2 * ROWS
    refused(tmp_path, stacked("expiry", *words), "column expiry holds")


@pytest.mark.parametrize("sides", [("bid", "ask"), ("BID", "ASK"), ("B", "A")])
def test_sides_of_a_market_are_no_symbols(sides, tmp_path):
    pairs = zip(text(ONE, ()).splitlines(), text(ONE + 1, ()).splitlines(), strict=True)
    both = "\n".join(f"{side},{row}" for pair in pairs
                     for side, row in zip(sides, pair, strict=True))  # fmt: skip
    contents = [f"side,{HEADER}\n{both}\n", stacked("side", *sides)]
    for content in contents:
        for options in ({}, {"repair": "drop"}, {"columns": "symbol=side"}):
            refused(tmp_path, content, "sides of one market.*keep the rows of one", **options)
    orders = text(walk(), f"{HEADER},side", "{t},{o},{h},{l},{c},{v},buy").replace("buy", "sell", 9)
    same(read(tmp_path, orders), ABC=walk())


# Adjusted prices.

PRICES = ["open", "high", "low", "close"]


def halved(frame):
    return frame.assign(**{name: frame[name] / 2 for name in PRICES})


@pytest.mark.parametrize("name", [
    "adjusted", "Adjusted Price", "Adj. Price", "Adj Last", "AdjustedClosePrice", "Close (Adj)",
    "split_adjusted_close", "Close (Split adjusted)", "Adj Cls",
])  # fmt: skip
def test_an_adjusted_close_by_whatever_name_adjusts(name, tmp_path):
    content = text(walk(), f"{HEADER},{name}", "{t},{o},{h},{l},{c},{v},{c}")
    lines = content.splitlines()
    lines[1:] = [f"{line.rpartition(',')[0]},{float(line.rpartition(',')[2]) / 2}"
                 for line in lines[1:]]  # fmt: skip
    bars = read(tmp_path, "\n".join(lines))["ABC"]
    np.testing.assert_allclose(bars.frame.to_numpy(), halved(walk()).to_numpy(), rtol=1e-12)
    assert f"ABC.csv: all prices are adjusted by {name}, from 0.5 to 0.5" in bars.notes[0]
    same(read(tmp_path, "\n".join(lines), adjust="none"), ABC=walk())


@pytest.mark.parametrize(("name", "cell"), [
    ("adj_factor", "2"), ("adjusted", "true"), ("Split Factor", "2"), ("ajexdi", "2"),
])  # fmt: skip
def test_what_says_of_prices_that_they_are_adjusted_is_named(name, cell, tmp_path):
    content = text(walk(), f"{HEADER},{name}", "{t},{o},{h},{l},{c},{v}," + cell)
    bars = read(tmp_path, content)
    same(bars, ABC=walk())
    assert any(note.startswith(f"ABC.csv: {name} left out: prices are taken as they stand")
               for note in bars["ABC"].notes)  # fmt: skip


@pytest.mark.parametrize("header", [
    "date,open,high,low,close,volume,adjClose,adjVolume",
    "Date,Open,High,Low,Close,Volume,Adj. Close,Adj. Volume",
])  # fmt: skip
def test_volume_is_adjusted_as_prices_are(header, tmp_path):
    content = text(walk(), header, "{t},{o},{h},{l},{c},4,{c},{v}")
    same(read(tmp_path, content), ABC=walk())
    same(read(tmp_path, content, adjust="none"), ABC=walk().assign(volume=4))
    stated = f"volume={header.split(',')[5]}"
    same(read(tmp_path, content, columns=stated), ABC=walk().assign(volume=4))


def test_files_of_which_one_alone_is_adjusted_are_not_joined(tmp_path):
    adjusted = text(ONE, f"{HEADER},adj close", "{t},{o},{h},{l},{c},{v},90")
    files = {"AAA_1.csv": adjusted, "AAA_2.csv": text(OTHER)}
    said = refused(tmp_path, files, "AAA_1.csv has an adjusted close .* and AAA_2.csv has none")
    bars = read(tmp_path, files, adjust=remedy(said, "adjust"))
    same(bars, AAA=pd.concat([ONE, OTHER]))
    files["AAA_1.csv"] = text(ONE, f"{HEADER},adj close", "{t},{o},{h},{l},{c},{v},{c}")
    same(read(tmp_path, files), AAA=pd.concat([ONE, OTHER]))


@pytest.mark.parametrize("absent", ["volume", "", "-1"])
def test_files_of_which_one_alone_has_a_volume_are_not_joined(absent, tmp_path):
    fields = "{t},{o},{h},{l},{c}" + ("" if absent == "volume" else f",{absent}")
    header = HEADER.removesuffix(",volume") if absent == "volume" else HEADER
    files = {"AAA_1.csv": text(ONE, header, fields), "AAA_2.csv": text(OTHER)}
    said = refused(tmp_path, files, "AAA_2.csv has a volume and AAA_1.csv has none")
    bars = read(tmp_path, files, columns=remedy(said))
    same(bars, AAA=pd.concat([ONE, OTHER]).assign(volume=0))


# Several lengths.


@pytest.mark.parametrize(("parts", "step"), [
    ((("1h", 31), ("1min", 400)), "0 days 01:00:00"),
    ((("1min", 20), ("1h", 40), ("1min", 400)), "0 days 01:00:00"),
    ((("1min", 10), ("1h", 45), ("1min", 400)), "0 days 01:00:00"),
    ((("1h", 30), ("1min", 60)), "0 days 01:00:00"),
    ((("1D", 20), ("1h", 100)), "1 days 00:00:00"),
    ((("B", 24), ("1h", 120)), "1 days 00:00:00"),
    ((("7D", 20), ("1D", 120)), "7 days 00:00:00"),
    ((("MS", 24), ("B", 120)), "28 days 00:00:00"),
])  # fmt: skip
def test_a_stretch_of_bars_of_another_length_is_refused(parts, step, tmp_path):
    start, index = pd.Timestamp("2022-01-03", tz="UTC"), pd.DatetimeIndex([])
    for freq, periods in parts:
        more = pd.date_range(start, periods=periods, freq=freq)
        index, start = index.append(more), more[-1] + pd.Timedelta("1D")
    said = refused(tmp_path, text(walk(index)), "most bars come .* are bars of several lengths")
    assert f" on {step}:" in said


def test_gaps_are_no_bars_of_another_length(tmp_path):
    draw = np.random.default_rng(0)
    minutes = pd.date_range("2023-01-17", periods=2_000, freq="1min", tz="UTC")
    hours = pd.date_range("2022-01-17", periods=24 * 100, freq="1h", tz="UTC")
    for index in (
        minutes[draw.random(len(minutes)) > 0.6],
        minutes[:300].append(minutes[300:328:2]),
        hours[(hours.hour >= 14) & (hours.hour < 21) & (hours.day_of_week < 5)],
        hours[(hours.hour == 14) | ((hours.hour == 15) & (hours.day_of_year % 2 == 0))],
    ):
        assert len(read(tmp_path, text(walk(index)))["ABC"]) == len(index)


# Days beside hours, and what is said.


@pytest.mark.parametrize("zero", [" 00:00:00", "T00:00:00Z", " 12:00:00 AM"])
def test_days_may_be_written_with_an_hour_that_is_zero(zero, tmp_path):
    content = text(walk(), HEADER.replace("date", "Date,Time"), time=f"%Y-%m-%d{zero},%H:%M")
    same(read(tmp_path, content), ABC=walk())
    days = text(walk(DAYS), HEADER.replace("date", "Date,Time"), time=f"%Y-%m-%d{zero},16:00")
    same(read(tmp_path, days), ABC=walk(DAYS + pd.Timedelta("16h")))


def test_days_stated_to_be_the_times_lack_their_hours(tmp_path):
    content = text(walk(), HEADER.replace("date", "Date,Time"), time="%Y-%m-%d,%H:%M")
    said = refused(tmp_path, content, "Date holds days, and Time their hours", columns="time=Date")
    assert remedy(said) == "date=Date,time=Time"
    same(read(tmp_path, content, columns=remedy(said)), ABC=walk())


@pytest.mark.parametrize(("name", "ahead", "said"), [
    ("date", "0h", ", taken to be when bars open; symbol ABC"),
    ("open_time", "0h", "as stated; symbol ABC"), ("close_time", "1h", "as stated; symbol ABC"),
])  # fmt: skip
def test_the_line_says_what_times_were_taken_to_be_and_the_symbol(name, ahead, said, tmp_path):
    bars = read(tmp_path, text(walk(), HEADER.replace("date", name), ahead=ahead))["ABC"]
    assert bars.read_as[0].endswith(said)
    assert ("taken to be" in bars.read_as[0]) == (name == "date")
    bars = read(tmp_path, text(walk(), HEADER + "," + "x" * 9_000, "{t},{o},{h},{l},{c},{v},1"))
    assert len(bars["ABC"].read_as[0]) < 400
    assert "; symbol ticker" in read(tmp_path, stacked("ticker"))["AAA"].read_as[0]


def test_values_in_remedies_are_quoted_as_python_has_them():
    folder = Path(read_files.__code__.co_filename).parent
    bare = re.compile(r"(?<![\w.])(adjust|bars|decimal|format|repair|session|stamp)=(\{|\w)")
    found = [
        node.value
        for file in folder.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        and bare.search(node.value)
    ]  # fmt: skip
    assert not found
