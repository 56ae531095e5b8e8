"""Statistics of ranks as sums over rows, so that they can be resampled without sorting again.

A statistic of ranks depends on every row twice: by its own term and through the ranks it gives to
the others. Its first-order (von Mises) expansion collects both in one number per row.
Source: van der Vaart (1998), Asymptotic Statistics, sec. 20.1; for the AUC: DeLong, DeLong &
Clarke-Pearson (1988), Biometrics 44(3), eq. 3-4.
"""

import numpy as np
import numpy.typing as npt

from ultimate_deep.evaluation.arrays import Array1D


def auc_columns(label: Array1D, score: Array1D) -> tuple[Array1D, Array1D]:
    """Placement of each row among the rows of the other class, ties one half.

    Args:
        label: 0 or 1, shape `(rows,)`.
        score: Finite values, shape `(rows,)`.

    Returns:
        Share of the downs below each up, and share of the ups above each down, both `(rows,)`
        with 0 on rows of the other class. The mean of either over its class is the AUC. All 0
        where a class is absent.
    """
    value, which = np.unique(score, return_inverse=True)
    ups = np.bincount(which, weights=label, minlength=len(value))
    downs = np.bincount(which, weights=1.0 - label, minlength=len(value))
    downs_below = np.cumsum(downs) - 0.5 * downs
    ups_above = ups.sum() - np.cumsum(ups) + 0.5 * ups
    above = label * downs_below[which] / max(float(downs.sum()), 1.0)
    below = (1.0 - label) * ups_above[which] / max(float(ups.sum()), 1.0)
    return above, below


def rank_correlation_columns(x: Array1D, y: Array1D) -> tuple[Array1D, Array1D, Array1D]:
    """Columns for the moments `E[F G]`, `E[F F]`, `E[G G]` of mid-ranks `F` of `x`, `G` of `y`.

    With `F` and `G` as shares of the rows (mean 1/2), Spearman's coefficient is
    `(E[F G] - 1/4) / sqrt((E[F F] - 1/4) (E[G G] - 1/4))`. Each column's mean over the rows is
    three times its moment; on a resample the moment is the column's mean there minus two thirds
    of that over all rows, up to terms of order 1 / rows.

    Args:
        x, y: Finite values, shape `(rows,)`.
    """
    order_x, order_y = _Order(x), _Order(y)
    share_x, share_y = order_x.share_below(), order_y.share_below()
    both = share_x * share_y + order_x.mean_above(share_y) + order_y.mean_above(share_x)
    own = share_x * share_x + 2.0 * order_x.mean_above(share_x)
    other = share_y * share_y + 2.0 * order_y.mean_above(share_y)
    return both, own, other


class _Order:
    """Rows by value, ties together."""

    def __init__(self, values: Array1D) -> None:
        unique, which = np.unique(values, return_inverse=True)
        self._which: npt.NDArray[np.intp] = which
        self._count = len(unique)

    def share_below(self) -> Array1D:
        """Share of rows with a smaller value, ties one half; shape `(rows,)`."""
        rows = np.bincount(self._which, minlength=self._count).astype(np.float64)
        below = np.cumsum(rows) - 0.5 * rows
        return np.asarray(below[self._which] / len(self._which), dtype=np.float64)

    def mean_above(self, weights: Array1D) -> Array1D:
        """Sum of the weights of rows with a larger value, ties one half, over the rows."""
        total = np.bincount(self._which, weights=weights, minlength=self._count)
        above = total.sum() - np.cumsum(total) + 0.5 * total
        return np.asarray(above[self._which] / len(self._which), dtype=np.float64)
