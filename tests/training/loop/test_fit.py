import dataclasses
import math
import os
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf

from ultimate_deep.evaluation.measures.temperature import inverse_temperature
from ultimate_deep.training.arrays import Arrays, training_weight
from ultimate_deep.training.loop.checkpoint import CheckpointError
from ultimate_deep.training.loop.compiled import time_fit
from ultimate_deep.training.loop.fit import (
    FitConfig,
    Interrupted,
    TrainingDivergedError,
    epoch_order,
    fit,
)
from ultimate_deep.training.loop.fit_state import copy_weights
from ultimate_deep.training.loop.train_step import TrainStep
from ultimate_deep.training.loop.validation import validation_metrics
from ultimate_deep.training.losses.cross_entropy import cross_entropy
from ultimate_deep.training.losses.loss_config import LossConfig
from ultimate_deep.training.losses.outputs import HeadShapes
from ultimate_deep.training.losses.registry import build_loss
from ultimate_deep.training.optimizers.decay import is_decayed
from ultimate_deep.training.progress import Progress
from ultimate_deep.training.schedules.config import ScheduleConfig

CONFIG = FitConfig(epochs=3, batch_size=32, learning_rate=0.01, jit_compile=False)


def measured(logits, arrays, loss=LossConfig()):
    built = build_loss(loss, HeadShapes(horizons=arrays.horizons))
    return validation_metrics(built, {"direction": logits, "logits": logits}, arrays)


def noisy_arrays(rows=256, *, seed=1, horizons=1):
    draws = np.random.default_rng(seed)
    x = draws.normal(size=(rows, 6)).astype(np.float32)
    up = x[:, :1] * 2 + draws.normal(size=(rows, horizons)) > 0
    return Arrays(x=x, y=up.astype(np.float32))


def small_model(*, horizons=1, seed=0, dropout=0.2):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((6,), name="features")
    x = keras.layers.Dense(8, activation="gelu", name="hidden")(inputs)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Dropout(dropout, seed=4)(x)
    return keras.Model(inputs, keras.layers.Dense(horizons, name="logits")(x))


def run(config=CONFIG, *, folder=None, resume=False, progress=None, model=None, compiled=None):
    model = model or small_model()
    fitted = fit(
        model,
        noisy_arrays(),
        noisy_arrays(100, seed=2),
        config,
        checkpoint_folder=folder,
        resume=resume,
        progress=progress,
        compiled=compiled,
    )
    return model, fitted


def assert_same_run(found, expected):
    for one, other in zip(found[0].get_weights(), expected[0].get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    one, other = (run[1].history.drop(columns="seconds") for run in (found, expected))
    np.testing.assert_array_equal(one.to_numpy(), other.to_numpy())
    for name in ("best_epoch", "epochs_run", "stopped_reason"):
        assert getattr(found[1], name) == getattr(expected[1], name)


class At(Progress):
    """Does something at one step."""

    def __init__(self, epoch, step, action):
        self.when, self.action = (epoch, step), action

    def step(self, epoch, step, loss):
        if (epoch, step) == self.when:
            self.action()


def send(number):
    return lambda: os.kill(os.getpid(), number)


def test_a_fit_learns_and_reports_every_epoch():
    model, fitted = run(dataclasses.replace(CONFIG, epochs=8, learning_rate=0.03))
    history = fitted.history
    assert list(history["epoch"]) == list(range(1, fitted.epochs_run + 1))
    assert history["validation_loss"].min() < 0.5
    assert history["validation_auc"].max() > 0.85
    assert fitted.best_epoch == history["validation_loss"].idxmin() + 1
    assert fitted.first_step_seconds > fitted.step_seconds > 0
    best = history["validation_loss"].min()
    validation = noisy_arrays(100, seed=2)
    found = measured(model(validation.x).numpy(), validation)
    assert found["validation_loss"] == pytest.approx(best, rel=1e-5)


def test_same_seed_same_result_and_another_order_another():
    expected = run()
    assert_same_run(run(), expected)
    other = run(dataclasses.replace(CONFIG, seed=1))
    assert not np.array_equal(other[0].get_weights()[0], expected[0].get_weights()[0])


@pytest.mark.parametrize(
    ("number", "jit_compile"), [(signal.SIGINT, True), (signal.SIGTERM, False)]
)
def test_a_signal_saves_after_the_step_and_the_rest_is_the_same(tmp_path, number, jit_compile):
    config = dataclasses.replace(CONFIG, jit_compile=jit_compile)
    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match="at epoch 2, step 3; resume") as raised:
        run(config, folder=tmp_path, progress=At(2, 3, send(number)))
    assert raised.value.checkpoint.is_file()
    assert signal.getsignal(number) is before
    resumed = run(config, folder=tmp_path, resume=True, model=small_model(seed=99))
    assert_same_run(resumed, run(config))


