"""Dropout masks inside loops on TensorFlow: drawn again, they are the same.

A mask is a hash of the step's seed, the block and the place: nothing is stored, and a block
that is computed again sees the mask it saw before. Philox, TensorFlow's own stateless
generator, costs about 40 ns a number and seconds to compile where XLA compiles it for a
processor, more than all the rest of a small block; the hash is a few integer operations, with
one word for each place mixed once a step and five operations left for each block.
"""

from typing import Any, NamedTuple

import tensorflow as tf

# The 32-bit hash `lowbias32`. Source: C. Wellons (2018), "Prospecting for Hash Functions",
# https://nullprogram.com/blog/2018/07/31/.
FIRST_MULTIPLIER, SECOND_MULTIPLIER = 0x7FEB352D, 0x846CA68B
# Keeps the words of places and the seeds of blocks apart.
BLOCK_SALT = 0x9E3779B9


class MaskSource(NamedTuple):
    """`words` uint32 `(batch, width)`, `seeds` uint32 `(blocks,)`."""

    words: Any
    seeds: Any
    rate: float

    def mask(self, block: Any) -> Any:
        """Block `block`'s mask `(batch, width)` float32: 0, or `1 / (1 - rate)` where kept."""
        x = tf.bitwise.bitwise_xor(self.words, self.seeds[block]) * _word(FIRST_MULTIPLIER)
        x = _xor_shift(x, 15) * _word(SECOND_MULTIPLIER)
        # The highest bits of the last product are the best mixed, and they decide here.
        kept = tf.cast(x >= _word(round(self.rate * 2**32)), tf.float32)
        return kept * (1.0 / (1.0 - self.rate))


def mask_source(shape: Any, blocks: int, seed: Any, rate: float) -> MaskSource | None:
    """Prepare the masks of one step; None without a seed.

    Args:
        shape: `(batch, width)` as a tensor or tuple.
        blocks: how many masks there will be.
        seed: int `(2,)`, new at every step.
        rate: share dropped, in `(0, 1)`.
    """
    if seed is None:
        return None
    key = tf.cast(tf.math.floormod(seed, 2**31 - 1), tf.uint32)
    places = tf.reshape(tf.range(shape[0] * shape[1]), shape)
    words = _hash(_hash(tf.cast(places, tf.uint32) + key[0]) + _hash(key[1]))
    numbers = tf.range(blocks)
    seeds = _hash(_hash(tf.cast(numbers, tf.uint32) + key[1]) + _hash(key[0] + _word(BLOCK_SALT)))
    return MaskSource(words, seeds, rate)


def _word(value: int) -> Any:
    return tf.constant(value, tf.uint32)


def _xor_shift(x: Any, bits: int) -> Any:
    return tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, _word(bits)))


def _hash(x: Any) -> Any:
    """`lowbias32`: a bijection of 32-bit words in which every input bit moves every output bit."""
    x = _xor_shift(x, 16) * _word(FIRST_MULTIPLIER)
    x = _xor_shift(x, 15) * _word(SECOND_MULTIPLIER)
    return _xor_shift(x, 16)
