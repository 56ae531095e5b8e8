"""AdamW without a schedule: it trains at one point and its average is what is judged and kept.

Keras has one too, whose average is out of reach for a fit that judges a model after every epoch.
"""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.optimizers.layerwise import Layerwise, clipping_of


@keras.saving.register_keras_serializable(package="ultimate_deep")
class ScheduleFreeAdamW(Layerwise, keras.optimizers.AdamW):
    """AdamW whose weights are those between a fast point and its average.

    Of each weight there are three: the fast point `z`, its weighted average `x`, and `y`, between
    both, which the model has while it trains. `averages` gives `x`, which is what predictions are
    made with. The learning rate needs no fall, so a fit may end at any time.

    Args:
        learning_rate: Learning rate; warm-up may raise it, nothing should let it fall.
        weight_decay: Decoupled decay per unit of learning rate, at `y`.
        layer_clipnorm: The setting of `LayerwiseAdamW`.
        adaptive_clip: The setting of `LayerwiseAdamW`.
        rate_factors: The setting of `LayerwiseAdamW`.
        optimizer_options: What `keras.optimizers.AdamW` takes besides; `beta_1` is how far `y` is
            from `z` towards `x`.

    Raises:
        ValueError: A clipping norm that is not positive, or two ways of clipping.

    Source: Defazio et al. (2024), arXiv:2405.15682, alg. 1 and eqs. 15 to 19. Deviation: the
    second moment's bias is corrected as in Adam, where theirs scales the learning rate.
    """

    def __init__(
        self,
        learning_rate: Any = 1e-3,
        *,
        weight_decay: float = 4e-3,
        layer_clipnorm: float | None = None,
        adaptive_clip: float | None = None,
        rate_factors: Mapping[str, float] | None = None,
        **optimizer_options: Any,
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, **optimizer_options)
        self._set_clipping(layer_clipnorm, adaptive_clip)
        self._set_rate_factors(rate_factors)

    def averages(self) -> list[keras.Variable]:
        """Return the averaged weights, in the order of the variables that it was built for."""
        return list(self._averages)

    def _build_moments(self, variables: list[keras.Variable]) -> None:
        keras.optimizers.Optimizer.build(self, variables)
        self._momentums = self.add_optimizer_variables(variables, "fast")
        self._averages = self.add_optimizer_variables(variables, "average")
        self._velocities = self.add_optimizer_variables(variables, "velocity")
        self._squares = self.add_variable(
            shape=(), initializer="zeros", dtype="float32", name="squared_rates"
        )

    def _apply_weight_decay(self, variables: Any) -> None:
        """Decay where the weights are updated: it moves the fast point."""

    def _backend_update_step(
        self, grads: Any, trainable_variables: Any, learning_rate: Any
    ) -> None:
        rate = ops.cast(learning_rate, "float32")
        self.assign_add(self._squares, ops.square(rate))
        super()._backend_update_step(grads, trainable_variables, learning_rate)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable, its fast point, average and second moment."""
        index, dtype = self._get_variable_index(variable), variable.dtype
        gradient = self._clipped(gradient, variable)
        base = ops.cast(learning_rate, "float32")
        rate = ops.cast(self.rate_of(variable, base), dtype)
        fast, average = self._momentums[index], self._averages[index]
        square = self._velocities[index]
        # Fast point and average start where the weights do, of which there is nothing before.
        begun = self.iterations > 0
        z, x = ops.where(begun, fast, variable), ops.where(begun, average, variable)
        self.assign_add(square, (ops.square(gradient) - square) * (1 - self.beta_2))
        steps = ops.cast(self.iterations + 1, "float32")
        share = ops.cast(1 - ops.power(self.beta_2, steps), dtype)
        step = gradient / (ops.sqrt(square / share) + self.epsilon)
        if self.weight_decay and self._use_weight_decay(variable):
            step = step + variable * self.weight_decay
        z = z - rate * step
        total = ops.where(self._squares > 0, self._squares, 1.0)
        newest = ops.cast(ops.square(base) / total, dtype)
        x = x + newest * (z - x)
        self.assign(fast, z)
        self.assign(average, x)
        self.assign(variable, z + self.beta_1 * (x - z))


def build_schedule_free(config: FitConfig, variables: list[keras.Variable]) -> ScheduleFreeAdamW:
    """Return the optimizer as configured, not yet built."""
    return ScheduleFreeAdamW(
        config.peak_rate,
        weight_decay=config.weight_decay,
        rate_factors=config.factors_of_parts,
        **clipping_of(config),
    )
