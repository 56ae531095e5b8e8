"""The dense stack against a plain float64 loop, between its ways of running, and at depth."""

import importlib.util

import keras
import numpy as np
import pytest
import tensorflow as tf

from ultimate_deep.models.layers import DenseStack
from ultimate_deep.models.layers.stacks.dense_block import Bucket, DenseLayout
from ultimate_deep.models.layers.stacks.dense_pass import DEPTH_SALT
from ultimate_deep.models.layers.stacks.layer_slices import layer_of_row
from ultimate_deep.models.layers.stacks.masks import mask_source

WIDTH, GROWTH, ROWS = 6, 3, 9
# One unit of two buckets, and two equal units that share a loop.
UNITS = (12, 1, 1)


def random_input(seed=0, rows=ROWS):
    return np.random.default_rng(seed).normal(size=(rows, WIDTH)).astype("float32")


def upstream_gradient(units=UNITS):
    return np.random.default_rng(3).normal(size=(ROWS, len(units), WIDTH)).astype("float32")


def built(units=UNITS, **options):
    """A stack with random values in every weight, so that no gradient is zero by accident."""
    layer = DenseStack(units, GROWTH, **{"activation": "tanh", "seed": 5, **options})
    layer.build((None, WIDTH))
    rng = np.random.default_rng(1)
    for weight in layer.weights:
        noise = rng.normal(size=weight.shape, scale=0.3)
        positive = "moving_variance" in weight.name
        around = 1.0 if weight.name.endswith("scale") else 0.0
        weight.assign(np.abs(noise) + 0.5 if positive else noise + around)
    return layer


def outputs_and_gradients(layer, x, *, training=True, wrap=lambda f: f):
    """Outputs, and gradients by name."""
    layer.seed_generator.state.assign([7, 0])

    @wrap
    def run(x):
        variables = [weight.value for weight in layer.trainable_weights]
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=training)
            loss = tf.reduce_sum(y * upstream_gradient(layer.blocks_per_unit))
        return y, tape.gradient(loss, [x, *variables])

    y, gradients = run(tf.constant(x))
    names = ["input", *(weight.name for weight in layer.trainable_weights)]
    return y.numpy(), {n: g.numpy() for n, g in zip(names, gradients, strict=True)}


def norm64(x, weights, kind, training):
    scale, offset = weights.get("scale", 1.0), weights.get("offset", 0.0)
    if kind == "none":
        return x + offset
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


def dense64(layer, x, weights, masks, training):
    """The dense stack with real concatenation and unpacked weights."""
    outputs, row, transition_row, number = [], 0, 0, 0
    for unit, blocks in enumerate(layer.blocks_per_unit):
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


def step_masks(layer):
    """Dropout times stochastic depth with linear survival, one float64 mask for each block."""
    blocks, seed = layer.blocks, tf.constant([7, 0])
    drops = np.arange(1, blocks + 1) / blocks * layer.stochastic_depth
    values = mask_source((ROWS, GROWTH), blocks, seed, layer.dropout_rate)
    samples = mask_source((ROWS, 1), blocks, seed, drops, salt=DEPTH_SALT)
    return [tf.cast(values.mask(b) * samples.mask(b), tf.float64) for b in range(blocks)]


def reference(layer, x, training):
    """Outputs and gradients in float64, by TensorFlow's own differentiation."""
    drops = training and layer.dropout_rate
    masks = step_masks(layer) if drops else [1.0] * layer.blocks
    weights = {w.name: tf.constant(w.numpy().astype("float64")) for w in layer.weights}
    x = tf.constant(x.astype("float64"))
    watched = {n: w for n, w in weights.items() if "moving" not in n}

    with tf.GradientTape() as tape:
        tape.watch((x, watched))
        y = dense64(layer, x, {**weights, **watched}, masks, training)
        loss = tf.reduce_sum(y * tf.cast(upstream_gradient(layer.blocks_per_unit), "float64"))
    dx, gradients = tape.gradient(loss, (x, watched))
    return y.numpy(), {"input": dx.numpy(), **{n: g.numpy() for n, g in gradients.items()}}


def assert_close(ours, theirs, tolerance):
    """Within `tolerance` of the largest number: a sum's rounding error scales with its terms."""
    assert set(ours) == set(theirs)
    for name, value in theirs.items():
        error = np.max(np.abs(ours[name] - value)) / np.max(np.abs(value))
        assert error < tolerance, (name, error)


