"""Times written in further ways: read where they are plain, refused where they may be others."""

import pandas as pd
import pytest

from ultimate_deep.market.bars import BarsError
from ultimate_deep.market.readers import read_files

HOURS = pd.date_range("2023-01-12 05:00", periods=40, freq="1h", tz="UTC")
DAYS = pd.date_range("2023-01-03", periods=40, freq="1D", tz="UTC")
HEADER = "time,open,high,low,close,volume"
UTC = {"timezone": "UTC"}


def lines(index, time, header=HEADER, bar="1.5,2.5,1.25,2.25,7"):
    """A file whose bars are all alike, with the times of an index as `time` writes them."""
    return "\n".join([*([header] if header else []), *(f"{time(t)},{bar}" for t in index)]) + "\n"


def times(tmp_path, content, name="ABC.csv", **options):
    """The times that are read, and the bars of the one symbol."""
    (tmp_path / name).write_text(content, encoding="utf-8")
    (bars,) = read_files(tmp_path / name, minimum_rows=2, **options).values()
    return bars


def shifted(hours):
    return list(HOURS + pd.Timedelta(hours=hours))


# Zones and words behind times.


@pytest.mark.parametrize(
    ("form", "hours"),
    [
        ("%Y-%m-%d %H:%M:%S+00", 0),
        ("%Y-%m-%d %H:%M:%S -05", 5),
        ("%Y-%m-%d %H:%M:%S.000+0530", -5.5),
        ("%d-%m-%Y %H:%M:%S-05", 5),
        ("%Y-%m-%d %H:%M:%S\u221205:00", 5),
        ("%Y-%m-%d %H:%M:%S UTC+5:30", -5.5),
        ("%Y-%m-%d %H:%M (UTC)", 0),
        ("%Y-%m-%d %H:%M:%S Etc/GMT+5", 5),
        ("%Y-%m-%dT%H:%M:%S-05:00[America/New_York]", 5),
        ("%Y-%m-%dT%H:%M:%S[America/New_York]", 5),
        ("%Y-%m-%dt%H:%M:%Sz", 0),
    ],
)
def test_zones_are_read_as_programs_write_them(form, hours, tmp_path):
    content = lines(HOURS, lambda t: t.strftime(form))
    assert list(times(tmp_path, content).index) == shifted(hours)


@pytest.mark.parametrize(
    "form",
    ["%Y-%m-%d %Hh%M", "%d.%m.%Y %H:%M Uhr", "%Y-%m-%d %I:%M {half}", "%Y-%m-%d (%a) %H:%M",
     "%A, %B %d, %Y %H:%M", "%Y.%m.%dD%H:%M:%S.000000000"],
)  # fmt: skip
def test_hours_and_days_are_read_as_people_write_them(form, tmp_path):
    def time(t):
        return f'"{t.strftime(form).replace("{half}", "p.m." if t.hour > 11 else "a.m.")}"'

    assert list(times(tmp_path, lines(HOURS, time), **UTC).index) == list(HOURS)


def test_the_general_name_of_a_zone_is_that_of_the_stated_one(tmp_path):
    content = lines(HOURS, lambda t: f"{t:%Y-%m-%d %H:%M} ET")
    with pytest.raises(BarsError, match="'ET' after a time names no zone") as caught:
        times(tmp_path, content)
    zone = str(caught.value).split("timezone='")[1].split("'")[0]
    assert list(times(tmp_path, content, timezone=zone).index) == shifted(5)


def test_days_before_months_and_four_digits_for_the_year_end_in_no_zone(tmp_path):
    content = lines(DAYS, lambda t: f"{t:%d-%m-%Y}")
    assert list(times(tmp_path, content, **UTC).index) == list(DAYS)


