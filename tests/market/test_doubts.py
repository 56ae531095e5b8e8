"""Files that look like another kind: read as what they are, or refused, never as other bars."""

import bz2
import datetime
import gzip
import lzma
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ultimate_deep.market.bars import BarsError
from ultimate_deep.market.readers import bars_of_frame, read_files
from ultimate_deep.market.reading import tables
from ultimate_deep.market.remarks import exchanged, remarks
from ultimate_deep.market.sessions import find_bars_per_year, find_session

ROWS = 40
MINUTES = pd.date_range("2023-01-17 14:30", periods=ROWS, freq="1min", tz="UTC")
HOURS = pd.date_range("2023-01-17", periods=ROWS, freq="1h", tz="UTC")
DAYS = pd.bdate_range("2023-01-17", periods=ROWS, tz="UTC")
HEADER = "time,open,high,low,close,volume"
UTC = {"timezone": "UTC"}


def walk(index, level=100.0, seed=0):
    """Bars of a random walk whose opens lie near the close before."""
    draw = np.random.default_rng(seed)
    close = np.round(level * np.exp(np.cumsum(draw.normal(0, 0.003, len(index)))), 2)
    opens = np.r_[level, close[:-1]] + 0.01
    high, low = np.maximum(opens, close) + 0.05, np.minimum(opens, close) - 0.05
    table = {"open": opens, "high": high, "low": low, "close": close}
    table = {name: np.round(values, 2) for name, values in table.items()}
    return pd.DataFrame(table | {"volume": draw.integers(10, 999, len(index))}, index=index)


def text(frame, time, *header, fields="{o},{h},{l},{c},{v}"):
    """Lines of a file, whose times are written by `time`."""
    lines = [
        time(t) + "," + fields.format(o=o, h=h, l=low, c=c, v=int(v))
        for t, (o, h, low, c, v) in zip(frame.index, frame.to_numpy(), strict=True)
    ]
    return "\n".join([*header, *lines]) + "\n"


def iso(t):
    return t.strftime("%Y-%m-%d %H:%M")


def read(tmp_path, content, name="ABC.csv", **options):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return read_files(path, minimum_rows=2, **options)


def same(read_bars, frame):
    (bars,) = read_bars.values()
    assert list(bars.index) == list(frame.index)
    np.testing.assert_array_equal(bars.frame.to_numpy(), frame.to_numpy().astype(float))


# Times in digits.


@pytest.mark.parametrize(
    ("index", "time", "header"),
    [
        (MINUTES, lambda t: f"{t:%Y%m%d},{t.hour * 100 + t.minute}", ()),
        (MINUTES, lambda t: f"{t:%Y-%m-%d},{t:%H%M}", ("date," + HEADER,)),
        (MINUTES, lambda t: f"{t:%Y%m%d},{t:%H%M%S}", ("<DTYYYYMMDD>," + HEADER,)),
        (MINUTES, lambda t: f"{t:%Y%m%d},{t:%H%M%S}000", ("date," + HEADER,)),
        (MINUTES, lambda t: f"{t:%Y%m%d%H%M%S}000", (HEADER,)),
        (MINUTES, lambda t: f"{t:%Y-%m-%d},{t:%Y%m%d%H%M%S}000", ("date," + HEADER,)),
        (HOURS, lambda t: f"{t:%Y-%m-%d},{t.hour}", (HEADER.replace("time", "date,hour"),)),
    ],
)
def test_hours_in_digits_are_what_all_of_them_can_be(index, time, header, tmp_path):
    frame = walk(index)
    same(read(tmp_path, text(frame, time, *header), **UTC), frame)


