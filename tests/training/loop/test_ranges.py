"""Rates that a net learns at and rows that fit into memory, measured."""

import dataclasses

import keras
import numpy as np
import pytest

from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop import memory_range as ranges
from ultimate_deep.training.loop.fit import fit
from ultimate_deep.training.loop.memory_range import memory_range
from ultimate_deep.training.loop.rate_range import draw_rate_range, rate_range, suggested_rate
from ultimate_deep.training.settings.gradients import GradientsConfig


def net():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3,), name="features")
    x = keras.layers.BatchNormalization()(keras.layers.Dense(8, activation="gelu")(inputs))
    return keras.Model(inputs, keras.layers.Dense(1, name="logits")(x))


def some_arrays(rows=256, seed=0):
    draws = np.random.default_rng(seed)
    x = draws.normal(size=(rows, 3)).astype(np.float32)
    return Arrays(x=x, y=(x[:, :1] + 0.5 * draws.normal(size=(rows, 1)) > 0).astype(np.float32))


CONFIG = FitConfig(epochs=3, batch_size=32, learning_rate=0.01)
SMALL = dataclasses.replace(CONFIG, batch_size=4)


def test_the_range_test_finds_a_rate_that_learns_and_leaves_the_model_alone(tmp_path):
    model, arrays = net(), some_arrays(512)
    before = [v.numpy() for v in model.variables]
    table = rate_range(model, arrays, CONFIG, lowest=1e-5, highest=30.0, steps=120)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    ratio = np.diff(np.log(table["learning_rate"]))
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-6)
    assert table["learning_rate"].iloc[0] == 1e-5
    found = suggested_rate(table)
    assert 1e-4 < found < 1.0
    # From there on the loss falls; far below it hardly moves.
    quick = FitConfig(epochs=1, batch_size=32, learning_rate=found)
    slow = FitConfig(epochs=1, batch_size=32, learning_rate=found / 1_000)
    losses = [
        fit(net(), arrays, arrays, config, checkpoint_folder=None).history["loss"].iloc[0]
        for config in (quick, slow)
    ]
    assert losses[0] < losses[1] - 0.05
    draw_rate_range(table, tmp_path / "rates.png", suggested=found)
    assert (tmp_path / "rates.png").stat().st_size > 10_000
    flat = table.assign(smoothed=np.linspace(0.6, 0.7, len(table)))
    with pytest.raises(ValueError, match="the loss falls clearly at no rate of the range"):
        suggested_rate(flat)
    sinking = table.assign(smoothed=np.linspace(1.0, 0.3, len(table)) ** 3)
    with pytest.raises(ValueError, match="where the range begins: that is the noise"):
        suggested_rate(sinking)


def test_noise_is_no_fall():
    table = rate_range(net(), some_arrays(512), CONFIG, lowest=1e-12, highest=1e-11, steps=60)
    with pytest.raises(ValueError, match="the loss falls clearly at no rate of the range"):
        suggested_rate(table)


@pytest.mark.parametrize(
    ("said", "range_of"),
    [
        ("rates must rise from above 0", {"lowest": 0.0}),
        ("rates must rise from above 0", {"lowest": 1.0, "highest": 0.1}),
        ("steps must be at least 2", {"steps": 1}),
    ],
)
def test_no_range_is_refused(said, range_of):
    with pytest.raises(ValueError, match=said):
        rate_range(net(), some_arrays(), CONFIG, **range_of)


def test_rows_are_counted_until_memory_is_used_up():
    model, arrays = net(), some_arrays(64)
    before = [v.numpy() for v in model.variables]
    found = memory_range(model, arrays, SMALL, most_gib=1_000.0)
    assert found.table["rows"].tolist() == [1, 2, 4]
    assert (found.rows, found.micro_batches) == (4, 1)
    assert (found.table["peak_gib"].diff().dropna() >= 0).all()
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    with pytest.raises(ValueError, match="a step of one row takes the process to"):
        memory_range(model, arrays, SMALL, most_gib=0.001)
    with pytest.raises(ValueError, match="most_gib must be above 0 and finite, got 0"):
        memory_range(model, arrays, SMALL, most_gib=0.0)


def test_a_batch_beyond_the_budget_is_cut(monkeypatch):
    peaks = iter([1.0, 5.0])
    monkeypatch.setattr(ranges, "peak_resident_bytes", lambda: next(peaks) * 2**30)
    found = memory_range(net(), some_arrays(64), CONFIG, most_gib=3.0)
    assert (found.rows, found.micro_batches, found.batch_size) == (1, 32, 32)
    # A batch that parts of equal size do not divide becomes the next smaller one.
    peaks = iter([1.0, 2.0, 5.0])
    odd = dataclasses.replace(CONFIG, batch_size=35)
    found = memory_range(net(), some_arrays(64), odd, most_gib=3.0)
    assert (found.micro_batches, found.batch_size) == (32, 32)


def test_a_whole_batch_that_fits_needs_no_parts_and_parts_are_looked_for_without_any():
    config = dataclasses.replace(CONFIG, batch_size=6, gradients=GradientsConfig(micro_batches=2))
    found = memory_range(net(), some_arrays(64), config, most_gib=1_000.0)
    assert found.table["rows"].tolist() == [1, 2, 4, 6]
    assert (found.rows, found.micro_batches) == (6, 1)
