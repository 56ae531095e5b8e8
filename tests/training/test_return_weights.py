"""Labels that weigh by the size of their return: the definition, who reads it, what is refused."""

import dataclasses
import os
import signal

import keras
import numpy as np
import pytest

from ultimate_deep.evaluation.measures.temperature import inverse_temperature
from ultimate_deep.pipeline.config import ExperimentConfig, HeadConfig
from ultimate_deep.training.arrays import Arrays, training_weight
from ultimate_deep.training.batches.batches import Batches
from ultimate_deep.training.batches.window_dataset import WindowDataset
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.checkpoint import CheckpointError
from ultimate_deep.training.loop.compiled import training_batches
from ultimate_deep.training.loop.fit import Interrupted, fit
from ultimate_deep.training.losses.loss_config import LossConfig
from ultimate_deep.training.progress import Progress

CONFIG = FitConfig(
    epochs=3, batch_size=64, learning_rate=0.05, jit_compile=False, return_weights=2.0
)


def sized(rows=300, *, horizons=1, seed=0, weight=False):
    """Returns of very different size, each column with a usual size of its own."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(rows, 4)).astype(np.float32)
    scale = draw.uniform(0.5, 2.0, (rows, horizons)) * 0.01 * np.sqrt(np.arange(1, horizons + 1))
    returns = scale * draw.standard_t(3, size=(rows, horizons)) + 0.01 * x[:, :1]
    return Arrays(
        x=x,
        y=(returns > 0).astype(np.float32),
        returns=returns.astype(np.float32),
        return_scale=scale.astype(np.float32),
        weight=draw.uniform(0.5, 2.0, rows).astype(np.float32) if weight else None,
    )


def by_hand(arrays, largest):
    """As plain loops say it."""
    weight = np.zeros(arrays.y.shape)
    for row in range(arrays.rows):
        for horizon in range(arrays.horizons):
            size = abs(
                float(arrays.returns[row, horizon]) / float(arrays.return_scale[row, horizon])
            )
            of_row = 1.0 if arrays.weight is None else float(arrays.weight[row])
            weight[row, horizon] = of_row * min(size, largest)
    return weight / weight.mean(axis=0)


@pytest.mark.parametrize("weight", [False, True])
@pytest.mark.parametrize("largest", [0.5, 3.0])
def test_a_label_weighs_as_many_usual_sizes_as_its_return_has(largest, weight):
    arrays = sized(horizons=3, weight=weight)
    found = training_weight(arrays, class_weights=False, return_weights=largest)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, by_hand(arrays, largest), rtol=1e-6)
    np.testing.assert_allclose(found.mean(axis=0), 1.0, rtol=1e-5)
    # The largest are cut off: in units of the mean, all that reach it weigh the same.
    cut = np.abs(arrays.returns / arrays.return_scale) > 1.001 * largest
    assert cut.any()
    if not weight:
        assert [len(np.unique(found[cut[:, one], one])) for one in range(3)] == [1, 1, 1]


def test_classes_share_what_returns_leave_them():
    arrays = sized()
    found = training_weight(arrays, class_weights=True, return_weights=3.0)[:, 0]
    up = arrays.y[:, 0] > 0.5
    assert found[up].sum() == pytest.approx(found[~up].sum(), rel=1e-5)
    inside = by_hand(arrays, 3.0)[:, 0]
    for side in (up, ~up):
        ratio = found[side & (inside > 0)] / inside[side & (inside > 0)]
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-5)


def test_what_has_no_size_is_refused_and_the_remedy_works():
    arrays = sized(horizons=2)
    for lacking in ("returns", "return_scale"):
        without = dataclasses.replace(arrays, **{lacking: None})
        with pytest.raises(ValueError, match=r"give returns and return_scale, or leave fit\."):
            training_weight(without, class_weights=False, return_weights=3.0)
    still = arrays.returns.copy()
    still[:, 1] = 0.0
    still = dataclasses.replace(arrays, returns=still)
    with pytest.raises(ValueError, match="not zero in horizon 1, got zeros in all rows"):
        training_weight(still, class_weights=False, return_weights=3.0)
    # A row that moves and weighs nothing does not help.
    moving, weight = np.zeros_like(arrays.returns), np.ones(arrays.rows, np.float32)
    moving[0], weight[0] = 0.01, 0.0
    moving = dataclasses.replace(arrays, returns=moving, weight=weight)
    with pytest.raises(ValueError, match="not zero in horizon 0"):
        training_weight(moving, class_weights=False, return_weights=3.0)
    for one in (still, moving):
        assert np.isfinite(training_weight(one, class_weights=False)).all()


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"return_weights": -1.0}, "return_weights must be at least 0 and finite, got -1.0"),
        (
            {"return_weights": float("inf")},
            "return_weights must be a finite number or None, got inf",
        ),
        ({"return_weights": "3"}, "return_weights must be a number or None, got '3'"),
        ({"loss": LossConfig(name="trading")}, "with trading, which reads returns itself"),
        ({"loss": LossConfig(name="quantile")}, "with quantile, which reads returns itself"),
        (
            {"loss": LossConfig(name="multi_horizon", of="trading", horizon_weights=(1.0,))},
            "trading",
        ),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, match):
    with pytest.raises((TypeError, ValueError), match=match):
        FitConfig(**({"return_weights": 3.0} | settings))


def test_heads_of_quantiles_refuse_it_and_other_heads_take_it():
    fit = FitConfig(return_weights=3.0)
    with pytest.raises(ValueError, match=r"leave fit\.return_weights out, or .* heads\.quantiles"):
        ExperimentConfig(heads=HeadConfig(quantiles=(0.1, 0.5, 0.9)), fit=fit)
    for heads in (
        HeadConfig(variance=True),
        HeadConfig(classes=3),
        HeadConfig(further_horizons=(4,)),
    ):
        assert ExperimentConfig(heads=heads, fit=fit).fit.return_weights == 3.0
    assert FitConfig(return_weights=2.0, loss=LossConfig(name="focal")).return_weights == 2.0


def net(dtype="float32"):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4,), name="features")
    x = keras.layers.Dropout(0.1, seed=3)(keras.layers.Dense(8, activation="gelu")(inputs))
    return keras.Model(inputs, keras.layers.Dense(1)(x))


def run(config=CONFIG, train=None, **options):
    model = net()
    train = train or sized()
    options = {"checkpoint_folder": None} | options
    fitted = fit(model, train, sized(100, seed=1), config, **options)
    return model.get_weights(), fitted.history.drop(columns="seconds")


def assert_same(one, other):
    np.testing.assert_array_equal(one[1].to_numpy(), other[1].to_numpy())
    for mine, theirs in zip(one[0], other[0], strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_nets_learn_by_the_weights_and_are_measured_without_them():
    weights, history = run()
    explicit = sized()
    rows = training_weight(explicit, class_weights=False, return_weights=2.0)[:, 0]
    explicit = dataclasses.replace(explicit, weight=rows)
    expected = run(dataclasses.replace(CONFIG, return_weights=0.0), explicit)
    for mine, theirs in zip(weights, expected[0], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-4)
    plain = run(dataclasses.replace(CONFIG, return_weights=0.0))
    assert np.abs(weights[0] - plain[0][0]).max() > 1e-2
    # Measured by hand, every validation row alike, with the weights of the best epoch.
    model, measured = net(), sized(100, seed=1)
    model.set_weights(weights)
    logits = model(measured.x).numpy().astype(np.float64)
    logits *= inverse_temperature(logits[:, 0], measured.y[:, 0])
    losses = np.logaddexp(0.0, np.where(measured.y > 0.5, -logits, logits))
    assert history["validation_loss"].min() == pytest.approx(float(losses.mean()), rel=1e-5)


class CtrlC(Progress):
    def step(self, epoch, step, loss):
        if (epoch, step) == (2, 2):
            os.kill(os.getpid(), signal.SIGINT)


def test_a_stopped_fit_goes_on_to_the_same_bits_and_with_the_same_weights_alone(tmp_path):
    expected = run()
    with pytest.raises(Interrupted):
        run(checkpoint_folder=tmp_path, progress=CtrlC())
    other = dataclasses.replace(CONFIG, return_weights=3.0)
    with pytest.raises(CheckpointError, match=r"fit\.return_weights was 2\.0, is now 3\.0"):
        run(other, checkpoint_folder=tmp_path, resume=True)
    assert_same(run(checkpoint_folder=tmp_path, resume=True), expected)


def test_batches_of_plain_keras_carry_the_weights_of_one_horizon():
    batches = Batches(arrays=sized(), batch_size=50, seed=3, return_weights=3.0)
    dataset = WindowDataset(batches)
    rows = next(iter(batches.rows(0)))
    weight = np.asarray(dataset[0][2]).ravel()
    np.testing.assert_allclose(weight, by_hand(batches.arrays, 3.0)[rows, 0], rtol=1e-6)
    several = Batches(arrays=sized(horizons=2), batch_size=50, return_weights=3.0)
    with pytest.raises(ValueError, match="weights of 2 horizons differ by label"):
        WindowDataset(several)


def test_a_fit_s_own_batches_carry_them_for_every_horizon():
    arrays = sized(horizons=2)
    inputs = keras.Input((4,), name="features")
    model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    batches = training_batches(model, arrays, CONFIG)
    np.testing.assert_allclose(batches.weight, by_hand(arrays, 2.0), rtol=1e-6)