@pytest.mark.parametrize(
    ("time", "header", "message"),
    [
        (lambda t: f"{t:%Y-%m-%d},{t.hour * 60 + t.minute}", "date," + HEADER, "beside days"),
        (lambda t: f"{t:%Y-%m-%d},{(t - t.normalize()).seconds}", "date," + HEADER, "beside days"),
        (lambda t: f"{t:%Y-%m-%d},{t.minute % 24 + 1}", "date," + HEADER, "beside days"),
        (lambda t: f"{(t - t.normalize()).seconds}", HEADER, "may be seconds of a day"),
        (lambda t: f"{t.value // 100 + 621355968 * 10**9}", HEADER, "since the year 1"),
        (lambda t: f"{t.value // 100 + 116444736 * 10**9}", HEADER, "since 1601"),
        (lambda t: f"{t:%y%m%d%H%M}", HEADER, "time_format='%y%m%d%H%M'"),
        (lambda t: f"{t:%y%m%d%H%M%S}", HEADER, "time_format='%y%m%d%H%M%S'"),
    ],
)
def test_times_in_digits_that_may_be_others_are_refused(time, header, message, tmp_path):
    frame = walk(MINUTES)
    with pytest.raises(BarsError, match=message) as caught:
        read(tmp_path, text(frame, time, header), **UTC)
    if "time_format" in message:
        form = str(caught.value).split("time_format='")[1].split("'")[0]
        same(read(tmp_path, text(frame, time, header), time_format=form, **UTC), frame)


def test_days_of_two_digits_for_the_year_are_no_days_of_a_spreadsheet(tmp_path):
    frame = walk(pd.bdate_range("2005-01-17", periods=ROWS, tz="UTC"))
    for first_zero in (True, False):
        content = text(frame, lambda t, z=first_zero: f"{t:%y%m%d}"[0 if z else 1 :], HEADER)
        with pytest.raises(BarsError, match="may be a date"):
            read(tmp_path, content, **UTC)
    content = text(frame, lambda t: f"{t:%y%m%d}", HEADER)
    same(read(tmp_path, content, time_format="%y%m%d", **UTC), frame)


@pytest.mark.parametrize("form", ["{:%Y-%m-%d},{}:00", "{:%Y-%m-%d} {}:00", "{:%d.%m.%Y} {}00"])
def test_the_end_of_a_day_is_no_time_at_which_a_bar_opens(form, tmp_path):
    frame = walk(HOURS)
    header = HEADER if form.count(",") == 0 else "date," + HEADER
    content = text(frame, lambda t: form.format(t, f"{t.hour + 1:02d}"), header)
    for repair in ("raise", "drop"):
        with pytest.raises(
            BarsError, match=r"times such as 24:00 are the ends of bars.*stamp='close'"
        ):
            read(tmp_path, content, repair=repair, **UTC)
    same(read(tmp_path, content, stamp="close", **UTC), frame)


def test_few_digits_are_hours_in_a_column_of_hours_alone(tmp_path):
    frame = walk(MINUTES[:5] - pd.Timedelta("14h30min"))
    content = text(frame, lambda t: f"{t:%Y%m%d},{t.hour * 100 + t.minute}", "date," + HEADER)
    with pytest.raises(BarsError, match="its hours could not be read, row 0 is '0'"):
        read(tmp_path, content, **UTC)


def test_times_that_a_spreadsheet_rounded_are_refused(tmp_path):
    frame = walk(pd.date_range("2023-01-17", periods=ROWS, freq="1D", tz="UTC"))
    with pytest.raises(BarsError, match=r"'1.67391E\+12' is a time that was rounded"):
        read(tmp_path, text(frame, lambda t: f"{t.value // 10**6:.5E}", HEADER))
    same(read(tmp_path, text(frame, lambda t: str(float(t.value)), HEADER)), frame)


def test_nanoseconds_stay_exact_beside_a_bad_one(tmp_path):
    frame = walk(pd.DatetimeIndex(HOURS + pd.Timedelta(1, "ns")))
    content = text(frame, lambda t: str(t.value), HEADER) + "bad,1,1,1,1,1\n"
    same(read(tmp_path, content, repair="drop"), frame)


# Zones.


