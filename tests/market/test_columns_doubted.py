"""Columns, names and files that look like others: read as what they are, or refused in words."""

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
    refused(tmp_path, content, "klines of Binance say when bars open.*leave", stamp="close")


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