@pytest.mark.parametrize("end", ["{:%H:%M}", " - {:%Y-%m-%d %H:%M}"])
def test_the_end_of_a_range_is_no_offset(end, tmp_path):
    index = HOURS[:8]

    def time(t):
        end_of = end.format(t + pd.Timedelta("1h"))
        return f"{t:%Y-%m-%d %H:%M}{end_of if ' ' in end_of else '-' + end_of}"

    with pytest.raises(BarsError, match=r"ranges of hours|no time could be read"):
        times(tmp_path, lines(index, time), **UTC)


# Numbers that count from a day on.


def since(t, day, unit):
    return (t - pd.Timestamp(day, tz="UTC")) // pd.Timedelta(unit)


def stated(caught, words):
    """The time format among those of an error that begins with these words."""
    found = [one.split("'")[0] for one in str(caught.value).split("time_format='")[1:]]
    return next(one for one in found if one.startswith(words))


@pytest.mark.parametrize(
    ("index", "day", "unit", "words"),
    [
        (DAYS + pd.Timedelta("730D"), "1970-01-01", "1D", "days since 1970"),
        (HOURS + pd.Timedelta("730D"), "1970-01-01", "1D", "days since 1970"),
        (DAYS, "1960-01-01", "1D", "days since 1960"),
        (HOURS, "1960-01-01", "1s", "seconds since 1960"),
        (HOURS, "1960-01-01", "1ms", "milliseconds since 1960"),
        (HOURS, "1900-01-01", "1s", "seconds since 1900"),
        (HOURS, "2000-01-01", "1s", "seconds since 2000"),
        (HOURS, "2000-01-01", "1ns", "nanoseconds since 2000"),
        (HOURS, "2001-01-01", "1s", "seconds since 2001"),
    ],
)
def test_counts_from_another_day_are_refused_and_read_as_stated(index, day, unit, words, tmp_path):
    def time(t):
        count = (t - pd.Timestamp(day, tz="UTC")) / pd.Timedelta(unit)
        return f"{count:.12g}" if count % 1 else str(since(t, day, unit))

    content = lines(index, time)
    with pytest.raises(BarsError, match="one of several days") as caught:
        times(tmp_path, content, **UTC)
    form = stated(caught, words)
    assert list(times(tmp_path, content, time_format=form, **UTC).index) == list(index)


def test_days_of_a_year_of_two_digits_are_no_days_of_a_spreadsheet(tmp_path):
    content = lines(DAYS, lambda t: f"{t:%y%j}")
    with pytest.raises(BarsError, match="one of several days") as caught:
        times(tmp_path, content, **UTC)
    form = stated(caught, "%y")
    assert list(times(tmp_path, content, time_format=form, **UTC).index) == list(DAYS)


def test_days_of_spreadsheets_and_old_seconds_are_read_as_stated(tmp_path):
    old = DAYS - pd.Timedelta("18000D")
    for day, unit in (("1899-12-30", "days"), ("1904-01-01", "days"), ("1970-01-01", "seconds")):
        index = old + pd.Timedelta("3000D") if unit == "seconds" else old
        content = lines(index, lambda t, d=day, u=unit: str(since(t, d, f"1{u[:-1]}")))
        form = f"{unit} since {day}"
        assert list(times(tmp_path, content, time_format=form, **UTC).index) == list(index)
    with pytest.raises(BarsError, match="its day is none from 1700 to 2200"):
        times(tmp_path, content, time_format="days since 1500-01-01")


@pytest.mark.parametrize("hundredth", [True, False])
def test_hundredths_of_seconds_are_no_milliseconds(hundredth, tmp_path):
    index = HOURS if hundredth else HOURS - pd.Timedelta("17500D")
    unit = "10ms" if hundredth else "1ms"
    with pytest.raises(BarsError, match="times of 197"):
        times(tmp_path, lines(index, lambda t: str(since(t, "1970-01-01", unit))))


