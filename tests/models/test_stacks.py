"""The stacked layers against plain float64 loops, and their memory modes against each other."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from models.layers import DenseStack, ResidualStack
from models.layers.masks_tensorflow import mask_source

WIDTH, ROWS = 6, 9
UNITS = (2, 1, 2)


def random_input(seed=0, rows=ROWS):
    return np.random.default_rng(seed).normal(size=(rows, WIDTH)).astype("float32")


def shake(layer, seed=1):
    """Random values in every weight, so that no gradient is zero or one by accident."""
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        noise = rng.normal(size=weight.shape, scale=0.3)
        moving = "moving_variance" in weight.name
        weight.assign(np.abs(noise) + 0.5 if moving else ops.convert_to_numpy(weight) + noise)


def built(kind, **options):
    options = {"dropout_rate": 0.3, "seed": 5, "activation": "tanh", **options}
    if kind == "dense":
        options.pop("memory", None)
        options.pop("residual_scaling", None)
        layer = DenseStack(UNITS, 3, **options)
    else:
        layer = ResidualStack(UNITS, **options)
    layer.build((None, WIDTH))
    shake(layer)
    return layer


def outputs_and_gradients(layer, x, *, training=True, wrap=lambda f: f):
    """Outputs, gradients by name, and what the weights became."""
    layer.seed_generator.state.assign([7, 0])
    upstream = np.random.default_rng(3).normal(size=(len(x), len(UNITS), WIDTH)).astype("float32")

    @wrap
    def run(x):
        variables = [weight.value for weight in layer.trainable_weights]
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=training)
            loss = tf.reduce_sum(y * upstream)
        return y, tape.gradient(loss, [x, *variables])

    y, gradients = run(tf.constant(x))
    names = ["input", *(weight.name for weight in layer.trainable_weights)]
    gradients = {n: g.numpy() for n, g in zip(names, gradients, strict=True)}
    return y.numpy(), gradients, [w.numpy() for w in layer.weights]


def norm64(x, weights, kind, training):
    scale, offset = weights["scale"], weights.get("offset", 0.0)
    if kind == "rms":
        return x / tf.sqrt(tf.reduce_mean(x**2, -1, keepdims=True) + 1e-6) * scale
    if kind == "batch" and not training:
        mean, variance = weights["moving_mean"], weights["moving_variance"]
    else:
        axis = 0 if kind == "batch" else -1
        mean, variance = tf.nn.moments(x, [axis], keepdims=True)
    return (x - mean) / tf.sqrt(variance + (1e-3 if kind == "batch" else 1e-5)) * scale + offset


def part(weights, prefix):
    return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}


def residual64(layer, x, weights, masks, training):
    """The residual stack written out block by block."""
    kind, scaling = layer.normalization, layer.residual_scaling
    outputs, index = [], 0
    for blocks in UNITS:
        for _ in range(blocks):
            here = {name: w[index] for name, w in weights.items()}
            h = tf.tanh(norm64(x, part(here, "norm_1_"), kind, training))
            h = h @ here["dense_1_kernel"] + here.get("dense_1_bias", 0.0)
            h = tf.tanh(norm64(h, part(here, "norm_2_"), kind, training)) * masks[index]
            h = h @ here["dense_2_kernel"] + here["dense_2_bias"]
            h = h * (1 / np.sqrt(sum(UNITS)) if scaling == "1/sqrt(depth)" else 1.0)
            x = x + h * here.get("residual_scale", 1.0)
            index += 1
        outputs.append(x)
    return tf.stack(outputs, 1)


def dense64(layer, x, weights, masks, training):
    """The dense stack with real concatenation and unpacked weights."""
    outputs, row, transition_row, number = [], 0, 0, 0
    for unit, blocks in enumerate(UNITS):
        for _ in range(blocks):
            rows = slice(row, row := row + x.shape[1])
            norm = {n: w[rows] for n, w in part(weights, "block_norm_").items()}
            y = tf.tanh(norm64(x, norm, layer.normalization, training))
            y = y @ weights["block_kernel"][rows] + weights["block_bias"][number]
            x = tf.concat([x, y * masks[number]], 1)
            number += 1
        rows = slice(transition_row, transition_row := transition_row + x.shape[1])
        norm = {n: w[rows] for n, w in part(weights, "transition_norm_").items()}
        x = tf.tanh(norm64(x, norm, layer.normalization, training))
        x = x @ weights["transition_kernel"][rows] + weights["transition_bias"][unit]
        outputs.append(x)
    return tf.stack(outputs, 1)


def reference(layer, x, training):
    """Outputs and gradients in float64, by TensorFlow's own differentiation."""
    kind = "dense" if isinstance(layer, DenseStack) else "residual"
    masks = [1.0] * sum(UNITS)
    if training and layer.dropout_rate:
        width = WIDTH if kind == "residual" else layer.growth_rate
        source = mask_source((len(x), width), sum(UNITS), tf.constant([7, 0]), layer.dropout_rate)
        masks = [tf.cast(source.mask(block), tf.float64) for block in range(sum(UNITS))]
    weights = {w.name: tf.constant(w.numpy().astype("float64")) for w in layer.weights}
    x = tf.constant(x.astype("float64"))
    upstream = np.random.default_rng(3).normal(size=(len(x), len(UNITS), WIDTH))
    upstream = upstream.astype("float32").astype("float64")
    watched = {n: w for n, w in weights.items() if "moving" not in n}
    with tf.GradientTape() as tape:
        tape.watch((x, watched))
        y = (dense64 if kind == "dense" else residual64)(layer, x, weights, masks, training)
        loss = tf.reduce_sum(y * upstream)
    dx, gradients = tape.gradient(loss, (x, watched))
    return y.numpy(), {"input": dx.numpy(), **{n: g.numpy() for n, g in gradients.items()}}


