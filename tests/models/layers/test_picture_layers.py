"""Layers that draw pictures: to the bit what the features' floor draws of the same numbers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ultimate_deep.features.pictures.registry import PICTURES, picture_of
from ultimate_deep.models.layers import BarImages, GafImages, MarkovImages, RecurrenceImages

SIZE = 24
LAYERS = {
    "gaf": lambda **options: GafImages(**options),
    "gaf_ohlc": lambda **options: GafImages(series=4, **options),
    "markov": lambda **options: MarkovImages(**options),
    "recurrence": lambda **options: RecurrenceImages(**options),
    "bars": lambda **options: BarImages(SIZE, **options),
}


def numbers_of(name, rows=40):
    """Windows of a random walk, and of one that does not move."""
    rng = np.random.default_rng(5)
    closes = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.004, 120)))
    closes[-50:] = closes[-50]
    series = {
        "open": np.r_[closes[0], closes[:-1]],
        "high": closes * (1 + rng.exponential(0.002, 120)),
        "low": closes * (1 - rng.exponential(0.002, 120)),
        "close": closes,
        "volume": rng.gamma(2.0, 1.0, 120),
    }
    return picture_of(name).numbers(series, SIZE, SIZE, np.arange(120 - rows, 120))


def test_every_kind_of_picture_has_its_layer():
    assert set(LAYERS) == set(PICTURES)


@pytest.mark.parametrize("name", LAYERS)
def test_a_net_draws_what_the_files_hold_to_the_bit(name):
    numbers, layer = numbers_of(name), LAYERS[name]()
    expected = picture_of(name).images(numbers, SIZE)
    images = layer(numbers)
    np.testing.assert_array_equal(images, expected)
    assert layer.compute_output_shape((None, numbers.shape[1])) == (None, *expected.shape[1:])
    compiled = tf.function(layer, autograph=False)
    np.testing.assert_array_equal(compiled(tf.constant(numbers)), expected)
    # XLA joins the product and the sum of a Gramian field into one rounding.
    joined = tf.function(layer, autograph=False, jit_compile=True)(tf.constant(numbers))
    close = 2e-7 if name.startswith("gaf") else 0.0
    np.testing.assert_allclose(joined, expected, rtol=0, atol=close)


@pytest.mark.parametrize("name", LAYERS)
def test_rebuilt_and_in_half_precision(name):
    numbers = numbers_of(name, rows=3)
    layer = LAYERS[name](dtype="mixed_bfloat16")
    half = layer(numbers)
    exact = tf.constant(picture_of(name).images(numbers, SIZE))
    np.testing.assert_array_equal(
        tf.cast(half, "float32"), tf.cast(tf.cast(exact, "bfloat16"), "float32")
    )
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert again.get_config() == layer.get_config()
    np.testing.assert_array_equal(tf.cast(again(numbers), "float32"), tf.cast(half, "float32"))


def test_what_is_no_input_is_refused():
    for layer, shape, message in (
        (MarkovImages(), (2, 4), "at least bins=5"),
        (RecurrenceImages(), (2, 3, 4), r"\(batch, size\)"),
        (BarImages(), (2, 13), "6 numbers a bar"),
        (GafImages(series=4), (2, 10), "4 series of equal length"),
    ):
        with pytest.raises(ValueError, match=message):
            layer(np.zeros(shape, np.float32))
    for make, message in (
        (lambda: MarkovImages(1), "2 bins or more"),
        (lambda: BarImages(9), "10 rows or more"),
        (lambda: GafImages(0), "1 series or more"),
    ):
        with pytest.raises(ValueError, match=message):
            make()
