"""Features of a live feed: one bar in, one row out, to the bit what a whole file would give."""

import json
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ultimate_deep.features.compute import (
    FeatureMatrix,
    bar_arrays,
    frame_of,
    matrix_of,
)
from ultimate_deep.features.engine import bar_executor as bx
from ultimate_deep.features.engine.bar_executor import BY_SECONDS
from ultimate_deep.features.feature_engine import LIMIT, Engine, SpacingError
from ultimate_deep.features.own import refuse_functions
from ultimate_deep.features.registry import registry
from ultimate_deep.machine.archives import ArchiveError, read_arrays
from ultimate_deep.machine.files import whole_file
from ultimate_deep.machine.plain_json import JsonError, parse_json
from ultimate_deep.market.bars import Bars
from ultimate_deep.market.market import Market
from ultimate_deep.market.times import (
    NANOSECONDS,
    NEVER,
    interval_nanoseconds,
    shown_number,
    utc_nanoseconds,
    wrong_seconds,
)

# Format 1 kept times in seconds.
_FORMAT, _OF_SECONDS = 2, 1

# Rows that are made at once.
_ROWS = 256

_UNCHANGED = "the stream has not changed: drop the bar or correct it"
_RULES = {
    bx.NOT_FINITE: "every value of a bar must be a finite number",
    bx.NOT_POSITIVE: "prices must be above zero",
    bx.OUT_OF_BOUNDS: f"values must be 0 or between {bx.LEAST:g} and {bx.LARGEST:g} in size",
    bx.NEGATIVE_VOLUME: "the volume must not be below zero",
    bx.BAD_RANGE: "open and close must lie between low and high",
    bx.NOT_LATER: "a bar must open later than the one before: late, repeated or out of order",
}


class BarRefusedError(ValueError):
    """A bar that cannot follow the ones before; the stream is as if it had never come."""


