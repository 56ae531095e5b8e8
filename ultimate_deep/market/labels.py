"""Labels: what a decision at a bar's close turned into, with the rows that it needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ultimate_deep.market.bars import Bars
from ultimate_deep.market.candlesticks import candlestick_patterns
from ultimate_deep.market.config import LabelSpec
from ultimate_deep.market.times import close_times, open_times

# Those of a user's own by name, which a plugin has registered.
OWN_LABELS: dict[str, Callable[[pd.DataFrame, LabelSpec], Any]] = {}


@dataclass(frozen=True, eq=False)
class Labels:
    """One entry for each bar; row t is the decision at bar t's close. All arrays `(rows,)`.

    Attributes:
        values: Labels in {0, 1}, float64; NaN where undefined or dropped by the rule for ties. Of
            the kind `pattern`, 0 to 8.
        return_log: Log return, float64, from open[entry_row] to open[exit_row]; NaN where
            undefined.
        entry_row: Row of the fill, t+1, int64; -1 where undefined.
        exit_row: Row whose open ends the label, int64; -1 where undefined. At that time all that
            the label depends on is known.
    """

    values: np.ndarray
    return_log: np.ndarray
    entry_row: np.ndarray
    exit_row: np.ndarray


def make_labels(frame: pd.DataFrame, spec: LabelSpec) -> Labels:
    """Return the labels of canonical bars.

    A label is defined where its whole horizon lies inside the frame and, for barriers, where the
    volatility is known and above zero. Triple barrier: a touch inside bar j ends the label at the
    open of bar j+1, the first at which one can act on it; an open beyond a barrier touches it
    first; a bar that reaches both barriers otherwise counts as the lower one.

    Source: Lopez de Prado (2018), Advances in Financial Machine Learning, ch. 3.4; deviations: the
    fill at the next open, the rule for double touches, no touch gives the direction.

    Raises:
        ValueError: When the frame is not longer than the horizon and the entry need.
    """
    rows, horizon = len(frame), spec.horizon_bars
    if rows < horizon + 2:
        raise ValueError(
            f"labels of horizon_bars={horizon} need at least {horizon + 2} bars, got {rows}; "
            "give more bars or a shorter horizon"
        )
    if spec.kind == "pattern":
        values = candlestick_patterns(frame).astype(np.float64)
        values[values < 0] = np.nan
        return _with_horizon(frame, values, horizon)
    if spec.kind in OWN_LABELS:
        return _own_labels(frame, spec)
    opens = frame["open"].to_numpy(dtype=np.float64)
    decisions = np.arange(rows - 1 - horizon)
    if spec.kind == "direction":
        exits = decisions + 1 + horizon
        touched = np.full(len(decisions), np.nan)
    else:
        exits, touched = _touch_barriers(frame, spec, decisions)
        known = exits >= 0
        decisions, exits, touched = decisions[known], exits[known], touched[known]
    entry = decisions + 1
    direction = _direction(opens[exits] / opens[entry] - 1.0, spec)
    values = np.full(rows, np.nan)
    values[decisions] = np.where(np.isnan(touched), direction, touched)
    return_log = np.full(rows, np.nan)
    return_log[decisions] = np.log(opens[exits] / opens[entry])
    entry_row = np.full(rows, -1, dtype=np.int64)
    entry_row[decisions] = entry
    exit_row = np.full(rows, -1, dtype=np.int64)
    exit_row[decisions] = exits
    return Labels(values=values, return_log=return_log, entry_row=entry_row, exit_row=exit_row)


def _own_labels(frame: pd.DataFrame, spec: LabelSpec) -> Labels:
    """Return a user's labels, with the fill and the end of the horizon that ours have.

    Raises:
        ValueError: Another number of labels than bars, or one that is not 0, 1 or NaN.
    """
    rows, horizon = len(frame), spec.horizon_bars
    values = np.array(OWN_LABELS[spec.kind](frame.copy(), spec), dtype=np.float64)
    if values.shape != (rows,):
        raise ValueError(
            f"label {spec.kind!r} gave values of shape {values.shape} for {rows} bars; return one "
            "for each bar"
        )
    known = np.arange(rows - 1 - horizon)
    values[len(known) :] = np.nan  # the horizon ends after the last bar
    if not np.isin(values[np.isfinite(values)], (0.0, 1.0)).all() or np.isinf(values).any():
        row = int(np.argmin(np.isin(values, (0.0, 1.0)) | np.isnan(values)))
        raise ValueError(
            f"label {spec.kind!r} is {values[row]} for the bar at {frame.index[row]}; labels are "
            "0, 1 or NaN for none"
        )
    return _with_horizon(frame, values, horizon)


def _with_horizon(frame: pd.DataFrame, values: np.ndarray, horizon: int) -> Labels:
    """Return labels that are known at once, with the fill and the end of the horizon."""
    rows = len(frame)
    known = np.arange(rows - 1 - horizon)
    values[len(known) :] = np.nan
    opens = frame["open"].to_numpy(dtype=np.float64)
    entry_row, exit_row = np.full((2, rows), -1, dtype=np.int64)
    entry_row[known], exit_row[known] = known + 1, known + 1 + horizon
    return_log = np.full(rows, np.nan)
    return_log[known] = np.log(opens[exit_row[known]] / opens[entry_row[known]])
    return Labels(values=values, return_log=return_log, entry_row=entry_row, exit_row=exit_row)


def _direction(return_simple: np.ndarray, spec: LabelSpec) -> np.ndarray:
    band = spec.cost_band_bps * 1e-4
    tie = {"drop": np.nan, "down": 0.0, "up": 1.0}[spec.ties]
    return np.where(return_simple > band, 1.0, np.where(return_simple < -band, 0.0, tie))


def _touch_barriers(
    frame: pd.DataFrame, spec: LabelSpec, decisions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return exit rows (-1 without a known volatility) and the barrier met: 1, 0 or NaN."""
    opens, highs, lows = (
        frame[name].to_numpy(dtype=np.float64) for name in ("open", "high", "low")
    )
    volatility = _volatility(frame["close"].to_numpy(dtype=np.float64), spec.barrier_window_bars)
    volatility = volatility[decisions]
    known = volatility > 0
    entry = opens[decisions + 1]
    upper = entry * np.exp(spec.barrier_up * np.where(known, volatility, 1.0))
    lower = entry * np.exp(-spec.barrier_down * np.where(known, volatility, 1.0))
    exits = decisions + 1 + spec.horizon_bars
    touched = np.full(len(decisions), np.nan)
    open_to_touch = np.ones(len(decisions), dtype=bool)
    for step in range(spec.horizon_bars):
        bar = decisions + 1 + step
        opens_above = opens[bar] >= upper
        down = open_to_touch & ~opens_above & (lows[bar] <= lower)
        up = open_to_touch & ~down & (highs[bar] >= upper)
        touched[down], touched[up] = 0.0, 1.0
        now = down | up
        exits[now] = bar[now] + 1
        open_to_touch &= ~now
    return np.where(known, exits, -1), touched


