"""What a loss is to the training loop."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Tensors = Mapping[str, Any]
NumpyArrays = Mapping[str, np.ndarray]


@dataclass(frozen=True, kw_only=True, eq=False)
class Loss:
    """A loss of every label, without any reduction over rows and horizons.

    Args:
        heads: The heads that get a gradient.
        targets: What it compares them with, of `y`, `returns` and `return_scale`.
        elements: `(targets, heads)` by name, tensors, to the training loss of each label,
            `(batch, horizons)`.
        measured: The same on NumPy arrays in float64, as it is measured on validation: without
            label smoothing.
        skips_flat: Whether a flat label has no right answer under this loss, so that validation
            leaves it out.
        of_logits: Whether it is a cross-entropy of the direction's logits, so that validation
            measures it at the temperature that suits them best.
    """

    heads: tuple[str, ...]
    targets: tuple[str, ...]
    elements: Callable[[Tensors, Tensors], Any]
    measured: Callable[[NumpyArrays, NumpyArrays], np.ndarray]
    skips_flat: bool
    of_logits: bool = False


def check_same_shape(**named: Any) -> None:
    """Refuse arrays or tensors of different shapes, which would broadcast.

    Raises:
        ValueError: Naming both shapes.
    """
    (first, reference), *others = named.items()
    for name, values in others:
        if not same_shape(reference.shape, values.shape):
            raise ValueError(
                f"{name} must have the shape of {first}, {tuple(reference.shape)}, got "
                f"{tuple(values.shape)}; losses never broadcast"
            )


def check_classes(y: Any, logits: Any) -> None:
    """Refuse logits that are neither `(batch, horizons)` nor `(batch, horizons, 3)` for these `y`.

    Raises:
        ValueError: Naming both shapes.
    """
    shape = tuple(logits.shape)
    labels = shape[:2] if len(shape) == 3 and shape[2] == 3 else shape
    if not (len(y.shape) == 2 and same_shape(y.shape, labels)):
        raise ValueError(
            f"logits must have the shape of y, {tuple(y.shape)}, or three for each label, got "
            f"{shape}; losses never broadcast"
        )


def same_shape(one: Any, other: Any) -> bool:
    """Whether two shapes agree; an unknown size agrees with every size."""
    pairs = zip(tuple(one), tuple(other), strict=False)
    return len(one) == len(other) and all(a == b or None in (a, b) for a, b in pairs)
