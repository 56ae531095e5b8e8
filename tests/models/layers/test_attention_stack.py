"""Transformer stacks against a float64 loop, and their memory modes against each other."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from ultimate_deep.models.layers import AttentionStack

ROWS, TIME, WIDTH, HEADS, INNER = 5, 4, 6, 2, 10
UNITS = (2, 1)
DEPTH = sum(UNITS)
GRAPH = tf.function(autograph=False)


def random_input(seed=0):
    return np.random.default_rng(seed).normal(size=(ROWS, TIME, WIDTH)).astype("float32")


def built(**options):
    """A layer with random weights, so that no gradient is zero or one by accident."""
    defaults = {"feed_forward_width": INNER, "activation": "tanh", "seed": 5}
    layer = AttentionStack(UNITS, HEADS, **{**defaults, **options})
    layer.build((None, None, WIDTH))
    rng = np.random.default_rng(1)
    for weight in layer.weights:
        noise = rng.normal(size=weight.shape, scale=0.3)
        weight.assign(ops.convert_to_numpy(weight) + noise)
    return layer


def outputs_and_gradients(layer, x, *, wrap=GRAPH, training=True):
    layer.seed_generator.state.assign([7, 0])
    shape = (ROWS, len(UNITS), TIME, WIDTH)
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
    return {"output": y.numpy(), **{n: g.numpy() for n, g in zip(names, gradients, strict=True)}}


def norm64(x, w, half, kind):
    offset = w.get(f"norm_{half}_offset", 0.0)
    if kind == "none":
        return x + offset
    if kind == "layer":
        x = x - tf.reduce_mean(x, -1, keepdims=True)
    size = tf.reduce_mean(x**2, -1, keepdims=True)
    return x / tf.sqrt(size + (1e-6 if kind == "rms" else 1e-5)) * w[f"norm_{half}_scale"] + offset


def attention64(x, w, causal):
    """Head by head and time by time, from separate queries, keys and values."""
    queries, keys, values = tf.split(w["qkv_1_kernel"], 3, axis=-1)
    q, k, v = x @ queries + w["query_1_bias"], x @ keys, x @ values + w["value_1_bias"]
    size, found = WIDTH // HEADS, []
    for head in range(HEADS):
        here = slice(head * size, (head + 1) * size)
        times = []
        for time in range(TIME):
            seen = time + 1 if causal else TIME
            scores = tf.reduce_sum(q[:, time, None, here] * k[:, :seen, here], -1) / np.sqrt(size)
            shares = tf.nn.softmax(scores, -1)
            times.append(tf.reduce_sum(shares[:, :, None] * v[:, :seen, here], 1))
        found.append(tf.stack(times, 1))
    return tf.concat(found, -1) @ w["out_1_kernel"] + w["out_1_bias"]


def feed64(x, w):
    return tf.tanh(x @ w["up_2_kernel"] + w["up_2_bias"]) @ w["down_2_kernel"] + w["down_2_bias"]


def sublayer64(half, x, w, layer, mask):
    """What a half adds to the carry, or, with DeepNorm, what the carry becomes."""
    deep = layer.residual_scaling == "deepnorm"
    h = x if deep else norm64(x, w, half, layer.normalization)
    y = attention64(h, w, layer.causal) if half == 1 else feed64(h, w)
    y = y * mask * (DEPTH**-0.5 if layer.residual_scaling == "1/sqrt(depth)" else 1.0)
    y = y * w.get(f"residual_{half}_scale", 1.0)
    return norm64((2 * DEPTH) ** 0.25 * x + y, w, half, layer.normalization) if deep else y


def stack64(layer, x, weights, masks):
    """The stack written out block by block."""
    outputs, index, a, b = [], 0, x, x
    for blocks in UNITS:
        for _ in range(blocks):
            w = {name: value[index] for name, value in weights.items()}
            one, two = masks[index]
            if layer.coupling == "additive":
                a = a + sublayer64(1, b, w, layer, one)
                b = b + sublayer64(2, a, w, layer, two)
            elif layer.residual_scaling == "deepnorm":
                a = sublayer64(2, sublayer64(1, a, w, layer, one), w, layer, two)
            else:
                a = a + sublayer64(1, a, w, layer, one)
                a = a + sublayer64(2, a, w, layer, two)
            index += 1
        outputs.append((a + b) / 2 if layer.coupling == "additive" else a)
    return tf.stack(outputs, 1)


def reference(layer, x, masks):
    """Outputs and gradients in float64, by TensorFlow's own differentiation."""
    weights = {w.name: tf.constant(w.numpy().astype("float64")) for w in layer.weights}
    shape = (ROWS, len(UNITS), TIME, WIDTH)
    upstream = np.random.default_rng(3).normal(size=shape).astype("float32").astype("float64")
    x = tf.constant(x.astype("float64"))
    with tf.GradientTape() as tape:
        tape.watch((x, weights))
        y = stack64(layer, x, weights, masks)
        loss = tf.reduce_sum(y * upstream)
    dx, gradients = tape.gradient(loss, (x, weights))
    return {
        "output": y.numpy(),
        "input": dx.numpy(),
        **{n: g.numpy() for n, g in gradients.items()},
    }


