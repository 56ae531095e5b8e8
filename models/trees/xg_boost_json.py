"""What XGBoost's JSON model says of its trees, checked before XGBoost reads it.

XGBoost follows a child or a feature that does not exist out of its memory, which ends the process.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from ultimate_deep.models.trees.booster import MOST_LOG_ODDS

_OBJECTIVE = "binary:logistic"
_NUMBER = r"-?\d{1,40}(?:\.\d{1,40})?(?:[eE][-+]?\d{1,3})?"
_NO_PARENT = 2**31 - 1
_WHOLE = ("left_children", "right_children", "parents", "split_indices", "split_type")
_FLOATS = ("base_weights", "loss_changes", "split_conditions", "sum_hessian")
_EMPTY = ("categories", "categories_nodes", "categories_segments", "categories_sizes")
_TREE = {*_WHOLE, *_FLOATS, *_EMPTY, "default_left", "id", "tree_param"}


def check_model(content: Any, *, features: int) -> None:
    """Hold a model against the form of those that XGBoost writes of one binary objective.

    Args:
        content: What its JSON says.
        features: How many features it must have.

    Raises:
        KeyError: An entry is absent.
        TypeError: An entry is of another kind.
        ValueError: An entry says what no such model does.
    """
    _check_keys(content, {"learner", "version"}, "it")
    version = content["version"]
    numbers = isinstance(version, list) and len(version) == 3
    if not numbers or any(type(one) is not int or not 0 <= one < 1_000 for one in version):
        raise ValueError(f"its version is {str(version)[:80]}, not three numbers")
    learner = content["learner"]
    parts = {"attributes", "feature_names", "feature_types", "gradient_booster"}
    _check_keys(learner, parts | {"learner_model_param", "objective"}, "its learner")
    _check_learner(learner, features)
    booster = learner["gradient_booster"]
    _check_keys(booster, {"model", "name"}, "its booster")
    model, kind = booster["model"], booster["name"]
    if kind != "gbtree":
        raise ValueError(f"its booster is {str(kind)[:80]!r}, not 'gbtree'")
    parts = {"gbtree_model_param", "iteration_indptr", "tree_info", "trees"}
    _check_keys(model, parts | {"cats"}, "its booster's model", optional={"cats"})
    if any(model.get("cats", {}).values()):
        raise ValueError("it knows categories, and features are numbers")
    trees = model["trees"]
    said = {"num_parallel_tree": "1", "num_trees": str(len(trees))}
    count = len(trees)
    if not trees or model["gbtree_model_param"] != said or model["tree_info"] != [0] * count:
        raise ValueError(f"it does not say that it has {count} trees of one class")
    if model["iteration_indptr"] != list(range(count + 1)):
        raise ValueError(f"its {count} trees are not one for each iteration")
    total = sum(_check_tree(tree, number, features) for number, tree in enumerate(trees))
    if not total <= MOST_LOG_ODDS:
        raise ValueError(f"the values of its leaves add up to more than {MOST_LOG_ODDS:g}")


def text_for_library(content: Any) -> bytes:
    """Return a checked model as JSON in which nothing is said twice."""
    return json.dumps(content, allow_nan=False).encode()


def _check_learner(learner: Mapping[str, Any], features: int) -> None:
    objective, said = learner["objective"], learner["learner_model_param"]
    if objective.get("name") != _OBJECTIVE:
        raise ValueError(f"its objective is {str(objective.get('name'))[:80]!r}")
    _check_keys(objective, {"name", "reg_loss_param"}, "its objective")
    weight = objective["reg_loss_param"]
    _check_keys(weight, {"scale_pos_weight"}, "its objective")
    if not re.fullmatch(_NUMBER, weight["scale_pos_weight"], re.ASCII):
        raise ValueError("its scale_pos_weight is no number")
    if learner["feature_names"] or learner["feature_types"]:
        raise ValueError("it names its features, and ours have numbers")
    if not all(isinstance(value, str) for value in learner["attributes"].values()):
        raise ValueError("its attributes are not texts")
    fixed = {"num_class": "0", "num_feature": str(features), "num_target": "1"}
    _check_keys(said, {*fixed, "base_score", "boost_from_average"}, "its parameters")
    if said["num_feature"] != fixed["num_feature"]:
        raise ValueError(f"it has {said['num_feature'][:20]} features, not {features}")
    if said != said | fixed or said["boost_from_average"] not in ("0", "1"):
        raise ValueError("it is not of one class and one target")
    score = said["base_score"]
    if not re.fullmatch(rf"{_NUMBER}|\[{_NUMBER}\]", score, re.ASCII):
        raise ValueError(f"its base_score is {score[:80]!r}")
    if not 0 < float(score.strip("[]")) < 1:
        raise ValueError(f"its base_score is {score[:80]}, no probability")


def _check_tree(tree: Mapping[str, Any], number: int, features: int) -> float:
    """Return the sum of the sizes of its leaves' values."""
    _check_keys(tree, _TREE, f"tree {number}")
    nodes = len(tree["left_children"])
    said = {"num_deleted": "0", "num_feature": str(features), "num_nodes": str(nodes)}
    if tree["tree_param"] != said | {"size_leaf_vector": "1"} or tree["id"] != number:
        raise ValueError(f"tree {number} does not say that it is this one and has {nodes} nodes")
    if any(tree[name] != [] for name in _EMPTY):
        raise ValueError(f"tree {number} knows categories, and features are numbers")
    for name in (*_WHOLE, *_FLOATS, "default_left"):
        kind = float if name in _FLOATS else int
        values = tree[name]
        if len(values) != nodes or any(type(value) is not kind for value in values):
            raise ValueError(f"tree {number} has not {nodes} numbers as {name}")
    whole = {name: np.array(tree[name], np.int64) for name in (*_WHOLE, "default_left")}
    floats = {name: np.array(tree[name], np.float64) for name in _FLOATS}
    if any(not (np.abs(values) <= np.finfo(np.float32).max).all() for values in floats.values()):
        raise ValueError(f"tree {number} has a number that is not finite in float32")
    _check_links(whole, nodes, number)
    if whole["split_type"].any() or not np.isin(whole["default_left"], (0, 1)).all():
        raise ValueError(f"tree {number} has a split that is not of numbers")
    asked = whole["split_indices"]
    if (asked < 0).any() or (asked >= features).any():
        raise ValueError(f"tree {number} asks for a feature that does not exist")
    leaves = whole["left_children"] < 0
    return math.fsum(np.abs(floats["split_conditions"][leaves]))


def _check_links(whole: Mapping[str, np.ndarray], nodes: int, number: int) -> None:
    """Refuse what is no tree: every node but the first is the child of one that is before it."""
    left, right, parents = (whole[name] for name in ("left_children", "right_children", "parents"))
    inner = np.flatnonzero(left != -1)
    if nodes < 1 or not np.array_equal(inner, np.flatnonzero(right != -1)):
        raise ValueError(f"tree {number} has a split with one child")
    children = np.concatenate([left[inner], right[inner]])
    if not np.array_equal(np.sort(children), np.arange(1, nodes)):
        raise ValueError(f"tree {number} has a child that does not exist, or twice")
    above = np.concatenate([inner, inner])
    if (children <= above).any() or parents[0] != _NO_PARENT or (parents[children] != above).any():
        raise ValueError(f"tree {number} has a child that does not follow its parent")


def _check_keys(
    value: Any, keys: set[str], what: str, optional: set[str] | frozenset[str] = frozenset()
) -> None:
    if not isinstance(value, dict) or not keys - optional <= value.keys() <= keys:
        raise ValueError(f"{what} has other entries than {', '.join(sorted(keys))}")
