"""What every registered model must do; walks the registry, so a new entry cannot escape."""

import contextlib
import dataclasses
import fnmatch
import functools
import json
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.backend import standardize_dtype

from ultimate_deep import models
from ultimate_deep.bundles.executors.net import read_model
from ultimate_deep.models import registry
from ultimate_deep.models.heads import direction_logits
from ultimate_deep.models.search_space import Choice, FloatRange, IntRange
from ultimate_deep.models.surgery.attention_map import has_temporal_attention, temporal_attention

pytestmark = pytest.mark.contract
ROWS, HORIZONS = 16, 2
INPUTS = {
    "features": {"features": (12,)},
    "window": {"bars": (16, 5)},
    "timeframes": {"bars": (12, 5), "bars_4x": (8, 4)},
    "gaf": {"gaf_1x": (32,), "gaf_2x": (32,)},
    "bar_image": {"bar_image": (6 * 8,)},
    "episodic": {"bars": (16, 5), "clock": (2,)},
}
NAMES = sorted(models.BUILDERS)
TABULAR = [name for name in NAMES if registry.reads(name) == "features"]
WINDOWED = [name for name in NAMES if registry.reads(name) in ("window", "timeframes", "episodic")]


def inputs_of(name):
    return INPUTS[registry.reads(name)]


def small_config(name, **fields):
    preset = "tiny" if "tiny" in registry.presets(name) else "default"
    config = registry.preset_config(name, preset)
    return dataclasses.replace(config, **fields)


def small_model(name, **fields):
    heads = models.Heads(horizons=HORIZONS)
    return models.build_model(name, inputs_of(name), heads, small_config(name, **fields))


def data(name, seed=0):
    """Inputs, an array where there is one, and labels."""
    rng = np.random.default_rng(seed)
    x = {}
    for key, shape in inputs_of(name).items():
        if key.startswith("gaf"):
            x[key] = rng.uniform(-1, 1, size=(ROWS, *shape)).astype("float32")
        else:
            x[key] = rng.normal(size=(ROWS, *shape)).astype("float32")
    if "clock" in x:
        x["clock"] = np.column_stack([np.arange(ROWS), np.full(ROWS, 3600)]).astype("float32")
    y = (rng.random((ROWS, HORIZONS)) < 0.5).astype("float32")
    return (x if len(x) > 1 else next(iter(x.values()))), y


def first_of(x):
    """The first input's array, to be changed in place."""
    return next(iter(x.values())) if isinstance(x, dict) else x


def copied(x):
    return {name: values.copy() for name, values in x.items()} if isinstance(x, dict) else x.copy()


def may_stand_still(name, path):
    return any(fnmatch.fnmatch(path, pattern) for pattern in registry.still_weights(name))


def compiled(model, **options):
    """Ready to train, with an optimizer of few operations: AdamW takes twice as long to trace.

    It moves no weight without a gradient, as AdamW's decay would.
    """
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
    # Otherwise the first step is traced twice.
    optimizer.build(model.trainable_variables)
    model.compile(optimizer=optimizer, loss=loss, **options)
    return model


@functools.cache
def untrained(name):
    """A model with its first weights, for the tests that only read it."""
    return small_model(name)


@functools.cache
def trained(name):
    """A model after one step, for the tests that only read it, and the loss of that step."""
    model = compiled(small_model(name))
    loss = model.train_on_batch(*data(name))
    return model, loss


@contextlib.contextmanager
def put_back(model):
    """Let a block train a shared model, which then has the state again that it had before."""
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    before = [variable.numpy() for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)