@pytest.mark.parametrize(
    ("normalization", "training", "units"),
    [
        ("layer", True, UNITS),
        ("rms", True, (2, 2)),
        ("batch", True, (12, 12)),
        ("batch", False, (2,)),
        ("none", True, (2,)),
    ],
)
def test_outputs_and_gradients_match_a_plain_float64_loop(normalization, training, units):
    layer = built(units, normalization=normalization, dropout_rate=0.3, stochastic_depth=0.4)
    x = random_input()
    theirs = reference(layer, x, training)
    y, gradients = outputs_and_gradients(layer, x, training=training)
    # Up to 24 blocks in float32: a thousand roundings of 6e-8.
    assert_close({"output": y}, {"output": theirs[0]}, 2e-5)
    assert_close(gradients, theirs[1], 1e-4)


def test_eager_graph_of_unknown_batch_and_xla_agree():
    x, layer = random_input(), built(dropout_rate=0.3, stochastic_depth=0.4)
    any_batch = [tf.TensorSpec((None, WIDTH), tf.float32)]
    eager, *others = (
        outputs_and_gradients(layer, x, wrap=wrap)
        for wrap in (
            lambda f: f,
            tf.function(input_signature=any_batch, autograph=False),
            tf.function(jit_compile=True, autograph=False),
        )
    )
    for other in others:
        assert_close({"output": other[0]}, {"output": eager[0]}, 1e-5)
        assert_close(other[1], eager[1], 1e-4)


def test_moving_statistics_move_once_a_step_towards_the_batch():
    layer = built((2, 1), normalization="batch")
    before = {w.name: w.numpy() for w in layer.weights}
    x = random_input()
    layer(x, training=True)
    after = {w.name: w.numpy() for w in layer.weights}
    name = "block_norm_moving_mean"
    # Both blocks of the first unit read its input first.
    for row in (0, WIDTH):
        rows = slice(row, row + WIDTH)
        expected = 0.99 * before[name][rows] + 0.01 * x.mean(0)
        np.testing.assert_allclose(after[name][rows], expected, rtol=1e-5, atol=1e-6)
    for name, value in before.items():
        assert np.array_equal(after[name], value) == ("moving" not in name), name
    layer(x, training=False)
    layer.trainable = False
    layer(x, training=True)
    for weight in layer.weights:
        np.testing.assert_array_equal(weight.numpy(), after[weight.name])


def test_masks_follow_the_seed_generator():
    x, layer = random_input(), built((2, 1), stochastic_depth=0.5)
    state = layer.seed_generator.state.numpy()
    first = layer(x, training=True).numpy()
    assert not np.array_equal(layer(x, training=True).numpy(), first)
    layer.seed_generator.state.assign(state)
    np.testing.assert_array_equal(layer(x, training=True).numpy(), first)


@pytest.mark.parametrize("units", [(1000,), (300, 1000, 100)])
def test_padding_costs_a_quarter_and_few_loops(units):
    layout = DenseLayout(units, 64, 8)
    for run in layout.runs:
        assert len(run.buckets) <= 4
        assert sum(bucket.blocks for bucket in run.buckets) == run.blocks
        padded = sum(bucket.blocks * bucket.width for bucket in run.buckets)
        assert padded <= 1.25 * run.rows("block_kernel")
    assert sum(r.units * r.rows("block_norm_scale") for r in layout.runs) == sum(layout.block_fans)


@pytest.mark.parametrize(("prefix", "growth"), [(64, 8), (1, 7), (6000, 1)])
def test_packed_rows_are_the_blocks_rows_in_order(prefix, growth):
    blocks = 1000
    block, row = Bucket(0, blocks, prefix, growth).packed_rows()
    fans = prefix + growth * np.arange(blocks)
    np.testing.assert_array_equal(block, np.repeat(np.arange(blocks), fans))
    starts = np.repeat(np.cumsum(fans) - fans, fans)
    np.testing.assert_array_equal(row, np.arange(fans.sum()) - starts)


def test_every_row_is_marked_with_its_reader():
    layer = built((2, 1))
    marks = {weight.name: layer_of_row(weight) for weight in layer.trainable_weights}
    np.testing.assert_array_equal(marks["block_kernel"], [0] * 6 + [1] * 9 + [2] * 6)
    np.testing.assert_array_equal(marks["block_bias"], [0, 1, 2])
    np.testing.assert_array_equal(marks["transition_norm_scale"], [0] * 12 + [1] * 9)


