"""Every training loss by name: one file and one line each."""

import importlib
from collections.abc import Callable

from ultimate_deep.training.losses.loss import Loss
from ultimate_deep.training.losses.loss_config import LossConfig
from ultimate_deep.training.losses.outputs import HeadShapes

LOSSES: dict[str, str] = {
    "cross_entropy": "ultimate_deep.training.losses.cross_entropy:build_cross_entropy",
    "focal": "ultimate_deep.training.losses.focal:build_focal",
    "multi_horizon": "ultimate_deep.training.losses.multi_horizon:build_multi_horizon",
    "quantile": "ultimate_deep.training.losses.quantile:build_quantile",
    "smoothed_cross_entropy": "ultimate_deep.training.losses.smoothed_cross_entropy:build_smoothed_cross_entropy",  # noqa: E501
    "trading": "ultimate_deep.training.losses.trading:build_trading",
    "uncertainty": "ultimate_deep.training.losses.uncertainty:build_uncertainty",
}

Builder = Callable[[LossConfig, HeadShapes], Loss]


def build_loss(config: LossConfig, heads: HeadShapes) -> Loss:
    """Return the configured loss for a model with these heads.

    Raises:
        ValueError: Heads that the loss cannot use, or a head that it would leave untrained.
    """
    loss = build_part(config.name, config, heads)
    idle = [name for name in heads.names if name not in loss.heads]
    if idle:
        raise ValueError(
            f"fit.loss.name {config.name!r} trains {', '.join(loss.heads)} and would leave the "
            f"model's {', '.join(idle)} untrained; choose "
            f"{'quantile' if 'quantiles' in idle else 'uncertainty'}, or build the model without"
        )
    return loss


def build_part(name: str, config: LossConfig, heads: HeadShapes) -> Loss:
    """Return one loss, which may leave heads to others."""
    if name not in LOSSES:  # a configuration has checked that a plugin registered it
        return importlib.import_module("ultimate_deep.training.losses.own").build_own(config, heads)
    module, _, function = LOSSES[name].partition(":")
    builder: Builder = getattr(importlib.import_module(module), function)
    return builder(config, heads)


def require_head(loss: str, head: str, heads: HeadShapes) -> None:
    """Refuse a model without the head that a loss needs.

    Raises:
        ValueError: Naming the loss, the head and what the model has.
    """
    if head not in heads.names:
        raise ValueError(
            f"fit.loss.name {loss!r} needs a {head} head, the model has "
            f"{', '.join(heads.names)}; give the model one (see ultimate_deep.models.Heads) or "
            "choose another loss"
        )
