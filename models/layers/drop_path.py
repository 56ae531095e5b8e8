"""A branch that is left out for some rows of a batch while a net trains."""

from typing import Any

import keras
from keras import ops

from ultimate_deep.models.checks import check_range


@keras.saving.register_keras_serializable(package="ultimate_deep")
class DropPath(keras.layers.Layer):
    """Zero for a share of the rows in training, and the others larger for it; else the input.

    Args:
        rate: Share of the rows, in [0, 1).
        seed: Seed of the draws.

    Source: Huang et al. (2016), "Deep Networks with Stochastic Depth", arXiv:1603.09382, sec. 3,
    for each row by itself as in Larsson et al. (2017), arXiv:1605.07648, sec. 3.

    Raises:
        ValueError: A rate outside its range.
    """

    def __init__(self, rate: float, *, seed: int = 0, **layer_options: Any) -> None:
        super().__init__(**layer_options)
        check_range("rate", rate, 0.0, 1.0)
        self.rate, self.seed = float(rate), int(seed)
        self._draws = keras.random.SeedGenerator(seed)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return the branch, `(batch, ...)`, without the rows that are left out."""
        if not training or not self.rate:
            return inputs
        shape = (ops.shape(inputs)[0], *([1] * (len(inputs.shape) - 1)))
        kept = keras.random.uniform(shape, seed=self._draws) >= self.rate
        scaled = inputs * ops.cast(1.0 / (1.0 - self.rate), inputs.dtype)
        return ops.where(kept, scaled, ops.zeros_like(inputs))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the branch."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this layer."""
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