@pytest.mark.parametrize(
    ("name", "first"),
    [
        *((name, first) for name in ("", "index") for first in (35_000, 20_000, 1_600_000_000)),
        ("t", 35_000),
    ],
)
def test_numbers_of_rows_are_no_days_beside_times(name, first, tmp_path):
    number = dict(zip(HOURS, range(first, first + 40), strict=True))
    content = lines(
        HOURS, lambda t: f"{number[t]},{t:%Y-%m-%d %H:%M}", f"{name},candle_begin" + HEADER
    )
    bars = times(tmp_path, content, **UTC)
    assert list(bars.index) == list(HOURS)
    assert bars.interval == pd.Timedelta("1h")


def test_a_nameless_counter_alone_is_no_time(tmp_path):
    number = dict(zip(HOURS, range(35_000, 35_040), strict=True))
    content = lines(HOURS, lambda t: str(number[t]), HEADER.replace("time", ""))
    with pytest.raises(BarsError, match=r"column \(nameless\) counts days or rows") as caught:
        times(tmp_path, content, **UTC)
    assert times(tmp_path, content, time_format=stated(caught, "days"), **UTC).interval.days == 1


@pytest.mark.parametrize("form", ["%d%m%y", "%y%m%d"])
@pytest.mark.parametrize("zero", [True, False])
def test_few_days_in_six_digits_beside_hours_are_no_days_of_a_spreadsheet(form, zero, tmp_path):
    index = pd.DatetimeIndex([*HOURS[:20] - pd.Timedelta("10D"), *HOURS[:20]])
    if form.startswith("%y"):
        index = index - pd.Timedelta("6575D")
    content = lines(
        index, lambda t: f"{t.strftime(form).lstrip('' if zero else '0')},{t:%H%M%S}",
        "date," + HEADER,
    )  # fmt: skip
    with pytest.raises(BarsError, match="state") as caught:
        times(tmp_path, content, **UTC)
    bars = times(tmp_path, content, time_format=stated(caught, form), **UTC)
    assert list(bars.index) == list(index)


def test_months_in_six_digits_are_read_as_stated(tmp_path):
    index = pd.date_range("2005-01-01", periods=40, freq="MS", tz="UTC")
    content = lines(index, lambda t: f"{t:%Y%m}")
    with pytest.raises(BarsError, match="may be a date") as caught:
        times(tmp_path, content, **UTC)
    bars = times(tmp_path, content, time_format=stated(caught, "%Y%m"), **UTC)
    assert list(bars.index) == list(index)


# Thousands.


@pytest.mark.parametrize("sign", [".", ","])
@pytest.mark.parametrize(
    "rows",
    [
        lambda k: (28_002 + k, 28_219 + k, 27_924, 28_097 + k, 34_070 + k),
        lambda k: (300, 302, 299, 301, 3_407 if k % 2 else 589),
        lambda k: (998 + k, 1_200, 900, 1_001 + k, 34),
        lambda k: (28_002 + k, 28_219 + k, 27_924, 28_097 + k),
    ],
)
def test_points_and_commas_of_thousands_are_no_decimals(sign, rows, tmp_path):
    number = dict(zip(DAYS, (rows(k) for k in range(40)), strict=True))

    def bar(t):
        return ";".join([f"{t:%Y-%m-%d}", *(f"{x:,}".replace(",", sign) for x in number[t])])

    header = ";".join(HEADER.split(",")[: 1 + len(rows(0))])
    content = "\n".join([header, *map(bar, DAYS)])
    with pytest.raises(BarsError, match="of thousands, and no other number") as caught:
        times(tmp_path, content, **UTC)
    other = "decimal='comma'" if sign == "." else "decimal='point'"
    assert other in str(caught.value)
    bars = times(tmp_path, content, decimal=other.removeprefix("decimal=").strip("'"), **UTC)
    assert bars.frame.iloc[0].tolist()[: len(rows(0))] == list(rows(0))


