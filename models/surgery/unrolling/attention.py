"""An `AttentionStack` as plain Keras layers: multi-head attention, feed-forward, sums."""

from typing import Any

import keras
import numpy as np

from ultimate_deep.models.layers.stacks.attention_stack import AttentionStack
from ultimate_deep.models.seeds import derive_seed
from ultimate_deep.models.surgery.unrolling import parts
from ultimate_deep.models.surgery.unrolling.coupled import PlainCoupled


class PlainAttention(PlainCoupled):
    """Writes the blocks of one `AttentionStack`.

    Keras' attention has a key bias or no biases at all, so it has `width` numbers more in each
    block than the stack: zeros, which a softmax cannot see and no gradient moves.
    """

    def __init__(self, stack: AttentionStack) -> None:
        super().__init__(stack)
        self.heads, self.causal = stack.heads, stack.causal

    def branch(self, half: int, x: Any, name: str, index: int) -> Any:
        """Attention (half 1) or feed-forward (half 2), after the norm unless DeepNorm has it."""
        if self.block.residual_scaling != "deepnorm":
            x = self.norm(half, x, name, index)
        y = self._attention(x, name, index) if half == 1 else self._feed_forward(x, name, index)
        return parts.dropout(y, self.block.dropout_rate, self.stack, f"{name}_dropout_{half}")

    def _attention(self, x: Any, name: str, index: int) -> Any:
        stack, width = self.stack, x.shape[-1]
        split = (self.heads, width // self.heads)
        layer = keras.layers.MultiHeadAttention(
            *split,
            kernel_initializer=keras.initializers.GlorotUniform(seed=derive_seed(stack.seed, name)),
            kernel_regularizer=keras.regularizers.L2(stack.l2) if stack.l2 else None,
            dtype=stack.dtype_policy,
            name=f"{name}_attention_1",
        )
        y = layer(x, x, use_causal_mask=self.causal)
        kernels = np.split(self.weights["qkv_1_kernel"][index], 3, axis=-1)
        query, value = (self.weights[f"{part}_1_bias"][index] for part in ("query", "value"))
        biases = (query, np.zeros_like(query), value)
        layers = (layer._query_dense, layer._key_dense, layer._value_dense)
        for inner, kernel, bias in zip(layers, kernels, biases, strict=True):
            inner.kernel.assign(kernel.reshape(width, *split))
            inner.bias.assign(bias.reshape(split))
        out = self.here("out_1_", index)
        layer._output_dense.kernel.assign(out["kernel"].reshape(*split, width))
        layer._output_dense.bias.assign(out["bias"])
        return y

    def _feed_forward(self, x: Any, name: str, index: int) -> Any:
        x = parts.dense(x, self.here("up_2_", index), self.stack, f"{name}_up_2")
        x = parts.activation(x, self.block.activation, f"{name}_activation")
        return parts.dense(x, self.here("down_2_", index), self.stack, f"{name}_down_2")
