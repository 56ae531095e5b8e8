"""One table written in every layout reads as the same bars, or is refused: never as other bars."""

import itertools

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.market.bars import BarsError
from ultimate_deep.market.readers import read_files

ROWS = 60
EXCEL = pd.Timestamp("1899-12-30")
ROLES = ("open", "high", "low", "close", "volume")


def bars(step: str, start: str, level: float, seed: int) -> pd.DataFrame:
    """Prices and volumes that every layout can write exactly: cents, and whole numbers."""
    draw = np.random.default_rng(seed)
    close = np.round(level * np.exp(np.cumsum(draw.normal(0, 0.004, ROWS))), 2)
    opens = np.round(np.r_[level, close[:-1]] * (1 + draw.normal(0, 2e-4, ROWS)), 2)
    high = np.round(np.maximum(opens, close) + draw.integers(1, 40, ROWS) / 100, 2)
    low = np.round(np.minimum(opens, close) - draw.integers(1, 40, ROWS) / 100, 2)
    volume = draw.integers(1_000, 90_000, ROWS).astype(float)
    index = pd.date_range(start, periods=ROWS, freq=step, tz="UTC")
    return pd.DataFrame(
        {"open": opens, "high": high, "low": low, "close": close, "volume": volume}, index=index
    )


TIMES = {
    "iso": lambda t: t.strftime("%Y-%m-%d %H:%M:%S"),
    "iso T Z": lambda t: t.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "iso offset": lambda t: t.tz_convert("Asia/Tokyo").strftime("%Y-%m-%d %H:%M:%S%z"),
    "slashes": lambda t: t.strftime("%Y/%m/%d %H:%M"),
    "dots": lambda t: t.strftime("%Y.%m.%d %H:%M"),
    "compact": lambda t: t.strftime("%Y%m%d %H%M%S"),
    "digits": lambda t: t.strftime("%Y%m%d%H%M%S"),
    "minutes": lambda t: t.strftime("%Y%m%d%H%M"),
    "us": lambda t: t.strftime("%m/%d/%Y %H:%M"),
    "us am pm": lambda t: t.strftime("%m/%d/%Y %I:%M:%S %p"),
    "eu": lambda t: t.strftime("%d/%m/%Y %H:%M"),
    "eu dots": lambda t: t.strftime("%d.%m.%Y %H:%M:%S.000"),
    "eu short": lambda t: t.strftime("%d.%m.%y %H:%M"),
    "words": lambda t: t.strftime("%d %b %Y %H:%M"),
    "month first": lambda t: t.strftime("%b %d %Y %I:%M %p"),
    "s": lambda t: str(t.value // 10**9),
    "ms": lambda t: str(t.value // 10**6),
    "us epoch": lambda t: str(t.value // 10**3),
    "ns": lambda t: str(t.value),
    "s float": lambda t: f"{t.value / 1e9:.1f}",
    "excel": lambda t: f"{(t.tz_localize(None) - EXCEL) / pd.Timedelta('1D'):.8f}",
    "gmt": lambda t: t.strftime("%d.%m.%Y %H:%M:%S.000 GMT+0000"),
    "utc word": lambda t: t.strftime("%Y%m%d %H:%M:%S UTC"),
}  # fmt: skip
NUMBERS = {
    "point": lambda x: f"{x:.2f}",
    "bare": lambda x: f"{x:.10g}",
    "comma": lambda x: f"{x:.2f}".replace(".", ","),
    "grouped": lambda x: f"{x:,.2f}",
    "german": lambda x: f"{x:,.2f}".translate(str.maketrans(",.", ".,")),
    "swiss": lambda x: f"{x:,.2f}".replace(",", "'"),
    "dollars": lambda x: f"${x:.2f}",
    "three decimals": lambda x: f"{x:.3f}",
    "comma, three decimals": lambda x: f"{x:.3f}".replace(".", ","),
}
HEADERS = {
    "plain": ("timestamp", *ROLES),
    "capitals": ("Date", "Open", "High", "Low", "Close", "Volume"),
    "numbered": ("date", "1. open", "2. high", "3. low", "4. close", "5. volume"),
    "brackets": ("<DATETIME>", "<OPEN>", "<HIGH>", "<LOW>", "<CLOSE>", "<VOL>"),
    "letters": ("t", "o", "h", "l", "c", "v"),
    "camel": ("startTime", "openPrice", "highPrice", "lowPrice", "closePrice", "volume"),
    "none": (),
}
ORDERS = ("ohlcv", "chlov", "vclho", "reversed times")
EXTRAS = ("", "numbers", "symbol", "row number", "texts", "adjusted")
SEPARATORS = (",", ";", "\t", "|")
FRAMES = (
    ("1h", "2023-01-02", 100.0), ("1D", "2022-12-20", 27_000.0),
    ("5min", "2023-06-12 09:30", 1.3), ("1h", "2023-11-25", 1_234.0),
)  # fmt: skip


def written(frame, time, number, header, order, extra, separator):
    """Return the table as text; quotes where a field holds the separator."""
    names = dict(zip(("time", *ROLES), HEADERS[header] or ("time", *ROLES), strict=True))
    rows = frame.iloc[::-1] if order == "reversed times" else frame
    columns = {"time": [TIMES[time](stamp) for stamp in rows.index]}
    columns |= {role: [NUMBERS[number](x) for x in rows[role]] for role in ROLES[:4]}
    columns["volume"] = [f"{x:.0f}" for x in rows["volume"]]
    sequence = ["time", *ROLES]
    if header != "none":  # without names there is one order
        short = {"o": "open", "h": "high", "l": "low", "c": "close", "v": "volume"}
        if order in ("chlov", "vclho"):
            sequence = ["time", *(short[letter] for letter in order)]
        if extra == "numbers":
            sequence += ["vwap", "trades"]
            columns |= {"vwap": columns["close"], "trades": ["7"] * ROWS}
        elif extra == "symbol":
            sequence.insert(0, "ticker")
            columns["ticker"] = ["ABC"] * ROWS
        elif extra == "row number":
            sequence.insert(0, "")
            columns[""] = [str(row) for row in range(ROWS)]
        elif extra == "texts":
            sequence.append("comment")
            columns["comment"] = [f"note {row % 3}" for row in range(ROWS)]
        elif extra == "adjusted":
            sequence.append("Adj Close")
            columns["Adj Close"] = columns["close"]

    def field(text):
        return f'"{text}"' if separator in text else text

    lines = [separator.join(field(columns[name][row]) for name in sequence) for row in range(ROWS)]
    if header != "none":
        lines.insert(0, separator.join(names.get(name, name) for name in sequence))
    return "\n".join(lines) + "\n"


def read_or_refused(path, frame, stated):
    """Return what was read as bars, or the refusal; fail on other bars."""
    try:
        (read,) = read_files(path, timezone="UTC", minimum_rows=2, **stated).values()
    except BarsError as error:
        return str(error)
    found = read.frame
    assert list(found.index) == list(frame.index), (path, found.index[:3], frame.index[:3])
    expected = frame.to_numpy()
    np.testing.assert_array_equal(found.to_numpy()[:, :4], expected[:, :4])
    assert found["volume"].tolist() in (frame["volume"].tolist(), [0.0] * ROWS)
    return found


def layouts(count, seed):
    draw = np.random.default_rng(seed)
    choices = (TIMES, NUMBERS, HEADERS, ORDERS, EXTRAS, SEPARATORS)
    every = [list(one) for one in choices]
    for _ in range(count):
        yield tuple(one[int(draw.integers(len(one)))] for one in every)


@pytest.mark.parametrize("seed", range(4))
def test_no_layout_reads_as_other_bars(seed, tmp_path):
    step, start, level = FRAMES[seed]
    frame = bars(step, start, level, seed)
    path = tmp_path / "abc.csv"
    read = 0
    for layout in layouts(50, seed):
        path.write_text(written(frame, *layout), encoding="utf-8")
        found = read_or_refused(path, frame, {})
        read += not isinstance(found, str)
        if isinstance(found, str):
            assert "; " in found, layout
    assert read > 30


def test_every_way_to_write_a_time_or_a_number_is_read(tmp_path):
    """With a day that no month has, and cents that no thousand has, nothing is in doubt."""
    frame = bars("1h", "2023-01-12", 100.0, 5)
    path = tmp_path / "abc.csv"
    for time, number in itertools.chain(
        ((time, "point") for time in TIMES), (("iso", number) for number in NUMBERS)
    ):
        path.write_text(written(frame, time, number, "plain", "ohlcv", "", ";"), encoding="utf-8")
        found = read_or_refused(path, frame, {"time_format": "%d.%m.%y %H:%M"}
                                if time == "eu short" else {})  # fmt: skip
        assert not isinstance(found, str), (time, number, found)
