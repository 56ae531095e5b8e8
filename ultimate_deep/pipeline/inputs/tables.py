"""From bars and rows to the tables that a model's inputs are cut from; nothing is copied by row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from sklearn.preprocessing import RobustScaler

from ultimate_deep.features import compute_features
from ultimate_deep.features.gaf import gaf_numbers
from ultimate_deep.features.judging.outliers import RobustLimits
from ultimate_deep.features.pictures.bar_image import BARS as BARS_PICTURE
from ultimate_deep.market.market import Market
from ultimate_deep.market.timeframes import CoarseBars, coarse_bars
from ultimate_deep.market.times import clock_of
from ultimate_deep.market.windows import Windows
from ultimate_deep.pipeline.inputs.config import InputConfig, Kind
from ultimate_deep.pipeline.inputs.model_inputs import ModelInputs
from ultimate_deep.pipeline.rows import Rows
from ultimate_deep.pipeline.scaling import ArrayScaler, fit_scaler

BARS, BAR_IMAGE, CLOCK, FEATURES = "bars", "bar_image", "clock", "features"


@dataclass(frozen=True, eq=False)
class InputTable:
    """One table of bars, not yet scaled, and where each row's newest bar stands in it.

    Args:
        values: Float32 `(bars, columns)`, symbols one after another; None is the rows' own
            features, which are scaled elsewhere.
        ends: Position of each row's newest bar, int64 `(rows,)`.
        complete: Whether a row has all of its window, bool `(rows,)`.
        window_bars: Bars in a window; None takes the newest bar alone.
        scaled: Whether the columns are to be scaled robustly on the training rows.
        names: Features that the columns are; none where they are something else.
    """

    values: np.ndarray | None
    ends: np.ndarray
    complete: np.ndarray
    window_bars: int | None
    scaled: bool = True
    names: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class InputTables:
    """Everything that a model is fed, before scaling.

    Args:
        tables: Input name to table, in the model's order.
    """

    tables: dict[str, InputTable]

    @property
    def complete(self) -> np.ndarray:
        """Whether a row has all its inputs, bool `(rows,)`."""
        return np.logical_and.reduce([table.complete for table in self.tables.values()])


@dataclass(frozen=True, eq=False)
class RowInputs:
    """Scaled inputs of all rows, cut out when they are asked for.

    Args:
        windows: Input name to windows, of which only complete rows may be taken.
        tables: Where they came from.
        scalers: Input name to its own scaler; the features' is the experiment's.
        limits: Input name to its own limits, likewise; none where nothing is clipped.
    """

    windows: dict[str, np.ndarray]
    tables: InputTables
    scalers: dict[str, RobustScaler]
    limits: dict[str, RobustLimits] = field(default_factory=dict)

    @property
    def shapes(self) -> dict[str, tuple[int | None, ...]]:
        """Input name to shape without the rows, as `models.build_model` takes it."""
        return {
            name: (*(() if table.window_bars is None else (table.window_bars,)), values.shape[1])
            for (name, table), values in zip(
                self.tables.tables.items(), self.windows.values(), strict=True
            )
        }

    def take(self, rows: np.ndarray) -> ModelInputs:
        """Return the inputs of those rows by number: one for one input, else by name."""
        taken = {
            name: _cut(self.windows[name], table, rows)
            for name, table in self.tables.tables.items()
        }
        return next(iter(taken.values())) if len(taken) == 1 else taken


def input_tables(market: Market, rows: Rows, kind: Kind, config: InputConfig) -> InputTables:
    """Return the tables of a kind of inputs.

    Windows never cross symbols, and hold consecutive bars only. Coarse bars are those that are
    over at the decision.

    Args:
        market: Bars by symbol.
        rows: Rows of the decisions.
        kind: What is read.
        config: Sizes and timeframes.

    Raises:
        ValueError: An unknown feature, too few bars for any complete row, or coarser bars of
            irregular ones.
    """
    check_timeframes(market, kind, config)
    if kind == "features":
        found = {FEATURES: _own(rows, None)}
    elif kind == "gaf":
        found = {
            f"gaf_{factor}x": _gaf_table(market, rows, factor, config)
            for factor in config.gaf_timeframes
        }
    elif kind == "bar_image":
        found = {BAR_IMAGE: _bar_image_table(market, rows, config)}
    else:
        found = {BARS: _own(rows, config.window_bars)}
        if kind == "timeframes":
            for factor in config.timeframes:
                found[f"bars_{factor}x"] = _coarse_table(market, rows, factor, config)
        elif kind == "episodic":
            found[CLOCK] = _clock_table(rows)
    tables = InputTables(found)
    if not tables.complete.any():
        needed = {name: int(table.complete.sum()) for name, table in found.items()}
        raise ValueError(
            f"no row has all of its inputs; rows that have each: {needed}; bring more bars, or "
            "shorter windows (inputs.window_bars, inputs.timeframes, inputs.gaf_timeframes)"
        )
    return tables


def check_timeframes(market: Market, kind: str, config: InputConfig) -> None:
    """Refuse coarser bars of irregular ones, which no clock divides.

    Args:
        market: Bars by symbol.
        kind: What is read.
        config: Sizes and timeframes.

    Raises:
        ValueError: Naming what reads them, and what does not.
    """
    factors = {"timeframes": config.timeframes, "gaf": config.gaf_timeframes}.get(kind, ())
    coarse = [factor for factor in factors if factor != 1]
    if coarse and market.irregular:
        name = "gaf_timeframes" if kind == "gaf" else "timeframes"
        remedy = "inputs.gaf_timeframes=[1], or " if kind == "gaf" else ""
        raise ValueError(
            f"inputs.{name} are of bars {coarse} times as long, and irregular bars have no length; "
            f"give {remedy}a model that reads features or windows, such as mlp or lstm"
        )


def scaled_inputs(
    tables: InputTables, scaled: np.ndarray, train: np.ndarray, *, clip_multiple: float | None
) -> RowInputs:
    """Clip and scale every table on what the training rows see of it, and nothing else.

    Args:
        tables: What is read.
        scaled: The rows' own features, already scaled, float32 `(rows, features)`.
        train: Training row numbers with complete inputs.
        clip_multiple: Robust standard deviations beyond which values are clipped; None clips none.
    """
    scalers: dict[str, RobustScaler] = {}
    limits: dict[str, RobustLimits] = {}
    for name, table in tables.tables.items():
        if table.values is None or not table.scaled:
            continue
        seen, values = np.unique(table.ends[train]), table.values
        if clip_multiple is not None:
            limits[name] = RobustLimits.fit(values, seen, names=table.names, multiple=clip_multiple)
            values = limits[name].apply(values)
        scalers[name] = fit_scaler(values, seen)
    plain = {name: ArrayScaler.from_sklearn(one, limits.get(name)) for name, one in scalers.items()}
    return RowInputs(apply_scalers(tables, scaled, plain), tables, scalers, limits)


def apply_scalers(
    tables: InputTables, scaled: np.ndarray, scalers: dict[str, ArrayScaler]
) -> dict[str, np.ndarray]:
    """Return every table as the model reads it, float32 `(bars, columns)`, by input name."""
    windows = {}
    for name, table in tables.tables.items():
        if table.values is None:
            windows[name] = scaled
        elif table.scaled:
            windows[name] = scalers[name].transform(table.values)
        else:
            windows[name] = table.values
    return windows


def _cut(values: np.ndarray, table: InputTable, rows: np.ndarray) -> np.ndarray | Windows:
    if table.window_bars is None and table.values is None:
        return values[rows]
    return Windows(values, table.ends[rows], table.window_bars)


def _own(rows: Rows, window_bars: int | None) -> InputTable:
    """The rows' own features; a window is complete where its bars follow one another."""
    count = len(rows.labels)
    ends = np.arange(count, dtype=np.int64)
    complete = np.ones(count, dtype=bool)
    if window_bars is not None and window_bars > 1:
        first = ends - (window_bars - 1)
        earliest = np.maximum(first, 0)
        same = rows.symbol_code[earliest] == rows.symbol_code
        span = rows.bar_row - rows.bar_row[earliest]
        complete = (first >= 0) & same & (span == window_bars - 1)
    return InputTable(None, ends, complete, window_bars)


