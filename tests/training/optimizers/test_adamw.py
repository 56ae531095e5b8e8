"""AdamW of fewer operations moves every weight as Keras' own does, to the last bit."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ultimate_deep.training.optimizers.adamw import AdamW

STEPS, ROWS = 4, 32


def net():
    """Dense weights, and an embedding, whose gradient is a list of rows."""
    keras.utils.set_random_seed(3)
    inputs = [keras.Input((6,)), keras.Input((2,), dtype="int32")]
    words = keras.layers.Flatten()(keras.layers.Embedding(5, 3)(inputs[1]))
    x = keras.layers.Concatenate()([inputs[0], words])
    x = keras.layers.Dense(8, activation="gelu")(x)
    return keras.Model(inputs, keras.layers.Dense(1)(x))


def trained(optimizer, *, compiled, jit_compile=False):
    """All weights and moments after some steps, and how many operations a step has."""
    model = net()
    optimizer.build(model.trainable_variables)
    rng = np.random.default_rng(0)
    x = [
        tf.constant(rng.normal(size=(ROWS, 6)), "float32"),
        tf.constant(rng.integers(5, size=(ROWS, 2))),
    ]
    y = tf.constant(rng.normal(size=(ROWS, 1)), "float32")

    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x, training=True) - y))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)

    run, operations = step, 0
    if compiled:
        run = tf.function(step, autograph=False, jit_compile=jit_compile)
        operations = len(run.get_concrete_function().graph.get_operations())
    for _ in range(STEPS):
        run()
    return [value.numpy() for value in model.weights + optimizer.variables], operations


DECAYED = {"weight_decay": 0.1, "global_clipnorm": 0.5}


@pytest.mark.parametrize(
    ("options", "mode"),
    [
        (DECAYED, {"compiled": False}),
        (DECAYED, {"compiled": True}),
        (DECAYED, {"compiled": True, "jit_compile": True}),
        ({"beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-4}, {"compiled": True}),
        ({"amsgrad": True}, {"compiled": False}),
        ({"gradient_accumulation_steps": 2}, {"compiled": True}),
    ],
    ids=["eager", "graph", "xla", "other betas", "amsgrad", "accumulated"],
)
def test_every_bit_is_that_of_keras(options, mode):
    expected, _ = trained(keras.optimizers.AdamW(0.05, **options), **mode)
    found, _ = trained(AdamW(0.05, **options), **mode)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_falling_rate_is_the_step_s_own():
    falling = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
    expected, _ = trained(keras.optimizers.AdamW(falling), compiled=True)
    found, _ = trained(AdamW(falling), compiled=True)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_under_a_loss_scale_every_bit_is_the_same():
    scaled = keras.optimizers.LossScaleOptimizer
    expected, _ = trained(scaled(keras.optimizers.AdamW(0.05)), compiled=True)
    found, _ = trained(scaled(AdamW(0.05)), compiled=True)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_step_has_fewer_operations():
    _, theirs = trained(keras.optimizers.AdamW(0.05), compiled=True)
    _, ours = trained(AdamW(0.05), compiled=True)
    assert ours < 0.85 * theirs


def test_it_is_saved_and_loaded_by_its_own_name(tmp_path):
    model = net()
    optimizer = AdamW(0.02, weight_decay=0.3)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer, "mse")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras").optimizer
    assert type(loaded) is AdamW
    assert loaded.weight_decay == 0.3
    assert loaded.name.startswith("adam_w")
