"""Batch sizes that change as training goes on, and the noise that they may follow."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.batches.batch_sizes import BatchSizes
from ultimate_deep.training.batches.noise import NoiseScale
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.fit import fit
from ultimate_deep.training.optimizers.build import build_optimizer
from ultimate_deep.training.participant import FitOutline, StepGradients, StepTensors
from ultimate_deep.training.settings.gradients import GradientsConfig

ROWS = 1_000


def net():
    inputs = keras.Input((2,), name="features")
    return keras.Model(inputs, keras.layers.Dense(1, name="logits")(inputs))


def begun(by, epochs=8, sizes=(512, 256, 128, 64)):
    found = BatchSizes(net(), sizes, by, 2, 0.0)
    found.begin(
        FitOutline(
            model=None, inputs={}, targets={}, rows=ROWS, batch_size=512, steps_per_epoch=1,
            epochs=epochs,
        )
    )  # fmt: skip
    return found


def sizes_of(found, losses):
    rows, seen = np.arange(ROWS)[:512].reshape(1, 512), []
    for epoch, loss in enumerate(losses, start=1):
        chosen = found.order(epoch, rows)
        assert len(np.unique(chosen)) == chosen.size
        seen.append(chosen.shape[1])
        found.after_epoch(epoch, {"validation_loss": loss})
    return seen


def test_each_size_has_its_share_of_the_epochs():
    assert sizes_of(begun("epoch"), [1.0] * 8) == [512, 512, 256, 256, 128, 128, 64, 64]
    assert sizes_of(begun("epoch", epochs=2), [1.0] * 3) == [512, 128, 64]


def test_the_next_size_waits_for_the_loss_to_stall():
    losses = [1.0, 0.9, 0.95, 0.95, 0.8, 0.9, 0.9, 0.9, 0.9, 0.9]
    assert sizes_of(begun("plateau"), losses) == [512] * 4 + [256] * 3 + [128] * 2 + [64]


def test_noise_is_measured_from_halves():
    """Gradients of one weight with a known mean and a known variance of each row."""
    draws = np.random.default_rng(0)
    model = net()
    noise, rows, mean, deviation = NoiseScale(model), 64, 0.5, 2.0
    for _ in range(400):
        x = tf.constant(draws.normal(mean, deviation, (rows, 1)).astype(np.float32))

        def compute(tensors):
            one = tf.reduce_mean(tensors.x)
            kernel = tf.reshape(tf.stack([one, one * 0.0]), (2, 1))
            return StepGradients(one, one * 0.0, [kernel, tf.zeros(1)], one[None])

        found = noise.gradients(StepTensors(x, {}, tf.ones((rows, 1))), compute)
        assert float(found.gradients[0][0, 0]) == pytest.approx(float(x.numpy().mean()), abs=1e-5)
    assert noise.rows == pytest.approx(deviation**2 / mean**2, rel=0.5)
    noise.reset()
    assert noise.rows == float("inf")


def test_the_size_next_to_the_noise_is_taken():
    found = begun("noise")
    for scale, size in ((1e9, 512), (90.0, 64), (92.0, 128), (300.0, 256), (1.0, 64)):
        found._noise.noise.assign(scale)
        found._noise.signal.assign(1.0)
        assert sizes_of(found, [1.0, 1.0])[1] == size


def test_a_fit_goes_through_its_sizes_and_its_rate_spans_all_of_them():
    draws = np.random.default_rng(1)
    x = draws.normal(size=(160, 2)).astype(np.float32)
    arrays = Arrays(x=x, y=(x[:, :1] > 0).astype(np.float32))
    config = FitConfig(epochs=4, batch_size_schedule=(32, 8), patience_epochs=0, batch_size=64)
    found = fit(net(), arrays, arrays, config, checkpoint_folder=None)
    rates = found.history["learning_rate"].to_numpy()
    assert (np.diff(rates) < 0).all()
    assert config.rows_of_step == 32
    assert build_optimizer(net(), config).iterations.numpy() == 0


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        (r"batch_size_schedule must be whole numbers from 1", {"batch_size_schedule": (8, 0)}),
        ("batch_size_by must be left out", {"batch_size_by": "plateau"}),
        (
            "that 8 parts divide, got",
            {
                "batch_size_schedule": (32, 12),
                "batch_size_by": "noise",
                "gradients": GradientsConfig(micro_batches=4),
            },
        ),
        ("planned_epochs must be from 1 to the 12 epochs", {"planned_epochs": 13, "epochs": 12}),
        ("planned_epochs must be from 1", {"planned_epochs": 0}),
    ],
)
def test_bad_settings_are_refused_by_name(said, fields):
    with pytest.raises(ValueError, match=said):
        FitConfig(**fields)


def test_a_planned_end_beyond_the_usual_epochs_counts_where_no_other_is_set():
    config = FitConfig(planned_epochs=20)
    assert (config.most_epochs, config.course_epochs) == (20, 20)
    assert config.filled(epochs=16).most_epochs == 20
    assert config.filled(epochs=40).most_epochs == 40
