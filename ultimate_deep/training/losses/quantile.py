"""Pinball loss of return quantiles, alone or beside the loss of a direction."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from ultimate_deep.training.losses.loss import Loss, check_same_shape, same_shape
from ultimate_deep.training.losses.loss_config import LossConfig
from ultimate_deep.training.losses.outputs import DIRECTION, QUANTILES, HeadShapes
from ultimate_deep.training.losses.registry import build_part, require_head


def pinball_loss(scaled_returns: Any, quantiles: Any, *, levels: Sequence[float]) -> Any:
    """Return the pinball loss of every quantile, `(batch, horizons, levels)`.

    `max(t e, (t - 1) e)` with `e = return - quantile` at level `t`.

    Args:
        scaled_returns: Returns in units of their usual size, `(batch, horizons)`.
        quantiles: Predicted quantiles in the same units, `(batch, horizons, levels)`.
        levels: Levels in (0, 1).

    Raises:
        ValueError: Shapes that do not match.

    Source: Koenker & Bassett (1978), Econometrica 46(1), eq. 3.1.
    """
    _check_levels(scaled_returns, quantiles, levels)
    error = scaled_returns[..., None] - quantiles
    shares = ops.convert_to_tensor(np.asarray(levels, dtype=np.float32))
    return ops.maximum(shares * error, (shares - 1.0) * error)


def pinball_loss_numpy(
    scaled_returns: np.ndarray, quantiles: np.ndarray, *, levels: Sequence[float]
) -> np.ndarray:
    """Return `pinball_loss` in float64, level by level."""
    _check_levels(scaled_returns, quantiles, levels)
    columns = []
    for i, level in enumerate(levels):
        error = scaled_returns.astype(np.float64) - quantiles[..., i]
        columns.append(np.where(error >= 0, level, level - 1.0) * error)
    return np.stack(columns, axis=-1)


def build_quantile(config: LossConfig, heads: HeadShapes) -> Loss:
    """Return the mean pinball loss over the levels, plus the direction's loss where it has a head.

    Raises:
        ValueError: Another number of levels than the model has.
    """
    require_head("quantile", QUANTILES, heads)
    if len(config.quantiles) != heads.levels:
        raise ValueError(
            f"fit.loss.quantiles has {len(config.quantiles)} levels, the model {heads.levels}; "
            "give the levels of its heads"
        )
    if DIRECTION not in heads.names:
        return _quantiles_alone(config)
    return _beside(_quantiles_alone(config), _direction_loss(config, heads), config.quantile_weight)


def _quantiles_alone(config: LossConfig) -> Loss:
    levels = config.quantiles

    def elements(targets: Any, outputs: Any) -> Any:
        check_same_shape(returns=targets["returns"], return_scale=targets["return_scale"])
        scaled = targets["returns"] / targets["return_scale"]
        return ops.mean(pinball_loss(scaled, outputs[QUANTILES], levels=levels), axis=-1)

    def measured(targets: Any, outputs: Any) -> np.ndarray:
        check_same_shape(returns=targets["returns"], return_scale=targets["return_scale"])
        scaled = targets["returns"].astype(np.float64) / targets["return_scale"]
        return pinball_loss_numpy(scaled, outputs[QUANTILES], levels=levels).mean(axis=-1)

    return Loss(
        heads=(QUANTILES,),
        targets=("returns", "return_scale"),
        elements=elements,
        measured=measured,
        skips_flat=False,
    )


def _direction_loss(config: LossConfig, heads: HeadShapes) -> Loss:
    inner = config.inner("uncertainty" if heads.log_variance else "cross_entropy")
    return build_part(inner.name, inner, heads)


def _beside(quantiles: Loss, direction: Loss, weight: float) -> Loss:
    return Loss(
        heads=(*direction.heads, *quantiles.heads),
        targets=tuple(dict.fromkeys((*direction.targets, *quantiles.targets))),
        elements=lambda targets, outputs: (
            direction.elements(targets, outputs) + weight * quantiles.elements(targets, outputs)
        ),
        measured=lambda targets, outputs: (
            direction.measured(targets, outputs) + weight * quantiles.measured(targets, outputs)
        ),
        skips_flat=False,
    )


def _check_levels(scaled_returns: Any, quantiles: Any, levels: Sequence[float]) -> None:
    wanted = (*scaled_returns.shape, len(levels))
    if len(scaled_returns.shape) != 2 or not same_shape(wanted, quantiles.shape):
        raise ValueError(
            f"quantiles must have shape {wanted} for returns {tuple(scaled_returns.shape)} and "
            f"{len(levels)} levels, got {tuple(quantiles.shape)}; losses never broadcast"
        )
