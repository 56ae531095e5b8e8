"""Features of a live feed: one bar in, one row out, to the bit what a whole file would give."""

import json
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import pandas as pd

from ultimate_deep.features.compute import (
    FeatureMatrix,
    bar_columns,
    frame_of,
    matrix_of,
)
from ultimate_deep.features.engine import bar_executor as bx
from ultimate_deep.features.feature_engine import LIMIT, Engine
from ultimate_deep.features.own import refuse_functions
from ultimate_deep.features.registry import registry
from ultimate_deep.machine.files import whole_file
from ultimate_deep.market.bars import Bars
from ultimate_deep.market.market import Market
from ultimate_deep.market.times import seconds_of_interval, utc_seconds

_FORMAT = 1

# Rows that are made at once.
_ROWS = 256

_RULES = {
    bx.NOT_FINITE: "every value of a bar must be a finite number",
    bx.NOT_POSITIVE: "prices must be above zero",
    bx.NEGATIVE_VOLUME: "the volume must not be below zero",
    bx.BAD_RANGE: "open and close must lie between low and high",
    bx.NOT_LATER: "a bar must open later than the one before: late, repeated or out of order",
}


class BarRefusedError(ValueError):
    """A bar that cannot follow the ones before; the stream is as if it had never come."""


class FeatureStream:
    """Features bar by bar.

    Args:
        names: Features in the wanted order; None for all default ones. Volume features are
            neutral on bars without volume.
        interval: Interval of the bars; needed for features of coarser bars (`rsi_14_15x`) only.

    Raises:
        ValueError: Unknown names (with the nearest ones), or coarser bars without an interval.

    Example:
        >>> import ultimate_deep as ud
        >>> bars = ud.simulate_bars(1_000).frame()
        >>> stream = ud.FeatureStream(["return_log_1", "rsi_14"])
        >>> _ = stream.extend(bars[:-1])
        >>> stream.push(bars.index[-1], *bars.iloc[-1]).shape
        (2,)
    """

    def __init__(
        self,
        names: "list[str] | tuple[str, ...] | str | None" = None,
        *,
        interval: str | pd.Timedelta | None = None,
    ) -> None:
        self._features = registry().choose(names)
        refuse_functions(self._features, "has no stream")
        self._interval = seconds_of_interval(interval)
        self._engine = Engine(self._features, self._interval)
        self._bind()

    def _bind(self) -> None:
        self._further = self._engine.columns[6:]
        self._width = len(self._features)
        self._next = _ROWS
        self._bar = np.empty(len(self._engine.columns))
        self._run: Callable[..., int] | None = None
        self._go_live()

    def _go_live(self) -> None:
        """Without coarser bars the executor is called at once."""
        if not self._engine.timeframes:
            live = self._engine.runner.live(LIMIT, True)
            self._run, self._places, self._bar = live.run, live.places, live.bar

    @property
    def names(self) -> tuple[str, ...]:
        """Columns of a row."""
        return tuple(feature.name for feature in self._features)

    @property
    def columns(self) -> tuple[str, ...]:
        """What a bar must have: the usual columns, then those that some features need."""
        return self._engine.columns

    @property
    def warmup_bars(self) -> int:
        """Bars after which every value is finite (of coarser bars: when no bar lacks)."""
        return max(feature.warmup_bars for feature in self._features)

    @property
    def bars_taken(self) -> int:
        """Number of bars so far."""
        return self._engine.runner.row

    @property
    def last_timestamp(self) -> pd.Timestamp | None:
        """Open time of the last bar in UTC; None before the first."""
        if self.bars_taken == 0:
            return None
        microseconds = round(self._engine.last_seconds * 1e6)
        return pd.Timestamp(microseconds, unit="us", tz="UTC")

    def push(
        self,
        timestamp: float | datetime,
        open: float,
        high: float,
        low: float,
        close: float,
        volume: float,
        **further: float,
    ) -> npt.NDArray[np.float32]:
        """Take the next closed bar.

        Args:
            timestamp: Open time: an aware datetime, or UTC seconds since 1970.
            open: The bar's opening price.
            high: The bar's highest price.
            low: The bar's lowest price.
            close: The bar's closing price.
            volume: Traded volume, not below zero.
            **further: Values of the further `columns`, by name.

        Returns:
            `(features,)` float32, a new array; NaN in each feature's warm-up.

        Raises:
            BarRefusedError: The bar is late, repeated, out of order or invalid.
            TypeError: A value is not a number, a time is naive, a further column is missing.
        """
        seconds = timestamp if type(timestamp) is float else utc_seconds(timestamp)
        if further or self._further:
            self._bar[6:] = self._rest(further)
        out = self._row()
        try:
            if self._run is not None:
                refused = self._run(self._places, out, open, high, low, close, volume, seconds)
            else:
                self._bar[:6] = (open, high, low, close, volume, seconds)
                refused = self._engine.advance_one(self._bar, out)
        except (TypeError, ValueError) as error:
            values = (open, high, low, close, volume)
            if all(isinstance(value, int | float | np.number) for value in values):
                raise
            raise TypeError(f"a bar must hold numbers; got {values}") from error
        if refused:
            raise BarRefusedError(self._reason(refused))
        return out

    def _row(self) -> npt.NDArray[np.float32]:
        """A row that nobody else will write: cheaper from a block than one by one."""
        if self._next == _ROWS:
            self._rows = np.empty((_ROWS, self._width), dtype=np.float32)
            self._next = 0
        self._next += 1
        return self._rows[self._next - 1]

    def _rest(self, further: dict[str, float]) -> list[float]:
        if set(further) != set(self._further):
            raise TypeError(
                f"bars of these features have the further columns {list(self._further)}; "
                f"got {sorted(further)}"
            )
        return [further[name] for name in self._further]

    def _reason(self, refused: int) -> str:
        bar = dict(zip(self._engine.columns, self._bar.tolist(), strict=True))
        last = self.last_timestamp
        after = f"after {last}" if last is not None else "as the first one"
        return (
            f"{_RULES[refused]}; got {bar} (timestamp in UTC seconds) {after}; "
            "the stream has not changed: drop the bar or correct it"
        )

    def __repr__(self) -> str:
        return f"<stream of {len(self._features)} features, {self.bars_taken:,} bars taken>"

    def extend(self, frame: pd.DataFrame | Bars | Market) -> FeatureMatrix:
        """Take many bars at once, such as the history before going live.

        Args:
            frame: Bars, as for `compute_features`, that follow those taken so far.

        Returns:
            Their features, as `push` would have given one by one.

        Raises:
            BarRefusedError: The first bar does not follow the last one taken.
            TypeError, ValueError: Malformed bars, as in `compute_features`.
        """
        frame = frame_of(frame)
        columns = bar_columns(frame, self._engine.columns)
        if len(frame) and columns[5, 0] <= self._engine.last_seconds:
            raise BarRefusedError(
                f"bars must follow the last one taken, of {self.last_timestamp}; "
                f"the first opens at {frame.index[0]}; leave out the bars already taken"
            )
        taken = self.bars_taken
        values = np.empty((len(frame), self._width), dtype=np.float32)
        self._engine.advance(columns, values)
        self._go_live()
        warmup = max(self.warmup_bars - taken, 0)
        return matrix_of(self._features, values, frame, min(warmup, len(frame)))

    def copy(self) -> "FeatureStream":
        """A stream of its own with the same past."""
        twin = object.__new__(FeatureStream)
        twin._features, twin._interval = self._features, self._interval
        twin._engine = Engine(self._features, self._interval)
        twin._engine.remember(self._engine.memory())
        twin._bind()
        return twin

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the stream's memory to a file, from which `load` goes on to the bit.

        Args:
            path: A file (`.npz`); replaced as a whole if it exists.
        """
        target = Path(path)
        about = {
            "format": _FORMAT,
            "names": self.names,
            "interval_seconds": self._interval,
            "digest": self._engine.digest,
        }
        text = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
        with whole_file(target) as draft, draft.open("wb") as file:
            np.savez(file, about=text, **self._engine.memory())  # type: ignore[arg-type]
        return target

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "FeatureStream":
        """The stream that `save` wrote.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file is not a stream, or features have changed since.
        """
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as parts:
                memory: dict[str, Any] = {key: parts[key] for key in parts.files}
            about = json.loads(memory.pop("about").tobytes())
            known = about["format"] == _FORMAT
        except (OSError, ValueError, KeyError, EOFError, AttributeError, BadZipFile) as error:
            if isinstance(error, FileNotFoundError):
                raise
            raise ValueError(f"{path} does not hold a saved FeatureStream: {error}") from error
        if not known:
            raise ValueError(
                f"{path} is of format {about['format']}, this version reads {_FORMAT}; "
                "feed the stream its warm-up anew"
            )
        seconds = about["interval_seconds"]
        interval = None if seconds is None else pd.Timedelta(seconds, unit="s")
        stream = cls(about["names"], interval=interval)
        if stream._engine.digest != about["digest"]:
            raise ValueError(
                f"{path} was saved by another version: the features' definitions have changed; "
                f"feed a new stream {stream.warmup_bars + 1} bars instead"
            )
        stream._engine.remember(memory)
        stream._go_live()
        return stream
