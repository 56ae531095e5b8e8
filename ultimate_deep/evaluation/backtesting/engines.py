"""One call for every configuration: sizes the signals, then chooses the engine."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from ultimate_deep.evaluation.arrays import Array1D
from ultimate_deep.evaluation.backtesting.account import BacktestResult
from ultimate_deep.evaluation.backtesting.bar_columns import price_column
from ultimate_deep.evaluation.backtesting.config import BacktestConfig
from ultimate_deep.evaluation.backtesting.event_driven import run_event_backtest
from ultimate_deep.evaluation.backtesting.pooling import combine_backtests
from ultimate_deep.evaluation.backtesting.vectorised import run_backtest
from ultimate_deep.evaluation.backtesting.wanted import signal_column
from ultimate_deep.portfolio.sizing import size_positions
from ultimate_deep.portfolio.sizing_spec import SizingSpec
from ultimate_deep.portfolio.volatility import bar_volatility


def run_any_backtest(
    frames: Mapping[str, pd.DataFrame],
    signals: Mapping[str, npt.ArrayLike],
    config: BacktestConfig = BacktestConfig(),
    *,
    bars_per_year: Mapping[str, float],
    probabilities: Mapping[str, npt.ArrayLike] | None = None,
) -> BacktestResult:
    """Size the signals and trade them with the engine that the options need.

    Where nothing depends on the path, each symbol is an account of its own with an equal part of
    the capital (`run_backtest`, `combine_backtests`); where something does, all symbols share one
    account with equal weights (`run_event_backtest`). With one symbol that is the same.

    Args:
        frames: Bars by symbol.
        signals: Wanted position per bar of the symbol in [-1, 1], `(rows of the symbol,)`.
        config: How they become positions. A sizing is applied here.
        bars_per_year: Bars in a year, by symbol.
        probabilities: Calibrated probability of up per bar, `(rows of the symbol,)`, NaN allowed
            where there is no signal; needed by the sizings "kelly" and "confidence".

    Raises:
        ValueError: What the sizing and the engine refuse.
    """
    if not frames:
        raise ValueError("a backtest needs the bars of at least one symbol, got none")
    sized = {
        symbol: sized_signal(
            frame,
            signals[symbol],
            config.sizing,
            bars_per_year=bars_per_year[symbol],
            probability=None if probabilities is None else probabilities[symbol],
        )
        for symbol, frame in frames.items()
    }
    config = replace(config, sizing=SizingSpec())
    if config.path_dependent:
        return run_event_backtest(frames, sized, config, bars_per_year=bars_per_year)
    # Several accounts begin with a part of the capital each; size matters to impact.
    own = replace(config, capital=config.capital / len(frames))
    return combine_backtests(
        [
            run_backtest(
                frame, sized[symbol], own, bars_per_year=bars_per_year[symbol], symbol=symbol
            )
            for symbol, frame in frames.items()
        ]
    )


def sized_signal(
    frame: pd.DataFrame,
    signal: npt.ArrayLike,
    sizing: SizingSpec,
    *,
    bars_per_year: float,
    probability: npt.ArrayLike | None = None,
) -> Array1D:
    """Return the positions that a sizing makes of one symbol's signals, shape `(rows,)`.

    The volatility of row `t` is that of the bars up to `t`, as far as `frame` reaches back.

    Raises:
        ValueError: What `size_positions` refuses; no `close` column for a volatility target.
    """
    values = signal_column(signal, len(frame))
    if not sizing.changes_signals:
        return values
    yearly = None
    if sizing.method == "volatility_target":
        reason = "a volatility target"
        opens, close = (price_column(frame, name, reason=reason) for name in ("open", "close"))
        per_bar = bar_volatility(opens, close, span_bars=sizing.volatility_span_bars)
        yearly = per_bar * np.sqrt(bars_per_year)
    return size_positions(values, sizing, probability=probability, volatility_per_year=yearly)
