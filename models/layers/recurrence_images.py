"""Recurrence plots inside the net: the numbers of a window in, one picture out."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="ultimate_deep")
class RecurrenceImages(keras.layers.Layer):
    """Turn the numbers of a window into their distances; no weights, any backend.

    `(batch, size)` -> `(batch, size, size, 1)`: |x_i - x_j| in float32, rounded once to the
    layer's compute type. Bit for bit what `features.pictures.recurrence.recurrence_images` makes.

    Source: Eckmann, Oliffson Kamphorst & Ruelle (1987), Europhysics Letters 4(9).

    Raises:
        ValueError: An input that is not `(batch, size)`.
    """

    def __init__(self, **layer_options: Any) -> None:
        super().__init__(autocast=False, **layer_options)

    def call(self, inputs: Any) -> Any:
        """Return the plots, `(batch, size, size, 1)`, in the compute type."""
        self.compute_output_shape(inputs.shape)
        x = ops.cast(inputs, "float32")
        return ops.cast(ops.abs(x[:, :, None] - x[:, None, :])[..., None], self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`(batch, size, size, 1)`."""
        if len(input_shape) != 2:
            raise ValueError(
                f"RecurrenceImages takes numbers of shape (batch, size), got {tuple(input_shape)}: "
                "give each series its own layer"
            )
        return (*input_shape, input_shape[1], 1)

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this layer."""
        config = super().get_config()
        config.pop("autocast", None)
        return config