@pytest.mark.parametrize("name", NAMES)
def test_output_is_float32_logits_per_horizon(name):
    model = untrained(name)
    logits = model(data(name)[0])
    assert logits.shape == (ROWS, HORIZONS)
    assert logits.dtype == "float32"
    assert model.output_shape == (None, HORIZONS)
    assert np.isfinite(logits).all()


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_moves_within_three_steps_and_the_loss_falls(name):
    model, first_loss = trained(name)
    x, y = data(name)
    before = untrained(name).get_weights()
    with put_back(model):
        losses = [first_loss, *(model.train_on_batch(x, y) for _ in range(2))]
        after = [w.numpy() for w in model.weights]
        losses += [model.train_on_batch(x, y) for _ in range(20)]
    moved = [not np.array_equal(a, b) for a, b in zip(after, before, strict=True)]
    still = [w.path for w, m in zip(model.weights, moved, strict=True) if not m]
    assert [path for path in still if not may_stand_still(name, path)] == []
    assert np.isfinite(losses).all()
    assert np.mean(losses[-3:]) < np.mean(losses[:3])


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("name", NAMES)
def test_saves_and_loads_with_equal_predictions(name, suffix, tmp_path):
    model, _ = trained(name)
    x, y = data(name)
    path = tmp_path / f"model{suffix}"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".*__array__.*copy keyword", DeprecationWarning)
        model.save(path)
        loaded = keras.models.load_model(path)
        # As a bundle's net is read: no weight that the file does not hold.
        bare = (
            read_model(path) if suffix == ".keras" else keras.models.load_model(path, None, False)
        )
    np.testing.assert_array_equal(loaded(x), model(x))
    np.testing.assert_array_equal(bare(x), model(x))
    assert not bare.compiled
    assert int(loaded.optimizer.iterations.numpy()) == 1
    # Keras builds the optimizer of a loaded .h5 without variables: evaluate, or compile again.
    loaded.run_eagerly = True  # one step does not repay a trace
    assert np.isfinite(loaded.test_on_batch(x, y))


@pytest.mark.parametrize("name", NAMES)
def test_config_round_trip_builds_the_same_model(name):
    model = untrained(name)
    again = keras.Model.from_config(model.get_config())
    assert json.dumps(again.get_config()) == json.dumps(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again(data(name)[0]), model(data(name)[0]))
    clone = keras.models.clone_model(model)
    assert clone.count_params() == model.count_params()


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_weights_and_other_seed_other_weights(name):
    first, second, other = untrained(name), small_model(name), small_model(name, seed=1)
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    kernels = [
        (a.numpy(), b.numpy())
        for a, b in zip(first.weights, other.weights, strict=True)
        if a.name.endswith("kernel")
    ]
    assert kernels
    assert not any(np.array_equal(a, b) for a, b in kernels)


@pytest.mark.parametrize("name", NAMES)
def test_training_repeats_bit_for_bit(name):
    model, first_loss = trained(name)
    x, y = data(name)
    with put_back(model):
        once = [first_loss, *(model.train_on_batch(x, y) for _ in range(3))]
    model = compiled(small_model(name))
    again = [model.train_on_batch(x, y) for _ in range(4)]
    assert once == again


# bfloat16 keeps 8 bits and float16 11; logits here are of order one.
@pytest.mark.parametrize(("precision", "apart"), [("mixed_bfloat16", 0.1), ("mixed_float16", 0.02)])
@pytest.mark.parametrize("name", [n for n in NAMES if n != "linear"])
def test_half_the_bits_run_with_float32_weights_and_logits(name, precision, apart):
    # One step does not repay a trace.
    model = compiled(small_model(name, precision=precision), run_eagerly=True)
    x, y = data(name)
    exact = untrained(name)
    model.set_weights(exact.get_weights())
    np.testing.assert_allclose(model(x), exact(x), atol=apart)
    assert not np.array_equal(model(x), exact(x))
    before = model.get_weights()
    assert np.isfinite(model.train_on_batch(x, y))
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    moved = [np.any(old != new) for old, new in zip(before, model.get_weights(), strict=True)]
    assert np.mean(moved) > 0.5  # the loss scale left this step in
    assert {w.dtype for w in model.weights} == {"float32"}
    assert model(x).dtype == "float32"
    traced = tf.function(model, autograph=False).get_concrete_function(
        tf.nest.map_structure(tf.constant, x), training=True
    )
    assert tf.nest.flatten(traced.structured_outputs)[0].dtype == "float32"


