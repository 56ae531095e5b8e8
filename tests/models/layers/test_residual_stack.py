"""The residual stack against plain float64 loops, and its memory modes against each other."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from ultimate_deep.models.layers import ResidualStack
from ultimate_deep.models.layers.stacks.layer_slices import layer_of_row
from ultimate_deep.models.layers.stacks.masks import mask_source

WIDTH, ROWS = 6, 9
UNITS = (2, 1, 2)
DEPTH = sum(UNITS)
SEED = (7, 0)
GRAPH = tf.function(autograph=False)
XLA = tf.function(jit_compile=True, autograph=False)

ADDITIVE = {"coupling": "additive"}
PLAIN = {"coupling": "none", "residual_scaling": "none", "stochastic_depth": 0.0}
DEEPNORM = {"residual_scaling": "deepnorm"}


def random_input(seed=0, rows=ROWS, width=WIDTH):
    return np.random.default_rng(seed).normal(size=(rows, width)).astype("float32")


def shake(layer, seed=1):
    """Random values in every weight, so that no gradient is zero or one by accident."""
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        noise = rng.normal(size=weight.shape, scale=0.3)
        moving = "moving_variance" in weight.name
        weight.assign(np.abs(noise) + 0.5 if moving else ops.convert_to_numpy(weight) + noise)


def built(units=UNITS, width=WIDTH, **options):
    options = {
        "dropout_rate": 0.3,
        "stochastic_depth": 0.4,
        "seed": 5,
        "activation": "tanh",
        **options,
    }
    layer = ResidualStack(units, **options)
    layer.build((None, width))
    shake(layer)
    return layer


def outputs_and_gradients(layer, x, *, training=True, wrap=lambda f: f):
    """Outputs, gradients by name, and what the weights became."""
    layer.seed_generator.state.assign(SEED)
    shape = (len(x), layer.units, x.shape[1])
    upstream = np.random.default_rng(3).normal(size=shape).astype("float32")

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


def norm64(x, here, half, kind, training):
    offset = here.get(f"norm_{half}_offset", 0.0)
    if kind == "none":
        return x + offset
    if kind == "rms":
        x = x / tf.sqrt(tf.reduce_mean(x**2, -1, keepdims=True) + 1e-6)
    else:
        mean, variance = tf.nn.moments(x, [0 if kind == "batch" else -1], keepdims=True)
        if kind == "batch" and not training:
            mean = here[f"norm_{half}_moving_mean"]
            variance = here[f"norm_{half}_moving_variance"]
        x = (x - mean) / tf.sqrt(variance + (1e-3 if kind == "batch" else 1e-5))
    return x * here[f"norm_{half}_scale"] + offset


def stack64(layer, x, weights, dropout, depth, training):
    """The stack written out block by block."""
    kind, scaling = layer.normalization, layer.residual_scaling
    a = b = x
    outputs, index = [], 0

    def dense(h, here, half):
        h = tf.tanh(h) * (dropout[index] if half == 2 else 1.0)
        return h @ here[f"dense_{half}_kernel"] + here.get(f"dense_{half}_bias", 0.0)

    def inner(h, here, half):
        return dense(norm64(h, here, half, kind, training), here, half)

    def scaled(branch, here, half):
        constant = 1 / np.sqrt(DEPTH) if scaling == "1/sqrt(depth)" else 1.0
        return branch * constant * here.get(f"residual_{half}_scale", 1.0) * depth[index]

    for blocks in UNITS:
        for _ in range(blocks):
            here = {name: w[index] for name, w in weights.items()}
            if scaling == "deepnorm":
                for half in (1, 2):
                    a = (2 * DEPTH) ** 0.25 * a + dense(a, here, half) * depth[index]
                    a = norm64(a, here, half, kind, training)
            elif layer.coupling == "additive":
                a = a + scaled(inner(b, here, 1), here, 1)
                b = b + scaled(inner(a, here, 2), here, 2)
            else:
                branch = scaled(inner(inner(a, here, 1), here, 2), here, 2)
                a = branch if layer.coupling == "none" else a + branch
            index += 1
        outputs.append((a + b) / 2 if layer.coupling == "additive" else a)
    return tf.stack(outputs, 1)


def masks64(source):
    """Every block's mask; nothing is dropped without a source."""
    if source is None:
        return [1.0] * DEPTH
    return [tf.cast(source.mask(block), tf.float64) for block in range(DEPTH)]