def test_every_cut_point_of_two_epochs_resumes_to_the_same(tmp_path):
    config = dataclasses.replace(CONFIG, epochs=2, batch_size=128)
    expected = run(config)
    for epoch, step in [(1, 1), (1, 2), (2, 1), (2, 2)]:
        folder = tmp_path / f"{epoch}-{step}"
        with pytest.raises(Interrupted):
            run(config, folder=folder, progress=At(epoch, step, send(signal.SIGINT)))
        assert_same_run(run(config, folder=folder, resume=True), expected)


def test_plateau_and_early_stopping_survive_a_restart(tmp_path):
    schedule = ScheduleConfig(
        kind="plateau", warmup_steps=0, plateau_patience_epochs=1, plateau_min_delta=10.0
    )
    config = dataclasses.replace(
        CONFIG, epochs=9, patience_epochs=3, min_delta=10.0, schedule=schedule
    )
    expected = run(config)
    assert expected[1].stopped_reason == "early stopping"
    assert (expected[1].epochs_run, expected[1].best_epoch) == (4, 1)
    rates = expected[1].history["learning_rate"].to_numpy() / config.learning_rate
    np.testing.assert_allclose(rates, [1.0, 1.0, 0.5, 0.25])
    with pytest.raises(Interrupted):
        run(config, folder=tmp_path, progress=At(3, 2, send(signal.SIGINT)))
    assert_same_run(run(config, folder=tmp_path, resume=True), expected)


def test_a_finished_run_is_restored_without_training(tmp_path):
    expected = run(folder=tmp_path)
    again = run(
        folder=tmp_path,
        resume=True,
        model=small_model(seed=5),
        progress=At(1, 1, lambda: pytest.fail("trained again")),
    )
    assert_same_run(again, expected)
    assert again[1].seconds == expected[1].seconds
    assert math.isnan(again[1].first_step_seconds)


def test_resume_without_a_checkpoint_starts_and_a_used_folder_is_refused(tmp_path):
    run(folder=tmp_path, resume=True)
    with pytest.raises(CheckpointError, match="another run's checkpoints"):
        run(folder=tmp_path)


def test_another_configuration_data_or_model_is_refused_by_name(tmp_path):
    run(dataclasses.replace(CONFIG, epochs=1), folder=tmp_path)
    with pytest.raises(CheckpointError, match=r"fit\.epochs was 1, is now 3"):
        run(folder=tmp_path, resume=True)
    one = dataclasses.replace(CONFIG, epochs=1)
    run(dataclasses.replace(one, checkpoint_every_seconds=5.0), folder=tmp_path, resume=True)
    with pytest.raises(CheckpointError, match=r"model\.config was"):
        run(one, folder=tmp_path, resume=True, model=small_model(dropout=0.3))
    with pytest.raises(CheckpointError, match=r"data\.train was"):
        fit(
            small_model(),
            noisy_arrays(seed=9),
            noisy_arrays(100, seed=2),
            one,
            checkpoint_folder=tmp_path,
            resume=True,
        )


def test_a_damaged_newest_checkpoint_falls_back_and_ends_the_same(tmp_path):
    config = dataclasses.replace(CONFIG, checkpoint_every_seconds=0.0)
    with pytest.raises(Interrupted) as raised:
        run(config, folder=tmp_path, progress=At(2, 4, send(signal.SIGINT)))
    newest = raised.value.checkpoint
    newest.write_bytes(newest.read_bytes()[:-100])
    said = []

    class Listener(Progress):
        def message(self, text):
            said.append(text)

    resumed = run(config, folder=tmp_path, resume=True, progress=Listener())
    assert_same_run(resumed, run(config))
    assert newest.name in said[0]
    assert "going back to the checkpoint before" in said[0]


