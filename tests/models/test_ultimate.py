"""The ultimate net: against plain Keras layers, its description, its attention, its depth."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import models
from models.attention_map import attention_weights, unit_names
from models.describe import count_layers, decay_exclusions, describe_architecture
from models.layers import MultiScaleAttention
from models.ultimate import PRESETS, UltimateConfig, build_ultimate
from models.unrolled import copy_to_unrolled

INPUTS = {"features": (14,)}
TWENTY_BLOCKS = {
    "width": 16,
    "res_blocks_per_unit": (5, 5, 4),
    "dense_blocks_per_unit": (4, 2),
    "growth_rate": 4,
    "dropout_rate": 0.0,
    "l2": 1e-4,
}


def shaken(config, seed=0):
    """A model whose every weight differs from its initial value."""
    model = build_ultimate(INPUTS, config=config)
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        noise = rng.normal(size=weight.shape, scale=0.1).astype("float32")
        positive = "moving_variance" in weight.name
        weight.assign(weight.numpy() + (np.abs(noise) if positive else noise))
    return model


def data(rows=32):
    rng = np.random.default_rng(7)
    x = rng.normal(size=(rows, 14)).astype("float32")
    return x, (rng.random((rows, 1)) < 0.5).astype("float32")


def loss_and_gradients(model, x, y):
    """The loss with penalties, and the gradient by variable path."""
    variables = [w.value for w in model.trainable_weights]
    with tf.GradientTape() as tape:
        loss = keras.losses.BinaryCrossentropy(from_logits=True)(y, model(x, training=True))
        loss = loss + sum(model.losses)
    paths = (weight.path for weight in model.trainable_weights)
    return float(loss), dict(zip(paths, tape.gradient(loss, variables), strict=True))


@pytest.mark.parametrize(
    ("normalization", "residual_scaling"),
    [("layer", "1/sqrt(depth)"), ("rms", "rezero"), ("batch", "none")],
)
def test_twenty_blocks_agree_with_plain_keras_layers(normalization, residual_scaling):
    fields = {
        **TWENTY_BLOCKS,
        "normalization": normalization,
        "residual_scaling": residual_scaling,
    }
    stacked = shaken(UltimateConfig(**fields))
    plain = build_ultimate(INPUTS, config=UltimateConfig(**fields, implementation="unrolled"))
    copy_to_unrolled(stacked, plain)
    x, y = data()
    np.testing.assert_allclose(stacked(x), plain(x), rtol=1e-4, atol=1e-5)

    ours, our_gradients = loss_and_gradients(stacked, x, y)
    theirs, their_gradients = loss_and_gradients(plain, x, y)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    # What the step made of the moving statistics, copied over theirs.
    moved = {weight.path: weight.numpy() for weight in plain.non_trainable_weights}
    copy_to_unrolled(stacked, plain)
    for weight in plain.non_trainable_weights:
        np.testing.assert_allclose(weight.numpy(), moved[weight.path], rtol=1e-4, atol=1e-5)
    assert bool(moved) == (normalization == "batch")
    # Give the plain net our gradients in place of weights, through the same copying.
    for weight in stacked.weights:
        gradient = our_gradients.get(weight.path)
        weight.assign(tf.zeros(weight.shape) if gradient is None else gradient)
    copy_to_unrolled(stacked, plain)
    size = max(float(np.max(np.abs(g))) for g in their_gradients.values())
    for weight in plain.trainable_weights:
        error = np.max(np.abs(weight.numpy() - their_gradients[weight.path].numpy()))
        # Twenty float32 blocks in another order of summation.
        assert error < 2e-5 * size, weight.path


def test_copying_between_different_nets_is_refused():
    stacked = build_ultimate(INPUTS, config=UltimateConfig(**TWENTY_BLOCKS))
    fields = {**TWENTY_BLOCKS, "res_blocks_per_unit": (5, 5, 5), "implementation": "unrolled"}
    with pytest.raises(ValueError, match="build both from one configuration"):
        copy_to_unrolled(stacked, build_ultimate(INPUTS, config=UltimateConfig(**fields)))


def test_default_description_lists_more_than_two_thousand_layers():
    model = models.build_model("ultimate", {"features": (220,)})
    table = describe_architecture(model)
    assert list(table.columns) == ["unit", "block", "name", "kind", "shape", "parameters"]
    residual = table[table["unit"].str.startswith("res_unit_")]
    assert len(residual) == 2000
    assert (residual["kind"] == "dense").sum() == 1000
    assert table["name"].is_unique
    assert table["parameters"].sum() == model.count_params()
    counts = count_layers(model)
    assert counts.weighted == len(table) >= 2000
    assert counts.matrix_products == (table["kind"] == "dense").sum()
    # Few variables are what keeps the first step fast.
    assert len(model.trainable_variables) < 40


@pytest.mark.parametrize("normalization", ["layer", "rms", "batch"])
def test_both_implementations_are_described_alike(normalization):
    fields = {**TWENTY_BLOCKS, "normalization": normalization, "residual_scaling": "rezero"}
    tables = [
        describe_architecture(build_ultimate(INPUTS, config=UltimateConfig(**fields, **more)))
        for more in ({}, {"implementation": "unrolled"})
    ]
    columns = ["unit", "block", "name", "kind", "parameters"]
    stacked, plain = (table[columns].sort_values("name", ignore_index=True) for table in tables)
    assert stacked.equals(plain)


def test_attention_weights_are_what_the_units_are_weighted_with():
    config = UltimateConfig(**TWENTY_BLOCKS)
    for implementation in ("stacked", "unrolled"):
        fields = {**TWENTY_BLOCKS, "implementation": implementation}
        model = shaken(UltimateConfig(**fields))
        x, _ = data()
        weights = attention_weights(model, x, batch_size=10)
        assert weights.shape == (32, config.attention_heads, 5)
        np.testing.assert_allclose(weights.sum(-1), 1.0, rtol=1e-5)
        assert weights.std() > 0
        assert unit_names(model) == [
            "res_unit_01", "res_unit_02", "res_unit_03", "dense_unit_01", "dense_unit_02",
        ]  # fmt: skip
        by_name = attention_weights(model, {"features": x})
        np.testing.assert_allclose(by_name, weights, rtol=1e-5)
    linear = models.build_model("linear", INPUTS)
    with pytest.raises(ValueError, match="no MultiScaleAttention"):
        attention_weights(linear, data()[0])


def test_attention_output_follows_from_the_weights_read_out():
    layer = MultiScaleAttention(2, 6, seed=3)
    rng = np.random.default_rng(0)
    parts = [
        rng.normal(size=(4, 3, 5)).astype("float32"),
        rng.normal(size=(4, 5)).astype("float32"),
    ]
    output = layer(parts).numpy()
    x = np.concatenate([parts[0], parts[1][:, None]], axis=1)
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    tokens = np.einsum("buw,uwt->but", x, layer.token_kernel.numpy())
    values = (tokens @ layer.value_kernel.numpy()).reshape(4, 4, 2, 3)
    weights = layer.attention_weights(parts).numpy()
    context = np.einsum("bhu,buhd->bhd", weights, values).reshape(4, 6)
    expected = tokens.mean(1) + context @ layer.output_kernel.numpy()
    np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-5)


def test_decay_exclusions_spare_kernels_and_cover_everything_else():
    for fields in ({}, {"normalization": "batch"}, {"implementation": "unrolled"}):
        model = build_ultimate(INPUTS, config=UltimateConfig(**{**TWENTY_BLOCKS, **fields}))
        excluded = decay_exclusions(model)
        for variable in model.trainable_variables:
            spared = any(name in variable.name for name in excluded)
            assert spared == (not variable.name.endswith("kernel")), variable.path


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"res_blocks_per_unit": ()}, "at least one unit"),
        ({"res_blocks_per_unit": (3,), "dense_blocks_per_unit": ()}, "two or more units"),
        ({"width": 30, "attention_heads": 4}, "multiple of attention_heads, got 30 and 4"),
        ({"precision": "float16"}, "precision must be one of float32, mixed_bfloat16"),
        ({"implementation": "plain"}, "implementation must be one of stacked, unrolled"),
        ({"growth_rate": 0}, "growth_rate must be at least 1"),
        ({"l2": -1.0}, "l2 must be at least 0"),
    ],
)
def test_bad_configurations_are_refused_by_name(fields, message):
    with pytest.raises(ValueError, match=message):
        UltimateConfig(**fields)


def test_presets_reach_from_a_laptop_to_a_billion_parameters():
    seed = PRESETS["seed"]
    assert (seed.config.normalization, seed.config.dropout_rate) == ("batch", 0.1)
    assert (seed.learning_rate, seed.batch_size) == (1e-5, 8)
    assert PRESETS["default"].config == UltimateConfig()
    billion = PRESETS["billion"].config
    assert 2 * sum(billion.res_blocks_per_unit) * billion.width**2 > 1e9
    model = build_ultimate(INPUTS, config=PRESETS["small"].config)
    assert model.count_params() < 200_000


def test_no_dense_units_is_a_net_too():
    fields = {**TWENTY_BLOCKS, "dense_blocks_per_unit": ()}
    model = build_ultimate(INPUTS, config=UltimateConfig(**fields))
    assert model(data()[0]).shape == (32, 1)


@pytest.mark.slow
@pytest.mark.parametrize("residual_scaling", ["1/sqrt(depth)", "none", "rezero"])
def test_five_hundred_blocks_keep_signal_and_gradient_sane_and_train(residual_scaling):
    fields = {"width": 16, "dropout_rate": 0.1, "residual_scaling": residual_scaling}
    model = build_ultimate(INPUTS, config=UltimateConfig(**fields, memory="checkpoint"))
    x, y = data()
    stack = model.get_layer("residual_stack")
    taps = keras.Model(model.input, stack.output)(x, training=True).numpy()
    deviation = taps.std(axis=(0, 2))
    # The pre-norm sum of 500 branches of order one, without scaling: about sqrt(500).
    assert deviation.max() < (100 if residual_scaling == "none" else 5)
    optimizer = keras.optimizers.AdamW(1e-3, global_clipnorm=1.0)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer=optimizer, loss=keras.losses.BinaryCrossentropy(from_logits=True))
    # Without scaling, 500 branches drown what the first learnt at this rate: finite, but slow.
    scaled = residual_scaling != "none"
    losses = [model.train_on_batch(x, y) for _ in range(25 if scaled else 3)]
    assert np.isfinite(losses).all()
    if scaled:
        assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])