class FeatureStream:
    """Features bar by bar.

    Args:
        names: Features in the wanted order; None for all default ones, without an interval those
            of the bars as they are. Volume features are neutral on bars without volume.
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
        chosen = registry().choose(names)
        if names is None and interval is None:
            # How long bars are cannot be known before they come; of irregular ones, never.
            chosen = tuple(feature for feature in chosen if feature.factor == 1)
        self._features = chosen
        refuse_functions(self._features, "has no stream")
        self._interval = interval_nanoseconds(interval)
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
        return pd.Timestamp(self._engine.last_time, unit="ns", tz="UTC")

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
            timestamp: Open time: an aware datetime, to the nanosecond, or UTC seconds since 1970,
                to the microsecond.
            open: The bar's opening price.
            high: The bar's highest price.
            low: The bar's lowest price.
            close: The bar's closing price.
            volume: Traded volume, not below zero.
            **further: Values of the further `columns`, by name.

        Returns:
            `(features,)` float32, a new array; NaN in each feature's warm-up.

        Raises:
            BarRefusedError: The bar is late, repeated, out of order or invalid, or its time
                outside 1900 to 2262.
            TypeError: A value is not a number, a time is naive, a further column is missing.
        """
        run = self._run
        if run is not None and type(timestamp) is float:
            seconds, time = timestamp, BY_SECONDS
        else:
            seconds, time = 0.0, self._time_of(timestamp)
        # A row that nobody else will write: cheaper from a block than one by one.
        place = self._next
        if place == _ROWS:
            self._rows = np.empty((_ROWS, self._width), dtype=np.float32)
            place = 0
        self._next = place + 1
        out = self._rows[place]
        try:
            if further or self._further:
                self._bar[6:] = self._rest(further)
            if run is not None:
                refused = run(self._places, out, open, high, low, close, volume, seconds, time)
            else:
                self._bar[:6] = (open, high, low, close, volume, time / NANOSECONDS)
                refused = self._engine.advance_one(self._bar, time, out)
        except SpacingError as error:
            raise BarRefusedError(f"{error}; {_UNCHANGED}") from error
        except (TypeError, ValueError, OverflowError) as error:
            values = (open, high, low, close, volume, *further.values())
            whole = [one for one in values if isinstance(one, int) and abs(one) > bx.LARGEST]
            if whole:  # no floating-point number need be that large
                raise BarRefusedError(
                    f"{_RULES[bx.OUT_OF_BOUNDS]}; got {shown_number(whole[0])}; {_UNCHANGED}"
                ) from error
            if all(isinstance(value, int | float | np.number) for value in values):
                raise
            raise TypeError(f"a bar must hold numbers; got {str(values)[:200]}") from error
        if refused:
            raise BarRefusedError(self._reason(refused, time))
        return out

    def _time_of(self, timestamp: float | datetime) -> int:
        """UTC nanoseconds of a bar's time."""
        try:
            return utc_nanoseconds(timestamp)
        except ValueError as error:
            raise BarRefusedError(f"{error}; {_UNCHANGED}") from error

    def _rest(self, further: dict[str, float]) -> list[float]:
        if set(further) != set(self._further):
            raise TypeError(
                f"bars of these features have the further columns {list(self._further)}; "
                f"got {sorted(further)}"
            )
        return [further[name] for name in self._further]

    def _reason(self, refused: int, time: int) -> str:
        if refused == bx.NO_TIME:
            return f"{wrong_seconds(float(self._bar[5]))}; {_UNCHANGED}"
        bar: dict[str, Any] = dict(zip(self._engine.columns, self._bar.tolist(), strict=True))
        stated = f"{bar['timestamp']} UTC seconds"
        exact = pd.Timestamp(time, unit="ns", tz="UTC") if time != BY_SECONDS else None
        bar["timestamp"] = str(exact) if exact else stated
        last = self.last_timestamp
        after = f"after {last}" if last is not None else "as the first one"
        return f"{_RULES[refused]}; got {bar} {after}; {_UNCHANGED}"

    def __repr__(self) -> str:
        return f"<stream of {len(self._features)} features, {self.bars_taken:,} bars taken>"

    def extend(self, frame: pd.DataFrame | Bars | Market) -> FeatureMatrix:
        """Take many bars at once, such as the history before going live.

        Args:
            frame: Bars, as for `compute_features`, that follow those taken so far.

        Returns:
            Their features, as `push` would have given one by one.

        Raises:
            BarRefusedError: The first bar does not follow the last one taken, or one comes sooner
                than the interval and there are features of coarser bars.
            TypeError, ValueError: Malformed bars, as in `compute_features`.
        """
        frame = frame_of(frame)
        columns, times = bar_arrays(frame, self._engine.columns)
        if len(frame) and times[0] <= self._engine.last_time:
            raise BarRefusedError(
                f"bars must follow the last one taken, of {self.last_timestamp}; "
                f"the first opens at {frame.index[0]}; leave out the bars already taken"
            )
        taken = self.bars_taken
        values = np.empty((len(frame), self._width), dtype=np.float32)
        try:
            self._engine.advance(columns, times, values)
        except SpacingError as error:
            raise BarRefusedError(f"{error}; the stream has not changed") from error
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
            "interval_nanoseconds": self._interval,
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
            Path(path).stat()  # raises where there is nothing
            memory: dict[str, Any] = read_arrays(Path(path), ["about"], lambda name: True)
            about = parse_json(memory.pop("about").tobytes())
            known = about["format"] in (_FORMAT, _OF_SECONDS)
        except (ArchiveError, JsonError, KeyError, TypeError) as error:
            raise ValueError(f"{path} does not hold a saved FeatureStream: {error}") from error
        if not known:
            raise ValueError(
                f"{path} is of format {about['format']}, this version reads {_FORMAT}; "
                "feed the stream its warm-up anew"
            )
        if about["format"] == _OF_SECONDS:
            try:
                about, memory = _from_seconds(about, memory)
            except (KeyError, ValueError, TypeError, OverflowError) as error:
                raise ValueError(
                    f"{path} cannot be gone on with: {error}; feed a new stream its warm-up instead"
                ) from error
        if wrong := _wrong_entry(about):
            raise ValueError(f"{path} does not hold a saved FeatureStream: its {wrong} is no such")
        nanoseconds = about["interval_nanoseconds"]
        interval = None if nanoseconds is None else pd.Timedelta(nanoseconds, unit="ns")
        stream = cls(about["names"], interval=interval)
        if stream._engine.digest != about["digest"]:
            raise ValueError(
                f"{path} was saved by another version: the features' definitions have changed; "
                f"feed a new stream {stream.warmup_bars + 1} bars instead"
            )
        try:
            stream._engine.remember(memory)
        except (KeyError, ValueError, TypeError) as error:
            what = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
            raise ValueError(
                f"{path} does not hold a saved FeatureStream: {what}; "
                f"feed a new stream {stream.warmup_bars + 1} bars instead"
            ) from error
        stream._go_live()
        return stream


def _wrong_entry(about: dict[str, Any]) -> str | None:
    """Return the entry of a saved stream that is absent or of another kind than `save` writes."""
    names, interval = about.get("names"), about.get("interval_nanoseconds", 0)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return "names"
    if interval is not None and (type(interval) is not int or not 0 < interval < -NEVER):
        return "interval"
    return None if isinstance(about.get("digest"), str) else "digest"


def _from_seconds(
    about: dict[str, Any], memory: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `save` of format 1 wrote, with integer nanoseconds in place of seconds."""
    seconds = about["interval_seconds"]
    interval = None if seconds is None else round(seconds * NANOSECONDS)
    last = float(memory["base.clock"][1])
    time = NEVER if np.isinf(last) else utc_nanoseconds(last)
    changed = dict(memory)
    for key, array in memory.items():
        owner, _, part = key.rpartition(".")
        if part == "clock":
            changed[key] = np.array([int(array[0]), time])
        elif part == "part":
            # The coarse bar under way, if there is one, holds the last bar.
            span = int(owner.removeprefix("x")) * (interval or 1)
            opens = NEVER if np.isnan(array[5]) else time // span * span
            changed[f"{owner}.start"] = np.array([opens])
    return {**about, "interval_nanoseconds": interval}, changed