def test_timing_a_fit_first_changes_nothing():
    model = small_model()
    before = copy_weights(model)
    compiled = time_fit(model, noisy_arrays(), noisy_arrays(100, seed=2), CONFIG)
    for name, values in copy_weights(model).items():
        np.testing.assert_array_equal(values, before[name])
    assert compiled.first_step_seconds > compiled.step_seconds > 0
    assert compiled.forward_seconds > 0
    assert_same_run(run(model=model, compiled=compiled), run())


def test_divergence_is_named():
    model = small_model()
    model.get_layer("hidden").kernel.assign(np.full((6, 8), np.inf))
    with pytest.raises(TrainingDivergedError, match=r"step 1 of epoch 1; lower fit\.learning_rate"):
        run(model=model)


def test_the_loss_is_binary_cross_entropy_with_keras_weights():
    draws = np.random.default_rng(0)
    logits = draws.normal(size=(16, 2)).astype(np.float32) * 30
    y = draws.integers(0, 2, size=(16, 2)).astype(np.float32)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    found = tf.reduce_mean(cross_entropy(y, logits)).numpy()
    assert found == pytest.approx(float(loss(y, logits)), rel=1e-6)
    weight = draws.uniform(size=16).astype(np.float32)
    arrays = Arrays(x=logits, y=y, weight=weight)
    inverse = [inverse_temperature(logits[:, h].astype(float), y[:, h], weight) for h in (0, 1)]
    calibrated = (logits * inverse).astype(np.float32)
    expected = float(loss(y, calibrated, sample_weight=weight)) * 16 / weight.sum()
    assert measured(logits, arrays)["validation_loss"] == pytest.approx(expected, rel=1e-5)


def test_validation_is_measured_at_the_temperature_that_suits_it_best():
    arrays = noisy_arrays(400, horizons=2)
    logits = arrays.x[:, :1] * np.float32(2.0) + np.zeros((400, 2), np.float32)
    found = measured(logits, arrays)
    # Nets that are too sure of themselves, or too little, rank alike and are judged alike.
    sure = measured(logits * np.float32([5.0, 0.3]), arrays)
    assert sure == pytest.approx(found, rel=1e-5)
    # Where it suits best, it is as low as any temperature makes it.
    for factor in (0.5, 0.9, 1.1, 2.0):
        plain = float(cross_entropy(arrays.y, logits * np.float32(factor)).numpy().mean())
        assert plain > found["validation_loss"] - 1e-6
    # Three classes are measured as they are.
    three = np.stack([-logits, np.zeros_like(logits), logits], axis=-1)
    built = build_loss(LossConfig(), HeadShapes(horizons=2, classes=3))
    flat = [
        validation_metrics(built, {"direction": one, "logits": logits}, arrays)["validation_loss"]
        for one in (three, 3 * three)
    ]
    assert flat[0] != pytest.approx(flat[1], rel=0.01)


def test_the_step_is_keras_adamw():
    arrays, config = noisy_arrays(32), dataclasses.replace(CONFIG, weight_decay=0.1)
    ours, theirs = small_model(dropout=0.0), small_model(dropout=0.0)
    step = TrainStep(ours, config)
    for _ in range(3):
        step(arrays.x, arrays.targets(), np.ones((32, 1), np.float32), 0.01)
    optimizer = keras.optimizers.AdamW(0.01, weight_decay=0.1, global_clipnorm=1.0)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    theirs.compile(optimizer, keras.losses.BinaryCrossentropy(from_logits=True))
    for _ in range(3):
        theirs.train_on_batch(arrays.x, arrays.y)
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("path", "decayed"),
    [
        ("dense/kernel", True),
        ("scale/kernel", True),
        ("stack/dense1_kernel", True),
        ("dense/bias", False),
        ("stack/norm1_scale", False),
        ("norm/gamma", False),
        ("norm/beta", False),
        ("stack/dense_2_bias", False),
        ("embedding/embeddings", True),
    ],
)
def test_norms_and_biases_are_spared_from_decay(path, decayed):
    assert is_decayed(path) is decayed