@pytest.mark.parametrize(
    ("name", "zone"),
    [("Time (UTC+8)", "Asia/Shanghai"), ("DateTime (GMT-5)", "Etc/GMT+5"), ("timeUTC", "UTC"),
     ("Time (UTC+05:30)", "Asia/Kolkata")],
)  # fmt: skip
def test_the_header_says_how_far_from_utc_times_are(name, zone, tmp_path):
    frame = walk(HOURS)
    content = text(frame, lambda t: iso(t.tz_convert(zone)), HEADER.replace("time", name))
    same(read(tmp_path, content), frame)


def test_two_columns_of_local_times_must_agree(tmp_path):
    frame = walk(HOURS)
    content = text(
        frame, lambda t: f"{iso(t)},{iso(t.tz_convert('Etc/GMT+5'))}", "datetime,local" + HEADER
    )
    with pytest.raises(BarsError, match=r"datetime and localtime .* do not agree"):
        read(tmp_path, content, timezone="Etc/GMT+5")
    same(read(tmp_path, content, timezone="Etc/GMT+5", columns="time=localtime"), frame)


def test_a_zone_behind_times_is_read_symbol_by_symbol_and_from_the_end(tmp_path):
    frame = walk(pd.date_range("2023-11-04", periods=ROWS, freq="1h", tz="UTC"))

    def place(t):
        return f"{iso(t.tz_convert('America/New_York'))} America/New_York"

    newest_first = text(frame.iloc[::-1], place, HEADER)
    same(read(tmp_path, newest_first), frame)
    # Each symbol has one of the two hours from 1:00, so that nothing tells which it is.
    rows = [
        f"{symbol},{place(t)},1,1,1,1,1"
        for t in frame.index
        for symbol, gone in (("A", 29), ("B", 30))
        if t != frame.index[gone]
    ]
    with pytest.raises(BarsError, match="one instant in America/New_York"):
        read(tmp_path, "\n".join(["symbol," + HEADER, *rows]))


def test_short_names_of_a_zone_are_those_of_the_stated_one(tmp_path):
    frame = walk(pd.date_range("2023-11-04", periods=ROWS, freq="1h", tz="UTC"))
    content = text(frame, lambda t: f"{t.tz_convert('America/New_York'):%Y-%m-%d %H:%M %Z}", HEADER)
    with pytest.raises(BarsError, match="'EDT' after a time names no zone for certain") as caught:
        read(tmp_path, content)
    zone = str(caught.value).split("timezone='")[1].split("'")[0]
    same(read(tmp_path, content, timezone=zone), frame)
    with pytest.raises(BarsError, match="and Asia/Tokyo has no such time"):
        read(tmp_path, content, timezone="Asia/Tokyo")


# Columns.


@pytest.mark.parametrize("newest_first", [False, True])
def test_opens_and_closes_of_a_file_without_a_header_are_not_exchanged(newest_first, tmp_path):
    frame = walk(DAYS)
    rows = frame.iloc[::-1] if newest_first else frame
    with pytest.raises(BarsError, match=r"not time, open, high, low, close.*columns='time=0") as c:
        read(tmp_path, text(rows, iso, fields="{c},{h},{l},{o},{v}"), **UTC)
    stated = str(c.value).split("columns='")[1].split("'")[0].replace("open=1", "open=4")
    stated = stated.replace("close=4", "close=1")
    content = text(rows, iso, fields="{c},{h},{l},{o},{v}")
    same(read(tmp_path, content, columns=stated, **UTC), frame)


def test_bars_that_hardly_move_within_are_not_taken_to_be_exchanged():
    draw = np.random.default_rng(0)
    for _ in range(200):
        nights, days = draw.normal(0, 0.02, 60), draw.normal(0, 0.001, 60)
        closes = 100.0 * np.exp(np.cumsum(nights + days))
        opens = closes * np.exp(-days)
        assert not exchanged(opens, closes)
    assert not exchanged(np.ones(60), np.ones(60))
    walk_of_bars = walk(DAYS)
    assert exchanged(walk_of_bars["close"].to_numpy(), walk_of_bars["open"].to_numpy())


