"""The parts that the hybrid models are put together from, each seeded by its own name."""

from dataclasses import dataclass
from typing import Any

import keras

from ultimate_deep.models.checks import check_range
from ultimate_deep.models.layers.attention.lagged_attention import LaggedAttention
from ultimate_deep.models.seeds import derive_seed


@dataclass(frozen=True, kw_only=True)
class SequenceParts:
    """Layers of one width, precision and dropout.

    Args:
        width: Width of every part's output.
        seed: Seed of the model; each part derives its own.
        policy: Precision of the parts.
        dropout_rate: Dropout after each part.
        heads: Heads of the attention.
    """

    width: int
    seed: int
    policy: Any
    dropout_rate: float = 0.0
    heads: int = 4

    def dense(self, x: Any, name: str, *, width: int = 0, activation: str | None = None) -> Any:
        """A dense layer over the last axis: `(..., any)` -> `(..., width)`."""
        return keras.layers.Dense(
            width or self.width,
            activation=activation,
            kernel_initializer=keras.initializers.GlorotUniform(seed=derive_seed(self.seed, name)),
            dtype=self.policy,
            name=name,
        )(x)

    def lstm(self, x: Any, name: str, *, state: list[Any] | None = None) -> Any:
        """An LSTM's output at every bar: `(batch, bars, any)` -> `(batch, bars, width)`.

        Source: Hochreiter & Schmidhuber (1997), Neural Computation 9(8), with a forget gate.

        Args:
            x: The bars' vectors, `(batch, bars, any)`.
            name: The layer's name.
            state: Initial output and cell, each `(batch, width)`; zeros if None.
        """
        kernel, recurrent = (derive_seed(self.seed, f"{name}/{part}") for part in ("in", "again"))
        return keras.layers.LSTM(
            self.width,
            return_sequences=True,
            kernel_initializer=keras.initializers.GlorotUniform(seed=kernel),
            recurrent_initializer=keras.initializers.Orthogonal(seed=recurrent),
            dtype=self.policy,
            name=name,
        )(x, initial_state=state)

    def convolution(self, x: Any, name: str, *, kernel_bars: int, dilation: int = 1) -> Any:
        """A causal convolution with GELU: `(batch, bars, any)` -> `(batch, bars, width)`."""
        return keras.layers.Conv1D(
            self.width,
            kernel_bars,
            padding="causal",
            dilation_rate=dilation,
            activation="gelu",
            kernel_initializer=keras.initializers.HeNormal(seed=derive_seed(self.seed, name)),
            dtype=self.policy,
            name=name,
        )(x)

    def attend(self, x: Any, context: Any, name: str) -> Any:
        """`x + attention(norm(x), norm(context))`; `x` attends to itself where both are one."""
        queries = self.norm(x, f"{name}_norm")
        keys = queries if context is x else self.norm(context, f"{name}_context_norm")
        seed = derive_seed(self.seed, name)
        attention = LaggedAttention(self.heads, seed=seed, dtype=self.policy, name=name)
        return self.add(x, self.dropout(attention([queries, keys]), f"{name}_dropout"), name)

    def feed(self, x: Any, name: str, *, expansion: int = 2) -> Any:
        """`x + dense(gelu(dense(norm(x))))`, `expansion` times as wide inside."""
        y = self.norm(x, f"{name}_norm")
        y = self.dense(y, f"{name}_up", width=expansion * self.width, activation="gelu")
        y = self.dense(y, f"{name}_down")
        return self.add(x, self.dropout(y, f"{name}_dropout"), name)

    def norm(self, x: Any, name: str) -> Any:
        """Layer normalisation over the last axis."""
        return keras.layers.LayerNormalization(epsilon=1e-5, dtype=self.policy, name=name)(x)

    def dropout(self, x: Any, name: str) -> Any:
        """Dropout with its own seed."""
        seed = derive_seed(self.seed, name)
        return keras.layers.Dropout(self.dropout_rate, seed=seed, dtype=self.policy, name=name)(x)

    def add(self, x: Any, y: Any, name: str) -> Any:
        """Sum of two tensors of one shape."""
        return keras.layers.Add(dtype=self.policy, name=f"{name}_sum")([x, y])

    def join(self, parts: list[Any], name: str) -> Any:
        """Tensors side by side along the last axis."""
        return keras.layers.Concatenate(dtype=self.policy, name=name)(parts)

    def newest(self, x: Any, name: str) -> Any:
        """The last bar: `(batch, bars, width)` -> `(batch, width)`."""
        bars, width = x.shape[1:]
        x = keras.layers.Cropping1D((bars - 1, 0), dtype=self.policy, name=f"{name}_newest")(x)
        return keras.layers.Reshape((width,), dtype=self.policy, name=f"{name}_newest_flat")(x)


def check_heads(heads: int, width: int) -> None:
    """Raise ValueError unless `heads` of attention share a positive `width` evenly."""
    check_range("heads", heads, 1)
    check_range("width", width, 1)
    if width % heads:
        raise ValueError(
            f"heads must divide width, got {heads} heads for width {width}: choose another number"
        )
