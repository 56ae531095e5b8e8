"""The arithmetic of one transformer block, shared by every backend's loop.

Half 1 is norm and attention of several heads over time; half 2 is norm and the feed-forward
net. A block has eight weighted layers at most (two norms; query, key, value and output; up and
down) in four products with kernels, and two products of activations.

Source: Vaswani et al. (2017), "Attention Is All You Need", arXiv:1706.03762, sec. 3.2 and 3.3,
norms before the branches as in Xiong et al. (2020), "On Layer Normalization in the Transformer
Architecture", arXiv:2002.04745, fig. 1(b), dropout of each branch's output as in sec. 5.4 of
the former.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
from keras import ops

from ultimate_deep.models.layers.stacks.block import HALVES, Block, BlockMasks, MaskSources, Weights
from ultimate_deep.models.layers.stacks.masks import MaskSource, mask_source
from ultimate_deep.models.layers.stacks.normalization import Moments

# What a softmax sees of times that are hidden from it: exactly zero remains in float32.
HIDDEN = -1e9


class HalvesMasks(NamedTuple):
    """Masks of twice as many branches as blocks: for each block, one of each half."""

    source: MaskSource

    def mask(self, index: Any) -> tuple[Any, Any]:
        """The masks of the halves of block `index`."""
        return self.source.mask(2 * index), self.source.mask(2 * index + 1)


@dataclass(frozen=True, kw_only=True)
class AttentionBlock(Block):
    """Attention, then feed-forward, on carries `(batch, time, width)`.

    With `deepnorm` the norm comes last: a half is `norm(carry_scale * x + branch(x))`.

    Args:
        heads: Number of attention heads.
        causal: Hide later times from earlier ones.
    """

    heads: int
    causal: bool

    def mask_sources(self, shape: tuple[Any, ...], seed: Any) -> MaskSources:
        """The masks of one step: see `Block`; dropout has one for each half."""
        sources = super().mask_sources(shape, seed)
        branches = len(HALVES) * self.depth
        source = mask_source(shape, branches, seed, self.dropout_rate)
        dropout: Any = None if source is None else HalvesMasks(source)
        return sources._replace(dropout=dropout)

    def branch(
        self, half: int, x: Any, weights: Weights, masks: BlockMasks, *, training: bool
    ) -> tuple[Any, Moments | None]:
        """Norm, then attention or feed-forward: `(batch, time, width)` to the same."""
        shape = ops.shape(x)
        moments = None
        if self.residual_scaling != "deepnorm":
            x, moments = self.norm(half, x, weights, training=training)
        rows = ops.reshape(x, (-1, shape[-1]))
        y = self._attention(rows, weights, shape[1]) if half == 1 else self._feed(rows, weights)
        y = ops.reshape(y, shape)
        return (y if masks.dropout is None else y * masks.dropout[half - 1]), moments

    def norm(
        self, half: int, x: Any, weights: Weights, *, training: bool
    ) -> tuple[Any, Moments | None]:
        """The norm of one half, over rows of `width` numbers each."""
        shape = ops.shape(x)
        rows, moments = super().norm(
            half, ops.reshape(x, (-1, shape[-1])), weights, training=training
        )
        return ops.reshape(rows, shape), moments

    def _attention(self, x: Any, weights: Weights, time: Any) -> Any:
        """Rows `(batch * time, width)` to the same, by attention within each sample."""
        width = x.shape[-1]
        query, value = weights["query_1_bias"], weights["value_1_bias"]
        # The softmax over keys cannot see a key bias, which adds one number to all scores.
        bias = ops.concatenate([query, ops.zeros_like(query), value])
        x = self._product(x, weights["qkv_1_kernel"]) + bias
        x = ops.reshape(
            ops.cast(x, self.compute_dtype), (-1, time, 3, self.heads, width // self.heads)
        )
        # (3, batch, heads, time, width of a head)
        queries, keys, values = ops.unstack(ops.transpose(x, (2, 0, 3, 1, 4)), 3)
        shares = ops.cast(self._shares(queries, keys, time), self.compute_dtype)
        context = ops.transpose(ops.matmul(shares, values), (0, 2, 1, 3))
        context = ops.reshape(context, (-1, width))
        return self._product(context, weights["out_1_kernel"]) + weights["out_1_bias"]

    def _shares(self, queries: Any, keys: Any, time: Any) -> Any:
        """How much each time takes from each: `(batch, heads, time, time)` float32."""
        scores = ops.cast(ops.einsum("bhqd,bhkd->bhqk", queries, keys), "float32")
        scores = scores * (1 / math.sqrt(queries.shape[-1]))
        if self.causal:
            times = ops.arange(time)
            later = ops.cast(times[None, :] > times[:, None], "float32")
            scores = scores + later * HIDDEN
        return ops.softmax(scores, axis=-1)

    def _feed(self, x: Any, weights: Weights) -> Any:
        """Rows `(batch * time, width)` to the same, each for itself."""
        x = self._product(x, weights["up_2_kernel"]) + weights["up_2_bias"]
        x = keras.activations.get(self.activation)(x)
        return self._product(x, weights["down_2_kernel"]) + weights["down_2_bias"]

    def _product(self, x: Any, kernel: Any) -> Any:
        x, kernel = ops.cast(x, self.compute_dtype), ops.cast(kernel, self.compute_dtype)
        return ops.cast(ops.matmul(x, kernel), "float32")
