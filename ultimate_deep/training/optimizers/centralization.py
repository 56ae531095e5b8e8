"""Gradients of kernels without their mean over the inputs of each unit."""

from typing import Any

import keras
import numpy as np
from keras import ops

from ultimate_deep.models.layers.stacks.layer_slices import layer_of_row
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.optimizers.decay import is_decayed
from ultimate_deep.training.participant import (
    Compute,
    Participant,
    StepGradients,
    StepTensors,
)
from ultimate_deep.training.settings.gradients import GradientsConfig

EXAMPLE = FitConfig(gradients=GradientsConfig(centralize=True))


def centralized(gradient: Any, variable: keras.Variable) -> Any:
    """Return a kernel's gradient without its mean over inputs, each layer of a stack by itself.

    Of a kernel `(..., outputs)` the mean is taken over all but the last axis; of a stacked one
    `(layers, inputs, outputs)` over the inputs of each layer; of a packed one `(rows, outputs)`
    over the rows of each layer. What has no inputs to average over is left as it is.

    Args:
        gradient: A tensor of the variable's shape.
        variable: The variable, which says how its rows fall into layers.

    Source: Yong et al. (2020), arXiv:2004.01461, eq. 1.
    """
    rank, rows = len(variable.shape), layer_of_row(variable)
    if rank < 2 or not is_decayed(variable.path) or "embedding" in variable.path.lower():
        return gradient
    if rows is None or not rows.any():
        return gradient - ops.mean(gradient, axis=tuple(range(rank - 1)), keepdims=True)
    if rank > 2:
        axes = tuple(range(1, rank - 1))
        return gradient - ops.mean(gradient, axis=axes, keepdims=True)
    counts = np.bincount(rows)
    if counts.max() == 1:
        return gradient
    sums = ops.segment_sum(gradient, rows, num_segments=len(counts))
    means = sums / ops.cast(counts[:, None], gradient.dtype)
    return gradient - ops.take(means, rows, axis=0)


class Centralization(Participant):
    """Centralizes the gradients of all kernels before the optimizer clips them.

    Args:
        model: The model that is trained.
    """

    def __init__(self, model: keras.Model) -> None:
        self._model = model

    def gradients(self, tensors: StepTensors, compute: Compute) -> StepGradients:
        found = compute(tensors)
        variables = self._model.trainable_variables
        pairs = zip(found.gradients, variables, strict=True)
        return found._replace(gradients=[centralized(one, v) for one, v in pairs])


def build_centralization(config: FitConfig, model: keras.Model) -> Centralization | None:
    """Return it where `fit.gradients.centralize` asks for it."""
    return Centralization(model) if config.gradients.centralize else None
