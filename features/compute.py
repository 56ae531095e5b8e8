"""From a frame of bars to a matrix of features."""

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd

from ultimate_deep.features.bar_checks import bar_times, check_values, unit_of_numbers
from ultimate_deep.features.engine.graph import COLUMNS
from ultimate_deep.features.feature_engine import Engine
from ultimate_deep.features.own import FunctionFeature, refuse_functions
from ultimate_deep.features.registry import Feature, registry
from ultimate_deep.market.bars import Bars
from ultimate_deep.market.market import Market
from ultimate_deep.market.times import interval_nanoseconds, seconds_of

NO_VOLUME = "needs volume, and the bars have none (all zero)"
NO_LENGTH = "needs bars of one length, and these have none"

# Stated in place of an interval.
IRREGULAR = "irregular"


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureMatrix:
    """Features of a frame of bars.

    Attributes:
        values: `(rows, features)` float32, a row for each bar; NaN in the warm-up of each
            column and finite after it.
        names: Names of the columns.
        families: Family of each column.
        warmup_bars: Rows before every column is finite.
        index: UTC open times of the bars.
        dropped: Name of each default feature left out, and why.
    """

    values: npt.NDArray[np.float32]
    names: tuple[str, ...]
    families: tuple[str, ...]
    warmup_bars: int
    index: pd.DatetimeIndex
    dropped: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        expected = (len(self.index), len(self.names))
        if self.values.shape != expected or len(self.families) != len(self.names):
            raise ValueError(
                f"values must have a row per bar and a column per name, {expected}; "
                f"got {self.values.shape} and {len(self.families)} families"
            )

    def __repr__(self) -> str:
        rows, columns = self.values.shape
        return (
            f"<{columns} features of {rows:,} bars, {self.index[0]:%Y-%m-%d} to "
            f"{self.index[-1]:%Y-%m-%d}, all known from row {self.warmup_bars} on>"
        )

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>{self.frame().tail().to_html()}"

    def frame(self) -> pd.DataFrame:
        """The values as a pandas frame, columns named, index `timestamp`; they are not copied."""
        return pd.DataFrame(self.values, index=self.index, columns=list(self.names), copy=False)


def bar_columns(frame: pd.DataFrame, names: Sequence[str] = COLUMNS) -> npt.NDArray[np.float64]:
    """The first part of `bar_arrays`."""
    return bar_arrays(frame, names)[0]


