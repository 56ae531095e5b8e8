"""What LightGBM's text model says of its trees, checked before LightGBM reads it.

LightGBM's own reader ends the whole process (segmentation fault) on a text that is cut off.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

_HEADER_LINES = ("num_class=1", "num_tree_per_iteration=1", "objective=binary sigmoid:1")
_END_OF_TREES = "end of trees"
_BRANCH_KEYS = (
    "split_feature", "threshold", "decision_type", "left_child", "right_child",
)  # fmt: skip
_WHOLE = ("split_feature", "decision_type", "left_child", "right_child")


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
    head, _, rest = text.partition("\n\n")
    lines = head.split("\n")
    if lines[0] != "tree" or not set(_HEADER_LINES) <= set(lines):
        raise ValueError(f"its head lacks one of: tree, {', '.join(_HEADER_LINES)}")
    entries = _entries(head)
    width = int(entries.get("max_feature_idx", "-1")) + 1
    if features not in (None, width):
        raise ValueError(f"it has {width} features, not {features}")
    sizes = [int(size) for size in entries.get("tree_sizes", "").split()]
    end = sum(sizes)
    if not sizes or rest[end : end + len(_END_OF_TREES)] != _END_OF_TREES:
        raise ValueError(f"no line {_END_OF_TREES!r} follows its trees")
    if "\nend of parameters\n" not in rest[end:]:
        raise ValueError("it is cut off before the end of its parameters")
    starts = np.cumsum([0, *sizes])
    blocks = [rest[start:stop] for start, stop in pairwise(starts)]
    return [_tree_shape(block, number, width) for number, block in enumerate(blocks)]


def _tree_shape(block: str, number: int, features: int) -> TreeShape:
    entries = _entries(block)
    leaves = int(entries.get("num_leaves", "0"))
    if not block.startswith(f"Tree={number}\n") or leaves < 1 or entries.get("num_cat") != "0":
        raise ValueError(f"tree {number} is no tree of numeric splits")
    if len(_numbers(entries, "leaf_value")) != leaves:
        raise ValueError(f"tree {number} has not one value for each of its {leaves} leaves")
    if leaves == 1:
        return TreeShape(1, 0)
    branches = {key: _numbers(entries, key) for key in _BRANCH_KEYS}
    if {len(values) for values in branches.values()} != {leaves - 1}:
        raise ValueError(f"tree {number} has not {leaves - 1} splits")
    whole = {key: branches[key].astype(np.int64) for key in _WHOLE}
    asked = whole["split_feature"]
    if (asked < 0).any() or (asked >= features).any():
        raise ValueError(f"tree {number} asks for a feature that does not exist")
    return TreeShape(leaves, _depth(whole["left_child"], whole["right_child"], number))


def _depth(left: np.ndarray, right: np.ndarray, number: int) -> int:
    """Return the depth; children are numbered after their parent, leaf `i` is written `-1 - i`."""
    depth = np.zeros(len(left), np.int64)
    deepest = 0
    for parent, children in enumerate(zip(left.tolist(), right.tolist(), strict=True)):
        for child in children:
            if (
                child >= len(left)
                or child == parent
                or 0 <= child < parent
                or -1 - child > len(left)
            ):
                raise ValueError(f"tree {number} has a child that does not exist")
            if child >= 0:
                depth[child] = depth[parent] + 1
        deepest = max(deepest, int(depth[parent]) + 1)
    return deepest


def _entries(block: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in block.split("\n") if "=" in line)
    return {key: value for key, _, value in pairs}


def _numbers(entries: dict[str, str], key: str) -> np.ndarray:
    return np.array(entries.get(key, "").split(), dtype=np.float64)
