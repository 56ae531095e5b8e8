"""A stack steps like its layers as variables of their own under Keras' own optimizers."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from ultimate_deep.models.layers.stacks.layer_slices import mark_layers
from ultimate_deep.training.optimizers.lamb import LayerwiseLamb
from ultimate_deep.training.optimizers.layerwise import (
    LayerSlices,
    LayerwiseAdamW,
    clip_adaptively,
    clip_by_layer_norm,
)

BACKEND = keras.backend.backend()
STEPS = 4
# What the run on JAX takes: both optimizers, both ways of clipping, loss scales.
ON_JAX = "keras_lamb and 0.7 or before_the_moments or unscaled and Lamb"
# Name, shape, layer of each row, whether decayed and adapted.
WEIGHTS = {
    "stacked_kernel": ((5, 4, 3), np.arange(5), True),
    "shuffled_kernel": ((4, 3), np.array([2, 0, 3, 1]), True),
    "packed_kernel": ((9, 3), np.array([0, 0, 0, 1, 1, 2, 2, 2, 2]), True),
    "scattered_kernel": ((5, 2, 2), np.array([1, 0, 1, 0, 1]), True),
    "plain_kernel": ((4, 3), None, True),
    "stacked_bias": ((5, 3), np.arange(5), False),
    "packed_norm_scale": ((9,), np.array([0, 0, 0, 1, 1, 2, 2, 2, 2]), False),
    "alpha": ((), None, False),
}


def slices_of(name, values):
    """Split values into their layers, as the plain net has them."""
    rows = WEIGHTS[name][1]
    if rows is None:
        return [values]
    return [values[rows == layer] for layer in range(rows.max() + 1)]


def initial_and_gradients():
    """Weights and gradients by name; layers of very different size, some zero."""
    draws, initial, gradients = np.random.default_rng(0), {}, {}
    for name, (shape, rows, _) in WEIGHTS.items():
        layer = np.zeros(shape[:1], int) if rows is None else rows
        size = np.exp(draws.normal(size=1 + layer.max(initial=0)) * 3)[layer]
        size = np.reshape(size, shape[:1] + (1,) * (len(shape) - 1))
        initial[name] = draws.normal(size=shape).astype(np.float32)
        gradients[name] = (draws.normal(size=(STEPS, *shape)) * size).astype(np.float32)
    initial["stacked_kernel"][1] = 0
    gradients["stacked_kernel"][:, 2] = 0
    return initial, gradients


def take_steps(optimizer, variables, gradients, *, xla=False):
    """Apply gradients step by step and return the variables' values; JAX always compiles."""
    optimizer.build(variables)
    if BACKEND == "tensorflow":
        import tensorflow as tf

        compiled = tf.function(lambda g: optimizer.apply(g, variables), jit_compile=True)
        apply = compiled if xla else (lambda g: optimizer.apply(g, variables))
        for step in gradients:
            apply([tf.constant(gradient) for gradient in step])
        return [variable.numpy() for variable in variables]
    import jax

    apply = jax.jit(optimizer.stateless_apply)
    values, state = [v.value for v in variables], [v.value for v in optimizer.variables]
    for step in gradients:
        values, state = apply(state, step, values)
    return [np.asarray(value) for value in values]


def stepped_stacks(optimizer, *, xla=False):
    initial, gradients = initial_and_gradients()
    variables = [keras.Variable(initial[name], name=name) for name in WEIGHTS]
    for variable, (_, rows, _) in zip(variables, WEIGHTS.values(), strict=True):
        if rows is not None:
            mark_layers(variable, rows)
    steps = [[gradients[name][step] for name in WEIGHTS] for step in range(STEPS)]
    found = take_steps(optimizer, variables, steps, xla=xla)
    return {
        f"{name}[{i}]": layer
        for name, values in zip(WEIGHTS, found, strict=True)
        for i, layer in enumerate(slices_of(name, values))
    }


def stepped_layers(optimizer, *, kernels):
    """Step the layers as variables of their own; kernels only, or the others only."""
    initial, gradients = initial_and_gradients()
    names = [name for name in WEIGHTS if WEIGHTS[name][2] == kernels]
    variables = {
        f"{name}[{i}]": keras.Variable(layer)
        for name in names
        for i, layer in enumerate(slices_of(name, initial[name]))
    }
    steps = [
        [layer for name in names for layer in slices_of(name, gradients[name][step])]
        for step in range(STEPS)
    ]
    found = take_steps(optimizer, list(variables.values()), steps)
    return dict(zip(variables, found, strict=True))


def assert_close(found, expected):
    assert set(found) == set(expected)
    for name, values in expected.items():
        # Sums of squares run in another order: a few units in the last place of float32.
        np.testing.assert_allclose(found[name], values, rtol=2e-6, atol=1e-7, err_msg=name)


