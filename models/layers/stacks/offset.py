"""A learnt offset for nets made of plain layers: what is left of a norm without its norm."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="ultimate_deep")
class Offset(keras.layers.Layer):
    """Add one learnt number for each value of the last axis; any shape.

    Source: Zhang et al. (2019), "Fixup Initialization", arXiv:1901.09321, sec. 3, with a number
    for each value rather than one for all.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the offset, shape `(width,)`."""
        self.offset = self.add_weight(name="offset", shape=input_shape[-1:], initializer="zeros")

    def call(self, inputs: Any) -> Any:
        """Return `inputs` plus the offset."""
        return inputs + ops.cast(self.offset, inputs.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's shape."""
        return input_shape
