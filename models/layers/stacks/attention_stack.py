"""Any number of transformer blocks as one layer: stacked weights and one loop."""

import math
from typing import Any, ClassVar

import keras
from keras import ops

from ultimate_deep.models.checks import check_choice, check_range
from ultimate_deep.models.layers.stacks.attention_block import AttentionBlock
from ultimate_deep.models.layers.stacks.coupled_stack import CoupledStack
from ultimate_deep.models.seeds import derive_seed

# Batch moments would mix the times of all samples, later ones with earlier ones.
ATTENTION_NORMS = ("layer", "rms", "none")
# Source: Vaswani et al. (2017), arXiv:1706.03762, sec. 3.3.
FEED_FORWARD_RATIO = 4


@keras.saving.register_keras_serializable(package="ultimate_deep")
class AttentionStack(CoupledStack):
    """Units of transformer blocks in one loop.

    `(batch, time, width)` to `(batch, units, time, width)`.

    A block has two sublayers, attention and feed-forward, each with a norm before it and a skip
    around it. The output holds what each unit hands on, in order; the last is the stack's own.
    Weights are stacked, one slice for each block: `qkv_1_kernel` `(blocks, width, 3 * width)`
    with the columns of queries, keys and values in this order (each head by head), without a key
    bias, which a softmax cannot see. Time to trace and number of variables do not depend on
    depth. The carry, norms, softmax and weights are float32 under every policy; products run in
    the policy's compute type.

    There is no position in it: add positions to the input.

    Args:
        blocks_per_unit: Number of blocks of each unit.
        heads: Number of attention heads, a divisor of width.
        feed_forward_width: Width of the layer within the feed-forward sublayer; None is four times
            width.
        causal: Hide later times from earlier ones.
        coupling: `residual`, `x + f(x)` and then `x + g(x)`; `additive`, a carry of two arrays,
            `a + f(b)` then `b + g(a)`.
        normalization: `layer`, `rms` or `none` (an offset only).
        activation: Activation of the feed-forward sublayer, a Keras activation's name.
        dropout_rate: Share of the values dropped from what each sublayer adds.
        stochastic_depth: Share of the rows that skip the last block; it rises linearly from
            the first block on.
        residual_scaling: `none`, `1/sqrt(depth)`, `rezero`, `fixup` or `deepnorm` (norms after
            the skips); see `Block`.
        exact: Round the branches of an additive coupling to multiples of 2**-17, so that blocks
            are undone without any rounding error while the carry stays below 128.
        l2: Penalty on the sum of squares of all kernels.
        memory: What is kept for the backward pass; see `ResidualStack`.
        seed: Seed of the initial weights and of the masks.

    Raises:
        ValueError: An argument outside its range, two that exclude each other, or an input that
            is not `(batch, time, width)` with a width that `heads` divides.
    """

    COUPLINGS: ClassVar[dict[str, str]] = {"residual": "sequential", "additive": "additive"}

    def __init__(
        self,
        blocks_per_unit: tuple[int, ...] | list[int],
        heads: int,
        *,
        feed_forward_width: int | None = None,
        causal: bool = False,
        coupling: str = "residual",
        normalization: str = "layer",
        activation: str = "gelu",
        dropout_rate: float = 0.0,
        stochastic_depth: float = 0.0,
        residual_scaling: str = "1/sqrt(depth)",
        exact: bool = False,
        l2: float = 0.0,
        memory: str = "store",
        seed: int = 0,
        **layer_options: Any,
    ) -> None:
        check_choice("normalization", normalization, ATTENTION_NORMS)
        check_range("heads", heads, 1)
        if feed_forward_width is not None:
            check_range("feed_forward_width", feed_forward_width, 1)
        super().__init__(
            blocks_per_unit,
            coupling=coupling,
            normalization=normalization,
            activation=activation,
            dropout_rate=dropout_rate,
            stochastic_depth=stochastic_depth,
            residual_scaling=residual_scaling,
            exact=exact,
            l2=l2,
            memory=memory,
            seed=seed,
            **layer_options,
        )
        self.heads = int(heads)
        self.feed_forward_width = None if feed_forward_width is None else int(feed_forward_width)
        self.causal = bool(causal)

    def block(self) -> AttentionBlock:
        """What all blocks share, and their arithmetic."""
        return AttentionBlock(**self.block_options(), heads=self.heads, causal=self.causal)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the stacked weights for inputs of `input_shape` `(batch, time, width)`."""
        if len(input_shape) != 3 or input_shape[-1] is None:
            raise ValueError(
                f"AttentionStack reads (batch, time, width) with a known width, got {input_shape}: "
                "add a time axis or project the input first"
            )
        width = input_shape[-1]
        if width % self.heads:
            raise ValueError(
                f"the width must be a multiple of heads, got width {width} and {self.heads} heads: "
                "project the input to such a width, or choose heads that divide it"
            )
        inner = self.feed_forward_width or FEED_FORWARD_RATIO * width
        self._add_norm(1, width)
        self._add("qkv_1_kernel", (width, 3 * width), self._qkv_initializer, decays=True)
        for name in ("query_1_bias", "value_1_bias"):
            self._add(name, (width,), "zeros")
        self._add_kernel("out_1_kernel", width, width, 1.0, "last")
        self._add("out_1_bias", (width,), "zeros")
        self._add_norm(2, width)
        self._add_kernel("up_2_kernel", width, inner, self._gain(width, inner, 1.0), "inner")
        self._add("up_2_bias", (inner,), "zeros")
        gain = self._gain(inner, width, math.sqrt(2))
        self._add_kernel("down_2_kernel", inner, width, gain, "last")
        self._add("down_2_bias", (width,), "zeros")
        self._add_residual_scales()

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this layer."""
        return {
            **super().get_config(),
            "heads": self.heads,
            "feed_forward_width": self.feed_forward_width,
            "causal": self.causal,
        }

    def _gain(self, inputs: int, outputs: int, otherwise: float) -> float:
        """Xavier's under DeepNorm, as its source has it."""
        if self.residual_scaling == "deepnorm":
            return math.sqrt(2 * inputs / (inputs + outputs))
        return otherwise

    def _qkv_initializer(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """Normal numbers; scalings shrink the values' columns alone.

        Queries and keys decide where to look, not how much is added (Wang et al. 2022,
        arXiv:2203.00555, fig. 2).
        """
        depth, width, _ = shape
        draw = keras.initializers.RandomNormal(
            stddev=1 / math.sqrt(width), seed=derive_seed(self.seed, "qkv_1_kernel")
        )
        gain = self.block().kernel_gain("inner")
        values = ops.full((depth, 1, width), gain, dtype=dtype)
        gains = ops.concatenate([ops.ones((depth, 1, 2 * width), dtype=dtype), values], axis=-1)
        return draw(shape, dtype=dtype) * gains
