"""Rounding to a fixed binary grid, for nets made of plain layers."""

from typing import Any

import keras
from keras import ops

from ultimate_deep.models.checks import check_range


@keras.saving.register_keras_serializable(package="ultimate_deep")
class RoundToGrid(keras.layers.Layer):
    """Round to multiples of `1 / steps`, ties to even, and pass the gradient straight through.

    With a power of two for `steps`, sums of such numbers are exact in float32 while they stay
    below `2**24 / steps`.

    Source: Bengio, Leonard & Courville (2013), arXiv:1308.3432, sec. 3.3 (the straight-through
    estimator).

    Raises:
        ValueError: `steps` is below 1.
    """

    def __init__(self, steps: float, **layer_options: Any) -> None:
        super().__init__(**layer_options)
        check_range("steps", steps, 1.0)
        self.steps = float(steps)

    def call(self, inputs: Any) -> Any:
        """Return the rounded `inputs`."""
        rounded = ops.stop_gradient(ops.round(inputs * self.steps) * (1.0 / self.steps))
        # The difference is exactly zero; its gradient is one.
        return rounded + (inputs - ops.stop_gradient(inputs))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this layer."""
        return {**super().get_config(), "steps": self.steps}
