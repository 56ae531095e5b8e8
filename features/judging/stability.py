"""Whether a feature's distribution holds still: population stability index by period.

The index is `sum((a - e) * log(a / e))` over bins that hold equal shares of the reference rows,
where `e` and `a` are the shares of reference and period. Half a row is added to every bin, so that
an empty one stays finite. Chance alone gives about `(bins - 1) / rows` of the period where
rows are independent, and more where they are not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ultimate_deep.features.judging.config import Period
from ultimate_deep.features.judging.outliers import check_table
from ultimate_deep.features.judging.scoring import period_labels, period_name

# Customary marks of credit scoring: below the first steady, above the second another population.
SHIFT, STRONG_SHIFT = 0.10, 0.25
BINS = 10  # by custom


@dataclass(frozen=True, eq=False, kw_only=True)
class Stability:
    """How far each period's distribution lies from that of all reference rows.

    Attributes:
        names: Features in order.
        periods: Labels of the periods in order of time.
        psi: `(features, periods)`, 0 where the distributions agree; NaN with too few rows.
        rows_by_period: `(periods,)`.
    """

    names: tuple[str, ...]
    periods: tuple[str, ...]
    psi: npt.NDArray[np.float64]
    rows_by_period: npt.NDArray[np.int64]

    @property
    def worst(self) -> npt.NDArray[np.float64]:
        """Largest index over the periods, `(features,)`; NaN without any."""
        known = np.isfinite(self.psi)
        highest = np.where(known, self.psi, -np.inf).max(axis=1)
        return np.where(known.any(axis=1), highest, np.nan)

    def to_frame(self) -> pd.DataFrame:
        """One row per feature, one column per period, index `name`."""
        index = pd.Index(self.names, name="name")
        return pd.DataFrame(self.psi, index=index, columns=list(self.periods))


def population_stability(
    values: np.ndarray,
    reference: npt.NDArray[np.int64],
    decision_time: np.ndarray,
    *,
    names: Sequence[str],
    rows: npt.NDArray[np.int64] | None = None,
    period: Period = "auto",
    bins: int = BINS,
    least_rows: int = 50,
    told: Callable[[int], None] | None = None,
) -> Stability:
    """Compare each period's distribution of every feature with that of the reference rows.

    Args:
        values: Features of all rows, `(rows, features)`; finite in the rows used.
        reference: Numbers of the rows that give bins and shares, the training rows.
        decision_time: UTC time of every row, datetime64 `(rows,)`.
        names: Names of the features.
        rows: Rows to judge; None for the reference rows themselves.
        period: Length of the periods.
        bins: Number of bins, at least 2; fewer where values repeat.
        least_rows: Periods of fewer rows get NaN.
        told: Called with the number of features done.

    Raises:
        ValueError: Wrong shapes, fewer than 2 bins, no reference row, or values that are not
            finite.

    Source: Siddiqi (2006), Credit Risk Scorecards, ch. 9; Yurdakul & Naranjo (2020), J. Risk
    Model Validation 14(4), for what chance gives.
    """
    check_table(values, reference, names)
    if bins < 2:
        raise ValueError(f"bins must be at least 2, got {bins}; 10 is customary")
    if np.shape(decision_time) != (len(values),):
        raise ValueError(
            f"decision_time has one entry per row, ({len(values)},), got {np.shape(decision_time)}"
        )
    judged = reference if rows is None else rows
    codes, found = pd.factorize(period_labels(decision_time[judged], period), sort=True)
    counts = np.bincount(codes, minlength=len(found))
    psi = np.empty((len(names), len(found)))
    for column, name in enumerate(names):
        base, now = values[reference, column], values[judged, column]
        if not (np.isfinite(base).all() and np.isfinite(now).all()):
            raise ValueError(f"rows of {name!r} are not all finite; leave out the warm-up rows")
        edges = np.unique(np.quantile(base, np.arange(1, bins) / bins, method="higher"))
        edges = edges[edges < base.max()]  # no bin beyond the greatest value
        expected = np.bincount(np.searchsorted(edges, base, side="left"), minlength=len(edges) + 1)
        places = codes * len(expected) + np.searchsorted(edges, now, side="left")
        actual = np.bincount(places, minlength=len(found) * len(expected))
        psi[column] = _index(expected, actual.reshape(len(found), len(expected)))
        if told is not None:
            told(column + 1)
    psi[:, counts < least_rows] = np.nan
    periods = tuple(period_name(one) for one in found)
    return Stability(names=tuple(names), periods=periods, psi=psi, rows_by_period=counts)


def _index(
    expected: npt.NDArray[np.int64], actual: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Index of each row of counts `(periods, bins)` against the expected counts `(bins,)`."""
    bins = len(expected)
    share = (expected + 0.5) / (expected.sum() + 0.5 * bins)
    found = (actual + 0.5) / (actual.sum(axis=1, keepdims=True) + 0.5 * bins)
    return ((found - share) * np.log(found / share)).sum(axis=1)
