"""Stacks as plain Keras layers: same function, same gradients, files and limits."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ultimate_deep.models.layers import DenseStack, ResidualStack
from ultimate_deep.models.layers.stacks.attention_stack import AttentionStack
from ultimate_deep.models.layers.stacks.stack_layer import StackLayer
from ultimate_deep.models.surgery.describe import describe_architecture
from ultimate_deep.models.surgery.unrolled import unrolled

pytestmark = pytest.mark.usefixtures("plain_graphs")

WIDTH, UNITS = 6, (2, 1)
CASES = [
    (ResidualStack, {}),
    (ResidualStack, {"normalization": "rms", "residual_scaling": "rezero", "l2": 0.01}),
    (ResidualStack, {"normalization": "batch", "residual_scaling": "none"}),
    (ResidualStack, {"normalization": "none", "residual_scaling": "fixup"}),
    (ResidualStack, {"residual_scaling": "deepnorm"}),
    (ResidualStack, {"coupling": "none", "residual_scaling": "none"}),
    (ResidualStack, {"coupling": "additive", "memory": "reversible"}),
    (ResidualStack, {"coupling": "additive", "exact": True, "residual_scaling": "rezero"}),
    (AttentionStack, {"heads": 2, "causal": True, "l2": 0.01}),
    (AttentionStack, {"heads": 3, "coupling": "additive", "residual_scaling": "rezero"}),
    (AttentionStack, {"heads": 1, "residual_scaling": "deepnorm", "normalization": "rms"}),
    (DenseStack, {"growth_rate": 3, "normalization": "layer"}),
    (DenseStack, {"growth_rate": 3, "normalization": "batch", "l2": 0.01}),
]


def stacked_model(kind, units=UNITS, **options):
    """Input, one stack called `body`, every weight away from its initial value."""
    inputs = keras.Input((None, WIDTH) if kind is AttentionStack else (WIDTH,))
    stack = kind(units, activation="tanh", name="body", **options)
    return shaken(keras.Model(inputs, stack(inputs), name="net"))


def shaken(model, seed=0):
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        noise = rng.normal(size=weight.shape, scale=0.2).astype("float32")
        positive = "moving_variance" in weight.name
        weight.assign(weight.numpy() + (np.abs(noise) if positive else noise))
    return model


def data(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=(*shape, WIDTH)).astype("float32")


def input_of(kind):
    return data(3, 5) if kind is AttentionStack else data(9)


def loss_and_gradients(model, x):
    """A loss with penalties of a training step, and gradients in the order of the weights."""
    variables = [weight.value for weight in model.trainable_weights]
    upstream = data(*x.shape[:-1], seed=2)[:, None]
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(x, training=True) * upstream) + sum(model.losses)
    return float(loss), tape.gradient(loss, variables)


def assert_close(ours, theirs, tolerance):
    error = np.max(np.abs(np.asarray(ours) - np.asarray(theirs)))
    assert error <= tolerance * max(1.0, float(np.max(np.abs(theirs)))), error


@pytest.mark.parametrize(("kind", "options"), CASES)
def test_outputs_gradients_and_moving_statistics_agree(kind, options):
    stacked = stacked_model(kind, **options)
    plain = unrolled(stacked)
    layers = list(plain._flatten_layers())
    assert not any(isinstance(layer, StackLayer) for layer in layers)
    # Keras' attention has a key bias.
    key_biases = sum(UNITS) * WIDTH * (kind is AttentionStack)
    assert plain.count_params() == stacked.count_params() + key_biases
    x = input_of(kind)
    # Six matrix products in float32; in exact mode a tie may round to the grid's other side.
    tolerance = 2e-5 if options.get("exact") else 2e-6
    assert_close(plain(x), stacked(x), tolerance)
    ours, our_gradients = loss_and_gradients(stacked, x)
    theirs, their_gradients = loss_and_gradients(plain, x)
    assert_close(ours, theirs, 2e-5)
    again = unrolled(stacked)
    assert bool(again.non_trainable_weights) == (options.get("normalization") == "batch")
    for moved, wanted in zip(plain.non_trainable_weights, again.non_trainable_weights, strict=True):
        assert_close(moved, wanted, 1e-6)
    # Our gradients in place of weights come out unrolled in the order of theirs.
    for weight, gradient in zip(stacked.trainable_weights, our_gradients, strict=True):
        weight.assign(gradient)
    largest = max(float(np.max(np.abs(gradient))) for gradient in their_gradients)
    for ours, theirs in zip(unrolled(stacked).trainable_weights, their_gradients, strict=True):
        assert np.max(np.abs(ours.numpy() - theirs.numpy())) < 10 * tolerance * largest, ours.path


@pytest.mark.parametrize(("kind", "options"), [CASES[3], CASES[7], CASES[9], CASES[11]])
def test_the_result_saves_loads_and_is_described_like_the_stack(kind, options, tmp_path):
    stacked = stacked_model(kind, dropout_rate=0.1, stochastic_depth=0.3, **options)
    plain = unrolled(stacked)
    x = input_of(kind)
    for suffix in ("keras", "h5"):
        plain.save(tmp_path / f"plain.{suffix}")
        loaded = keras.models.load_model(tmp_path / f"plain.{suffix}")
        np.testing.assert_array_equal(loaded(x), plain(x))
    columns = ["unit", "block", "name", "kind"]
    columns += [] if kind is AttentionStack else ["parameters"]
    ours, theirs = (
        describe_architecture(model)[columns].sort_values("name", ignore_index=True)
        for model in (stacked, plain)
    )
    assert ours.equals(theirs)
    assert set(ours["unit"]) == {"body_unit_01", "body_unit_02"}


def test_dropout_and_stochastic_depth_become_plain_dropout():
    stacked = stacked_model(
        ResidualStack, (4,), coupling="additive", dropout_rate=0.2, stochastic_depth=0.5
    )
    plain = unrolled(stacked)
    drops = [x for x in plain._flatten_layers() if isinstance(x, keras.layers.Dropout)]
    drops.sort(key=lambda layer: layer.name)
    whole = [layer for layer in drops if layer.noise_shape is not None]
    # Two branches a block; the last block leaves out half of the rows.
    assert [layer.rate for layer in whole] == pytest.approx(
        [0.125, 0.125, 0.25, 0.25, 0.375, 0.375, 0.5, 0.5]
    )
    assert [layer.rate for layer in drops if layer.noise_shape is None] == [0.2] * 4
    x = np.ones((4000, WIDTH), "float32")
    kept = [np.asarray(layer(x, training=True)) for layer in whole[-2:]]
    np.testing.assert_array_equal(*kept)
    assert set(np.unique(kept[0])) == {0.0, 2.0}
    np.testing.assert_array_equal(kept[0], np.broadcast_to(kept[0][:, :1], kept[0].shape))
    # Same mean over masks: 4,000 rows of order one.
    means = [np.mean(model(x, training=True), axis=0) for model in (stacked, plain)]
    np.testing.assert_allclose(*means, atol=0.1)


def test_stacks_in_nested_sequential_and_shared_models():
    inner = keras.Sequential(
        [keras.Input((WIDTH,)), ResidualStack((2,)), keras.layers.Flatten()], name="inner"
    )
    deep = keras.Input((2, WIDTH))
    last = keras.Model(deep, DenseStack((2,), 3, name="dense")(deep), name="last")
    x, y = keras.Input((WIDTH,), name="x"), keras.Input((WIDTH,), name="y")
    # One stack called twice stays one.
    joined = keras.layers.Concatenate(axis=1)(
        [keras.layers.Reshape((1, WIDTH))(inner(tensor)) for tensor in (x, y)]
    )
    model = shaken(keras.Model({"x": x, "y": y}, last(joined)))
    plain = unrolled(model)
    assert plain.count_params() == model.count_params()
    batch = {"x": data(9, seed=3), "y": data(9, seed=4)}
    assert_close(plain(batch), model(batch), 2e-6)
    assert not plain.compiled


def test_long_units_are_models_of_models():
    plain = unrolled(stacked_model(ResidualStack, (60,)))
    unit = plain.get_layer("body").get_layer("body_unit_01")
    chunks = [layer.name for layer in unit.layers if isinstance(layer, keras.Model)]
    assert chunks == [
        "body_unit_01_blocks_0001_0020",
        "body_unit_01_blocks_0021_0040",
        "body_unit_01_blocks_0041_0060",
    ]
    kernel = unit.get_layer(chunks[1]).get_layer("body_unit_01_block_0025_dense_2").kernel
    assert kernel.shape == (WIDTH, WIDTH)


def test_what_cannot_be_taken_apart_is_refused():
    class Wrapped(keras.layers.Layer):
        def __init__(self):
            super().__init__(name="wrapped")
            self.stack = ResidualStack((1,), name="hidden")

        def call(self, x):
            return self.stack(x)

    x = keras.Input((WIDTH,))
    with pytest.raises(ValueError, match="'hidden' lies inside 'wrapped'"):
        unrolled(keras.Model(x, Wrapped()(x)))

    class Subclassed(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match="not a built functional or sequential model"):
        unrolled(Subclassed())
