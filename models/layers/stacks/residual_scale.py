"""The learnt scale of one residual branch, for nets made of plain layers."""

from typing import Any

import keras
from keras import ops

from ultimate_deep.models.checks import check_choice


@keras.saving.register_keras_serializable(package="ultimate_deep")
class ResidualScale(keras.layers.Layer):
    """Multiply by one learnt number that starts at 0 (`zeros`) or at 1 (`ones`); any shape.

    Source: Bachlechner et al. (2020), "ReZero is All You Need", arXiv:2003.04887, eq. 2; from 1
    Zhang et al. (2019), "Fixup Initialization", arXiv:1901.09321, sec. 3.

    Raises:
        ValueError: `initial` is neither.
    """

    def __init__(self, initial: str = "zeros", **layer_options: Any) -> None:
        super().__init__(**layer_options)
        check_choice("initial", initial, ("zeros", "ones"))
        self.initial = initial

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the scale, shape `(1,)`."""
        self.residual_scale = self.add_weight(
            name="residual_scale", shape=(1,), initializer=self.initial
        )

    def call(self, inputs: Any) -> Any:
        """Return `inputs` times the scale."""
        return inputs * ops.cast(self.residual_scale, inputs.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this layer."""
        return {**super().get_config(), "initial": self.initial}
