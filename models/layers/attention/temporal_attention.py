"""From a vector for each bar (or timeframe) to one vector, by attention with readable weights."""

from typing import Any

import keras
from keras import ops

from ultimate_deep.models.checks import check_choice, check_range
from ultimate_deep.models.seeds import derive_seed

QUERIES = ("learned", "last", "first")


@keras.saving.register_keras_serializable(package="ultimate_deep")
class TemporalAttention(keras.layers.Layer):
    """Weigh the states of axis 1: `(batch, time, width)` to `(batch, width)`.

    State `h` scores `v . tanh(W h + b)` where the query is `learned` (it is `v` alone), and
    `v . tanh(W h + U q + b)` where it is the `last` or `first` state `q`. A softmax over axis 1,
    in float32, makes weights of the scores; the result is the weighted sum of the states.

    Args:
        units: Width of the hidden layer of the score.
        query: `learned`, `last` or `first`.
        seed: Seed of the kernels.

    Source: `learned`, Yang et al. (2016), "Hierarchical Attention Networks for Document
    Classification", NAACL, eq. 5 to 7; with a query, Bahdanau et al. (2015), arXiv:1409.0473,
    appendix A.1.2, with a state of the same sequence as the query and with a bias.

    Raises:
        ValueError: An argument out of range, or a single state, which leaves nothing to weigh.
    """

    def __init__(
        self, units: int, query: str = "learned", *, seed: int = 0, **layer_options: Any
    ) -> None:
        super().__init__(**layer_options)
        check_range("units", units, 1)
        check_choice("query", query, QUERIES)
        self.units = int(units)
        self.query = query
        self.seed = int(seed)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights of the score."""
        _, states, width = input_shape
        if states is not None and states < 2:
            raise ValueError(
                f"attention weighs at least 2 states, got {states}: give a longer window"
            )
        self.state_kernel = self._kernel("state_kernel", (width, self.units))
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")
        self.score_kernel = self._kernel("score_kernel", (self.units, 1))
        if self.query != "learned":
            self.query_kernel = self._kernel("query_kernel", (width, self.units))

    def call(self, inputs: Any) -> Any:
        """Return `(batch, width)`."""
        weights = ops.cast(self._weights(inputs), inputs.dtype)
        return ops.sum(inputs * weights[..., None], axis=1)

    def attention_map(self, inputs: Any) -> Any:
        """The weight of each state, `(batch, 1, 1, time)` float32, adding up to 1 over time."""
        return self._weights(ops.convert_to_tensor(inputs, self.compute_dtype))[:, None, None, :]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`(batch, width)`."""
        return (input_shape[0], input_shape[2])

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this layer."""
        options = {"units": self.units, "query": self.query, "seed": self.seed}
        return {**super().get_config(), **options}

    def _weights(self, states: Any) -> Any:
        dtype = states.dtype
        hidden = ops.matmul(states, ops.cast(self.state_kernel, dtype))
        if self.query != "learned":
            asked = states[:, -1:] if self.query == "last" else states[:, :1]
            hidden = hidden + ops.matmul(asked, ops.cast(self.query_kernel, dtype))
        hidden = ops.tanh(hidden + ops.cast(self.bias, dtype))
        scores = ops.matmul(hidden, ops.cast(self.score_kernel, dtype))[..., 0]
        return ops.softmax(ops.cast(scores, "float32"), axis=-1)

    def _kernel(self, name: str, shape: tuple[int | None, ...]) -> Any:
        initializer = keras.initializers.GlorotUniform(seed=derive_seed(self.seed, name))
        return self.add_weight(name=name, shape=shape, initializer=initializer)