def test_a_thousand_blocks_train_in_a_graph_of_equal_size():
    x = random_input(rows=16)
    target = np.random.default_rng(1).normal(size=(16, WIDTH)).astype("float32")
    sizes = []
    for blocks in (100, 1000):
        layer = DenseStack((blocks,), 2, stochastic_depth=0.2, seed=1)
        layer.build((None, WIDTH))
        optimizer = keras.optimizers.Adam(1e-4)
        optimizer.build(layer.trainable_weights)

        @tf.function(autograph=False)
        def step(layer=layer, optimizer=optimizer):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((layer(x, training=True)[:, -1] - target) ** 2)
            gradients = tape.gradient(loss, [w.value for w in layer.trainable_weights])
            optimizer.apply(gradients, layer.trainable_weights)
            return loss

        graph = step.get_concrete_function().graph.as_graph_def()
        sizes.append(sum(len(f.node_def) for f in graph.library.function) + len(graph.node))
    # Ten times the blocks: but for a constant or two, the same operations.
    assert sizes[1] < 1.02 * sizes[0]
    losses = [float(step()) for _ in range(8)]
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3]), losses


def test_stack_reads_the_last_unit_of_another_stack():
    layer = built((2, 1))
    units = np.stack([random_input(1), random_input(2)], axis=1)
    np.testing.assert_array_equal(layer(units), layer(random_input(2)))


def test_config_round_trip():
    options = {"dropout_rate": 0.1, "stochastic_depth": 0.2, "l2": 1e-4, "name": "stack"}
    layer = built(normalization="batch", dtype="mixed_bfloat16", **options)
    again = DenseStack.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert {**layer.get_config(), **options} == layer.get_config()


def test_l2_is_the_sum_over_all_kernels():
    layer = built((2, 1), l2=0.01)
    kernels = [layer.block_kernel.numpy(), layer.transition_kernel.numpy()]
    expected = 0.01 * sum(np.sum(kernel.astype("float64") ** 2) for kernel in kernels)
    np.testing.assert_allclose(sum(float(loss) for loss in layer.losses), expected, rtol=1e-5)


def test_products_run_in_the_policys_compute_type():
    x, outputs = random_input(), {}
    for policy in ("float32", "mixed_bfloat16"):
        layer = built((2, 1), dtype=policy)
        outputs[policy] = layer(x)
        assert layer.compute_dtype == ("float32" if policy == "float32" else "bfloat16")
    assert outputs["mixed_bfloat16"].dtype == "float32"
    error = np.max(np.abs(outputs["mixed_bfloat16"] - outputs["float32"]))
    # bfloat16 rounds to 2**-9; three products in a row.
    assert 1e-4 < error / np.max(np.abs(outputs["float32"])) < 0.05


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"growth_rate": 0}, "growth_rate must be at least 1"),
        ({"stochastic_depth": 1.0}, "stochastic_depth must be at least 0 and below 1"),
        ({"normalization": "group"}, "normalization must be one of layer, rms, batch"),
    ],
)
def test_bad_arguments_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        DenseStack((2, 2), **{"growth_rate": 3, **options})


def test_bad_units_and_shapes_are_refused():
    for units in ((), (3, 0)):
        with pytest.raises(ValueError, match="at least one unit, each of at least one block"):
            DenseStack(units, 3)
    with pytest.raises(ValueError, match=r"reads \(batch, width\).* with a known width"):
        DenseStack((2,), 3).build((None, 5, None))


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="the extra [jax] is absent")
def test_jax_gives_the_same_outputs_and_gradients(tmp_path, on_jax):
    x, given, theirs = random_input(), {}, {}
    for kind in ("layer", "batch"):
        layer = built(normalization=kind, dropout_rate=0.3, stochastic_depth=0.4)
        given |= {f"{kind}/{w.name}": w.numpy() for w in layer.weights}
        before = {w.name: w.numpy() for w in layer.non_trainable_weights}
        y, gradients = outputs_and_gradients(layer, x)
        theirs |= {f"{kind}/{name}": value for name, value in {"output": y, **gradients}.items()}
        for weight in layer.non_trainable_weights:
            if "moving" in weight.name:
                moment = (weight.numpy() - 0.99 * before[weight.name]) / 0.01
                theirs[f"{kind}/{weight.name}"] = moment
    source, target = tmp_path / "given.npz", tmp_path / "results.npz"
    np.savez(source, x=x, upstream=upstream_gradient(), units=UNITS, **given)
    on_jax("dense_jax_worker.py", source, target)()
    assert_close(dict(np.load(target)), theirs, 1e-4)
