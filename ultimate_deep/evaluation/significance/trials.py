"""All trials at once: which of them survive that there were so many?"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ultimate_deep.evaluation.arrays import Array1D
from ultimate_deep.evaluation.measures.returns import sharpe
from ultimate_deep.evaluation.significance.matrices import finite_matrix
from ultimate_deep.evaluation.significance.sharpe import (
    expected_maximum_sharpe,
    probabilistic_sharpe,
    return_moments,
)


@dataclass(frozen=True, eq=False, kw_only=True)
class DeflatedTrials:
    """Every trial's Sharpe ratio per bar and what is left of it; arrays of shape `(columns,)`.

    Args:
        sharpe_per_bar: NaN for a trial whose returns do not vary (it never traded).
        deflated: Confidence that the true ratio is above `expected_maximum_per_bar`.
        best: Column of the highest ratio.
        trials: Independent trials assumed.
        trial_sharpe_variance_per_bar: Variance over the trials that have a ratio.
        expected_maximum_per_bar: What the best of so many without skill shows.
        bars: Number of rows judged.
    """

    sharpe_per_bar: Array1D
    deflated: Array1D
    best: int
    trials: float
    trial_sharpe_variance_per_bar: float
    expected_maximum_per_bar: float
    bars: int


def deflate_trials(trial_returns: npt.ArrayLike, *, trials: float | None = None) -> DeflatedTrials:
    """Deflated Sharpe ratio of every trial from the returns of all.

    Args:
        trial_returns: Net return per bar of every trial, finite, shape `(bars, columns)`.
        trials: Independent trials made; None: the number of columns, the strict choice. See
            `effective_trials` for trials that resemble each other.

    Raises:
        ValueError: Another shape, NaN, or fewer than two trials whose returns vary.

    Source: Bailey & Lopez de Prado (2014), J. Portfolio Management 40(5), eq. 1-2.
    """
    table = finite_matrix("trial_returns", trial_returns, least_columns=2)
    columns = np.ascontiguousarray(table.T)
    ratio = np.array([sharpe(column, bars_per_year=1.0) for column in columns])
    known = np.isfinite(ratio)
    if known.sum() < 2:
        raise ValueError(
            f"at least two trials must have returns that vary, got {int(known.sum())} "
            f"of {len(columns)}; with one trial take `probabilistic_sharpe`"
        )
    count = float(len(columns)) if trials is None else trials
    variance = float(ratio[known].var(ddof=1))
    benchmark = expected_maximum_sharpe(trials=count, trial_sharpe_variance=variance)
    deflated = np.full(len(columns), math.nan)
    for column in np.flatnonzero(known):
        skewness, kurtosis = return_moments(columns[column])
        deflated[column] = probabilistic_sharpe(
            float(ratio[column]),
            bars=len(table),
            benchmark_per_bar=benchmark,
            skewness=skewness,
            kurtosis=kurtosis,
        )
    return DeflatedTrials(
        sharpe_per_bar=ratio,
        deflated=deflated,
        best=int(np.nanargmax(ratio)),
        trials=count,
        trial_sharpe_variance_per_bar=variance,
        expected_maximum_per_bar=benchmark,
        bars=len(table),
    )
