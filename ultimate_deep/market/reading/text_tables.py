"""Text as vendors and spreadsheets write it: which line is the header, and which lines are none."""

from __future__ import annotations

import csv
import re
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from ultimate_deep.market.reading.numbers import ABSENT
from ultimate_deep.market.reading.raw_table import NotBars, RawTable
from ultimate_deep.market.reading.roles import OTHERS, STANDARD, SYMBOLS, has_prices, key
from ultimate_deep.market.reading.shown import cell, shown
from ultimate_deep.market.reading.texts import texts_of
from ultimate_deep.market.validation import BarsError

ENCODINGS = ("cp1252", "gb18030", "cp949", "cp932", "big5", "cp1251", "cp1250", "cp1254")
SEPARATORS = (",", ";", "\t", "|")
HEAD_LINES = 60
FIRST_ROWS = 2_000
LEAST_COLUMNS = 5  # a time and four prices
MOST_LEVELS = 4
# fmt: off
_UNITS = frozenset(("usd", "eur", "gbp", "jpy", "chf", "aud", "cad", "cny", "hkd", "inr", "krw", "brl", "rub", "pln", "sek", "nok", "try", "float", "float32", "float64", "double", "decimal", "number", "numeric", "int", "int32", "int64", "integer", "bigint", "real", "price", "prices", "points", "pts", "shares", "share", "lots", "lot", "contracts", "units", "unit", "pcs", "dollars", "dollar", "euro", "euros", "usdt", "btc", "eth", "rs", "long", "volume"))  # noqa: E501
# fmt: on
_NUMBER = re.compile(
    r"^[+-]?[$€£¥]?\s*[\d.,'\u00a0 ]*\d[\d.,'\u00a0 ]*([eE][+-]?\d+)?\s*[%kKmMbB]?$"
)


@dataclass(frozen=True, kw_only=True)
class _Head:
    """Where the rows of a text begin.

    Attributes:
        separator: What stands between fields.
        names: Names of the columns; empty without a header.
        tickers: Symbols over the columns; empty for none.
        above: Numbers of the lines before the first row that are not blank.
        first: Number of the line of the first row.
    """

    separator: str
    names: tuple[str, ...]
    tickers: tuple[str, ...]
    above: tuple[int, ...]
    first: int


def read_text(name: str, data: bytes, stated_names: tuple[str, ...]) -> RawTable | NotBars:
    """Return the table of a text file, all cells as text.

    Args:
        name: The file's name, for messages.
        data: What the file holds, as bytes.
        stated_names: Names of columns that the caller states: the header is the line with them.

    Raises:
        BarsError: No text, an empty file, or rows with more fields than the header.
    """
    text = _decoded(name, data)
    # The lines in which a table begins, and all that follows them as one.
    lines = text.split("\n", 4 * HEAD_LINES + FIRST_ROWS)
    filled = [at for at in range(min(len(lines), 4 * HEAD_LINES)) if lines[at].strip()][:HEAD_LINES]
    if not filled:
        raise BarsError(f"{name}: empty file; check the download")
    head = _header(lines, filled, stated_names) or _headerless(lines, filled)
    if head is None:
        first = lines[filled[0]].strip()
        if first[:1] in ("{", "[", "<"):
            kind = "HTML or XML" if first[0] == "<" else "JSON"
            return NotBars(name=name, why=f"it is {kind}; export CSV or Parquet")
        return NotBars(
            name=name,
            why=f"no line of it names open, high, low and close, and its lines are no rows of "
            f"bars; the first is {cell(first)}; name the columns in the first line, as in "
            "timestamp,open,high,low,close,volume",
        )
    cells = _rows(name, lines, head)
    if '"' in text:
        _refuse_swallowed_lines(name, cells)
    names = head.names or tuple(str(at) for at in range(cells.shape[1]))
    cells, names, tickers = _without_nameless_ends(name, cells, names, head)
    above = [lines[at].strip() for at in head.above]
    notes: tuple[str, ...] = ()
    if above and head.names:
        many = f"{len(above)} line{'s' * (len(above) != 1)}"
        notes = (f"{name}: {many} above the header left out, the first is {cell(above[0])}.",)
    return RawTable(
        name=name, cells=cells, names=names, header=bool(head.names), tickers=tickers,
        comment="\n".join(above), separator=head.separator, notes=notes,
    )  # fmt: skip


def _decoded(name: str, data: bytes) -> str:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        control = sum(byte < 9 or 13 < byte < 32 for byte in data[:4096])
        if control or encoding == "utf-16":
            raise BarsError(
                f"{name}: no text and no table that is read, byte {error.start} is "
                f"{data[error.start]:#x}; export CSV or Parquet"
            ) from error
        # Only names can hold such letters; what they name tells how they are written.
        known = next((one for one in ENCODINGS if _names_prices(data, one)), "cp1252")
        text = data.decode(known, errors="replace")
    if "\x00" in text[:65_536]:
        raise BarsError(f"{name}: no text and no table that is read; export CSV or Parquet")
    return text.replace("\r\n", "\n").replace("\n\r", "\n").replace("\r", "\n")


