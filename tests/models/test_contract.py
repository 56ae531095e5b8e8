"""What every registered model must do; walks the registry, so a new entry cannot escape."""

import dataclasses
import functools
import json
import warnings

import keras
import numpy as np
import pytest

import models
from models.search_space import Choice, FloatRange, IntRange

FEATURES, ROWS, HORIZONS = 12, 16, 2
INPUTS = {"features": (FEATURES,)}
SMALL = {
    "ultimate": {
        "width": 8,
        "res_blocks_per_unit": (3, 2),
        "dense_blocks_per_unit": (2, 1),
        "growth_rate": 4,
        "attention_heads": 2,
    },
    "mlp": {"hidden_widths": (8, 4)},
    "stack": {"blocks": 3, "width": 8},
}
NAMES = sorted(models.BUILDERS)


def small_config(name, **fields):
    return models.config_class(name)(**{**SMALL.get(name, {}), **fields})


def small_model(name, **fields):
    heads = models.Heads(horizons=HORIZONS)
    return models.build_model(name, INPUTS, heads, small_config(name, **fields))


def data(seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(ROWS, FEATURES)).astype("float32")
    return x, (rng.random((ROWS, HORIZONS)) < 0.5).astype("float32")


def compiled(model, optimizer=None):
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    optimizer = optimizer or keras.optimizers.AdamW(1e-2)
    # Otherwise the first step is traced twice.
    optimizer.build(model.trainable_variables)
    model.compile(optimizer=optimizer, loss=loss)
    return model


@functools.cache
def trained(name):
    """A model after one step, for the tests that only read it."""
    model = compiled(small_model(name))
    model.train_on_batch(*data())
    return model


@pytest.mark.parametrize("name", NAMES)
def test_output_is_float32_logits_per_horizon(name):
    model = small_model(name)
    logits = model(data()[0])
    assert logits.shape == (ROWS, HORIZONS)
    assert logits.dtype == "float32"
    assert model.output_shape == (None, HORIZONS)
    assert np.isfinite(logits).all()


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_moves_within_three_steps_and_the_loss_falls(name):
    model = compiled(small_model(name))
    x, y = data()
    before = [w.numpy().copy() for w in model.weights]
    losses = [model.train_on_batch(x, y) for _ in range(3)]
    still = [
        w.path for w, b in zip(model.weights, before, strict=True) if np.array_equal(w.numpy(), b)
    ]
    assert still == []
    losses += [model.train_on_batch(x, y) for _ in range(20)]
    assert np.isfinite(losses).all()
    assert np.mean(losses[-3:]) < np.mean(losses[:3])


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("name", NAMES)
def test_saves_and_loads_with_equal_predictions(name, suffix, tmp_path):
    model = trained(name)
    x, y = data()
    path = tmp_path / f"model{suffix}"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".*__array__.*copy keyword", DeprecationWarning)
        model.save(path)
        loaded = keras.models.load_model(path)
        bare = keras.models.load_model(path, compile=False)
    np.testing.assert_array_equal(loaded(x), model(x))
    np.testing.assert_array_equal(bare(x), model(x))
    assert not bare.compiled
    assert int(loaded.optimizer.iterations.numpy()) == 1
    # Keras builds the optimizer of a loaded .h5 without variables: evaluate, or compile again.
    assert np.isfinite(loaded.test_on_batch(x, y))


@pytest.mark.parametrize("name", NAMES)
def test_config_round_trip_builds_the_same_model(name):
    model = small_model(name)
    again = keras.Model.from_config(model.get_config())
    assert json.dumps(again.get_config()) == json.dumps(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again(data()[0]), model(data()[0]))
    clone = keras.models.clone_model(model)
    assert clone.count_params() == model.count_params()


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_weights_and_other_seed_other_weights(name):
    first, second, other = small_model(name), small_model(name), small_model(name, seed=1)
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
    x, y = data()
    runs = []
    for _ in range(2):
        model = compiled(small_model(name), keras.optimizers.SGD(0.1))
        runs.append([model.train_on_batch(x, y) for _ in range(4)])
    assert runs[0] == runs[1]


@pytest.mark.parametrize("name", [n for n in NAMES if n != "linear"])
def test_bfloat16_runs_with_float32_weights_and_logits(name):
    model = small_model(name, precision="mixed_bfloat16")
    compiled(model, keras.optimizers.SGD(0.1))
    x, y = data()
    exact = small_model(name)
    exact.set_weights(model.get_weights())
    # bfloat16 keeps 8 bits; logits here are of order one.
    np.testing.assert_allclose(model(x), exact(x), atol=0.1)
    assert not np.array_equal(model(x), exact(x))
    assert np.isfinite(model.train_on_batch(x, y))
    assert {w.dtype for w in model.weights} == {"float32"}
    assert model(x).dtype == "float32"


@pytest.mark.parametrize("name", NAMES)
def test_a_row_does_not_see_other_rows_in_inference(name):
    model = small_model(name)
    x, _ = data()
    changed = x.copy()
    changed[8:] = 100.0
    np.testing.assert_allclose(model(changed)[:8], model(x)[:8], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_inputs_beyond_the_clip_change_nothing(name):
    model = small_model(name, input_clip=3.0)
    x, _ = data()
    x[0, 0] = 3.0
    far = x.copy()
    far[0, 0] = 1e9
    np.testing.assert_array_equal(model(far), model(x))


@pytest.mark.parametrize("name", NAMES)
def test_several_inputs_of_any_fixed_shape(name):
    model = models.build_model(name, {"hours": (3, 4), "days": (5,)}, config=small_config(name))
    x = {"hours": np.ones((2, 3, 4), "float32"), "days": np.zeros((2, 5), "float32")}
    assert model(x).shape == (2, 1)
    with pytest.raises(ValueError, match="give every axis a size"):
        models.build_model(name, {"bars": (None, 4)}, config=small_config(name))
    with pytest.raises(ValueError, match="at least one input"):
        models.build_model(name, {}, config=small_config(name))


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
