"""Attention over time: its maps are what it computes, in every kind and precision."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from ultimate_deep.models.layers import (
    AddPositions,
    HorizonAttention,
    SequenceAttention,
    TimePooling,
)
from ultimate_deep.models.layers.attention.flash import flash_runs
from ultimate_deep.models.layers.attention.positions import sinusoids
from ultimate_deep.models.layers.attention.rotary import rotate

ROWS, TIME, WIDTH, HEADS = 3, 21, 8, 4


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def built(layer, *shapes):
    """The layer with random weights, so that no bias is zero by accident."""
    layer.build(list(shapes) if len(shapes) > 1 else shapes[0])
    for number, weight in enumerate(layer.weights):
        weight.assign(weight.numpy() + 0.3 * noise(*weight.shape, seed=number))
    return layer


def by_hand(layer, shares, context):
    """The layer's output from its map, in NumPy float64."""
    values = context @ layer.key_value_kernel.numpy().astype(float)[:, WIDTH:]
    values = values.reshape(*context.shape[:2], HEADS, WIDTH // HEADS)
    joined = np.einsum("bhqk,bkhd->bqhd", shares, values).reshape(len(context), -1, WIDTH)
    return joined @ layer.output_kernel.numpy() + layer.output_bias.numpy()


@pytest.mark.parametrize("rotary", [False, True], ids=["plain", "rotary"])
@pytest.mark.parametrize("kind", ["full", "causal", "multi_scale", "chunked"])
def test_the_map_adds_up_to_one_and_reproduces_the_output(kind, rotary):
    layer = SequenceAttention(HEADS, kind=kind, rotary=rotary, spans_bars=(3, 0), chunk_bars=4)
    x = noise(ROWS, TIME, WIDTH)
    built(layer, x.shape)
    shares = ops.convert_to_numpy(layer.attention_map(x))
    assert shares.shape == (ROWS, HEADS, TIME, TIME)
    np.testing.assert_allclose(shares.sum(axis=-1), 1.0, atol=1e-6)
    np.testing.assert_allclose(layer(x), by_hand(layer, shares, x), atol=2e-5)


def test_the_map_is_the_softmax_of_the_scaled_products():
    layer = built(SequenceAttention(HEADS), (ROWS, TIME, WIDTH))
    x = noise(ROWS, TIME, WIDTH)
    queries = x @ layer.query_kernel.numpy() + layer.query_bias.numpy()
    keys = x @ layer.key_value_kernel.numpy()[:, :WIDTH]
    queries, keys = (part.reshape(ROWS, TIME, HEADS, -1) for part in (queries, keys))
    scores = np.einsum("bqhd,bkhd->bhqk", queries, keys) / np.sqrt(WIDTH / HEADS)
    expected = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(layer.attention_map(x), expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["full", "chunked"])
def test_a_window_attends_to_another_of_its_own_length_and_width(kind):
    layer = SequenceAttention(HEADS, kind=kind, rotary=True, chunk_bars=2)
    x, context = noise(ROWS, TIME, WIDTH), noise(ROWS, 5, 3, seed=1)
    built(layer, x.shape, context.shape)
    shares = ops.convert_to_numpy(layer.attention_map([x, context]))
    assert shares.shape == (ROWS, HEADS, TIME, 5)
    np.testing.assert_allclose(layer([x, context]), by_hand(layer, shares, context), atol=2e-5)


def test_each_head_of_multi_scale_sees_its_span_and_nothing_else():
    layer = SequenceAttention(HEADS, kind="multi_scale", spans_bars=(2, 7, 0))
    shares = built(layer, (1, TIME, WIDTH)).attention_map(noise(1, TIME, WIDTH))[0]
    age = np.arange(TIME)[:, None] - np.arange(TIME)[None, :]
    for head, span in enumerate((2, 7, TIME, 2)):
        np.testing.assert_array_equal(shares[head] > 0, (age >= 0) & (age < span))


def outputs_and_gradients(layer, x, upstream):
    with tf.GradientTape() as tape:
        x = tf.constant(x)
        tape.watch(x)
        y = layer(x)
        loss = tf.reduce_sum(tf.cast(y, "float32") * upstream)
    return y, tape.gradient(loss, [x, *(weight.value for weight in layer.trainable_weights)])


@pytest.mark.parametrize("chunk_bars", [8, 21, 500])
def test_chunks_change_neither_output_nor_gradients(chunk_bars):
    full = built(SequenceAttention(HEADS, rotary=True), (ROWS, TIME, WIDTH))
    chunked = SequenceAttention(HEADS, rotary=True, kind="chunked", chunk_bars=chunk_bars)
    chunked.build((ROWS, TIME, WIDTH))
    chunked.set_weights(full.get_weights())
    case = 3.0 * noise(ROWS, TIME, WIDTH), noise(ROWS, TIME, WIDTH, seed=1)
    expected, gradients = outputs_and_gradients(full, *case)
    found, chunked_gradients = outputs_and_gradients(chunked, *case)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    for a, b in zip(chunked_gradients, gradients, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(b).max())


@pytest.mark.parametrize("kind", ["full", "chunked"])
def test_under_bfloat16_shares_are_float32_and_outputs_stay_near(kind):
    exact = built(SequenceAttention(HEADS, kind=kind, chunk_bars=8), (ROWS, TIME, WIDTH))
    layer = SequenceAttention(HEADS, kind=kind, chunk_bars=8, dtype="mixed_bfloat16")
    layer.build((ROWS, TIME, WIDTH))
    layer.set_weights(exact.get_weights())
    x = noise(ROWS, TIME, WIDTH)
    shares = layer.attention_map(x)
    assert keras.backend.standardize_dtype(shares.dtype) == "float32"
    np.testing.assert_allclose(ops.sum(shares, axis=-1), 1.0, atol=1e-6)
    found, gradients = outputs_and_gradients(layer, x, 1.0)
    assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"
    # Two products of 8 bits each, of numbers of order one.
    np.testing.assert_allclose(ops.cast(found, "float32"), exact(x), atol=0.1)
    assert all(np.isfinite(ops.cast(g, "float32")).all() for g in gradients)


def test_turned_products_depend_on_the_distance_alone():
    query, key = noise(1, 1, 1, 6), noise(1, 1, 1, 6, seed=1)
    queries, keys = (rotate(ops.repeat(x, 30, axis=2)) for x in (query, key))
    scores = ops.convert_to_numpy(ops.matmul(queries, ops.transpose(keys, (0, 1, 3, 2))))[0, 0]
    for distance in (0, 1, 9):
        diagonal = np.diagonal(scores, -distance)
        np.testing.assert_allclose(diagonal, diagonal[0], atol=1e-5)
    assert np.ptp(scores[-1]) > 0.1
    np.testing.assert_array_equal(queries[:, :, -1], query[:, :, 0])


def test_sinusoids_of_two_windows_agree_on_their_newest_bars():
    np.testing.assert_array_equal(sinusoids(30, 6)[-7:], sinusoids(7, 6))
    np.testing.assert_array_equal(sinusoids(5, 7)[-1], [0, 0, 0, 0, 1, 1, 1])
    assert np.unique(sinusoids(300, 8), axis=0).shape == (300, 8)


@pytest.mark.parametrize("kind", ["sinusoidal", "learned"])
def test_positions_tell_equal_bars_apart(kind):
    found = AddPositions(kind)(np.zeros((1, 9, 6), "float32"))[0]
    assert len(np.unique(found, axis=0)) == 9


def test_each_horizon_has_a_map_of_its_own_that_reproduces_its_output():
    layer = built(HorizonAttention(3, 2), (ROWS, TIME, WIDTH))
    x = noise(ROWS, TIME, WIDTH)
    shares = ops.convert_to_numpy(layer.attention_map(x))
    assert shares.shape == (ROWS, 2, 3, TIME)
    np.testing.assert_allclose(shares.sum(axis=-1), 1.0, atol=1e-6)
    values = (x @ layer.key_value_kernel.numpy()[:, WIDTH:]).reshape(ROWS, TIME, 2, -1)
    context = np.einsum("bhqt,bthd->bqhd", shares, values).reshape(ROWS, 3, WIDTH)
    expected = np.einsum("bqw,qwv->bqv", context, layer.output_kernel.numpy())
    np.testing.assert_allclose(layer(x), expected + layer.output_bias.numpy(), atol=1e-5)
    assert np.abs(shares[:, :, 0] - shares[:, :, 1]).max() > 0.05


def test_pooling_begins_as_the_mean_and_its_map_reproduces_it():
    x = noise(ROWS, TIME, WIDTH)
    fresh = TimePooling("adaptive")
    np.testing.assert_allclose(fresh(x), x.mean(axis=1), atol=1e-6)
    layer = built(TimePooling("adaptive"), x.shape)
    weights = ops.convert_to_numpy(layer.attention_map(x))[:, 0, 0]
    assert np.ptp(weights[0]) > 0.01
    np.testing.assert_allclose(layer(x), np.einsum("bt,btw->bw", weights, x), atol=1e-6)
    np.testing.assert_array_equal(TimePooling("last")(x), x[:, -1])
    with pytest.raises(ValueError, match="no learned weights"):
        TimePooling("mean").attention_map(x)


def test_flash_is_refused_on_this_backend_as_it_says():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("says what TensorFlow does")
    support = flash_runs(16, "bfloat16")
    assert not support.runs
    assert "no FlashAttention on TensorFlow" in support.reason
    x = ops.zeros((1, 16, 1, 16), dtype="bfloat16")
    with pytest.raises(ValueError, match="not supported in tensorflow"):
        ops.dot_product_attention(x, x, x, flash_attention=True)
    assert not built(SequenceAttention(HEADS, flash="auto"), (1, TIME, WIDTH)).flash_runs


@pytest.mark.parametrize(
    ("options", "shapes", "message"),
    [
        ({"heads": 3}, [(1, 4, 8)], "multiple of heads"),
        ({"heads": 8, "rotary": True}, [(1, 4, 8)], "even for each"),
        ({"heads": 2, "kind": "causal"}, [(1, 4, 8), (1, 3, 8)], "full or chunked"),
        ({"heads": 2, "spans_bars": ()}, [(1, 4, 8)], "at least one span"),
        ({"heads": 2, "kind": "sparse"}, [(1, 4, 8)], "kind must be one of"),
    ],
)
def test_nonsense_is_refused(options, shapes, message):
    with pytest.raises(ValueError, match=message):
        built(SequenceAttention(**options), *shapes)
