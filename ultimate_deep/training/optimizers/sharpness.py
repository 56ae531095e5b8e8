"""The gradient at the worst point nearby, so that minima are flat (SAM, ASAM)."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.optimizers.decay import is_decayed
from ultimate_deep.training.optimizers.layerwise import LayerSlices
from ultimate_deep.training.participant import (
    Compute,
    Participant,
    StepGradients,
    StepTensors,
)
from ultimate_deep.training.settings.gradients import GradientsConfig

EXAMPLE = FitConfig(
    gradients=GradientsConfig(sharpness=0.1, sharpness_adaptive=True, sharpness_of="layers")
)
SMALLEST_NORM = 1e-12
ADAPTIVE_OFFSET = 0.01


class Sharpness(Participant):
    """Takes the gradient where the loss rises most within a radius of the weights.

    Both passes have the same masks, and statistics of norms move once, by the first one. The loss
    that is told is that at the weights themselves.

    Args:
        model: The model that is trained.
        config: Radius, whether it is adaptive, and what one norm is taken of.

    Source: Foret et al. (2021), arXiv:2010.01412, eqs. 2 and 3; adaptive: Kwon et al. (2021),
    arXiv:2102.11600, eq. 8, with its offset of 0.01, for kernels.
    """

    def __init__(self, model: keras.Model, config: GradientsConfig) -> None:
        self._model, self._config = model, config
        self._slices = [LayerSlices.of(variable) for variable in model.trainable_variables]

    def gradients(self, tensors: StepTensors, compute: Compute) -> StepGradients:
        weights = self._model.trainable_variables
        others = self._model.non_trainable_variables
        before = [tf.identity(variable.value) for variable in others]
        kept = [tf.identity(weight.value) for weight in weights]
        first = compute(tensors)
        after = [tf.identity(variable.value) for variable in others]
        for weight, value, step in zip(weights, kept, self._steps(first, kept), strict=True):
            weight.assign(value + step)
        for variable, value in zip(others, before, strict=True):
            variable.assign(value)
        second = compute(tensors)
        for variable, value in zip((*weights, *others), (*kept, *after), strict=True):
            variable.assign(value)
        return first._replace(gradients=second.gradients)

    def _steps(self, found: StepGradients, values: list[Any]) -> list[Any]:
        """Return how far each weight is moved."""
        radius = self._config.sharpness
        sizes = [self._size(v, value) for v, value in
                 zip(self._model.trainable_variables, values, strict=True)]  # fmt: skip
        gradients = [tf.convert_to_tensor(one) for one in found.gradients]
        scaled = [one * size for one, size in zip(gradients, sizes, strict=True)]
        norms = [own.norms(one) for own, one in zip(self._slices, scaled, strict=True)]
        if self._config.sharpness_of == "all":
            total = ops.sqrt(sum(ops.sum(ops.square(norm)) for norm in norms))
            norms = [ops.ones_like(norm) * total for norm in norms]
        return [
            one * size * ops.cast(own.spread(radius / ops.maximum(norm, SMALLEST_NORM)), one.dtype)
            for own, one, size, norm in zip(self._slices, scaled, sizes, norms, strict=True)
        ]

    def _size(self, variable: keras.Variable, value: Any) -> Any:
        if self._config.sharpness_adaptive and is_decayed(variable.path):
            return ops.abs(value) + ADAPTIVE_OFFSET
        return ops.ones((), dtype=value.dtype)


def build_sharpness(config: FitConfig, model: keras.Model) -> Sharpness | None:
    """Return it where `fit.gradients.sharpness` asks for it."""
    return Sharpness(model, config.gradients) if config.gradients.sharpness else None
