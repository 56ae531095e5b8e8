"""Layers of the heads."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="ultimate_deep")
class OrderedQuantiles(keras.layers.Layer):
    """Turn any scores into rising quantiles: the first as it is, then positive steps.

    `(..., levels)` -> `(..., levels)`; step k is `softplus(score_k)`. Quantiles that cannot cross
    need no penalty for crossing.
    """

    def call(self, inputs: Any) -> Any:
        """Return the rising values."""
        first, steps = inputs[..., :1], ops.softplus(inputs[..., 1:])
        return ops.concatenate([first, first + ops.cumsum(steps, axis=-1)], axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's shape."""
        return input_shape