def assert_close(ours, theirs, tolerance):
    """Within `tolerance` of the largest number: a sum's rounding error scales with its terms."""
    assert set(ours) == set(theirs)
    for name, value in theirs.items():
        error = np.max(np.abs(ours[name] - value)) / np.max(np.abs(value))
        assert error < tolerance, (name, error)


CASES = [
    ("residual", {"normalization": "layer", "residual_scaling": "1/sqrt(depth)"}),
    ("residual", {"normalization": "rms", "residual_scaling": "rezero", "memory": "checkpoint"}),
    ("residual", {"normalization": "batch", "residual_scaling": "none", "memory": "checkpoint"}),
    ("dense", {"normalization": "layer"}),
    ("dense", {"normalization": "rms"}),
    ("dense", {"normalization": "batch"}),
]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("kind", "options"), CASES)
def test_outputs_and_gradients_match_a_plain_float64_loop(kind, options, training):
    layer = built(kind, **options)
    x = random_input()
    theirs = reference(layer, x, training)
    y, gradients, _ = outputs_and_gradients(layer, x, training=training)
    # Five blocks in float32: a few hundred roundings of 6e-8.
    assert_close({"output": y}, {"output": theirs[0]}, 1e-5)
    assert_close(gradients, theirs[1], 5e-5)


