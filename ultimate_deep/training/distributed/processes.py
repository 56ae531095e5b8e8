"""A team of processes on this machine; arrays lie in memory that all of them share."""

import os
import pickle
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any

import numpy as np

from ultimate_deep.machine.anonymous_memory import AnonymousMemory, Places
from ultimate_deep.machine.memory import peak_resident_bytes
from ultimate_deep.training.distributed import patience
from ultimate_deep.training.distributed.patience import Patience
from ultimate_deep.training.distributed.team import (
    Answers,
    Exchange,
    Job,
    Recruit,
    Spec,
    cannot_build,
    lost_before,
)
from ultimate_deep.training.distributed.worker import DONE, FAILED, REFUSED

Place = tuple[int, tuple[int, ...], np.dtype]


@dataclass(frozen=True, eq=False)
class _Worker:
    """A process and the line to it."""

    process: subprocess.Popen[bytes]
    link: Connection


@dataclass(frozen=True, eq=False)
class _Laid:
    """Where the arrays of a job lie."""

    inputs: list[Place]
    outputs: list[list[list[Place]]]
    end: int


class ProcessTeam:
    """Workers as processes of this machine, one after the first for each.

    They are started anew and share nothing with this process but the memory, so that neither the
    state of TensorFlow nor a script's own lines come along. The memory has no name: whoever is
    killed, none of it is left.

    Args:
        workers: Workers, this process included.
        recruit: Gives what each is told of the fit.
    """

    def __init__(self, workers: int, recruit: Callable[[], Recruit]) -> None:
        self.exchange = Exchange()
        self._number, self._recruit = workers, recruit
        self._lost = ""
        self._workers: list[_Worker] = []
        self._memory: AnonymousMemory | None = None
        self._laid: dict[int, _Laid] = {}
        self._told: set[int] = set()
        self._ready, self._began, self._patience = False, 0.0, Patience()
        self._end: Callable[[], Any] = lambda: None

    @property
    def lost(self) -> str:
        return self._lost

    @property
    def peak_bytes(self) -> int:
        return sum(map(peak_resident_bytes, self.pids))

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that run."""
        return [one.process.pid for one in self._workers]

    def new_exchange(self) -> Exchange:
        """Begin to count the exchange anew, and return what is counted from now on."""
        self.exchange = Exchange()
        return self.exchange

    def start(self) -> None:
        if self._workers or self._lost:
            return
        letter = np.frombuffer(pickle.dumps(self._recruit()), np.uint8)
        self._memory = AnonymousMemory()
        self._memory.reserve(len(letter))
        self._memory.array(0, letter.shape, letter.dtype)[...] = letter
        self._told, self._ready = set(), False
        self._workers = []
        self._end = weakref.finalize(self, _end_all, self._workers, self._memory, os.getpid())
        for worker in range(1, self._number):
            self._workers.append(_started(worker, self._memory, len(letter)))

    def wait(self) -> None:
        self.start()
        if self._ready or self._lost:
            return
        answers = self._answers(patience.START_SECONDS, "to be ready")
        refused = [text for kind, text in answers if kind == REFUSED]
        if self._lost or refused:
            self.close()
        if refused:
            raise cannot_build(refused[0])
        if self._lost:
            raise lost_before(self._lost)
        self._ready = True

    def publish(self, job: Job, arrays: list[np.ndarray]) -> None:
        if self._lost or self._memory is None:
            return
        self._began = began = time.perf_counter()
        laid = self._laid.setdefault(job.number, _lay(job))
        self._memory.reserve(laid.end)
        for place, array in zip(laid.inputs, arrays, strict=True):
            self._memory.array(*place)[...] = array
        known = job.number in self._told
        for worker, one in enumerate(self._workers, start=1):
            told = None if known else (job, laid.inputs, laid.outputs[worker - 1])
            try:
                one.link.send((job.number, told))
            except OSError:
                self._lose(worker)
        self.exchange.handed_out(arrays, began=began)

    def collect(self, job: Job) -> Answers:
        nothing: Answers = [None] * (self._number - 1)
        if self._lost or self._memory is None:
            return nothing
        began = time.perf_counter()
        first = job.number not in self._told
        answers = self._answers(self._patience.seconds(first=first), "to answer")
        came = time.perf_counter()
        self._told.add(job.number)
        self._patience.heard(came - self._began)
        found = nothing
        for worker, (kind, text) in enumerate(answers, start=1):
            if kind == DONE:
                places = self._laid[job.number].outputs[worker - 1]
                found[worker - 1] = [
                    [self._memory.array(*place).copy() for place in sums] for sums in places
                ]
            elif kind == FAILED and not self._lost:
                last = text.strip().splitlines()[-1]
                self._lost = f"worker {worker + 1} of {self._number} failed ({last})"
        self.exchange.took(found, asked=began, came=came)
        if self._lost:
            self._stop()
        return found

    def forget(self) -> None:
        self._lost = ""

    def close(self) -> None:
        self._stop()

    def _stop(self) -> None:
        self._end()
        self._workers, self._memory, self._ready = [], None, False

    def _answers(self, most: float, what: str) -> list[tuple[str, str]]:
        """Return what each worker says; an empty word of one that is lost."""
        found: dict[int, tuple[str, str]] = {}
        until = time.monotonic() + most
        waited_for = dict(enumerate(self._workers, start=1))
        while waited_for:
            links: dict[Any, int] = {one.link: worker for worker, one in waited_for.items()}
            ready: list[Any] = wait(list(links), max(until - time.monotonic(), 0.0))
            if not ready:
                for worker in waited_for:
                    self._lose(worker, f"took more than {most:.0f} s {what}")
                break
            for link in ready:
                worker = links[link]
                try:
                    found[worker] = link.recv()
                except (EOFError, OSError):
                    self._lose(worker)
                del waited_for[worker]
        return [found.get(worker, ("", "")) for worker in range(1, self._number)]

    def _lose(self, worker: int, how: str = "") -> None:
        process = self._workers[worker - 1].process
        if not how:
            try:
                how = _ended(process.wait(timeout=10.0))
            except subprocess.TimeoutExpired:
                how = "closed its line"
        self._lost = self._lost or f"worker {worker + 1} of {self._number} {how}"


def _started(worker: int, memory: AnonymousMemory, letter_bytes: int) -> _Worker:
    ours, theirs = Pipe()
    channel, shared = theirs.fileno(), memory.descriptor
    code = (
        f"import sys; sys.path[:] = {sys.path!r}; "
        "from ultimate_deep.training.distributed.worker import main; "
        f"main({channel}, {shared}, {letter_bytes}, {worker}, {os.getpid()})"
    )
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", code],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=(channel, shared),
        start_new_session=True,  # Ctrl-C in a terminal is for the fit's process
    )
    theirs.close()
    return _Worker(process, ours)


def _end_all(workers: list[_Worker], memory: AnonymousMemory, owner: int) -> None:
    """Kill the processes, which keep nothing, and let go of what is shared."""
    if os.getpid() != owner:  # in a fork of the process that started them
        return
    for one in workers:
        one.process.kill()
    for one in workers:
        one.process.wait()
        one.link.close()
    memory.close()


def _ended(status: int) -> str:
    if status >= 0:
        return f"ended with exit status {status}"
    name = signal.Signals(-status).name
    return f"was killed by {name}{' (as where memory runs out)' if name == 'SIGKILL' else ''}"


def _lay(job: Job) -> _Laid:
    places = Places()

    def placed(specs: list[Spec]) -> list[Place]:
        return [places.place(*spec) for spec in specs]

    inputs = placed([*job.tensors, *job.variables])
    outputs = [[placed(job.sums) for _ in own] for own in job.shares[1:]]
    return _Laid(inputs, outputs, places.end)