def _volatility(close: np.ndarray, window_bars: int) -> np.ndarray:
    """Root mean square of the last log returns, `(rows,)`; NaN in the first `window_bars` rows."""
    squares = np.diff(np.log(close)) ** 2
    out = np.full(len(close), np.nan)
    if len(squares) >= window_bars:
        windows = np.lib.stride_tricks.sliding_window_view(squares, window_bars)
        out[window_bars:] = np.sqrt(windows.mean(axis=1))
    return out


def label_end_times(bars: Bars, labels: Labels, horizon_bars: int) -> np.ndarray:
    """Return when each bar's label is known, `datetime64[ns]` `(bars,)`.

    That is when its last bar opens; of irregular bars whose times are closes, when that bar closes,
    since it may have opened at any time before. An undefined label ends after the last bar: its
    row belongs to the last part only.
    """
    closes = close_times(bars)
    known = open_times(bars) if bars.opens_known else closes
    unknown_end = closes[-1] + bars.interval.to_timedelta64() * horizon_bars
    return np.where(labels.exit_row >= 0, known[np.maximum(labels.exit_row, 0)], unknown_end)


def horizon_bars_of(horizon: int | str, interval: pd.Timedelta | None) -> int:
    """Return the bars of a horizon that is given in bars or as a time such as `15min`.

    Args:
        horizon: Bars, or a time.
        interval: Length of a bar; None for irregular ones.

    Raises:
        ValueError: No whole number of bars, or none at all, or a time though bars are irregular.
    """
    text = str(horizon)
    if text.isdigit():
        bars = float(text)
    elif interval is None:
        raise ValueError(
            f"a horizon of irregular bars is a number of bars, got {horizon!r}, and no time is a "
            "number of bars that have no fixed length; use e.g. 4"
        )
    else:
        try:
            bars = pd.Timedelta(text) / interval
        except ValueError as error:
            raise ValueError(
                f"a horizon is a number of bars or a time, got {horizon!r}; use e.g. 4 or 15min"
            ) from error
    if bars < 1 or bars != int(bars):
        raise ValueError(
            f"a horizon is a whole number of bars, got {horizon!r}, which is {bars:g} bars of "
            f"{interval}; use a multiple of the bars' length"
        )
    return int(bars)