def test_exchanged_opens_and_closes_of_a_header_are_told(tmp_path):
    content = text(walk(DAYS), iso, HEADER, fields="{c},{h},{l},{o},{v}")
    (bars,) = read(tmp_path, content, **UTC).values()
    assert any(note.startswith("Bars open where they should close") for note in bars.notes)


def test_flat_bars_do_not_hide_the_order_of_columns(tmp_path):
    frame = walk(HOURS)
    flat = np.arange(ROWS) % 12 > 0
    for name in ("high", "low", "close"):
        frame.loc[flat, name] = frame["open"]
    with pytest.raises(BarsError, match="not time, open, high, low, close"):
        read(tmp_path, text(frame, iso, fields="{o},{c},{h},{l},{v}"), repair="drop", **UTC)
    content = text(frame, iso, HEADER, fields="{o},{c},{h},{l},{v}")
    with pytest.raises(BarsError, match=r"check that the columns are not swapped; more than 2.0%"):
        read(tmp_path, content, repair="drop", **UTC)


@pytest.mark.parametrize(
    ("sixth", "message"),
    [
        (lambda row, c: f"{c * (0.8 if row < 20 else 0.9):.4f},7", "column 5 lies"),
        (lambda row, c: f"{0 if row % 9 == 4 else c},7", "column 5 lies"),
        (lambda row, c: f"0,{c},{c + 1},{c - 1},{c}", "columns 6 to 9 are prices too"),
    ],
)
def test_what_is_no_volume_is_not_taken_for_it(sixth, message, tmp_path):
    frame = walk(DAYS)
    lines = text(frame, iso, fields="{o},{h},{l},{c}").splitlines()
    content = "\n".join(
        f"{line},{sixth(row, close)}"
        for row, (line, close) in enumerate(zip(lines, frame["close"], strict=True))
    )
    with pytest.raises(BarsError, match=message):
        read(tmp_path, content, **UTC)
    same(read(tmp_path, content, columns="volume=none", **UTC), frame.assign(volume=0.0))


def test_a_volume_that_hardly_changes_is_one(tmp_path):
    frame = walk(HOURS).assign(volume=[100 * (1 + (row % 7 == 0)) for row in range(ROWS)])
    same(read(tmp_path, text(frame, iso), **UTC), frame)


def test_times_of_two_names_are_no_klines(tmp_path):
    content = text(walk(HOURS), iso, HEADER.replace("time", "open_time") + ",close_time",
                   fields="{o},{h},{l},{c},{v},2023-01-17 00:00")  # fmt: skip
    with pytest.raises(BarsError, match="naive time"):
        read(tmp_path, content)


@pytest.mark.parametrize(
    ("name", "time", "header", "scale", "options"),
    [
        ("ESH3.csv", lambda t: f"{t.value},33,1", "ts_event,rtype,publisher_id,open,high,low,"
         "close,volume", 10**9, {"price_scale": 1e9}),
        ("spy.csv", lambda t: f"{t.tz_convert('America/New_York'):%Y%m%d %H:%M}", None, 10**4,
         {"format": "lean"}),
    ],
)  # fmt: skip
def test_whole_prices_that_may_be_multiples_are_refused(
    name, time, header, scale, options, tmp_path
):
    frame = walk(HOURS)
    whole = (frame[["open", "high", "low", "close"]] * scale).round().astype("int64")
    whole = whole.assign(volume=frame["volume"]).astype("object")
    content = text(whole, time, *([header] if header else []))
    with pytest.raises(BarsError, match=r"whole prices.*price_scale="):
        read(tmp_path, content, name, timezone="America/New_York")
    same(read(tmp_path, content, name, **options), frame)
    assert read(tmp_path, content, name, price_scale=1, **UTC)


