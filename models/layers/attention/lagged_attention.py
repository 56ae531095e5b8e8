"""Attention from one series of bars to another that knows how far apart two bars are."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from ultimate_deep.models.checks import check_range
from ultimate_deep.models.seeds import derive_seed


@keras.saving.register_keras_serializable(package="ultimate_deep")
class LaggedAttention(keras.layers.Layer):
    """Multi-head attention of `queries` to `context`, both ending at the same newest bar.

    `[(batch, bars, width), (batch, context_bars, any)]` -> `(batch, bars, width)`. Scores get
    `-slope * |lag|`, the slope halving from head to head, plus a learnt number for each head and
    lag. So some heads begin by looking at near bars, others everywhere, and no position needs to
    be added to the bars. Softmax in float32.

    Args:
        heads: Number of heads; must divide the queries' width.
        seed: Seed of the kernels.

    Raises:
        ValueError: A width that the heads do not divide.

    Source: Vaswani et al. (2017), arXiv:1706.03762, sec. 3.2.2; slopes of Press et al. (2022),
    arXiv:2108.12409, sec. 3; learnt bias by lag of Raffel et al. (2020), arXiv:1910.10683,
    sec. 2.1, one for each lag rather than for buckets. No key bias, which softmax cannot see.
    """

    def __init__(self, heads: int, seed: int = 0, **layer_options: Any) -> None:
        super().__init__(**layer_options)
        check_range("heads", heads, 1)
        self.heads = int(heads)
        self.seed = int(seed)

    def build(self, input_shape: list[tuple[int, ...]]) -> None:
        """Create the kernels, `(in, width)`, and the bias by lag, `(heads, lags)`."""
        (_, bars, width), (_, context_bars, context_width) = input_shape
        if width % self.heads:
            raise ValueError(
                f"heads must divide the width of the queries, got {self.heads} heads for width "
                f"{width}: choose another number of heads"
            )
        sizes = {"query": width, "key": context_width, "value": context_width, "output": width}
        self.kernels = {
            part: self.add_weight(
                name=f"{part}_kernel",
                shape=(size, width),
                initializer=keras.initializers.GlorotUniform(
                    seed=derive_seed(self.seed, f"{self.name}/{part}")
                ),
            )
            for part, size in sizes.items()
        }
        self.output_bias = self.add_weight(name="output_bias", shape=(width,), initializer="zeros")
        self.lag_bias = self.add_weight(
            name="lag_bias",
            shape=(self.heads, bars + context_bars - 1),
            initializer="zeros",
            autocast=False,
        )
        lag = np.arange(bars)[:, None] - bars - np.arange(context_bars)[None, :] + context_bars
        self._lag_row = (lag - lag.min()).astype("int32")
        slopes = 2.0 ** (-8.0 * np.arange(1, self.heads + 1) / self.heads)
        self._far = (-slopes[:, None, None] * np.abs(lag)).astype("float32")

    def call(self, inputs: list[Any]) -> Any:
        """Return the heads' mix of values for each query bar."""
        queries, context = inputs
        shares = ops.cast(self.shares(inputs), self.compute_dtype)
        values = self._split(ops.matmul(context, self.kernels["value"]))
        mixed = ops.transpose(ops.matmul(shares, values), (0, 2, 1, 3))
        mixed = ops.reshape(mixed, (-1, queries.shape[1], queries.shape[2]))
        return ops.matmul(mixed, self.kernels["output"]) + self.output_bias

    def shares(self, inputs: list[Any]) -> Any:
        """How much each bar takes from each: `(batch, heads, bars, context_bars)` float32."""
        queries, context = inputs
        query = self._split(ops.matmul(queries, self.kernels["query"]))
        key = self._split(ops.matmul(context, self.kernels["key"]))
        scores = ops.cast(ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))), "float32")
        bias = ops.take(self.lag_bias, self._lag_row, axis=1) + self._far
        return ops.softmax(scores / math.sqrt(query.shape[-1]) + bias, axis=-1)

    def compute_output_shape(
        self, input_shape: list[tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """The queries' shape."""
        return tuple(input_shape[0])

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this layer."""
        return {**super().get_config(), "heads": self.heads, "seed": self.seed}

    def _split(self, x: Any) -> Any:
        """`(batch, bars, width)` -> `(batch, heads, bars, width of a head)`."""
        x = ops.reshape(x, (-1, x.shape[1], self.heads, x.shape[2] // self.heads))
        return ops.transpose(x, (0, 2, 1, 3))
