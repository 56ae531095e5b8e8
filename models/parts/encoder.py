"""The encoder that every transformer here is made of."""

from typing import Any

import keras

from ultimate_deep.models.layers.attention.positions import AddPositions
from ultimate_deep.models.layers.attention.sequence_attention import SequenceAttention
from ultimate_deep.models.layers.drop_path import DropPath
from ultimate_deep.models.layers.experts import ExpertsFeedForward
from ultimate_deep.models.layers.stacks.normalization import plain_norm
from ultimate_deep.models.parts.sequence_options import SequenceOptions
from ultimate_deep.models.seeds import derive_seed


class Encoder:
    """Builds plain Keras layers that carry `options` out, with names that begin with `prefix`.

    Source: Vaswani et al. (2017), arXiv:1706.03762, sec. 3, norms before the branches as in Xiong
    et al. (2020), arXiv:2002.04745, fig. 1(b); dropout of each branch's output and, where it is
    asked for, of attention weights; branches left out more often with depth as in Huang et al.
    (2016), arXiv:1603.09382, eq. 4.
    """

    def __init__(self, options: SequenceOptions, *, policy: Any, prefix: str = "") -> None:
        self.options, self.policy, self.prefix = options, policy, prefix
        self._depth = 1.0

    def __call__(self, x: Any) -> Any:
        """`(batch, time, features)` to `(batch, time, width)`: stem, positions, blocks, norm."""
        x = self.dense(self.options.width, "stem")(x)
        if self.options.positions in ("sinusoidal", "learned"):
            x = AddPositions(self.options.positions, **self._own("positions"))(x)
        for index in range(1, self.options.layers + 1):
            self._depth = index / self.options.layers
            x = self.residual(x, self.attention(f"block_{index:02d}_attention"))
            x = self.feed_forward(x, f"block_{index:02d}")
        return self.norm("encoder_norm")(x)

    def attention(self, name: str, kind: str | None = None) -> SequenceAttention:
        """The attention that the options ask for, or another kind of it."""
        options = self.options
        return SequenceAttention(
            options.attention_heads,
            kind=kind or options.attention,
            rotary=options.positions == "rotary",
            spans_bars=options.spans_bars,
            chunk_bars=options.chunk_bars,
            flash=options.flash,
            dropout_rate=options.attention_dropout,
            **self._own(name),
        )

    def feed_forward(self, x: Any, name: str) -> Any:
        """The second half of a block, with its residual."""
        options = self.options
        hidden = options.feed_forward_ratio * options.width
        if options.feed_forward == "experts":
            experts = ExpertsFeedForward(
                options.experts,
                hidden,
                experts_per_bar=options.experts_per_bar,
                capacity_factor=options.capacity_factor,
                balance_weight=options.balance_weight,
                activation=options.activation,
                **self._own(f"{name}_experts"),
            )
            return self.residual(x, experts)
        up = self.dense(hidden, f"{name}_up", activation=options.activation)
        down = self.dense(options.width, f"{name}_down")
        return self.residual(x, down, before=up)

    def residual(self, x: Any, layer: Any, *, before: Any = None, context: Any = None) -> Any:
        """`x + dropout(layer(norm(x)))`; `before` acts first, `context` is a second input."""
        name = layer.name.removeprefix(self.prefix)
        y = self.norm(f"{name}_norm")(x)
        if before is not None:
            y = before(y)
        y = layer(y if context is None else [y, context])
        if self.options.dropout_rate:
            y = keras.layers.Dropout(self.options.dropout_rate, **self._own(f"{name}_dropout"))(y)
        if rate := self.options.stochastic_depth * self._depth:
            y = DropPath(rate, **self._own(f"{name}_drop_path"))(y)
        return keras.layers.Add(dtype=self.policy, name=f"{self.prefix}{name}_add")([x, y])

    def norm(self, name: str) -> keras.layers.Layer:
        """A layer norm."""
        return plain_norm("layer", dtype=self.policy, name=f"{self.prefix}{name}")

    def dense(self, units: int, name: str, activation: str | None = None) -> keras.layers.Dense:
        """A dense layer over the last axis."""
        own = self._own(name)
        return keras.layers.Dense(
            units,
            activation=activation,
            kernel_initializer=keras.initializers.LecunNormal(seed=own.pop("seed")),
            **own,
        )

    def _own(self, name: str) -> dict[str, Any]:
        name = f"{self.prefix}{name}"
        return {"seed": derive_seed(self.options.seed, name), "dtype": self.policy, "name": name}