def test_class_weights_balance_and_keep_the_mean():
    arrays = Arrays(
        x=np.zeros((4, 1), np.float32),
        y=np.array([[1], [0], [0], [0]], np.float32),
        weight=np.array([1, 1, 2, 1], np.float32),
    )
    np.testing.assert_allclose(
        training_weight(arrays, class_weights=True)[:, 0], [2.0, 0.5, 1.0, 0.5]
    )
    np.testing.assert_allclose(
        training_weight(arrays, class_weights=False)[:, 0], [0.8, 0.8, 1.6, 0.8]
    )
    one_class = Arrays(x=arrays.x, y=np.ones((4, 1), np.float32))
    with pytest.raises(ValueError, match="horizon 0 lacks one"):
        training_weight(one_class, class_weights=True)


def test_the_order_is_a_permutation_of_its_own_for_each_epoch():
    orders = [epoch_order(50, seed=0, epoch=epoch) for epoch in (0, 1, 0)]
    assert sorted(orders[0]) == list(range(50))
    assert not np.array_equal(orders[0], orders[1])
    np.testing.assert_array_equal(orders[0], orders[2])


def test_several_horizons_and_named_inputs():
    arrays = noisy_arrays(100, horizons=3)
    named = Arrays(x={"features": arrays.x}, y=arrays.y)
    model = small_model(horizons=3)
    fitted = fit(
        model,
        named,
        named,
        dataclasses.replace(CONFIG, epochs=1, batch_size=999),
        checkpoint_folder=None,
    )
    assert fitted.epochs_run == 1
    with pytest.raises(ValueError, match=r"train: the model's inputs are \['features'\]"):
        fit(model, Arrays(x={"bars": arrays.x}, y=arrays.y), named, CONFIG, checkpoint_folder=None)


def test_shapes_are_checked_before_anything_is_traced():
    x, y = np.zeros((4, 6), np.float32), np.zeros((4, 1), np.float32)
    with pytest.raises(ValueError, match=r"y must have shape \(rows, horizons\), got \(4,\)"):
        Arrays(x=x, y=y[:, 0])
    with pytest.raises(ValueError, match="x has 3 rows but y has 4"):
        Arrays(x=x[:3], y=y)
    with pytest.raises(ValueError, match="x must be finite, row 2"):
        Arrays(x=np.where(np.arange(4)[:, None] == 2, np.nan, x).astype(np.float32), y=y)
    with pytest.raises(TypeError, match="float64"):
        Arrays(x=x.astype(np.float64), y=y)
    with pytest.raises(ValueError, match=r"y must lie in \[0.0, 1.0\], row 0"):
        Arrays(x=x, y=y + 2)
    with pytest.raises(ValueError, match=r"weight must have shape \(rows,\)"):
        Arrays(x=x, y=y, weight=y)
    good, wide = Arrays(x=x, y=y), Arrays(x=np.zeros((4, 7), np.float32), y=y)
    with pytest.raises(ValueError, match=r"validation: input 'features' must have shape"):
        fit(small_model(), good, wide, CONFIG, checkpoint_folder=None)
    with pytest.raises(ValueError, match="train: y has 1 horizons but the model 2"):
        fit(small_model(horizons=2), good, good, CONFIG, checkpoint_folder=None)
    with pytest.raises(ValueError, match="computes in float32"):
        fit(
            small_model(),
            good,
            good,
            dataclasses.replace(CONFIG, precision="mixed_bfloat16"),
            checkpoint_folder=None,
        )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("learning_rate", 0.0),
        ("optimizer", "adam"),
        ("clipping", "value"),
        ("global_clipnorm", -1.0),
        ("layer_clipnorm", 0.0),
        ("adaptive_clip", float("nan")),
        ("label_smoothing", 1.0),
        ("precision", "float64"),
        ("jit_compile", "yes"),
        ("seed", -1),
    ],
)
def test_bad_configuration_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=f"fit.{field}"):
        FitConfig(**{field: value})
