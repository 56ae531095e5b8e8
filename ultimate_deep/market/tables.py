"""Raw tables: the cells of CSV and Parquet files, packed or not, before any meaning."""

from __future__ import annotations

import gzip
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pandas as pd

from ultimate_deep.market.validation import BarsError

TEXT_SUFFIXES = (".csv", ".txt", ".tsv")
TABLE_SUFFIXES = (*TEXT_SUFFIXES, ".parquet", ".pq", ".zip", ".gz")


@dataclass(frozen=True, kw_only=True, eq=False)
class RawTable:
    """The cells of one file.

    Attributes:
        name: The file's name (and the member's, of an archive), for messages.
        cells: One row for each data row. Columns are the file's own names in lower case without
            `<>`, blanks as `_`; numbers from 0 without a header.
        columns: The names as the file spells them, empty without a header.
        comment: A line above the header, or empty.
    """

    name: str
    cells: pd.DataFrame
    columns: tuple[str, ...]
    comment: str = ""

    @property
    def first_row(self) -> tuple[str, ...]:
        """The first data row as text; empty without rows."""
        if len(self.cells) == 0:
            return ()
        # Column by column: a row of its own would turn integers into floats.
        return tuple(str(column.iloc[0]) for _, column in self.cells.items())


def find_files(source: str | Path | list[str | Path]) -> list[Path]:
    """Return the files that a source names: itself, each of a list, or a folder's tables by name.

    Raises:
        FileNotFoundError: When a path does not exist, or a folder holds no table.
    """
    if isinstance(source, list):
        if not source:
            raise FileNotFoundError("no files given: the list of sources is empty")
        return [file for path in source for file in find_files(path)]
    path = Path(source)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise FileNotFoundError(f"no file or folder at {path}")
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in TABLE_SUFFIXES)
    if not files:
        raise FileNotFoundError(
            f"no table in the folder {path}: no file in it ends in {', '.join(TABLE_SUFFIXES)}"
        )
    return files


def read_tables(path: Path) -> Iterator[RawTable]:
    """Yield the raw table of a file, or one for each member of a zip archive.

    Raises:
        BarsError: When the file is empty, broken or no table.
    """
    if path.suffix.lower() in (".parquet", ".pq"):
        yield _read_parquet(path)
        return
    try:
        for name, data in _unpack(path):
            yield _read_csv(name, data)
    except (zipfile.BadZipFile, gzip.BadGzipFile, EOFError) as error:
        raise BarsError(f"{path.name}: broken archive, {error}; fetch the file again") from error


def _unpack(path: Path) -> Iterator[tuple[str, bytes]]:
    suffix = path.suffix.lower()
    if suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            members = sorted(
                name for name in archive.namelist() if name.lower().endswith(TEXT_SUFFIXES)
            )
            if not members:
                raise BarsError(
                    f"{path.name}: the archive holds no {' or '.join(TEXT_SUFFIXES)} file, only "
                    f"{', '.join(archive.namelist()) or 'nothing'}; pack a CSV file"
                )
            for name in members:
                yield f"{path.name}/{name}", archive.read(name)
    elif suffix == ".gz":
        with gzip.open(path) as file:
            yield path.name, file.read()
    else:
        yield path.name, path.read_bytes()


def _read_parquet(path: Path) -> RawTable:
    try:
        cells = pd.read_parquet(path)
    except Exception as error:  # pyarrow raises several unrelated kinds
        raise BarsError(
            f"{path.name}: cannot be read as Parquet, {error}; write it again"
        ) from error
    if not isinstance(cells.index, pd.RangeIndex):
        cells = cells.reset_index()
    columns = tuple(str(name) for name in cells.columns)
    cells.columns = pd.Index([_plain(name) for name in columns])
    return RawTable(name=path.name, cells=cells, columns=columns)


def _read_csv(name: str, data: bytes) -> RawTable:
    try:
        head = [line.strip() for line in data[:65_536].decode("utf-8-sig", "strict").splitlines()]
    except UnicodeDecodeError as error:
        # A character cut at the end of the sample is no fault.
        if error.start < min(len(data), 65_536) - 4:
            raise BarsError(
                f"{name}: not text in UTF-8, byte {error.start} is {data[error.start]:#x}; "
                "save it as UTF-8"
            ) from error
        head = data[: error.start].decode("utf-8-sig").splitlines()
    filled = [(number, line) for number, line in enumerate(head) if line]
    if not filled:
        raise BarsError(f"{name}: empty file; check the download")
    separator = max(",;\t", key=filled[-1][1].count)
    comment = ""
    if (
        len(filled) > 1
        and filled[0][1].count(separator) < filled[1][1].count(separator)
        and _is_header(filled[1][1].split(separator))
    ):
        comment = filled.pop(0)[1]
    first, line = filled[0]
    fields = [field.strip().strip('"') for field in line.split(separator)]
    if not _is_header(fields):
        # A row number or the like cannot be told from data.
        return RawTable(
            name=name, cells=_parse(name, data, separator, first, None), columns=(), comment=comment
        )
    plain = [_plain(field) for field in fields]
    return RawTable(
        name=name,
        cells=_parse(name, data, separator, first + 1, plain),
        columns=tuple(fields),
        comment=comment,
    )


def _parse(
    name: str, data: bytes, separator: str, skip: int, columns: list[str] | None
) -> pd.DataFrame:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            cells = pd.read_csv(
                BytesIO(data),
                sep=separator,
                header=None,
                skiprows=skip,
                index_col=False,
                encoding="utf-8-sig",
                low_memory=False,
            )
    except pd.errors.EmptyDataError as error:
        raise BarsError(
            f"{name}: empty, a header without one row of bars; check the download"
        ) from error
    except (pd.errors.ParserError, pd.errors.ParserWarning, UnicodeDecodeError) as error:
        raise BarsError(
            f"{name}: cannot be read as a table separated by {separator!r}, {error}; give "
            "every row the same number of fields"
        ) from error
    if columns is not None:
        if len(columns) != cells.shape[1]:
            raise BarsError(
                f"{name}: the header has {len(columns)} fields, the rows have {cells.shape[1]}; "
                "give both the same number"
            )
        cells.columns = pd.Index(columns)
    return cells


def _is_header(fields: list[str]) -> bool:
    return not any(field.strip(' "')[:1].isdigit() for field in fields)


def _plain(name: str) -> str:
    """Return a column's name in lower case, without `<>`, blanks as `_`."""
    return name.strip().strip("<>").lower().replace(" ", "_")
