"""The ultimate net: against plain Keras layers, its description, its attention, its depth."""

import dataclasses

import keras
import numpy as np
import pytest

from ultimate_deep import models
from ultimate_deep.models.layers import MultiScaleAttention
from ultimate_deep.models.nets.ultimate import PRESETS, UltimateConfig, build_ultimate
from ultimate_deep.models.surgery.attention_map import attention_weights, unit_names
from ultimate_deep.models.surgery.describe import (
    count_layers,
    decay_exclusions,
    describe_architecture,
)
from ultimate_deep.models.surgery.unrolled import unrolled
from ultimate_deep.training.optimizers.adamw import AdamW
from ultimate_deep.training.optimizers.part_rates import factors_of

pytestmark = pytest.mark.usefixtures("plain_graphs")

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


@pytest.mark.parametrize(
    "fields",
    [{}, {"normalization": "rms", "coupling": "additive", "residual_scaling": "rezero"}],
)
def test_plain_keras_layers_are_the_same_net_with_the_same_weights(fields):
    config = UltimateConfig(**TWENTY_BLOCKS, **fields)
    plain = build_ultimate(INPUTS, config=dataclasses.replace(config, implementation="unrolled"))
    stacked = build_ultimate(INPUTS, config=config)
    x, _ = data()
    # Twenty float32 blocks in another order of summation.
    np.testing.assert_allclose(stacked(x), plain(x), rtol=1e-4, atol=1e-5)
    assert plain.count_params() == stacked.count_params()
    assert len(plain.trainable_variables) > 4 * len(stacked.trainable_variables)
    assert (plain.name, plain.output_names) == (stacked.name, stacked.output_names)
    stacked = shaken(config)
    np.testing.assert_allclose(stacked(x), unrolled(stacked)(x), rtol=1e-4, atol=1e-5)


def test_presets_with_new_options_build_the_stacks_they_name():
    million = PRESETS["million"].config
    assert 2 * sum(million.res_blocks_per_unit) == 1_000_000
    assert (million.coupling, million.memory) == ("additive", "reversible")
    fields = {
        "coupling": "additive", "exact": True, "memory": "reversible", "stochastic_depth": 0.2,
        "residual_scaling": "fixup", "normalization": "none",
    }  # fmt: skip
    model = build_ultimate(INPUTS, config=UltimateConfig(**{**TWENTY_BLOCKS, **fields}))
    stack, dense = model.get_layer("residual_stack"), model.get_layer("dense_stack")
    assert {name: getattr(stack, name) for name in fields} == fields
    assert (dense.stochastic_depth, dense.normalization) == (0.2, "layer")


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
        ({"memory": "reversible"}, 'use coupling="additive"'),
        ({"exact": True}, 'use coupling="additive"'),
        ({"coupling": "none"}, 'use residual_scaling="none"'),
        ({"coupling": "sequential"}, "coupling must be one of residual, additive, none"),
        ({"coupling": "additive", "residual_scaling": "deepnorm"}, "another scaling"),
        ({"stochastic_depth": 1.0}, "stochastic_depth must be at least 0 and below 1"),
    ],
)
def test_bad_configurations_are_refused_by_name(fields, message):
    with pytest.raises(ValueError, match=message):
        UltimateConfig(**fields)


def test_presets_reach_from_a_laptop_to_a_billion_parameters():
    seed = PRESETS["seed"]
    assert (seed.config.normalization, seed.config.dropout_rate) == ("batch", 0.1)
    assert (seed.learning_rate, seed.batch_size) == (1e-5, 8)
    default = PRESETS["default"]
    assert (default.config.members, default.config.members_in_stack) == (16, "mean")
    assert 4 * sum(default.config.res_blocks_per_unit) >= 2_000
    assert (default.learning_rate, default.epochs, default.return_weights) == (8e-3, 16, 1.5)
    assert default.config.feature_penalty == 3e-4
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
    optimizer = AdamW(1e-3, global_clipnorm=1.0)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer=optimizer, loss=keras.losses.BinaryCrossentropy(from_logits=True))
    # Without scaling, 500 branches drown what the first learnt at this rate: finite, but slow.
    scaled = residual_scaling != "none"
    losses = [model.train_on_batch(x, y) for _ in range(10 if scaled else 3)]
    assert np.isfinite(losses).all()
    if scaled:
        assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])


@pytest.mark.parametrize("implementation", ["stacked", "unrolled"])
@pytest.mark.parametrize("dense", [(2, 1), ()])
def test_the_slower_rate_of_a_preset_is_that_of_all_stacks(implementation, dense):
    tiny = PRESETS["tiny"]
    options = {"implementation": implementation, "dense_blocks_per_unit": dense}
    model = build_ultimate(INPUTS, config=dataclasses.replace(tiny.config, **options))
    paths = [weight.path for weight in model.trainable_weights]
    slow = factors_of(paths, dict(tiny.rate_factors))
    for path, factor in zip(paths, slow, strict=True):
        in_stack = "_stack/" in path or "unit_0" in path
        assert factor == (0.25 if in_stack else 1.0), path
    assert {0.25, 1.0} == set(slow)
