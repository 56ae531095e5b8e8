"""Where is to be written, found out before anything is computed; nothing is left behind."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ultimate_deep.machine.files import try_writing

# The user's ledger of trials, in the user's own folder.
LEDGER_FILE = "ledger.sqlite"
# Remembers ledgers elsewhere, in the user's own folder too.
KNOWN_FOLDER = "ledgers"
# A run's folder adds its time to the name, and file systems end names at 255 bytes.
_LONGEST = 200
# Less than any run writes until it is finished.
_SMALLEST_RUN = 1 << 20
_NOT_IN_NAMES = frozenset('/\\.*?[]<>:|"')


class PlaceError(OSError):
    """A folder or a file cannot be written where it was asked for."""


def check_places(
    *,
    artifacts: str | Path | None = None,
    output: str | Path | None = None,
    ledger: bool = True,
    named: str = "artifacts",
) -> None:
    """Find every place that will be written, before the work begins.

    Args:
        artifacts: Folder that new folders are written into; it may be created then.
        output: File that is written or replaced, in a folder that is there.
        ledger: Whether trials are counted in the user's ledger.
        named: What a folder is called in messages.

    Raises:
        PlaceError: A folder or a file that cannot be written, with what to name instead.
        HomeError: The user's own folder cannot be written, or is named by a relative path.
    """
    if artifacts is not None:
        _check_folder(Path(artifacts), named)
    if output is not None:
        _check_file(Path(output))
    if ledger:
        # Not at the top: names are checked for every `--help`, which need not wait for it.
        from ultimate_deep.machine.home import home_file

        home_file(LEDGER_FILE)


def check_room(folder: Path, needed: int) -> None:
    """Refuse a folder on a disk that has less room than will be written.

    Args:
        folder: Folder that new folders are written into; need not be there yet.
        needed: Bytes that the run writes.

    Raises:
        PlaceError: The disk has less, naming both.
    """
    existing = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    free = shutil.disk_usage(existing).free
    if needed > free:
        raise PlaceError(
            f"the run writes at least {needed / 1e9:,.3f} GB into {folder}, and its disk has "
            f"{free / 1e9:,.3f} GB free; make room, name another folder with artifacts, or choose "
            "a smaller model"
        )


def check_name(what: str, name: str) -> None:
    """Refuse a name that could not begin a folder's name.

    Raises:
        ValueError: An empty or long name, or one with a blank or a sign that paths or patterns
            give a meaning.
    """
    bad = [one for one in name if one in _NOT_IN_NAMES or one.isspace() or not one.isprintable()]
    if not name or bad or len(name.encode()) > _LONGEST:
        raise ValueError(
            f"{what} becomes part of a folder's name, got {name!r}; "
            f"use letters, digits, - and _, at most {_LONGEST} of them"
        )


def check_folder_named(what: str, folder: str) -> None:
    """Refuse a text that names no folder.

    Raises:
        ValueError: It is empty or blank, or holds a null character.
    """
    if not folder.strip() or "\0" in folder:
        raise ValueError(
            f"{what} must name a folder, got {folder!r}; give e.g. 'artifacts', or '.' for the "
            "folder that you are in"
        )


def _check_folder(folder: Path, named: str) -> None:
    """Refuse a folder into which nothing can be written, there already or not."""
    nearest = folder
    while not os.path.lexists(nearest) and nearest != nearest.parent:
        nearest = nearest.parent
    remedy = "name another folder, which can be written"
    if not nearest.is_dir():
        what = "it is a file" if nearest == folder else f"{nearest} is a file"
        raise PlaceError(f"{named} must be a folder, got {folder}, and {what}; {remedy}")
    try:
        try_writing(nearest, _SMALLEST_RUN)
    except OSError as error:
        raise PlaceError(
            f"{named} must be a folder that can be written, got {folder}, and nothing can be "
            f"written into {nearest} ({error.strerror}); {remedy}"
        ) from error


def _check_file(path: Path) -> None:
    """Refuse a file that cannot be written or replaced."""
    remedy = "name another file with --output"
    if path.is_dir():
        raise PlaceError(f"output must be a file, got the folder {path}; name a file in it")
    if not path.parent.is_dir():
        raise PlaceError(
            f"output must be in a folder that exists, got {path}; create {path.parent}, or {remedy}"
        )
    try:
        try_writing(path.parent)
    except OSError as error:
        raise PlaceError(
            f"output must be in a folder that can be written, got {path}, and nothing can be "
            f"written into {path.parent} ({error.strerror}); {remedy}"
        ) from error
