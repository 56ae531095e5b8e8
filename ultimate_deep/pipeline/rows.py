"""From bars to rows that a model can be fitted on: features, labels and split, pooled by symbol."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ultimate_deep.features import FeatureMatrix, compute_features
from ultimate_deep.features.compute import IRREGULAR
from ultimate_deep.features.registry import registry
from ultimate_deep.market.config import LabelSpec, SplitSpec
from ultimate_deep.market.labels import Labels, label_end_times, make_labels
from ultimate_deep.market.market import Market
from ultimate_deep.market.splits import Split, chronological_split
from ultimate_deep.market.times import close_times, open_times, utc_index
from ultimate_deep.pipeline.targets import Targets, pooled_targets

FeatureFunction = Callable[[pd.DataFrame], FeatureMatrix]


@dataclass(frozen=True, eq=False)
class Rows:
    """One row for each bar whose features are finite, pooled over symbols.

    Every array has `rows` entries. Row `i` is the decision at the close of bar `bar_row[i]` of
    symbol number `symbol_code[i]`.

    Args:
        values: Unscaled features, float32 `(rows, features)`.
        labels: 1.0 up, 0.0 down, NaN where a tie or the end of the bars leaves it undefined.
        return_log: Log return from entry open to exit open; NaN where undefined.
        decision_time: UTC time of the decision, the bar's close, `datetime64[ns]`.
        label_end_time: UTC time at which the label is known, `datetime64[ns]`.
        symbol_code: Position of the row's symbol in `symbols`.
        bar_row: Position of the row's bar in its symbol's frame.
        probability_up: True probability of an up label; None on real bars.
        symbols: Symbols in order.
        names: Feature names in order.
        families: Family of each feature.
        dropped: Features that these bars do not allow, and why.
        warmup_bars: Bars before a symbol's first row.
        targets: What several heads learn; None where the label alone is predicted.
    """

    values: np.ndarray
    labels: np.ndarray
    return_log: np.ndarray
    decision_time: np.ndarray
    label_end_time: np.ndarray
    symbol_code: np.ndarray
    bar_row: np.ndarray
    probability_up: np.ndarray | None
    symbols: tuple[str, ...]
    names: tuple[str, ...]
    families: tuple[str, ...]
    dropped: dict[str, str]
    warmup_bars: int
    targets: Targets | None = None


def assemble_rows(
    market: Market,
    label: LabelSpec,
    feature_function: FeatureFunction = compute_features,
    label_function: Callable[[pd.DataFrame, LabelSpec], Labels] = make_labels,
    horizons_bars: tuple[int, ...] = (),
) -> Rows:
    """Compute features and labels of every symbol and pool the usable rows.

    Args:
        market: Bars by symbol.
        label: What is predicted.
        feature_function: Bars to features.
        label_function: Bars to labels.
        horizons_bars: Every horizon that several heads learn, the label's first; empty where the
            label alone is predicted. A row's label then ends with the longest of them.

    Raises:
        ValueError: Too few bars for the features' warm-up.
    """
    matrices = {symbol: feature_function(market.frame(symbol)) for symbol in market.bars}
    shared, dropped = _shared_features(matrices)
    parts = [
        _symbol_rows(
            market, code, matrices[symbol], shared, label_function(bars.frame, label), label
        )
        for code, (symbol, bars) in enumerate(market.bars.items())
    ]
    first = next(iter(matrices.values()))
    families = dict(zip(first.names, first.families, strict=True))
    pooled = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    truth = pooled.pop("probability_up")
    targets = None
    if horizons_bars:
        targets, ends = pooled_targets(market, pooled, label, horizons_bars, label_function)
        pooled["label_end_time"] = np.maximum(pooled["label_end_time"], ends)
    return Rows(
        **pooled,
        probability_up=None if market.probability_up is None else truth,
        targets=targets,
        symbols=tuple(market.bars),
        names=shared,
        families=tuple(families[name] for name in shared),
        dropped=dropped,
        warmup_bars=max(matrix.warmup_bars for matrix in matrices.values()),
    )


def feature_function(market: Market, names: Sequence[str] | None = None) -> FeatureFunction:
    """Return how features of a market's bars are computed, of all of its bars or of some.

    Args:
        market: Says how long its bars are, which features of coarser bars depend on.
        names: Features in the wanted order; None for every one that the bars allow.
    """
    interval = stated_interval(market)
    return lambda frame: compute_features(frame, names, interval=interval)


def stated_interval(market: Market) -> str | pd.Timedelta:
    """Return how long a market's bars are, as `compute_features` takes it."""
    return IRREGULAR if market.irregular else market.interval


