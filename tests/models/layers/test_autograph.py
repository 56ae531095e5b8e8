"""A stack inside a user's own `tf.function`, whose autograph converts the layer's Python."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ultimate_deep.models.layers import AttentionStack, DenseStack, ResidualStack

SHAPES = {ResidualStack: (4, 6), DenseStack: (4, 6), AttentionStack: (2, 3, 6)}


@pytest.mark.parametrize("kind", SHAPES)
def test_outputs_and_gradients_are_those_without_conversion(kind):
    options = {AttentionStack: {"heads": 2}, DenseStack: {"growth_rate": 4}}.get(kind, {})
    keras.utils.set_random_seed(1)
    layer = kind(blocks_per_unit=(2,), **options)
    x = tf.constant(np.random.default_rng(0).normal(size=SHAPES[kind]), "float32")
    layer(x)

    def pull_back(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
        return y, tape.gradient(y, [x, *layer.trainable_variables])

    plain = tf.function(pull_back, autograph=False)(x)
    converted = tf.function(pull_back, autograph=True)(x)
    for one, other in zip(tf.nest.flatten(converted), tf.nest.flatten(plain), strict=True):
        np.testing.assert_array_equal(one, other)
