"""What workers say of their tasks, in files: which are under way, by whom, and what they print.

Files, since they are still there when a process is killed, and need no connection.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

RELAYED_SECONDS = 0.5


@dataclass(frozen=True)
class Notes:
    """A folder that a call and its workers share.

    Args:
        folder: Belongs to one call, and is removed with it.
    """

    folder: Path

    @property
    def shared(self) -> Path:
        """File with what all tasks share."""
        return self.folder / "shared.pkl"

    @property
    def ready(self) -> Path:
        """File with what a worker calls before it reads what is shared."""
        return self.folder / "ready.pkl"

    @contextlib.contextmanager
    def under_way(self, number: int) -> Iterator[TextIO]:
        """Note in the block that this process does a task; yield where the task writes lines."""
        mark = self._mark(number)
        mark.write_text(str(os.getpid()))
        with self.lines(number).open("a", encoding="utf-8", buffering=1) as lines:
            yield lines
        mark.unlink()  # not where the process is killed, or the task fails

    def taken(self) -> dict[int, int]:
        """Return the processes of the tasks that have begun and not ended, by the tasks' number."""
        found = {}
        for mark in self.folder.glob("*.under_way"):
            # Between the listing and the reading it may have ended, or not have been written.
            with contextlib.suppress(FileNotFoundError, ValueError):
                found[int(mark.stem)] = int(mark.read_text())
        return found

    def forget(self) -> None:
        """Remove what killed processes have left."""
        for mark in self.folder.glob("*.under_way"):
            mark.unlink(missing_ok=True)

    @property
    def stopping(self) -> bool:
        """Whether no task is to begin any more."""
        return self._stop.exists()

    def ask_to_stop(self) -> None:
        """Send SIGTERM to whoever does a task, and let no other begin."""
        self._stop.touch()  # before who is asked is read: what begins meanwhile finds it
        for process in set(self.taken().values()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)

    @property
    def _stop(self) -> Path:
        return self.folder / "stop"

    def _mark(self, number: int) -> Path:
        return self.folder / f"{number}.under_way"

    def lines(self, number: int) -> Path:
        """Where a task prints."""
        return self.folder / f"{number}.lines"


class Relay:
    """Passes on, in a thread of its own, what tasks print, each line with its task's name.

    Args:
        notes: Where they print.
        names: What each task is called.
        say: Told each line.
    """

    def __init__(self, notes: Notes, names: Sequence[str], say: Callable[[str], None]) -> None:
        self._notes, self._names, self._say = notes, names, say
        self._read: dict[int, int] = {}
        self._ended, self._lock = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)

    def __enter__(self) -> Relay:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._ended.set()
        self._thread.join()
        self.pass_on()

    def _run(self) -> None:
        while not self._ended.wait(RELAYED_SECONDS):
            self.pass_on()

    def pass_on(self) -> None:
        """Pass on what has been printed by now."""
        with self._lock:
            for path in sorted(self._notes.folder.glob("*.lines"), key=lambda one: int(one.stem)):
                self._pass_on(int(path.stem))

    def ended(self, number: int) -> None:
        """Pass on the last lines of a task, which prints no more."""
        with self._lock:
            self._pass_on(number)
            self._notes.lines(number).unlink(missing_ok=True)
            self._read.pop(number, None)

    def _pass_on(self, number: int) -> None:
        with self._notes.lines(number).open("rb") as file:
            file.seek(self._read.get(number, 0))
            whole = file.read().rpartition(b"\n")[0]
        if not whole:
            return
        self._read[number] = self._read.get(number, 0) + len(whole) + 1
        for line in whole.decode("utf-8", errors="replace").splitlines():
            self._say(f"{self._names[number]}: {line}")