@pytest.mark.parametrize(("clipnorm", "xla"), [(None, False), (0.7, True)])
def test_a_stack_steps_like_its_layers_under_keras_lamb(clipnorm, xla):
    # Where norms and biases are not adapted LAMB is Adam, but for where epsilon is added.
    settings = {"learning_rate": 0.05, "epsilon": 1e-20}
    ours = LayerwiseLamb(**settings, weight_decay=0.1, layer_clipnorm=clipnorm)
    found = stepped_stacks(ours, xla=xla)
    lamb = keras.optimizers.Lamb(**settings, weight_decay=0.1, clipnorm=clipnorm)
    adam = keras.optimizers.Adam(**settings, clipnorm=clipnorm)
    expected = stepped_layers(lamb, kernels=True) | stepped_layers(adam, kernels=False)
    assert_close(found, expected)


def test_a_stack_steps_like_its_layers_under_keras_adamw():
    found = stepped_stacks(LayerwiseAdamW(0.05, weight_decay=0.1, layer_clipnorm=0.7))
    adamw = keras.optimizers.AdamW(0.05, weight_decay=0.1, clipnorm=0.7)
    adam = keras.optimizers.Adam(0.05, clipnorm=0.7)
    expected = stepped_layers(adamw, kernels=True) | stepped_layers(adam, kernels=False)
    assert_close(found, expected)


def test_one_global_norm_still_clips_all_together():
    found = stepped_stacks(LayerwiseAdamW(0.05, weight_decay=0.0, global_clipnorm=0.7))
    initial, gradients = initial_and_gradients()
    variables = [keras.Variable(initial[name]) for name in WEIGHTS]
    steps = [[gradients[name][step] for name in WEIGHTS] for step in range(STEPS)]
    adam = keras.optimizers.Adam(0.05, global_clipnorm=0.7)
    values = take_steps(adam, variables, steps)
    expected = {
        f"{name}[{i}]": layer
        for name, value in zip(WEIGHTS, values, strict=True)
        for i, layer in enumerate(slices_of(name, value))
    }
    assert_close(found, expected)


def test_adaptive_clipping_follows_the_norm_of_the_weights():
    initial, gradients = initial_and_gradients()
    clipped = []
    for name, (_, rows, _) in WEIGHTS.items():
        variable = keras.Variable(initial[name])
        if rows is not None:
            mark_layers(variable, rows)
        gradient = ops.convert_to_tensor(gradients[name][0])
        found = clip_adaptively(gradient, variable, LayerSlices.of(variable), 0.5)
        of_layers = (ops.convert_to_numpy(found), gradients[name][0], initial[name])
        for one, whole, weight in zip(*(slices_of(name, v) for v in of_layers), strict=True):
            allowed = 0.5 * max(np.linalg.norm(weight.ravel()), 1e-3)
            norm = max(np.linalg.norm(whole.ravel()), 1e-30)
            clipped.append(norm > allowed)
            np.testing.assert_allclose(one, whole * min(1.0, allowed / norm), rtol=1e-5)
    assert 0 < sum(clipped) < len(clipped)


def test_adaptive_clipping_acts_before_the_moments():
    variable = keras.Variable(np.ones((3, 4), np.float32), name="kernel")
    mark_layers(variable, np.arange(3))
    optimizer = LayerwiseAdamW(0.1, weight_decay=0.0, adaptive_clip=0.5)
    gradient = np.array([[0.1] * 4, [5.0] * 4, [0.0] * 4], np.float32)
    optimizer.apply([ops.convert_to_tensor(gradient)], [variable])
    momentum = next(v for v in optimizer.variables if v.path.endswith("momentum"))
    np.testing.assert_allclose(momentum.numpy()[:, 0], [0.01, 0.05, 0.0], rtol=1e-6)


@pytest.mark.parametrize("burst", [np.inf, np.nan, 1e30])
def test_what_has_no_finite_norm_is_not_hidden(burst):
    slices = LayerSlices(2, stacked=True)
    gradient = np.ones((3, 4), np.float32)
    gradient[1, 2] = burst
    for found in (
        clip_by_layer_norm(ops.convert_to_tensor(gradient), slices, 1.0),
        clip_adaptively(ops.convert_to_tensor(gradient), ops.ones((3, 4)), slices, 0.5),
    ):
        values = ops.convert_to_numpy(found)
        assert np.isnan(values[1]).all()
        assert np.isfinite(values[[0, 2]]).all()


def test_small_layers_pass_unchanged_bit_for_bit():
    gradient = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32) * 0.01
    found = clip_by_layer_norm(ops.convert_to_tensor(gradient), LayerSlices(2, stacked=True), 0.7)
    np.testing.assert_array_equal(ops.convert_to_numpy(found), gradient)