def _names_prices(data: bytes, encoding: str) -> bool:
    """Return whether one of the first lines names the four prices if it is written so."""
    lines = data[:4096].decode(encoding, errors="replace").splitlines()
    return any(has_prices(_fields(line, one)) for line in lines[:16] for one in SEPARATORS)


def _fields(line: str, separator: str) -> list[str]:
    try:
        fields = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    except csv.Error:
        fields = line.split(separator)
    return [field.strip() for field in fields]


def _header(lines: list[str], filled: Sequence[int], stated: tuple[str, ...]) -> _Head | None:
    """Return the head whose names are the four prices, or all that the caller states.

    A line of both goes before one that only has the stated name, as a preamble may.
    """
    want = {key(one) for one in stated}
    told_only: tuple[int, str, list[str]] | None = None
    priced: tuple[int, str, list[str]] | None = None
    for place, at in enumerate(filled):
        for separator in SEPARATORS:
            fields = _fields(lines[at].lstrip("# "), separator)
            told = bool(want) and want <= {key(one) for one in fields}
            prices = has_prices(fields)
            if not (told or prices) or _numbers(fields):
                continue
            if prices and (told or not want):
                return _with_levels(lines, filled, place, separator, fields)
            if told:
                told_only = told_only or (place, separator, fields)
            else:
                priced = priced or (place, separator, fields)
    found = told_only or priced
    return _with_levels(lines, filled, *found) if found else None


def _with_levels(
    lines: list[str], filled: Sequence[int], place: int, separator: str, fields: list[str]
) -> _Head:
    """Return the head with the further lines that name columns, such as the symbols'."""
    names = list(fields)
    tickers: list[str] = []
    # The first column of a table with several lines of names is its index, whatever it is called.
    priced = [at > 0 and _priced(fields[at]) for at in range(len(fields))]
    before = list(filled[:place])
    if before and any(count > 1 for count in Counter(map(key, fields)).values()):
        above = _fields(lines[before[-1]], separator)
        if len(above) == len(fields) and sum(map(bool, above)) >= LEAST_COLUMNS - 1:
            tickers = [above[at] if priced[at] else "" for at in range(len(fields))]
            before.pop()
    first = place + 1
    while first < len(filled) and first - place < MOST_LEVELS:
        level = _fields(lines[filled[first]], separator)
        if len(level) < len(fields) - 1 or _numbers(level) or _dated(level):
            break
        level += [""] * (len(fields) - len(level))
        over = [level[at] for at in range(len(fields)) if priced[at]]
        if all(one.lower() in ABSENT for one in over) and any(over):
            break
        if _units(level[0], over):
            before.append(filled[first])
            first += 1
            continue
        if all(over) and not tickers:
            tickers = [level[at] if priced[at] else "" for at in range(len(fields))]
        elif any(over):
            break
        # The line below names a column that has no price, as `Date` does.
        names = [
            level[at] if level[at] and not priced[at] else names[at] for at in range(len(names))
        ]
        first += 1
    begin = filled[first] if first < len(filled) else filled[first - 1] + 1
    return _Head(
        separator=separator, names=tuple(names), tickers=tuple(tickers),
        above=tuple(before), first=begin,
    )  # fmt: skip


def _priced(name: str) -> bool:
    return any(key(name) in (*STANDARD[role], *OTHERS[role]) for role in STANDARD)


def _headerless(lines: list[str], filled: Sequence[int]) -> _Head | None:
    """Return the head of rows that begin with a time and have four numbers after it."""
    best: _Head | None = None
    for separator in SEPARATORS:
        for place, at in enumerate(filled):
            fields = _fields(lines[at], separator)
            if len(fields) < LEAST_COLUMNS or not any(letter.isdigit() for letter in fields[0]):
                continue
            if sum(bool(_NUMBER.match(field)) for field in fields[1:]) < LEAST_COLUMNS - 1:
                continue
            names: tuple[str, ...] = ()
            above = list(filled[:place])
            if above:
                # A line of as many words is a header, if one of unknown words.
                over = _fields(lines[above[-1]], separator)
                if abs(len(over) - len(fields)) <= 1 and not any(map(_NUMBER.match, over)):
                    names = tuple(over)
                    above.pop()
            head = _Head(separator=separator, names=names, tickers=(), above=tuple(above), first=at)
            if best is None or len(fields) > len(_fields(lines[best.first], best.separator)):
                best = head
            break
    return best


def _numbers(fields: Sequence[str]) -> bool:
    """Return whether two or more fields are numbers, as no names are."""
    return sum(bool(_NUMBER.match(field)) for field in fields) >= 2