def bar_arrays(
    frame: pd.DataFrame, names: Sequence[str] = COLUMNS
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """The rows that programs read: open, high, low, close, volume, UTC seconds, further ones.

    Args:
        frame: Canonical bars: columns `open high low close volume`, index of tz-aware open
            times, strictly increasing. Columns that are not named are ignored.
        names: The six usual ones, then any further columns.

    Returns:
        Those rows, `(names, rows)` float64, and the open times in UTC nanoseconds, `(rows,)`.

    Raises:
        TypeError: The frame is not a DataFrame with a time index.
        ValueError: A column is missing or not numeric, times are naive, out of order or outside
            1900 to 2262, a value is not finite or of a size outside 1e-50 to 1e50, a price not
            positive, a volume negative, or open or close outside of low and high; the message
            names the row.
    """
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(
            "bars are what ultimate_deep.read_bars gives, or a pandas DataFrame; got "
            f"{type(frame).__name__}"
        )
    wanted = [*names[:5], *names[6:]]
    missing = [name for name in wanted if name not in frame.columns]
    if missing:
        further = [name for name in missing if name not in COLUMNS]
        lower = {str(name).lower() for name in frame.columns}
        remedy = (
            f"{further} are further columns that some of these features need"
            if further
            else "give bars.rename(columns=str.lower)"
            if lower.issuperset(missing)
            else "ultimate_deep.read_bars makes canonical bars of a file"
        )
        raise ValueError(
            f"bars lack the columns {missing}; they have {list(frame.columns)}: {remedy}"
        )
    times = bar_times(frame.index)
    columns = np.empty((len(names), len(frame)))
    columns[5] = seconds_of(times)
    for row, name in enumerate(names):
        if row == 5:
            continue
        try:
            columns[row] = frame[name].to_numpy(dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"column {name!r} must hold numbers: {error}") from error
    check_values(columns, names, frame)
    return columns, times


def _usable(
    frame: pd.DataFrame, names: Sequence[str] | None, interval: int | None
) -> tuple[list[Feature], dict[str, str]]:
    """Split features into those that the bars allow and those that they do not.

    What is no frame of bars is left to `bar_columns` to refuse.
    """
    chosen = registry().choose(names)
    dropped: dict[str, str] = {}
    known = isinstance(frame, pd.DataFrame) and "volume" in frame.columns
    if known and not bool(frame["volume"].to_numpy().any()):
        dropped = {feature.name: NO_VOLUME for feature in chosen if feature.needs_volume}
    if dropped and names is not None:
        raise ValueError(
            f"these features need volume, and the bars have none (all zero): {sorted(dropped)}; "
            "leave them out or ask for names=None, which drops them"
        )
    coarse = [feature.name for feature in chosen if feature.factor > 1]
    if coarse and names is not None and interval is None:
        raise ValueError(
            "features of coarser bars need bars of one length, and these are irregular; leave "
            f"out {coarse[:5]}, or state interval='1min' where that is a bar's length"
        )
    if coarse and names is None and not _has_length(frame, interval):
        dropped |= dict.fromkeys(coarse, NO_LENGTH)
    return [feature for feature in chosen if feature.name not in dropped], dropped


def _has_length(frame: pd.DataFrame, interval: int | None) -> bool:
    """Whether bars follow each other by this many nanoseconds at least."""
    if interval is None:
        return False
    return len(frame) < 2 or int(np.diff(bar_times(frame.index)).min()) >= interval


def _interval_of(
    bars: pd.DataFrame | Bars | Market, frame: pd.DataFrame, interval: str | pd.Timedelta | None
) -> int | None:
    """Return a bar's nanoseconds: what bars say, is stated or times show; None of irregular ones.

    The times of bars of one length show it: of all steps from one to the next, the shortest is
    the most common.
    """
    if isinstance(bars, (Bars, Market)):
        interval = IRREGULAR if bars.irregular else interval or bars.interval
    if isinstance(interval, str) and interval == IRREGULAR:
        return None
    if interval is not None:
        return interval_nanoseconds(interval)
    if not isinstance(frame, pd.DataFrame) or len(frame) < 2:
        return None
    steps, counts = np.unique(np.diff(bar_times(frame.index)), return_counts=True)
    return int(steps[0]) if counts[0] == counts.max() else None


@lru_cache(maxsize=16)
def _names_and_families(
    features: tuple[Feature, ...],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    known = registry()
    names = tuple(feature.name for feature in features)
    return names, tuple(known.family_of(name) for name in names)


def matrix_of(
    features: Sequence[Feature],
    values: npt.NDArray[np.float32],
    frame: pd.DataFrame,
    warmup_bars: int,
    dropped: dict[str, str] | None = None,
) -> FeatureMatrix:
    """Values with their names, families and times."""
    index = frame.index
    assert isinstance(index, pd.DatetimeIndex)
    names, families = _names_and_families(tuple(features))
    return FeatureMatrix(
        values=values,
        names=names,
        families=families,
        warmup_bars=warmup_bars,
        index=index.tz_convert("UTC"),
        dropped=dropped or {},
    )


def _found_warmup(features: Sequence[Feature], values: npt.NDArray[np.float32]) -> int:
    """Rows before every column is finite; gaps lengthen the warm-up of coarser bars."""
    warmup = max((f.warmup_bars for f in features if f.factor == 1), default=0)
    coarse = [k for k, feature in enumerate(features) if feature.factor > 1]
    if coarse:
        missing = np.asarray(np.isnan(values[:, coarse]).any(axis=1))
        warmup = max(warmup, len(missing) - int(missing[::-1].argmax()) if missing.any() else 0)
    return warmup


def compute_features(
    bars: pd.DataFrame | Bars | Market,
    names: Sequence[str] | None = None,
    *,
    interval: str | pd.Timedelta | None = None,
) -> FeatureMatrix:
    """Compute features for every bar, each from that bar and earlier ones only.

    Args:
        bars: What `read_bars` gives, of one symbol, or canonical bars: columns `open high low close
            volume`, index of tz-aware open times, strictly increasing, and the further columns
            that features ask for. They are not changed.
        names: Features in the wanted order; None for all default ones. Without volume (all
            zero) those of them that need it are left out and listed in `dropped`, as are those of
            coarser bars where bars are irregular. A name with `_4x`, `_5x`, `_15x`, `_16x` or
            `_60x` at its end is the feature on coarser bars.
        interval: Interval of the bars, for features of coarser bars; `"irregular"` where they have
            none. Of a DataFrame it is found where it is not stated: the shortest step from one bar
            to the next, if that is the most common one.

    Returns:
        A `FeatureMatrix` with a row for each bar.

    Raises:
        TypeError: `bars` are not bars, or a DataFrame without a time index.
        ValueError: Unknown names (with the nearest ones), features asked for by name that need
            absent volume, those of coarser bars where bars are irregular, malformed bars, bars of
            several symbols, or no bar left after the warm-up.

    Example:
        >>> import ultimate_deep as ud
        >>> matrix = ud.compute_features(ud.simulate_bars(1_000), ["return_log_1", "return_log_5"])
        >>> matrix
        <2 features of 1,000 bars, 2000-01-01 to 2000-02-11, all known from row 5 on>
        >>> list(matrix.frame().columns)
        ['return_log_1', 'return_log_5']
    """
    frame = frame_of(bars)
    length = _interval_of(bars, frame, interval)
    features, dropped = _usable(frame, names, length)
    engine = Engine(features, length)
    columns, times = bar_arrays(frame, engine.columns)
    needed = max(feature.warmup_bars for feature in features) + 1
    if columns.shape[1] < needed:
        raise _too_few(needed, columns.shape[1])
    values = np.empty((columns.shape[1], len(features)), dtype=np.float32)
    engine.advance(columns, times, values)
    for place, feature in enumerate(features):
        if isinstance(feature, FunctionFeature):
            values[:, place] = feature.compute(frame)
    warmup = _found_warmup(features, values)
    if warmup >= len(values):
        raise _too_few(warmup + 1, len(values))
    return matrix_of(features, values, frame, warmup, dropped)


def frame_of(bars: pd.DataFrame | Bars | Market) -> pd.DataFrame:
    """Return the table of one symbol's bars, indexed by the column `timestamp` where it has one."""
    if isinstance(bars, Market):
        return bars.frame()
    if isinstance(bars, Bars):
        return bars.frame
    if isinstance(bars, pd.DataFrame) and "timestamp" in bars.columns:
        unit = unit_of_numbers(bars["timestamp"])
        if unit:
            raise TypeError(
                "the column timestamp must hold times; got numbers; give bars.assign("
                f"timestamp=pd.to_datetime(bars['timestamp'], unit={unit!r}, utc=True))"
            )
        return bars.set_index("timestamp")
    return bars


def _too_few(needed: int, got: int) -> ValueError:
    return ValueError(
        f"these features need at least {needed} bars (warm-up {needed - 1}); got {got}; "
        "bring more bars or choose features of shorter windows by name "
        "(ultimate_deep.features.feature_table() lists warm-ups)"
    )


def iter_features(
    frame: pd.DataFrame,
    names: Sequence[str] | None = None,
    *,
    interval: str | pd.Timedelta | None = None,
    block_rows: int = 16_384,
) -> Iterator[FeatureMatrix]:
    """The rows of `compute_features` in blocks, so that memory does not grow with the bars.

    Args:
        frame: Canonical bars, as for `compute_features`.
        names: Features in the wanted order; None for all default ones.
        interval: Interval of the bars, as for `compute_features`.
        block_rows: Rows of each block, the last one's apart; at least 1.

    Yields:
        Blocks in order. `warmup_bars` counts the block's own leading rows that are not finite
        (on coarser bars without gaps).

    Raises:
        TypeError, ValueError: What `compute_features` raises; a malformed bar is found when its
            block is asked for.
    """
    if block_rows < 1:
        raise ValueError(f"a block must have at least 1 row; got {block_rows}")
    frame = frame_of(frame)
    length = _interval_of(frame, frame, interval)
    features, dropped = _usable(frame, names, length)
    refuse_functions(features, "cannot be computed in blocks")
    engine = Engine(features, length)
    warmup = max(feature.warmup_bars for feature in features)
    for start in range(0, len(frame), block_rows):
        part = frame.iloc[start : start + block_rows]
        columns, times = bar_arrays(part, engine.columns)
        if times[0] <= engine.last_time:
            raise ValueError(
                f"bar times must increase strictly; row {start} ({part.index[0]}) follows "
                f"{frame.index[start - 1]}; sort the frame and drop duplicates"
            )
        values = np.empty((len(part), len(features)), dtype=np.float32)
        engine.advance(columns, times, values)
        left = min(max(warmup - start, 0), len(part))
        yield matrix_of(features, values, part, left, dropped)
