"""Every operation on files below a folder, told before it happens."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
# Which arguments of an audit event are paths, and which the folders that they are relative to.
_PATHS = {
    "open": ((0, None),),
    "os.rename": ((0, 2), (1, 3)),
    "os.link": ((0, 2), (1, 3)),
    "os.symlink": ((1, 2),),
    "os.remove": ((0, 1),),
    "os.rmdir": ((0, 1),),
    "os.mkdir": ((0, 2),),
    "os.truncate": ((0, None),),
    "os.chmod": ((0, 2),),
    "os.utime": ((0, 3),),
}


@dataclass(frozen=True)
class Operation:
    """One change of a file or a folder.

    Args:
        event: Its audit event.
        paths: The paths that it names below the folder, relative to that.
    """

    event: str
    paths: tuple[Path, ...]

    @property
    def of_whole_folders(self) -> bool:
        """Whether something directly in the folder appears, disappears or changes its name."""
        return self.event != "open" and any(len(path.parts) == 1 for path in self.paths)


class _Watch:
    """The hook, which Python never lets go of, and whom it tells at present."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.tell: Callable[[Operation], None] = lambda operation: None
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.folder is None or event not in _PATHS:
            return
        if event == "open" and not (arguments[2] or 0) & _WRITES:
            return
        folder, self.folder = self.folder, None  # what is done about it is not heard
        try:
            paths = tuple(_below(folder, event, arguments))
            if paths:
                self.tell(Operation(event, paths))
        finally:
            self.folder = folder


_WATCHES: list[_Watch] = []


@contextlib.contextmanager
def heard(folder: Path, tell: Callable[[Operation], None]) -> Iterator[None]:
    """Call `tell` before every operation on files below a folder, from this process.

    What libraries write past Python, such as TensorFlow's and HDF5's files, is not heard.
    """
    if not _WATCHES:
        _WATCHES.append(_Watch())
    watch = _WATCHES[0]
    watch.folder, watch.tell = folder.resolve(), tell
    try:
        yield
    finally:
        watch.folder = None


def _below(folder: Path, event: str, arguments: tuple[Any, ...]) -> Iterator[Path]:
    for place, relative_to in _PATHS[event]:
        given = arguments[place]
        if not isinstance(given, (str, bytes, os.PathLike)):
            continue
        path = Path(os.fsdecode(given))
        start = arguments[relative_to] if relative_to is not None else -1
        if not path.is_absolute():
            known = isinstance(start, int) and start >= 0
            path = Path(os.readlink(f"/proc/self/fd/{start}") if known else os.getcwd()) / path
        path = path.parent.resolve() / path.name
        if path.is_relative_to(folder) and path != folder:
            yield path.relative_to(folder)
