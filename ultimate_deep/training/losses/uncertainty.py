"""Cross-entropy of a logit that is known only up to a variance of its own."""

import math
from typing import Any

import numpy as np
from keras import ops
from scipy.special import log_expit, logsumexp

from ultimate_deep.training.losses.loss import Loss, check_same_shape
from ultimate_deep.training.losses.loss_config import LossConfig
from ultimate_deep.training.losses.outputs import DIRECTION, LOG_VARIANCE, HeadShapes
from ultimate_deep.training.losses.registry import require_head

# Standard deviations of a logit from 0.007 to 20; beyond, the log variance gets no gradient.
LOG_VARIANCE_LIMITS = (-10.0, 6.0)


def uncertainty_loss(y: Any, logits: Any, log_variance: Any, *, nodes: int) -> Any:
    """Return the heteroscedastic cross-entropy of every label in nats, `(batch, horizons)`.

    The logit is `l + s e` with `s^2 = exp(log_variance)` and `e` standard normal. The loss is
    `-y log E sigmoid(l + s e) - (1 - y) log E sigmoid(-l - s e)`.

    Args:
        y: Labels in [0, 1], `(batch, horizons)`.
        logits: `(batch, horizons)`.
        log_variance: Logarithm of the logit's variance, `(batch, horizons)`, limited to [-10, 6].
        nodes: Points of the quadrature.

    Raises:
        ValueError: Shapes that do not match.

    Source: Kendall & Gal (2017), arXiv:1703.04977, eq. 12. Deviation: each logit has one Gaussian
    of one dimension, so its mean is taken by Gauss-Hermite quadrature instead of Monte Carlo
    draws: the same limit, without noise and without a seed.
    """
    check_same_shape(y=y, logits=logits, log_variance=log_variance)
    points, log_weights = quadrature(nodes)
    deviation = ops.exp(0.5 * ops.clip(log_variance, *LOG_VARIANCE_LIMITS))
    points = ops.convert_to_tensor(points.astype(np.float32))
    log_weights = ops.convert_to_tensor(log_weights.astype(np.float32))
    drawn = logits[..., None] + deviation[..., None] * points
    log_up = ops.logsumexp(log_weights - ops.softplus(-drawn), axis=-1)
    log_down = ops.logsumexp(log_weights - ops.softplus(drawn), axis=-1)
    return -(y * log_up + (1.0 - y) * log_down)


def uncertainty_loss_numpy(
    y: np.ndarray, logits: np.ndarray, log_variance: np.ndarray, *, nodes: int
) -> np.ndarray:
    """Return `uncertainty_loss` in float64, one point after another."""
    check_same_shape(y=y, logits=logits, log_variance=log_variance)
    limited = np.clip(log_variance.astype(np.float64), *LOG_VARIANCE_LIMITS)
    deviation, exact = np.exp(limited / 2), logits.astype(np.float64)
    points = list(zip(*quadrature(nodes), strict=True))
    up = logsumexp([w + log_expit(exact + e * deviation) for e, w in points], axis=0)
    down = logsumexp([w + log_expit(-exact - e * deviation) for e, w in points], axis=0)
    return -(y * up + (1.0 - y) * down)


def quadrature(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points and log weights, float64 `(nodes,)`, of the mean under a standard normal."""
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    return points, np.log(weights) - 0.5 * math.log(2.0 * math.pi)


def build_uncertainty(config: LossConfig, heads: HeadShapes) -> Loss:
    """Return the heteroscedastic cross-entropy of the direction and log variance heads."""
    for head in (DIRECTION, LOG_VARIANCE):
        require_head("uncertainty", head, heads)
    nodes = config.nodes
    return Loss(
        heads=(DIRECTION, LOG_VARIANCE),
        targets=("y",),
        elements=lambda targets, outputs: uncertainty_loss(
            targets["y"], outputs[DIRECTION], outputs[LOG_VARIANCE], nodes=nodes
        ),
        measured=lambda targets, outputs: uncertainty_loss_numpy(
            targets["y"], outputs[DIRECTION], outputs[LOG_VARIANCE], nodes=nodes
        ),
        skips_flat=True,
    )
