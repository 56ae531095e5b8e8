"""Files and folders that appear whole or not at all."""

import contextlib
import errno
import hashlib
import itertools
import json
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from ultimate_deep.machine.plain_json import MOST_BYTES, JsonError, TooMuchError, parse_json

UNFINISHED = ".unfinished"
LOCK_FILE = ".ultimate-deep.lock"  # in an unfinished folder; see `machine.locks`
_DRAFT = ".part"
_NUMBERS = itertools.count(1)
# Less than a table or a ledger of trials needs.
_TRIED_BYTES = 256 << 10
_FULL = (errno.ENOSPC, errno.EDQUOT)


class FinishedError(FileNotFoundError):
    """Nothing is left to go on with: the folder is finished."""


class ForeignFileError(ValueError):
    """A file that cannot be one of ours."""


class NoJsonError(ForeignFileError):
    """A file of something else than JSON."""


def draft_tag() -> str:
    """Return a name that no other process, thread or call gives: machine, process and number."""
    host = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]
    return f"{host}-{os.getpid()}-{next(_NUMBERS)}"


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a draft to write, which becomes `path` at the end or leaves nothing.

    The draft is hidden, lies beside `path` (a rename does not cross file systems) and has a name
    of its own, so that two which write the same file at once do not mix; the last one wins.

    Args:
        path: Replaced as a whole where it exists; the new file may be read by whom the old one
            could be.

    Yields:
        The draft, not created yet; whatever is made under that name, a link too, is moved.

    Raises:
        FileNotFoundError: The folder does not exist.
        IsADirectoryError: `path` is a folder.
    """
    check_file(path)
    draft = path.with_name(f".{path.name}.{draft_tag()}{_DRAFT}")
    try:
        yield draft
        if path.is_file() and not path.is_symlink():
            shutil.copymode(path, draft)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def check_file(path: Path) -> None:
    """Refuse a path at which no file can appear.

    Raises:
        FileNotFoundError: The folder does not exist.
        IsADirectoryError: `path` is a folder.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"{path.name} is written into a folder that exists, got {path.parent}; create it first"
        )
    if path.is_dir() and not path.is_symlink():
        raise IsADirectoryError(f"{path} is a folder; name a file in it")


def remove_drafts(folder: Path) -> None:
    """Delete what killed writers left of files; only for a folder that nobody else writes into."""
    for draft in folder.glob(f".*.*{_DRAFT}"):
        draft.unlink()


def flush_to_disk(file: IO[Any]) -> None:
    """Return when what was written is safe from a loss of power too."""
    file.flush()
    os.fsync(file.fileno())


def printable(text: str) -> str:
    """Return a text that UTF-8 can hold: bytes of file names that it cannot are written as codes.

    Args:
        text: May hold surrogates, by which Python stands for such bytes.
    """
    return text.encode(errors="backslashreplace").decode()


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, made `printable`, whole or not at all."""
    with whole_file(path) as draft:
        draft.write_text(printable(text), encoding="utf-8")


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write strict JSON, whole or not at all.

    Raises:
        ValueError: A number is NaN or infinite; `evaluation.json_safe` makes them null.
    """
    write_text(path, json.dumps(values, indent=2, allow_nan=False) + "\n")


def write_new_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write strict JSON into a file that is not there yet, whole or not at all.

    Raises:
        FileExistsError: It is there.
    """
    draft = path.with_name(f".{path.name}.{draft_tag()}{_DRAFT}")
    try:
        write_json(draft, values)
        os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def read_json(path: Path) -> Any:
    """Return what a JSON file says that anybody may have put there.

    Raises:
        ForeignFileError: It is no regular file (a pipe is not waited for), cannot be read, or
            holds more than is parsed.
        NoJsonError: It holds something else.
        FileNotFoundError: It is not there.
    """
    try:
        return parse_json(_read_regular(path))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ForeignFileError(f"{path} cannot be read ({error.strerror})") from error
    except TooMuchError as error:
        raise ForeignFileError(f"{path} is too much to be read: {error}") from error
    except JsonError as error:
        raise NoJsonError(f"{path} holds no JSON: {error}") from error


def _read_regular(path: Path) -> bytes:
    # Not blocking: opening a pipe would wait for whoever writes into it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            what = "a folder" if stat.S_ISDIR(found.st_mode) else "no regular file"
            raise ForeignFileError(f"{path} is {what}")
        if found.st_size > MOST_BYTES:
            raise ForeignFileError(f"{path} is too large, {found.st_size:,} bytes")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def unfinished_folder(folder: Path) -> Path:
    """Return where a run keeps its checkpoints until it is finished."""
    return folder.with_name(folder.name + UNFINISHED)


def finish_folder(folder: Path, draft: Path | None = None) -> None:
    """Make a folder appear, complete.

    Args:
        folder: Where it appears.
        draft: What it is until then, `unfinished_folder(folder)` unless given.
    """
    draft = draft or unfinished_folder(folder)
    remove_drafts(draft)
    os.replace(draft, folder)
    (folder / LOCK_FILE).unlink(missing_ok=True)


def remove_folder(folder: Path) -> None:
    """Make a folder disappear at once, then delete what was in it.

    A process that is killed meanwhile leaves nothing under the folder's name.
    """
    gone = folder.with_name(f".{draft_tag()}.removed")
    os.replace(folder, gone)
    shutil.rmtree(gone, ignore_errors=True)


@contextlib.contextmanager
def whole_folder(folder: Path, draft: Path | None = None) -> Iterator[Path]:
    """Give a draft to write into, which becomes `folder` at the end or leaves nothing.

    Args:
        folder: Where it appears.
        draft: Another place on the same file system than `unfinished_folder(folder)`.

    Yields:
        The draft, created.

    Raises:
        FileExistsError: The draft is there already.
    """
    draft = draft or unfinished_folder(folder)
    draft.mkdir(parents=True)
    try:
        yield draft
        finish_folder(folder, draft)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def linked_or_copied(source: str, target: str) -> str:
    """Let a second name stand for a file, or copy it where the disk has no such names.

    Args:
        source: A file that is not written again.
        target: The second name; as `shutil.copytree` asks of its `copy_function`.
    """
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def is_full(error: BaseException, folder: Path) -> bool:
    """Return whether what went wrong in writing into a folder is that its disk has no room.

    Args:
        error: What was raised; NumPy, HDF5 and TensorFlow give no number of it.
        folder: A folder that exists.
    """
    if os.strerror(errno.ENOSPC) in str(error):
        return True
    if not isinstance(error, OSError):
        return False
    nameless = error.errno is None and shutil.disk_usage(folder).free < _TRIED_BYTES
    return error.errno in _FULL or nameless


def try_writing(folder: Path, size: int = _TRIED_BYTES) -> None:
    """Write a little into a folder and take it back, through to the disk.

    A folder may refuse what its mode allows (read-only mounts), and take a file but not what is in
    it (full disks and quotas).

    Args:
        folder: A folder that exists.
        size: How many bytes are written.

    Raises:
        OSError: Nothing can be written.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"\0" * size)
        file.flush()
        os.fsync(file.fileno())