@pytest.mark.parametrize("normalization", ["layer", "rms", "batch"])
def test_memory_modes_agree_with_dropout_on(normalization):
    x = random_input()
    results = []
    for memory in ("store", "checkpoint"):
        layer = built("residual", normalization=normalization, memory=memory)
        results.append(outputs_and_gradients(layer, x, wrap=tf.function))
    store, checkpoint = results
    np.testing.assert_array_equal(store[0], checkpoint[0])
    # The same operations on the same numbers: a mask drawn anew would differ by far more.
    assert_close(checkpoint[1], store[1], 1e-6)
    for ours, theirs in zip(checkpoint[2], store[2], strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("kind", ["residual", "dense"])
def test_eager_graph_and_xla_agree(kind):
    x = random_input()
    wraps = (lambda f: f, tf.function, tf.function(jit_compile=True))
    eager, graph, xla = (
        outputs_and_gradients(built(kind, memory="checkpoint"), x, wrap=wrap) for wrap in wraps
    )
    for other in (graph, xla):
        assert_close({"output": other[0]}, {"output": eager[0]}, 1e-5)
        assert_close(other[1], eager[1], 1e-4)


@pytest.mark.parametrize("kind", ["residual", "dense"])
def test_moving_statistics_move_once_a_step_towards_the_batch(kind):
    layer = built(kind, normalization="batch", memory="checkpoint", dropout_rate=0.0)
    before = {w.name: w.numpy() for w in layer.weights}
    x = random_input()
    outputs_and_gradients(layer, x, wrap=tf.function)
    first = "norm_1_moving_mean" if kind == "residual" else "block_norm_moving_mean"
    moved = next(w for w in layer.weights if w.name == first).numpy()
    ours, theirs = (
        (moved[0], before[first][0]) if kind == "residual" else (moved[:6], before[first][:6])
    )
    np.testing.assert_allclose(ours, 0.99 * theirs + 0.01 * x.mean(0), rtol=1e-5, atol=1e-6)
    again = {w.name: w.numpy() for w in layer.weights}
    layer(x, training=False)
    for weight in layer.weights:
        np.testing.assert_array_equal(weight.numpy(), again[weight.name])
        if "moving" in weight.name:
            assert not np.array_equal(again[weight.name], before[weight.name])


def test_frozen_batch_norm_stands_still():
    layer = built("residual", normalization="batch")
    layer.trainable = False
    before = [w.numpy() for w in layer.weights]
    layer(random_input(), training=True)
    for weight, value in zip(layer.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)


def test_masks_keep_the_right_share_and_are_independent():
    blocks, shape, rate = 50, (64, 64), 0.1
    source = mask_source(shape, blocks, tf.constant([3, 11]), rate)
    masks = np.stack([source.mask(block).numpy() for block in range(blocks)])
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
    other = mask_source(shape, blocks, tf.constant([3, 12]), rate)
    assert abs(np.corrcoef(dropped[0], other.mask(0).numpy().ravel() == 0)[0, 1]) < 6 / 64
    again = mask_source(shape, blocks, tf.constant([3, 11]), rate)
    np.testing.assert_array_equal(again.mask(7), masks[7])


@pytest.mark.parametrize("kind", ["residual", "dense"])
def test_masks_follow_the_seed_generator(kind):
    x = random_input()
    layer = built(kind)
    first = layer(x, training=True).numpy()
    second = layer(x, training=True).numpy()
    assert not np.array_equal(first, second)
    layer.seed_generator.state.assign(built(kind).seed_generator.state)
    np.testing.assert_array_equal(layer(x, training=True).numpy(), first)


def test_kernels_start_with_the_standard_deviation_of_one_layer_not_of_the_stack():
    layer = ResidualStack((40,))
    layer.build((None, 64))
    for kernel in (layer.dense_1_kernel, layer.dense_2_kernel):
        deviations = kernel.numpy().std(axis=(1, 2))
        np.testing.assert_allclose(deviations, np.sqrt(2 / 64), rtol=0.06)


def test_l2_is_the_sum_over_all_kernels():
    layer = built("residual", l2=0.01)
    kernels = [layer.dense_1_kernel.numpy(), layer.dense_2_kernel.numpy()]
    expected = 0.01 * sum(np.sum(kernel.astype("float64") ** 2) for kernel in kernels)
    np.testing.assert_allclose(sum(float(loss) for loss in layer.losses), expected, rtol=1e-5)


@pytest.mark.parametrize("kind", ["residual", "dense"])
def test_config_round_trip(kind):
    layer = built(kind, normalization="batch", l2=1e-4, dtype="mixed_bfloat16", name="stack")
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"normalization": "group"}, "normalization must be one of layer, rms, batch; got 'group'"),
        ({"memory": "none"}, "memory must be one of store, checkpoint"),
        ({"residual_scaling": "half"}, "residual_scaling must be one of none"),
        ({"dropout_rate": 1.0}, "dropout_rate must be at least 0 and below 1"),
        ({"l2": float("nan")}, "l2 must be at least 0"),
        ({"activation": "softmax"}, "activation must be one of relu"),
    ],
)
def test_bad_arguments_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        ResidualStack((2, 2), **options)


@pytest.mark.parametrize("make", [lambda u: ResidualStack(u), lambda u: DenseStack(u, 3)])
def test_bad_units_and_shapes_are_refused(make):
    for units in ((), (3, 0)):
        with pytest.raises(ValueError, match="at least one unit, each of at least one block"):
            make(units)
    with pytest.raises(ValueError, match=r"reads \(batch, width\).* with a known width"):
        make((2,)).build((None, 5, None))


def test_dense_stack_reads_the_last_unit_of_another_stack():
    layer = built("dense")
    units = np.stack([random_input(1), random_input(2)], axis=1)
    np.testing.assert_array_equal(layer(units), layer(random_input(2)))


def test_another_backend_is_refused_with_the_remedy(monkeypatch):
    layer = built("residual")
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(NotImplementedError, match='implementation="unrolled"'):
        layer(random_input())
