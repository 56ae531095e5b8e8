"""How long something takes, for people."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Duration:
    """An estimate, or a range of them.

    Args:
        least: Seconds at least.
        most: Seconds at most, the same where nothing is open.
    """

    least: float
    most: float

    @classmethod
    def of(cls, seconds: float) -> Self:
        """Return an estimate without a range."""
        return cls(seconds, seconds)

    def __add__(self, other: "Duration") -> "Duration":
        return Duration(self.least + other.least, self.most + other.most)

    def __mul__(self, times: float) -> "Duration":
        return Duration(self.least * times, self.most * times)

    def __str__(self) -> str:
        least, most = duration_sentence(self.least), duration_sentence(self.most)
        if least == most:
            return f"about {least}"
        if least.split()[-1] == most.split()[-1]:
            least = least.split()[0]
        return f"{least} to {most}"


def sum_of(durations: Iterable[Duration]) -> Duration:
    """Return what several things take one after another; nothing where there are none."""
    return sum(durations, start=Duration.of(0.0))


def duration_sentence(seconds: float) -> str:
    """Return seconds in the unit that people would use."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 600:
        return f"{seconds / 60:.1f} min"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


class Stopwatch:
    """Tells what each of several things took, one after another.

    Attributes:
        seconds: What has passed, by what it was.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._began = time.perf_counter()

    def passed(self, what: str) -> None:
        """Note that something has ended."""
        now = time.perf_counter()
        self.seconds[what] = now - self._began
        self._began = now

    def __str__(self) -> str:
        return duration_sentence(sum(self.seconds.values()))
