"""Weighted averages of the members' probabilities."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from scipy.special import logsumexp

from ultimate_deep.bundles.ensembles.combiner import (
    Combiner,
    EnsembleError,
    check_logits,
    check_names,
)
from ultimate_deep.bundles.files import TEMPERATURE_RANGE


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool(Combiner):
    """A weighted mean of the members' calibrated probabilities (a linear opinion pool).

    Args:
        names: Names of the members.
        weight: Not negative, summing to one over the members, `(members, horizons)`.
        temperature: Divides each member's logits first, positive, `(members, horizons)`.

    Raises:
        EnsembleError: Weights that do not lie on the simplex, or other shapes.
    """

    KIND: ClassVar[str] = "pool"

    names: tuple[str, ...]
    weight: np.ndarray
    temperature: np.ndarray

    def __post_init__(self) -> None:
        check_names(self.names)
        shape = self.weight.shape
        if len(shape) != 2 or shape[0] != len(self.names) or self.temperature.shape != shape:
            raise EnsembleError(
                f"weights and temperatures have shape ({len(self.names)} members, horizons), got "
                f"{shape} and {self.temperature.shape}; give a row for each member"
            )
        total = self.weight.sum(axis=0)
        if not (self.weight >= 0).all() or not np.allclose(total, 1.0, rtol=0, atol=1e-9):
            raise EnsembleError(
                f"weights are not negative and sum to one, got {self.weight.tolist()}; "
                "divide them by their sum over the members"
            )
        low, high = TEMPERATURE_RANGE
        if not ((self.temperature >= low) & (self.temperature <= high)).all():
            raise EnsembleError(
                f"temperatures are positive, from {low:g} to {high:g}, got "
                f"{self.temperature.tolist()}; use 1 for none"
            )

    def combine(self, logits: np.ndarray, features: np.ndarray | None = None) -> np.ndarray:
        """Return the logit of the weighted mean probability, float32 `(rows, horizons)`."""
        logits = check_logits(logits, *self.weight.shape)
        scaled = logits / self.temperature[:, None, :]
        known = np.isfinite(scaled).all(axis=(0, 2))
        out = np.full(scaled.shape[1:], np.nan, np.float32)
        out[known] = pooled_logits(scaled[:, known], self.weight[:, None, :])
        return out

    def weights(self) -> np.ndarray:
        """Return the weights."""
        return self.weight

    def to_json(self, folder: Path) -> dict[str, Any]:
        """Return names, weights and temperatures."""
        return {
            "names": list(self.names),
            "weight": self.weight.tolist(),
            "temperature": self.temperature.tolist(),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any], folder: Path) -> Self:
        """Build the pool anew."""
        return cls(
            names=tuple(content["names"]),
            weight=np.array(content["weight"], np.float64),
            temperature=np.array(content["temperature"], np.float64),
        )


def pooled_logits(logits: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the logit of `sum(weight * expit(logits))` over the first axis, never overflowing.

    Args:
        logits: `(members, ...)`.
        weight: Broadcasts against the logits.
    """
    weight = np.broadcast_to(weight, logits.shape)
    up = logsumexp(-np.logaddexp(0.0, -logits), axis=0, b=weight)
    down = logsumexp(-np.logaddexp(0.0, logits), axis=0, b=weight)
    return up - down


def average_pool(
    names: tuple[str, ...], horizons: int, temperature: np.ndarray | None = None
) -> Pool:
    """Return the pool of equal weights.

    Args:
        names: Names of the members.
        horizons: Logits per row.
        temperature: Temperature of each member and horizon; one where absent.
    """
    shape = (len(names), horizons)
    equal = np.full(shape, 1.0 / max(len(names), 1))
    given = np.ones(shape) if temperature is None else np.asarray(temperature, np.float64)
    return Pool(names=names, weight=equal, temperature=given)