def masks64(layer, *, training):
    """Each block's masks of both halves, times the block's own."""
    if not training:
        return [(1.0, 1.0)] * DEPTH
    sources = layer.block().mask_sources((ROWS, TIME, WIDTH), np.array([7, 0]))
    masks = [sources.at(index) for index in range(DEPTH)]
    assert all(not np.array_equal(*mask.dropout) for mask in masks)
    return [
        tuple(tf.cast(half * mask.depth, tf.float64) for half in mask.dropout) for mask in masks
    ]


def assert_close(ours, theirs, tolerance):
    """Within `tolerance` of the largest number: a sum's rounding error scales with its terms."""
    assert set(ours) == set(theirs)
    for name, value in theirs.items():
        error = np.max(np.abs(ours[name] - value)) / np.max(np.abs(value))
        assert error < tolerance, (name, error)


CASES = [
    ({"causal": True, "residual_scaling": "1/sqrt(depth)"}, True),
    ({"normalization": "rms", "residual_scaling": "rezero", "memory": "checkpoint"}, False),
    ({"coupling": "additive", "memory": "reversible", "residual_scaling": "fixup"}, True),
    ({"residual_scaling": "deepnorm", "normalization": "rms", "memory": "checkpoint"}, True),
    ({"normalization": "none", "causal": True}, False),
]


@pytest.mark.parametrize(("options", "drops"), CASES)
def test_outputs_and_gradients_match_a_plain_float64_loop(options, drops):
    rates = {"dropout_rate": 0.3, "stochastic_depth": 0.4} if drops else {}
    layer = built(**options, **rates)
    x = random_input()
    ours = outputs_and_gradients(layer, x)
    # Six sublayers in float32: a few hundred roundings of 6e-8.
    assert_close(ours, reference(layer, x, masks64(layer, training=drops)), 3e-5)


def test_dropout_is_off_outside_training():
    layer = built(dropout_rate=0.3, stochastic_depth=0.4)
    x = random_input()
    expected = reference(layer, x, masks64(layer, training=False))["output"]
    np.testing.assert_allclose(layer(x, training=False), expected, rtol=1e-4, atol=1e-4)


def test_memory_modes_agree_with_masks_on():
    x = random_input()
    options = {"coupling": "additive", "dropout_rate": 0.3, "stochastic_depth": 0.4}
    store, checkpoint, reversible = (
        outputs_and_gradients(built(**options, memory=memory), x)
        for memory in ("store", "checkpoint", "reversible")
    )
    # The same operations on the same numbers: a mask drawn anew would differ by far more.
    assert_close(checkpoint, store, 1e-6)
    assert_close(reversible, store, 1e-5)


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_exact_mode_has_the_same_bits(jit_compile):
    x = random_input()
    wrap = tf.function(jit_compile=jit_compile, autograph=False)
    options = {"coupling": "additive", "exact": True, "dropout_rate": 0.3}
    kept, undone = (
        outputs_and_gradients(built(**options, memory=memory), x, wrap=wrap)
        for memory in ("store", "reversible")
    )
    for name, value in kept.items():
        np.testing.assert_array_equal(undone[name], value, err_msg=name)


def test_exact_mode_rounds_by_less_than_a_grid_step_each_branch():
    x = random_input()
    plain, exact = (
        built(coupling="additive", exact=exact, residual_scaling="1/sqrt(depth)")(x).numpy()
        for exact in (False, True)
    )
    assert not np.array_equal(plain, exact)
    # Six branches, each rounded by 2**-18 at most, and what later blocks make of it.
    np.testing.assert_allclose(exact, plain, atol=30 * 2.0**-18)


def test_causal_attention_sees_no_later_time():
    x = random_input()
    changed = x.copy()
    changed[:, 2:] += 1.0
    layer = built(causal=True)
    before, after = layer(x).numpy(), layer(changed).numpy()
    np.testing.assert_array_equal(after[:, :, :2], before[:, :, :2])
    assert np.all(np.any(after[:, :, 2:] != before[:, :, 2:], axis=-1))
    open_layer = built(causal=False)
    assert not np.allclose(open_layer(x)[:, :, :2], open_layer(changed)[:, :, :2])


