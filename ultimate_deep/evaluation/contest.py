"""Several models on the same decisions: who can be told from whom, and is the best one luck?"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd

from ultimate_deep.evaluation.arrays import same_length
from ultimate_deep.evaluation.assessment import least_times, overfitting_of
from ultimate_deep.evaluation.significance.decision_times import sums_per_time
from ultimate_deep.evaluation.significance.forecast_comparison import diebold_mariano
from ultimate_deep.evaluation.significance.long_run_variance import default_lags
from ultimate_deep.evaluation.significance.multiple_comparison import (
    ModelConfidenceSet,
    model_confidence_set,
    reality_check,
    superior_predictive_ability,
)
from ultimate_deep.evaluation.significance.overfitting import BacktestOverfitting

COIN = 0.25  # squared error of saying one half
Array2D = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Contest:
    """What several models' figures are worth beside each other.

    Args:
        confidence_set: Models that cannot be told from the best by squared error; None for a
            single model, or where two forecast the same.
        superior: What is tested to the p-value: whether any model forecasts better than a coin
            (Hansen's SPA), and whether any account earns (White's reality check).
        pairwise: Two-sided p-values of equal squared error, `(models, models)`, NaN on the
            diagonal and where two forecast the same.
        overfitting: Overfitting of picking the model with the best Sharpe ratio; None for a single
            model, or where fewer than two traded.
    """

    confidence_set: ModelConfidenceSet | None
    superior: dict[str, float]
    pairwise: Array2D
    overfitting: BacktestOverfitting | None


def contest(
    squared_error: Mapping[str, npt.ArrayLike],
    return_net: Mapping[str, npt.ArrayLike],
    *,
    decision_time: npt.ArrayLike,
    horizon_bars: int = 1,
    seed: int = 0,
) -> Contest:
    """Compare models on common decisions and common bars.

    Args:
        squared_error: Model to squared distance of probability and label, `(rows,)`, in order
            of time, finite.
        return_net: Model to net return per bar of its account, `(bars,)`, the same bars for all.
        decision_time: Time of each row; rows of one time are one observation.
        horizon_bars: Number of bars over which labels reach.
        seed: Seed of the bootstraps.

    Raises:
        ValueError: Models that differ between the two, shapes that differ, fewer than
            `least_times` decision times.
    """
    names = list(squared_error)
    if not names or names != list(return_net):
        raise ValueError(
            f"errors and returns must be of the same models in one order, got {names} and "
            f"{list(return_net)}; give at least one model to both"
        )
    rows = {name: np.asarray(values, dtype=np.float64) for name, values in squared_error.items()}
    bars = {name: np.asarray(values, dtype=np.float64) for name, values in return_net.items()}
    same_length(**rows)
    same_length(**bars)
    losses = _per_time(rows, decision_time)
    least = least_times(horizon_bars)
    if len(losses) < least:
        raise ValueError(
            f"a comparison needs at least {least} decision times, got {len(losses)}; bring "
            "more bars"
        )
    returns = pd.DataFrame(bars)
    return Contest(
        confidence_set=_confidence_set(losses, horizon_bars, seed),
        superior=_superior(losses, returns, horizon_bars, seed),
        pairwise=_pairwise(losses, horizon_bars),
        overfitting=overfitting_of(returns.to_numpy()),
    )


def _per_time(
    rows: dict[str, npt.NDArray[np.float64]], decision_time: npt.ArrayLike
) -> pd.DataFrame:
    table = np.column_stack([*rows.values(), np.ones(len(next(iter(rows.values()))))])
    sums = sums_per_time(table, decision_time)
    return pd.DataFrame(sums[:, :-1] / sums[:, -1:], columns=list(rows))


def _differ(first: pd.Series, second: pd.Series) -> bool:
    """Whether the losses differ by more than a constant."""
    return bool(np.ptp((first - second).to_numpy()) > 1e-12)


def _confidence_set(
    losses: pd.DataFrame, horizon_bars: int, seed: int
) -> ModelConfidenceSet | None:
    pairs = list(combinations(losses.columns, 2))
    if not pairs or not all(_differ(losses[one], losses[two]) for one, two in pairs):
        return None
    return model_confidence_set(losses, horizon_bars=horizon_bars, seed=seed)


def _superior(
    losses: pd.DataFrame, returns: pd.DataFrame, horizon_bars: int, seed: int
) -> dict[str, float]:
    found = {}
    varying = losses.loc[:, losses.std() > 0.0]
    if len(varying.columns):
        coin = np.full(len(varying), COIN)
        test = superior_predictive_ability(coin, varying, horizon_bars=horizon_bars, seed=seed)
        found["none forecasts better than a coin (Hansen's SPA)"] = test.p_value
    trading = returns.loc[:, returns.std() > 0.0]
    if len(trading.columns):
        idle = np.zeros(len(trading))
        check = reality_check(idle, -trading, horizon_bars=horizon_bars, seed=seed)
        found["no account earns after costs (White's reality check)"] = check.p_value
    return found


def _pairwise(losses: pd.DataFrame, horizon_bars: int) -> Array2D:
    names = list(losses.columns)
    matrix = np.full((len(names), len(names)), np.nan)
    for one, two in combinations(range(len(names)), 2):
        first, second = losses[names[one]], losses[names[two]]
        if _differ(first, second):
            lags = default_lags((first - second).to_numpy(), horizon_bars=horizon_bars)
            test = diebold_mariano(first, second, horizon_bars=horizon_bars, lags=lags)
            matrix[one, two] = matrix[two, one] = test.p_value
    return matrix
