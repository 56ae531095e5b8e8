"""Another loss with a weight for each horizon."""

from typing import Any

import numpy as np
from keras import ops

from ultimate_deep.training.losses.loss import Loss
from ultimate_deep.training.losses.loss_config import LossConfig
from ultimate_deep.training.losses.outputs import HeadShapes
from ultimate_deep.training.losses.registry import build_part


def horizon_weighted(elements: Any, shares: np.ndarray) -> Any:
    """Return a loss of every label times the weight of its horizon, `(batch, horizons)`.

    Args:
        elements: Loss of every label, `(batch, horizons)`.
        shares: Weights of the horizons, `(horizons,)`, from `mean_one`: the mean over horizons is
            then the weighted mean, whatever the weights add up to.

    Raises:
        ValueError: Another number of horizons.
    """
    if len(elements.shape) != 2 or elements.shape[1] != len(shares):
        raise ValueError(
            f"{len(shares)} horizon weights need losses (batch, {len(shares)}), got "
            f"{tuple(elements.shape)}; give one weight for each horizon"
        )
    return elements * ops.convert_to_tensor(shares.astype(np.float32))[None, :]


def horizon_weighted_numpy(elements: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return `horizon_weighted` in float64."""
    if elements.ndim != 2 or elements.shape[1] != len(shares):
        raise ValueError(
            f"{len(shares)} horizon weights need losses (batch, {len(shares)}), got "
            f"{elements.shape}; give one weight for each horizon"
        )
    return elements @ np.diag(shares)


def mean_one(weights: tuple[float, ...]) -> np.ndarray:
    """Return weights in their proportions, with mean 1, float64 `(horizons,)`."""
    values = np.asarray(weights, dtype=np.float64)
    return values / values.mean()


def build_multi_horizon(config: LossConfig, heads: HeadShapes) -> Loss:
    """Return the loss named by `config.of` with the configured weights.

    Raises:
        ValueError: Another number of weights than horizons.
    """
    if len(config.horizon_weights) != heads.horizons:
        raise ValueError(
            f"fit.loss.horizon_weights has {len(config.horizon_weights)} weights, the model "
            f"{heads.horizons} horizons; give one for each"
        )
    shares = mean_one(config.horizon_weights)
    inner_config = config.inner("cross_entropy")
    inner = build_part(inner_config.name, inner_config, heads)
    return Loss(
        heads=inner.heads,
        targets=inner.targets,
        elements=lambda targets, outputs: horizon_weighted(
            inner.elements(targets, outputs), shares
        ),
        measured=lambda targets, outputs: horizon_weighted_numpy(
            inner.measured(targets, outputs), shares
        ),
        skips_flat=inner.skips_flat,
        of_logits=inner.of_logits,
    )
