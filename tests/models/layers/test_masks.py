"""Masks drawn by hash: the documented hash, the right share, independent, the same everywhere."""

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from ultimate_deep.models.layers.stacks.masks import mask_source

SEED = np.array([3, 11])


def drawn(shape, blocks, seed, rate, **options):
    source = mask_source(shape, blocks, ops.convert_to_tensor(seed), rate, **options)
    return np.stack([source.mask(block).numpy() for block in range(blocks)])


def lowbias32(x):
    """The hash in 64-bit Python-like arithmetic, reduced to 32 bits after each product."""
    x = np.uint64(x)
    word = np.uint64(0xFFFFFFFF)
    x ^= x >> np.uint64(16)
    x = x * np.uint64(0x7FEB352D) & word
    x ^= x >> np.uint64(15)
    x = x * np.uint64(0x846CA68B) & word
    return x ^ x >> np.uint64(16)


def numpy_masks(shape, blocks, seed, rates):
    word, (first, second) = np.uint64(0xFFFFFFFF), np.uint64(seed)
    places = np.arange(np.prod(shape), dtype="uint64").reshape(shape)
    words = lowbias32((lowbias32(places + first) + lowbias32(second)) & word)
    numbers = np.arange(blocks, dtype="uint64")
    golden = lowbias32((first + np.uint64(0x9E3779B9)) & word)
    seeds = lowbias32((lowbias32(numbers + second) + golden) & word)
    masks = []
    for block, rate in enumerate(rates):
        x = (words ^ seeds[block]) * np.uint64(0x7FEB352D) & word
        x = (x ^ x >> np.uint64(15)) * np.uint64(0x846CA68B) & word
        masks.append((x >= np.uint64(round(rate * 2**32))) / (1 - rate))
    return np.stack(masks).astype("float32")


@pytest.mark.parametrize("shape", [(7, 5), (4, 3, 2), (60, 1)])
def test_masks_are_the_hash_written_in_numpy(shape):
    rates = np.linspace(0, 0.8, 6)
    np.testing.assert_array_equal(drawn(shape, 6, SEED, rates), numpy_masks(shape, 6, SEED, rates))
    np.testing.assert_array_equal(
        drawn(shape, 6, SEED, 0.25), numpy_masks(shape, 6, SEED, [0.25] * 6)
    )


@pytest.mark.parametrize("jit_compile", [False, True])
def test_graph_and_xla_draw_the_same_masks(jit_compile):
    rates = np.linspace(0.1, 0.7, 4)

    @tf.function(jit_compile=jit_compile)
    def draw(x, seed):
        source = mask_source(ops.shape(x), 4, seed, rates)
        start = (tf.constant(0), tf.TensorArray(tf.float32, 4, element_shape=(6, 5)))
        return tf.while_loop(
            lambda index, _: index < 4,
            lambda index, masks: (index + 1, masks.write(index, source.mask(index))),
            start,
            maximum_iterations=4,
        )[1].stack()

    masks = draw(tf.zeros((6, 5)), tf.constant(SEED))
    np.testing.assert_array_equal(masks.numpy(), numpy_masks((6, 5), 4, SEED, rates))


def test_masks_keep_the_right_share_and_are_independent():
    blocks, shape, rate = 50, (64, 64), 0.1
    masks = drawn(shape, blocks, SEED, rate)
    assert set(np.unique(masks)) == {np.float32(0), np.float32(1 / 0.9)}
    dropped = (masks == 0).reshape(blocks, -1).astype(float)
    # Standard errors: 0.3 / sqrt(204,800) of the share; 1 / sqrt(4,096) of a correlation.
    assert abs(dropped.mean() - rate) < 5 * 0.3 / np.sqrt(dropped.size)
    between_blocks = np.corrcoef(dropped)[~np.eye(blocks, dtype=bool)]
    assert np.abs(between_blocks).max() < 6 / 64
    assert np.std(between_blocks) < 1.1 / 64
    # Places that were dropped in some block, so that a correlation exists.
    places = dropped[:, dropped.any(axis=0)][:, :200]
    between_places = np.corrcoef(places.T)[~np.eye(200, dtype=bool)]
    assert abs(np.std(between_places) - 1 / np.sqrt(blocks)) < 0.02
    for options in (
        {"seed": np.array([3, 12])},
        {"seed": SEED, "salt": 1},
        {"seed": SEED, "salt": 2},
    ):
        other = drawn(shape, 1, rate=rate, **options)[0]
        assert abs(np.corrcoef(dropped[0], other.ravel() == 0)[0, 1]) < 6 / 64
    np.testing.assert_array_equal(drawn(shape, blocks, SEED, rate), masks)


def test_rates_of_blocks_hold_for_rows_too():
    rates = np.linspace(0, 0.5, 10)
    masks = drawn((20_000, 1), 10, SEED, rates)
    shares = (masks == 0).mean(axis=(1, 2))
    # Standard error of a share: at most 0.5 / sqrt(20,000).
    np.testing.assert_allclose(shares, rates, atol=5 * 0.5 / np.sqrt(20_000))
    assert np.all(masks[0] == 1)
    np.testing.assert_allclose(masks.max(axis=(1, 2)), 1 / (1 - rates), rtol=1e-6)


def test_nothing_is_drawn_where_nothing_is_dropped():
    assert mask_source((2, 3), 4, None, 0.5) is None
    for rate in (None, 0, 0.0, np.zeros(4)):
        assert mask_source((2, 3), 4, ops.convert_to_tensor(SEED), rate) is None


@pytest.mark.parametrize("rate", [1.0, -0.1, float("nan"), np.full(3, 0.5), np.full((4, 1), 0.5)])
def test_bad_rates_are_refused(rate):
    with pytest.raises(ValueError, match=r"one number or 4 \(one for each block\)"):
        mask_source((2, 3), 4, ops.convert_to_tensor(SEED), rate)
