"""Fits on lazy windows and on several heads, with every kind of loss."""

import dataclasses
import os
import signal

import keras
import numpy as np
import pytest

from ultimate_deep.evaluation.measures.temperature import inverse_temperature
from ultimate_deep.machine import prefetch
from ultimate_deep.market.windows import Windows
from ultimate_deep.models.heads import Heads, prediction_heads
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.training.arrays import Arrays, training_weight
from ultimate_deep.training.loop.array_fit import check_arrays
from ultimate_deep.training.loop.fit import FitConfig, Interrupted, fit
from ultimate_deep.training.loop.fit_state import copy_weights
from ultimate_deep.training.losses.loss_config import LossConfig
from ultimate_deep.training.losses.outputs import HeadShapes
from ultimate_deep.training.progress import Progress

WINDOW, FEATURES = 4, 3
CONFIG = FitConfig(epochs=3, batch_size=32, learning_rate=0.05, jit_compile=False)


def window_arrays(rows=400, *, seed=1, horizons=1, flat=False):
    """Windows whose newest bar's first feature tells the sign of the next return."""
    draws = np.random.default_rng(seed)
    table = draws.normal(size=(rows + WINDOW, FEATURES)).astype(np.float32)
    table[0] = np.nan
    windows = Windows(table, np.arange(WINDOW, rows + WINDOW), WINDOW)
    scale = draws.uniform(0.005, 0.02, size=(rows, horizons)).astype(np.float32)
    noise = draws.normal(size=(rows, horizons)) * 0.5
    returns = (scale * (table[windows.ends, :1] + noise)).astype(np.float32)
    if flat:
        returns[::4] = 0.0
    y = (np.sign(returns) / 2 + 0.5).astype(np.float32)
    return Arrays(x=windows, y=y, returns=returns, return_scale=scale)


def small_model(heads=Heads(), *, seed=0):
    inputs = keras.Input((WINDOW, FEATURES), name="bars")
    x = keras.layers.Dropout(0.1, seed=2)(keras.layers.Flatten()(inputs))
    initializer = keras.initializers.GlorotUniform(seed=seed)
    x = keras.layers.Dense(8, activation="gelu", kernel_initializer=initializer)(x)
    return keras.Model(inputs, prediction_heads(heads, x, seed=seed), name="small")


def run(config=CONFIG, *, heads=Heads(), train=None, folder=None, flat=False, **options):
    train = train or window_arrays(horizons=heads.horizons, flat=flat)
    model = small_model(heads)
    validation = window_arrays(80, seed=2, horizons=heads.horizons, flat=flat)
    fitted = fit(model, train, validation, config, checkpoint_folder=folder, **options)
    return model, fitted


def assert_same(one, other):
    first, second = copy_weights(one[0]), copy_weights(other[0])
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name])
    columns = [name for name in one[1].history if name != "seconds"]
    np.testing.assert_array_equal(one[1].history[columns], other[1].history[columns])


def test_windows_give_the_bits_of_copied_arrays_with_and_without_a_second_thread(monkeypatch):
    lazy = window_arrays()
    copied = dataclasses.replace(lazy, x=lazy.x[:])
    expected = run(train=copied)
    assert_same(run(train=lazy), expected)
    monkeypatch.setattr(prefetch, "LEAST_BYTES", 0)
    assert_same(run(train=lazy), expected)
    assert expected[1].history["validation_auc"].iloc[-1] > 0.75


class CtrlC(Progress):
    def step(self, epoch, step, loss):
        if (epoch, step) == (2, 3):
            os.kill(os.getpid(), signal.SIGINT)


def test_a_prefetching_fit_of_all_heads_resumes_in_mid_epoch(tmp_path, monkeypatch):
    monkeypatch.setattr(prefetch, "LEAST_BYTES", 0)
    heads = Heads(horizons=2, quantiles=(0.1, 0.5, 0.9), variance=True)
    config = dataclasses.replace(CONFIG, loss=LossConfig(name="quantile"))
    expected = run(config, heads=heads)
    with pytest.raises(Interrupted, match="epoch 2, step 3"):
        run(config, heads=heads, folder=tmp_path, progress=CtrlC())
    assert_same(run(config, heads=heads, folder=tmp_path, resume=True), expected)


@pytest.mark.parametrize(
    ("heads", "loss"),
    [
        (Heads(), LossConfig(name="trading", cost_bps=1.0)),
        (Heads(classes=3), LossConfig(name="smoothed_cross_entropy")),
        (Heads(variance=True), LossConfig(name="uncertainty")),
        (Heads(classes=0, quantiles=(0.1, 0.5, 0.9)), LossConfig(name="quantile")),
        (
            Heads(horizons=2),
            LossConfig(name="multi_horizon", of="focal", horizon_weights=(3.0, 1.0)),
        ),
    ],
)
def test_every_loss_learns(heads, loss):
    config = dataclasses.replace(CONFIG, epochs=4, loss=loss, class_weights=heads.classes == 3)
    history = run(config, heads=heads, flat=True)[1].history
    assert history["validation_loss"].iloc[-1] < history["validation_loss"].iloc[0] - 0.005
    assert history["validation_auc"].iloc[-1] > 0.75


