"""Measures of a series of returns or trades. What is undefined is NaN, never a flattering zero."""

import math

import numpy as np
import numpy.typing as npt

from ultimate_deep.evaluation.arrays import vector

# A standard deviation this small next to the mean is rounding, not risk.
_NO_SPREAD = 1e-12


def _check_bars_per_year(bars_per_year: float) -> None:
    if not (math.isfinite(bars_per_year) and bars_per_year > 0):
        raise ValueError(
            f"bars_per_year must be positive and finite, got {bars_per_year}; "
            "take it from the bars' interval and session"
        )


def annual_return(total_return: float, *, rows: int, bars_per_year: float) -> float:
    """Compound yearly return (fraction) of `total_return` earned over `rows` bars.

    -1 after a total loss, NaN without rows, infinity where a short sample compounds past
    the range of floats.
    """
    _check_bars_per_year(bars_per_year)
    if rows == 0:
        return math.nan
    if total_return <= -1.0:
        return -1.0
    exponent = math.log1p(total_return) * bars_per_year / rows
    return math.expm1(exponent) if exponent < 700.0 else math.inf


def annual_volatility(return_net: npt.ArrayLike, *, bars_per_year: float) -> float:
    """Standard deviation (one degree of freedom lost) times the root of bars per year.

    NaN below two rows.
    """
    _check_bars_per_year(bars_per_year)
    returns = vector("return_net", return_net)
    if len(returns) < 2:
        return math.nan
    return float(returns.std(ddof=1)) * math.sqrt(bars_per_year)


def sharpe(return_net: npt.ArrayLike, *, bars_per_year: float) -> float:
    """Yearly Sharpe ratio of simple returns per bar, risk-free rate zero.

    `mean / std(ddof=1) * sqrt(bars_per_year)`. NaN below two rows and where the returns do not
    vary (a model that never trades has no Sharpe ratio, not a ratio of zero).
    Source: Sharpe (1994), J. Portfolio Management 21(1).
    """
    _check_bars_per_year(bars_per_year)
    returns = vector("return_net", return_net)
    if len(returns) < 2:
        return math.nan
    mean, spread = float(returns.mean()), float(returns.std(ddof=1))
    if spread <= _NO_SPREAD * abs(mean) or spread == 0.0:
        return math.nan
    return mean / spread * math.sqrt(bars_per_year)


def sortino(return_net: npt.ArrayLike, *, bars_per_year: float) -> float:
    """Yearly Sortino ratio, target zero.

    `mean / sqrt(mean(min(r, 0)^2)) * sqrt(bars_per_year)`, the mean square over all bars.
    NaN below two rows and where no bar lost. Source: Sortino & Price (1994), J. Investing 3(3).
    """
    _check_bars_per_year(bars_per_year)
    returns = vector("return_net", return_net)
    if len(returns) < 2:
        return math.nan
    downside = math.sqrt(float(np.mean(np.square(np.minimum(returns, 0.0)))))
    return float(returns.mean()) / downside * math.sqrt(bars_per_year) if downside else math.nan


def drawdown(equity: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Fraction lost since the highest equity so far, in [0, 1], shape `(rows,)`.

    The start counts as a height of 1, the capital before the first bar.
    """
    values = vector("equity", equity)
    if len(values) and values.min() < 0:
        raise ValueError(
            f"equity must not be negative, got {values.min()} at row {int(values.argmin())}; "
            "an account that lost everything stays at 0"
        )
    peak = np.maximum(np.maximum.accumulate(values), 1.0) if len(values) else values
    return 1.0 - values / peak


def max_drawdown(equity: npt.ArrayLike) -> float:
    """Largest drawdown, a positive fraction in [0, 1]; 0 where equity never fell or is empty."""
    values = drawdown(equity)
    return float(values.max()) if len(values) else 0.0


def win_rate(trade_return_net: npt.ArrayLike) -> float:
    """Share of trades with a net return above zero. NaN without trades."""
    returns = vector("trade_return_net", trade_return_net)
    return float((returns > 0).mean()) if len(returns) else math.nan


def profit_factor(trade_return_net: npt.ArrayLike) -> float:
    """Sum of gains over sum of losses. NaN without trades or when all are zero, infinity
    when no trade lost."""
    returns = vector("trade_return_net", trade_return_net)
    gains, losses = float(returns[returns > 0].sum()), float(-returns[returns < 0].sum())
    if losses:
        return gains / losses
    return math.inf if gains else math.nan