def test_bfloat16_keeps_softmax_norms_and_carry_in_float32():
    x = random_input()
    full, low = built(), built(dtype="mixed_bfloat16")
    ours = outputs_and_gradients(low, x)
    theirs = reference(full, x, masks64(full, training=False))
    assert ours["output"].dtype == np.float32
    assert all(weight.dtype == "float32" for weight in low.weights)
    # bfloat16 keeps eight bits of each product's factors.
    assert_close(ours, theirs, 0.1)
    assert not np.allclose(ours["output"], theirs["output"], rtol=1e-4)
    scores = 30.0 * random_input(1)[:, None]
    shares = low.block()._shares(ops.cast(scores, "bfloat16"), ops.cast(scores, "bfloat16"), TIME)
    np.testing.assert_allclose(np.sum(shares, axis=-1), 1.0, rtol=1e-6)


def test_save_and_load_keep_predictions(tmp_path):
    inputs = keras.Input((None, WIDTH))
    stack = AttentionStack(UNITS, HEADS, causal=True, residual_scaling="rezero", name="stack")
    first = keras.Model(inputs, stack(inputs))
    rng = np.random.default_rng(4)
    first.set_weights([rng.normal(size=w.shape, scale=0.3) for w in first.get_weights()])
    expected = first(random_input())
    first.save(tmp_path / "model.keras")
    first.save_weights(tmp_path / "model.weights.h5")
    second = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(second(random_input()), expected)
    second.set_weights([np.zeros(w.shape) for w in second.get_weights()])
    assert not np.allclose(second(random_input()), expected)
    second.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(second(random_input()), expected)


def test_config_round_trip():
    layer = built(causal=True, exact=True, coupling="additive", l2=1e-4, dtype="mixed_bfloat16")
    again = AttentionStack.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again.block() == layer.block()


def test_initial_gains_spare_queries_and_keys():
    layer = AttentionStack((40,), 4, residual_scaling="deepnorm")
    layer.build((None, None, 64))
    queries, keys, values = np.split(ops.convert_to_numpy(layer.qkv_1_kernel), 3, axis=-1)
    gain = (8 * 40) ** -0.25
    for kernel, expected in (
        (queries, 1 / 8),
        (keys, 1 / 8),
        (values, gain / 8),
        (layer.out_1_kernel, gain / 8),
        (layer.up_2_kernel, gain * np.sqrt(2 / (64 + 256))),
        (layer.down_2_kernel, gain * np.sqrt(2 / (64 + 256))),
    ):
        deviations = np.std(ops.convert_to_numpy(kernel), axis=(1, 2))
        np.testing.assert_allclose(deviations, expected, rtol=0.06)
    fixup = AttentionStack((4,), 4, residual_scaling="fixup")
    fixup.build((None, None, 16))
    for kernel in (fixup.out_1_kernel, fixup.down_2_kernel):
        assert not np.any(ops.convert_to_numpy(kernel))


@pytest.mark.parametrize(
    "options",
    [
        {"coupling": "additive", "memory": "reversible"},
        {"residual_scaling": "deepnorm", "memory": "checkpoint"},
    ],
)
@pytest.mark.slow
def test_two_thousand_sublayers_learn(options):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(16, 4, 8)).astype("float32")
    # The mean over time: attention has to look round.
    y = np.repeat(x.mean(axis=1, keepdims=True), 4, axis=1)
    inputs = keras.Input((4, 8))
    stack = AttentionStack((1000,), 2, feed_forward_width=8, **options)
    outputs = keras.layers.Dense(8, kernel_initializer="zeros")(stack(inputs)[:, -1])
    model = keras.Model(inputs, outputs)
    model.compile(optimizer=keras.optimizers.Adam(3e-3), loss="mean_squared_error")
    losses = [float(model.train_on_batch(x, y)) for _ in range(8)]
    assert np.all(np.isfinite(losses))
    assert losses[-1] < 0.95 * losses[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"normalization": "batch"}, "normalization must be one of layer, rms, none; got 'batch'"),
        ({"heads": 0}, "heads must be at least 1"),
        ({"feed_forward_width": 0}, "feed_forward_width must be at least 1"),
        ({"coupling": "none"}, "coupling must be one of residual, additive; got 'none'"),
        ({"memory": "reversible"}, 'use coupling="additive"'),
        (
            {"residual_scaling": "deepnorm", "normalization": "none"},
            'use normalization="layer" or "rms"',
        ),
    ],
)
def test_bad_arguments_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        AttentionStack((2, 2), **{"heads": 2, **options})


def test_bad_shapes_are_refused():
    with pytest.raises(ValueError, match=r"reads \(batch, time, width\).*add a time axis"):
        AttentionStack((2,), 2).build((None, 6))
    with pytest.raises(ValueError, match="width must be a multiple of heads, got width 6 and 4"):
        AttentionStack((2,), 4).build((None, 5, 6))
