"""Outliers: limits around each feature's median, learnt from the training rows alone.

Clipping is by value: a row's result depends on that row and the stored limits, on no other row,
so that it is the same in batch, bar by bar and after loading.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from ultimate_deep.features.registry import registry

Basis = Literal["mad", "quantiles", "deviation", "bounded", "flag", "constant"]

# Divisors that make each measure the standard deviation of a normal feature.
_MAD = 0.6744897501960817  # the normal's 75% quantile
_SPAN = 2.0 * 1.6448536269514722  # between its 5% and 95% quantiles


@dataclass(frozen=True, kw_only=True)
class RobustLimits:
    """Between which values each feature is kept.

    Attributes:
        names: Features in order.
        median: Median of the training rows.
        scale: Robust standard deviation of the training rows; 0 where none was needed.
        low: Least value let through; -inf where the feature is left alone.
        high: Greatest value let through; inf where the feature is left alone.
        basis: What `scale` was taken from. `mad`: median absolute deviation; `quantiles`: 5% to
            95%, where more than half of the rows are equal; `deviation`: standard deviation, where
            those quantiles are equal too. Left alone: `bounded` (both ends declared), `flag` (at
            most two values) and `constant`.
        multiple: Robust standard deviations on either side of the median.
        rows: Number of training rows.

    Raises:
        ValueError: Lengths differ, or a lower limit is not below its upper one.
    """

    names: tuple[str, ...]
    median: tuple[float, ...]
    scale: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    basis: tuple[Basis, ...]
    multiple: float
    rows: int

    def __post_init__(self) -> None:
        lengths = {
            name: len(getattr(self, name))
            for name in ("names", "median", "scale", "low", "high", "basis")
        }
        if len(set(lengths.values())) > 1:
            raise ValueError(f"limits have one value per feature, got {lengths}; fit them again")
        for name, low, high in zip(self.names, self.low, self.high, strict=True):
            if not low < high:
                raise ValueError(
                    f"a lower limit is below the upper one, got {low} and {high} for {name!r}; "
                    "fit the limits again"
                )

    @classmethod
    def fit(
        cls,
        values: np.ndarray,
        rows: npt.NDArray[np.int64],
        *,
        names: Sequence[str],
        multiple: float = 10.0,
        bounded: Collection[str] | None = None,
    ) -> Self:
        """Learn limits from the training rows; no other row is looked at.

        Args:
            values: Features of all rows, `(rows, features)`; NaN in warm-up rows is passed over.
            rows: Numbers of the training rows.
            names: Names of the features.
            multiple: Robust standard deviations on either side of the median, above zero. At 10 a
                normal feature never meets its limit; what does is the far tail of ratios.
            bounded: Features left alone because they cannot run away; None for those of the
                registry that declare both a least and a greatest value.

        Raises:
            ValueError: Wrong shape, no training row, a feature without any finite training value,
                an infinite one, or a `multiple` that is not above zero.

        Source: median absolute deviation, Hampel (1974), J. American Statistical Association
        69(346); the fallbacks are ours.
        """
        check_table(values, rows, names)
        if not 0.0 < multiple < math.inf:
            raise ValueError(f"multiple must be above zero, got {multiple}; 10 is the default")
        still = declared_bounds() if bounded is None else frozenset(bounded)
        fitted = [
            _limits_of(values[rows, column].astype(np.float64), name, multiple, name in still)
            for column, name in enumerate(names)
        ]
        median, scale, low, high, basis = zip(*fitted, strict=True)
        return cls(
            names=tuple(names), median=median, scale=scale, low=low, high=high, basis=basis,
            multiple=float(multiple), rows=len(rows),
        )  # fmt: skip

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Return a clipped copy of the same shape and float type; NaN stays NaN.

        Args:
            values: `(rows, features)`, or one row `(features,)`, in the order of `names`.

        Raises:
            ValueError: Another number of features.
        """
        values = np.asarray(values)
        if values.ndim not in (1, 2) or values.shape[-1] != len(self.names):
            raise ValueError(
                f"values have the {len(self.names)} features that the limits were fitted on, got "
                f"shape {values.shape}; compute the same features in the same order"
            )
        if not np.issubdtype(values.dtype, np.floating):
            raise TypeError(f"features are floating-point numbers, got {values.dtype}")
        low = np.array(self.low, dtype=values.dtype)
        high = np.array(self.high, dtype=values.dtype)
        return np.clip(values, low, high)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, one entry per feature; infinite limits are None."""
        features = {
            name: {
                "median": median,
                "scale": scale,
                "low": low if math.isfinite(low) else None,
                "high": high if math.isfinite(high) else None,
                "basis": basis,
            }
            for name, median, scale, low, high, basis in zip(
                self.names, self.median, self.scale, self.low, self.high, self.basis, strict=True
            )
        }
        return {"multiple": self.multiple, "rows": self.rows, "features": features}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Return the limits that `to_dict` described, bit for bit.

        Raises:
            ValueError: An entry is missing or of another kind.
        """
        try:
            parts: list[dict[str, Any]] = list(stored["features"].values())
            return cls(
                names=tuple(stored["features"]),
                median=tuple(float(part["median"]) for part in parts),
                scale=tuple(float(part["scale"]) for part in parts),
                low=tuple(-math.inf if part["low"] is None else part["low"] for part in parts),
                high=tuple(math.inf if part["high"] is None else part["high"] for part in parts),
                basis=tuple(part["basis"] for part in parts),
                multiple=float(stored["multiple"]),
                rows=int(stored["rows"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"stored limits lack or misname an entry ({error!r}); write them with to_dict"
            ) from error


def declared_bounds() -> frozenset[str]:
    """Names of the registered features that declare a least and a greatest value."""
    return frozenset(
        name
        for name, feature in registry().features.items()
        if feature.low is not None and feature.high is not None
    )


def check_table(values: np.ndarray, rows: np.ndarray, names: Sequence[str]) -> None:
    """Refuse a table whose shape, names or training rows do not fit each other.

    Raises:
        ValueError: `values` is not `(rows, features)` with one distinct name per feature, or
            there is no training row.
    """
    if values.ndim != 2 or values.shape[1] != len(names):
        raise ValueError(
            f"values have shape (rows, {len(names)}), one column per name, got {values.shape}"
        )
    if len(set(names)) != len(names):
        raise ValueError("feature names must differ; some are given twice")
    if len(rows) == 0:
        raise ValueError("at least one training row is needed, got none; bring more bars")


def _limits_of(
    train: npt.NDArray[np.float64], name: str, multiple: float, bounded: bool
) -> tuple[float, float, float, float, Basis]:
    """Median, scale, lower limit, upper limit and basis of one feature's training rows."""
    known = train[~np.isnan(train)]
    if len(known) == 0:
        raise ValueError(f"{name!r} has no value in the training rows; leave the feature out")
    if np.isinf(known).any():
        raise ValueError(f"features are finite or NaN, got infinity in {name!r}; repair the bars")
    median = float(np.median(known))
    if bounded:
        return median, 0.0, -math.inf, math.inf, "bounded"
    scale, basis = _robust_scale(known, median)
    if basis in ("flag", "constant"):
        return median, 0.0, -math.inf, math.inf, basis
    return median, scale, median - multiple * scale, median + multiple * scale, basis


def _robust_scale(known: npt.NDArray[np.float64], median: float) -> tuple[float, Basis]:
    least, most = float(known.min()), float(known.max())
    if least == most:
        return 0.0, "constant"
    if bool(((known == least) | (known == most)).all()):
        return 0.0, "flag"
    # A spread below what float32 features resolve would clip every later value.
    smallest = float(np.finfo(np.float32).eps) * max(abs(median), float(np.finfo(np.float32).tiny))
    deviation = float(np.median(np.abs(known - median))) / _MAD
    if deviation > smallest:
        return deviation, "mad"
    lower, upper = np.quantile(known, [0.05, 0.95])
    span = float(upper - lower) / _SPAN
    if span > smallest:
        return span, "quantiles"
    return float(known.std()), "deviation"
