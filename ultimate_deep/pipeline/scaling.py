"""Robust scaling fitted on the training rows, as scikit-learn's object and as plain arrays."""

from dataclasses import dataclass

import numpy as np
from sklearn.preprocessing import RobustScaler

from ultimate_deep.features.judging.outliers import RobustLimits

_BLOCK_COLUMNS = 32  # bounds the float64 copies that the quantiles need


@dataclass(frozen=True, eq=False)
class ArrayScaler:
    """`(values - center) / scale` with the arithmetic of `sklearn.preprocessing.RobustScaler`.

    Args:
        center: Subtracted from each feature, float64 `(features,)`, finite.
        scale: Divides each feature, float64 `(features,)`, finite and positive.
        low: Least value of each feature, what lies below is clipped to it first, float64
            `(features,)`, -infinity where there is none; None clips nothing.
        high: Greatest value of each, likewise; given with `low`.

    Raises:
        ValueError: Shapes differ, or a value is out of range.
    """

    center: np.ndarray
    scale: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name in ("center", "scale", "low", "high"):
            if getattr(self, name) is None:
                continue
            array = np.array(getattr(self, name), dtype=np.float64)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if self.center.ndim != 1 or self.center.shape != self.scale.shape:
            raise ValueError(
                "center and scale have one value per feature, got shapes "
                f"{self.center.shape} and {self.scale.shape}; take both from one fitted scaler"
            )
        bad = ~(np.isfinite(self.center) & np.isfinite(self.scale) & (self.scale > 0))
        if bad.any():
            column = int(np.flatnonzero(bad)[0])
            raise ValueError(
                "a scaler is finite with a positive scale, got center "
                f"{self.center[column]} and scale {self.scale[column]} for feature number "
                f"{column}; fit it on finite rows"
            )
        self._check_limits()

    def _check_limits(self) -> None:
        low, high = self.low, self.high
        if low is None and high is None:
            return
        if low is None or high is None or not low.shape == high.shape == self.center.shape:
            raise ValueError(
                f"limits are a low and a high for each of {len(self.center)} features, got "
                f"{None if low is None else low.shape} and {None if high is None else high.shape}; "
                "take both from one RobustLimits"
            )
        if not (low < high).all():
            column = int(np.flatnonzero(~(low < high))[0])
            raise ValueError(
                f"a lower limit is below the upper one, got {low[column]} and {high[column]} for "
                f"feature number {column}; fit the limits again"
            )

    @classmethod
    def from_sklearn(
        cls, scaler: RobustScaler, limits: RobustLimits | None = None
    ) -> "ArrayScaler":
        """Return the plain-array twin of a fitted scaler, with the limits that come before it."""
        if limits is None:
            return cls(center=scaler.center_, scale=scaler.scale_)
        low, high = np.array(limits.low), np.array(limits.high)
        return cls(center=scaler.center_, scale=scaler.scale_, low=low, high=high)

    @property
    def features(self) -> int:
        """Number of features."""
        return len(self.center)

    def transform(self, values: np.ndarray) -> np.ndarray:
        """Return clipped and scaled values, float32 `(rows, features)`; NaN stays NaN.

        Bit for bit what scikit-learn returns for the same float32 values, once clipped.

        Args:
            values: Features, `(rows, features)`.

        Raises:
            ValueError: Another number of features.
        """
        if values.ndim != 2 or values.shape[1] != self.features:
            raise ValueError(
                f"values have shape (rows, {self.features}), got {values.shape}; "
                "compute the features that the scaler was fitted on, in the same order"
            )
        scaled = np.array(values, dtype=np.float32)
        if self.low is not None and self.high is not None:
            low, high = self.low.astype(np.float32), self.high.astype(np.float32)
            np.clip(scaled, low, high, out=scaled)
        # In place as scikit-learn does: float64 arithmetic, rounded to float32 after each step.
        scaled -= self.center
        scaled /= self.scale
        return scaled


def fit_scaler(values: np.ndarray, rows: np.ndarray) -> RobustScaler:
    """Fit a robust scaler on the training rows alone.

    Median and interquartile range are taken in float64; the range is divided by that of a
    standard normal, so that a normal feature gets unit variance. A feature whose
    range is zero (a constant one) is scaled as if its range were one.

    Args:
        values: Unscaled features of all rows, `(rows, features)`.
        rows: Numbers of the training rows, int64; no other row is looked at.

    Returns:
        A fitted `sklearn.preprocessing.RobustScaler(unit_variance=True)`.

    Raises:
        ValueError: Wrong shape, no rows, or a training row with NaN or infinity.

    Source: scikit-learn `RobustScaler`; quantiles 0.25 and 0.75, divisor 1.349.
    """
    if values.ndim != 2 or values.shape[1] == 0:
        raise ValueError(
            f"values have shape (rows, features), got {values.shape}; give one column per feature"
        )
    if len(rows) == 0:
        raise ValueError("a scaler needs at least one training row, got none; bring more bars")
    centers, scales = [], []
    for start in range(0, values.shape[1], _BLOCK_COLUMNS):
        block = values[rows, start : start + _BLOCK_COLUMNS].astype(np.float64)
        _check_finite(block, rows, start)
        part = RobustScaler(unit_variance=True, copy=False).fit(block)
        centers.append(part.center_)
        scales.append(part.scale_)
    scaler = RobustScaler(unit_variance=True)
    scaler.center_ = np.concatenate(centers)
    scaler.scale_ = np.concatenate(scales)
    scaler.n_features_in_ = values.shape[1]
    return scaler


def _check_finite(block: np.ndarray, rows: np.ndarray, first_column: int) -> None:
    bad = np.argwhere(~np.isfinite(block))
    if len(bad):
        row, column = bad[0]
        raise ValueError(
            f"training rows are finite, got {block[row, column]} in row {rows[row]}, feature "
            f"number {first_column + column}; leave out the warm-up rows"
        )
