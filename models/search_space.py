"""The ranges a tuner may search, as plain data that every tuner can read.

A builder module declares `SEARCH_SPACE: SearchSpace`, field name of its configuration to one
of the three kinds below; no tuner is imported here.
"""

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One of a few values: numbers, strings, booleans, or tuples of them."""

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not self.values or len(set(self.values)) != len(self.values):
            raise ValueError(f"Choice.values must be distinct and not empty, got {self.values!r}")


@dataclass(frozen=True, kw_only=True)
class IntRange:
    """Whole numbers `low, low + step, ...` up to and including `high`."""

    low: int
    high: int
    step: int = 1

    def __post_init__(self) -> None:
        if self.step < 1 or self.high < self.low:
            raise ValueError(
                f"IntRange needs low <= high and step >= 1, got {self.low}, {self.high} and "
                f"{self.step}"
            )


@dataclass(frozen=True, kw_only=True)
class FloatRange:
    """Real numbers in `[low, high]`; `log=True` draws their logarithm uniformly."""

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"FloatRange needs finite low < high, got {self.low}, {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"FloatRange with log=True needs low > 0, got {self.low}")


SearchSpace = dict[str, Choice | IntRange | FloatRange]
