"""Attention over time, of a window on itself or on another window, whose map can be read out."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from ultimate_deep.models.checks import check_choice, check_range
from ultimate_deep.models.layers.attention.chunked_attention import chunked_attention
from ultimate_deep.models.layers.attention.flash import flash_runs
from ultimate_deep.models.layers.attention.rotary import rotate
from ultimate_deep.models.layers.stacks.attention_block import HIDDEN
from ultimate_deep.models.seeds import derive_seed

ATTENTIONS = ("full", "causal", "multi_scale", "chunked")
FLASH = ("auto", "off")
WHOLE_WINDOW = 0


@keras.saving.register_keras_serializable(package="ultimate_deep")
class SequenceAttention(keras.layers.Layer):
    """Scaled dot-product attention of several heads: `(batch, time, width)` to the same.

    One input attends to itself; a list of two, queries `(batch, time, width)` and context
    `(batch, context_time, context_width)`, attends from the first to the second. Kinds:

    - `full`: every bar sees every bar of the window.
    - `causal`: a bar sees itself and those before it.
    - `multi_scale`: as `causal`, and head h sees `spans_bars[h % len(spans_bars)]` bars at most,
      itself included; 0 stands for the whole window. It costs what `full` costs.
    - `chunked`: computes `full` in chunks of `chunk_bars` keys without keeping the map.

    The softmax is taken in float32. There is no key bias, which a softmax over unrotated keys
    cannot see, and no value bias, which the output's bias contains, since shares add up to 1.

    Args:
        heads: Number of heads; the width is a multiple of it, an even one with `rotary`.
        kind: One of `ATTENTIONS`; `full` or `chunked` for two inputs.
        rotary: Turn queries and keys by their place, counted from the newest bar.
        spans_bars: Spans of the heads in turn, for `multi_scale`.
        chunk_bars: Keys in one chunk, for `chunked`.
        flash: `auto` lets the backend's FlashAttention compute `full` and `causal` where it runs
            (`models.layers.attention.flash.flash_runs`), `off` never.
        dropout_rate: Share of the weights that training leaves out; not for `chunked`.
        seed: Seed of the kernels and of dropout.

    Source: Vaswani et al. (2017), arXiv:1706.03762, eq. 1 and sec. 3.2.2; spans by head as
    in Beltagy et al. (2020), "Longformer", arXiv:2004.05150, sec. 3.1, with other spans for each
    head instead of each layer.

    Raises:
        ValueError: An argument outside its range, or a width that the heads do not divide.
    """

    def __init__(
        self,
        heads: int,
        *,
        kind: str = "full",
        rotary: bool = False,
        spans_bars: tuple[int, ...] = (8, 32, WHOLE_WINDOW),
        chunk_bars: int = 128,
        flash: str = "auto",
        dropout_rate: float = 0.0,
        seed: int = 0,
        **layer_options: Any,
    ) -> None:
        super().__init__(autocast=False, **layer_options)
        check_range("heads", heads, 1)
        check_choice("kind", kind, ATTENTIONS)
        check_choice("flash", flash, FLASH)
        check_range("chunk_bars", chunk_bars, 1)
        if not spans_bars or min(spans_bars) < 0:
            raise ValueError(
                f"spans_bars needs at least one span of 0 or more bars, got {spans_bars}: use "
                "e.g. (8, 32, 0), where 0 is the whole window"
            )
        self.heads = int(heads)
        self.kind = kind
        self.rotary = bool(rotary)
        self.spans_bars = tuple(int(span) for span in spans_bars)
        self.chunk_bars = int(chunk_bars)
        self.flash = flash
        check_range("dropout_rate", dropout_rate, 0.0, 1.0)
        if dropout_rate and kind == "chunked":
            raise ValueError(
                f"dropout_rate leaves out weights of a map, got {dropout_rate} with kind "
                "'chunked', which keeps none: use 'full'"
            )
        self.dropout_rate = float(dropout_rate)
        self.seed = int(seed)
        # None without dropout, so that files of nets without any stay as they are.
        own = derive_seed(seed, "attention_dropout")
        self._draws = keras.random.SeedGenerator(own) if dropout_rate else None

    def build(self, input_shape: Any) -> None:
        """Create the weights for one input, or for queries and context."""
        queries, context = _two(input_shape, tuple)
        self.width, self.time, self.context_time = queries[-1], queries[1], context[1]
        if self.width % self.heads or (self.rotary and self.width // self.heads % 2):
            raise ValueError(
                f"width must be a multiple of heads{' and even for each' if self.rotary else ''}, "
                f"got width {self.width} and {self.heads} heads"
            )
        if _is_pair(input_shape, tuple) and self.kind not in ("full", "chunked"):
            raise ValueError(
                f"attention to another window is full or chunked, got {self.kind!r}: the places "
                "of the two windows are not comparable"
            )
        self.query_kernel = self._add_kernel("query_kernel", (self.width, self.width))
        self.query_bias = self._add("query_bias", (self.width,), "zeros")
        self.key_value_kernel = self._add_kernel("key_value_kernel", (context[-1], 2 * self.width))
        self.output_kernel = self._add_kernel("output_kernel", (self.width, self.width))
        self.output_bias = self._add("output_bias", (self.width,), "zeros")

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return the attended values, `(batch, time, width)` in the compute type."""
        queries, keys, values = self._projections(inputs)
        if self.kind == "chunked":
            context = chunked_attention(queries, keys, values, chunk_bars=self.chunk_bars)
        elif self.flash_runs:
            context = self._flash(queries, keys, values)
        else:
            shares = self._shares(queries, keys)
            if training and self._draws is not None:
                shares = keras.random.dropout(shares, self.dropout_rate, seed=self._draws)
            shares = self._cast(shares)
            context = ops.matmul(shares, values)
        context = ops.reshape(
            ops.transpose(context, (0, 2, 1, 3)), (-1, context.shape[2], self.width)
        )
        return self._matmul(context, self.output_kernel) + self._cast(self.output_bias)

    def attention_map(self, inputs: Any) -> Any:
        """How much each bar takes from each: `(batch, heads, time, context_time)` float32.

        The shares add up to 1 over the last axis and are what `call` weighs values with, in every
        kind; `chunked` forms them only here.
        """
        queries, keys, _ = self._projections(inputs)
        return self._shares(queries, keys)

    @property
    def flash_runs(self) -> bool:
        """Whether FlashAttention computes this layer, on this backend, in this precision."""
        if self.flash == "off" or self.dropout_rate or self.kind not in ("full", "causal"):
            return False
        return flash_runs(self.width // self.heads, str(self.compute_dtype)).runs

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """The shape of the queries."""
        return tuple(_two(input_shape, tuple)[0])

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this layer."""
        config = super().get_config()
        config.pop("autocast", None)
        return {
            **config,
            "heads": self.heads,
            "kind": self.kind,
            "rotary": self.rotary,
            "spans_bars": self.spans_bars,
            "chunk_bars": self.chunk_bars,
            "flash": self.flash,
            "dropout_rate": self.dropout_rate,
            "seed": self.seed,
        }

    def _projections(self, inputs: Any) -> tuple[Any, Any, Any]:
        """Queries, keys and values, `(batch, heads, time, width of a head)`; queries are scaled."""
        x, context = _two(inputs, list)
        scale = 1 / math.sqrt(self.width / self.heads)
        queries = self._matmul(self._cast(x), self.query_kernel) + self._cast(self.query_bias)
        both = self._matmul(self._cast(context), self.key_value_kernel)
        queries = self._split(queries)
        keys, values = (self._split(part) for part in ops.split(both, 2, axis=-1))
        if self.rotary:
            queries, keys = rotate(queries), rotate(keys)
        return queries * self._cast(scale), keys, values

    def _shares(self, queries: Any, keys: Any) -> Any:
        scores = ops.cast(ops.matmul(queries, ops.transpose(keys, (0, 1, 3, 2))), "float32")
        hidden = self._hidden(int(queries.shape[2]))
        if hidden is not None:
            scores = scores + hidden
        return ops.softmax(scores, axis=-1)

    def _hidden(self, time: int) -> np.ndarray | None:
        """What is added to the scores, `(heads or 1, time, time)`, or None where all is seen."""
        if self.kind not in ("causal", "multi_scale"):
            return None
        places = np.arange(time)
        age = places[:, None] - places[None, :]
        spans = [WHOLE_WINDOW]
        if self.kind == "multi_scale":
            spans = [self.spans_bars[head % len(self.spans_bars)] for head in range(self.heads)]
        seen = [(age >= 0) & (age < (span or time)) for span in spans]
        return np.where(np.stack(seen), 0.0, HIDDEN).astype(np.float32)

    def _flash(self, queries: Any, keys: Any, values: Any) -> Any:
        arranged = [ops.transpose(part, (0, 2, 1, 3)) for part in (queries, keys, values)]
        context = ops.dot_product_attention(
            *arranged, scale=1.0, is_causal=self.kind == "causal", flash_attention=True
        )
        return ops.transpose(context, (0, 2, 1, 3))

    def _split(self, x: Any) -> Any:
        x = ops.reshape(x, (-1, x.shape[1], self.heads, self.width // self.heads))
        return ops.transpose(x, (0, 2, 1, 3))

    def _matmul(self, x: Any, kernel: Any) -> Any:
        return ops.matmul(x, self._cast(kernel))

    def _cast(self, x: Any) -> Any:
        return ops.cast(x, self.compute_dtype)

    def _add_kernel(self, name: str, shape: tuple[int, ...]) -> Any:
        initializer = keras.initializers.RandomNormal(
            stddev=1 / math.sqrt(shape[0]), seed=derive_seed(self.seed, name)
        )
        return self._add(name, shape, initializer)

    def _add(self, name: str, shape: tuple[int, ...], initializer: Any) -> Any:
        # Keras would hand out the weights in the compute type, whatever the layer asks.
        return self.add_weight(
            name=name, shape=shape, initializer=initializer, dtype="float32", autocast=False
        )


def _is_pair(inputs: Any, leaf: type) -> bool:
    """Whether these are two inputs: shapes come as tuples or lists of numbers, tensors as such."""
    if leaf is list:
        return isinstance(inputs, list | tuple)
    return isinstance(inputs[0], list | tuple)


def _two(inputs: Any, leaf: type) -> tuple[Any, Any]:
    return (inputs[0], inputs[1]) if _is_pair(inputs, leaf) else (inputs, inputs)
