"""Parts of a net that learn at another rate: how far they go, in every way of training."""

import dataclasses
import os
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from ultimate_deep.models.layers.stacks.layer_slices import mark_layers
from ultimate_deep.models.registry import build_model, preset_config
from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.checkpoint import CheckpointError
from ultimate_deep.training.loop.fit import Interrupted, fit
from ultimate_deep.training.optimizers.build import build_optimizer
from ultimate_deep.training.optimizers.part_rates import factors_of
from ultimate_deep.training.progress import Progress

FACTORS = {"stack": 0.25, "*_gain": 0.2, "logits": 2.0}
EXPECTED = {
    "stem/kernel": 1.0,
    "stem/bias": 1.0,
    "stack/kernel": 0.25,
    "stack/residual_gain": 0.05,
    "logits/kernel": 2.0,
    "logits/bias": 2.0,
}


class Stack(keras.layers.Layer):
    """Three dense layers with gains, each kind of weight in one variable."""

    def build(self, input_shape):
        width = input_shape[-1]
        kernels = keras.initializers.RandomNormal(stddev=width**-0.5, seed=1)
        self.kernel = self.add_weight(name="kernel", shape=(3, width, width), initializer=kernels)
        self.gain = self.add_weight(name="residual_gain", shape=(3, 1), initializer="ones")
        for variable in (self.kernel, self.gain):
            mark_layers(variable, np.arange(3))

    def call(self, inputs):
        kernel, gain = (ops.cast(v, inputs.dtype) for v in (self.kernel, self.gain))
        for layer in range(3):
            inputs = inputs + gain[layer] * ops.tanh(ops.matmul(inputs, kernel[layer]))
        return inputs


def net(dtype="float32"):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,), name="features")
    x = keras.layers.Dense(6, name="stem", dtype=dtype)(inputs)
    x = keras.layers.Dropout(0.1, seed=3)(Stack(name="stack", dtype=dtype)(x))
    return keras.Model(inputs, keras.layers.Dense(1, name="logits", dtype="float32")(x))


def labelled(rows=256, *, seed=1):
    draws = np.random.default_rng(seed)
    x = draws.normal(size=(rows, 6)).astype(np.float32)
    return Arrays(x=x, y=(x[:, :1] + 0.3 * draws.normal(size=(rows, 1)) > 0).astype(np.float32))


def first_step(config, *, dtype="float32", xla=False, zeros=False):
    """How far each weight goes in one step, by its path."""
    model = net(dtype)
    variables = model.trainable_variables
    optimizer = build_optimizer(model, config)
    draws = np.random.default_rng(0)
    gradients = [
        tf.constant(0.0 if zeros else draws.normal(size=v.shape), tf.float32, tuple(v.shape))
        for v in variables
    ]
    before = [v.numpy() for v in variables]
    apply = tf.function(
        lambda given: optimizer.apply(given, variables), autograph=False, jit_compile=xla
    )
    apply(gradients)
    return {v.path: v.numpy() - b for v, b in zip(variables, before, strict=True)}


KINDS = {
    "adamw": {},
    "by layer": {"clipping": "per_layer"},
    "lamb": {"optimizer": "lamb", "clipping": "adaptive"},
}


@pytest.mark.parametrize(
    ("kind", "dtype", "xla"),
    [
        ("adamw", "float32", False),
        ("adamw", "mixed_float16", False),
        ("adamw", "mixed_bfloat16", True),
        ("by layer", "float32", True),
        ("by layer", "mixed_float16", False),
        ("lamb", "float32", True),
    ],
)
def test_every_part_goes_as_far_as_its_factor_says(kind, dtype, xla):
    plain = FitConfig(learning_rate=0.01, weight_decay=0.0, **KINDS[kind])
    factored = dataclasses.replace(plain, rate_factors=FACTORS)
    whole = first_step(plain, dtype=dtype, xla=xla)
    found = first_step(factored, dtype=dtype, xla=xla)
    assert set(found) == set(EXPECTED)
    for path, factor in EXPECTED.items():
        assert np.abs(whole[path]).max() > 1e-4
        # A difference of two float32 weights near one: their last bits are 1e-7.
        np.testing.assert_allclose(found[path], factor * whole[path], rtol=1e-4, atol=3e-7)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("xla", [False, True])
