"""A worker's process: it builds the model and answers until the fit's process is gone."""

import os
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from ultimate_deep.machine.anonymous_memory import AnonymousMemory

LOOK_SECONDS = 1.0
LONGEST_REASON = 400
READY, REFUSED, FAILED, DONE = "ready", "refused", "failed", "done"


def main(channel: int, memory: int, letter_bytes: int, worker: int, parent: int) -> None:
    """Work until the channel is closed at the other end.

    Signals that are meant for the whole program are left to the fit's process, which ends this
    one when it ends.

    Args:
        channel: Descriptor of a connection to the fit's process.
        memory: Descriptor of the memory that is shared with it.
        letter_bytes: Length of the `Recruit` that lies at the beginning of that memory.
        worker: Number of this worker, from 1.
        parent: Process of the fit.
    """
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    link, shared = Connection(channel), AnonymousMemory(memory)
    try:
        computing = _recruited(link, bytes(shared.array(0, (letter_bytes,), np.dtype(np.uint8))))
        if computing is not None:
            _answer(link, shared, computing, worker)
    except (EOFError, ConnectionError):
        pass  # the fit is over, or its process is gone
    os._exit(0)  # nothing here is worth TensorFlow's long farewell


def _recruited(link: Connection, letter: bytes) -> Any:
    """Return what computes, None where the model cannot be built here."""
    computing, reason = recruited(lambda: pickle.loads(letter))
    link.send((REFUSED, reason) if computing is None else (READY, ""))
    return computing


def recruited(read: Callable[[], Any]) -> tuple[Any, str]:
    """Return what computes, or None and the reason why the model cannot be built here.

    Args:
        read: Returns the `Recruit`; called when the backend is loaded.
    """
    from ultimate_deep.training.backend import load_backend

    try:
        load_backend()
        from ultimate_deep.training.distributed.parts import Parts

        return Parts(read()), ""
    except Exception as error:  # whatever a user's own layers raise is told
        return None, f"{type(error).__name__}: {_short(str(error))}"


def _short(message: str) -> str:
    """Return the reason within a message of Keras, which holds the whole model's configuration."""
    reason = message.rpartition("Exception encountered: ")[2].partition(" Full object config")[0]
    return reason.strip()[:LONGEST_REASON]


def _answer(link: Connection, shared: AnonymousMemory, computing: Any, worker: int) -> None:
    jobs: dict[int, tuple[Any, list[Any], list[Any]]] = {}
    while True:
        number, told = link.recv()
        if told is not None:
            jobs[number] = told
        job, inputs, outputs = jobs[number]
        try:
            arrays = [shared.array(*place).copy() for place in inputs]
            found = computing.sums(job, worker, arrays)
        except Exception:  # told to the fit, which ends and names it
            link.send((FAILED, traceback.format_exc()))
            continue
        for places, sums in zip(outputs, found, strict=True):
            for place, values in zip(places, sums, strict=True):
                shared.array(*place)[...] = values
        link.send((DONE, ""))


def _end_with(parent: int) -> None:
    """End this process when its parent is gone, also in the middle of a computation."""
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os._exit(1)
