"""Augmentations: what each changes, what it leaves, and that a planted signal survives it."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from ultimate_deep.models.heads import Heads, prediction_heads
from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.augmentation.augmentation import (
    build_augmentation,
    change_of,
)
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.fit import fit
from ultimate_deep.training.losses.loss_config import LossConfig
from ultimate_deep.training.participant import StepTensors
from ultimate_deep.training.settings.augmentations import AUGMENTATIONS

ROWS, BARS, FEATURES = 64, 20, 5


def tensors(*, windows=True, rows=ROWS, seed=0):
    draws = np.random.default_rng(seed)
    shape = (rows, BARS, FEATURES) if windows else (rows, FEATURES)
    x = draws.normal(size=shape).astype(np.float32)
    y = (draws.random((rows, 1)) < 0.5).astype(np.float32)
    weight = draws.uniform(0.5, 2.0, (rows, 1)).astype(np.float32)
    return StepTensors(tf.constant(x), {"y": tf.constant(y)}, tf.constant(weight))


@functools.cache
def compiled(name, strength):
    source = keras.random.SeedGenerator(0)
    run = tf.function(
        lambda *parts: change_of(name)(StepTensors(*parts), strength, source), jit_compile=True
    )
    return run, source


def changed(name, given, strength=None, *, seed=1):
    """Apply one augmentation as the compiled step does, from the first draw of a seed."""
    run, source = compiled(name, AUGMENTATIONS[name].default if strength is None else strength)
    source.state.assign(keras.random.SeedGenerator(seed).state)
    found = run(*given)
    return StepTensors(found.x.numpy(), {k: v.numpy() for k, v in found.targets.items()},
                       found.weight.numpy())  # fmt: skip


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_each_changes_the_batch_by_its_seed_alone_and_keeps_its_form(name):
    given = tensors()
    one, again = changed(name, given), changed(name, given)
    other = changed(name, given, seed=2)
    np.testing.assert_array_equal(one.x, again.x)
    assert np.abs(one.x - other.x).max() > 1e-3
    assert np.abs(one.x - given.x.numpy()).max() > 1e-3
    assert one.x.shape == given.x.shape
    assert one.x.dtype == np.float32
    assert np.isfinite(one.x).all()
    if not AUGMENTATIONS[name].mixes:
        np.testing.assert_array_equal(one.targets["y"], given.targets["y"].numpy())
        np.testing.assert_array_equal(one.weight, given.weight.numpy())


@pytest.mark.parametrize("name", [name for name, of in AUGMENTATIONS.items() if of.windows])
def test_the_last_bar_of_a_window_stays_last_and_no_bar_sees_a_later_one(name):
    given = tensors()
    found = changed(name, given, 0.5)
    if name != "magnitude_warp":
        np.testing.assert_allclose(found.x[:, -1], given.x.numpy()[:, -1], atol=1e-5)
    # Nothing reads beyond the window's end, and a window without motion has none afterwards.
    still = StepTensors(tf.ones_like(given.x), given.targets, given.weight)
    if name != "magnitude_warp":
        np.testing.assert_allclose(changed(name, still, 0.5).x, 1.0, rtol=1e-6)
    rows = given._replace(x=tf.constant(given.x.numpy()[:, -1]))
    np.testing.assert_array_equal(changed(name, rows, 0.5).x, rows.x.numpy())


def test_bent_time_reads_between_bars_and_runs_forward():
    ramp = np.tile(np.arange(BARS, dtype=np.float32)[None, :, None], (ROWS, 1, 1))
    given = tensors()._replace(x=tf.constant(ramp))
    warped = changed("time_warp", given, 0.8).x[..., 0]
    assert (np.diff(warped, axis=1) >= 0).all()
    np.testing.assert_allclose(warped[:, 0], 0.0, atol=1e-5)
    sliced = changed("window_slice", given, 0.5).x[..., 0]
    steps = np.diff(sliced, axis=1)
    np.testing.assert_allclose(steps, np.broadcast_to(steps[:, :1], steps.shape), atol=1e-4)
    assert 0.0 < sliced[:, 0].min() < sliced[:, 0].max() <= 0.5 * (BARS - 1)


def test_noise_is_as_large_as_it_says():
    given = tensors(rows=2_000)
    x = given.x.numpy()
    assert (changed("jitter", given, 0.2).x - x).std() == pytest.approx(0.2, rel=0.02)
    ratio = changed("scaling", given, 0.2).x / x
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:, :1], ratio.shape), rtol=1e-3)
    assert ratio[:, 0].std() == pytest.approx(0.2, rel=0.05)
    curves = changed("magnitude_warp", given, 0.2).x / x
    assert curves[:, 0].std() == pytest.approx(0.2, rel=0.05)
    dropped = changed("feature_dropout", given, 0.25).x
    gone = (dropped == 0).all(axis=1)
    assert gone.mean() == pytest.approx(0.25, abs=0.02)
    kept = np.broadcast_to(~gone[:, None], x.shape)
    np.testing.assert_allclose(dropped[kept], x[kept] / 0.75, rtol=1e-5)


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_mixed_labels_cost_what_both_cost_by_their_share(name):
    given = tensors(rows=500, windows=name == "mixup")
    found = changed(name, given, 1.0)
    x, y, w = given.x.numpy(), given.targets["y"].numpy(), given.weight.numpy()
    near, ny, nw = (np.roll(one, 1, axis=0) for one in (x, y, w))
    if name == "mixup":
        share = ((found.x - near) / (x - near))[:, 0, :1]
        assert np.quantile(share, [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.08)
    else:
        mine = found.x == x
        assert (mine | (found.x == near)).all()
        share = mine.mean(axis=1, keepdims=True)
    for p in (0.2, 0.7):

        def cost(label, weight, at=p):
            return -weight * (label * np.log(at) + (1 - label) * np.log(1 - at))

        expected = share * cost(y, w) + (1 - share) * cost(ny, nw)
        np.testing.assert_allclose(cost(found.targets["y"], found.weight), expected, atol=2e-3)


def small_net(*, windows):
    shape = (BARS, FEATURES) if windows else (FEATURES,)
    inputs = keras.Input(shape, name="features")
    x = keras.layers.Flatten()(inputs) if windows else inputs
    return keras.Model(inputs, keras.layers.Dense(1, name="logits")(x))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_a_planted_signal_survives_each_at_its_default_strength(name):
    draws = np.random.default_rng(0)

    def planted(rows):
        x = draws.normal(size=(rows, BARS, FEATURES)).astype(np.float32)
        x = np.cumsum(x, axis=1) / np.sqrt(np.arange(1, BARS + 1))[:, None].astype(np.float32)
        # Along the whole window, where warps bend time and size.
        chance = 1 / (1 + np.exp(-4.0 * x[:, :, 0].mean(axis=1)))
        y = (draws.random(rows) < chance).astype(np.float32)[:, None]
        return Arrays(x=x, y=y)

    train, validation = planted(2_048), planted(1_000)
    aucs = []
    for strengths in ({}, {name: AUGMENTATIONS[name].default}):
        keras.utils.set_random_seed(0)
        config = FitConfig(epochs=4, learning_rate=0.02, augmentations=strengths, jit_compile=False)
        found = fit(small_net(windows=True), train, validation, config, checkpoint_folder=None)
        aucs.append(found.history["validation_auc"].max())
    assert aucs[0] > 0.8
    assert aucs[1] > aucs[0] - 0.02


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_every_input_is_changed_but_the_time_of_a_row(name):
    given, clock = tensors(rows=8), tf.constant([[20_000.0, 3_600.0]] * 8)
    x = {"bars": given.x, "clock": clock, "place": tf.ones((8, 1), "int32")}
    source = keras.random.SeedGenerator(1)
    strength = AUGMENTATIONS[name].default
    found = change_of(name)(given._replace(x=x), strength, source).x
    assert np.abs(found["bars"] - given.x).max() > 1e-3
    np.testing.assert_array_equal(found["clock"], clock)
    np.testing.assert_array_equal(found["place"], x["place"])


def test_rows_of_several_times_are_not_mixed_beside_a_clock():
    inputs = {"bars": keras.Input((BARS, 2), name="bars"), "clock": keras.Input((2,), name="clock")}
    flat = keras.layers.Flatten()(inputs["bars"])
    net = keras.Model(inputs, keras.layers.Dense(1, name="logits")(flat))
    with pytest.raises(ValueError, match=r"what is known at a row.s own \(clock\)"):
        build_augmentation(FitConfig(augmentations={"mixup": 0.2}), net)
    assert build_augmentation(FitConfig(augmentations={"jitter": 0.2}), net) is not None


def test_unknown_names_and_strengths_and_models_that_do_not_suit_are_refused():
    with pytest.raises(ValueError, match="no 'jiter'; did you mean 'jitter'"):
        FitConfig(augmentations={"jiter": 0.1})
    with pytest.raises(ValueError, match=r"above 0 and at most 0.9, got 1.0; 0.1 is usual"):
        FitConfig(augmentations={"feature_dropout": 1.0})
    net = small_net(windows=False)
    with pytest.raises(ValueError, match="changes windows of bars, the model reads none"):
        build_augmentation(FitConfig(augmentations={"time_warp": 0.2}), net)
    inputs = keras.Input((FEATURES,), name="features")
    heads = prediction_heads(Heads(horizons=1, classes=3), inputs, seed=0)
    three = keras.Model(inputs, heads)
    with pytest.raises(ValueError, match="mixes labels of up and down"):
        build_augmentation(FitConfig(augmentations={"mixup": 0.2}), three)
    trading = FitConfig(augmentations={"mixup": 0.2}, loss=LossConfig(name="trading"))
    with pytest.raises(ValueError, match="mixes labels of up and down"):
        build_augmentation(trading, net)
