"""Histogram gradient boosting of scikit-learn, kept as plain arrays and walked by our own kernel.

Source: Ke et al. (2017), LightGBM, NeurIPS 30, whose histogram algorithm scikit-learn follows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numba import njit
from sklearn.ensemble import HistGradientBoostingClassifier

from ultimate_deep.machine.archives import ArchiveError, read_arrays
from ultimate_deep.machine.threads import openmp_threads
from ultimate_deep.models.checks import check_range
from ultimate_deep.models.search_space import FloatRange, IntRange, SearchSpace
from ultimate_deep.models.trees.booster import (
    MOST_LOG_ODDS,
    Booster,
    Growth,
    Sample,
    TreeError,
    kept_trees,
)
from ultimate_deep.models.trees.config import TreeConfig

Scoring = str | Callable[..., float]
_INTEGERS = ("feature", "left", "right", "depth", "first_node")
_FLOATS = ("threshold", "value", "baseline")
_ROWS_AT_ONCE = 1024


@dataclass(frozen=True, kw_only=True)
class HistGradientBoostingConfig(TreeConfig):
    """Options of scikit-learn's trees.

    Args:
        min_leaf_rows: Fewest training rows of a leaf.
    """

    min_leaf_rows: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("min_leaf_rows", self.min_leaf_rows, 1)


@dataclass(frozen=True, eq=False)
class HistGradientBoosting(Booster):
    """All nodes of all trees in one set of arrays, trees one behind the other.

    Args:
        features: Width of the input.
        first_node: Where each tree begins, and where the last ends, int64 `(trees + 1,)`.
        feature: Feature asked at each node, -1 in a leaf, int64 `(nodes,)`.
        threshold: A row goes left where its feature is at most this, float64 `(nodes,)`.
        left: Left child, counted from the tree's first node, int64 `(nodes,)`.
        right: Right child, likewise.
        depth: Splits above the node, int64 `(nodes,)`.
        value: What a leaf adds to the log-odds, float64 `(nodes,)`.
        baseline: Log-odds before the first tree, float64 `(1,)`.
    """

    features: int
    first_node: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    depth: np.ndarray
    value: np.ndarray
    baseline: np.ndarray

    CONFIG: ClassVar[type[TreeConfig]] = HistGradientBoostingConfig
    SUFFIX: ClassVar[str] = ".npz"
    PRESETS: ClassVar[Mapping[str, TreeConfig]] = MappingProxyType(
        {
            "tiny": HistGradientBoostingConfig(trees=10, leaves=7, patience=5, threads=1),
            "default": HistGradientBoostingConfig(),
        }
    )
    SEARCH_SPACE: ClassVar[SearchSpace] = {
        "learning_rate": FloatRange(low=0.01, high=0.2, log=True),
        "leaves": IntRange(low=4, high=63),
        "min_leaf_rows": IntRange(low=10, high=500, step=10),
        "l2": FloatRange(low=0.01, high=100.0, log=True),
        "feature_share": FloatRange(low=0.1, high=1.0),
    }

    @classmethod
    def grow(cls, train: Sample, validation: Sample | None, config: Any) -> tuple[Self, Growth]:
        """Grow trees with scikit-learn, then copy them into arrays."""
        fitted, edges = fit_in_bins(train, validation, config)
        grown = fitted.n_iter_
        loss = np.full(grown, np.nan)
        watched = loss.copy()
        if validation is not None:
            # Entry 0 is the loss before the first tree.
            loss = np.asarray(fitted.train_score_[1:], np.float64) * -1.0
            watched = np.asarray(fitted.validation_score_[1:], np.float64) * -1.0
        kept = kept_trees(watched)
        growth = Growth(loss=loss, validation_loss=watched, kept=kept)
        return cls.from_sklearn(fitted, trees=kept, edges=edges), growth

    @classmethod
    def from_sklearn(
        cls,
        fitted: HistGradientBoostingClassifier,
        *,
        trees: int | None = None,
        edges: list[np.ndarray] | None = None,
    ) -> Self:
        """Copy the first `trees` trees (all where absent) of a binary classifier.

        Args:
            fitted: A classifier fitted by `fit_classifier`.
            trees: How many of its trees.
            edges: What `bin_edges` gave, where it was fitted on numbers of bins in place of
                features.
        """
        nodes = [each[0].nodes for each in fitted._predictors[:trees]]
        joined = np.concatenate(nodes)
        feature = np.where(joined["is_leaf"] == 1, -1, joined["feature_idx"]).astype(np.int64)
        threshold = joined["num_threshold"].astype(np.float64)
        if edges is not None:
            inner = np.flatnonzero(feature >= 0)
            threshold[inner] = [edges[feature[node]][int(threshold[node])] for node in inner]
        return cls(
            features=int(fitted.n_features_in_),
            first_node=np.cumsum([0, *(len(one) for one in nodes)]).astype(np.int64),
            feature=feature,
            threshold=threshold,
            left=joined["left"].astype(np.int64),
            right=joined["right"].astype(np.int64),
            depth=joined["depth"].astype(np.int64),
            value=joined["value"].astype(np.float64),
            baseline=np.asarray(fitted._baseline_prediction, np.float64).reshape(1),
        )

    def margin(self, x: np.ndarray) -> np.ndarray:
        """Return log-odds of up, float64 `(rows,)`, bit for bit scikit-learn's."""
        out = np.full(len(x), self.baseline[0])
        for start in range(0, len(x), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            _add_trees(
                np.ascontiguousarray(x[rows]), self.first_node, self.feature, self.threshold,
                self.left, self.right, self.value, out[rows],
            )  # fmt: skip
        return out

    def write(self, path: Path) -> None:
        """Write the arrays as `.npz`."""
        arrays = {name: getattr(self, name) for name in (*_INTEGERS, *_FLOATS)}
        np.savez(path, features=np.int64(self.features), **arrays)

    @classmethod
    def read(cls, path: Path, *, features: int, threads: int) -> Self:
        """Read the arrays and check that every walk through them ends in a leaf."""
        try:
            arrays = read_arrays(path, ("features", *_INTEGERS, *_FLOATS))
            width = int(arrays.pop("features"))
        except (ArchiveError, TypeError, ValueError) as error:
            raise TreeError(f"{path} holds no arrays of trees ({error}); train again") from error
        read = cls(features=width, **arrays)
        problem = f"of {width} features" if width != features else read._problem()
        if problem:
            raise TreeError(f"{path} holds no trees of {features} features: {problem}; train again")
        return read

    def shapes(self) -> pd.DataFrame:
        """Return leaves and depth of each tree."""
        starts = self.first_node[:-1]
        leaves = np.add.reduceat((self.feature < 0).astype(np.int64), starts)
        depth = np.maximum.reduceat(self.depth, starts)
        return pd.DataFrame({"leaves": leaves, "depth": depth})

    def splits(self, features: int) -> np.ndarray:
        """Return how many splits ask each feature."""
        return np.bincount(self.feature[self.feature >= 0], minlength=features)

    def _problem(self) -> str:
        """Say why these arrays are no trees; empty where they are."""
        for names, kind in ((_INTEGERS, np.int64), (_FLOATS, np.float64)):
            for name in names:
                values = getattr(self, name)
                if values.dtype != kind or values.ndim != 1:
                    return f"{name} is {values.dtype} with {values.ndim} axes"
        nodes, first = len(self.feature), self.first_node
        lengths = {name: len(getattr(self, name)) for name in ("left", "right", "depth")}
        lengths |= {name: len(getattr(self, name)) for name in ("threshold", "value")}
        if set(lengths.values()) != {nodes} or len(self.baseline) != 1:
            return f"arrays of unequal length {lengths}"
        if len(first) < 2 or first[0] != 0 or first[-1] != nodes or (np.diff(first) < 1).any():
            return "trees that do not lie one behind the other"
        sums = np.add.reduceat(np.abs(self.value), first[:-1])
        if (
            not sums.sum() + abs(self.baseline[0]) <= MOST_LOG_ODDS
            or np.isnan(self.threshold).any()
        ):
            return f"values that are not finite, or add up to more than {MOST_LOG_ODDS:g}"
        return self._wrong_links()

    def _wrong_links(self) -> str:
        first = self.first_node
        size = np.repeat(np.diff(first), np.diff(first))
        place = np.arange(len(self.feature)) - np.repeat(first[:-1], np.diff(first))
        inner = self.feature >= 0
        if (self.feature >= self.features).any() or (self.feature < -1).any():
            return "a feature that does not exist"
        for child in (self.left, self.right):
            # Children come after their parent, so that no walk can go round in circles.
            if (inner & ((child <= place) | (child >= size))).any():
                return "a child outside its tree"
        return ""


def fit_in_bins(
    train: Sample,
    validation: Sample | None,
    config: HistGradientBoostingConfig,
    *,
    scoring: Scoring = "loss",
) -> tuple[HistGradientBoostingClassifier, list[np.ndarray] | None]:
    """Fit scikit-learn's own classifier, on numbers of bins where rows have weights.

    Args:
        train: Rows to grow on.
        validation: Rows to stop by; None grows all trees.
        config: How they are grown.
        scoring: What stops them, asked before the first tree and after each.

    Returns:
        The classifier, and what `bin_edges` gave where it was fitted on numbers of bins.
    """
    if not _differ(train.weight):
        return fit_classifier(train, validation, config, scoring=scoring), None
    edges = bin_edges(train.x, config.bins)
    train = _in_bins(train, edges)
    validation = None if validation is None else _in_bins(validation, edges)
    return fit_classifier(train, validation, config, scoring=scoring), edges


def fit_classifier(
    train: Sample,
    validation: Sample | None,
    config: HistGradientBoostingConfig,
    *,
    scoring: Scoring = "loss",
) -> HistGradientBoostingClassifier:
    """Fit scikit-learn's own classifier with these options; see `fit_in_bins`."""
    model = HistGradientBoostingClassifier(
        learning_rate=config.learning_rate,
        max_iter=config.trees,
        max_leaf_nodes=config.leaves,
        max_depth=config.depth or None,
        min_samples_leaf=config.min_leaf_rows,
        l2_regularization=config.l2,
        max_features=config.feature_share,
        max_bins=config.bins,
        categorical_features=None,
        early_stopping=validation is not None,
        scoring=scoring,
        n_iter_no_change=config.patience or config.trees + 1,
        tol=0.0,
        random_state=config.seed,
    )
    watched = {}
    if validation is not None:
        watched = {
            "X_val": validation.x,
            "y_val": validation.y,
            "sample_weight_val": validation.weight,
        }
    weight = train.weight if _differ(train.weight) else None
    with openmp_threads(config.threads):
        return model.fit(train.x, train.y, sample_weight=weight, **watched)


def bin_edges(x: np.ndarray, bins: int) -> list[np.ndarray]:
    """Return the values that separate at most `bins` equally frequent bins of each feature.

    scikit-learn's own search for them takes minutes where rows have weights (one weighted
    percentile at a time); so weighted trees are grown on numbers of bins, which it takes as
    they are. Weights count in the trees, not in the edges.

    Args:
        x: `(rows, features)`.
        bins: Most bins of a feature, at least two.

    Returns:
        For each feature its edges, rising, float64; value `v` is in bin `i` where
        `edges[i - 1] < v <= edges[i]`.
    """
    shares = np.linspace(0.0, 1.0, bins + 1)[1:-1]
    quantiles = np.quantile(x, shares, axis=0, method="averaged_inverted_cdf")
    return [np.unique(column).astype(np.float64) for column in quantiles.T]


def bin_numbers(x: np.ndarray, edges: list[np.ndarray]) -> np.ndarray:
    """Return the number of each value's bin, float32 `(rows, features)`."""
    columns = [np.searchsorted(one, x[:, i], side="left") for i, one in enumerate(edges)]
    return np.column_stack(columns).astype(np.float32)


def _in_bins(sample: Sample, edges: list[np.ndarray]) -> Sample:
    return Sample(x=bin_numbers(sample.x, edges), y=sample.y, weight=sample.weight)


def _differ(weight: np.ndarray) -> bool:
    return bool((weight != weight[0]).any())


@njit(cache=True, nogil=True)
def _add_trees(
    x: np.ndarray,
    first_node: np.ndarray,
    feature: np.ndarray,
    threshold: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    value: np.ndarray,
    out: np.ndarray,
) -> None:
    """Add every tree's leaf to `out`, in the trees' order, as scikit-learn sums them."""
    for tree in range(len(first_node) - 1):
        root = first_node[tree]
        for row in range(len(x)):
            node = root
            while feature[node] >= 0:
                below = np.float64(x[row, feature[node]]) <= threshold[node]
                node = root + (left[node] if below else right[node])
            out[row] += value[node]
