"""Zip archives of unknown origin: nothing is unpacked before it was held against the file.

What is written here is never compressed, so that no archive says more than its file has bytes.
"""

import io
import math
import struct
import zipfile
import zlib
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np

# What Python's own reader raises of a damaged or hostile archive.
ZIP_FAULTS = (
    OSError, EOFError, KeyError, NotImplementedError, OverflowError, RuntimeError, SyntaxError,
    TypeError, ValueError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_ENCRYPTED = 0x1
_PLAIN_KINDS = "biufU"


class ArchiveError(ValueError):
    """An archive is no plain one of the members that belong into it."""


def plain_members(
    archive: zipfile.ZipFile, size: int, belongs: Callable[[str], bool]
) -> dict[str, zipfile.ZipInfo]:
    """Return the members by name, none of which was read yet.

    Args:
        archive: Opened for reading.
        size: Bytes of its file.
        belongs: Whether a member of this name has a place in it.

    Raises:
        ArchiveError: A member that does not belong, is there twice, is compressed or encrypted, or
            more bytes than the file has.
    """
    members: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        name = member.filename
        if not belongs(name) or name in members:
            raise ArchiveError(f"it has a member {name[:80]!r} too many")
        stored = member.compress_type == zipfile.ZIP_STORED
        if not stored or member.flag_bits & _ENCRYPTED or member.file_size != member.compress_size:
            raise ArchiveError(
                f"its member {name[:80]!r} is packed, and all are stored as they are"
            )
        members[name] = member
    total = sum(member.file_size for member in members.values())
    if total > size:
        raise ArchiveError(f"its members have {total:,} bytes and the file only {size:,}")
    return members


def read_arrays(
    path: Path, needed: Collection[str], further: Callable[[str], bool] = lambda name: False
) -> dict[str, np.ndarray]:
    """Return the arrays of an `.npz` file as `numpy.savez` writes it.

    Args:
        path: A regular file.
        needed: Names of the arrays that must be there.
        further: Whether another array may be there.

    Raises:
        ArchiveError: Another kind of file, other arrays, one that is no array of plain numbers, or
            more numbers than the file has bytes for.
    """
    try:
        if not path.is_file():
            raise ArchiveError("it is no regular file")
        with zipfile.ZipFile(path) as archive:
            members = plain_members(
                archive, path.stat().st_size, lambda name: _belongs(name, needed, further)
            )
            arrays = {
                name.removesuffix(".npy"): _array(name, archive.read(member))
                for name, member in members.items()
            }
    except ArchiveError:
        raise
    except ZIP_FAULTS as error:
        raise ArchiveError(f"it is no sound .npz file: {error}") from error
    if absent := sorted(set(needed) - arrays.keys()):
        raise ArchiveError(f"it lacks {', '.join(absent)}")
    return arrays


def _belongs(name: str, needed: Collection[str], further: Callable[[str], bool]) -> bool:
    array = name.removesuffix(".npy")
    return name.endswith(".npy") and (array in needed or further(array))


def _array(name: str, content: bytes) -> np.ndarray:
    stream = io.BytesIO(content)
    header = _HEADERS.get(np.lib.format.read_magic(stream))
    if header is None:
        raise ArchiveError(f"{name} is of an unknown version")
    shape, fortran, dtype = header(stream)
    if dtype.kind not in _PLAIN_KINDS:
        raise ArchiveError(f"{name} holds {str(dtype)[:40]}, and all are plain numbers")
    begin, has = stream.tell(), len(content)
    if min(shape, default=0) < 0 or begin + math.prod(shape) * dtype.itemsize != has:
        raise ArchiveError(f"{name} says that it has another number of values than it has")
    flat = np.frombuffer(content, dtype, math.prod(shape), begin)
    return flat.reshape(shape, order="F" if fortran else "C").copy()
