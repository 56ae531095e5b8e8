"""Nets with a stem of members: what is trained, what answers, and that all else still holds."""

import dataclasses
import itertools

import keras
import numpy as np
import pytest

from ultimate_deep import models
from ultimate_deep.models.layers import MemberStem
from ultimate_deep.models.nets.sequential_deep import SequentialDeepConfig
from ultimate_deep.models.nets.stack import KINDS, StackConfig
from ultimate_deep.models.nets.tabm import TabmConfig
from ultimate_deep.models.nets.ultimate import UltimateConfig
from ultimate_deep.models.registry import preset_config
from ultimate_deep.models.surgery.attention_map import attention_weights
from ultimate_deep.models.surgery.describe import (
    count_layers,
    decay_exclusions,
    describe_architecture,
)
from ultimate_deep.models.surgery.grow import grow
from ultimate_deep.models.surgery.readings import members_of, training_readings
from ultimate_deep.models.surgery.unrolled import unrolled
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.train_step import TrainStep

pytestmark = pytest.mark.usefixtures("plain_graphs")

INPUTS = {"features": (12,)}
ROWS, MEMBERS = 16, 3
VARIANTS = ("drawn", "mean")
NETS = ("ultimate", "stack", "sequential_deep", "resnet_tabular")
CASES = list(itertools.product(NETS, VARIANTS))


def config_of(name, **fields):
    fields = {"members": MEMBERS, "member_widths": (10,), **fields}
    return dataclasses.replace(preset_config(name, "tiny"), **fields)


def built(name, heads=models.Heads(horizons=2), **fields):
    return models.build_model(name, INPUTS, heads, config_of(name, **fields))


def data(horizons=2):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, 12)).astype("float32")
    return x, (rng.random((ROWS, horizons)) < 0.5).astype("float32")


def stack_kind(kind):
    width = {"width": 8, "attention_heads": 2} if kind == "attention" else {"width": 8}
    return StackConfig(kind=kind, blocks=2, members=MEMBERS, **width)


def losses_of(outputs, y):
    """Cross-entropy of every answer, `(rows, members, horizons)`."""
    logits = np.asarray(outputs, np.float64).reshape(len(y), -1, y.shape[1])
    return np.logaddexp(0, logits) - logits * y[:, None]


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_stack_and_exit_are_read_by_weight(name, variant):
    model = built(name, members_in_stack=variant)
    x, _ = data()
    readings = training_readings(model)
    np.testing.assert_allclose(readings.weights, [1 / 11, 10 / 11])
    rows = {key: len(value) for key, value in readings.model(x, training=True).items()}
    through_stack = ROWS if variant == "drawn" else ROWS * MEMBERS
    assert rows == {"reading_1": through_stack, "reading_2": ROWS * MEMBERS}
    # In inference all members go through, and the model answers by their mean.
    first = readings.model(x)["reading_1"].numpy().reshape(ROWS, MEMBERS, 2)
    up = (1 / (1 + np.exp(-first.astype(np.float64)))).mean(axis=1)
    np.testing.assert_allclose(1 / (1 + np.exp(-model(x))), up, rtol=1e-4)
    assert {id(v) for v in readings.model.trainable_variables} == {
        id(v) for v in model.trainable_variables
    }


def test_without_an_exit_the_stack_is_all_that_is_read():
    for variant in VARIANTS:
        model = built("stack", members_in_stack=variant, exit_weight=0.0)
        readings = training_readings(model)
        assert readings.weights == (1.0,)
        assert list(readings.model(data()[0])) == ["reading_1"]
    assert training_readings(models.build_model("mlp", INPUTS)) is None
    stack = models.build_model("stack", INPUTS)
    assert training_readings(stack) is None
    assert not members_of(stack)


