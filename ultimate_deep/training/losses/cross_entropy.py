"""Cross-entropy of two or three classes from logits."""

from typing import Any

import numpy as np
from keras import ops

from ultimate_deep.training.losses.loss import Loss, check_classes
from ultimate_deep.training.losses.loss_config import LossConfig
from ultimate_deep.training.losses.outputs import DIRECTION, HeadShapes
from ultimate_deep.training.losses.registry import require_head


def cross_entropy(y: Any, logits: Any) -> Any:
    """Return the cross-entropy of every label in nats, `(batch, horizons)`.

    Two classes: `max(l, 0) - l * y + log(1 + exp(-|l|))`, finite for every finite logit. Three:
    `-sum_c t_c log softmax(l)_c` with the shares `t` of `class_shares`.

    Args:
        y: Labels in [0, 1], `(batch, horizons)`; 0 down, 0.5 flat, 1 up.
        logits: `(batch, horizons)` of up, or `(batch, horizons, 3)` of down, flat and up.

    Raises:
        ValueError: Shapes that do not match.
    """
    check_classes(y, logits)
    if len(logits.shape) == 3:
        return class_cross_entropy(class_shares(y), logits)
    return binary_cross_entropy(y, logits)


def binary_cross_entropy(y: Any, logits: Any) -> Any:
    """Return the cross-entropy of two classes, of the shape of both."""
    return ops.maximum(logits, 0.0) - logits * y + ops.log1p(ops.exp(-ops.abs(logits)))


def class_cross_entropy(shares: Any, logits: Any) -> Any:
    """Return the cross-entropy of class shares `(..., classes)`, `(...)`."""
    return -ops.sum(shares * ops.log_softmax(logits, axis=-1), axis=-1)


def class_shares(y: Any) -> Any:
    """Return the shares of down, flat and up in a label, `(batch, horizons, 3)`.

    Labels 0, 0.5 and 1 are the classes themselves; between two of them the shares are linear.
    """
    down, up = ops.maximum(1.0 - 2.0 * y, 0.0), ops.maximum(2.0 * y - 1.0, 0.0)
    return ops.stack([down, 1.0 - down - up, up], axis=-1)


def cross_entropy_numpy(y: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Return `cross_entropy` in float64."""
    check_classes(y, logits)
    exact, labels = logits.astype(np.float64), y.astype(np.float64)
    if exact.ndim == 3:
        return -np.sum(class_shares_numpy(labels) * log_softmax_numpy(exact), axis=-1)
    return np.maximum(exact, 0.0) - exact * labels + np.log1p(np.exp(-np.abs(exact)))


def class_shares_numpy(y: np.ndarray) -> np.ndarray:
    """Return `class_shares` in float64."""
    corners = np.array([0.0, 0.5, 1.0])
    return np.stack([np.interp(y, corners, one) for one in np.eye(3)], axis=-1)


def log_softmax_numpy(logits: np.ndarray) -> np.ndarray:
    """Return the logarithm of the softmax over the last axis."""
    return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)


def build_cross_entropy(config: LossConfig, heads: HeadShapes) -> Loss:
    """Return the cross-entropy of the direction head."""
    require_head("cross_entropy", DIRECTION, heads)
    return Loss(
        heads=(DIRECTION,),
        targets=("y",),
        elements=lambda targets, outputs: cross_entropy(targets["y"], outputs[DIRECTION]),
        measured=lambda targets, outputs: cross_entropy_numpy(targets["y"], outputs[DIRECTION]),
        skips_flat=heads.classes == 2,
        of_logits=heads.classes == 2,
    )
