"""The file formats of bars that people hold, one literal entry each, and how they are told."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ultimate_deep.market.clocks import CLOCKS
from ultimate_deep.market.tables import RawTable
from ultimate_deep.market.validation import BAR_COLUMNS, BarsError


@dataclass(frozen=True, kw_only=True)
class BarFormat:
    """Where a format keeps what, in the plain names of `RawTable`.

    Attributes:
        clock: The entry of `CLOCKS` that reads its times.
        time: Names of the time column, the first present counts.
        volume: Names of the volume column, likewise; a trailing `*` stands for any ending.
        marks: A file with a header that has one of these columns is of this format; without any
            marks, one whose columns all have a meaning in this format is.
        comment: Text that the line above the header has, in lower case.
        headerless: Pattern of the first row, joined by commas, of a file without a header.
        positions: Canonical names of the first columns of a file without a header.
        timezone: What naive times mean; None if the caller has to state it.
        price_scale: Prices in the file are this many times the price; None if the caller has to
            state it for prices that are all integers.
        also: Other columns of the format that are left out.
    """

    clock: str
    time: tuple[str, ...]
    volume: tuple[str, ...] = ("volume",)
    marks: tuple[str, ...] = ()
    comment: str = ""
    headerless: str = ""
    positions: tuple[str, ...] = ()
    timezone: str | None = None
    price_scale: float | None = 1.0
    also: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.clock not in CLOCKS:
            raise ValueError(f"clock must be one of {', '.join(CLOCKS)}, got {self.clock!r}")


# fmt: off
FORMATS: dict[str, BarFormat] = {
    "canonical": BarFormat(clock="iso", time=("timestamp", "datetime", "date", "time")),
    "binance_klines": BarFormat(clock="epoch", time=("open_time",), marks=("open_time", "close_time"), headerless=r"(\d{13}|\d{16})(,[^,]*){11}", positions=("open_time", *BAR_COLUMNS)),  # noqa: E501
    "cryptodatadownload": BarFormat(clock="am_pm", time=("unix", "date"), volume=("volume_*", "volume"), marks=("unix", "volume_*"), comment="cryptodatadownload", timezone="UTC"),  # noqa: E501
    "metatrader": BarFormat(clock="dotted", time=("date", "time", "datetime"), volume=("tick_volume", "tickvol", "volume"), marks=("tick_volume", "tickvol"), headerless=r"\d{4}\.\d{2}\.\d{2},\d{2}:\d{2}(:\d{2})?(,[^,]*){5,7}", positions=("date", "time", *BAR_COLUMNS), price_scale=None),  # noqa: E501
    "lean": BarFormat(clock="lean", time=("time",), headerless=r"(\d{8} \d{2}:\d{2}|\d{1,8})(,[^,]*){5}", positions=("time", *BAR_COLUMNS), timezone="America/New_York", price_scale=10_000.0),  # noqa: E501
}
# fmt: on


def find_format(table: RawTable, *, name: str = "auto") -> str:
    """Return the name of the table's format.

    Args:
        table: A table with its header or first row.
        name: `"auto"`, or a format, which is checked to exist and believed.

    Raises:
        ValueError: A format that does not exist.
        BarsError: When no format or more than one fits, with the columns and the choice.
    """
    if name != "auto":
        if name not in FORMATS:
            raise ValueError(f"format must be auto or one of {', '.join(FORMATS)}, got {name!r}")
        return name
    named = [key for key, one in FORMATS.items() if one.comment and _in_comment(table, one)]
    found = named or [key for key, one in FORMATS.items() if _fits(table, one)]
    if len(found) == 1:
        return found[0]
    what = f"ambiguous format ({' or '.join(found)})" if found else "unknown format"
    raise BarsError(
        f"{table.name}: {what}; {_describe(table)}; state the format, one of "
        f"{', '.join(FORMATS)}, or rename the columns to timestamp, {', '.join(BAR_COLUMNS)} "
        "with times in UTC"
    )


def column_names(table: RawTable, name: str) -> dict[str, str]:
    """Return the canonical name of each column that the format uses: `{plain: canonical}`.

    Only the time column is left out, since a clock may need several.

    Raises:
        BarsError: When a column is missing or there twice.
    """
    wanted = {key: (key,) for key in BAR_COLUMNS} | {"volume": FORMATS[name].volume}
    found = {key: _first(table, names) for key, names in wanted.items()}
    found["time"] = _first(table, FORMATS[name].time)
    missing = [key for key, column in found.items() if column is None]
    if missing:
        raise BarsError(
            f"{table.name}: missing column {', '.join(missing)} for the format {name}; "
            f"{_describe(table)}; rename or add it (a volume column of zeros if there is "
            f"none), or state another format, one of {', '.join(FORMATS)}"
        )
    present = [str(column) for column in table.cells.columns]
    doubled = [str(column) for column in found.values() if present.count(str(column)) > 1]
    if doubled:
        raise BarsError(
            f"{table.name}: column {', '.join(doubled)} is there twice; "
            f"{_describe(table)}; keep one of each"
        )
    return {str(column): key for key, column in found.items() if key != "time"}


def _in_comment(table: RawTable, one: BarFormat) -> bool:
    return one.comment in table.comment.lower()


def _fits(table: RawTable, one: BarFormat) -> bool:
    if not table.columns:
        row = ",".join(table.first_row)
        return bool(one.headerless and re.fullmatch(one.headerless, row))
    plain = list(table.cells.columns)
    if one.marks:
        return any(_match(column, mark) for column in plain for mark in one.marks)
    known = {*one.time, *BAR_COLUMNS, "symbol", *one.also}
    has_all = {"open", "high", "low", "close", "volume"} <= set(plain)
    has_time = sum(column in one.time for column in plain) == 1
    return not one.headerless and has_all and has_time and set(plain) <= known


def _first(table: RawTable, names: tuple[str, ...]) -> str | None:
    for name in names:
        for column in table.cells.columns:
            if _match(str(column), name):
                return str(column)
    return None


def _match(column: str, name: str) -> bool:
    return column.startswith(name[:-1]) if name.endswith("*") else column == name


def _describe(table: RawTable) -> str:
    if table.columns:
        return f"the columns are {', '.join(table.columns)}"
    return f"there is no header; the first row is {', '.join(table.first_row) or '(none)'}"