@pytest.mark.parametrize("kind", [LayerwiseAdamW, LayerwiseLamb])
def test_a_learning_rate_of_zero_moves_nothing(kind):
    initial, _ = initial_and_gradients()
    found = stepped_stacks(kind(0.0, weight_decay=0.1, layer_clipnorm=1.0))
    for name in WEIGHTS:
        for i, layer in enumerate(slices_of(name, initial[name])):
            np.testing.assert_array_equal(found[f"{name}[{i}]"], layer)


@pytest.mark.parametrize("kind", [LayerwiseAdamW, LayerwiseLamb])
def test_clipping_acts_on_unscaled_gradients(kind):
    draws = np.random.default_rng(0)
    start, gradient = draws.normal(size=(2, 3, 4)).astype(np.float32)
    found = []
    for scale in (None, 2.0**12):
        variable = keras.Variable(start, name="kernel")
        mark_layers(variable, np.arange(3))
        optimizer, steps = kind(0.1, layer_clipnorm=1.0), [[gradient]]
        if scale:
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=scale)
            # The first step is left out for not being finite, and halves the scale.
            steps = [[gradient * np.float32(np.inf)], [gradient * np.float32(scale / 2)]]
        found.append(take_steps(optimizer, [variable], steps, xla=True)[0])
    # XLA may compile the two programs differently, to the last bit.
    np.testing.assert_allclose(*found, rtol=1e-6)
    assert np.abs(found[0] - start).max() > 0.05


@keras.saving.register_keras_serializable(package="test_layerwise")
class Stack(keras.layers.Layer):
    def build(self, input_shape):
        width = input_shape[-1]
        self.kernel = self.add_weight(name="kernel", shape=(3, width, width))
        self.bias = self.add_weight(name="bias", shape=(3, width), initializer="zeros")
        for variable in (self.kernel, self.bias):
            mark_layers(variable, np.arange(3))

    def call(self, inputs):
        for layer in range(3):
            inputs = ops.tanh(ops.matmul(inputs, self.kernel[layer]) + self.bias[layer])
        return inputs


def stack_model():
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((6,)), Stack(), keras.layers.Dense(1)])


def test_a_compiled_model_goes_on_alike_after_loading(tmp_path):
    draws = np.random.default_rng(0)
    x, y = draws.normal(size=(32, 6)), draws.normal(size=(32, 1))
    model = stack_model()
    model.compile(LayerwiseLamb(0.05, weight_decay=0.1, adaptive_clip=0.1), "mse")
    for _ in range(2):
        model.train_on_batch(x, y)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    assert loaded.optimizer.adaptive_clip == 0.1
    for one in (model, loaded):
        one.train_on_batch(x, y)
    for one, other in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="rows with repetitions are TensorFlow's")
def test_an_embeddings_repeated_rows_are_added_before_clipping():
    import tensorflow as tf

    start = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)
    rows = tf.IndexedSlices(tf.ones((3, 2)), tf.constant([0, 0, 2]), tf.constant([4, 2]))
    found = []
    for gradient in (rows, tf.convert_to_tensor([[2.0, 2], [0, 0], [1, 1], [0, 0]])):
        variable = keras.Variable(start, name="embeddings")
        optimizer = LayerwiseLamb(0.1, layer_clipnorm=1.0)
        optimizer.apply([gradient], [variable])
        found.append([v.numpy() for v in (variable, *optimizer.variables)])
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", [LayerwiseAdamW, LayerwiseLamb])
@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"layer_clipnorm": 0.0}, "layer_clipnorm must be positive and finite, got 0.0"),
        ({"adaptive_clip": float("nan")}, "adaptive_clip must be positive and finite, got nan"),
        ({"layer_clipnorm": 1.0, "adaptive_clip": 0.1}, "a gradient is clipped in one way"),
        ({"layer_clipnorm": 1.0, "global_clipnorm": 1.0}, "a gradient is clipped in one way"),
    ],
)
def test_bad_clipping_is_refused_by_name(kind, options, match):
    with pytest.raises(ValueError, match=match):
        kind(0.1, **options)


@pytest.mark.slow
@pytest.mark.skipif(BACKEND == "jax", reason="this is the run on JAX")
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_the_same_holds_on_jax():
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", __file__, "-q", "-p", "no:cacheprovider", "-k", ON_JAX],
        cwd=Path(__file__).resolve().parents[3],
        env=os.environ
        | {
            "KERAS_BACKEND": "jax",
            "JAX_PLATFORMS": "cpu",
            # The arithmetic is the point here, not how well XLA compiles it.
            "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        },
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout[-4000:]
    assert "3 passed" in ran.stdout
