"""Texts of dates with hours or without: the one way in which all of a column are written."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ultimate_deep.market.reading.doubtful_dates import Dates, likelier
from ultimate_deep.market.reading.hours import END_OF_DAY, clock_times
from ultimate_deep.market.reading.shown import cell
from ultimate_deep.market.validation import BarsError

_DATES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"\d{4}-\d{1,2}-\d{1,2}", ("%Y-%m-%d",)),
    (r"\d{4}/\d{1,2}/\d{1,2}", ("%Y/%m/%d",)),
    (r"\d{4}\.\d{1,2}\.\d{1,2}", ("%Y.%m.%d",)),
    (r"\d{8}", ("%Y%m%d",)),
    (r"\d{1,2}/\d{1,2}/\d{4}", ("%d/%m/%Y", "%m/%d/%Y")),
    (r"\d{1,2}-\d{1,2}-\d{4}", ("%d-%m-%Y", "%m-%d-%Y")),
    (r"\d{1,2}\.\d{1,2}\.\d{4}", ("%d.%m.%Y", "%m.%d.%Y")),
    (r"\d{1,2}/\d{1,2}/\d{2}", ("%d/%m/%y", "%m/%d/%y", "%y/%m/%d")),
    (r"\d{1,2}-\d{1,2}-\d{2}", ("%d-%m-%y", "%m-%d-%y", "%y-%m-%d")),
    (r"\d{1,2}\.\d{1,2}\.\d{2}", ("%d.%m.%y", "%m.%d.%y", "%y.%m.%d")),
    (r"\d{1,2} [A-Za-z]{3,9} \d{4}", ("%d %b %Y", "%d %B %Y")),
    (r"\d{1,2}-[A-Za-z]{3,9}-\d{4}", ("%d-%b-%Y", "%d-%B-%Y")),
    (r"[A-Za-z]{3,9} \d{1,2},? \d{4}", ("%b %d %Y", "%B %d %Y")),
    (r"\d{4}-[A-Za-z]{3}-\d{1,2}", ("%Y-%b-%d",)),
    (r"\d{1,2}-[A-Za-z]{3}-\d{2}", ("%d-%b-%y", "%y-%b-%d")),
    (r"\d{1,2} [A-Za-z]{3} \d{2}", ("%d %b %y", "%y %b %d")),
)
_SAMPLE = 64


def bounded(times: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """Return times in nanoseconds, NaT for those outside the years 1900 to 2261."""
    year = np.asarray(times.year, dtype=np.float64)
    inside = (year >= 1900) & (year <= 2261)
    kept = times if bool(inside.all()) else pd.DatetimeIndex(pd.Series(times).where(inside))
    return kept.as_unit("ns")


def read_dates(body: pd.Series, where: str, day_first: bool | None) -> Dates:
    """Return the times of a column of text.

    Args:
        body: Cells without a zone, single blanks inside, empty where nothing is written.
        where: File and column, for messages.
        day_first: Whether the day stands before the month where both would fit; None refuses it.

    Raises:
        BarsError: Days and months of which nothing tells which is which.
    """
    cells = _tidy(pa.array(body, pa.string()))
    filled = pc.filter(cells, pc.not_equal(cells, ""))
    sample = filled.take(pa.array(range(0, len(filled), max(1, len(filled) // _SAMPLE))))
    for pattern, forms in _DATES:
        whole = re.compile(rf"({pattern})(?:[ :-]+(.*))?", re.ASCII)
        fits = sum(whole.fullmatch(one) is not None for one in sample.to_pylist())
        if fits > len(sample) / 2:
            read = _read(cells, pattern, forms)
            if len(forms) > 1 and "b" not in forms[0]:
                return _only_order(read, body, where, day_first)
            if forms[-1].startswith("%y"):
                return likelier(read, body, where)
            return max(read, key=lambda one: int(np.sum(np.asarray(one.times.notna()))))
    return Dates(pd.DatetimeIndex([pd.NaT] * len(body)).as_unit("ns"), "", days=False)


def _tidy(cells: pa.Array) -> pa.Array:
    """Put a blank between date and hours, a point before fractions, and take commas away."""
    cells = pc.replace_substring_regex(cells, r"(\d)[TtD_](\d)", r"\1 \2")
    if pc.any(pc.match_substring(cells, ",")).as_py():
        cells = pc.replace_substring_regex(cells, r",(\d{1,9})$", r".\1")
        cells = pc.replace_substring_regex(pc.replace_substring(cells, ",", ""), r"\s+", " ")
    return pc.utf8_trim_whitespace(cells)


def _read(cells: pa.Array, pattern: str, forms: Sequence[str]) -> list[Dates]:
    """Return the times as each way to write the date has them.

    Every day and every hour is read once, however many cells have it.
    """
    parts = pc.extract_regex(cells, rf"^(?P<day>{pattern})(?:(?P<gap>[ :-]+)(?P<hour>.*))?$")
    days, day_of = _each_once(pc.struct_field(parts, "day"))
    hours, hour_of = _each_once(pc.fill_null(pc.struct_field(parts, "hour"), ""))
    read = clock_times(hours[hours != ""])
    nothing = (pd.Timedelta(0), "")
    clock = hours.map(lambda text: nothing if text == "" else read.get(text, (pd.NaT, "")))
    ends = bool(hours.str.fullmatch(END_OF_DAY).any())
    length = pd.to_timedelta([one[0] for one in clock]).as_unit("ns").to_numpy()
    found = []
    for form in forms:
        times = bounded(pd.DatetimeIndex(pd.to_datetime(days, format=form, errors="coerce")))
        every = np.append(times.to_numpy(), np.datetime64("NaT", "ns"))[day_of] + length[hour_of]
        known = ~np.isnat(every)
        first = int(np.argmax(known)) if known.any() else None
        written, alone = form, True
        if first is not None:
            gap = pc.struct_field(parts, "gap")[first].as_py() or ""
            written = form + gap + clock.iloc[hour_of[first]][1]
            alone = bool((hours.iloc[np.unique(hour_of[known])] == "").all())
        found.append(Dates(pd.DatetimeIndex(every), written, days=alone, ends=ends))
    return found


def _each_once(texts: pa.Array) -> tuple[pd.Series, np.ndarray]:
    """Return the different texts, and the place of each cell's among them, the last for none."""
    coded = pc.dictionary_encode(texts)
    each = pd.Series(coded.dictionary.to_pylist(), dtype="str")
    codes = pc.fill_null(coded.indices, len(each)).to_numpy(zero_copy_only=False)
    return each, np.asarray(codes, dtype=np.int64)


def _only_order(read: list[Dates], body: pd.Series, where: str, day_first: bool | None) -> Dates:
    """Return the one order of day, month and year that reads every date that any order reads."""
    if day_first is not None:
        read = [one for one in read if one.form.startswith("%d") == day_first]
    good = [np.asarray(one.times.notna()) for one in read]
    readable = np.logical_or.reduce(good)
    whole = [one for one, fine in zip(read, good, strict=True) if bool(fine[readable].all())]
    if whole and all(one.times.equals(whole[0].times) for one in whole):
        return whole[0]
    row = int(np.argmax(readable))
    if not whole:
        raise BarsError(
            f"{where}: neither order of day and month reads all dates, the first of which is "
            f"{cell(body.iloc[row])}; write them in one order"
        )
    choices = " or ".join(f"time_format='{one.form}'" for one in whole)
    raise BarsError(
        f"{where}: {cell(body.iloc[row])} in row {row} may be "
        f"{' or '.join(f'{one.times[row]:%d %B %Y}' for one in whole)}, and no other date of the "
        f"file tells; state how times are written: {choices}"
    )
