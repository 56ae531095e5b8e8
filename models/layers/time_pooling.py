"""From a vector for each bar to one vector for the window."""

from typing import Any

import keras
from keras import ops

from ultimate_deep.models.checks import check_choice

POOLINGS = ("adaptive", "last", "mean")


@keras.saving.register_keras_serializable(package="ultimate_deep")
class TimePooling(keras.layers.Layer):
    """Weigh the bars of a window: `(batch, time, width)` to `(batch, width)`.

    `last` takes the newest bar, `mean` all alike. `adaptive` weighs each bar by a softmax over
    time of a learned number for its place plus the product of its vector with a learned one; both
    start at zero, so that it begins as the mean. The softmax is taken in float32.

    Source: the content score as in Yang et al. (2016), "Hierarchical Attention Networks for
    Document Classification", NAACL, eq. 5 to 7, without its hidden layer and with a number for
    each place.
    """

    def __init__(self, kind: str = "adaptive", **layer_options: Any) -> None:
        super().__init__(**layer_options)
        check_choice("kind", kind, POOLINGS)
        self.kind = kind

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights of places and content."""
        if self.kind == "adaptive":
            _, time, width = input_shape
            self.place_scores = self.add_weight(
                name="place_scores", shape=(time,), initializer="zeros", autocast=False
            )
            self.content_query = self.add_weight(
                name="content_query", shape=(width,), initializer="zeros", autocast=False
            )

    def call(self, inputs: Any) -> Any:
        """Return `(batch, width)`."""
        if self.kind == "last":
            return inputs[:, -1]
        if self.kind == "mean":
            return ops.mean(inputs, axis=1)
        weights = self._weights(inputs)[..., None]
        pooled = ops.sum(ops.cast(inputs, "float32") * weights, axis=1)
        return ops.cast(pooled, inputs.dtype)

    def attention_map(self, inputs: Any) -> Any:
        """The weight of each bar, `(batch, 1, 1, time)` float32, adding up to 1 over time.

        Raises:
            ValueError: The kind is not `adaptive`: there is nothing learned to read.
        """
        if self.kind != "adaptive":
            raise ValueError(f"pooling {self.kind!r} has no learned weights; use 'adaptive'")
        return self._weights(inputs)[:, None, None, :]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`(batch, width)`."""
        return (input_shape[0], input_shape[2])

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this layer."""
        return {**super().get_config(), "kind": self.kind}

    def _weights(self, inputs: Any) -> Any:
        content = ops.sum(ops.cast(inputs, "float32") * self.content_query, axis=-1)
        return ops.softmax(content + self.place_scores, axis=-1)
