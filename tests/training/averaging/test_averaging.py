"""Averages of weights against sums in NumPy, and what they leave as it was."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.averaging.ema import MovingAverage
from ultimate_deep.training.averaging.lookahead import Lookahead
from ultimate_deep.training.averaging.swapping import Statistics, swapped
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.fit import fit
from ultimate_deep.training.participant import FitOutline
from ultimate_deep.training.progress import Progress
from ultimate_deep.training.schedules.config import ScheduleConfig
from ultimate_deep.training.settings.averaging import AveragingConfig

STEPS = 12


def net():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3,), name="features")
    x = keras.layers.BatchNormalization(momentum=0.9)(inputs)
    x = keras.layers.Dropout(0.3, seed=1)(x)
    return keras.Model(inputs, keras.layers.Dense(1, name="logits")(x))


def some_arrays(rows, seed):
    draws = np.random.default_rng(seed)
    x = (2.0 + 3.0 * draws.normal(size=(rows, 3))).astype(np.float32)
    y = (x[:, :1] - 2.0 + draws.normal(size=(rows, 1)) > 0).astype(np.float32)
    return Arrays(x=x, y=y)


def outline(model, arrays, batch=16):
    return FitOutline(
        model=model,
        inputs=arrays.inputs(),
        targets=arrays.targets(),
        rows=arrays.rows,
        batch_size=batch,
        steps_per_epoch=arrays.rows // batch,
        epochs=4,
    )


def walk(model, participant, arrays):
    """Give the weights other values step by step; return the values before and after each."""
    draws, path = np.random.default_rng(3), [model.get_weights()]
    participant.begin(outline(model, arrays))
    for step in range(1, STEPS + 1):
        now = [w + draws.normal(size=w.shape).astype(np.float32) for w in model.get_weights()]
        model.set_weights(now)
        participant.after_step(1, step, 0.5)
        path.append((now, model.get_weights()))
    return path


def test_a_moving_average_is_that_of_numpy_and_validation_alone_sees_it():
    model, arrays = net(), some_arrays(48, 0)
    average = MovingAverage(model, 0.8)
    first, *path = walk(model, average, arrays)
    expected = [w.astype(np.float64) for w in first]
    for step, (now, _) in enumerate(path, start=1):
        kept = min(0.8, (1 + step) / (10 + step))
        expected = [kept * e + (1 - kept) * w for e, w in zip(expected, now, strict=True)]
    trained = model.get_weights()
    found = {}

    def judged():
        with average.validating():
            found.update({v.path: v.numpy() for v in model.variables})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        judged()
    for weight, value, kept in zip(model.weights, expected, trained, strict=True):
        np.testing.assert_allclose(found[weight.path], value, rtol=1e-5)
        np.testing.assert_array_equal(weight.numpy(), kept)


def test_lookahead_moves_between_slow_and_fast_weights():
    model, arrays = net(), some_arrays(48, 0)
    ahead = Lookahead(model, 5, 0.3)
    trained = [i for i, w in enumerate(model.weights) if w.trainable]
    first, *path = walk(model, ahead, arrays)
    slow = [first[i] for i in trained]
    for step, (now, after) in enumerate(path, start=1):
        fast = [now[i] for i in trained]
        if step % 5 == 0:
            slow = [s + np.float32(0.3) * (f - s) for s, f in zip(slow, fast, strict=True)]
            fast = slow
        for i, value in zip(trained, fast, strict=True):
            np.testing.assert_allclose(after[i], value, rtol=1e-6)
    with ahead.validating():
        for weight, value in zip(model.trainable_variables, slow, strict=True):
            np.testing.assert_allclose(weight.numpy(), value, rtol=1e-6)


def test_statistics_anew_are_means_over_batches_and_leave_no_trace():
    model, arrays = net(), some_arrays(64, 1)
    kept = [v.numpy() for v in model.variables]
    with Statistics(model).anew(outline(model, arrays)):
        mean, variance = (v.numpy() for v in model.layers[1].non_trainable_variables)
    # Rows are those of shuffled batches, as in training.
    batches = arrays.x[np.random.default_rng(0).permutation(64)].reshape(4, 16, 3)
    np.testing.assert_allclose(mean, batches.mean(axis=1).mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(variance, batches.var(axis=1).mean(axis=0), rtol=1e-4)
    for variable, value in zip(model.variables, kept, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_statistics_of_rows_that_drift_are_those_of_all_rows():
    inputs = keras.Input((1,), name="features")
    norm = keras.layers.BatchNormalization(momentum=0.9)
    model = keras.Model(inputs, keras.layers.Dense(1, name="logits")(norm(inputs)))
    x = np.linspace(-3, 3, 640, dtype=np.float32)[:, None]
    arrays = Arrays(x=x, y=(x > 0).astype(np.float32))
    with Statistics(model).anew(outline(model, arrays, batch=32)):
        assert float(norm.moving_variance.numpy()[0]) == pytest.approx(x.var(), rel=0.1)


def test_statistics_behind_frozen_layers_are_those_of_what_they_give():
    inputs = keras.Input((3,), name="features")
    frozen = keras.layers.Dense(4, name="frozen", bias_initializer="ones")
    norm = keras.layers.BatchNormalization(momentum=0.9)
    model = keras.Model(inputs, keras.layers.Dense(1, name="logits")(norm(frozen(inputs))))
    frozen.trainable = False
    arrays, kernel = some_arrays(64, 1), frozen.kernel.numpy()
    with Statistics(model).anew(outline(model, arrays)):
        mean = norm.moving_mean.numpy()
        np.testing.assert_array_equal(frozen.kernel.numpy(), kernel)
    np.testing.assert_allclose(mean, frozen(arrays.x).numpy().mean(axis=0), rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("ema_decay", 0.9, "kind is 'none'"), ("swa_start_share", 0.5, "kind is 'none'"),
     ("lookahead_share", 0.3, "lookahead_steps is 0")],
)  # fmt: skip
def test_what_nothing_reads_is_refused(name, value, said):
    with pytest.raises(ValueError, match=f"fit.averaging.{name} must be left out where {said}"):
        AveragingConfig(**{name: value})


def test_an_optimizer_that_averages_takes_no_other_average():
    schedule = ScheduleConfig(kind="constant")
    for averaging in (AveragingConfig(kind="ema"), AveragingConfig(lookahead_steps=5)):
        with pytest.raises(ValueError, match="schedule_free averages its weights itself"):
            FitConfig(optimizer="schedule_free", schedule=schedule, averaging=averaging)


class Walk(keras.layers.Layer):
    """Nothing to learn but one weight whose gradient is the mean of its input."""

    def build(self, shape):
        self.w = self.add_weight(shape=(1,), initializer="zeros", name="kernel")

    def call(self, x):
        return x[:, :1] * self.w


def test_swa_judges_and_keeps_the_mean_of_the_last_epochs():
    inputs = keras.Input((1,), name="features")
    model = keras.Model(inputs, Walk(name="logits")(inputs))
    draws = np.random.default_rng(0)
    x = draws.normal(size=(64, 1)).astype(np.float32)
    train = Arrays(x=x, y=(x > 0).astype(np.float32))
    config = FitConfig(
        epochs=6,
        batch_size=16,
        learning_rate=0.05,
        patience_epochs=0,
        averaging=AveragingConfig(kind="swa", swa_start_share=0.5, swa_rate_share=0.4),
    )
    judged, trained = [], []

    class Ends(Progress):
        def step(self, epoch, step, loss):
            if step == 4:
                trained.append(float(model.weights[0].numpy()[0]))

    def on_epoch(epoch, net):
        judged.append(float(net.weights[0].numpy()[0]))

    found = fit(
        model, train, train, config, checkpoint_folder=None, on_epoch=on_epoch, progress=Ends()
    )
    assert judged[:3] == trained[:3]
    assert judged[3:] == pytest.approx([np.mean(trained[3 : 4 + n]) for n in range(3)], rel=1e-6)
    assert found.history["learning_rate"].tolist()[3:] == pytest.approx([0.02] * 3)
    assert found.best_epoch == 1 + int(np.argmin(found.history["validation_loss"]))
    assert model.weights[0].numpy()[0] == judged[found.best_epoch - 1]


def test_what_is_swapped_in_is_taken_out_bit_for_bit():
    variable = keras.Variable(np.float32([1.0, 2.0]))

    def interrupted():
        with swapped([(variable, tf.constant([5.0, 6.0]))]):
            assert variable.numpy().tolist() == [5.0, 6.0]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert variable.numpy().tolist() == [1.0, 2.0]
