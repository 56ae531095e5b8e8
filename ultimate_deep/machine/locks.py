"""Who works in a folder: one process at a time, known by its number and its machine.

The system lets go of a lock with the process that holds it, however that ends. What the file says
is for people, and for other machines, whose processes cannot be asked from here.
"""

import errno
import fcntl
import json
import os
import shutil
import socket
import stat
import time
import weakref
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from ultimate_deep.machine.files import LOCK_FILE, draft_tag, unfinished_folder
from ultimate_deep.machine.plain_json import parse_json

_BUSY = (errno.EWOULDBLOCK, errno.EACCES)
# A folder, a link, a pipe or a socket, another user's file.
_NO_FILE = (errno.EISDIR, errno.ELOOP, errno.ENXIO, errno.EACCES, errno.EPERM)
_LONGEST = 4_096
_TRIES, _PAUSE_SECONDS = 5, 0.02


class LockedError(OSError):
    """Another process works in the folder, or may do so on another machine."""


class TakenError(FileExistsError):
    """A folder of that name is there already, finished or not."""


@dataclass(frozen=True, kw_only=True)
class Owner:
    """The process that works in a folder.

    Args:
        pid: Number by which its machine knows it.
        host: Its machine's name.
        since: When it began, UTC.
    """

    pid: int
    host: str
    since: str

    @classmethod
    def this(cls) -> Self:
        """Return this process."""
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        return cls(pid=os.getpid(), host=socket.gethostname(), since=now)


class FolderLock:
    """A folder that this process alone works in, until it lets go or ends.

    Args:
        descriptor: Number of the lock's file, open and locked.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._close = weakref.finalize(self, os.close, descriptor)

    @classmethod
    def taken(cls, folder: Path, *, file: str = LOCK_FILE, what: Path | None = None) -> Self:
        """Take the lock of a folder; that of a process which has ended is taken over.

        Args:
            folder: It exists, and keeps the lock file.
            file: Name of that file.
            what: What is locked, where that is not the folder.

        Raises:
            FileNotFoundError: The folder is gone.
            LockedError: A process holds it, or did so on another machine and left it behind; or
                something else lies in the lock's place.
        """
        path = folder / file
        descriptor = _opened(path, os.O_CREAT)
        try:
            _take(descriptor, path, what or folder)
            os.stat(path)  # whoever held it may have removed it when letting go
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor)

    def release(self) -> None:
        """Let go, and say in the file that nobody works here."""
        if self._close.alive:
            os.ftruncate(self._descriptor, 0)
            self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.release()


def is_abandoned(folder: Path) -> bool:
    """Return whether a folder has a lock that a process of this machine has left or let go of."""
    try:
        descriptor = _opened(folder / LOCK_FILE)
    except OSError:
        return False
    try:
        owner = _owner(descriptor)
        ours = owner is None or owner.host == socket.gethostname()
        return ours and _is_free(descriptor, owner)
    finally:
        os.close(descriptor)


def claim_folder(folder: Path, fill: Callable[[Path], None]) -> FolderLock:
    """Make `<folder>.unfinished` appear at once, locked and filled.

    Args:
        folder: What it will be called when it is finished.
        fill: Writes into the folder that it is given, before anybody else can see it.

    Raises:
        TakenError: A folder of that name is there, finished or not.
    """
    unfinished = unfinished_folder(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    start = folder.with_name(f".{draft_tag()}.starting")
    start.mkdir()
    lock = None
    try:
        lock = FolderLock.taken(start)
        fill(start)
        _refuse_taken(folder)
        _rename_new(start, unfinished)
    except BaseException:
        if lock is not None:
            lock.release()
        shutil.rmtree(start, ignore_errors=True)
        raise
    try:
        _refuse_taken(folder)  # who had that name may have finished meanwhile
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        lock.release()
        raise
    return lock


def _refuse_taken(folder: Path) -> None:
    if os.path.lexists(folder):
        raise TakenError(f"{folder} exists and is never overwritten; choose another name")


def _rename_new(draft: Path, folder: Path) -> None:
    """Rename a folder that is not empty; only an empty one would be replaced."""
    try:
        os.rename(draft, folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise
        raise TakenError(f"{folder} exists already; choose another name") from error


def _opened(path: Path, flags: int = 0) -> int:
    """Open a lock's file, and nothing else that may lie in its place.

    Raises:
        LockedError: Another thing lies there, or a file that may not be written.
        OSError: There is no such file or folder, or no room for it.
    """
    flags |= os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags, 0o644)
    except OSError as error:
        if error.errno not in _NO_FILE:
            raise
        raise LockedError(_odd_lock(path, str(error.strerror).lower())) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise LockedError(_odd_lock(path, "no regular file"))
    return descriptor


def _odd_lock(path: Path, found: str) -> str:
    return (
        f"{path} must be a file that says who works in its folder and can be written, got what "
        f"cannot be opened so ({found}); move it away and try again"
    )


def _take(descriptor: int, path: Path, what: Path) -> None:
    owner = _owner(descriptor)
    if not _is_soon_free(descriptor, owner):
        told = "another process" if owner is None else f"process {owner.pid}"
        where = "" if owner is None else f" on {owner.host} since {owner.since}"
        raise LockedError(
            f"{what} is being worked on by {told}{where}; wait until that ends, or stop it"
        )
    if owner is not None and owner.host != socket.gethostname():
        raise LockedError(
            f"{what} was last worked on by process {owner.pid} on the machine {owner.host}, "
            f"which cannot be asked from {socket.gethostname()}; if that process has ended, delete "
            f"{path} and try again"
        )
    text = json.dumps(asdict(Owner.this())).encode()
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text, 0)


def _is_soon_free(descriptor: int, owner: Owner | None) -> bool:
    """Lock the file; who merely looks whether it is free holds it for less than this waits."""
    for _ in range(_TRIES):
        if _is_free(descriptor, owner):
            return True
        time.sleep(_PAUSE_SECONDS)
    return False


def _is_free(descriptor: int, owner: Owner | None) -> bool:
    """Lock the file, where nobody has."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            return False
        # A file system without locks: what the file says is all there is to know.
        return owner is None or not is_running(owner.pid)
    return True


def is_running(pid: int) -> bool:
    """Return whether this machine has a process of that number."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _owner(descriptor: int) -> Owner | None:
    """Return who the file names; None where it is empty or says something else."""
    try:
        told = parse_json(os.pread(descriptor, _LONGEST, 0))
        owner = Owner(pid=int(told["pid"]), host=str(told["host"]), since=str(told["since"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return owner if owner.pid > 0 else None
