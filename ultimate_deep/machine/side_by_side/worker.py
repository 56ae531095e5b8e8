"""What a worker does with a task; nothing heavy is imported before its threads are counted out."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import joblib

from ultimate_deep.machine.home import HOME_VARIABLE
from ultimate_deep.machine.plugins import forget_plugins, load_plugin
from ultimate_deep.machine.side_by_side.notes import Notes
from ultimate_deep.machine.threads import use_threads

WATCHED_SECONDS = 1.0


@dataclass(frozen=True, eq=False)
class Shared:
    """What all tasks of a call share; written once, read by each worker.

    Args:
        make: Called once in each worker with `given`; what it returns serves task after task.
        given: What `make` is given; large arrays in it are mapped from the file, read-only.
        do: Called with what was made, a case, and where to print lines; returns a task's result.
    """

    make: Callable[[Any], Any]
    given: Any
    do: Callable[[Any, Any, TextIO], Any]


@dataclass(frozen=True)
class Seat:
    """What the workers of a call may use, and where the user's folder is.

    Args:
        threads: Threads of each.
        cores: Cores of each worker; empty leaves them to the system.
        home: What the caller's environment names as the user's folder. A worker that is kept from
            an earlier call has the environment of that one.
    """

    threads: int
    cores: tuple[tuple[int, ...], ...]
    home: str


@dataclass(frozen=True)
class Stopped:
    """In place of a result, where a task was asked to stop."""


# What this process has made for the call that it works for, by what tells the call from others.
_MADE: dict[Hashable, tuple[Shared, Any]] = {}
_SEATED: set[Path] = set()


def run_task(folder: Path, seat: Seat, parent: int, number: int, case: Any) -> tuple[int, Any]:
    """Do one task of a call.

    Args:
        folder: The call's notes.
        seat: Threads and cores.
        parent: Process that waits for the results.
        number: Number of the task.
        case: What it is about.

    Returns:
        The number, and what `do` returned.
    """
    notes = Notes(folder)
    _sit_down(notes, seat, parent)
    try:
        with notes.under_way(number) as lines:
            if notes.stopping:
                return number, Stopped()
            shared, made = made_for(
                folder,
                lambda: joblib.load(notes.ready),
                lambda: joblib.load(notes.shared, mmap_mode="r"),
            )
            return number, shared.do(made, case, lines)
    except KeyboardInterrupt:
        return number, Stopped()


def _sit_down(notes: Notes, seat: Seat, parent: int) -> None:
    """Take what the call gives its workers, once; see that this process ends with its parent."""
    if notes.folder in _SEATED:
        return
    if not _SEATED:
        # The parent hears Ctrl-C too and passes it on; fits take both for one.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        threading.Thread(target=_watch, args=(parent,), daemon=True, name="watch").start()
    _SEATED.add(notes.folder)
    use_threads(seat.threads)
    os.environ[HOME_VARIABLE] = seat.home
    if seat.cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, seat.cores[_place(notes.folder, len(seat.cores))])


def made_for(
    call: Hashable,
    first: Callable[[], tuple[Callable[[], object], Sequence[str]]],
    shared: Callable[[], Shared],
) -> tuple[Shared, Any]:
    """Return what all tasks of a call share and what was made of it, once in each process.

    What an earlier call made is forgotten, its plugins too.

    Args:
        call: What tells it from other calls.
        first: Gives what makes ready for all imports, and the plugins to load then.
        shared: Gives what tasks share.
    """
    if call not in _MADE:
        ready, plugins = first()
        ready()
        forget_plugins(keep=[load_plugin(path).name for path in plugins])
        found = shared()
        _MADE.clear()
        _MADE[call] = found, found.make(found.given)
    return _MADE[call]


def _place(folder: Path, places: int) -> int:
    """Return a number that no other worker of the call has, as long as there are any."""
    for number in range(places):
        with contextlib.suppress(FileExistsError):
            (folder / f"seat-{number}").touch(exist_ok=False)
            return number
    return places - 1


def _watch(parent: int) -> None:
    """End this process soon after its parent is gone: another may go on with its tasks."""
    while os.getppid() == parent:
        time.sleep(WATCHED_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)  # a fit keeps a checkpoint
    time.sleep(60.0)
    os.kill(os.getpid(), signal.SIGKILL)
