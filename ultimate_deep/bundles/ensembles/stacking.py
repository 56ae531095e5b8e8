"""A second model over the members' logits: a weighted sum, or trees; fitted elsewhere."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from ultimate_deep.bundles.ensembles.combiner import (
    Combiner,
    EnsembleError,
    check_logits,
    check_names,
)
from ultimate_deep.models.trees.model import TreeModel, load_trees

TREES_FOLDER = "combiner_trees"
CLIP = 50.0  # of the logits that a stack reads
MOST_WEIGHT = 1e9  # beyond it, every probability is 0 or 1


@dataclass(frozen=True, kw_only=True, eq=False)
class LogisticStack(Combiner):
    """A weighted sum of the members' logits and a constant.

    Args:
        names: Names of the members.
        weight: `(members, horizons)`.
        intercept: `(horizons,)`.

    Raises:
        EnsembleError: Other shapes, or numbers that are not finite.
    """

    KIND: ClassVar[str] = "logistic_stack"

    names: tuple[str, ...]
    weight: np.ndarray
    intercept: np.ndarray

    def __post_init__(self) -> None:
        check_names(self.names)
        fits = self.weight.shape == (len(self.names), *self.intercept.shape)
        if self.intercept.ndim != 1 or not fits:
            raise EnsembleError(
                f"weights have shape (members, horizons) and intercepts (horizons,), got "
                f"{self.weight.shape} and {self.intercept.shape} for {len(self.names)} members; "
                "give a row of weights for each member"
            )
        for name, values in (("weights", self.weight), ("intercepts", self.intercept)):
            if not (np.abs(values) <= MOST_WEIGHT).all():
                raise EnsembleError(
                    f"{name} are numbers from {-MOST_WEIGHT:g} to {MOST_WEIGHT:g}, got "
                    f"{values.tolist()}; fit again"
                )

    def combine(self, logits: np.ndarray, features: np.ndarray | None = None) -> np.ndarray:
        """Return the weighted sum, float32 `(rows, horizons)`."""
        logits = np.clip(check_logits(logits, *self.weight.shape), -CLIP, CLIP)
        total = np.einsum("mrh,mh->rh", logits, self.weight) + self.intercept
        return total.astype(np.float32)

    def weights(self) -> np.ndarray:
        """Return the weights; they need not sum to one."""
        return self.weight

    def to_json(self, folder: Path) -> dict[str, Any]:
        """Return names, weights and intercepts."""
        return {
            "names": list(self.names),
            "weight": self.weight.tolist(),
            "intercept": self.intercept.tolist(),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any], folder: Path) -> Self:
        """Build the stack anew."""
        return cls(
            names=tuple(content["names"]),
            weight=np.array(content["weight"], np.float64),
            intercept=np.array(content["intercept"], np.float64),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class TreeStack(Combiner):
    """Trees over the members' logits of all horizons and, in two stages, features.

    Args:
        names: Names of the members.
        trees: Their input is `members * horizons + features` wide, members first.
        feature_names: Names of what the trees read beside the logits; none in a plain stack.

    Raises:
        EnsembleError: Other trees, or trees of another width.
    """

    KIND: ClassVar[str] = "tree_stack"

    names: tuple[str, ...]
    trees: TreeModel
    feature_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_names(self.names)
        width = len(self.names) * self.trees.horizons + len(self.feature_names)
        if self.trees.features != width:
            raise EnsembleError(
                f"trees over {len(self.names)} members, {self.trees.horizons} horizons and "
                f"{len(self.feature_names)} features read {width} numbers, got trees that read "
                f"{self.trees.features}; fit them on these members and features"
            )

    def combine(self, logits: np.ndarray, features: np.ndarray | None = None) -> np.ndarray:
        """Return the trees' log-odds, float32 `(rows, horizons)`."""
        logits = check_logits(logits, len(self.names), self.trees.horizons)
        shape = (logits.shape[1], len(self.feature_names))
        if features is None and not self.feature_names:
            features = np.empty(shape, np.float32)
        if features is None or features.shape != shape:
            raise EnsembleError(
                f"the second stage reads features (rows, features) = {shape}, got "
                f"{None if features is None else features.shape}; give the same rows' features"
            )
        known = np.isfinite(logits).all(axis=(0, 2)) & np.isfinite(features).all(axis=1)
        out = np.full(logits.shape[1:], np.nan, np.float32)
        if known.any():
            out[known] = self.trees.logits(side_by_side(logits[:, known], features[known]))
        return out

    def weights(self) -> np.ndarray:
        """Return how often each member is asked, as a share of all questions of the trees."""
        asked = np.zeros(self.trees.features)
        for booster in self.trees.boosters:
            asked += booster.splits(len(asked))
        members = asked[: len(self.names) * self.trees.horizons].reshape(len(self.names), -1)
        each = members.sum(axis=1) / max(asked.sum(), 1.0)
        return np.repeat(each[:, None], self.trees.horizons, axis=1)

    def to_json(self, folder: Path) -> dict[str, Any]:
        """Write the trees into a folder of their own and return the names."""
        self.trees.save(folder / TREES_FOLDER)
        return {"names": list(self.names), "feature_names": list(self.feature_names)}

    @classmethod
    def from_json(cls, content: dict[str, Any], folder: Path) -> Self:
        """Build the stack anew; one written before there were features reads none."""
        return cls(
            names=tuple(content["names"]),
            trees=load_trees(folder / TREES_FOLDER),
            feature_names=tuple(content.get("feature_names", ())),
        )


def side_by_side(logits: np.ndarray, features: np.ndarray | None = None) -> np.ndarray:
    """Turn `(members, rows, horizons)` to float32 `(rows, members * horizons + features)`."""
    joined = np.clip(np.moveaxis(logits, 0, 1).reshape(logits.shape[1], -1), -CLIP, CLIP)
    beside = [] if features is None else [np.asarray(features, np.float32)]
    return np.hstack([joined.astype(np.float32), *beside])