def test_validation_is_the_configured_loss_and_leaves_flat_labels_out():
    train, validation = window_arrays(flat=True), window_arrays(80, seed=2, flat=True)
    model = small_model()
    config = dataclasses.replace(CONFIG, epochs=1, label_smoothing=0.2)
    found = fit(model, train, validation, config, checkpoint_folder=None).history.iloc[0]
    moved = validation.y[:, 0] != 0.5
    assert 0 < moved.sum() < len(moved)
    logits = model(validation.x[:]).numpy()[moved]
    logits = logits * inverse_temperature(logits[:, 0].astype(float), validation.y[moved][:, 0])
    losses = keras.losses.binary_crossentropy(validation.y[moved], logits, from_logits=True)
    assert found["validation_loss"] == pytest.approx(float(np.mean(losses)), rel=1e-5)
    right = (logits > 0) == (validation.y[moved] > 0.5)
    assert found["validation_accuracy"] == pytest.approx(right.mean())
    flat = dataclasses.replace(validation, y=np.full_like(validation.y, 0.5))
    with pytest.raises(ValueError, match=r"every validation label that has weight is flat"):
        fit(model, train, flat, config, checkpoint_folder=None)


def test_each_epoch_is_handed_on_before_its_checkpoint(tmp_path):
    seen = []

    def remember(epoch, model):
        seen.append((epoch, model.get_weights()))
        assert len(list(tmp_path.glob("*.ckpt"))) == min(epoch - 1, 2)

    config = dataclasses.replace(CONFIG, checkpoint_every_epochs=1, checkpoint_every_seconds=1e6)
    model, fitted = run(config, folder=tmp_path, on_epoch=remember)
    assert [epoch for epoch, _ in seen] == [1, 2, 3]
    for kept, best in zip(seen[fitted.best_epoch - 1][1], model.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, best)
    assert not np.array_equal(seen[0][1][0], seen[2][1][0])


def test_only_bars_that_a_window_covers_must_be_finite():
    arrays = window_arrays()
    table = arrays.x.table.copy()
    table[50, 1] = np.inf
    with pytest.raises(ValueError, match=r"x must be finite, bar 50 .* window of row 46"):
        dataclasses.replace(arrays, x=Windows(table, arrays.x.ends, WINDOW))
    away = np.flatnonzero((arrays.x.ends < 50) | (arrays.x.ends >= 50 + WINDOW))
    kept = Windows(table, arrays.x.ends[away], WINDOW)
    clean = Windows(arrays.x.table, arrays.x.ends[away], WINDOW)

    def fingerprint(windows):
        return Arrays(x=windows, y=arrays.y[away]).fingerprint()

    assert fingerprint(kept) == fingerprint(clean)
    assert fingerprint(clean) != fingerprint(Windows(table, kept.ends - 1, WINDOW - 1))
    table[10] += 1
    assert fingerprint(kept) != fingerprint(clean)


def test_targets_are_checked():
    arrays = window_arrays()
    with pytest.raises(ValueError, match="returns must have the shape of y"):
        dataclasses.replace(arrays, returns=np.zeros((400, 2), np.float32))
    with pytest.raises(ValueError, match="return_scale must lie in"):
        dataclasses.replace(arrays, return_scale=np.zeros((400, 1), np.float32))
    with pytest.raises(ValueError, match="inputs may not be called"):
        Arrays(x={"returns": arrays.x}, y=arrays.y)
    with pytest.raises(TypeError, match="x must be a float32 NumPy array, got list"):
        Arrays(x=[[1.0]], y=arrays.y)
    labels_alone = Arrays(x=arrays.x, y=arrays.y)
    config = dataclasses.replace(CONFIG, loss=LossConfig(name="trading"))
    with pytest.raises(ValueError, match=r"train: the loss compares .* returns and return_scale"):
        run(config, train=labels_alone)
    with pytest.raises(ValueError, match=r"would leave the model's log_variance untrained"):
        run(heads=Heads(variance=True))


def test_heads_are_found_in_the_model():
    heads = Heads(horizons=2, classes=3, quantiles=(0.25, 0.5, 0.75))
    found = check_arrays(small_model(heads), window_arrays(horizons=2), "train")
    assert found == HeadShapes(horizons=2, classes=3, levels=3)
    with pytest.raises(ValueError, match="train: y has 1 horizons but the model 2"):
        check_arrays(small_model(heads), window_arrays(), "train")


def test_three_classes_get_a_third_each():
    arrays = window_arrays(flat=True)
    weight = training_weight(arrays, class_weights=True, classes=3)
    shares = [weight[arrays.y == label].sum() / len(weight) for label in (0.0, 0.5, 1.0)]
    np.testing.assert_allclose(shares, 1 / 3, rtol=1e-5)
    with pytest.raises(ValueError, match="all three classes, horizon 0 lacks one"):
        training_weight(window_arrays(), class_weights=True, classes=3)


def test_the_loss_is_an_option_of_every_experiment_and_survives_json():
    from ultimate_deep.commands.settings import experiment_from
    from ultimate_deep.pipeline.config import config_from_dict

    options = ["--fit.loss.name", "multi_horizon", "--fit.loss.horizon_weights", "[1.0, 2.0]"]
    config = experiment_from([*options, "--fit.loss.of", "focal"])
    assert isinstance(config, ExperimentConfig)
    assert config.fit.loss == LossConfig(
        name="multi_horizon", of="focal", horizon_weights=(1.0, 2.0)
    )
    assert config_from_dict(config.to_dict()).fit.loss == config.fit.loss
    with pytest.raises(ValueError, match=r"fit\.label_smoothing smooths plain cross_entropy"):
        FitConfig(label_smoothing=0.1, loss=LossConfig(name="focal"))