def test_prices_of_bonds_are_no_thousands(tmp_path):
    rows = [f"{iso(t)},110'165,110'170,110'160,110'162,5" for t in HOURS]
    with pytest.raises(BarsError, match=r"110'165.*parts of 32"):
        read(tmp_path, "\n".join([HEADER, *rows]), **UTC)
    rows = [f"{iso(t)},27'{row + 400},27'990,27'100,27'500,5" for row, t in enumerate(HOURS)]
    (bars,) = read(tmp_path, "\n".join([HEADER, *rows]), **UTC).values()
    assert bars.frame["open"].iloc[0] == 27_400


def test_lakhs_and_crores_are_read_and_an_odd_volume_is_not_absent(tmp_path):
    rows = [f'{iso(t)},100.5,101.0,99.5,100.0,"1,23,4{row:02d}"' for row, t in enumerate(HOURS)]
    (bars,) = read(tmp_path, "\n".join([HEADER, *rows]), **UTC).values()
    assert bars.frame["volume"].tolist() == [123_400.0 + row for row in range(ROWS)]
    rows = [f"{iso(t)},100.5,101.0,99.5,100.0,about {row}" for row, t in enumerate(HOURS)]
    with pytest.raises(BarsError, match=r"volume is 'about 0'.*columns='volume=none'"):
        read(tmp_path, "\n".join([HEADER, *rows]), **UTC)


@pytest.mark.parametrize("header", [
    "Data,Otwarcie,Najwyzszy,Najnizszy,Zamkniecie,Wolumen", "日付,始値,高値,安値,終値,出来高",
    "일자,시가,고가,저가,종가,거래량", "Дата,Откр.,Макс.,Мин.,Цена,Объём",
    "Tarih,Açılış,Yüksek,Düşük,Şimdi,Hacim",  # noqa: RUF001
    "Datum,Eröffn.,Hoch,Tief,Zuletzt,Vol.",
    "Date,Ouv.,Plus Haut,Plus Bas,Dernier,Vol.", "Date,PX_OPEN,PX_HIGH,PX_LOW,PX_LAST,PX_VOLUME",
    "time,mid.o,mid.h,mid.l,mid.c,volume", "TIMESTAMP,OPEN,HIGH,LOW,CLOSE,TOTTRDQTY",
    "TradDt,OpnPric,HghPric,LwPric,ClsPric,TtlTradgVol",
])  # fmt: skip
def test_the_words_of_further_vendors_and_languages(header, tmp_path):
    frame = walk(DAYS)
    same(read(tmp_path, text(frame, lambda t: f"{t:%Y-%m-%d}", header), **UTC), frame)


def test_units_of_a_header_are_no_names_and_two_of_them_are_two(tmp_path):
    frame = walk(HOURS)
    header = "Time (UTC),Open (USD),High (USD),Low (USD),Close (USD),Volume (BTC)"
    same(read(tmp_path, text(frame, iso, header)), frame)
    content = text(frame, iso, header + ",Volume (USD)", fields="{o},{h},{l},{c},{v},7")
    with pytest.raises(BarsError, match="may each be the volume") as caught:
        read(tmp_path, content)
    stated = str(caught.value).split("columns='")[1].split("'")[0]
    same(read(tmp_path, content, columns=stated), frame)


def test_flattened_tables_name_a_symbol_over_each_column(tmp_path):
    one, two = walk(DAYS), walk(DAYS, 50.0, seed=1)
    roles = ("Open", "High", "Low", "Close", "Volume")
    for form in ("{symbol}.{role}", "{role}_{symbol}", "('{role}', '{symbol}')"):
        names = [form.format(symbol=s, role=r) for s in ("AAA", "BBB") for r in roles]
        wide = pd.concat([one, two], axis=1).set_axis(names, axis=1).rename_axis("Date")
        path = tmp_path / "wide.csv"
        wide.tz_localize(None).to_csv(path)
        bars = read_files(path, **UTC)
        np.testing.assert_array_equal(bars["AAA"].frame, one)
        np.testing.assert_array_equal(bars["BBB"].frame, two)
    for prefix in ("prev_", "next_", "Next_", "HA_", "norm "):
        frame = one.tz_localize(None).add_prefix(prefix).rename_axis("Date")
        frame.to_csv(path)
        with pytest.raises(BarsError, match="no column is recognised as open"):
            read_files(path, **UTC)


