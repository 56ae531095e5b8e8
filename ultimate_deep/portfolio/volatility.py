"""Volatility of one bar from closed bars: the one definition that sizing, stops, breakers and
impact share."""

import numpy as np
import numpy.typing as npt

from ultimate_deep.portfolio.arrays import Array1D
from ultimate_deep.portfolio.options import check_count
from ultimate_deep.portfolio.volatility_kernels import weighted_means


def bar_volatility(open_: npt.ArrayLike, close: npt.ArrayLike, *, span_bars: int) -> Array1D:
    """Exponentially weighted volatility of log returns, a fraction per bar, shape `(rows,)`.

    Row `t` is known at the close of bar `t`: the root of the weighted mean of squared returns
    from close to close (the first one from open to close), mean zero, the weight of a bar
    falling by `1 - 2 / (span_bars + 1)` with each later one, weights divided by their sum.

    Args:
        open_, close: Prices, positive and finite, shape `(rows,)`.
        span_bars: Span of the weights in bars, at least 1.

    Raises:
        ValueError: Prices of other shapes, not positive or not finite.

    Source: J.P. Morgan/Reuters (1996), RiskMetrics Technical Document, sec. 5.2, eq. 5.1, with
    the weights of a finite past normalised.
    """
    check_count("span_bars", span_bars, lowest=1, remedy="give for example 20")
    first, last = np.asarray(open_, np.float64), np.asarray(close, np.float64)
    if first.ndim != 1 or first.shape != last.shape:
        raise ValueError(
            f"open and close must both have shape (rows,), got {first.shape} and {last.shape}"
        )
    for name, price in (("open", first), ("close", last)):
        bad = ~((price > 0) & (price < np.inf))
        if bad.any():
            row = int(np.argmax(bad))
            raise ValueError(
                f"{name} must be positive and finite, got {price[row]} at row {row}; "
                "repair the bars with `read_bars(..., repair='drop')`"
            )
    move = np.empty(len(last))
    move[:1] = np.log(last[:1] / first[:1])
    move[1:] = np.log(last[1:] / last[:-1])
    return np.sqrt(weighted_means(np.square(move), 2.0 / (span_bars + 1.0)))