def _clock_table(rows: Rows) -> InputTable:
    """Days since 1970 and seconds of the day of each decision, both exact in float32."""
    count = len(rows.labels)
    return InputTable(
        clock_of(rows.decision_time),
        np.arange(count, dtype=np.int64),
        np.ones(count, dtype=bool),
        None,
        scaled=False,
    )


def _coarse_table(market: Market, rows: Rows, factor: int, config: InputConfig) -> InputTable:
    window = config.coarse_window_bars

    def values_of(frame: pd.DataFrame) -> np.ndarray:
        try:
            return compute_features(frame, config.coarse_features).values
        except ValueError as error:
            raise ValueError(
                f"inputs.timeframes, bars {factor} times as long: {error}; "
                "inputs.coarse_features names the features of coarse bars"
            ) from error

    names = config.coarse_features
    return _joined_table(market, rows, factor, values_of, window, scaled=True, names=names)


def _gaf_table(market: Market, rows: Rows, factor: int, config: InputConfig) -> InputTable:
    def values_of(frame: pd.DataFrame) -> np.ndarray:
        out = np.full((len(frame), config.gaf_size), np.nan, np.float32)
        window = config.gaf_window_bars
        if len(frame) >= window:
            closes = frame["close"].to_numpy()
            out[window - 1 :] = gaf_numbers(closes, window, config.gaf_size, dtype=np.float32)
        return out

    return _joined_table(market, rows, factor, values_of, None, scaled=False)


