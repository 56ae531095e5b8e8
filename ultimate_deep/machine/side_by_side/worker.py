"""What a worker does with a task; nothing heavy is imported before its threads are counted out."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import joblib

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
    """What the workers of a call may use.

    Args:
        threads: Threads of each.
        cores: Cores of each worker; empty leaves them to the system.
    """

    threads: int
    cores: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Stopped:
    """In place of a result, where a task was asked to stop."""


# What this process has made for the call that it works for, by the call's folder.
_MADE: dict[Path, tuple[Shared, Any]] = {}
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
            if folder not in _MADE:
                ready, plugins = joblib.load(notes.ready)
                ready()
                _load(plugins)
                shared = joblib.load(notes.shared, mmap_mode="r")
                _MADE.clear()  # of an earlier call
                _MADE[folder] = shared, shared.make(shared.given)
            shared, made = _MADE[folder]
            return number, shared.do(made, case, lines)
    except KeyboardInterrupt:
        return number, Stopped()


def _sit_down(notes: Notes, seat: Seat, parent: int) -> None:
    """Take threads and cores, once a call; see that this process does not outlive its parent."""
    if notes.folder in _SEATED:
        return
    if not _SEATED:
        # The parent hears Ctrl-C too and passes it on; fits take both for one.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        threading.Thread(target=_watch, args=(parent,), daemon=True, name="watch").start()
    _SEATED.add(notes.folder)
    use_threads(seat.threads)
    if seat.cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, seat.cores[_place(notes.folder, len(seat.cores))])


def _load(plugins: Sequence[str]) -> None:
    """Load the plugins of a call; those of an earlier one are forgotten."""
    forget_plugins(keep=[load_plugin(path).name for path in plugins])


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
