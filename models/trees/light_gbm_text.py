"""What LightGBM's text model says of its trees, checked before LightGBM reads it.

LightGBM's own reader ends the whole process, by a segmentation fault or from one of its threads, on
much that is no whole text model; so every line that it is given has the form and the bounds of
those that it writes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ultimate_deep.models.trees.booster import MOST_LOG_ODDS

_END_OF_TREES = "end of trees"
# After the trees LightGBM writes what it was told while growing them; predicting needs none of it.
_TAIL = f"{_END_OF_TREES}\n\nfeature_importances:\n\npandas_categorical:null\n"
_WHOLE = r"-?\d{1,10}"
_FINITE = r"-?\d{1,40}(?:\.\d{1,40})?(?:e[-+]\d{1,3})?"
_NUMBER = rf"(?:{_FINITE}|-?inf|-?nan)"
_HEAD = {
    "version": "v[34]",
    "num_class": "1",
    "num_tree_per_iteration": "1",
    "label_index": "0",
    "max_feature_idx": r"\d{1,9}",
    "objective": "binary sigmoid:1",
    "feature_names": r"\w+(?: \w+)*",
    "feature_infos": rf"(?:none|\[{_NUMBER}:{_NUMBER}\])(?: (?:none|\[{_NUMBER}:{_NUMBER}\]))*",
    "tree_sizes": r"\d{1,10}(?: \d{1,10})*",
}
_OF_LEAVES = {"leaf_value": _FINITE, "leaf_weight": _NUMBER, "leaf_count": _WHOLE}
_OF_SPLITS = {
    "split_feature": _WHOLE,
    "split_gain": _NUMBER,
    "threshold": _FINITE,
    "decision_type": _WHOLE,
    "left_child": _WHOLE,
    "right_child": _WHOLE,
    "internal_value": _NUMBER,
    "internal_weight": _NUMBER,
    "internal_count": _WHOLE,
}
_LISTS = {
    key: re.compile(rf"(?:{one}(?: {one})*)?", re.ASCII)
    for key, one in (_OF_LEAVES | _OF_SPLITS).items()
}
_TREE = (
    "Tree", "num_leaves", "num_cat", "split_feature", "split_gain", "threshold", "decision_type",
    "left_child", "right_child", "leaf_value", "leaf_weight", "leaf_count", "internal_value",
    "internal_weight", "internal_count", "is_linear", "shrinkage",
)  # fmt: skip
# Of numbers, not categories; a missing value goes left or right, and is told in one of three ways.
_DECISIONS = (0, 2, 4, 6, 8, 10)
_MOST_DEPTH = 1_000


@dataclass(frozen=True)
class TreeShape:
    """Leaves of a tree, and the splits from its root to the deepest of them."""

    leaves: int
    depth: int


def tree_shapes(text: str, *, features: int | None = None) -> list[TreeShape]:
    """Check a text model and return the shape of each tree.

    Args:
        text: The model as `Booster.model_to_string` gives it.
        features: How many features it must have; any number where absent.

    Raises:
        ValueError: Not a whole text model of one binary objective.
    """
    head, sizes, rest = _parts(text)
    width = int(head["max_feature_idx"]) + 1
    if features not in (None, width):
        raise ValueError(f"it has {width} features, not {features}")
    for key in ("feature_names", "feature_infos"):
        if len(head[key].split(" ")) != width:
            raise ValueError(f"its {key} are not {width}")
    if "\nend of parameters\n" not in rest[sum(sizes) :]:
        raise ValueError("it is cut off before the end of its parameters")
    blocks = [rest[start:stop] for start, stop in pairwise(np.cumsum([0, *sizes]).tolist())]
    if not all(block.endswith("\n\n") for block in blocks):
        raise ValueError("its trees do not end with an empty line")
    trees = [_entries(block, _TREE, f"tree {number}") for number, block in enumerate(blocks)]
    shapes = [_tree_shape(entries, number, width) for number, entries in enumerate(trees)]
    total = sum(np.abs(_numbers(entries, "leaf_value")).sum() for entries in trees)
    if not total <= MOST_LOG_ODDS:
        raise ValueError(f"the values of its leaves add up to more than {MOST_LOG_ODDS:g}")
    return shapes


def text_for_library(text: str) -> str:
    """Return the part of a text model that `tree_shapes` has checked, which is all of the trees."""
    head, _, _ = text.partition("\n\n")
    _, sizes, rest = _parts(text)
    return f"{head}\n\n{rest[: sum(sizes)]}{_TAIL}"


def _parts(text: str) -> tuple[dict[str, str], list[int], str]:
    """Return the entries of the head, the length of each tree, and all that follows the head."""
    head, _, rest = text.partition("\n\n")
    if not head.startswith("tree\n"):
        raise ValueError("it does not begin with a line: tree")
    entries = _entries(head.removeprefix("tree\n"), tuple(_HEAD), "its head")
    for key, form in _HEAD.items():
        if not re.fullmatch(form, entries[key], re.ASCII):
            raise ValueError(f"its head says {key}={entries[key][:80]!r}")
    sizes = [int(size) for size in entries["tree_sizes"].split(" ")]
    end = sum(sizes)
    if min(sizes) < 1 or rest[end : end + len(_END_OF_TREES)] != _END_OF_TREES:
        raise ValueError(f"no line {_END_OF_TREES!r} follows its trees")
    return entries, sizes, rest


def _tree_shape(entries: Mapping[str, str], number: int, features: int) -> TreeShape:
    plain = {"Tree": str(number), "num_cat": "0", "is_linear": "0"}
    if any(entries[key] != value for key, value in plain.items()):
        raise ValueError(f"tree {number} is no tree of numeric splits")
    for key in ("num_leaves", "shrinkage"):
        form = _FINITE if key == "shrinkage" else r"[1-9]\d{0,6}"
        if not re.fullmatch(form, entries[key], re.ASCII):
            raise ValueError(f"tree {number} says {key}={entries[key][:80]!r}")
    for key, numbers in _LISTS.items():
        if not numbers.fullmatch(entries[key]):
            raise ValueError(f"tree {number} has a {key} that is no list of numbers")
    leaves = int(entries["num_leaves"])
    values = {key: _numbers(entries, key) for key in _LISTS}
    for key in _OF_LEAVES:
        # Of a single leaf LightGBM writes no weight.
        if len(values[key]) != leaves and not (leaves == 1 and key != "leaf_value"):
            raise ValueError(f"tree {number} has not one {key} for each of its {leaves} leaves")
    if {len(values[key]) for key in _OF_SPLITS} != {leaves - 1}:
        raise ValueError(f"tree {number} has not {leaves - 1} splits")
    if not np.isfinite(values["leaf_value"]).all() or not np.isfinite(values["threshold"]).all():
        raise ValueError(f"tree {number} has a value beyond float64")
    return TreeShape(leaves, _depth(values, leaves, number, features) if leaves > 1 else 0)


def _depth(values: Mapping[str, np.ndarray], leaves: int, number: int, features: int) -> int:
    """Return the depth; children are numbered after their parent, leaf `i` is written `-1 - i`."""
    asked, decision, left, right = (
        values[key].astype(np.int64)
        for key in ("split_feature", "decision_type", "left_child", "right_child")
    )
    if (asked < 0).any() or (asked >= features).any():
        raise ValueError(f"tree {number} asks for a feature that does not exist")
    if not np.isin(decision, _DECISIONS).all():
        raise ValueError(f"tree {number} has a split that is not of numbers")
    children = np.sort(np.concatenate([left, right]))
    # Every split but the first and every leaf are the child of one split.
    if not np.array_equal(children, [*range(-leaves, 0), *range(1, leaves - 1)]):
        raise ValueError(f"tree {number} has a child that does not exist, or twice")
    depth = np.ones(len(left), np.int64)
    for parent, pair in enumerate(zip(left.tolist(), right.tolist(), strict=True)):
        for child in pair:
            if 0 <= child <= parent:
                raise ValueError(f"tree {number} has a child that does not follow its parent")
            if child >= 0:
                depth[child] = depth[parent] + 1
    if depth.max() > _MOST_DEPTH:
        raise ValueError(f"tree {number} is deeper than {_MOST_DEPTH:,} splits")
    return int(depth.max())


def _entries(block: str, keys: tuple[str, ...], what: str) -> dict[str, str]:
    """Return `key=value` by key, of lines of exactly these keys in this order."""
    lines = block.rstrip("\n").split("\n")
    entries = {key: value for key, _, value in (line.partition("=") for line in lines)}
    if len(lines) != len(keys) or tuple(entries) != keys:
        raise ValueError(f"{what} has other lines than {', '.join(keys)}")
    return entries


def _numbers(entries: Mapping[str, str], key: str) -> np.ndarray:
    return np.array(entries[key].split(), dtype=np.float64)