@pytest.mark.parametrize(
    "bar", ["130.912;131.92{k};129.905;130.915;{v}", "1,085;1,09{k};1,08{k};1,087;0"]
)
def test_three_decimals_are_read_where_the_volume_tells(bar, tmp_path):
    content = "\n".join(
        [HEADER.replace(",", ";")]
        + [f"{t:%Y-%m-%d};{bar.format(k=k % 3, v=100 + 30 * k)}" for k, t in enumerate(DAYS)]
    )
    first = times(tmp_path, content, **UTC).frame["open"].iloc[0]
    assert first == (130.912 if "130" in bar else 1.085)


# Halves of a day, zones and parts of times that stand elsewhere.


@pytest.mark.parametrize("halves", ["%p", "{half}"])
@pytest.mark.parametrize("hour", ["%I:%M", "%H:%M"])
def test_halves_of_a_day_in_a_column_of_their_own_count(halves, hour, tmp_path):
    index = HOURS + pd.Timedelta("8h")

    def time(t):
        half = t.strftime(halves).replace("{half}", "p.m." if t.hour > 11 else "a.m.")
        return f"{t:%Y-%m-%d},{t.strftime(hour)},{half}"

    for rows in (index, index[:9]):
        bars = times(tmp_path, lines(rows, time, "Date,Time,AM/PM," + HEADER[5:]), **UTC)
        assert list(bars.index) == list(rows)
        assert "left out" not in bars.read_as[0]
    content = lines(index, lambda t: f"{t:%Y-%m-%d %H:%M},AM", "Date,half," + HEADER[5:])
    with pytest.raises(BarsError, match="row 0 is at 13:00, and the column half beside it says"):
        times(tmp_path, content, **UTC)


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ("%d/%m %H:%M", "without a year"),
        ("%H:%M", "without a year, and times would be of 1900; add a column date"),
        ("%Y %H:%M", "without a day"),
        ("%Y-%m-%d %H:%M %p", "state %I: time_format='%Y-%m-%d %I:%M %p'"),
    ],
)
def test_a_time_format_says_a_whole_time(form, message, tmp_path):
    content = lines(HOURS, lambda t: t.strftime(form))
    with pytest.raises(BarsError, match=message) as caught:
        times(tmp_path, content, time_format=form, **UTC)
    if "%I" in message:
        content = lines(HOURS, lambda t: f"{t:%Y-%m-%d %I:%M %p}")
        form = str(caught.value).split("time_format='")[1].split("'")[0]
        assert list(times(tmp_path, content, time_format=form, **UTC).index) == list(HOURS)


@pytest.mark.parametrize("name", ["time [America/New_York]", "Time (America/New_York)"])
@pytest.mark.parametrize("options", [{}, UTC])
def test_a_zone_in_the_name_of_a_column_counts(name, options, tmp_path):
    content = lines(HOURS, lambda t: f"{t:%Y-%m-%d %H:%M}", HEADER.replace("time", name))
    bars = times(tmp_path, content, **options)
    assert list(bars.index) == shifted(5)
    said = " and not in UTC as stated" if options else ""
    assert f"times in America/New_York as the file says{said}, " in bars.read_as[0] + ", "


@pytest.mark.parametrize("name", ["Time (ET)", "Time EST", "time_et"])
def test_the_short_name_of_a_zone_in_the_name_of_a_column_is_not_contradicted(name, tmp_path):
    name = name.replace("et", "ET") if name.startswith("time") else name
    content = lines(HOURS, lambda t: f"{t:%Y-%m-%d %H:%M}", HEADER.replace("time", name))
    with pytest.raises(BarsError, match=r"says that its times are E.*has no such time") as caught:
        times(tmp_path, content, columns=f"time={name}", **UTC)
    zone = str(caught.value).split("timezone='")[1].split("'")[0]
    bars = times(tmp_path, content, columns=f"time={name}", timezone=zone)
    assert list(bars.index) == shifted(5)