def test_decay_is_by_the_same_rate(kind, xla):
    config = FitConfig(
        learning_rate=0.1, weight_decay=0.5, rate_factors={"stack": 0.25}, **KINDS[kind]
    )
    found, kernels = first_step(config, zeros=True, xla=xla), net().trainable_variables
    before = {v.path: v.numpy() for v in kernels}
    for path, factor in (("stem/kernel", 1.0), ("stack/kernel", 0.25), ("logits/kernel", 1.0)):
        np.testing.assert_allclose(found[path], -0.05 * factor * before[path], atol=2e-7)
    assert not found["stem/bias"].any()


def test_a_part_that_there_is_not_is_refused_with_those_that_there_are():
    with pytest.raises(
        ValueError, match=r"got 'stak'; those layers are stem, stack, logits, their"
    ):
        build_optimizer(net(), FitConfig(rate_factors={"stem": 0.5, "stak": 0.5}))
    with pytest.raises(ValueError, match=r"weights kernel, bias, residual_gain$"):
        build_optimizer(net(), FitConfig(rate_factors={"stack/bias": 0.5}))
    assert factors_of(["a/b", "a/c"], {}) == (1.0, 1.0)
    assert factors_of(["a/b", "a/c", "d/b"], {"a/b": 0.5, "d": 3.0}) == (0.5, 1.0, 3.0)


def test_the_parts_of_the_deep_nets_are_named_as_the_settings_say():
    for name, factors in (
        ("ultimate", {"residual_stack": 0.25, "dense_stack": 0.5, "stem": 2.0}),
        ("stack", {"residual_stack": 0.25, "residual_*_scale": 0.2}),
    ):
        config = preset_config(name, "tiny")
        if name == "stack":
            config = dataclasses.replace(config, residual_scaling="rezero")
        model = build_model(name, {"features": (8,)}, config=config)
        paths = [v.path for v in model.trainable_variables]
        found = dict(zip(paths, factors_of(paths, factors), strict=True))
        assert found["residual_stack/dense_1_kernel"] == 0.25
        assert found["logits/kernel"] == 1.0
        if name == "stack":
            assert found["residual_stack/residual_2_scale"] == pytest.approx(0.05)


class CtrlC(Progress):
    def step(self, epoch, step, loss):
        if (epoch, step) == (2, 2):
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_a_stopped_fit_goes_on_to_the_same_bits(tmp_path, dtype):
    config = FitConfig(
        epochs=3, batch_size=64, learning_rate=0.02, rate_factors=FACTORS, jit_compile=False
    )

    def run(config=config, **options):
        model, options = net(dtype), {"checkpoint_folder": None} | options
        fitted = fit(model, labelled(), labelled(100, seed=2), config, **options)
        return model.get_weights(), fitted.history.drop(columns="seconds").to_numpy()

    weights, history = run()
    with pytest.raises(Interrupted):
        run(checkpoint_folder=tmp_path, progress=CtrlC())
    other = dataclasses.replace(config, rate_factors=FACTORS | {"stack": 0.5})
    with pytest.raises(CheckpointError, match=r"fit\.rate_factors\.stack was 0\.25, is now 0\.5"):
        run(other, checkpoint_folder=tmp_path, resume=True)
    resumed, resumed_history = run(checkpoint_folder=tmp_path, resume=True)
    np.testing.assert_array_equal(resumed_history, history)
    for one, whole in zip(resumed, weights, strict=True):
        np.testing.assert_array_equal(one, whole)


@pytest.mark.parametrize("kind", KINDS)
def test_an_optimizer_is_saved_and_loaded_with_its_factors_and_moments(tmp_path, kind):
    model = net()
    optimizer = build_optimizer(model, FitConfig(rate_factors=FACTORS, **KINDS[kind]))
    model.compile(optimizer, "mse", jit_compile=False)
    arrays = labelled(64)
    model.fit(arrays.x, arrays.y, epochs=1, verbose=0, shuffle=False)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", custom_objects={"Stack": Stack})
    assert type(loaded.optimizer) is type(optimizer)
    assert dict(loaded.optimizer.rate_factors) == FACTORS
    assert loaded.optimizer._factors == optimizer._factors
    for one, other in zip(loaded.optimizer.variables, optimizer.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    loaded.fit(arrays.x, arrays.y, epochs=1, verbose=0, shuffle=False)
    assert int(loaded.optimizer.iterations) == 2 * int(optimizer.iterations) == 4
