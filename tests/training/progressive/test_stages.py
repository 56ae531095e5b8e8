"""Growing while training: the function goes on, moments are carried over, and a cut resumes."""

import dataclasses
import os
import signal

import keras
import numpy as np
import pytest

from ultimate_deep.models.layers import ResidualStack
from ultimate_deep.models.surgery.grow import shallower, stack_of
from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.compiled import compile_fit
from ultimate_deep.training.loop.fit import Interrupted, fit
from ultimate_deep.training.progress import Progress
from ultimate_deep.training.progressive.stages import _grown, _put, fit_in_stages

WIDTH = 6
CONFIG = FitConfig(
    epochs=6, batch_size=16, learning_rate=0.01, growing_stages=(0.25, 0.5), jit_compile=False,
    patience_epochs=0,
)  # fmt: skip
SHORT = dataclasses.replace(CONFIG, epochs=2, growing_stages=(0.25,))


def net():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((WIDTH,), name="features")
    stack = ResidualStack((4, 8), residual_scaling="none", seed=3, name="residual_stack")
    x = keras.layers.GlobalAveragePooling1D()(stack(inputs))
    return keras.Model(inputs, keras.layers.Dense(1, name="logits")(x))


def some_arrays(rows=64, seed=0):
    x = np.random.default_rng(seed).normal(size=(rows, WIDTH)).astype(np.float32)
    return Arrays(x=x, y=(x[:, :1] > 0).astype(np.float32))


class Blocks(Progress):
    def __init__(self, cut=None):
        self.said, self.cut, self.steps = [], cut, 0

    def message(self, text):
        if text.startswith("stage"):
            self.said.append(text)

    def step(self, epoch, step, loss):
        self.steps += 1
        if self.steps == self.cut:
            os.kill(os.getpid(), signal.SIGINT)


def test_stages_grow_to_the_whole_net_and_their_history_is_one():
    model, told, seen = net(), Blocks(), []
    found = fit_in_stages(
        model, some_arrays(), some_arrays(seed=1), CONFIG, checkpoint_folder=None, progress=told,
        on_epoch=lambda epoch, m: seen.append((epoch, sum(stack_of(m).blocks_per_unit))),
    )  # fmt: skip
    assert told.said == [
        "stage 1 of 3: 3 blocks, 2 epochs",
        "stage 2 of 3: 6 blocks, 2 epochs",
        "stage 3 of 3: 12 blocks, 2 epochs",
    ]
    assert seen == [(1, 3), (2, 3), (3, 6), (4, 6), (5, 12), (6, 12)]
    assert found.history["epoch"].tolist() == [1, 2, 3, 4, 5, 6]
    assert found.epochs_run == 6
    assert found.best_epoch in (5, 6)
    losses = found.history["validation_loss"]
    assert losses.iloc[-1] < losses.iloc[0]


def test_a_grown_net_computes_the_same_and_takes_the_moments_over():
    model, arrays = shallower(net(), 0.25), some_arrays()
    compiled = compile_fit(model, FitConfig(epochs=1, batch_size=16, jit_compile=False))
    fit(model, arrays, arrays, FitConfig(epochs=1, batch_size=16, jit_compile=False),
        checkpoint_folder=None, compiled=compiled)  # fmt: skip
    deeper, moments = _grown(model, net(), 0.5, compiled.step)
    np.testing.assert_allclose(deeper(arrays.x), model(arrays.x), atol=1e-6)
    other = compile_fit(deeper, FitConfig(epochs=1, batch_size=16, jit_compile=False))
    _put(other.step, moments)
    before = [v.numpy() for v in compiled.step.optimizer.variables]
    kept = np.array([0, 2, 3])  # of units of 1 and 2 blocks among those of 2 and 4
    checked = 0
    for variable, old in zip(other.step.optimizer.variables, before, strict=True):
        values = variable.numpy()
        if values.ndim and len(values) == 6 and "residual_stack" in variable.path:
            np.testing.assert_array_equal(values[kept], old)
            assert not np.delete(values, kept, axis=0).any()
            checked += 1
        else:
            np.testing.assert_array_equal(values, old)
    assert checked >= 8


def test_cut_in_every_stage_it_resumes_to_the_same_bits(tmp_path):
    told, arrays = {"checkpoint_folder": tmp_path / "run"}, (some_arrays(), some_arrays())
    whole = net()
    undisturbed = fit_in_stages(whole, *arrays, SHORT, checkpoint_folder=None)
    # Within a stage, at the next one's start, and within it: after steps 3, 5 and 6 of 8.
    for more in (3, 2, 1):
        with pytest.raises(Interrupted):
            fit_in_stages(net(), *arrays, SHORT, progress=Blocks(more), resume=more < 3, **told)
    again = net()
    found = fit_in_stages(again, *arrays, SHORT, resume=True, **told)
    for mine, theirs in zip(again.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    columns = ["epoch", "loss", "validation_loss"]
    assert found.history[columns].equals(undisturbed.history[columns])


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        ("growing_stages must be shares that rise", {"growing_stages": (0.5, 0.2)}),
        ("growing_stages must be shares that rise", {"growing_stages": (1.0,)}),
        ("fewer than the 2 epochs", {"growing_stages": (0.2, 0.4), "epochs": 2}),
    ],
)
def test_stages_that_are_none_are_refused(said, fields):
    with pytest.raises(ValueError, match=said):
        FitConfig(**fields)


def test_a_net_without_a_stack_and_a_plain_fit_say_so():
    inputs = keras.Input((WIDTH,), name="features")
    plain = keras.Model(inputs, keras.layers.Dense(1, name="logits")(inputs))
    with pytest.raises(ValueError, match="grow deepens one stack, and 0 answer"):
        fit_in_stages(plain, some_arrays(), some_arrays(), CONFIG, checkpoint_folder=None)
    with pytest.raises(ValueError, match="fit trains one net, got"):
        fit(net(), some_arrays(), some_arrays(), CONFIG, checkpoint_folder=None)