@pytest.mark.parametrize("name", ["stack", "resnet_tabular"])
def test_drawn_members_share_the_heads_and_the_mean_has_its_own(name):
    heads = {
        variant: {
            w.path for w in built(name, members_in_stack=variant).weights if "logits" in w.path
        }
        for variant in VARIANTS
    }
    assert heads["drawn"] == {"logits/kernel", "logits/bias"}
    assert heads["mean"] == heads["drawn"] | {"stack_logits/kernel", "stack_logits/bias"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_loss_is_the_members_own_by_weight(variant):
    model = built("stack", members_in_stack=variant, dropout_rate=0.0, exit_weight=3.0)
    train = TrainStep(model, FitConfig(jit_compile=False))
    x, y = data()
    states = [v for v in model.non_trainable_variables if "seed_generator" in v.path]
    before = [state.numpy() for state in states]
    outputs = train.readings.model(x, training=True)
    for state, value in zip(states, before, strict=True):
        state.assign(value)
    weight = np.random.default_rng(1).uniform(0.5, 1.5, y.shape).astype("float32")
    tensors = train.to_tensors(x, {"y": y}, weight)
    found = float(train._gradients(tensors).loss)
    one, two = (losses_of(outputs[f"reading_{n}"], y).mean(axis=1) for n in (1, 2))
    assert found == pytest.approx(np.mean(weight * (one / 4 + two * 3 / 4)), rel=1e-5)


def test_a_members_loss_is_not_that_of_the_mean():
    """Label smoothing and several horizons go the way of the plain loss, member by member."""
    model = models.build_model(
        "tabm",
        INPUTS,
        models.Heads(horizons=2),
        TabmConfig(members=MEMBERS, feature_dropout=0.0),
    )
    x, y = data()
    train = TrainStep(model, FitConfig(jit_compile=False, label_smoothing=0.2))
    each = losses_of(train.readings.model(x)["reading_1"], y * 0.8 + 0.1).mean(axis=1)
    tensors = train.to_tensors(x, {"y": y}, np.ones_like(y))
    assert float(train._gradients(tensors).loss) == pytest.approx(each.mean(), rel=1e-5)
    assert each.mean() > losses_of(model(x), y * 0.8 + 0.1).mean() + 1e-3


@pytest.mark.parametrize("name", ["ultimate", "tabm"])
def test_what_is_trained_holds_the_penalty_of_features_once(name):
    x, y = data()
    fields = {"members": MEMBERS, "feature_penalty": 0.5}
    config = TabmConfig(**fields) if name == "tabm" else config_of(name, **fields)
    model = models.build_model(name, INPUTS, models.Heads(horizons=2), config)
    train = TrainStep(model, FitConfig(jit_compile=False))
    kernel = next(v for v in model.trainable_variables if v.path.endswith("/dense_1_kernel"))
    found = train._gradients(train.to_tensors(x, {"y": y}, np.ones_like(y)))
    norms = np.linalg.norm(kernel.numpy(), axis=1)
    assert float(found.penalty) == pytest.approx(0.5 * norms.sum(), rel=1e-5)


HEADS = [
    models.Heads(horizons=2, classes=3),
    models.Heads(horizons=2, classes=0, quantiles=(0.1, 0.5, 0.9)),
    models.Heads(horizons=2, quantiles=(0.05, 0.5, 0.95), variance=True),
]


@pytest.mark.parametrize("heads", HEADS, ids=["classes", "quantiles", "all"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_head_of_members(heads, variant):
    model = built("stack", heads, members_in_stack=variant)
    plain = models.build_model("stack", INPUTS, heads, preset_config("stack", "tiny"))
    x, _ = data()
    found, expected = model(x), plain(x)
    assert {k: v.shape for k, v in found.items()} == {k: v.shape for k, v in expected.items()}
    if heads.quantiles:
        assert (np.diff(found["quantiles"], axis=-1) > 0).all()
    for outputs in training_readings(model).model(x, training=True).values():
        assert set(outputs) == set(expected)


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_every_weight_is_trained(name, variant):
    model = built(name, members_in_stack=variant)
    x, y = data()
    train = TrainStep(model, FitConfig(jit_compile=False, weight_decay=0.0))
    gradients = train._gradients(train.to_tensors(x, {"y": y}, np.ones_like(y))).gradients
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert np.isfinite(gradient).all()
        zero_scales = "residual" in variable.path
        assert np.any(np.asarray(gradient) != 0) or zero_scales, variable.path


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_a_row_is_answered_by_itself_and_a_copy_answers_alike(name, variant):
    model, x = built(name, members_in_stack=variant), data()[0]
    beside = x.copy()
    beside[8:] = 100.0
    np.testing.assert_allclose(model(beside)[:8], model(x)[:8], rtol=1e-4, atol=1e-5)
    copy = keras.Model.from_config(model.get_config())
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(copy(x), model(x))
    same, other = (built(name, members_in_stack=variant, seed=seed) for seed in (0, 1))
    for path, one, again, new in zip(
        [weight.path for weight in model.weights],
        *(net.get_weights() for net in (model, same, other)),
        strict=True,
    ):
        np.testing.assert_array_equal(again, one)
        assert not path.endswith(("kernel", "input_scale")) or not np.array_equal(new, one)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_loop_of_keras_trains_every_weight_and_repeats(variant):
    x, y = data()
    losses = []
    for _ in range(2):
        model = built("resnet_tabular", members_in_stack=variant)
        optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        model.compile(optimizer=optimizer, loss=loss, run_eagerly=True)
        before = model.get_weights()
        losses.append([model.train_on_batch(x, y) for _ in range(3)])
    still = [
        weight.path
        for weight, value in zip(model.weights, before, strict=True)
        if np.array_equal(weight, value)
    ]
    assert not still
    assert losses[0] == losses[1]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_stack_has_members(kind):
    model = models.build_model("stack", INPUTS, config=stack_kind(kind))
    x, y = data(1)
    assert model(x).shape == (ROWS, 1)
    train = TrainStep(model, FitConfig(jit_compile=False))
    found = train._gradients(train.to_tensors(x, {"y": y}, np.ones_like(y)))
    assert all(np.any(np.asarray(gradient) != 0) for gradient in found.gradients)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize(("name", "variant"), CASES)
def test_saved_and_loaded_it_answers_and_is_trained_the_same(name, variant, suffix, tmp_path):
    model = built(name, members_in_stack=variant)
    x, _ = data()
    path = tmp_path / f"model{suffix}"
    model.save(path)
    loaded = keras.models.load_model(path, compile=False)
    np.testing.assert_array_equal(loaded(x), model(x))
    readings, again = training_readings(model), training_readings(loaded)
    assert again.weights == readings.weights
    for name, value in readings.model(x).items():
        np.testing.assert_array_equal(again.model(x)[name], value)


@pytest.mark.parametrize(("name", "variant"), [("ultimate", "drawn"), ("stack", "mean")])
def test_unrolled_and_grown_nets_answer_the_same(name, variant):
    x, _ = data()
    model = built(name, members_in_stack=variant, dropout_rate=0.0)
    plain, deeper = unrolled(model), grow(model, 2, layer="residual_stack")
    for other in (plain, deeper):
        np.testing.assert_allclose(other(x), model(x), rtol=1e-4, atol=1e-5)
        assert training_readings(other).weights == training_readings(model).weights
    assert plain.count_params() == model.count_params()


@pytest.mark.parametrize(("name", "variant"), [("stack", "drawn"), ("ultimate", "mean")])
def test_memory_never_changes_gradients_with_members(name, variant):
    x, y = data()
    found = []
    for memory in ("store", "checkpoint", "reversible"):
        model = built(name, coupling="additive", memory=memory, members_in_stack=variant)
        train = TrainStep(model, FitConfig(jit_compile=False))
        found.append(train._gradients(train.to_tensors(x, {"y": y}, np.ones_like(y))).gradients)
    for one, *others in zip(*found, strict=True):
        for other in others:
            np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("name", "variant"), [*CASES, ("tabm", "")])
def test_every_layer_of_members_is_described(name, variant):
    if variant:
        model = built(name, members_in_stack=variant)
    else:
        model = models.build_model(name, INPUTS, config=preset_config(name, "tiny"))
    table = describe_architecture(model)
    assert table["parameters"].sum() == model.count_params()
    assert table["name"].is_unique
    stem = table[table["unit"] == "stem"]
    assert list(stem["kind"]) == ["scale", "dense", "dense"]
    (layer,) = members_of(model)
    assert stem["parameters"].sum() == layer.count_params()
    kernels = [w.path for w in model.trainable_variables if w.path.endswith("kernel")]
    spared = decay_exclusions(model)
    for variable in model.trainable_variables:
        assert any(end in variable.name for end in spared) == (variable.path not in kernels)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("exit_weight", [0.0, 10.0])
def test_a_plain_net_of_members_has_exactly_its_layers(variant, exit_weight):
    fields = {"members": 2, "members_in_stack": variant, "exit_weight": exit_weight, "width": 4}
    least = SequentialDeepConfig(**fields).outside_layers + 4
    for layers in range(least, least + 4):
        config = SequentialDeepConfig(layers=layers, **fields)
        model = models.build_model("sequential_deep", INPUTS, config=config)
        assert count_layers(model).weighted == layers
    with pytest.raises(ValueError, match=f"layers must be at least {least}"):
        SequentialDeepConfig(layers=least - 1, **fields)


@pytest.mark.parametrize("variant", VARIANTS)
def test_attention_is_the_mean_over_the_members_that_go_through(variant):
    model = built("ultimate", members_in_stack=variant)
    x, _ = data()
    weights = attention_weights(model, x, batch_size=5)
    assert weights.shape[0] == ROWS
    np.testing.assert_allclose(weights.sum(-1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(weights[7:8], attention_weights(model, x[7:8]), rtol=1e-4, atol=1e-6)


def test_parts_are_told_apart_by_the_paths_of_their_weights():
    """Rates by part: stem, blocks, their gains, and what reads them."""
    model = built("ultimate", residual_scaling="rezero")
    parts = {variable.path.split("/")[0] for variable in model.trainable_variables}
    assert {"stem", "residual_stack", "dense_stack", "head_norm", "logits"} <= parts
    gains = [v.path for v in model.trainable_variables if v.path.startswith("residual_stack/resid")]
    assert gains == ["residual_stack/residual_2_scale"]
    stem = {v.path for v in model.trainable_variables if v.path.startswith("stem/")}
    assert {"stem/input_scale", "stem/dense_1_kernel", "stem/dense_2_bias"} <= stem


def test_blocks_for_tables_can_be_scaled_by_depth():
    fields = {"blocks": 4, "members": 1, "member_widths": (64,), "normalization": "layer"}
    plain, scaled = (
        built("resnet_tabular", **fields, residual_scaling=scaling)
        for scaling in ("none", "1/sqrt(depth)")
    )
    for weight, value in zip(scaled.weights, plain.get_weights(), strict=True):
        dense_2 = "dense_2" in weight.path
        weight.assign(2 * value if dense_2 else value)  # over the root of four blocks
    x, _ = data()
    np.testing.assert_allclose(scaled(x), plain(x), rtol=1e-4, atol=1e-5)


def test_bfloat16_members_are_near_the_exact_ones():
    exact, rounded = (built("ultimate", precision=p) for p in ("float32", "mixed_bfloat16"))
    rounded.set_weights(exact.get_weights())
    x, _ = data()
    assert rounded(x).dtype == "float32"
    np.testing.assert_allclose(rounded(x), exact(x), atol=0.1)
    assert not np.array_equal(rounded(x), exact(x))


@pytest.mark.parametrize(
    ("config", "fields", "message"),
    [
        (UltimateConfig, {"members": 0}, "members must be at least 1"),
        (
            StackConfig,
            {"exit_weight": -3.0},
            "exit_weight must be at least 0 and below inf; got -3.0",
        ),
        (
            StackConfig,
            {"members": 2, "feature_penalty": -1.0},
            "feature_penalty must be at least 0",
        ),
        (TabmConfig, {"feature_penalty": -1.0}, "feature_penalty must be at least 0"),
        (UltimateConfig, {"members": 2, "members_in_stack": "all"}, "one of drawn, mean"),
        (UltimateConfig, {"members": 2, "member_widths": (0,)}, r"use \(\) for a stem of one"),
        (SequentialDeepConfig, {"members": 2, "layers": 7}, "layers must be at least 8"),
        (TabmConfig, {"members": 1}, "use the model called 'mlp'"),
        (TabmConfig, {"hidden_widths": ()}, r"give e.g. \(64, 32\)"),
    ],
)
def test_options_that_make_no_sense_are_refused(config, fields, message):
    with pytest.raises(ValueError, match=message):
        config(**fields)


@pytest.mark.parametrize(
    "fields", [{"members": 1.5}, {"member_widths": (1.5,)}, {"member_widths": 64}]
)
def test_options_of_another_kind_are_refused(fields):
    with pytest.raises(TypeError, match=next(iter(fields))):
        UltimateConfig(**({"members": 4} | fields))
    with pytest.raises(TypeError, match="hidden_widths"):
        TabmConfig(hidden_widths=(3.5,))


def test_a_width_of_another_kind_is_refused_where_the_net_is_built():
    config = models.config_class("mlp")(hidden_widths=(8.5,))
    with pytest.raises(TypeError, match="hidden_widths"):
        models.build_model("mlp", INPUTS, config=config)


def test_one_member_is_the_plain_net():
    for name in NETS:
        # Whatever else a preset says of them is not read.
        config = dataclasses.replace(preset_config(name, "tiny"), members=1)
        model = models.build_model(name, INPUTS, config=config)
        assert not any(isinstance(layer, MemberStem) for layer in model.layers)
        assert isinstance(model.get_layer("stem"), keras.layers.Dense)
