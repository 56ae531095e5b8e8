"""The temperature that makes logits most likely, of which probabilities are read."""

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

TEMPERATURE_RANGE = (0.05, 100.0)


def inverse_temperature(
    logit: np.ndarray, label: np.ndarray, weight: np.ndarray | None = None
) -> float:
    """Return what logits of up are multiplied by, so that their log loss is least.

    The loss is convex in `1 / temperature`, so the root of its derivative is the minimum; where
    that lies outside `TEMPERATURE_RANGE`, the nearer end is. 1 where nothing can be told: labels of
    one class, or logits that are all zero.

    Args:
        logit: Logits of one horizon, `(rows,)`, finite.
        label: 0 or 1, `(rows,)`.
        weight: Weights of the rows, `(rows,)`; None weighs all alike.

    Source: Guo, Pleiss, Sun & Weinberger (2017), arXiv:1706.04599, eq. 9 with two classes.
    """
    low, high = (1 / TEMPERATURE_RANGE[1], 1 / TEMPERATURE_RANGE[0])

    def slope(inverse: float) -> float:
        slopes = logit * (expit(inverse * logit) - label)
        return float(np.mean(slopes) if weight is None else np.average(slopes, weights=weight))

    if label.min() == label.max() or not logit.any():
        return 1.0
    if slope(low) >= 0:
        return low
    if slope(high) <= 0:
        return high
    return float(brentq(slope, low, high, xtol=1e-12))
