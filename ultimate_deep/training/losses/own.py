"""Losses of a user's own, which a plugin has registered."""

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from ultimate_deep.training.losses.loss import Loss, same_shape
from ultimate_deep.training.losses.loss_config import LossConfig
from ultimate_deep.training.losses.outputs import DIRECTION, HeadShapes
from ultimate_deep.training.losses.registry import require_head

OWN_LOSSES: dict[str, Callable[[Any, Any], Any]] = {}


def build_own(config: LossConfig, heads: HeadShapes) -> Loss:
    """Return a user's loss of the direction head.

    Raises:
        ValueError: A model without two classes.
    """
    require_head(config.name, DIRECTION, heads)
    if heads.classes != 2:
        raise ValueError(
            f"fit.loss.name {config.name!r} is a loss of two classes, the model has "
            f"{heads.classes}; leave heads.classes at 2"
        )
    function = OWN_LOSSES[config.name]

    def elements(targets: Any, outputs: Any) -> Any:
        y, logits = targets["y"], outputs[DIRECTION]
        found = function(y, logits)
        if not same_shape(y.shape, found.shape):
            raise ValueError(
                f"the loss {config.name!r} gave {tuple(found.shape)} for labels "
                f"{tuple(y.shape)}; return the loss of each label, without a mean"
            )
        return found

    def measured(targets: Any, outputs: Any) -> np.ndarray:
        y = ops.convert_to_tensor(targets["y"], "float32")
        logits = ops.convert_to_tensor(outputs[DIRECTION], "float32")
        found = elements({"y": y}, {DIRECTION: logits})
        return np.asarray(ops.convert_to_numpy(found), np.float64)

    return Loss(
        heads=(DIRECTION,), targets=("y",), elements=elements, measured=measured, skips_flat=True
    )