# Rows.


def test_another_header_in_the_middle_is_refused(tmp_path):
    frame = walk(HOURS)
    first, second = text(frame[:20], iso, HEADER), text(frame[20:], iso, HEADER)
    same(read(tmp_path, first + second, **UTC), frame)
    other = text(frame[20:], iso, "time,close,high,low,open,volume", fields="{c},{h},{l},{o},{v}")
    with pytest.raises(BarsError, match="row 20 is another header"):
        read(tmp_path, first + other, **UTC)


def test_a_lone_quote_swallows_no_rows(tmp_path):
    lines = text(walk(HOURS), iso, HEADER + ",note", fields="{o},{h},{l},{c},{v},x").splitlines()
    lines[5], lines[9] = lines[5][:-1] + '"y', lines[9][:-1] + '"y'
    with pytest.raises(BarsError, match="a field of row 4 goes over several lines"):
        read(tmp_path, "\n".join(lines), **UTC)


def two_markets(first, second):
    rows = zip(text(walk(HOURS), iso).splitlines(), text(walk(HOURS, 50.0), iso).splitlines(),
               strict=True)  # fmt: skip
    return "\n".join(f"{key},{row}" for pair in rows
                     for key, row in zip((first, second), pair, strict=True))  # fmt: skip


@pytest.mark.parametrize("keys", [("10107", "14593", "permno"), ("100,C", "100,P", "strike,right")])
def test_drop_leaves_no_mixture_of_markets(keys, tmp_path):
    content = f"{keys[2]},{HEADER}\n{two_markets(*keys[:2])}\n"
    with pytest.raises(BarsError, match=r"a time that was there before.*columns='symbol="):
        read(tmp_path, content, repair="drop", **UTC)
    if "," not in keys[2]:
        bars = read(tmp_path, content, columns="symbol=permno", **UTC)
        assert list(bars) == ["10107", "14593"]
    halves = text(walk(HOURS), lambda t: f"{t:%Y-%m-%d},{t:%I:%M},{t:%p}", "date,time,ampm,"
                  + HEADER.removeprefix("time,"))  # fmt: skip
    same(read(tmp_path, halves, repair="drop", **UTC), walk(HOURS))
    with pytest.raises(BarsError, match="give the bars of one market at a time"):
        bars_of_frame(pd.concat([walk(HOURS), walk(HOURS, 50.0)]), repair="drop")


def test_a_rule_that_many_rows_break_is_no_matter_of_bad_rows():
    frame = walk(HOURS)
    frame.iloc[:12, 1] = 1.0
    for repair in ("raise", "drop"):
        with pytest.raises(BarsError, match=r"12 of 40 rows.*20.0% of the rows are never dropped"):
            bars_of_frame(frame, repair=repair)
    frame.iloc[4:12, 1] = 1_000.0
    assert len(bars_of_frame(frame, repair="drop")) == 36


@pytest.mark.parametrize("absent", [0, ""])
def test_rows_without_any_price_are_dropped_however_many(absent, tmp_path):
    frame = walk(HOURS).astype("object")
    frame.iloc[5:25] = absent
    frame.iloc[5:25, 4] = 0
    lines = [f"{iso(t)},{','.join(map(str, row))}" for t, row in
             zip(frame.index, frame.to_numpy(), strict=True)]  # fmt: skip
    content = "\n".join([HEADER, *lines])
    with pytest.raises(BarsError, match=r'every row has a price; broken by 20 .*repair="drop"'):
        read(tmp_path, content, **UTC)
    same(read(tmp_path, content, repair="drop", **UTC), frame.iloc[[*range(5), *range(25, ROWS)]])
    if absent == 0:
        assert len(bars_of_frame(frame.astype(float), repair="drop", minimum_rows=2)) == 20


