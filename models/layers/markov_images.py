"""Markov transition fields inside the net: the numbers of a window in, one picture out."""

from typing import Any

import keras
from keras import ops

BINS = 5


@keras.saving.register_keras_serializable(package="ultimate_deep")
class MarkovImages(keras.layers.Layer):
    """Turn the numbers of a window into their Markov transition field; no weights, any backend.

    `(batch, size)` -> `(batch, size, size, 1)`: the share of the steps out of number i's bin that
    lead into number j's. Bit for bit what `features.pictures.markov.markov_images` makes of float32
    numbers. A field depends on the order of the numbers alone, so that no gradient goes back.

    Args:
        bins: Bins of equal count, at least 2.

    Source: Wang & Oates (2015), arXiv:1506.00327, sec. 2.2, eq. 9-10.

    Raises:
        ValueError: An input that is not `(batch, size)` with at least as many numbers as bins.
    """

    def __init__(self, bins: int = BINS, **layer_options: Any) -> None:
        super().__init__(autocast=False, **layer_options)
        if bins < 2:
            raise ValueError(
                f"MarkovImages needs 2 bins or more, got {bins}; leave it out for {BINS}"
            )
        self.bins = bins

    def call(self, inputs: Any) -> Any:
        """Return the fields, `(batch, size, size, 1)`, in the compute type."""
        self.compute_output_shape(inputs.shape)
        size = int(inputs.shape[1])
        x = ops.cast(inputs, "float32")
        ordered = ops.sort(x, axis=-1)
        places = [k * (size - 1) // self.bins for k in range(1, self.bins)]
        edges = ops.stack([ordered[:, place] for place in places], axis=-1)
        above = ops.cast(x[:, :, None] > edges[:, None, :], "int32")
        code = ops.sum(above, axis=-1)  # (batch, size)
        bins = ops.arange(self.bins, dtype="int32")
        member = ops.cast(code[:, :, None] == bins, "float32")
        # Whole numbers below 2^11: exact in any arithmetic of products.
        steps = ops.matmul(ops.transpose(member[:, :-1], (0, 2, 1)), member[:, 1:])
        out_of = ops.sum(steps, axis=-1, keepdims=True)
        share = steps / ops.where(out_of > 0, out_of, 1.0)
        # Picked, not multiplied out: products may be rounded to fewer bits on accelerators.
        rows = ops.take_along_axis(share, code[:, :, None], axis=1)
        field = ops.take_along_axis(rows, ops.repeat(code[:, None, :], size, axis=1), axis=2)
        return ops.cast(field[..., None], self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`(batch, size, size, 1)`."""
        size = input_shape[-1]
        if len(input_shape) != 2 or size is None or size < self.bins:
            raise ValueError(
                f"MarkovImages takes numbers of shape (batch, size), size at least bins="
                f"{self.bins}, got {tuple(input_shape)}: give each series its own layer"
            )
        return (input_shape[0], size, size, 1)

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this layer."""
        config = super().get_config()
        config.pop("autocast", None)
        return {**config, "bins": self.bins}
