"""Dropout masks inside loops: drawn again, they are the same, on every backend.

A mask is a hash of the step's seed, the block and the place: nothing is stored, and a block
that is computed again sees the mask it saw before. Philox, TensorFlow's own stateless
generator, costs about 40 ns a number and seconds to compile where XLA compiles it for a
processor, more than all the rest of a small block; the hash is a few integer operations, with
one word for each place mixed once a step and five operations left for each block.
"""

from typing import Any, NamedTuple

import numpy as np
from keras import ops

# The 32-bit hash `lowbias32`. Source: C. Wellons (2018), "Prospecting for Hash Functions",
# https://nullprogram.com/blog/2018/07/31/.
FIRST_MULTIPLIER, SECOND_MULTIPLIER = 0x7FEB352D, 0x846CA68B
# 2**32 over the golden ratio: keeps the words of places, the seeds of blocks and salts apart.
GOLDEN = 0x9E3779B9


class MaskSource(NamedTuple):
    """`words` uint32 in the masks' shape, `seeds` uint32 `(blocks,)`.

    `thresholds` uint32 and `scales` float32 are `(blocks,)`, or scalars where all are equal.
    """

    words: Any
    seeds: Any
    thresholds: np.ndarray
    scales: np.ndarray

    def mask(self, index: Any) -> Any:
        """Block `index`'s mask, float32: 0, or `1 / (1 - rate[index])` where kept."""
        x = ops.bitwise_xor(self.words, self.seeds[index]) * _word(FIRST_MULTIPLIER)
        x = _xor_shift(x, 15) * _word(SECOND_MULTIPLIER)
        # The highest bits of the last product are the best mixed, and they decide here.
        kept = ops.cast(x >= _entry(self.thresholds, index), "float32")
        return kept * _entry(self.scales, index)


def mask_source(
    shape: Any, blocks: int, seed: Any, rate: Any, *, salt: int = 0
) -> MaskSource | None:
    """Prepare the masks of one step; None without a seed or where nothing is dropped.

    Args:
        shape: `(batch, ...)` of one mask; entries may be tensors.
        blocks: How many masks there will be.
        seed: Int `(2,)`, new at every step.
        rate: Share dropped, in `[0, 1)`: one number, or a NumPy array `(blocks,)`. None is 0.
        salt: Masks of two salts are independent of each other.

    Raises:
        ValueError: A rate outside `[0, 1)`, or another number of rates than blocks.
    """
    if seed is None or rate is None or not np.any(rate):
        return None
    rates = np.asarray(rate, dtype="float64")
    if rates.shape not in ((), (blocks,)) or not np.all((rates >= 0) & (rates < 1)):
        raise ValueError(
            f"rate must be one number or {blocks} (one for each block), all at least 0 and below "
            f"1; got {rate!r}"
        )
    if rates.ndim and np.all(rates == rates[0]):
        rates = rates[0]
    key = _key(seed, salt)
    words = _words(shape, key)
    numbers = ops.convert_to_tensor(np.arange(blocks, dtype="uint32"))
    seeds = _hash(_hash(numbers + key[1]) + _hash(key[0] + _word(GOLDEN)))
    thresholds = np.minimum(np.round(rates * 2**32), 2**32 - 1).astype("uint32")
    return MaskSource(words, seeds, thresholds, (1 / (1 - rates)).astype("float32"))


def random_choices(shape: Any, choices: int, seed: Any, *, salt: int = 0) -> Any:
    """Draw whole numbers from 0 up to `choices`, int32 of `shape`, all equally likely.

    Args:
        shape: Shape of the result; entries may be tensors.
        choices: How many numbers there are, at most 2**16; their chances differ by 2**-16 at most.
        seed: Int `(2,)`, new at every step.
        salt: Draws of two salts are independent of each other.
    """
    highest = ops.right_shift(_words(shape, _key(seed, salt)), _word(16))
    return ops.cast(ops.right_shift(highest * _word(choices), _word(16)), "int32")


def _key(seed: Any, salt: int) -> Any:
    """The two words that a step's draws of one salt follow from."""
    key = ops.cast(ops.mod(ops.convert_to_tensor(seed), 2**31 - 1), "uint32")
    return _hash(key + _word(salt * GOLDEN)) if salt else key


def _words(shape: Any, key: Any) -> Any:
    """One mixed word for each place."""
    places = ops.reshape(ops.arange(_size(shape), dtype="int32"), shape)
    return _hash(_hash(ops.cast(places, "uint32") + key[0]) + _hash(key[1]))


def _size(shape: Any) -> Any:
    size = 1
    for length in shape:
        size = size * length
    return size


def _entry(values: np.ndarray, index: Any) -> Any:
    tensor = ops.convert_to_tensor(values)
    return tensor[index] if values.ndim else tensor


def _word(value: int) -> Any:
    return ops.convert_to_tensor(np.uint32(value & 0xFFFFFFFF))


def _xor_shift(x: Any, bits: int) -> Any:
    return ops.bitwise_xor(x, ops.right_shift(x, _word(bits)))


def _hash(x: Any) -> Any:
    """`lowbias32`: a bijection of 32-bit words in which every input bit moves every output bit."""
    x = _xor_shift(x, 16) * _word(FIRST_MULTIPLIER)
    x = _xor_shift(x, 15) * _word(SECOND_MULTIPLIER)
    return _xor_shift(x, 16)
