"""The fit as an object: resumed, told of, logged."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ultimate_deep.experiments.trainer import create_trainer
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.fit import Interrupted, fit
from ultimate_deep.training.trainer import Trainer


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

    def on_epoch_begin(self, epoch, logs=None):
        self.seen.append(epoch)

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
    assert noting.seen[1:-1:2] == [0, 1, 2]  # each begins before it ends
    assert [logs["val_loss"] for _, logs in noting.seen[2:-1:2]] == losses
    assert [epoch for epoch, _ in noting.seen[2:-1:2]] == [0, 1, 2]
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
    with pytest.raises(ValueError, match=r"holds the checkpoints of a fit; call resume\(\)"):
        again.fit()


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


@pytest.mark.parametrize(
    ("callback", "remedy"),
    [
        (keras.callbacks.ReduceLROnPlateau(), "kind='plateau'"),
        (keras.callbacks.EarlyStopping(), "patience_epochs"),
    ],
)
def test_callbacks_that_steer_a_fit_of_keras_are_refused(callback, remedy):
    with pytest.raises(ValueError, match=f"steers a fit of Keras.*{remedy}"):
        Trainer(net(), some_arrays(), some_arrays(), CONFIG, callbacks=[callback])


def test_it_freezes_and_grows_as_its_configuration_says():
    arrays = some_arrays()
    trainer = Trainer(net(), arrays, arrays, FitConfig(epochs=1, frozen=("logits",)))
    before = trainer.model.get_layer("logits").get_weights()
    trainer.fit()
    for mine, theirs in zip(trainer.model.get_layer("logits").get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    grown = Trainer(net(), arrays, arrays, FitConfig(epochs=2, growing_stages=(0.5,)))
    with pytest.raises(ValueError, match="deepens the one stack of residual or attention blocks"):
        grown.fit()
