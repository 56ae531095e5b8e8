"""Averages of the members' probabilities, weighted by what validation says."""

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from ultimate_deep.bundles.ensembles.combiner import EnsembleError, check_logits
from ultimate_deep.bundles.ensembles.pooling import Pool, average_pool
from ultimate_deep.experiments.ensembles.labelled_logits import labelled


def fit_pool(
    names: tuple[str, ...],
    logits: np.ndarray,
    labels: np.ndarray,
    *,
    temperature: np.ndarray | None = None,
    pull: float = 0.01,
) -> Pool:
    """Return the pool whose weights have the least log loss on validation, near to equal ones.

    For each horizon the log loss of the mean probability plus `pull` times the squared distance
    from equal weights is minimised; it is convex in the weights.

    Args:
        names: Names of the members, in order.
        logits: Validation logits, not calibrated, `(members, rows, horizons)`.
        labels: 0, 1, or NaN or one half (left out), `(rows, horizons)`.
        temperature: Temperature of each member and horizon; one where absent.
        pull: Nats; with zero the weights follow validation alone.

    Raises:
        EnsembleError: Shapes that do not fit, or a negative pull.

    Source: Hall & Mitchell (2007), Int. J. Forecasting 23(1), optimal weights of a linear opinion
    pool by the log score; the pull towards equal weights is ours.
    """
    if not 0 <= pull < np.inf:
        raise EnsembleError(f"pull is a finite number not below zero, got {pull}; use e.g. 0.01")
    equal = average_pool(names, np.shape(logits)[-1], temperature)
    logits = check_logits(logits, *equal.weight.shape) / equal.temperature[:, None, :]
    columns = []
    for horizon in range(logits.shape[2]):
        chosen, up = labelled(logits, labels, horizon)
        columns.append(_simplex_weights(expit(np.where(up, chosen, -chosen)), pull))
    return Pool(names=names, weight=np.column_stack(columns), temperature=equal.temperature)


def _simplex_weights(right: np.ndarray, pull: float) -> np.ndarray:
    """Return the best weights; `right` is the probability of what came, `(members, rows)`."""
    members = len(right)
    equal = np.full(members, 1.0 / members)
    right = np.maximum(right, np.finfo(np.float64).tiny)

    def loss(weight: np.ndarray) -> tuple[float, np.ndarray]:
        pooled = np.maximum(weight @ right, np.finfo(np.float64).tiny)
        away = weight - equal
        value = -np.log(pooled).mean() + pull * away @ away
        return float(value), -(right / pooled).mean(axis=1) + 2.0 * pull * away

    found = minimize(
        loss, equal, jac=True, method="SLSQP", bounds=[(0.0, 1.0)] * members,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1.0, "jac": np.ones_like},
        options={"ftol": 1e-12, "maxiter": 500},
    )  # fmt: skip
    best = found.x if loss(found.x)[0] <= loss(equal)[0] else equal
    best = np.clip(best, 0.0, None)
    return best / best.sum()
