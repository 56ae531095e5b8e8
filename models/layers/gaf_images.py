"""Gramian angular fields inside the net: 64 numbers in, two 64 x 64 pictures out."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="ultimate_deep")
class GafImages(keras.layers.Layer):
    """Turn numbers in [-1, 1] into their Gramian angular fields; no weights, any backend.

    `(batch, size)` -> `(batch, size, size, 2)`, channels last: cos(a_i + a_j), the summation
    field, then sin(a_i - a_j), the difference field, with a = arccos(x). A picture is `size`
    times `2 * size` values that `size` numbers determine, so a file of numbers is 128 times
    smaller than one of pictures at size 64. Several series of one scale, one after another:
    `(batch, series * size)` -> `(batch, size, size, 2 * series)`. Of scales of their own: one layer
    each, then `Concatenate`.

    Numbers outside [-1, 1] are clipped; NaN stays NaN. Everything is computed in float32
    (float64 under a float64 policy), whatever the policy, and rounded once to the layer's
    compute type: `dtype="float32"` keeps full pictures in a net of mixed precision. At |x| = 1,
    where the root's slope is infinite, the root passes no gradient back.

    Args:
        series: Series that the numbers are of.

    Source: Wang & Oates (2015), arXiv:1506.00327, eq. 4-8.

    Raises:
        ValueError: An input that is not `(batch, series * size)`.
    """

    def __init__(self, series: int = 1, **layer_options: Any) -> None:
        super().__init__(autocast=False, **layer_options)
        if series < 1:
            raise ValueError(f"GafImages is of 1 series or more, got {series}; leave it out")
        self.series = series

    def call(self, inputs: Any) -> Any:
        """Return both fields, `(batch, size, size, 2)`, in the compute type."""
        _, size, _, channels = self.compute_output_shape(inputs.shape)
        exact = "float64" if self.compute_dtype == "float64" else "float32"
        x = ops.cast(inputs, exact)
        if self.series > 1:
            x = ops.reshape(x, (-1, size))
        # Not `ops.clip`: every window reaches -1 and 1, where backends differ in its gradient
        # (TensorFlow 1, JAX one half).
        x = ops.where(x > 1.0, 1.0, ops.where(x < -1.0, -1.0, x))
        # (1 - x)(1 + x), unlike 1 - x^2, keeps its digits next to |x| = 1.
        square = (1.0 - x) * (1.0 + x)
        # The inner choice keeps the unused branch's infinite slope out of the gradient, which
        # would be 0 * inf; written so that NaN goes through.
        flat = square <= 0.0
        root = ops.where(flat, 0.0, ops.sqrt(ops.where(flat, 1.0, square)))
        # Both channels at once: x_i (x_j, -s_j) + s_i (-s_j, x_j).
        columns = ops.expand_dims(ops.stack([x, -root], axis=-1), 1)
        crossed = ops.expand_dims(ops.stack([-root, x], axis=-1), 1)
        x, root = x[:, :, None, None], root[:, :, None, None]
        fields = ops.cast(x * columns + root * crossed, self.compute_dtype)
        if self.series > 1:
            fields = ops.reshape(fields, (-1, self.series, size, size, 2))
            fields = ops.reshape(ops.transpose(fields, (0, 2, 3, 1, 4)), (-1, size, size, channels))
        return fields

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`(batch, size, size, 2 * series)`."""
        if len(input_shape) != 2 or (input_shape[1] or 0) % self.series:
            of = "" if self.series == 1 else f" of {self.series} series of equal length"
            raise ValueError(
                f"GafImages takes numbers of shape (batch, size){of}, got {tuple(input_shape)}: "
                "give each series its own layer and join the pictures with Concatenate"
            )
        batch, numbers = input_shape
        size = None if numbers is None else numbers // self.series
        return (batch, size, size, 2 * self.series)

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this layer."""
        config = super().get_config()
        config.pop("autocast", None)
        # As files from before there were several have it.
        return config if self.series == 1 else {**config, "series": self.series}
