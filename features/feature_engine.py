"""Features of bars of one width and of coarser ones, many bars at a time or one.

`compute_features`, `iter_features` and `FeatureStream` all hand their bars to an `Engine`; what
one of them gives, the others give to the bit.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ultimate_deep.features.engine.bar_executor import NOT_FINITE
from ultimate_deep.features.engine.graph import COLUMNS
from ultimate_deep.features.engine.runner import Runner, program_of
from ultimate_deep.features.engine.timeframes import Timeframe
from ultimate_deep.features.registry import Feature

Floats = npt.NDArray[np.float64]

# Features are limited to this: a quotient with a tiny denominator stays finite in float32.
LIMIT = 1e6


class Engine:
    """Takes bars in order and gives every feature's value at each.

    Args:
        features: What to compute, in the order of the columns.
        interval: Seconds of a bar; needed for features of coarser bars only.

    Raises:
        ValueError: There are features of coarser bars and no interval.
    """

    def __init__(self, features: Sequence[Feature], interval: float | None = None) -> None:
        self.features = tuple(features)
        self.interval = interval
        factors = sorted({feature.factor for feature in features}.difference({1}))
        if factors and interval is None:
            coarse = [feature.name for feature in features if feature.factor > 1]
            raise ValueError(
                f"features of coarser bars need the bars' interval, such as interval='1min'; "
                f"none is given for {coarse[:5]}"
            )
        self._places = {
            factor: [k for k, feature in enumerate(features) if feature.factor == factor]
            for factor in (1, *factors)
        }
        self.runner = Runner(program_of(tuple(features[k].node for k in self._places[1])))
        self.timeframes = [
            Timeframe(
                factor, interval or 0.0, [features[k].node for k in self._places[factor]], LIMIT
            )
            for factor in factors
        ]
        further = {name for feature in features for name in feature.inputs}.difference(COLUMNS)
        self.columns = (*COLUMNS, *sorted(further))
        self._rows_of = [
            [self.columns.index(name) for name in program]
            for program in (self.runner.program.columns, *(t.columns for t in self.timeframes))
        ]

    @property
    def last_seconds(self) -> float:
        """UTC seconds of the last bar taken; minus infinity before the first."""
        return self.runner.last_seconds

    def advance(self, columns: Floats, out: npt.NDArray[np.float32]) -> None:
        """Take bars and write their features.

        Args:
            columns: `(columns, rows)` float64, a row for each of `columns`.
            out: `(rows, features)`, filled; NaN in each feature's warm-up.

        Raises:
            ValueError: Bars come sooner than the interval and coarser bars are asked for.
        """
        self._check_spacing(columns[5])
        rows = columns.shape[1]
        alone = not self.timeframes
        step = self.runner.block_rows
        for start in range(0, rows, step):
            block = columns[:, start : start + step]
            target = out[start : start + step]
            fine = target if alone else np.empty((len(target), len(self._places[1])), np.float32)
            self.runner.advance(block if alone else block[self._rows_of[0]], fine, LIMIT)
            if not alone:
                target[:, self._places[1]] = fine
        for timeframe, chosen in zip(self.timeframes, self._rows_of[1:], strict=True):
            out[:, self._places[timeframe.factor]] = timeframe.advance(columns[chosen])

    def advance_one(self, bar: Floats, out: npt.NDArray[np.float32]) -> int:
        """Take one bar, checked, and write its features: `(columns,)` to `(features,)`.

        Returns:
            0, or why the bar was refused (`features.engine.bar_executor`); then nothing has
            changed.
        """
        if not self.timeframes:
            return self.runner.advance_one(bar, out, LIMIT, checked=True)
        if not np.isfinite(bar).all():
            # The executor sees the fine bars' columns alone; coarser ones may read others.
            return NOT_FINITE
        if bar[5] > self.last_seconds:
            self._check_spacing(bar[5:6])
        fine = np.empty(len(self._places[1]), dtype=np.float32)
        refused = self.runner.advance_one(bar[self._rows_of[0]], fine, LIMIT, checked=True)
        if refused:
            return refused
        out[self._places[1]] = fine
        for timeframe, chosen in zip(self.timeframes, self._rows_of[1:], strict=True):
            out[self._places[timeframe.factor]] = timeframe.advance(bar[chosen][:, None])[0]
        return refused

    def _check_spacing(self, seconds: Floats) -> None:
        if not self.timeframes or self.interval is None:
            return
        steps = np.diff(seconds, prepend=self.last_seconds)
        sooner = np.flatnonzero(steps < self.interval)
        if sooner.size:
            raise ValueError(
                f"bar {int(sooner[0])} opens {steps[sooner[0]]:g} s after the one before, sooner "
                f"than the interval of {self.interval:g} s; state the bars' true interval or "
                "leave out the features of coarser bars"
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
