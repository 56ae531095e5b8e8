"""Raw tables: the cells of text and binary files, packed or not, before any meaning."""

from __future__ import annotations

import bz2
import contextlib
import dataclasses
import gzip
import lzma
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import IO

import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet

from ultimate_deep.market.reading.files import TEXT_SUFFIXES, partitions
from ultimate_deep.market.reading.raw_table import NotBars, RawTable
from ultimate_deep.market.reading.roles import has_prices
from ultimate_deep.market.reading.shown import shown
from ultimate_deep.market.reading.text_tables import read_text
from ultimate_deep.market.validation import BarsError

MOST_WRAPPINGS = 3
# No bars are packed to less than a part in so many; what unpacks to more was made to fill memory.
MOST_UNPACKED = 300
LEAST_LIMIT = 256 << 20
_BLOCK = 16 << 20
PACKED = {b"\x1f\x8b": "gz", b"BZh": "bz2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zst"}
# fmt: off
NOT_READ = {
    b"\x89HDF": "an HDF5 file", b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"SQLite format 3": "an SQLite database", b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive", b"ORC": "an ORC file", b"Obj\x01": "an Avro file",
    b"\x80\x03": "a pickle", b"\x80\x04": "a pickle", b"\x80\x05": "a pickle",
    b"%PDF": "a PDF", b"\x93NUMPY": "a NumPy array",
}
# fmt: on


def read_tables(path: Path, stated_names: tuple[str, ...] = ()) -> Iterator[RawTable | NotBars]:
    """Yield the raw table of a file, or one for each member of an archive.

    Args:
        path: Text or binary table, packed or not.
        stated_names: Names of columns that the caller states: the header is the line with them.

    Raises:
        BarsError: When the file is empty, broken or of a kind that is not read.
    """
    said = partitions(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BarsError(f"{path.name}: cannot be read, {error}; fetch the file again") from error
    limit = max(LEAST_LIMIT, MOST_UNPACKED * len(data))
    for name, unpacked in _unpacked(path.name, data, limit):
        table = _read(name, unpacked, stated_names, limit)
        if isinstance(table, RawTable) and said:
            table = dataclasses.replace(table, said=said)
        yield table


@contextlib.contextmanager
def _unpacking(name: str) -> Iterator[None]:
    """Say in words what libraries raise of broken archives: a dozen unrelated kinds."""
    try:
        yield
    except BarsError:
        raise
    except Exception as error:
        if "encrypted" in str(error) or "password" in str(error):
            raise BarsError(
                f"{name}: the archive is encrypted; unpack it with its password first"
            ) from error
        raise BarsError(f"{name}: broken archive, {error}; fetch the file again") from error


def _unpacked(name: str, data: bytes, limit: int, depth: int = 0) -> Iterator[tuple[str, bytes]]:
    """Yield what a file holds, as often wrapped as it is."""
    packing = next((kind for magic, kind in PACKED.items() if data.startswith(magic)), "")
    if (packing or _is_zip(data)) and depth == MOST_WRAPPINGS:
        raise BarsError(f"{name}: packed more than {MOST_WRAPPINGS} times; unpack it first")
    if _is_zip(data):
        yield from _members(name, data, limit, depth)
    elif packing:
        with _unpacking(name):
            inner = _unpack(name, packing, data, limit)
        yield from _unpacked(name, inner, limit, depth + 1)
    else:
        claimed = name.lower().rpartition(".")[2]
        if claimed in ("zip", "gz", "gzip", "bz2", "xz", "zst") and depth == 0 and data[:4] not in (
            b"PAR1", b"ARRO", b"FEA1",
        ):  # fmt: skip
            raise BarsError(
                f"{name}: broken archive, it does not begin as .{claimed} does; fetch the file "
                "again"
            )
        yield name, data


def _unpack(name: str, packing: str, data: bytes, limit: int) -> bytes:
    packed = BytesIO(data)
    if packing == "zst":
        return _all_of(pa.CompressedInputStream(packed, "zstd"), name, limit)
    kinds = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}
    with kinds[packing](packed) as file:  # type: ignore[operator]
        return _all_of(file, name, limit)


def _all_of(file: IO[bytes] | pa.NativeFile, name: str, limit: int) -> bytes:
    """Read a file to its end, or refuse it where that is further than any bars."""
    blocks, size = [], 0
    while block := file.read(_BLOCK):
        blocks.append(bytes(block))
        size += len(block)
        if size > limit:
            raise _too_large(name, limit)
    return b"".join(blocks)


