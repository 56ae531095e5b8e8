"""What is measured on the validation part after each epoch."""

import numpy as np
from scipy.special import expit

from ultimate_deep.evaluation.measures.metrics import accuracy, predicted_up, roc_auc
from ultimate_deep.evaluation.measures.temperature import inverse_temperature
from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.losses.loss import Loss
from ultimate_deep.training.losses.outputs import DIRECTION, LOGITS

FLAT = 0.5


def validation_metrics(
    loss: Loss, predictions: dict[str, np.ndarray], arrays: Arrays
) -> dict[str, float]:
    """Return the loss, accuracy at one half and AUC, averaged over horizons.

    The loss is the one that training minimises, with the rows' weights, but without label smoothing
    and class weights. A cross-entropy of logits is measured at the temperature of each horizon that
    suits it best, as probabilities are calibrated before they are used: a net that is too sure of
    itself still ranks better from epoch to epoch, and a training loss that weighs labels by their
    return, or the members of a net, makes it so. Flat labels are left out of accuracy and AUC, and
    out of the loss where it has no right answer for them (two classes): horizons without another
    label count nowhere.

    Args:
        loss: The training loss.
        predictions: Every head's outputs for all rows, and `logits` of "up", `(rows, horizons)`.
        arrays: The validation part.

    Raises:
        ValueError: Flat labels only, where they are left out.
    """
    moved = arrays.y != FLAT
    counted = moved if loss.skips_flat else np.ones_like(moved)
    if arrays.weight is not None:
        counted = counted & (arrays.weight > 0)[:, None]
    columns = np.flatnonzero(counted.any(axis=0))
    if not columns.size:
        raise ValueError(
            "every validation label that has weight is flat (0.5), so no direction can be judged; "
            "narrow the band of flat returns or widen the validation part"
        )
    if loss.of_logits:
        predictions = {**predictions, DIRECTION: _calibrated(predictions, arrays, counted)}
    elements = loss.measured(arrays.targets(), predictions)
    losses = [_average(elements[:, h], arrays.weight, counted[:, h]) for h in columns]
    return {
        "validation_loss": float(np.mean(losses)),
        **_directions(predictions[LOGITS], arrays.y, moved),
    }


def _calibrated(
    predictions: dict[str, np.ndarray], arrays: Arrays, counted: np.ndarray
) -> np.ndarray:
    """Return the direction's logits over the temperature of each horizon, `(rows, horizons)`."""
    logits = predictions[DIRECTION].astype(np.float64)
    for horizon in np.flatnonzero(counted.any(axis=0)):
        rows = counted[:, horizon]
        known = logits[rows, horizon]
        if np.isfinite(known).all():  # else the loss is not finite, which ends the fit
            label = arrays.y[rows, horizon].astype(np.float64)
            weight = None if arrays.weight is None else arrays.weight[rows]
            logits[:, horizon] *= inverse_temperature(known, label, weight)
    return logits


def _average(losses: np.ndarray, weight: np.ndarray | None, counted: np.ndarray) -> float:
    if weight is None:
        return float(np.mean(losses[counted]))
    return float(np.average(losses[counted], weights=weight[counted]))


def _directions(logits: np.ndarray, y: np.ndarray, moved: np.ndarray) -> dict[str, float]:
    """Return mean accuracy and AUC over the horizons with a label that is not flat."""
    scores: list[tuple[float, float]] = []
    for horizon in np.flatnonzero(moved.any(axis=0)):
        rows = moved[:, horizon]
        up = (y[rows, horizon] > FLAT).astype(np.float64)
        probability = expit(logits[rows, horizon].astype(np.float64))
        scores.append((accuracy(up, predicted_up(probability)), roc_auc(up, probability)))
    means = np.mean(scores, axis=0) if scores else (np.nan, np.nan)
    return {"validation_accuracy": float(means[0]), "validation_auc": float(means[1])}
