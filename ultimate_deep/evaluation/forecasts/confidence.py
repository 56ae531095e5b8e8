"""Whether surer forecasts are better ones."""

import math

import numpy as np
import numpy.typing as npt
import pandas as pd

from ultimate_deep.evaluation.arrays import binary, same_length, vector

SHARES: tuple[float, ...] = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def accuracy_by_confidence(
    correct: npt.ArrayLike, confidence: npt.ArrayLike, *, shares: npt.ArrayLike = SHARES
) -> pd.DataFrame:
    """Accuracy of the surest rows, for growing shares of all rows.

    Rows of equal confidence stay together: a share takes all of a tie that it begins, so that
    `coverage` may be above `share`.

    Args:
        correct: 1 where the forecast is right, else 0, shape `(rows,)`.
        confidence: Confidence on any scale, higher where surer, without NaN, shape `(rows,)`.
        shares: Shares of the most confident decisions, in (0, 1].

    Returns:
        Columns `share`, `rows`, `coverage` (share taken), `least_confidence` (of the rows
        taken), `accuracy`.
    """
    right, sure = binary("correct", correct), vector("confidence", confidence)
    rows = same_length(correct=right, confidence=sure)
    wanted = vector("shares", shares)
    if not ((wanted > 0.0) & (wanted <= 1.0)).all():
        raise ValueError(f"shares must lie in (0, 1], got {wanted.tolist()}")
    order = np.argsort(-sure, kind="stable")
    right, sure = right[order], sure[order]
    hits = np.cumsum(right)
    least = sure[np.ceil(wanted * rows - 1e-9).astype(np.int64) - 1]
    taken = np.searchsorted(-sure, -least, side="right")  # the last row of each tie
    return pd.DataFrame(
        {
            "share": wanted,
            "rows": taken,
            "coverage": taken / rows,
            "least_confidence": least,
            "accuracy": hits[taken - 1] / taken,
        }
    )


def area_under_accuracy(correct: npt.ArrayLike, confidence: npt.ArrayLike) -> float:
    """Mean accuracy over all shares of the surest rows, in [0, 1]; above accuracy if surer is
    better.

    The mean over rows of the accuracy of the rows that are at least as sure. NaN is not possible.
    Source: Geifman & El-Yaniv (2017), arXiv:1705.08500, sec. 2 (one minus their mean risk).
    """
    right = binary("correct", correct)
    steps = np.arange(1, len(right) + 1) / len(right) if len(right) else np.array([1.0])
    table = accuracy_by_confidence(right, confidence, shares=steps)
    return float(table["accuracy"].mean()) if len(table) else math.nan
