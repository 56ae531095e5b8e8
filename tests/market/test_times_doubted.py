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