@pytest.mark.parametrize("name", NAMES)
def test_a_row_does_not_see_other_rows_in_inference(name):
    model = untrained(name)
    x, _ = data(name)
    changed = copied(x)
    for values in changed.values() if isinstance(changed, dict) else (changed,):
        values[8:] = 100.0
    np.testing.assert_allclose(model(changed)[:8], model(x)[:8], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_inputs_beyond_the_clip_change_nothing(name):
    model = small_model(name, input_clip=3.0)
    x, _ = data(name)
    first_of(x)[0, ..., 0] = 3.0
    far = copied(x)
    first_of(far)[0, ..., 0] = 1e9
    np.testing.assert_array_equal(model(far), model(x))


@pytest.mark.parametrize("name", TABULAR)
def test_several_inputs_of_any_fixed_shape(name):
    model = models.build_model(name, {"hours": (3, 4), "days": (5,)}, config=small_config(name))
    x = {"hours": np.ones((2, 3, 4), "float32"), "days": np.zeros((2, 5), "float32")}
    assert model(x).shape == (2, 1)
    with pytest.raises(ValueError, match="give every axis a size"):
        models.build_model(name, {"bars": (None, 4)}, config=small_config(name))


@pytest.mark.parametrize("name", NAMES)
def test_inputs_of_another_kind_are_refused(name):
    with pytest.raises(ValueError, match=r"[Ii]nput"):
        models.build_model(name, {}, config=small_config(name))
    if name in WINDOWED:
        for wrong in ({"bars": (None, 4)}, {"bars": (4,)}):
            with pytest.raises(ValueError, match="window"):
                models.build_model(name, wrong, config=small_config(name))


@pytest.mark.parametrize("name", WINDOWED)
def test_receptive_field_is_the_declared_one(name):
    config = small_config(name)
    bars, features = inputs_of(name)["bars"]
    declared = registry.receptive_field_bars(name, config, bars)
    assert 1 <= declared <= bars
    # A longer window where the field would be cut by the window itself.
    longer = registry.receptive_field_bars(name, config, 4 * bars)
    window = 4 * bars if longer < 4 * bars else bars
    field = min(longer, window)
    inputs = {**inputs_of(name), "bars": (window, features)}
    model = models.build_model(name, inputs, models.Heads(horizons=HORIZONS), config)
    rng = np.random.default_rng(1)
    x = {k: rng.normal(size=(4, *shape)).astype("float32") for k, shape in inputs.items()}
    inside, before = copied(x), copied(x)
    inside["bars"][:, window - field] += 1.0
    before["bars"][:, : window - field] += 1.0
    fed = (lambda given: given) if len(inputs) > 1 else (lambda given: given["bars"])
    assert not np.array_equal(model(fed(inside)), model(fed(x)))
    np.testing.assert_array_equal(model(fed(before)), model(fed(x)))


@pytest.mark.parametrize(
    "heads",
    [
        models.Heads(horizons=2, classes=3),
        models.Heads(horizons=2, classes=0, quantiles=(0.1, 0.5, 0.9)),
        models.Heads(horizons=2, quantiles=(0.05, 0.5, 0.95), variance=True),
    ],
    ids=["classes", "quantiles", "all"],
)
@pytest.mark.parametrize("name", NAMES)
def test_every_head_on_every_model(name, heads):
    model = models.build_model(name, inputs_of(name), heads, small_config(name))
    outputs = model(data(name)[0])
    if heads.classes:
        assert outputs["direction"].shape == (ROWS, 2) + (3,) * (heads.classes == 3)
    if heads.quantiles:
        assert outputs["quantiles"].shape == (ROWS, 2, 3)
        assert (np.diff(outputs["quantiles"], axis=-1) > 0).all()
    assert ("log_variance" in outputs) == heads.variance
    assert {standardize_dtype(value.dtype) for value in outputs.values()} == {"float32"}
    assert direction_logits(outputs).shape == (ROWS, 2)


@pytest.mark.parametrize("name", WINDOWED)
def test_attention_over_time_can_be_read(name):
    model = untrained(name)
    if not has_temporal_attention(model):
        pytest.skip(f"{name} has no attention over time")
    for shares in temporal_attention(model, data(name)[0]).values():
        assert shares.ndim == 4
        assert len(shares) == ROWS
        np.testing.assert_allclose(shares.sum(axis=-1), 1.0, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_search_space_names_fields_and_holds_valid_values(name):
    config = models.config_class(name)
    fields = {field.name for field in dataclasses.fields(config)}
    space = models.search_space(name)
    assert space
    for field, values in space.items():
        assert field in fields
        assert isinstance(values, Choice | IntRange | FloatRange)
        ends = values.values if isinstance(values, Choice) else (values.low, values.high)
        for value in ends:
            assert getattr(config(**{field: value}), field) == value


@pytest.mark.parametrize("name", NAMES)
def test_config_is_frozen_and_refuses_nonsense(name):
    config = models.config_class(name)()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.seed = 3
    with pytest.raises(ValueError, match="input_clip must be positive"):
        models.config_class(name)(input_clip=float("nan"))
