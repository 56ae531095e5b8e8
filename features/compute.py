"""From a frame of bars to a matrix of features."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.graph import COLUMNS
from features.registry import Feature, registry
from features.runner import evaluate

# Features are limited to this: a quotient with a tiny denominator stays finite in float32.
LIMIT = 1e6

NO_VOLUME = "needs volume, and the bars have none (all zero)"


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureMatrix:
    """Features of a frame of bars.

    Attributes:
        values: `(rows, features)` float32, a row for each bar; NaN in the warm-up of each
            column and finite after it.
        names: Column names.
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

    def to_frame(self) -> pd.DataFrame:
        """The values as a pandas frame, columns named, index `timestamp`."""
        return pd.DataFrame(self.values, index=self.index, columns=list(self.names))


def bar_columns(frame: pd.DataFrame) -> npt.NDArray[np.float64]:
    """The six rows that programs read: open, high, low, close, volume and UTC seconds.

    Args:
        frame: Canonical bars: columns `open high low close volume`, index of tz-aware open
            times, strictly increasing. Other columns are ignored.

    Returns:
        `(6, rows)` float64.

    Raises:
        TypeError: The frame is not a DataFrame with a time index.
        ValueError: A column is missing or not numeric, times are naive or out of order, a value
            is not finite, a price not positive or a volume negative; the message names the row.
    """
    if not isinstance(frame, pd.DataFrame):
        raise TypeError(f"bars must be a pandas DataFrame; got {type(frame).__name__}")
    missing = [name for name in COLUMNS[:5] if name not in frame.columns]
    if missing:
        raise ValueError(
            f"bars lack the columns {missing}; they have {list(frame.columns)}. "
            "market.read_bars makes canonical bars of a file"
        )
    columns = np.empty((6, len(frame)))
    for row, name in enumerate(COLUMNS[:5]):
        try:
            columns[row] = frame[name].to_numpy(dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"column {name!r} must hold numbers: {error}") from error
    columns[5] = _seconds(frame.index)
    bad = ~np.isfinite(columns[:5])
    if bad.any():
        row = int(bad.any(axis=0).argmax())
        name = COLUMNS[int(bad[:, row].argmax())]
        raise ValueError(
            f"{name} of the bar at {frame.index[row]} (row {row}) is not finite; "
            "drop or repair such bars first (market.read_bars does)"
        )
    if (columns[:4] <= 0.0).any() or (columns[4] < 0.0).any():
        wrong = np.vstack([columns[:4] <= 0.0, columns[4:5] < 0.0])
        row = int(wrong.any(axis=0).argmax())
        name = COLUMNS[int(wrong[:, row].argmax())]
        raise ValueError(
            f"{name} of the bar at {frame.index[row]} (row {row}) is {frame[name].iloc[row]}; "
            "prices must be above zero and volumes not below it"
        )
    return columns


def _seconds(index: pd.Index) -> npt.NDArray[np.float64]:
    """UTC seconds since 1970 of a strictly increasing, tz-aware time index."""
    if not isinstance(index, pd.DatetimeIndex):
        raise TypeError(f"bars must be indexed by time (DatetimeIndex); got {type(index).__name__}")
    if index.tz is None:
        raise ValueError(
            "bar times are naive; state their zone first: frame.tz_localize('UTC') if they are UTC"
        )
    microseconds = index.as_unit("us").asi8
    disorder = np.diff(microseconds) <= 0
    if disorder.any():
        row = int(disorder.argmax()) + 1
        raise ValueError(
            f"bar times must increase strictly; row {row} ({index[row]}) follows {index[row - 1]}. "
            "Sort the frame and drop duplicates"
        )
    return microseconds / 1e6


def _usable(
    chosen: Sequence[Feature], has_volume: bool, named: bool
) -> tuple[list[Feature], dict[str, str]]:
    """Split features into those that the bars allow and those that they do not."""
    if has_volume:
        return list(chosen), {}
    kept = [feature for feature in chosen if not feature.needs_volume]
    dropped = {feature.name: NO_VOLUME for feature in chosen if feature.needs_volume}
    if dropped and named:
        raise ValueError(
            f"these features need volume, and the bars have none (all zero): {sorted(dropped)}. "
            "Leave them out or ask for names=None, which drops them"
        )
    return kept, dropped


def compute_features(frame: pd.DataFrame, names: Sequence[str] | None = None) -> FeatureMatrix:
    """Compute features for every bar, each from that bar and earlier ones only.

    Args:
        frame: Canonical bars: columns `open high low close volume`, index of tz-aware open
            times, strictly increasing. It is not changed.
        names: Features in the wanted order; None for all. Without volume (all zero) the
            features that need it are then left out and listed in `dropped`.

    Returns:
        A `FeatureMatrix` with a row for each bar.

    Raises:
        TypeError: `frame` is not a DataFrame with a time index.
        ValueError: Unknown names (with the nearest ones), features asked for by name that need
            absent volume, malformed bars, or no bar left after the warm-up.
    """
    known = registry()
    chosen = known.choose(names)
    columns = bar_columns(frame)
    has_volume = bool((columns[4] != 0.0).any())
    features, dropped = _usable(chosen, has_volume, named=names is not None)
    warmup = max(feature.warmup_bars for feature in features)
    if columns.shape[1] < warmup + 1:
        raise ValueError(
            f"these features need at least {warmup + 1} bars (warm-up {warmup}); "
            f"got {columns.shape[1]}. Bring more bars or choose features of shorter windows "
            "by name (features.feature_table() lists warm-ups)"
        )
    nodes = [feature.node for feature in features]
    values = evaluate(nodes, columns, dtype=np.float32, limit=LIMIT)
    index = frame.index
    assert isinstance(index, pd.DatetimeIndex)
    return FeatureMatrix(
        values=values,
        names=tuple(feature.name for feature in features),
        families=tuple(known.families[feature.name] for feature in features),
        warmup_bars=warmup,
        index=index.tz_convert("UTC"),
        dropped=dropped,
    )
