"""The learnt scale of one residual branch, for nets made of plain layers."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="ultimate_deep")
class ResidualScale(keras.layers.Layer):
    """Multiply by one learnt number that starts at 0; any shape.

    Source: Bachlechner et al. (2020), "ReZero is All You Need", arXiv:2003.04887, eq. 2.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the scale, shape `(1,)`."""
        self.residual_scale = self.add_weight(
            name="residual_scale", shape=(1,), initializer="zeros"
        )

    def call(self, inputs: Any) -> Any:
        """Return `inputs` times the scale."""
        return inputs * ops.cast(self.residual_scale, inputs.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's shape."""
        return input_shape