def test_a_column_of_zones_counts(tmp_path):
    content = lines(HOURS, lambda t: f"{t:%Y-%m-%d %H:%M},America/New_York",
                    HEADER.replace("time", "time,timezone"))  # fmt: skip
    for options in ({}, UTC):
        assert list(times(tmp_path, content, **options).index) == shifted(5)
    content = content.replace("America/New_York", "Asia/Tokyo", 1)
    with pytest.raises(BarsError, match="holds the zones Asia/Tokyo, America/New_York"):
        times(tmp_path, content, **UTC)


@pytest.mark.parametrize("offset", ["-5", "-05:00", "-300", "-18000"])
def test_a_column_of_distances_from_utc_is_not_contradicted(offset, tmp_path):
    content = lines(HOURS, lambda t: f"{t:%Y-%m-%d %H:%M},{offset}",
                    HEADER.replace("time", "date,GMT Offset"))  # fmt: skip
    assert list(times(tmp_path, content, timezone="America/New_York").index) == shifted(5)
    with pytest.raises(BarsError, match=r"stated to be in UTC, and GMT Offset is") as caught:
        times(tmp_path, content, **UTC)
    columns = str(caught.value).split("columns='")[1].split("'")[0]
    assert list(times(tmp_path, content, columns=columns, **UTC).index) == list(HOURS)


@pytest.mark.parametrize(
    ("name", "hours"),
    [("UTC+5.5", 5.5), ("UTC+5.30", 5.5), ("GMT+5:45", 5.75), ("UTC-3.0", -3), ("UTC+10", 10)],
)
def test_fractions_of_hours_in_the_name_of_a_column_count(name, hours, tmp_path):
    content = lines(
        HOURS, lambda t: f"{t:%Y-%m-%d %H:%M}", HEADER.replace("time", f"Time ({name})")
    )
    assert list(times(tmp_path, content).index) == shifted(-hours)


