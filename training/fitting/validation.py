"""What is measured on the validation part after each epoch."""

import numpy as np
from scipy.special import expit

from evaluation.metrics import accuracy, predicted_up, roc_auc


def validation_metrics(
    logits: np.ndarray, y: np.ndarray, weight: np.ndarray | None
) -> dict[str, float]:
    """Return loss (nats, weighted), accuracy at one half and AUC, averaged over horizons.

    Args:
        logits: Float32 `(rows, horizons)`.
        y: Labels in [0, 1] of the same shape; above one half is up.
        weight: Row weights of the loss `(rows,)`.
    """
    exact = logits.astype(np.float64)
    losses = np.maximum(exact, 0.0) - exact * y + np.log1p(np.exp(-np.abs(exact)))
    up = (y > 0.5).astype(np.float64)
    probability = expit(exact)
    columns = [(up[:, h], probability[:, h]) for h in range(y.shape[1])]
    return {
        "validation_loss": float(np.average(losses.mean(axis=1), weights=weight)),
        "validation_accuracy": float(np.mean([accuracy(u, predicted_up(p)) for u, p in columns])),
        "validation_auc": float(np.mean([roc_auc(u, p) for u, p in columns])),
    }
