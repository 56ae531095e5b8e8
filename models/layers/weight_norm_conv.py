"""A causal convolution whose kernel is a direction times a length."""

import math
from typing import Any

import keras
from keras import ops

from ultimate_deep.models.checks import check_range
from ultimate_deep.models.seeds import derive_seed


@keras.saving.register_keras_serializable(package="ultimate_deep")
class WeightNormConv(keras.layers.Layer):
    """Causal convolution over time: `(batch, time, channels)` to `(batch, time, filters)`.

    Output channel `k` has the kernel `gain[k] * v[k] / ||v[k]||`, computed in float32. Output at
    a bar reads that bar and the `kernel_size - 1` before it; what comes before the window is zero.

    Args:
        filters: Number of output channels.
        kernel_size: Bars read for each output.
        seed: Seed of the directions.

    Source: Salimans & Kingma (2016), arXiv:1602.07868, eq. 2. Gains start at `sqrt(2)`, the usual
    length of a He-normal kernel, instead of being set from the first batch (sec. 3).

    Raises:
        ValueError: An argument below 1.
    """

    def __init__(
        self, filters: int, kernel_size: int, *, seed: int = 0, **layer_options: Any
    ) -> None:
        super().__init__(**layer_options)
        check_range("filters", filters, 1)
        check_range("kernel_size", kernel_size, 1)
        self.filters = int(filters)
        self.kernel_size = int(kernel_size)
        self.seed = int(seed)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create directions, gains and biases."""
        shape = (self.kernel_size, input_shape[-1], self.filters)
        initializer = keras.initializers.HeNormal(seed=derive_seed(self.seed, "kernel"))
        self.kernel = self._weight("kernel", shape, initializer)
        gain = keras.initializers.Constant(math.sqrt(2.0))
        self.gain = self._weight("gain", (self.filters,), gain)
        self.bias = self._weight("bias", (self.filters,), "zeros")

    def call(self, inputs: Any) -> Any:
        """Return `(batch, time, filters)`."""
        length = ops.sqrt(ops.sum(ops.square(self.kernel), axis=(0, 1)) + 1e-12)
        kernel = ops.cast(self.kernel * (self.gain / length), inputs.dtype)
        padded = ops.pad(inputs, ((0, 0), (self.kernel_size - 1, 0), (0, 0)))
        outputs = ops.conv(padded, kernel, padding="valid", data_format="channels_last")
        return outputs + ops.cast(self.bias, inputs.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`(batch, time, filters)`."""
        return (*input_shape[:2], self.filters)

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this layer."""
        options = {"filters": self.filters, "kernel_size": self.kernel_size, "seed": self.seed}
        return {**super().get_config(), **options}

    def _weight(self, name: str, shape: tuple[int | None, ...], initializer: Any) -> Any:
        return self.add_weight(name=name, shape=shape, initializer=initializer, autocast=False)
