"""Compiled loop of the exponentially weighted mean."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def weighted_means(values: np.ndarray, alpha: float) -> np.ndarray:
    """Mean of all values so far, the weight of each falling by `1 - alpha` per later value.

    Weights are divided by their sum, so that the first mean is the first value.
    """
    means = np.empty(len(values))
    total = weight = 0.0
    for row in range(len(values)):
        total = (1.0 - alpha) * total + alpha * values[row]
        weight = (1.0 - alpha) * weight + alpha
        means[row] = total / weight
    return means