def test_a_zone_stated_beside_instants_is_that_of_the_days(tmp_path):
    content = lines(HOURS, lambda t: str(t.value // 10**9))
    bars = times(tmp_path, content, timezone="America/New_York")
    assert list(bars.index) == list(HOURS)
    said = "times in UTC as the file says, its days in America/New_York as stated"
    assert said in bars.read_as[0]


# Orders of day, month and year, and rows of two.


@pytest.mark.parametrize(
    ("form", "first", "periods", "step"),
    [
        ("%d-%b-%y", "2023-01-03", 40, "1D"),
        ("%d-%b-%y", "2023-01-03", 4, "1D"),
        ("%y-%b-%d", "2024-01-02", 4, "1D"),
        ("%y-%b-%d", "2024-01-02", 40, "1D"),
        ("%d %b %y", "2001-01-01", 1_200, "7D"),
        ("%d-%b-%y", "2001-01-31", 240, "ME"),
        ("%y-%b-%d %H:%M", "2024-01-02", 60, "1h"),
        ("%d-%b-%y %H:%M", "2023-01-30", 40, "1h"),
        ("%d-%b-%y", "1990-01-02", 40, "1D"),
    ],
)
def test_the_day_or_the_year_stands_before_the_name_of_a_month(
    form, first, periods, step, tmp_path
):
    index = pd.date_range(first, periods=periods, freq=step, tz="UTC")
    for rows in (index, index[::-1]):
        content = lines(rows, lambda t: t.strftime(form))
        assert list(times(tmp_path, content, **UTC).index) == list(index)


def test_one_day_before_or_behind_the_name_of_a_month_is_in_doubt(tmp_path):
    index = HOURS[:10] - pd.Timedelta("9D")
    content = lines(index, lambda t: f"{t:%d-%b-%y %H:%M}")
    with pytest.raises(BarsError, match="03 January 2023 or 23 January 2003") as caught:
        times(tmp_path, content, **UTC)
    bars = times(tmp_path, content, time_format=stated(caught, "%d"), **UTC)
    assert list(bars.index) == list(index)


@pytest.mark.parametrize(
    "form",
    ["%Y-%d-%m %H:%M", "%Y-%d-%mT%H:%M:%S", "%Y/%d/%m %H:%M", "%Y%d%m%H%M", "%Y%d%m,%H:%M"],
)
def test_days_before_months_behind_the_year_are_refused(form, tmp_path):
    index = pd.date_range("2023-01-02", periods=240, freq="1h", tz="UTC")
    header = "date," + HEADER if "," in form else HEADER
    content = lines(index, lambda t: t.strftime(form), header)
    with pytest.raises(BarsError, match="days apart if the day stands before") as caught:
        times(tmp_path, content, **UTC)
    bars = times(tmp_path, content, time_format=stated(caught, form[:6]), **UTC)
    assert list(bars.index) == list(index)


def test_two_rows_in_one_line_are_refused_without_a_header(tmp_path):
    content = lines(DAYS, lambda t: f"{t:%Y-%m-%d}", "", "100.5,101,100,100.75,7")
    rows = content.splitlines()
    rows[5:7] = ["".join(rows[5:7])]
    with pytest.raises(BarsError, match="row 5 has 11 fields, and most rows have 6"):
        times(tmp_path, "\n".join(rows), **UTC)
    assert len(times(tmp_path, content, **UTC).index) == 40


# Rows out of order, rows of one time, and what stands below the rows.


def numbered(index, time):
    """A file whose bars all differ in their volume, counted from 1."""
    rows = (f"{time(t)},1.5,2.5,1.25,2.25,{k + 1}" for k, t in enumerate(index))
    return "\n".join([HEADER, *rows]) + "\n"


@pytest.mark.parametrize(("moved", "dropped"), [(1, True), (3, True), (15, False)])
def test_dropping_rows_out_of_order_is_offered_where_it_works(moved, dropped, tmp_path):
    index = pd.DatetimeIndex([*HOURS[moved:30], *HOURS[:moved], *HOURS[30:]])
    content = numbered(index, lambda t: f"{t:%Y-%m-%d %H:%M}")
    with pytest.raises(BarsError, match=rf"no disorder.*broken by {moved} of 40 rows") as caught:
        times(tmp_path, content, **UTC)
    assert ('repair="drop"' in str(caught.value)) == dropped
    if dropped:
        kept = times(tmp_path, content, repair="drop", **UTC)
        assert list(kept.index) == list(HOURS[moved:])
    else:
        with pytest.raises(BarsError, match=r"more than 20\.0% of the rows are never dropped"):
            times(tmp_path, content, repair="drop", **UTC)


@pytest.mark.parametrize("repair", ["raise", "drop"])
@pytest.mark.parametrize("clock", ["", " %H:%M"])
def test_days_that_a_spreadsheet_exchanged_are_not_sorted(repair, clock, tmp_path):
    index = pd.date_range("2023-01-03 10:30", periods=90, freq="1D", tz="UTC")
    content = numbered(
        index, lambda t: t.strftime(("%Y-%d-%m" if t.day <= 12 else "%Y-%m-%d") + clock)
    )
    with pytest.raises(
        BarsError, match=r"days and months are exchanged in 3\d of 90 rows"
    ) as caught:
        times(tmp_path, content, repair=repair, **UTC)
    assert "sort the rows" not in str(caught.value)


def test_the_first_of_two_rows_stays_in_files_that_begin_with_the_newest(tmp_path):
    index = pd.DatetimeIndex([*HOURS[:20], *HOURS[19:]])[::-1]
    for rows in (index, index[::-1]):
        content = numbered(rows, lambda t: f"{t:%Y-%m-%d %H:%M}")
        bars = times(tmp_path, content, repair="drop", **UTC)
        first = rows.get_indexer_for([HOURS[19]])[0] + 1
        assert bars.frame.loc[HOURS[19], "volume"] == first
        assert len(bars.index) == 40


def test_bars_of_ticks_in_one_second_are_not_dropped(tmp_path):
    index = pd.date_range("2023-01-12", periods=100, freq="1500ms", tz="UTC").floor("4s")[:100]
    index = pd.DatetimeIndex([t for k, t in enumerate(index) if k % 3 or k > 20])
    rest = pd.date_range("2023-01-12 00:05", periods=200, freq="7s", tz="UTC")
    content = numbered(index.append(rest), lambda t: f"{t:%Y-%m-%d %H:%M:%S}")
    for repair in ("raise", "drop"):
        with pytest.raises(BarsError, match=r"times fine enough.*never dropped"):
            times(tmp_path, content, repair=repair, bars="irregular", **UTC)


@pytest.mark.parametrize("form", ["%m/%d/%Y", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S"])
@pytest.mark.parametrize("zone", ["UTC", "America/Chicago"])
def test_a_zone_in_the_last_words_of_a_file_is_none_of_its_times(form, zone, tmp_path):
    index = DAYS.tz_localize(None).tz_localize(zone).tz_convert("UTC")
    words = '"Downloaded from Barchart.com as of 03-27-2023 06:04am CDT"\n'
    content = lines(DAYS, lambda t: t.strftime(form)) + words
    bars = times(tmp_path, content, timezone=zone)
    assert list(bars.index) == list(index)
    assert any("1 line without a time and a price left out" in note for note in bars.notes)


# Lines below the header.


@pytest.mark.parametrize("absent", ["-", "N/A", "null", "nan"])
def test_a_first_row_without_prices_is_no_line_of_symbols(absent, tmp_path):
    content = lines(DAYS, lambda t: f'"{t:%b %d, %Y}"')
    row = '"Jan 02, 2023"' + f",{absent}" * 5
    bars = times(tmp_path, content.replace("\n", f"\n{row}\n", 1), repair="drop", **UTC)
    assert bars.symbol == "ABC"
    assert list(bars.index) == list(DAYS)
    assert bars.read_as[0].startswith("ABC.csv read as a table of bars: time time (")


@pytest.mark.parametrize("units", ["date,USD,USD,USD,USD,USD", "-,USD,USD,USD,USD,shares",
                                   "text,float,float,float,float,int"])  # fmt: skip
def test_units_below_the_header_are_no_symbols(units, tmp_path):
    content = lines(DAYS, lambda t: f"{t:%Y-%m-%d}").replace("\n", f"\n{units}\n", 1)
    bars = times(tmp_path, content, **UTC)
    assert bars.symbol == "ABC"
    assert list(bars.index) == list(DAYS)


def test_a_stated_symbol_names_what_a_header_names_otherwise(tmp_path):
    content = lines(DAYS, lambda t: f"{t:%Y-%m-%d}", "Price,Open,High,Low,Close,Volume\n"
                    "Ticker,AAPL,AAPL,AAPL,AAPL,AAPL\nDate,,,,,")  # fmt: skip
    assert times(tmp_path, content, **UTC).symbol == "AAPL"
    assert times(tmp_path, content, symbol="XYZ", **UTC).symbol == "XYZ"
    content = lines(DAYS, lambda t: f"{t:%Y-%m-%d}", "Date," + ",".join(
        f"{ticker}.{name}" for ticker in ("AAPL", "MSFT")
        for name in ("Open", "High", "Low", "Close")), "1.5,2.5,1.25,2.25,1.5,2.5,1.25,2.25",
    )  # fmt: skip
    with pytest.raises(BarsError, match=r"holds the symbols AAPL, MSFT, not one; leave out"):
        times(tmp_path, content, symbol="XYZ", **UTC)


def test_a_nameless_column_of_the_same_instants_is_no_number_of_rows(tmp_path):
    header = HEADER.replace("time", ",date")
    for day in ("%Y-%m-%d", "%Y-%m-%d %H:%M"):
        content = lines(HOURS, lambda t, d=day: f"{t.value // 10**6},{t.strftime(d)}", header)
        assert list(times(tmp_path, content, **UTC).index) == list(HOURS)
