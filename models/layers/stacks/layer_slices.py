"""Which layer each row of a stacked weight belongs to, for optimizers that act layer by layer."""

from typing import Any

import keras
import numpy as np

ATTRIBUTE = "_ultimate_deep_layer_of_row"


def mark_layers(variable: keras.Variable, layer_of_row: Any) -> None:
    """Say which layer each row of the variable's first axis belongs to.

    A layer marks its stacked weights in `build`, so that the marks are there again after
    `clone_model` and `load_model`: both build the layer anew. A variable without marks is one
    layer as a whole.

    Args:
        variable: A built variable `(rows, ...)`.
        layer_of_row: `(rows,)` integers: the layer of each row, numbered from 0 without gaps. A
            stack of one slice for each layer has `np.arange(depth)`; in a packed weight several
            rows share a number.

    Raises:
        TypeError: `variable` is no Keras variable, or `layer_of_row` holds no integers.
        ValueError: The variable has no first axis, or the numbers do not fit it.
    """
    if not isinstance(variable, keras.Variable):
        raise TypeError(
            f"mark_layers marks a Keras variable, got {type(variable).__name__}; call it in the "
            "layer's build with what add_weight returned"
        )
    rows = np.array(layer_of_row)
    if rows.dtype.kind not in "iu":
        raise TypeError(
            f"{variable.path}: layer_of_row holds the numbers of layers, got {rows.dtype}; "
            "give integers, e.g. np.arange(depth)"
        )
    shape = tuple(variable.shape)
    if not shape or rows.shape != shape[:1]:
        raise ValueError(
            f"{variable.path}: layer_of_row has one number for each row of the first axis, got "
            f"shape {rows.shape} for a variable of shape {shape}; give {shape[:1]} of them"
        )
    present = np.unique(rows)
    if not np.array_equal(present, np.arange(len(present))):
        wrong = int(np.argmax(present != np.arange(len(present))))
        raise ValueError(
            f"{variable.path}: layers are numbered from 0 without gaps, got {present[wrong]} where "
            f"{wrong} is due; number them 0 to {len(present) - 1}"
        )
    rows = rows.astype(np.int32)
    rows.setflags(write=False)
    setattr(variable, ATTRIBUTE, rows)


def layer_of_row(variable: keras.Variable) -> np.ndarray | None:
    """Return the layer of each row, read-only int32 `(rows,)`; None where nothing is marked."""
    rows: np.ndarray | None = getattr(variable, ATTRIBUTE, None)
    return rows