def check_feature_names(names: Sequence[str], setting: str, *, of_coarse: bool = False) -> None:
    """Refuse names that no run computes: unknown ones, and those of coarser bars than coarse ones.

    Args:
        names: Features; none of them is every one that the bars allow.
        setting: Where they were given.
        of_coarse: Whether they are computed of bars that are coarse already.

    Raises:
        ValueError: Naming them, and what gives features of coarser bars.
    """
    chosen = registry().choose(names) if names else ()
    coarse = [feature.name for feature in chosen if feature.factor > 1]
    if coarse and of_coarse:
        raise ValueError(
            f"{setting} are computed of the bars of inputs.timeframes as they are, got "
            f"{', '.join(coarse[:5])} of bars several times as long; leave "
            f"{'it' if len(coarse) == 1 else 'them'} out, and give inputs.timeframes another length"
        )


def own_returns(market: Market, rows: Rows) -> np.ndarray:
    """Return the log return of each row's own bar, from close to close, float64 `(rows,)`."""
    last = np.empty(len(rows.labels))
    for code, bars in enumerate(market.bars.values()):
        chosen = rows.symbol_code == code
        change = np.concatenate([[0.0], np.diff(np.log(bars.frame["close"].to_numpy()))])
        last[chosen] = change[rows.bar_row[chosen]]
    return last


def decision_columns(market: Market, rows: Rows, part: np.ndarray | slice) -> dict[str, Any]:
    """Return what tells decisions apart: `symbol`, `timestamp` (bar open) and `decision_time`.

    Args:
        market: Bars by symbol.
        rows: Pooled rows of them.
        part: Row numbers to tell of, in order.
    """
    return {
        "symbol": np.array(rows.symbols, dtype=object)[rows.symbol_code[part]],
        "timestamp": utc_index(row_opens(market, rows)[part]),
        "decision_time": utc_index(rows.decision_time[part]),
    }


def row_opens(market: Market, rows: Rows) -> np.ndarray:
    """Return when each row's bar opens, `datetime64[ns]` in UTC, `(rows,)`."""
    opens = np.empty(len(rows.bar_row), dtype="datetime64[ns]")
    for code, bars in enumerate(market.bars.values()):
        chosen = rows.symbol_code == code
        opens[chosen] = open_times(bars)[rows.bar_row[chosen]]
    return opens


def split_rows(rows: Rows, spec: SplitSpec, interval: pd.Timedelta) -> Split:
    """Split pooled rows by time, the same two boundaries for every symbol."""
    return chronological_split(rows.decision_time, rows.label_end_time, spec, interval=interval)


def _shared_features(
    matrices: dict[str, FeatureMatrix],
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the features that every symbol has, and the others with the reason."""
    dropped: dict[str, str] = {}
    for symbol, matrix in matrices.items():
        for name, reason in matrix.dropped.items():
            dropped.setdefault(name, f"{symbol}: {reason}")
    first = next(iter(matrices.values()))
    return tuple(name for name in first.names if name not in dropped), dropped


def _symbol_rows(
    market: Market,
    code: int,
    matrix: FeatureMatrix,
    names: tuple[str, ...],
    labels: Labels,
    spec: LabelSpec,
) -> dict[str, np.ndarray]:
    symbol = list(market.bars)[code]
    bars = market.bars[symbol]
    columns = [matrix.names.index(name) for name in names]
    values = matrix.values[:, columns]
    usable = np.flatnonzero(np.isfinite(values).all(axis=1))
    if usable.size == 0:
        raise ValueError(
            f"{symbol}: no bar has all {len(names)} features; {len(bars.frame)} bars are fewer "
            f"than the warm-up of {matrix.warmup_bars}; bring more bars or name fewer features"
        )
    label_end = label_end_times(bars, labels, spec.horizon_bars)
    truth = np.full(len(bars), np.nan)
    if market.probability_up is not None:
        truth = market.probability_up[symbol]
    return {
        "values": np.ascontiguousarray(values[usable]),
        "labels": labels.values[usable],
        "return_log": labels.return_log[usable],
        "decision_time": close_times(bars)[usable],
        "label_end_time": label_end[usable],
        "symbol_code": np.full(usable.size, code, np.int64),
        "bar_row": usable.astype(np.int64),
        "probability_up": truth[usable],
    }


def keep_features(rows: Rows, names: Sequence[str]) -> Rows:
    """Return the rows with these features alone, in the order given.

    Raises:
        ValueError: A name that the rows do not have, or none at all.
    """
    missing = [name for name in names if name not in rows.names]
    if missing or not names:
        raise ValueError(
            f"a selection names at least one of the {len(rows.names)} features, got "
            f"{len(names)} names, unknown: {missing}; return names from `rows.names`"
        )
    columns = [rows.names.index(name) for name in names]
    return dataclasses.replace(
        rows,
        values=np.ascontiguousarray(rows.values[:, columns]),
        names=tuple(names),
        families=tuple(rows.families[column] for column in columns),
    )