def _dated(fields: Sequence[str]) -> bool:
    """Return whether the first field begins with a digit or has a year, as those of rows do."""
    return fields[0][:1].isdigit() or bool(re.search(r"\b\d{4}\b", fields[0]))


def _units(first: str, over: Sequence[str]) -> bool:
    """Return whether a line below the header says in what its columns are, and no symbols."""
    words = {key(one) for one in over if one}
    return bool(words) and words <= _UNITS and key(first) not in SYMBOLS


def _rows(name: str, lines: list[str], head: _Head) -> pd.DataFrame:
    body = lines[head.first :]
    if not any(line.strip() for line in body):
        raise BarsError(f"{name}: empty, a header without one row of bars; check the download")
    begin = [line for line in body[:FIRST_ROWS] if line.strip()]
    rows = [_fields(line, head.separator) for line in begin]
    widest = max(map(len, rows))
    if not head.names:
        _refuse_wider_rows(name, rows, widest)
    text = "\n".join(body)
    found = _plain_rows(text, head.separator, widest)
    return _any_rows(name, text, head.separator, widest) if found is None else found


def _refuse_wider_rows(name: str, rows: Sequence[Sequence[str]], widest: int) -> None:
    """Refuse rows of more fields than most have, where no header counts them: two in one line.

    Raises:
        BarsError: The first of them.
    """
    most = sorted(map(len, rows))[len(rows) // 2]
    if most < widest:
        row = next(at for at, fields in enumerate(rows) if len(fields) > most)
        raise BarsError(
            f"{name}: row {row} has {len(rows[row])} fields, and most rows have {most}, as where "
            f"the end of a line is lost; its field {most - 1} is {cell(rows[row][most - 1])}; give "
            "every row the same number of fields"
        )


def _plain_rows(text: str, separator: str, width: int) -> pd.DataFrame | None:
    """Return rows without quotes and of equally many fields, which Arrow reads; None for others."""
    if '"' in text:
        return None
    try:
        table = pyarrow.csv.read_csv(
            pa.py_buffer(text.encode()),
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False, column_names=[str(at) for at in range(width)]
            ),
            parse_options=pyarrow.csv.ParseOptions(delimiter=separator, quote_char=False),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types={str(at): pa.string() for at in range(width)}
            ),
        )
    except pa.ArrowInvalid:
        return None
    kind = pd.StringDtype(na_value=np.nan)
    return table.to_pandas(types_mapper={pa.string(): kind}.get).set_axis(range(width), axis=1)


def _any_rows(name: str, text: str, separator: str, width: int) -> pd.DataFrame:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                StringIO(text), sep=separator, header=None, names=range(width),
                index_col=False, dtype="str", keep_default_na=False, na_values=[], quotechar='"',
                skipinitialspace=True, low_memory=False, on_bad_lines="error",
            )  # fmt: skip
    except (pd.errors.ParserError, pd.errors.ParserWarning, ValueError) as error:
        said = " ".join(str(error).split())[:200]
        raise BarsError(
            f"{name}: cannot be read as a table separated by {separator!r}, {said}; give every row "
            "the same number of fields"
        ) from error


def _refuse_swallowed_lines(name: str, cells: pd.DataFrame) -> None:
    """Refuse a field over several lines: a lone quote holds the rows up to the next one."""
    for _, column in cells.items():
        broken = pc.match_substring(texts_of(column), "\n")
        row = pc.index(broken, True).as_py()
        if row >= 0:
            raise BarsError(
                f"{name}: a field of row {row} goes over several lines, as after a lone quote: "
                f"{cell(column.iloc[row])}; remove the quote, or that column"
            )


def _without_nameless_ends(
    name: str, cells: pd.DataFrame, names: tuple[str, ...], head: _Head
) -> tuple[pd.DataFrame, tuple[str, ...], tuple[str, ...]]:
    """Return cells and names of equally many columns: a separator at the end makes no column."""
    width = cells.shape[1]
    while head.names and width > len(names):
        last = cells[width - 1].fillna("").astype("str").str.strip()
        if (last != "").any():
            row = int((last != "").to_numpy().argmax())
            raise BarsError(
                f"{name}: the header has {len(names)} fields, the rows have {width}; the last "
                f"field of row {row} is {cell(last.iloc[row])}; give both the same number, or, "
                "where a comma is the decimal sign, separate fields by ;"
            )
        width -= 1
    cells = cells.iloc[:, :width]
    if width < len(names):
        nameless = all(not one for one in names[width:])
        if not nameless and width < LEAST_COLUMNS - 1:
            raise BarsError(
                f"{name}: the header has {len(names)} fields ({shown(names)}), the rows have "
                f"{width}; give both the same number"
            )
        cells = cells.reindex(columns=range(len(names)))
    return cells, names, head.tickers
