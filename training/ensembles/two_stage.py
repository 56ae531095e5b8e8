"""Trees that read the members' logits beside the features, such as what nets see in pictures.

A member that is asked about its own training rows repeats what it has memorised, and the trees
would learn to trust it: like any stack, they are fitted on out-of-fold logits alone.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from training.ensembles.combiner import Combiner, EnsembleError, check_logits, check_names
from training.ensembles.out_of_fold import OutOfFold
from training.ensembles.stacking import TREES_FOLDER, asked_share, side_by_side, stacked_rows
from training.fitting.arrays import Arrays
from training.trees.hist_gradient_boosting import HistGradientBoostingConfig
from training.trees.model import TreeModel, fit_trees, load_trees

# Features come as they are: trees ask for their order alone, so that nothing need be cut off.
DEFAULT = HistGradientBoostingConfig(min_leaf_rows=50, input_clip=1e30)


@dataclass(frozen=True, kw_only=True, eq=False)
class TwoStage(Combiner):
    """Boosted trees over the members' logits of all horizons, then the features.

    Args:
        names: Of the members.
        feature_names: Of what the trees read beside them.
        trees: Their input is `members * horizons + features` wide, members first.

    Raises:
        EnsembleError: Trees of another width.
    """

    KIND: ClassVar[str] = "two_stage"

    names: tuple[str, ...]
    feature_names: tuple[str, ...]
    trees: TreeModel

    def __post_init__(self) -> None:
        check_names(self.names)
        width = len(self.names) * self.trees.horizons + len(self.feature_names)
        if self.trees.features != width or not self.feature_names:
            raise EnsembleError(
                f"trees over {len(self.names)} members, {self.trees.horizons} horizons and "
                f"{len(self.feature_names)} features read {width} numbers, got trees that read "
                f"{self.trees.features}; two stages need one feature or more"
            )

    def combine(self, logits: np.ndarray, features: np.ndarray | None = None) -> np.ndarray:
        """Return the trees' log-odds, float32 `(rows, horizons)`."""
        logits = check_logits(logits, len(self.names), self.trees.horizons)
        if features is None or features.shape != (logits.shape[1], len(self.feature_names)):
            raise EnsembleError(
                f"the second stage reads features (rows, features) = ({logits.shape[1]}, "
                f"{len(self.feature_names)}), got {None if features is None else features.shape}"
            )
        known = np.isfinite(logits).all(axis=(0, 2)) & np.isfinite(features).all(axis=1)
        out = np.full(logits.shape[1:], np.nan, np.float32)
        if known.any():
            out[known] = self.trees.logits(_joined(logits[:, known], features[known]))
        return out

    def weights(self) -> np.ndarray:
        """Return how often each member is asked, as a share of all questions of the trees."""
        each = asked_share(self.trees)[: len(self.names) * self.trees.horizons]
        members = each.reshape(len(self.names), -1).sum(axis=1)
        return np.repeat(members[:, None], self.trees.horizons, axis=1)

    def to_json(self, folder: Path) -> dict[str, Any]:
        """Write the trees into a folder of their own and return the names."""
        self.trees.save(folder / TREES_FOLDER)
        return {"names": list(self.names), "feature_names": list(self.feature_names)}

    @classmethod
    def from_json(cls, content: dict[str, Any], folder: Path) -> Self:
        """Build the second stage anew."""
        return cls(
            names=tuple(content["names"]),
            feature_names=tuple(content["feature_names"]),
            trees=load_trees(folder / TREES_FOLDER),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class StoppingRows:
    """Rows by which the trees stop growing, after the training part.

    Args:
        logits: Of the members, `(members, rows, horizons)`.
        features: `(rows, features)`.
        labels: `(rows, horizons)`.
    """

    logits: np.ndarray
    features: np.ndarray
    labels: np.ndarray


def fit_two_stage(
    out_of_fold: OutOfFold,
    labels: np.ndarray,
    features: np.ndarray,
    feature_names: tuple[str, ...],
    stopping: StoppingRows,
    config: HistGradientBoostingConfig = DEFAULT,
) -> TwoStage:
    """Grow trees on out-of-fold logits and features of the same rows.

    Args:
        out_of_fold: Members' predictions of rows they have not seen.
        labels: Of all rows that the folds share out, `(rows, horizons)`.
        features: Of the same rows, `(rows, features)`.
        feature_names: Of its columns.
        stopping: Of the validation part.
        config: How the trees are grown.

    Raises:
        EnsembleError: Labels or features of other rows, or no feature.
    """
    rows, logits, known_labels = stacked_rows(out_of_fold, labels)
    if features.shape != (len(labels), len(feature_names)) or not feature_names:
        raise EnsembleError(
            f"features have shape (rows, features) = ({len(labels)}, {len(feature_names)}), got "
            f"{features.shape}; two stages need one feature or more"
        )
    train = _arrays(logits, features[rows], known_labels)
    watched = _arrays(stopping.logits, stopping.features, stopping.labels)
    trees, _ = fit_trees("hist_gradient_boosting", train, watched, config)
    return TwoStage(names=out_of_fold.names, feature_names=feature_names, trees=trees)


def _arrays(logits: np.ndarray, features: np.ndarray, labels: np.ndarray) -> Arrays:
    known = np.isfinite(labels).all(axis=1)
    return Arrays(
        x=_joined(logits[:, known], features[known]),
        y=np.ascontiguousarray(labels[known], np.float32),
    )


def _joined(logits: np.ndarray, features: np.ndarray) -> np.ndarray:
    return np.hstack([side_by_side(logits), np.asarray(features, np.float32)])