def reference(layer, x, training):
    """Outputs and gradients in float64, by TensorFlow's own differentiation."""
    dropout = depth = [1.0] * DEPTH
    if training:
        seed, rates = tf.constant(SEED), layer.stochastic_depth * np.arange(1, DEPTH + 1) / DEPTH
        dropout = masks64(mask_source(x.shape, DEPTH, seed, layer.dropout_rate))
        depth = masks64(mask_source((len(x), 1), DEPTH, seed, rates, salt=1))
    weights = {w.name: tf.constant(w.numpy().astype("float64")) for w in layer.weights}
    x = tf.constant(x.astype("float64"))
    upstream = np.random.default_rng(3).normal(size=(len(x), len(UNITS), WIDTH))
    upstream = upstream.astype("float32").astype("float64")
    watched = {n: w for n, w in weights.items() if "moving" not in n}
    with tf.GradientTape() as tape:
        tape.watch((x, watched))
        y = stack64(layer, x, weights, dropout, depth, training)
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
    {"normalization": "layer"},
    {"normalization": "rms", "residual_scaling": "rezero", "memory": "checkpoint"},
    {"normalization": "batch", "residual_scaling": "none", "memory": "checkpoint"},
    {"normalization": "none", "residual_scaling": "fixup"},
    {"normalization": "layer", **PLAIN},
    {"normalization": "layer", **DEEPNORM},
    {"normalization": "batch", **DEEPNORM, "memory": "checkpoint"},
    {"normalization": "layer", **ADDITIVE, "memory": "reversible"},
    {"normalization": "batch", **ADDITIVE, "residual_scaling": "rezero", "memory": "reversible"},
]


@pytest.mark.parametrize("options", CASES)
@pytest.mark.parametrize("training", [True, False])
def test_outputs_and_gradients_match_a_plain_float64_loop(options, training):
    layer = built(**options)
    x = random_input()
    theirs = reference(layer, x, training)
    y, gradients, _ = outputs_and_gradients(layer, x, training=training)
    # Five blocks in float32: a few hundred roundings of 6e-8.
    assert_close({"output": y}, {"output": theirs[0]}, 1e-5)
    assert_close(gradients, theirs[1], 5e-5)


