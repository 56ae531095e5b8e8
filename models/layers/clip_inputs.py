"""Clip the inputs, so that one absurd bar cannot drive the whole net."""

from typing import Any

import keras
from keras import ops

from ultimate_deep.models.checks import check_positive


@keras.saving.register_keras_serializable(package="ultimate_deep")
class ClipInputs(keras.layers.Layer):
    """Clip every value to `[-limit, limit]`; any shape, no weights, NaN stays NaN.

    It lives in the model, so a scaler and an exported model reproduce everything.
    """

    def __init__(self, limit: float, **layer_options: Any) -> None:
        super().__init__(**layer_options)
        check_positive("limit", limit)
        self.limit = float(limit)

    def call(self, inputs: Any) -> Any:
        """Return `inputs` clipped, same shape."""
        return ops.clip(inputs, -self.limit, self.limit)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this layer."""
        return {**super().get_config(), "limit": self.limit}
