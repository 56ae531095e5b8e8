"""Lines about work that has parts: how many are done, and how long the rest takes."""

import time

from training.fitting.progress import HEARTBEAT_SECONDS, Progress


class Heartbeat:
    """Says how far something is, at most once every `every_seconds`.

    Args:
        progress: Told; None says nothing.
        what: What is done with each part, such as `shuffled`.
        total: Number of parts.
        parts: Their name, such as `features`.
        every_seconds: Least seconds between two lines.
    """

    def __init__(
        self,
        progress: Progress | None,
        what: str,
        total: int,
        parts: str,
        every_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._progress, self._what, self._total, self._parts = progress, what, total, parts
        self._every = every_seconds
        self._started = self._last = time.monotonic()

    def __call__(self, done: int) -> None:
        """`done` parts are done."""
        now = time.monotonic()
        if self._progress is None or done >= self._total or now - self._last < self._every:
            return
        self._last = now
        rest = (now - self._started) / done * (self._total - done)
        left = f"{rest:.0f} s" if rest < 120 else f"{rest / 60:.0f} min"
        self._progress.message(
            f"{self._what} {done} of {self._total} {self._parts}, about {left} to go"
        )