def test_a_stated_symbol_over_files_of_other_names_is_told(tmp_path):
    frame = walk(HOURS)
    for name, part in (("AAA_1.csv", frame[:20]), ("BBB.csv", frame[20:])):
        (tmp_path / name).write_text(text(part, iso, HEADER))
    (bars,) = read_files(tmp_path, symbol="X", **UTC).values()
    assert bars.notes[0] == "Files named after AAA, BBB are read as X, as stated."
    (tmp_path / "BBB.csv").rename(tmp_path / "AAA_2.csv")
    (bars,) = read_files(tmp_path, symbol="X", **UTC).values()
    assert "as stated" not in bars.notes[0]


@pytest.mark.parametrize("names", [
    ("EURUSD_BID_2022.csv", "EURUSD_ASK_2023.csv"),
    ("exchange=A/symbol=EURUSD/a.csv", "exchange=B/symbol=EURUSD/a.csv"),
])  # fmt: skip
def test_files_of_two_places_are_not_spliced(names, tmp_path):
    frame = walk(HOURS)
    for name, part in zip(names, (frame[:20], frame[20:]), strict=True):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text(part, iso, HEADER))
    with pytest.raises(BarsError, match="no bars of one market"):
        read_files(tmp_path, **UTC)
    assert list(read_files(tmp_path / names[0], minimum_rows=2, **UTC)) == ["EURUSD"]


def test_symbols_keep_what_tells_them_apart(tmp_path):
    for name, level in (("S32.AX.csv", 3.0), ("H1.AX.csv", 3.1)):
        (tmp_path / name).write_text(text(walk(HOURS, level), iso, HEADER))
    assert sorted(read_files(tmp_path, **UTC)) == ["H1-AX", "S32-AX"]
    content = f"symbol,{HEADER}\n{two_markets('BACPA', 'BACpA')}\n"
    assert sorted(read(tmp_path / "x", content, **UTC)) == ["BACPA", "BACpA"]


def test_files_that_differ_in_most_of_what_they_share_are_two_markets(tmp_path):
    frame = walk(HOURS)
    (tmp_path / "A_1.csv").write_text(text(frame[:30], iso, HEADER))
    (tmp_path / "A_2.csv").write_text(text(frame[10:] + 0.01, iso, HEADER))
    for repair in ("raise", "drop"):
        with pytest.raises(BarsError, match="do not agree on 20 of 20 bars") as caught:
            read_files(tmp_path, repair=repair, **UTC)
        assert "drop" not in str(caught.value)


def test_bars_of_two_lengths_in_one_file_are_refused(tmp_path):
    hours = walk(pd.date_range("2023-01-02", periods=80, freq="1h", tz="UTC"))
    minutes = walk(pd.date_range("2023-01-09", periods=400, freq="1min", tz="UTC"))
    with pytest.raises(BarsError, match=r"most bars come 0 days 00:01:00 apart.*0 days 01:00:00"):
        read(tmp_path, text(pd.concat([hours, minutes]), iso, HEADER), **UTC)


# What is told.


def test_a_market_on_all_days_of_the_week_is_no_exchange_for_certain():
    index = pd.date_range("2021-01-09", periods=30 * 1440, freq="1min", tz="UTC")
    index = index[np.random.default_rng(0).random(len(index)) > 0.3]
    assert find_session(index, pd.Timedelta("1min")) == ("exchange", False)
    a_year = find_bars_per_year(index, pd.Timedelta("1min"), "exchange")
    assert a_year == pytest.approx(0.7 * 525_960, rel=0.02)


