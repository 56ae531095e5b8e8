"""The arithmetic of one residual block, shared by every backend's loop.

Each half is norm, activation, (dropout in the second) and dense, so a block has four weighted
layers and two matrix products. The state between the halves is what a backward pass wants:
with a block's input and that state stored, no matrix product is computed twice.

Source: He et al. (2016), "Identity Mappings in Deep Residual Networks", arXiv:1603.05027,
fig. 4(e), with dense layers for convolutions; dropout between the two as in Zagoruyko &
Komodakis (2016), "Wide Residual Networks", arXiv:1605.07146, sec. 2.4.
"""

from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from ultimate_deep.models.layers.stacks.block import Block, BlockMasks, Weights
from ultimate_deep.models.layers.stacks.normalization import Moments


@dataclass(frozen=True, kw_only=True)
class ResidualBlock(Block):
    """Two halves of norm, activation and dense.

    With `deepnorm` the norm comes last: a half is `norm(carry_scale * x + dense(activation(x)))`.
    """

    def branch(
        self, half: int, x: Any, weights: Weights, masks: BlockMasks, *, training: bool
    ) -> tuple[Any, Moments | None]:
        """Norm, activation, dropout (second half) and dense: `(batch, width)` to the same."""
        moments = None
        if self.residual_scaling != "deepnorm":
            x, moments = self.norm(half, x, weights, training=training)
        x = keras.activations.get(self.activation)(x)
        if half == 2 and masks.dropout is not None:
            x = x * masks.dropout
        kernel = ops.cast(weights[f"dense_{half}_kernel"], self.compute_dtype)
        x = ops.cast(ops.matmul(ops.cast(x, self.compute_dtype), kernel), "float32")
        bias = weights.get(f"dense_{half}_bias")
        return (x if bias is None else x + bias), moments
