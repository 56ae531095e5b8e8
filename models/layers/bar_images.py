"""Charts of bars inside the net: six numbers a bar in, a picture of pixels out."""

from typing import Any

import keras
from keras import ops

# Numbers of a bar: open, high, low, close, the prices' average, volume.
NUMBERS = 6
LEAST_HEIGHT = 10


@keras.saving.register_keras_serializable(package="ultimate_deep")
class BarImages(keras.layers.Layer):
    """Draw bars as pixels of 0 and 1; no weights, any backend.

    `(batch, 6 * bars)` -> `(batch, height, 3 * bars, 1)`. Six numbers a bar, oldest bar first, as
    `features.pictures.bar_image.bar_image_numbers` makes them; pixel for pixel what its
    `bar_images` draws. No gradient goes back. Numbers outside [0, 1] are clipped, an average below
    0 is not drawn.

    Args:
        height: Rows of the picture, at least 10: prices above, a free row, a fifth for the volume.

    Source: Jiang, Kelly & Xiu (2023), Journal of Finance 78(6), sec. I.A.

    Raises:
        ValueError: An input that is not six numbers a bar, or too few rows.
    """

    def __init__(self, height: int = 64, **layer_options: Any) -> None:
        super().__init__(autocast=False, **layer_options)
        if height < LEAST_HEIGHT:
            raise ValueError(
                f"BarImages needs a height of {LEAST_HEIGHT} rows or more, got {height}; use 64"
            )
        self.height = height

    def call(self, inputs: Any) -> Any:
        """Return the pictures, `(batch, height, 3 * bars, 1)`, in the compute type."""
        self.compute_output_shape(inputs.shape)
        height, width = self.height, 3 * (int(inputs.shape[1]) // NUMBERS)
        volume_rows = height // 5
        top = height - volume_rows - 2
        x = ops.reshape(ops.cast(inputs, "float32"), (-1, width // 3, NUMBERS))
        inside = ops.clip(x, 0.0, 1.0)
        rows = top - ops.cast(ops.round(inside[..., :5] * float(top)), "int32")
        full = ops.cast(ops.round(inside[..., 5] * float(volume_rows)), "int32")
        opens, high, low, close, mean = (rows[..., place] for place in range(5))
        known = x[..., 4] >= 0.0
        both = known[:, :-1] & known[:, 1:]
        here, after = mean[:, :-1], mean[:, 1:]
        # The line between two middles, a third and two thirds of the way.
        near = ops.where(both, (2 * here + after + 1) // 3, -1)
        far = ops.where(both, (here + 2 * after + 1) // 3, -1)
        near = ops.pad(near, ((0, 0), (0, 1)), constant_values=-1)
        far = ops.pad(far, ((0, 0), (1, 0)), constant_values=-1)
        mean = ops.where(known, mean, -1)
        y = ops.arange(height, dtype="int32")[None, :, None]
        left = (y == opens[:, None]) | (y == far[:, None])
        right = (y == close[:, None]) | (y == near[:, None])
        middle = ((y >= high[:, None]) & (y <= low[:, None])) | (y == mean[:, None])
        middle = middle | (y >= height - full[:, None])
        pixels = ops.stack([left, middle, right], axis=-1)  # (batch, height, bars, 3)
        pixels = ops.reshape(pixels, (-1, height, width, 1))
        return ops.cast(pixels, self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`(batch, height, 3 * bars, 1)`."""
        numbers = input_shape[-1]
        if len(input_shape) != 2 or not numbers or numbers % NUMBERS:
            raise ValueError(
                f"BarImages takes {NUMBERS} numbers a bar, (batch, {NUMBERS} * bars), got "
                f"{tuple(input_shape)}: make them with bar_image_numbers"
            )
        return (input_shape[0], self.height, 3 * (numbers // NUMBERS), 1)

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this layer."""
        config = super().get_config()
        config.pop("autocast", None)
        return {**config, "height": self.height}
