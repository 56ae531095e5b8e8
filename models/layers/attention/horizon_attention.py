"""One vector for each horizon, each with attention heads of its own."""

import math
from typing import Any

import keras
from keras import ops

from ultimate_deep.models.checks import check_range
from ultimate_deep.models.seeds import derive_seed


@keras.saving.register_keras_serializable(package="ultimate_deep")
class HorizonAttention(keras.layers.Layer):
    """Let each horizon ask the window its own questions: `(batch, time, width)` to
    `(batch, horizons, width)`.

    Each horizon has `heads` learned queries and an output kernel of its own; keys and values are
    shared. What a head asks is learned and the same for every window; what it finds is not.

    Source: learned queries as in Lee et al. (2019), "Set Transformer", arXiv:1810.00825,
    sec. 3.2 (pooling by attention), one seed vector per horizon, without its feed-forward nets.

    Raises:
        ValueError: An argument outside its range, or a width that the heads do not divide.
    """

    def __init__(self, horizons: int, heads: int, *, seed: int = 0, **layer_options: Any) -> None:
        super().__init__(autocast=False, **layer_options)
        check_range("horizons", horizons, 1)
        check_range("heads", heads, 1)
        self.horizons = int(horizons)
        self.heads = int(heads)
        self.seed = int(seed)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights."""
        self.width = int(input_shape[2] or 0)
        if self.width % self.heads:
            raise ValueError(
                f"width must be a multiple of heads, got {self.width} and {self.heads}"
            )
        head_width = self.width // self.heads
        self.queries = self._add_kernel("query_kernel", (self.horizons, self.heads, head_width), 1)
        width, horizons = self.width, self.horizons
        self.key_value_kernel = self._add_kernel("key_value_kernel", (width, 2 * width), width)
        self.output_kernel = self._add_kernel("output_kernel", (horizons, width, width), width)
        self.output_bias = self._add("output_bias", (self.horizons, self.width), "zeros")

    def call(self, inputs: Any) -> Any:
        """Return `(batch, horizons, width)` in the compute type."""
        keys, values = self._keys_and_values(inputs)
        shares = ops.cast(self._shares(keys), self.compute_dtype)
        context = ops.einsum("bhqt,bthd->bqhd", shares, values)
        context = ops.reshape(context, (-1, self.horizons, self.width))
        kernel, bias = (self._cast(part) for part in (self.output_kernel, self.output_bias))
        return ops.einsum("bqw,qwv->bqv", context, kernel) + bias

    def attention_map(self, inputs: Any) -> Any:
        """What horizons look at: `(batch, heads, horizons, time)`, adding up to 1 over time."""
        return self._shares(self._keys_and_values(inputs)[0])

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`(batch, horizons, width)`."""
        return (input_shape[0], self.horizons, input_shape[2])

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this layer."""
        config = super().get_config()
        config.pop("autocast", None)
        return {**config, "horizons": self.horizons, "heads": self.heads, "seed": self.seed}

    def _keys_and_values(self, inputs: Any) -> tuple[Any, Any]:
        """Each `(batch, time, heads, width of a head)`."""
        both = ops.matmul(self._cast(inputs), self._cast(self.key_value_kernel))
        shape = (-1, both.shape[1], self.heads, self.width // self.heads)
        keys, values = ops.split(both, 2, axis=-1)
        return ops.reshape(keys, shape), ops.reshape(values, shape)

    def _shares(self, keys: Any) -> Any:
        scores = ops.einsum("qhd,bthd->bhqt", self._cast(self.queries), keys)
        scale = 1 / math.sqrt(self.width // self.heads)
        return ops.softmax(ops.cast(scores, "float32") * scale, axis=-1)

    def _cast(self, x: Any) -> Any:
        return ops.cast(x, self.compute_dtype)

    def _add_kernel(self, name: str, shape: tuple[int, ...], fan_in: int) -> Any:
        initializer = keras.initializers.RandomNormal(
            stddev=1 / math.sqrt(fan_in), seed=derive_seed(self.seed, name)
        )
        return self._add(name, shape, initializer)

    def _add(self, name: str, shape: tuple[int, ...], initializer: Any) -> Any:
        # Keras would hand out the weights in the compute type, whatever the layer asks.
        return self.add_weight(
            name=name, shape=shape, initializer=initializer, dtype="float32", autocast=False
        )