def _bar_image_table(market: Market, rows: Rows, config: InputConfig) -> InputTable:
    window = config.window_bars
    first = BARS_PICTURE.history(window) - 1

    def values_of(frame: pd.DataFrame) -> np.ndarray:
        out = np.full((len(frame), BARS_PICTURE.count(window, 0)), np.nan, np.float32)
        if len(frame) > first:
            columns = {name: frame[name].to_numpy() for name in BARS_PICTURE.series}
            ends = np.arange(first, len(frame))
            out[first:] = BARS_PICTURE.numbers(columns, window, 0, ends)
        return out

    return _joined_table(market, rows, 1, values_of, None, scaled=False)


def _joined_table(
    market: Market,
    rows: Rows,
    factor: int,
    values_of: Callable[[pd.DataFrame], np.ndarray],
    window_bars: int | None,
    *,
    scaled: bool,
    names: tuple[str, ...] = (),
) -> InputTable:
    """Compute each symbol's coarse table and point every row at its newest coarse bar."""
    parts: list[np.ndarray] = []
    ends = np.zeros(len(rows.labels), dtype=np.int64)
    complete = np.zeros(len(rows.labels), dtype=bool)
    before = 0
    for code, bars in enumerate(market.bars.values()):
        coarse = (
            CoarseBars(bars.frame, np.arange(len(bars)))
            if factor == 1 and bars.irregular
            else coarse_bars(bars.frame, bars.interval, factor)
        )
        values = values_of(coarse.frame)
        chosen = np.flatnonzero(rows.symbol_code == code)
        newest = coarse.newest[rows.bar_row[chosen]]
        usable = _usable(values, window_bars)
        known = newest >= 0
        complete[chosen[known]] = usable[newest[known]]
        ends[chosen] = before + np.maximum(newest, 0)
        parts.append(np.where(np.isfinite(values), values, 0.0).astype(np.float32))
        before += len(values)
    values = np.concatenate(parts)
    return InputTable(values, ends, complete, window_bars, scaled=scaled, names=names)


def _usable(values: np.ndarray, window_bars: int | None) -> np.ndarray:
    """Whether the window that ends at each bar is finite, bool `(bars,)`."""
    finite = np.isfinite(values).all(axis=1)
    window = window_bars or 1
    count = np.concatenate([[0], np.cumsum(finite)])
    usable = np.zeros(len(values), dtype=bool)
    usable[window - 1 :] = count[window:] - count[:-window] == window
    return usable
