"""Scoring on simulated markets, against the true probability instead of the realised labels."""

import math

import numpy as np
import numpy.typing as npt

from evaluation.arrays import binary, same_length, unit_interval


def expected_accuracy(probability_up_true: npt.ArrayLike, predicted_up: npt.ArrayLike) -> float:
    """Accuracy that these predictions have on average over all labels that could have come.

    Args:
        probability_up_true: the simulator's `P(label up | bars so far)`, shape `(rows,)`.
        predicted_up: 0 or 1, shape `(rows,)`.

    Raises:
        ValueError: shapes that differ, NaN rows (drop the undefined ones from both).
    """
    truth = unit_interval("probability_up_true", probability_up_true)
    predicted = binary("predicted_up", predicted_up)
    same_length(probability_up_true=truth, predicted_up=predicted)
    return float(np.where(predicted == 1.0, truth, 1.0 - truth).mean())


def oracle_accuracy(probability_up_true: npt.ArrayLike) -> float:
    """The best accuracy possible: that of always taking the more probable side."""
    truth = unit_interval("probability_up_true", probability_up_true)
    same_length(probability_up_true=truth)
    return float(np.maximum(truth, 1.0 - truth).mean())


def share_of_edge(probability_up_true: npt.ArrayLike, predicted_up: npt.ArrayLike) -> float:
    """Part of the possible edge that the predictions have: 1 for the oracle, 0 for a coin.

    `(expected accuracy - 1/2) / (oracle accuracy - 1/2)`, negative where the predictions are
    worse than a coin, NaN where the market has no edge to share.
    """
    possible = oracle_accuracy(probability_up_true) - 0.5
    found = expected_accuracy(probability_up_true, predicted_up) - 0.5
    return found / possible if possible > 0 else math.nan
