"""Cross-entropy against labels of which a share is spread over all classes."""

from typing import Any

import numpy as np

from ultimate_deep.training.losses.cross_entropy import (
    binary_cross_entropy,
    class_cross_entropy,
    class_shares,
    cross_entropy_numpy,
    log_softmax_numpy,
)
from ultimate_deep.training.losses.loss import Loss, check_classes
from ultimate_deep.training.losses.loss_config import LossConfig
from ultimate_deep.training.losses.outputs import DIRECTION, HeadShapes
from ultimate_deep.training.losses.registry import require_head


def smoothed_cross_entropy(y: Any, logits: Any, *, smoothing: float) -> Any:
    """Return the smoothed cross-entropy of every label in nats, `(batch, horizons)`.

    A label's share of a class becomes `(1 - smoothing) * share + smoothing / classes`.

    Args:
        y: Labels in [0, 1], `(batch, horizons)`; 0 down, 0.5 flat, 1 up.
        logits: `(batch, horizons)` of up, or `(batch, horizons, 3)` of down, flat and up.
        smoothing: Share of the label that is spread, in [0, 1).

    Raises:
        ValueError: Shapes that do not match.

    Source: Szegedy et al. (2016), arXiv:1512.00567, sec. 7.
    """
    check_classes(y, logits)
    if len(logits.shape) == 3:
        shares = class_shares(y) * (1.0 - smoothing) + smoothing / 3.0
        return class_cross_entropy(shares, logits)
    return binary_cross_entropy(y * (1.0 - smoothing) + 0.5 * smoothing, logits)


def smoothed_cross_entropy_numpy(
    y: np.ndarray, logits: np.ndarray, *, smoothing: float
) -> np.ndarray:
    """Return `smoothed_cross_entropy` in float64: a mixture of two cross-entropies.

    `(1 - s) * H(y, p) + s * H(uniform, p)`.
    """
    uniform = np.full(y.shape, 0.5)
    against_label = cross_entropy_numpy(y, logits)
    if logits.ndim == 3:
        against_all = -log_softmax_numpy(logits.astype(np.float64)).mean(axis=-1)
    else:
        against_all = cross_entropy_numpy(uniform, logits)
    return (1.0 - smoothing) * against_label + smoothing * against_all


def build_smoothed_cross_entropy(config: LossConfig, heads: HeadShapes) -> Loss:
    """Return the smoothed cross-entropy of the direction head; validation is not smoothed."""
    require_head("smoothed_cross_entropy", DIRECTION, heads)
    return Loss(
        heads=(DIRECTION,),
        targets=("y",),
        elements=lambda targets, outputs: smoothed_cross_entropy(
            targets["y"], outputs[DIRECTION], smoothing=config.smoothing
        ),
        measured=lambda targets, outputs: cross_entropy_numpy(targets["y"], outputs[DIRECTION]),
        skips_flat=heads.classes == 2,
        of_logits=heads.classes == 2,
    )
