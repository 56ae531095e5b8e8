"""Trading loss: minus the net result of the position that a prediction stands for."""

from typing import Any

import numpy as np
from keras import ops
from scipy.special import softmax

from ultimate_deep.training.losses.loss import Loss, check_classes, check_same_shape
from ultimate_deep.training.losses.loss_config import LossConfig
from ultimate_deep.training.losses.outputs import DIRECTION, HeadShapes
from ultimate_deep.training.losses.registry import require_head

# Rounds the kink of |position| at zero, so that the gradient is continuous there.
ROUNDING = 0.01
BASIS_POINT = 1e-4
SIDES = 2


def trading_loss(
    returns: Any,
    return_scale: Any,
    logits: Any,
    *,
    cost_bps: float,
    direction_penalty: float,
) -> Any:
    """Return the trading loss of every label in units of its return's usual size.

    With the position `p` in (-1, 1), `z = return / scale` and `k = cost / scale`:

        utility = p z - 2 k |p|
        penalty = |sign(z)| (|p| - p sign(z)) / 2
        loss    = -utility + direction_penalty * penalty

    `p` is `P(up) - P(down)`, for one logit `tanh(logit / 2)`. Both sides of the trade are paid.
    The penalty is the size of a position against the realised direction and 0 for one along it,
    so that many small wrong calls are not bought by one large right one. `|p|` is
    `sqrt(p^2 + d^2) - d` with `d = 0.01`.

    Args:
        returns: Log return over each horizon, `(batch, horizons)`.
        return_scale: Its usual size, positive, `(batch, horizons)`.
        logits: `(batch, horizons)` of up, or `(batch, horizons, 3)` of down, flat and up.
        cost_bps: Cost of one side in basis points of the position.
        direction_penalty: Weight of the penalty.

    Raises:
        ValueError: Shapes that do not match.

    Source: own; the utility is the net return of a position in the spirit of Moody & Saffell
    (2001), IEEE Trans. Neural Networks 12(4), eq. 3, for independent trades instead of changes of
    one position, in units of volatility.
    """
    check_same_shape(returns=returns, return_scale=return_scale)
    check_classes(returns, logits)
    position = _position(logits)
    size = ops.sqrt(ops.square(position) + ROUNDING**2) - ROUNDING
    scaled, side = returns / return_scale, ops.sign(returns)
    cost = SIDES * cost_bps * BASIS_POINT / return_scale
    penalty = ops.abs(side) * (size - position * side) / 2.0
    return cost * size - position * scaled + direction_penalty * penalty


def trading_loss_numpy(
    returns: np.ndarray,
    return_scale: np.ndarray,
    logits: np.ndarray,
    *,
    cost_bps: float,
    direction_penalty: float,
) -> np.ndarray:
    """Return `trading_loss` in float64, written as gain, cost and penalty of each trade."""
    check_same_shape(returns=returns, return_scale=return_scale)
    check_classes(returns, logits)
    exact = logits.astype(np.float64)
    if exact.ndim == 2:
        exact = np.stack([np.zeros_like(exact), np.full(exact.shape, -np.inf), exact], axis=-1)
    chances = softmax(exact, axis=-1)
    position = chances[..., 2] - chances[..., 0]
    size = np.hypot(position, ROUNDING) - ROUNDING
    net_return = position * returns - size * SIDES * cost_bps * BASIS_POINT
    against = np.where(returns > 0, (size - position) / 2, (size + position) / 2)
    penalty = np.where(returns == 0, 0.0, against)
    return direction_penalty * penalty - net_return / return_scale.astype(np.float64)


def build_trading(config: LossConfig, heads: HeadShapes) -> Loss:
    """Return the trading loss of the direction head."""
    require_head("trading", DIRECTION, heads)
    options = {"cost_bps": config.cost_bps, "direction_penalty": config.direction_penalty}
    return Loss(
        heads=(DIRECTION,),
        targets=("returns", "return_scale"),
        elements=lambda targets, outputs: trading_loss(
            targets["returns"], targets["return_scale"], outputs[DIRECTION], **options
        ),
        measured=lambda targets, outputs: trading_loss_numpy(
            targets["returns"], targets["return_scale"], outputs[DIRECTION], **options
        ),
        skips_flat=False,
    )


def _position(logits: Any) -> Any:
    if len(logits.shape) == 3:
        chances = ops.softmax(logits, axis=-1)
        return chances[..., 2] - chances[..., 0]
    return ops.tanh(logits / 2.0)
