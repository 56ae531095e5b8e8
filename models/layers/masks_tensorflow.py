"""Dropout masks inside loops on TensorFlow: drawn again, they are the same.

Philox costs about 40 ns a number where XLA compiles it for a processor, more than all the
rest of a small block. So Philox draws one 32-bit word for each place once a step, and one seed
for each block; a block's mask is a hash of the two, five integer operations a number.
"""

from typing import Any, NamedTuple

import tensorflow as tf

# Multipliers of the 32-bit hash `lowbias32`. Source: C. Wellons (2018), "Prospecting for Hash
# Functions", https://nullprogram.com/blog/2018/07/31/.
FIRST_MULTIPLIER, SECOND_MULTIPLIER = 0x7FEB352D, 0x846CA68B


class MaskSource(NamedTuple):
    """`words` uint32 `(batch, width)`, `seeds` uint32 `(blocks,)`."""

    words: Any
    seeds: Any
    rate: float

    def mask(self, block: Any) -> Any:
        """Block `block`'s mask `(batch, width)` float32: 0, or `1 / (1 - rate)` where kept."""
        x = tf.bitwise.bitwise_xor(self.words, self.seeds[block])
        x = x * tf.constant(FIRST_MULTIPLIER, tf.uint32)
        x = tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, tf.constant(15, tf.uint32)))
        x = x * tf.constant(SECOND_MULTIPLIER, tf.uint32)
        # The highest bits of the last product are the best mixed, and they decide here.
        kept = tf.cast(x >= tf.constant(round(self.rate * 2**32), tf.uint32), tf.float32)
        return kept * (1.0 / (1.0 - self.rate))


def mask_source(shape: Any, blocks: int, seed: Any, rate: float) -> MaskSource | None:
    """Draw what the masks of `blocks` blocks are made of; None without a seed.

    Args:
        shape: `(batch, width)` as a tensor or tuple.
        blocks: how many masks there will be.
        seed: int `(2,)`, new at every step.
        rate: share dropped, in `(0, 1)`.
    """
    if seed is None:
        return None
    seed = tf.cast(tf.math.floormod(seed, tf.int32.max - 1), tf.int32)
    drawn = tf.random.stateless_uniform(
        [shape[0] * shape[1] + blocks], seed, None, None, tf.uint32, alg="philox"
    )
    return MaskSource(tf.reshape(drawn[blocks:], shape), drawn[:blocks], rate)
