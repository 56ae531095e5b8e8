"""Focal loss: cross-entropy that looks away from labels which are already right."""

from typing import Any

import numpy as np
from keras import ops

from ultimate_deep.training.losses.cross_entropy import class_shares, class_shares_numpy
from ultimate_deep.training.losses.loss import Loss, check_classes
from ultimate_deep.training.losses.loss_config import LossConfig
from ultimate_deep.training.losses.outputs import DIRECTION, HeadShapes
from ultimate_deep.training.losses.registry import require_head


def focal_loss(y: Any, logits: Any, *, gamma: float) -> Any:
    """Return the focal loss of every label in nats, `(batch, horizons)`.

    `-sum_c t_c (1 - p_c)^gamma log p_c` over the classes with their shares `t` of the label.
    Everything stays in logarithms, so that value and gradient are finite for every finite logit.

    Args:
        y: Labels in [0, 1], `(batch, horizons)`; 0 down, 0.5 flat, 1 up.
        logits: `(batch, horizons)` of up, or `(batch, horizons, 3)` of down, flat and up.
        gamma: Power of the miss, at least 0; 0 is cross-entropy.

    Raises:
        ValueError: Shapes that do not match.

    Source: Lin et al. (2017), arXiv:1708.02002, eq. 4. Deviation: no alpha (class weights do
    that), and soft labels count by their shares.
    """
    check_classes(y, logits)
    if len(logits.shape) == 3:
        log_wrong = _log_others(logits) - ops.logsumexp(logits, axis=-1, keepdims=True)
        terms = ops.exp(gamma * log_wrong) * ops.log_softmax(logits, axis=-1)
        return -ops.sum(class_shares(y) * terms, axis=-1)
    log_up, log_down = -ops.softplus(-logits), -ops.softplus(logits)
    right_up = ops.exp(gamma * log_down) * log_up
    right_down = ops.exp(gamma * log_up) * log_down
    return -(y * right_up + (1.0 - y) * right_down)


def focal_loss_numpy(y: np.ndarray, logits: np.ndarray, *, gamma: float) -> np.ndarray:
    """Return `focal_loss` in float64, straight from the probabilities."""
    check_classes(y, logits)
    exact, labels = logits.astype(np.float64), y.astype(np.float64)
    if exact.ndim == 2:
        exact = np.stack([np.zeros_like(exact), exact], axis=-1)
        shares = np.stack([1.0 - labels, labels], axis=-1)
    else:
        shares = class_shares_numpy(labels)
    highest = exact.max(axis=-1, keepdims=True)
    weights = np.exp(exact - highest)
    total = weights.sum(axis=-1, keepdims=True)
    log_probability = exact - highest - np.log(total)
    wrong = (total - weights) / total
    return -np.sum(shares * wrong**gamma * log_probability, axis=-1)


def build_focal(config: LossConfig, heads: HeadShapes) -> Loss:
    """Return the focal loss of the direction head."""
    require_head("focal", DIRECTION, heads)
    return Loss(
        heads=(DIRECTION,),
        targets=("y",),
        elements=lambda targets, outputs: focal_loss(
            targets["y"], outputs[DIRECTION], gamma=config.gamma
        ),
        measured=lambda targets, outputs: focal_loss_numpy(
            targets["y"], outputs[DIRECTION], gamma=config.gamma
        ),
        skips_flat=heads.classes == 2,
    )


def _log_others(logits: Any) -> Any:
    """Return for each of three classes the log of the summed exponentials of the other two."""
    down, flat, up = logits[..., 0], logits[..., 1], logits[..., 2]
    others = [ops.logaddexp(flat, up), ops.logaddexp(down, up), ops.logaddexp(down, flat)]
    return ops.stack(others, axis=-1)
