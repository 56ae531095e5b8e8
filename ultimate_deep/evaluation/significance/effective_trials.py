"""How many independent trials many similar ones are worth.

Fifty settings of one net are fewer than fifty trials: their returns go together. The deflated
Sharpe ratio counts independent trials; the plain count is always the strict choice.
"""

import math

import numpy as np
import numpy.typing as npt

from ultimate_deep.evaluation.significance.matrices import trial_matrix

Array2D = npt.NDArray[np.float64]


def average_correlation(trial_returns: npt.ArrayLike) -> float:
    """Mean correlation over all pairs of trials, columns of shape `(rows, trials)`.

    NaN for a single trial. Errors as for `effective_trials_by_correlation`.
    """
    score = _standardised(trial_returns)
    rows, trials = score.shape
    if trials == 1:
        return math.nan
    # The sum over all entries of the correlation matrix, without building it.
    total = float(np.square(score.sum(axis=1)).sum()) / rows
    # Rounding may lift that of equal trials above one.
    return min((total - trials) / (trials * (trials - 1.0)), 1.0)


def effective_trials_by_correlation(trial_returns: npt.ArrayLike) -> float:
    """Independent trials by the average correlation `r`: `r + (1 - r) trials`.

    A straight line between one trial (all equal) and all of them (uncorrelated on average);
    a negative average counts as 0. It knows the average only: many small families of equal
    trials pass for nearly as many as there are, so it errs on the strict side.

    Args:
        trial_returns: Net return per bar of every trial on the same bars, finite, every column
            varying, shape `(rows, trials)`.

    Returns:
        Between 1 and `trials`.

    Raises:
        ValueError: Another shape, NaN, a column that does not vary.

    Source: Bailey & Lopez de Prado (2014), J. Portfolio Management 40(5), appendix 3.
    """
    trials = _trials(trial_returns)
    if trials == 1:
        return 1.0
    correlation = max(average_correlation(trial_returns), 0.0)
    return _within(correlation + (1.0 - correlation) * trials, trials)


def effective_trials_by_eigenvalues(trial_returns: npt.ArrayLike) -> float:
    """Independent trials by the spread of the correlation matrix's eigenvalues.

    `(sum l)^2 / sum l^2`, the participation ratio: families of equal trials count once each if
    equally large. Chance correlation over few rows lowers it (`trials` independent columns give
    about `trials / (1 + trials / rows)`), so it errs on the lenient side: at least as many rows as
    trials squared keep that below one trial.

    Args, Returns, Raises: as for `effective_trials_by_correlation`.

    Source: Bretherton, Widmann, Dymnikov, Wallace & Blade (1999), J. Climate 12(7), eq. 5.
    """
    score = _standardised(trial_returns)
    rows, trials = score.shape
    # The squared entries sum up to the squared eigenvalues; the smaller Gram matrix has the same.
    gram = score.T @ score if trials <= rows else score @ score.T
    return _within(trials**2 / (float(np.square(gram).sum()) / rows**2), trials)


def _within(effective: float, trials: int) -> float:
    """Return a count that rounding has not carried beyond its ends, one and all trials."""
    return min(max(effective, 1.0), float(trials))


def _trials(trial_returns: npt.ArrayLike) -> int:
    return int(trial_matrix("trial_returns", trial_returns, least_columns=1).shape[1])


def _standardised(trial_returns: npt.ArrayLike) -> Array2D:
    table = trial_matrix("trial_returns", trial_returns, least_columns=1)
    centred = table - table.mean(axis=0)
    return np.asarray(centred / centred.std(axis=0), dtype=np.float64)
