"""From signals to the positions that are wanted, checked: what both engines start from."""

import numpy as np
import numpy.typing as npt

from ultimate_deep.evaluation.arrays import Array1D, vector
from ultimate_deep.evaluation.backtesting.config import BacktestConfig
from ultimate_deep.portfolio.arrays import read_only
from ultimate_deep.portfolio.mode import Mode

__all__ = ["lowest_signal", "refuse_sizing", "signal_column", "signal_error", "wanted_positions"]


def lowest_signal(mode: Mode) -> float:
    """The smallest signal that a mode takes."""
    return -1.0 if mode == "long_short" else 0.0


def signal_column(signal: npt.ArrayLike, rows: int) -> Array1D:
    """Return the signals as float64, shape `(rows,)`; their range is not checked here.

    Raises:
        TypeError: Values that are no numbers.
        ValueError: Another shape or length.
    """
    values = signal
    if not (isinstance(values, np.ndarray) and values.dtype == np.float64 and values.ndim == 1):
        values = vector("signal", signal, allow_nan=True)
    if len(values) != rows:
        raise ValueError(
            f"signal must have one entry per bar: {rows} bars, {len(values)} signals; "
            "put NaN or 0 where there is no decision"
        )
    return read_only(np.ascontiguousarray(values))


def signal_error(values: Array1D, row: int, mode: Mode) -> ValueError:
    """The error for the signal of `row`, which is outside its range."""
    if np.isinf(values[row]):
        return ValueError(
            f"signal must be finite or NaN, got {values[row]} at row {row}; "
            "drop or repair such rows before judging"
        )
    return ValueError(
        f"signal must lie in [{lowest_signal(mode):g}, 1] in mode {mode!r}, got {values[row]} "
        f"at row {row}; "
        "negative signals need mode='long_short', larger ones would need borrowed money"
    )


def refuse_sizing(config: BacktestConfig) -> None:
    """Raise `ValueError` where a sizing is configured that nobody has applied."""
    if config.sizing.changes_signals:
        raise ValueError(
            f"sizing {config.sizing.method!r} is applied before an engine runs; call "
            "`ultimate_deep.evaluation.backtesting.engines.run_any_backtest`, or "
            "`ultimate_deep.portfolio.sizing.size_positions` and then "
            "`dataclasses.replace(config, sizing=SizingSpec())`"
        )


def wanted_positions(signal: Array1D, horizon_bars: int) -> Array1D:
    """Position wanted after each row's close: the mean of the last `horizon_bars` signals.

    Args:
        signal: Signals, shape `(rows,)`; NaN, and what is before the first row, counts as 0.
        horizon_bars: Number of bars for which each signal is held, at least 1.

    Returns:
        Shape `(rows,)`; with a horizon of 1 the signals themselves, NaN included.
    """
    if horizon_bars == 1:
        return signal
    values = np.nan_to_num(signal, nan=0.0)
    rows = len(values)
    if np.array_equal(values, np.rint(values)):
        total = np.zeros(rows + 1)
        np.cumsum(values, out=total[1:])  # whole numbers: exact
        oldest = np.maximum(np.arange(1, rows + 1) - horizon_bars, 0)
        return read_only((total[1:] - total[oldest]) / horizon_bars)
    padded = np.concatenate([np.zeros(horizon_bars - 1), values])
    windows = np.lib.stride_tricks.sliding_window_view(padded, horizon_bars)
    # No dust where tranches cancel.
    return read_only(np.round(windows.sum(axis=1) / horizon_bars, 12))
