"""Stacks are fitted on the members' out-of-fold predictions: how to combine them is learnt, too.

Source: Wolpert (1992), Stacked generalization, Neural Networks 5(2); van der Laan, Polley &
Hubbard (2007), Super learner, Stat. Appl. Genet. Mol. Biol. 6(1). Our folds are purged and follow
time.
"""

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from ultimate_deep.bundles.ensembles.combiner import EnsembleError
from ultimate_deep.bundles.ensembles.stacking import CLIP, LogisticStack, TreeStack, side_by_side
from ultimate_deep.experiments.ensembles.labelled_logits import labelled
from ultimate_deep.experiments.ensembles.out_of_fold import OutOfFold
from ultimate_deep.models.trees.hist_gradient_boosting import HistGradientBoostingConfig
from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.growing.grow import fit_trees


def fit_logistic_stack(
    out_of_fold: OutOfFold, labels: np.ndarray, *, pull: float = 0.01
) -> LogisticStack:
    """Fit a logistic regression on out-of-fold logits, near to their equal average.

    Minimises the log loss plus `pull` times the squared distance of the weights from
    `1 / members`; the intercept is free.

    Args:
        out_of_fold: Members' predictions of rows they have not seen.
        labels: Labels of all rows, 0, 1, or NaN or one half (left out), `(rows, horizons)`.
        pull: Nats per squared unit of a weight.

    Raises:
        EnsembleError: Labels that do not fit, or a negative pull.
    """
    if not 0 <= pull < np.inf:
        raise EnsembleError(f"pull is a finite number not below zero, got {pull}; use e.g. 0.01")
    _, logits, labels = stacked_rows(out_of_fold, labels)
    fitted = []
    for horizon in range(logits.shape[2]):
        chosen, up = labelled(logits, labels, horizon)
        fitted.append(_logistic(np.clip(chosen, -CLIP, CLIP), up, pull))
    parameters = np.column_stack(fitted)
    return LogisticStack(names=out_of_fold.names, weight=parameters[:-1], intercept=parameters[-1])


def fit_tree_stack(
    out_of_fold: OutOfFold,
    labels: np.ndarray,
    config: HistGradientBoostingConfig | None = None,
) -> TreeStack:
    """Fit small trees on out-of-fold logits; see `fit_logistic_stack`.

    Args:
        out_of_fold: Members' predictions of rows they have not seen.
        labels: Labels of all rows, `(rows, horizons)`.
        config: How the trees are grown; by default 40 trees of four leaves.
    """
    default = HistGradientBoostingConfig(trees=40, leaves=4, min_leaf_rows=50, patience=0)
    _, logits, labels = stacked_rows(out_of_fold, labels)
    known = np.isfinite(labels).all(axis=1)
    arrays = Arrays(
        x=side_by_side(logits[:, known]), y=np.ascontiguousarray(labels[known], np.float32)
    )
    trees, _ = fit_trees("hist_gradient_boosting", arrays, None, config or default)
    return TreeStack(names=out_of_fold.names, trees=trees)


def stacked_rows(
    out_of_fold: OutOfFold, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rows that every member predicts, their logits and their labels.

    Raises:
        EnsembleError: Labels of other rows, or no such row.
    """
    logits, labels = out_of_fold.logits(), np.asarray(labels, np.float64)
    if labels.shape != logits.shape[1:]:
        raise EnsembleError(
            f"labels have shape (rows, horizons) = {logits.shape[1:]}, got {labels.shape}; give "
            "those of all rows that the folds share out"
        )
    rows = out_of_fold.rows()
    if not len(rows):
        raise EnsembleError("no row is predicted by every member; use the same folds for all")
    return rows, logits[:, rows], labels[rows]


def _logistic(logits: np.ndarray, up: np.ndarray, pull: float) -> np.ndarray:
    """Return weights and intercept, `(members + 1,)`; logits `(members, rows)`."""
    members = len(logits)
    equal = np.full(members, 1.0 / members)

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        away = parameters[:-1] - equal
        z = parameters[:-1] @ logits + parameters[-1]
        wrong = expit(z) - up
        value = np.mean(np.logaddexp(0.0, z) - up * z) + pull * away @ away
        slope = logits @ wrong / len(up) + 2.0 * pull * away
        return float(value), np.append(slope, wrong.mean())

    start = np.append(equal, 0.0)
    return minimize(loss, start, jac=True, method="BFGS", options={"gtol": 1e-9}).x
