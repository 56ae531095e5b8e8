"""What several heads learn: directions and returns over several horizons, pooled over symbols."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ultimate_deep.market.config import LabelSpec
from ultimate_deep.market.labels import Labels, label_end_times

if TYPE_CHECKING:
    from ultimate_deep.market.market import Market

SCALE_WINDOW_BARS = 50
SCALE_LEAST_BARS = 5
FLAT = 0.5


@dataclass(frozen=True, eq=False)
class Targets:
    """One column for each horizon, the label's own first; all `(rows, horizons)`.

    Args:
        up: 1.0 up, 0.0 down, 0.5 where the label's rule calls the return a tie and drops it; NaN
            where undefined.
        return_log: Log return from entry open to exit open; NaN where undefined.
        return_scale: Its usual size: root mean square of the last 50 bars' log returns, known at
            the decision, times the root of the horizon; NaN where fewer than 5 bars are known or
            the price has not moved.
        horizons_bars: Bars of each horizon.
    """

    up: np.ndarray
    return_log: np.ndarray
    return_scale: np.ndarray
    horizons_bars: tuple[int, ...]

    def learnable(self, labels: np.ndarray, *, flat: bool, scaled: bool) -> np.ndarray:
        """Return what is to be learnt, `(rows, horizons)`, NaN in rows that are left out.

        Args:
            labels: The rows' labels, which stand for the first horizon.
            flat: Whether ties are a class of their own; otherwise their rows are left out.
            scaled: Whether returns are learnt too, which need a known size.
        """
        up = self.up.copy()
        tie = up[:, 0] == FLAT
        up[:, 0] = np.where(tie & np.isnan(labels), FLAT, labels)
        bad = ~np.isfinite(up)
        if not flat:
            bad |= up == FLAT
        if scaled:
            bad |= ~(np.isfinite(self.return_log) & np.isfinite(self.return_scale))
        up[bad.any(axis=1)] = np.nan
        return up


def pooled_targets(
    market: Market,
    rows: dict[str, np.ndarray],
    label: LabelSpec,
    horizons_bars: tuple[int, ...],
    label_function: Callable[[pd.DataFrame, LabelSpec], Labels],
) -> tuple[Targets, np.ndarray]:
    """Return the targets of pooled rows, and when the last of a row's labels is known.

    Args:
        market: Bars by symbol.
        rows: `symbol_code` and `bar_row` of the pooled rows.
        label: The rule of every horizon but for its length.
        horizons_bars: Bars of each horizon.
        label_function: Bars to labels.
    """
    count = len(rows["bar_row"])
    up, returns, scale = (np.full((count, len(horizons_bars)), np.nan) for _ in range(3))
    ends = np.zeros(count, dtype="datetime64[ns]")
    for code, bars in enumerate(market.bars.values()):
        chosen = np.flatnonzero(rows["symbol_code"] == code)
        at = rows["bar_row"][chosen]
        size = _recent_size(bars.frame["close"].to_numpy())
        for column, horizon in enumerate(horizons_bars):
            spec = dataclasses.replace(label, horizon_bars=horizon)
            labels = label_function(bars.frame, spec)
            tie = np.isnan(labels.values) & (labels.entry_row >= 0)
            up[chosen, column] = np.where(tie, FLAT, labels.values)[at]
            returns[chosen, column] = labels.return_log[at]
            scale[chosen, column] = size[at] * np.sqrt(horizon)
            known = label_end_times(bars, labels, horizon)[at]
            ends[chosen] = np.maximum(ends[chosen], known)
    return Targets(up, returns, scale, horizons_bars), ends


def _recent_size(close: np.ndarray) -> np.ndarray:
    """Root mean square of the last log returns, `(bars,)`; NaN where unknown or zero."""
    squares = np.diff(np.log(close)) ** 2
    mean = np.full(len(close), np.nan)
    for bar in range(SCALE_LEAST_BARS, min(SCALE_WINDOW_BARS, len(close))):
        mean[bar] = squares[:bar].mean()
    if len(squares) >= SCALE_WINDOW_BARS:
        # Each window is summed anew, so that a spike leaves no trace once it is over.
        windows = np.lib.stride_tricks.sliding_window_view(squares, SCALE_WINDOW_BARS)
        mean[SCALE_WINDOW_BARS:] = windows.mean(axis=1)
    return np.where(mean > 0, np.sqrt(mean), np.nan)
