"""Features of bars of one width and of coarser ones, many bars at a time or one.

`compute_features`, `iter_features` and `FeatureStream` all hand their bars to an `Engine`; what
one of them gives, the others give to the bit.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ultimate_deep.features.engine.bar_executor import LARGEST, LEAST, NOT_FINITE, OUT_OF_BOUNDS
from ultimate_deep.features.engine.graph import COLUMNS
from ultimate_deep.features.engine.runner import Runner, program_of
from ultimate_deep.features.engine.timeframes import Timeframe
from ultimate_deep.features.registry import Feature
from ultimate_deep.market.times import NANOSECONDS, NEVER

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Features are limited to this: a quotient with a tiny denominator stays finite in float32.
LIMIT = 1e6


class SpacingError(ValueError):
    """A bar comes sooner than the interval of the bars."""


class Engine:
    """Takes bars in order and gives every feature's value at each.

    Args:
        features: What to compute, in the order of the columns.
        interval: Nanoseconds of a bar; needed for features of coarser bars only.

    Raises:
        ValueError: There are features of coarser bars and no interval, or one of centuries.
    """

    def __init__(self, features: Sequence[Feature], interval: int | None = None) -> None:
        self.features = tuple(features)
        self.interval = interval
        factors = sorted({feature.factor for feature in features}.difference({1}))
        if factors and interval is None:
            coarse = [feature.name for feature in features if feature.factor > 1]
            raise ValueError(
                f"features of coarser bars need the bars' interval, such as interval='1min'; "
                f"none is given for {coarse[:5]}"
            )
        if factors and interval is not None and factors[-1] * interval > -NEVER:
            raise ValueError(
                f"bars {factors[-1]} times as long as {pd.Timedelta(interval, unit='ns')} are "
                "longer than 292 years; leave out the features of such coarse bars"
            )
        self._places = {
            factor: [k for k, feature in enumerate(features) if feature.factor == factor]
            for factor in (1, *factors)
        }
        self._columns = {factor: _neighbours(found) for factor, found in self._places.items()}
        self.runner = Runner(program_of(tuple(features[k].node for k in self._places[1])))
        self.timeframes = [
            Timeframe(
                factor, interval or 0, [features[k].node for k in self._places[factor]], LIMIT
            )
            for factor in factors
        ]
        further = {name for feature in features for name in feature.inputs}.difference(COLUMNS)
        self.columns = (*COLUMNS, *sorted(further))
        fine = self.runner.program.columns
        self._rows_of = [
            _neighbours([self.columns.index(name) for name in program])
            for program in (fine, *(t.columns for t in self.timeframes))
        ]
        self._unseen = any(not set(t.columns) <= set(fine) for t in self.timeframes)

    @property
    def last_time(self) -> int:
        """UTC nanoseconds of the last bar taken; `NEVER` before the first."""
        return self.runner.last_time

    def advance(self, columns: Floats, times: Integers, out: npt.NDArray[np.float32]) -> None:
        """Take bars and write their features.

        Args:
            columns: `(columns, rows)` float64, a row for each of `columns`.
            times: `(rows,)` UTC nanoseconds at which they open, increasing.
            out: `(rows, features)`, filled; NaN in each feature's warm-up.

        Raises:
            SpacingError: Bars come sooner than the interval and coarser bars are asked for.
        """
        rows = columns.shape[1]
        if rows == 0:
            return
        if self.timeframes:
            self._check_spacing(times)
        alone = not self.timeframes
        step = self.runner.block_rows
        for start in range(0, rows, step):
            block = columns[:, start : start + step]
            target = out[start : start + step]
            fine = target if alone else np.empty((len(target), len(self._places[1])), np.float32)
            self.runner.advance(block if alone else block[self._rows_of[0]], fine, LIMIT)
            if not alone:
                target[:, self._columns[1]] = fine
        self.runner.last_time = int(times[-1])
        for timeframe, chosen in zip(self.timeframes, self._rows_of[1:], strict=True):
            out[:, self._columns[timeframe.factor]] = timeframe.advance(columns[chosen], times)

    def advance_one(self, bar: Floats, time: int, out: npt.NDArray[np.float32]) -> int:
        """Take one bar, checked, and write its features.

        Args:
            bar: `(columns,)` float64.
            time: UTC nanoseconds at which it opens.
            out: `(features,)`, filled; NaN in each feature's warm-up.

        Returns:
            0, or why the bar was refused (`features.engine.bar_executor`); then nothing has
            changed.

        Raises:
            SpacingError: It comes sooner than the interval and coarser bars are asked for.
        """
        if not self.timeframes:
            return self.runner.advance_one(bar, out, LIMIT, True, time)
        if self._unseen:
            # The executor checks the fine bars' columns alone; coarser ones read others.
            size = np.abs(bar)
            if not ((size <= LARGEST) & ((size >= LEAST) | (size == 0.0))).all():
                return OUT_OF_BOUNDS if np.isfinite(bar).all() else NOT_FINITE
        step = time - self.last_time
        if self.last_time != NEVER and 0 < step < (self.interval or 0):
            raise self._sooner(time, step)
        fine = np.empty(len(self._places[1]), dtype=np.float32)
        refused = self.runner.advance_one(bar[self._rows_of[0]], fine, LIMIT, True, time)
        if refused:
            return refused
        out[self._columns[1]] = fine
        for timeframe, chosen in zip(self.timeframes, self._rows_of[1:], strict=True):
            out[self._columns[timeframe.factor]] = timeframe.advance_one(bar[chosen], time)
        return refused

    def _check_spacing(self, times: Integers) -> None:
        """Refuse bars that follow the one before by less than the interval."""
        last = [] if self.last_time == NEVER else [self.last_time]
        before = np.array([*last, *times[:1]], dtype=np.int64)
        for some in (before, times):
            # Unsigned, since centuries between two bars are more than signed ones hold.
            steps = np.diff(some).view(np.uint64)
            sooner = steps < np.uint64(self.interval or 0)
            if sooner.any():
                row = int(sooner.argmax())
                raise self._sooner(int(some[row + 1]), int(steps[row]))

    def _sooner(self, time: int, step: int) -> SpacingError:
        return SpacingError(
            f"the bar of {pd.Timestamp(time, unit='ns', tz='UTC')} opens {_seconds(step)} s after "
            f"the one before, sooner than the interval of {_seconds(self.interval or 0)} s; state "
            "the bars' true interval or leave out the features of coarser bars"
        )

    def memory(self) -> dict[str, npt.NDArray[Any]]:
        """Everything that later bars depend on, as small arrays by name."""
        parts = {"base": self.runner.memory()}
        parts |= {f"x{t.factor}": t.memory() for t in self.timeframes}
        return {
            f"{part}.{key}": array for part, found in parts.items() for key, array in found.items()
        }

    def remember(self, memory: dict[str, npt.NDArray[Any]]) -> None:
        """Take over what `memory()` of an engine of the same features gave."""
        owners: dict[str, Runner | Timeframe] = {"base": self.runner}
        owners |= {f"x{t.factor}": t for t in self.timeframes}
        for part, owner in owners.items():
            prefix = f"{part}."
            owner.remember(
                {k.removeprefix(prefix): v for k, v in memory.items() if k.startswith(prefix)}
            )

    @property
    def digest(self) -> str:
        """Names what is computed: memories of equal engines may be exchanged."""
        return "-".join(
            [self.runner.program.digest, *(t.runner.program.digest for t in self.timeframes)]
        )


def _neighbours(places: list[int]) -> list[int] | slice:
    """Return places as a slice where they follow each other, which is copied much faster."""
    if places and places == list(range(places[0], places[-1] + 1)):
        return slice(places[0], places[-1] + 1)
    return places


def _seconds(nanoseconds: int) -> str:
    whole, part = divmod(nanoseconds, NANOSECONDS)
    return f"{whole}.{part:09d}".rstrip("0").rstrip(".")
