"""What the engines need of the symbols that are traded."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ultimate_deep.evaluation.backtesting.account import BacktestResult
from ultimate_deep.evaluation.backtesting.config import BacktestConfig
from ultimate_deep.evaluation.backtesting.engines import run_any_backtest
from ultimate_deep.portfolio.sizing_spec import SizingSpec


@dataclass(frozen=True, eq=False)
class Traded:
    """One symbol that is traded.

    Args:
        symbol: Name of the symbol.
        frame: Its bars, as orders meet them.
        wanted: Position wanted after each bar's close, sized, `(bars,)`.
        bars_per_year: Number of bars in a year.
        certain: Prices of fills that were traded for sure, `(bars,)`; None where that is not known.
    """

    symbol: str
    frame: pd.DataFrame
    wanted: np.ndarray
    bars_per_year: float
    certain: np.ndarray | None = None


def traded_account(traded: Sequence[Traded], rules: BacktestConfig) -> BacktestResult:
    """Return the portfolio of symbols whose positions are sized already.

    Args:
        traded: Symbols with what is wanted of each.
        rules: Costs and rules of trading.
    """
    return run_any_backtest(
        {one.symbol: one.frame for one in traded},
        {one.symbol: one.wanted for one in traded},
        dataclasses.replace(rules, sizing=SizingSpec()),
        bars_per_year={one.symbol: one.bars_per_year for one in traded},
    )
