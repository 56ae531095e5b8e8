"""Trees that read the members' logits beside the features, such as what nets see in pictures.

A member that is asked about its own training rows repeats what it has memorised, and the trees
would learn to trust it: like any stack, they are fitted on out-of-fold logits alone.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np

from ultimate_deep.bundles.ensembles.combiner import EnsembleError
from ultimate_deep.bundles.ensembles.stacking import TreeStack, side_by_side
from ultimate_deep.experiments.ensembles.out_of_fold import OutOfFold
from ultimate_deep.experiments.ensembles.stacking import stacked_rows
from ultimate_deep.models.trees.config import TreeConfig
from ultimate_deep.models.trees.hist_gradient_boosting import HistGradientBoostingConfig
from ultimate_deep.models.trees.libraries import is_installed, tree_library
from ultimate_deep.models.trees.registry import preset_config
from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.growing.grow import fit_trees

# Features come as they are: trees ask for their order alone, so that nothing need be cut off.
CUT_NOTHING = 1e30
DEFAULT = HistGradientBoostingConfig(min_leaf_rows=50, input_clip=CUT_NOTHING)


@dataclass(frozen=True, kw_only=True, eq=False)
class StoppingRows:
    """Rows by which the trees stop growing, after the training part.

    Args:
        logits: Logits of the members, `(members, rows, horizons)`.
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
    config: TreeConfig = DEFAULT,
    *,
    library: str = "hist_gradient_boosting",
) -> TreeStack:
    """Grow trees on out-of-fold logits and features of the same rows.

    Args:
        out_of_fold: Members' predictions of rows they have not seen.
        labels: Labels of all rows that the folds share out, `(rows, horizons)`.
        features: Features of the same rows, `(rows, features)`.
        feature_names: Names of the features' columns.
        stopping: Rows of the validation part.
        config: How the trees are grown.
        library: Whose trees they are, a key of `models.trees.registry.TREES`.

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
    trees, _ = fit_trees(library, train, watched, config)
    return TreeStack(names=out_of_fold.names, feature_names=feature_names, trees=trees)


def trees_of(asked: str) -> tuple[str, TreeConfig, str]:
    """Return whose trees the second stage is, how they are grown, and that in a sentence.

    Args:
        asked: `EnsembleConfig.trees`.

    Raises:
        TreeError: A library that is asked for by name and not installed.
    """
    if asked == "auto":
        library = "xgboost" if is_installed("xgboost") else "hist_gradient_boosting"
        absent = "" if library == "xgboost" else ", since XGBoost is not installed (extra `trees`)"
    else:
        library, absent = asked, ""
    if library == "hist_gradient_boosting":
        return library, DEFAULT, f"the second stage is trees of scikit-learn{absent}"
    tree_library(library)
    config = dataclasses.replace(preset_config(library), input_clip=CUT_NOTHING)
    return library, config, f"the second stage is trees of {library}"


def _arrays(logits: np.ndarray, features: np.ndarray, labels: np.ndarray) -> Arrays:
    known = np.isfinite(labels).all(axis=1)
    return Arrays(
        x=side_by_side(logits[:, known], features[known]),
        y=np.ascontiguousarray(labels[known], np.float32),
    )
