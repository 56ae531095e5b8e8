"""The fit as an object: resumed, told of, logged."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ultimate_deep.experiments.trainer import create_trainer
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop import memory_range as ranges
from ultimate_deep.training.loop.fit import Interrupted, fit
from ultimate_deep.training.loop.memory_range import memory_range
from ultimate_deep.training.loop.rate_range import draw_rate_range, rate_range, suggested_rate
from ultimate_deep.training.loop.trainer import Trainer


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


class Noting(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_begin(self, logs=None):
        self.seen.append("begin")

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append((epoch, logs))

    def on_train_end(self, logs=None):
        self.seen.append("end")


def test_it_is_the_fit_with_callbacks_and_a_log(tmp_path):
    arrays, noting = some_arrays(), Noting()
    log = tmp_path / "log"
    trainer = Trainer(net(), arrays, arrays, CONFIG, callbacks=[noting], tensorboard=log)
    with pytest.raises(ValueError, match="nothing has been trained yet"):
        _ = trainer.history
    result = trainer.fit()
    model = net()
    expected = fit(model, arrays, arrays, CONFIG, checkpoint_folder=None)
    for mine, theirs in zip(trainer.model.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert result.best_epoch == expected.best_epoch
    assert noting.model is trainer.model
    assert [noting.seen[0], noting.seen[-1]] == ["begin", "end"]
    losses = trainer.history["validation_loss"].tolist()
    assert [logs["val_loss"] for _, logs in noting.seen[1:-1]] == losses
    assert [epoch for epoch, _ in noting.seen[1:-1]] == [0, 1, 2]
    (file,) = log.iterdir()
    values = {
        (event.step, value.tag): tf.make_ndarray(value.tensor).item()
        for event in tf.compat.v1.train.summary_iterator(str(file))
        for value in event.summary.value
    }
    assert [values[step, "validation_loss"] for step in (1, 2, 3)] == pytest.approx(losses)


def test_it_resumes_and_says_where_it_cannot(tmp_path):
    arrays = some_arrays()

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    config = FitConfig(**{**CONFIG.__dict__, "checkpoint_every_epochs": 1})
    whole = Trainer(net(), arrays, arrays, config)
    whole.fit()
    cut = Trainer(net(), arrays, arrays, config, checkpoints=tmp_path, callbacks=[Stop()])
    with pytest.raises((KeyboardInterrupt, Interrupted)):
        cut.fit()
    again = Trainer(net(), arrays, arrays, config, checkpoints=tmp_path)
    assert again.resume().epochs_run == 3
    for mine, theirs in zip(again.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    with pytest.raises(ValueError, match="keeps no checkpoints; give it a folder"):
        whole.resume()


def test_a_trainer_is_made_of_an_experiment():
    config = ExperimentConfig(
        model={"name": "mlp", "preset": "tiny"},
        data={"simulated_rows": 1_200},
        fit={"epochs": 1},
    )
    trainer = create_trainer(config)
    assert trainer.fit().epochs_run == 1
    with pytest.raises(ValueError, match="a trainer trains nets, got 'hist_gradient_boosting'"):
        create_trainer(ExperimentConfig(model={"name": "hist_gradient_boosting"}))


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
    with pytest.raises(ValueError, match="the loss falls at no rate of the range"):
        suggested_rate(flat)


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
    found = memory_range(model, arrays, CONFIG, most_gib=1_000.0)
    assert found.table["rows"].tolist() == [1, 2, 4, 8, 16, 32]
    assert (found.rows, found.micro_batches) == (32, 1)
    assert (found.table["peak_gib"].diff().dropna() >= 0).all()
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    with pytest.raises(ValueError, match="a step of one row takes the process to"):
        memory_range(model, arrays, CONFIG, most_gib=0.001)
    with pytest.raises(ValueError, match="most_gib must be above 0 and finite, got 0"):
        memory_range(model, arrays, CONFIG, most_gib=0.0)


def test_a_batch_beyond_the_budget_is_cut(monkeypatch):
    peaks = iter([1.0, 1.0, 2.0, 5.0])
    monkeypatch.setattr(ranges, "peak_resident_bytes", lambda: next(peaks) * 2**30)
    found = memory_range(net(), some_arrays(64), CONFIG, most_gib=3.0)
    assert (found.rows, found.micro_batches) == (4, 8)
