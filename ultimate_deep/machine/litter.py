"""What killed processes leave beside finished folders, found by its name and removed."""

import contextlib
import os
import re
import shutil
import tempfile
import time
from pathlib import Path

from ultimate_deep.machine.files import LOCK_FILE, UNFINISHED, draft_tag
from ultimate_deep.machine.locks import is_abandoned, is_running

# In an unfinished folder that nothing can go on from: a killed process leaves it to be removed.
DISPOSABLE = ".disposable"
_BEGAN = time.time()
# Written and read at once; a day is more than any process needs them for.
_OLD_SECONDS = 86_400
_NAME = re.compile(
    r"\.(?:.+[.-])?(?P<host>[0-9a-f]{8})-(?P<pid>\d+)-\d+\.(?:part|starting|removed|draft)"
)


def remove_litter(folder: Path) -> None:
    """Remove drafts of processes that have ended, and what they had begun to remove.

    What processes of other machines or living ones have is left alone, and so is all that could be
    a user's.

    Args:
        folder: Where runs are written; need not be there.
    """
    _remove_sources()
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for entry in sorted(os.scandir(folder), key=lambda one: one.name):
            path = Path(entry.path)
            if _is_left(entry) or _is_disposable(entry):
                _remove(path)
            elif _is_finished(entry) and is_abandoned(path):
                # A process was killed between the last rename and this.
                _remove(path / LOCK_FILE)


def _remove_sources() -> None:
    """Remove what TensorFlow wrote, ran and could not delete since its process was killed."""
    for path in Path(tempfile.gettempdir()).glob("__autograph_generated_file*.py"):
        with contextlib.suppress(OSError):
            found = path.lstat()
            if found.st_uid == os.getuid() and time.time() - found.st_mtime > _OLD_SECONDS:
                path.unlink()


def _is_left(entry: os.DirEntry[str]) -> bool:
    found = _NAME.fullmatch(entry.name)
    if found is None or found["host"] != draft_tag().split("-")[0]:
        return False
    if int(found["pid"]) != os.getpid():
        return not is_running(int(found["pid"]))
    # In a container, every process may have the same number.
    return entry.stat(follow_symlinks=False).st_mtime < _BEGAN


def _is_disposable(entry: os.DirEntry[str]) -> bool:
    return (
        entry.name.endswith(UNFINISHED)
        and entry.is_dir(follow_symlinks=False)
        and (Path(entry.path) / DISPOSABLE).is_file()
        and is_abandoned(Path(entry.path))
    )


def _is_finished(entry: os.DirEntry[str]) -> bool:
    # The lock of a folder that somebody is just starting may be there and not taken yet.
    draft = entry.name.endswith(UNFINISHED) or _NAME.fullmatch(entry.name) is not None
    return entry.is_dir(follow_symlinks=False) and not draft


def _remove(path: Path) -> None:
    """Remove a file, a link or a folder, as far as this user may."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    with contextlib.suppress(OSError):
        path.unlink()
