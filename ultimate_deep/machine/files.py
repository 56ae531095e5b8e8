"""Files and folders that appear whole or not at all."""

import contextlib
import json
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

UNFINISHED = ".unfinished"
_DRAFT = ".part"


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a draft to write, which becomes `path` at the end or leaves nothing.

    The draft is hidden, lies beside `path` (a rename does not cross file systems) and is named
    after process and thread, so that two which write the same file at once do not mix; the last
    one wins.

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
    draft = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}{_DRAFT}")
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


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    with whole_file(path) as draft:
        draft.write_text(text, encoding="utf-8")


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write strict JSON, whole or not at all.

    Raises:
        ValueError: A number is NaN or infinite; `evaluation.json_safe` makes them null.
    """
    write_text(path, json.dumps(values, indent=2, allow_nan=False) + "\n")


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
