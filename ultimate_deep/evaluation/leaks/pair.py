"""Two traces of bars that are equal up to some time, row by row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ultimate_deep.evaluation.leaks.trace import Integers, Trace


@dataclass(frozen=True, eq=False)
class Pair:
    """Two traces and the rows that both have and that are known.

    Args:
        clean: Trace of the bars as they are.
        other: Trace of the bars with another future.
        time: Everything decided at or before it is known.
        bars_from: Open time of the first bar that differs.
        mine: Numbers of the common known rows in `clean`.
        theirs: Their numbers in `other`.
        lone: Decision times of known, labelled rows that only one of both has.
        lone_in_clean: How many of them `clean` has.
    """

    clean: Trace
    other: Trace
    time: np.datetime64
    bars_from: np.datetime64
    mine: Integers
    theirs: Integers
    lone: npt.NDArray[np.datetime64]
    lone_in_clean: int

    @classmethod
    def at(cls, clean: Trace, other: Trace, time: np.datetime64, bars_from: np.datetime64) -> Pair:
        """Match the rows that are decided at or before `time`."""
        if _same_rows(clean, other):
            rows = np.flatnonzero(clean.decision_time <= time)
            return cls(clean, other, time, bars_from, rows, rows, clean.decision_time[:0], 0)
        keys, place = _keys(clean), np.flatnonzero(clean.decision_time <= time)
        found = _keys(other).get_indexer(keys[place])
        extra = np.flatnonzero((other.decision_time <= time) & (keys.get_indexer(_keys(other)) < 0))
        # A row may be left out for want of a label that is not known yet.
        lost = place[(found < 0) & (clean.label_end_time[place] < bars_from)]
        extra = extra[other.label_end_time[extra] < bars_from]
        lone = np.sort(np.concatenate([clean.decision_time[lost], other.decision_time[extra]]))
        return cls(
            clean, other, time, bars_from, place[found >= 0], found[found >= 0], lone, len(lost)
        )

    def known_labels(self) -> npt.NDArray[np.bool_]:
        """Which of the common rows have a label that rests on unchanged bars alone."""
        ends = [self.clean.label_end_time[self.mine], self.other.label_end_time[self.theirs]]
        return (ends[0] < self.bars_from) & (ends[1] < self.bars_from)

    def both(self, name: str) -> tuple[npt.NDArray[Any], npt.NDArray[Any]] | None:
        """Return an array of both traces at the common rows; None where either has none."""
        mine, theirs = getattr(self.clean, name), getattr(self.other, name)
        if mine is None or theirs is None:
            return None
        return mine[self.mine], theirs[self.theirs]


def differs(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return where two arrays of one shape differ; NaN equals NaN."""
    different = first != second
    if different.any() and np.issubdtype(first.dtype, np.floating):
        different &= ~(np.isnan(first) & np.isnan(second))
    return different


def _same_rows(clean: Trace, other: Trace) -> bool:
    return (
        clean.symbols == other.symbols
        and np.array_equal(clean.decision_time, other.decision_time)
        and np.array_equal(clean.symbol_code, other.symbol_code)
    )


def _keys(trace: Trace) -> pd.MultiIndex:
    symbols = np.array(trace.symbols, dtype=object)[trace.symbol_code]
    return pd.MultiIndex.from_arrays([symbols, trace.decision_time])