@pytest.mark.parametrize("normalization", ["layer", "batch"])
@pytest.mark.parametrize("options", [{}, ADDITIVE, DEEPNORM])
def test_memory_modes_agree_with_masks_on(options, normalization):
    x = random_input()
    memories = ("store", "checkpoint", "reversible") if "coupling" in options else ("checkpoint",)
    results = {
        memory: outputs_and_gradients(
            built(normalization=normalization, memory=memory, **options), x, wrap=GRAPH
        )
        for memory in dict.fromkeys(("store", *memories))
    }
    store = results.pop("store")
    for y, gradients, weights in results.values():
        np.testing.assert_array_equal(y, store[0])
        # Reconstruction rounds anew; a mask drawn anew would differ by far more.
        assert_close(gradients, store[1], 3e-6)
        # Moving statistics too, which a second pass through the blocks must not move again.
        for ours, theirs in zip(weights, store[2], strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("normalization", ["layer", "batch"])
def test_exact_blocks_are_undone_to_the_last_bit(normalization, jit):
    options = {
        **ADDITIVE,
        "exact": True,
        "normalization": normalization,
        "activation": "gelu",
        "dropout_rate": 0.1,
    }
    x = random_input(rows=32, width=16)
    results = []
    for memory in ("store", "reversible"):
        layer = ResidualStack((300, 100), memory=memory, seed=5, **options)
        layer.build((None, 16))
        results.append(outputs_and_gradients(layer, x, wrap=XLA if jit else GRAPH))
    (y, gradients, _), (again, same, _) = results
    np.testing.assert_array_equal(y, again)
    assert np.abs(y).max() < 100
    for name, gradient in gradients.items():
        np.testing.assert_array_equal(gradient, same[name], err_msg=name)


def test_exact_rounds_branches_to_the_grid_and_gradients_pass_through():
    exact, free = built(**ADDITIVE, exact=True), built(**ADDITIVE)
    x = random_input()
    (y, gradients, _), (other, theirs, _) = (outputs_and_gradients(s, x) for s in (exact, free))
    halves = y * 2**18
    np.testing.assert_array_equal(halves, np.round(halves))
    assert not np.array_equal(y, other)
    np.testing.assert_allclose(y, other, atol=1e-4)
    assert_close(gradients, theirs, 1e-3)


def test_eager_graph_and_xla_agree():
    x = random_input()
    for options in ({"memory": "checkpoint"}, {**ADDITIVE, "memory": "reversible"}):
        wraps = (lambda f: f, GRAPH, XLA)
        eager, graph, xla = (outputs_and_gradients(built(**options), x, wrap=w) for w in wraps)
        for other in (graph, xla):
            assert_close({"output": other[0]}, {"output": eager[0]}, 1e-5)
            assert_close(other[1], eager[1], 1e-4)


def test_deep_reversible_gradients_are_near_those_of_the_store():
    x = random_input(rows=16, width=16)
    results = []
    for memory in ("store", "reversible"):
        layer = ResidualStack((1000,), **ADDITIVE, memory=memory, stochastic_depth=0.3, seed=2)
        layer.build((None, 16))
        results.append(outputs_and_gradients(layer, x, wrap=GRAPH))
    assert_close(results[1][1], results[0][1], 2e-5)


def test_moving_statistics_move_once_a_step_towards_the_batch():
    options = {"dropout_rate": 0.0, "stochastic_depth": 0.0}
    layer = built(normalization="batch", memory="checkpoint", **options)
    before = {w.name: w.numpy() for w in layer.weights}
    x = random_input()
    outputs_and_gradients(layer, x, wrap=GRAPH)
    moved = layer.norm_1_moving_mean.numpy()[0]
    expected = 0.99 * before["norm_1_moving_mean"][0] + 0.01 * x.mean(0)
    np.testing.assert_allclose(moved, expected, rtol=1e-5, atol=1e-6)
    again = {w.name: w.numpy() for w in layer.weights}
    layer(x, training=False)
    for weight in layer.weights:
        np.testing.assert_array_equal(weight.numpy(), again[weight.name])
        if "moving" in weight.name:
            assert not np.array_equal(again[weight.name], before[weight.name])


def test_frozen_batch_norm_stands_still():
    layer = built(normalization="batch")
    layer.trainable = False
    before = [w.numpy() for w in layer.weights]
    layer(random_input(), training=True)
    for weight, value in zip(layer.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)


def test_stochastic_depth_leaves_out_late_blocks_more_often():
    # A branch that adds exactly 1 / (its survival) to every row that it does not skip.
    layer = ResidualStack((1,) * 10, stochastic_depth=0.5, residual_scaling="none")
    layer.build((None, 4))
    layer.dense_2_kernel.assign(np.zeros((10, 4, 4)))
    layer.dense_2_bias.assign(np.ones((10, 4)))
    rows = 4000
    y = layer(np.zeros((rows, 4), "float32"), training=True).numpy()
    added = np.diff(np.concatenate([np.zeros((rows, 1, 4)), y], 1), axis=1)
    survival = 1 - 0.5 * np.arange(1, 11) / 10
    np.testing.assert_allclose((added[..., 0] > 0.5).mean(0), survival, atol=0.04)
    np.testing.assert_allclose(added.mean((0, 2)), 1.0, atol=0.06)
    assert (added.min(2) == added.max(2)).all()
    idle = layer(np.zeros((3, 4), "float32"), training=False).numpy()
    np.testing.assert_allclose(idle[:, -1], 10.0)


def test_masks_follow_the_seed_generator():
    x = random_input()
    layer = built()
    first = layer(x, training=True).numpy()
    second = layer(x, training=True).numpy()
    assert not np.array_equal(first, second)
    layer.seed_generator.state.assign(built().seed_generator.state)
    np.testing.assert_array_equal(layer(x, training=True).numpy(), first)


@pytest.mark.parametrize(
    ("scaling", "first", "second"),
    [
        ("1/sqrt(depth)", np.sqrt(2 / 64), np.sqrt(2 / 64)),
        ("fixup", np.sqrt(2 / 64) / np.sqrt(40), 0.0),
        ("deepnorm", (8 * 40) ** -0.25 / 8, (8 * 40) ** -0.25 / 8),
    ],
)
def test_kernels_start_with_the_standard_deviation_of_their_scheme(scaling, first, second):
    layer = ResidualStack((40,), residual_scaling=scaling)
    layer.build((None, 64))
    for kernel, expected in ((layer.dense_1_kernel, first), (layer.dense_2_kernel, second)):
        np.testing.assert_allclose(kernel.numpy().std(axis=(1, 2)), expected, rtol=0.06)


@pytest.mark.parametrize(
    ("scaling", "normalization"),
    [("1/sqrt(depth)", "layer"), ("rezero", "layer"), ("fixup", "none"), ("deepnorm", "layer")],
)
def test_signal_and_gradient_stay_of_order_one_at_any_depth(scaling, normalization):
    x = random_input(rows=32, width=16)
    for depth in (10, 1000):
        layer = ResidualStack((depth,), residual_scaling=scaling, normalization=normalization)
        layer.build((None, 16))
        y, gradients, _ = outputs_and_gradients(layer, x, wrap=GRAPH)
        assert 0.1 < y.std() / x.std() < 10
        assert 0.02 < gradients["input"].std() < 20


def test_l2_is_the_sum_over_all_kernels():
    layer = built(l2=0.01)
    kernels = [layer.dense_1_kernel.numpy(), layer.dense_2_kernel.numpy()]
    expected = 0.01 * sum(np.sum(kernel.astype("float64") ** 2) for kernel in kernels)
    np.testing.assert_allclose(sum(float(loss) for loss in layer.losses), expected, rtol=1e-5)


def test_every_variable_says_which_layer_a_slice_belongs_to():
    for variable in built(normalization="batch", residual_scaling="rezero").weights:
        if variable.name != "seed_generator_state":
            np.testing.assert_array_equal(layer_of_row(variable), np.arange(DEPTH))


def test_branches_may_compute_in_bfloat16_on_a_float32_carry():
    x = random_input()
    options = {**ADDITIVE, "memory": "reversible"}
    y, gradients, _ = outputs_and_gradients(built(dtype="mixed_bfloat16", **options), x)
    full, theirs, _ = outputs_and_gradients(built(**options), x)
    assert y.dtype == np.float32
    assert not np.array_equal(y, full)
    assert_close({"output": y}, {"output": full}, 0.05)
    assert_close(gradients, theirs, 0.15)


def test_config_round_trip():
    options = {"normalization": "batch", "l2": 1e-4, "dtype": "mixed_bfloat16", "name": "stack"}
    for coupling in ({}, {**ADDITIVE, "exact": True, "memory": "reversible"}, PLAIN):
        layer = built(**options, **coupling)
        again = ResidualStack.from_config(layer.get_config())
        assert again.get_config() == layer.get_config()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"normalization": "group"}, "must be one of layer, rms, batch, none; got 'group'"),
        ({"memory": "none"}, "memory must be one of store, checkpoint, reversible"),
        ({"residual_scaling": "half"}, "residual_scaling must be one of none"),
        ({"coupling": "sequential"}, "coupling must be one of residual, additive, none"),
        ({"dropout_rate": 1.0}, "dropout_rate must be at least 0 and below 1"),
        ({"stochastic_depth": -0.1}, "stochastic_depth must be at least 0 and below 1"),
        ({"l2": float("nan")}, "l2 must be at least 0"),
        ({"activation": "softmax"}, "activation must be one of relu"),
        ({"memory": "reversible"}, 'use coupling="additive"'),
        ({"exact": True}, 'use coupling="additive" or leave exact out'),
        ({"coupling": "none"}, 'use residual_scaling="none"'),
        ({**PLAIN, "stochastic_depth": 0.1}, "use stochastic_depth=0"),
        ({**ADDITIVE, **DEEPNORM}, 'use coupling="residual"'),
        ({**DEEPNORM, "normalization": "none"}, 'use normalization="layer" or "rms"'),
    ],
)
def test_bad_arguments_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        ResidualStack((2, 2), **options)


def test_bad_units_and_shapes_are_refused():
    for units in ((), (3, 0)):
        with pytest.raises(ValueError, match="at least one unit, each of at least one block"):
            ResidualStack(units)
    for shape in itertools.chain([(None, 5, None)], [(None, None)]):
        with pytest.raises(ValueError, match=r"reads \(batch, width\).* with a known width"):
            ResidualStack((2,)).build(shape)


def test_another_backend_is_refused_with_the_remedy(monkeypatch):
    layer = built()
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(NotImplementedError, match="unrolled"):
        layer(random_input())


def test_stacks_of_one_depth_and_several_widths_live_in_one_process():
    for width in (4, 24, 40, 16):
        layer = ResidualStack((3,))
        for rows in (5, 7):
            assert layer(np.ones((rows, width), "float32")).shape == (rows, 1, width)
