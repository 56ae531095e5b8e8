"""The arithmetic of one densely connected block, and how the blocks' weights are packed.

A unit works on a buffer of fixed width: the unit's input, then a slot of `growth_rate` values
for each block, zero until the block has written it. So every block of a unit has the same
shapes and one loop can run them all; what a block may not read yet is masked.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np
from keras import ops

from models.layers.normalization import EPSILON

Weights = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class DenseSettings:
    """What all blocks of one stack share."""

    normalization: str
    activation: str
    dropout_rate: float
    compute_dtype: str


@dataclass(frozen=True)
class DenseLayout:
    """Where the rows of each block and transition lie in the packed weights.

    Block `b` of a unit reads `width + b * growth_rate` values and owns that many rows of
    `block_kernel`, `block_norm_scale` and so on, units and blocks in order; a transition reads
    `width + blocks * growth_rate` values and owns that many rows of `transition_kernel`.
    """

    blocks_per_unit: tuple[int, ...]
    width: int
    growth_rate: int

    @property
    def units(self) -> int:
        """Number of units."""
        return len(self.blocks_per_unit)

    @property
    def slots(self) -> int:
        """Slots of the buffer: the blocks of the largest unit."""
        return max(self.blocks_per_unit)

    @property
    def buffer_width(self) -> int:
        """Values in the buffer."""
        return self.width + self.slots * self.growth_rate

    @cached_property
    def block_fans(self) -> tuple[int, ...]:
        """How many values each block reads, units in order."""
        return tuple(
            self.width + block * self.growth_rate
            for blocks in self.blocks_per_unit
            for block in range(blocks)
        )

    @cached_property
    def transition_fans(self) -> tuple[int, ...]:
        """How many values each unit's transition reads."""
        return tuple(self.width + blocks * self.growth_rate for blocks in self.blocks_per_unit)

    @cached_property
    def first_block(self) -> np.ndarray:
        """Number of the first block of each unit, int32 `(units,)`."""
        return np.cumsum((0, *self.blocks_per_unit[:-1])).astype(np.int32)


def padded_rows(fans: tuple[int, ...], buffer_width: int) -> tuple[np.ndarray, np.ndarray]:
    """Index maps between packed rows and one padded set of `buffer_width` rows for each reader.

    Returns:
        `(readers, buffer_width)` int32, the packed row of each padded row (0 where a reader has
        none: it is masked there); and `(rows,)` int32, each packed row's place among the
        flattened padded rows.
    """
    starts = np.cumsum((0, *fans[:-1]))
    column = np.arange(buffer_width)
    valid = column < np.array(fans)[:, None]
    rows = np.where(valid, starts[:, None] + column, 0)
    return rows.astype(np.int32), np.flatnonzero(valid).astype(np.int32)


def dense_layer(
    buffer: Any, fan: Any, weights: Weights, settings: DenseSettings, *, training: bool
) -> tuple[Any, tuple[Any, ...]]:
    """Norm, activation and dense of the first `fan` values of the buffer.

    Args:
        buffer: `(batch, buffer_width)` float32.
        fan: how many values to read, an int32 scalar.
        weights: `norm_scale`, `kernel`, ... of this reader, padded to `buffer_width` rows.
        settings: what all blocks share.
        training: with batch normalisation, use the batch's moments.

    Returns:
        `(batch, outputs)` float32, and the batch's mean and variance `(buffer_width,)` where
        they were used.
    """
    mask = ops.cast(ops.arange(buffer.shape[-1]) < fan, "float32")
    kind, count = settings.normalization, ops.cast(fan, "float32")
    moments: tuple[Any, ...] = ()
    x = buffer * mask
    if kind == "rms":
        variance = ops.sum(ops.square(x), axis=-1, keepdims=True) / count
    elif kind == "layer":
        x = (x - ops.sum(x, axis=-1, keepdims=True) / count) * mask
        variance = ops.sum(ops.square(x), axis=-1, keepdims=True) / count
    else:
        if training:
            mean = ops.mean(x, axis=0)
            variance = ops.mean(ops.square(x - mean), axis=0)
            moments = (mean, variance)
        else:
            mean, variance = weights["norm_moving_mean"], weights["norm_moving_variance"]
        x = x - mean
    x = x * ops.rsqrt(variance + EPSILON[kind]) * weights["norm_scale"]
    if "norm_offset" in weights:
        x = x + weights["norm_offset"]
    x = ops.cast(keras.activations.get(settings.activation)(x) * mask, settings.compute_dtype)
    x = ops.matmul(x, ops.cast(weights["kernel"], settings.compute_dtype))
    return ops.cast(x, "float32") + weights["bias"], moments