@pytest.mark.parametrize(
    ("factor", "words"),
    [(2 / 3, "a split of 3:2"), (1 / 8, "8:1"), (8, "1:8"), (30, "1:30"), (100, "1:100"),
     (2.5, "+150.0%: if"), (0.8, "")],
)  # fmt: skip
def test_nights_like_splits_of_any_size_are_named(factor, words):
    frame = walk(DAYS)
    frame["open"] = frame["close"].shift(fill_value=100.0)
    frame["high"] = frame[["open", "close"]].max(axis=1)
    frame["low"] = frame[["open", "close"]].min(axis=1)
    frame.iloc[20:, :4] *= factor
    told = [note for note in remarks(bars_of_frame(frame)) if "opens at" in note]
    assert (words in told[0]) if words else not told


# Foreign files.


def test_columns_of_odd_kinds_are_refused_in_words(tmp_path):
    frame = walk(HOURS).reset_index(names="time")
    path = tmp_path / "a.parquet"
    days = [t.date() for t in HOURS]
    frame.assign(date=days, time=[t.hour + 0.5 for t in HOURS]).to_parquet(path)
    with pytest.raises(BarsError, match=r"its hours could not be read, row 0 is '0.5'"):
        read_files(path, **UTC)
    frame.assign(time=np.uint64(2**64 - 1)).to_parquet(path)
    with pytest.raises(BarsError, match="no time could be read"):
        read_files(path)
    frame.assign(date=days, time=[datetime.time(t.hour) for t in HOURS]).to_parquet(path)
    same(read_files(path, **UTC), walk(HOURS))
    with pytest.raises(BarsError, match="time_format is '%Y %Y %d', and redefinition"):
        read(tmp_path, text(walk(HOURS), iso, HEADER), time_format="%Y %Y %d")
    content = text(walk(HOURS), lambda t: f"{t:%Y-%m-%d %H:%M:%S} America/Indiana", HEADER)
    with pytest.raises(BarsError, match="'America/Indiana' after a time names no zone"):
        read(tmp_path, content)


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz", "zst", "zip"])
def test_a_bomb_is_not_unpacked(suffix, tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "LEAST_LIMIT", 1 << 20)
    monkeypatch.setattr(tables, "MOST_UNPACKED", 2)
    path, data = tmp_path / f"a.csv.{suffix}", b"\n" * (2 << 20)
    if suffix == "zst":
        with pa.CompressedOutputStream(str(path), "zstd") as stream:
            stream.write(data)
    elif suffix == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.csv", data)
    else:
        path.write_bytes({"gz": gzip, "bz2": bz2, "xz": lzma}[suffix].compress(data))
    with pytest.raises(BarsError, match="unpacks to more than 1 MiB"):
        read_files(path)
    path = tmp_path / "a.parquet"
    pd.DataFrame({"open": np.ones(200_000)}).to_parquet(path)
    with pytest.raises(BarsError, match="unpacks to more than 1 MiB"):
        read_files(path)


def test_times_of_a_day_whose_day_is_elsewhere_say_what_is_missing(tmp_path):
    content = text(walk(HOURS[:20]), lambda t: f"{t:%H:%M}", HEADER)
    with pytest.raises(BarsError, match="column time holds hours without a day, row 0 is '00:00'"):
        read(tmp_path, content, **UTC)
    frame = walk(MINUTES)
    content = text(frame, lambda t: str((t - t.normalize()) // pd.Timedelta("1ms")))
    name = "20230117_trade.csv"
    with pytest.raises(BarsError, match=r"milliseconds of the day.*format='lean'.*price_scale=1"):
        read(tmp_path, content, name, **UTC)
    same(read(tmp_path, content, name, format="lean", price_scale=1, **UTC), frame)


def test_columns_of_one_name_are_to_be_renamed(tmp_path):
    content = text(walk(HOURS), iso, HEADER + ",open", fields="{o},{h},{l},{c},{v},{o}")
    with pytest.raises(BarsError, match="'open' and 'open' may each be the open; rename one"):
        read(tmp_path, content, **UTC)
