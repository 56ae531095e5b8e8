"""Forecast quantiles judged by what came: pinball loss, coverage, CRPS, crossings."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ultimate_deep.evaluation.arrays import Array1D, same_length, vector

Array2D = npt.NDArray[np.float64]


def check_levels(levels: Sequence[float]) -> Array1D:
    """Return the levels as float64, shape `(levels,)`.

    Raises:
        ValueError: None, or levels that do not rise inside (0, 1).
    """
    values = vector("levels", levels)
    inside = bool(((values > 0.0) & (values < 1.0)).all())
    if not len(values) or not inside or not (np.diff(values) > 0.0).all():
        raise ValueError(
            f"levels must rise inside (0, 1), got {tuple(levels)}; use e.g. (0.1, 0.5, 0.9)"
        )
    return values


def pinball(
    outcome: npt.ArrayLike, quantiles: npt.ArrayLike, *, levels: Sequence[float]
) -> Array1D:
    """Mean pinball loss of each level, in the outcome's unit, `(levels,)`; lower is better.

    Args:
        outcome: What came, without NaN, shape `(rows,)`.
        quantiles: Forecasts, shape `(rows, levels)`.
        levels: Levels in (0, 1), rising.

    Source: Koenker & Bassett (1978), Econometrica 46(1), eq. 3.1.
    """
    truth, forecast, shares = _checked(outcome, quantiles, levels)
    error = truth[:, None] - forecast
    return np.maximum(shares * error, (shares - 1.0) * error).mean(axis=0)


def coverage(
    outcome: npt.ArrayLike, quantiles: npt.ArrayLike, *, levels: Sequence[float]
) -> Array1D:
    """Share of outcomes at or below each quantile, `(levels,)`; its level where calibrated."""
    truth, forecast, _ = _checked(outcome, quantiles, levels)
    return (truth[:, None] <= forecast).mean(axis=0)


def interval_coverage(
    outcome: npt.ArrayLike, quantiles: npt.ArrayLike, *, levels: Sequence[float]
) -> tuple[float, float]:
    """Share of outcomes between the outer quantiles, and the share that should be there."""
    truth, forecast, shares = _checked(outcome, quantiles, levels)
    inside = (truth >= forecast[:, 0]) & (truth <= forecast[:, -1])
    return float(inside.mean()), float(shares[-1] - shares[0])


def crps(outcome: npt.ArrayLike, quantiles: npt.ArrayLike, *, levels: Sequence[float]) -> float:
    """Continuous ranked probability score from quantiles, in the outcome's unit; lower is better.

    Twice the integral of the pinball loss over the levels; each level stands for those nearest to
    it, the outer ones for all beyond them. With few levels an approximation, the same for all
    forecasts of these levels; exact as they fill (0, 1).

    Source: Gneiting & Ranjan (2011), J. Business & Economic Statistics 29(3), eq. 14.
    """
    loss = pinball(outcome, quantiles, levels=levels)
    shares = check_levels(levels)
    edges = np.concatenate([[0.0], (shares[1:] + shares[:-1]) / 2.0, [1.0]])
    return float(2.0 * (np.diff(edges) @ loss))


def crossing_share(quantiles: npt.ArrayLike) -> float:
    """Share of rows in which a higher level has the lower quantile. NaN with one level."""
    forecast = _table(quantiles)
    if forecast.shape[1] < 2:
        return math.nan
    return float((np.diff(forecast, axis=1) < 0.0).any(axis=1).mean())


def _checked(
    outcome: npt.ArrayLike, quantiles: npt.ArrayLike, levels: Sequence[float]
) -> tuple[Array1D, Array2D, Array1D]:
    truth, forecast, shares = vector("outcome", outcome), _table(quantiles), check_levels(levels)
    same_length(outcome=truth, quantiles=forecast)
    if forecast.shape[1] != len(shares):
        raise ValueError(
            f"quantiles have one column per level, got {forecast.shape[1]} for {len(shares)}"
        )
    return truth, forecast, shares


def _table(quantiles: npt.ArrayLike) -> Array2D:
    forecast = np.asarray(quantiles, dtype=np.float64)
    if forecast.ndim != 2 or not np.isfinite(forecast).all():
        raise ValueError(
            f"quantiles must be finite, shape (rows, levels), got {forecast.shape}; take one "
            "horizon at a time"
        )
    return forecast