def _too_large(name: str, limit: int) -> BarsError:
    return BarsError(
        f"{name}: unpacks to more than {limit >> 20:,} MiB, far more than bars of its size do; if "
        "it is sound, unpack it first"
    )


def _is_zip(data: bytes) -> bool:
    return data.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def _members(name: str, data: bytes, limit: int, depth: int) -> Iterator[tuple[str, bytes]]:
    with _unpacking(name):
        archive = zipfile.ZipFile(BytesIO(data))
    with archive:
        names = archive.namelist()
        if any(member.startswith(("xl/", "word/")) for member in names):
            raise BarsError(f"{name}: {_not_read('an Excel workbook')}")
        files = [
            member
            for member in sorted(names)
            if not member.endswith("/")
            and "__MACOSX" not in member
            and not member.rpartition("/")[2].startswith(".")
        ]
        tables = [
            member
            for member in files
            if member.lower().endswith((*TEXT_SUFFIXES, ".parquet", ".feather", ".gz"))
        ]
        if not tables:
            raise BarsError(
                f"{name}: the archive holds no {' or '.join(TEXT_SUFFIXES)} file, only "
                f"{shown(files) if files else 'nothing'}; pack a CSV file"
            )
        for member in tables:
            with _unpacking(name), archive.open(member) as file:
                inner = _all_of(file, f"{name}/{member}", limit)
            yield from _unpacked(f"{name}/{member}", inner, limit, depth + 1)


def _not_read(what: str) -> str:
    return f"{what} is not read; export CSV or Parquet"


def _read(name: str, data: bytes, stated_names: tuple[str, ...], limit: int) -> RawTable | NotBars:
    if data[:4] == b"PAR1":
        return _binary(name, data, "Parquet", limit)
    if data[:6] == b"ARROW1" or data[:4] == b"FEA1":
        return _binary(name, data, "Feather", limit)
    for magic, what in NOT_READ.items():
        if data.startswith(magic):
            raise BarsError(f"{name}: {_not_read(what)}")
    if name.lower().endswith((".parquet", ".pq", ".feather", ".arrow")):
        raise BarsError(
            f"{name}: cannot be read as {name.rpartition('.')[2]}, it does not begin as one; "
            "write it again"
        )
    return read_text(name, data, stated_names)


def _binary(name: str, data: bytes, kind: str, limit: int) -> RawTable:
    try:
        if kind == "Parquet":
            said = pa.parquet.read_metadata(BytesIO(data))
            if said.num_rows * said.num_columns > limit // 8:
                raise _too_large(name, limit)
            cells = pd.read_parquet(BytesIO(data))
        else:
            cells = pa.feather.read_feather(BytesIO(data))
    except BarsError:
        raise
    except Exception as error:  # pyarrow raises several unrelated kinds
        why = " ".join(str(error).split())[:200]
        raise BarsError(f"{name}: cannot be read as {kind}, {why}; write it again") from error
    if isinstance(cells.index, pd.MultiIndex) or not isinstance(cells.index, pd.RangeIndex):
        taken = {str(column) for column in cells.columns}
        levels = [
            str(level) if level is not None and str(level) not in taken else f"index{place or ''}"
            for place, level in enumerate(cells.index.names)
        ]
        cells = cells.reset_index(names=levels)
    tickers: tuple[str, ...] = ()
    labels = [str(column) for column in cells.columns]
    if isinstance(cells.columns, pd.MultiIndex):
        labels, tickers = _levels([tuple(map(str, column)) for column in cells.columns])
    cells = cells.set_axis(range(cells.shape[1]), axis=1).reset_index(drop=True)
    return RawTable(name=name, cells=cells, names=tuple(labels), header=True, tickers=tickers)


def _levels(columns: list[tuple[str, ...]]) -> tuple[list[str], tuple[str, ...]]:
    """Return names and symbols of columns that are named at several levels, in whichever order."""
    depth = max(map(len, columns))
    level = next((at for at in range(depth) if has_prices([column[at] for column in columns])), 0)
    rest = [
        " ".join(part for at, part in enumerate(column) if at != level and part)
        for column in columns
    ]
    # What has no name among the fields is no field of a symbol, such as the time.
    names = [column[level] or over for column, over in zip(columns, rest, strict=True)]
    tickers = [over if column[level] else "" for column, over in zip(columns, rest, strict=True)]
    return names, tuple(tickers)
