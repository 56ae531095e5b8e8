"""Ctrl-C and SIGTERM end a run between two steps, not in the middle of one."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """A run ended by Ctrl-C or SIGTERM after a whole step.

    Args:
        message: What was saved and how to go on.
        checkpoint: The checkpoint to resume from; None where the run keeps none.
    """

    def __init__(self, message: str, checkpoint: Path | None) -> None:
        super().__init__(message)
        self.checkpoint = checkpoint


class StopRequest:
    """Whether a signal has come since `stop_requests` began."""

    def __init__(self) -> None:
        self.received: signal.Signals | None = None


@contextmanager
def stop_requests(heard: Callable[[], None] | None = None) -> Iterator[StopRequest]:
    """Turn the first SIGINT or SIGTERM into a request; a second one acts as it did before.

    Outside the main thread, where Python delivers no signals, nothing is caught.

    Args:
        heard: Called when one has come.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {name: signal.getsignal(name) or signal.SIG_DFL for name in SIGNALS}

    def remember(number: int, _frame: FrameType | None) -> None:
        request.received = signal.Signals(number)
        signal.signal(number, before[signal.Signals(number)])
        if heard is not None:
            heard()

    try:
        for name in SIGNALS:
            signal.signal(name, remember)
        yield request
    finally:
        for name in SIGNALS:
            signal.signal(name, before[name])
