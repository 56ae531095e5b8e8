"""LAMB with a trust ratio for each layer of a stack."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.optimizers.layerwise import Layerwise, clipping_of


@keras.saving.register_keras_serializable(package="ultimate_deep")
class LayerwiseLamb(Layerwise, keras.optimizers.Lamb):
    """LAMB with a trust ratio for each layer's slice of each kernel, and clipping if asked for.

    A step is `learning_rate * ratio * r`, with Adam's bias-corrected step `r` and the ratio of
    the slice's norm of the weights to that of `r` (one where either is zero). So the learning
    rate is a relative step: 0.01 moves every layer by 1% of its norm. Norms, biases and scales
    are neither decayed nor adapted: their ratio is one.

    Args:
        learning_rate: Learning rate, or a schedule.
        weight_decay: Decoupled decay per unit of learning rate; None or 0 does not decay.
        layer_clipnorm: The setting of `LayerwiseAdamW`.
        adaptive_clip: The setting of `LayerwiseAdamW`.
        rate_factors: The setting of `LayerwiseAdamW`.
        optimizer_options: What `keras.optimizers.Lamb` takes besides.

    Raises:
        ValueError: A clipping norm that is not positive, or two ways of clipping.

    Source: You et al. (2020), arXiv:1904.00962, alg. 2, with the identity for its function of the
    weights' norm. Deviation: decay is taken off the weights before the step rather than added to
    `r`, as Keras does, so that it means the same as with AdamW.
    """

    def __init__(
        self,
        learning_rate: Any = 1e-3,
        *,
        weight_decay: float | None = None,
        layer_clipnorm: float | None = None,
        adaptive_clip: float | None = None,
        rate_factors: Mapping[str, float] | None = None,
        **optimizer_options: Any,
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, **optimizer_options)
        self._set_clipping(layer_clipnorm, adaptive_clip)
        self._set_rate_factors(rate_factors)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable and its moments."""
        index, dtype = self._get_variable_index(variable), variable.dtype
        gradient = self._clipped(gradient, variable)
        mean, square = self._momentums[index], self._velocities[index]
        self.assign_add(mean, (gradient - mean) * (1 - self.beta_1))
        self.assign_add(square, (ops.square(gradient) - square) * (1 - self.beta_2))
        steps = ops.cast(self.iterations + 1, "float32")
        mean_share = ops.cast(1 - ops.power(self.beta_1, steps), dtype)
        square_share = ops.cast(1 - ops.power(self.beta_2, steps), dtype)
        step = (mean / mean_share) / (ops.sqrt(square / square_share) + self.epsilon)
        rate = ops.cast(self.rate_of(variable, learning_rate), dtype)
        if self._adapted[index]:
            slices = self._slices[index]
            ratio = _trust_ratio(slices.norms(variable), slices.norms(step))
            rate = rate * ops.cast(slices.spread(ratio), dtype)
        self.assign_sub(variable, rate * step)


def _trust_ratio(weight_norms: Any, step_norms: Any) -> Any:
    usable = ops.logical_and(weight_norms > 0, step_norms > 0)
    return ops.where(usable, weight_norms / ops.where(usable, step_norms, 1.0), 1.0)


def build_lamb(config: FitConfig, variables: list[keras.Variable]) -> LayerwiseLamb:
    """Return LAMB as configured, not yet built."""
    return LayerwiseLamb(
        config.peak_rate,
        weight_decay=config.weight_decay,
        rate_factors=config.factors_of_parts,
        **clipping_of(config),
    )
