"""Whoever takes part in a fit: cut anywhere, it goes on to the same bits.

The tests walk the registry, so that a new participant cannot escape them, and put two that stand
in this file through the same: a counter, and one with every hook there is.
"""

import contextlib
import dataclasses
import importlib
import os
import signal

import keras
import numpy as np
import pytest

from ultimate_deep.machine.interrupts import Interrupted
from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.checkpoint import (
    Checkpoint,
    CheckpointError,
    latest_checkpoint,
    to_numpy,
    write_checkpoint,
)
from ultimate_deep.training.loop.compiled import compile_fit
from ultimate_deep.training.loop.fit import fit
from ultimate_deep.training.loop.fit_state import assign_weights, copy_weights, restore_state
from ultimate_deep.training.loop.participants import PARTICIPANTS, build_participants
from ultimate_deep.training.participant import (
    FitOutline,
    Participant,
    require_names,
)
from ultimate_deep.training.progress import Progress
from ultimate_deep.training.schedules.config import ScheduleConfig
from ultimate_deep.training.settings.averaging import AveragingConfig
from ultimate_deep.training.settings.curriculum import CurriculumConfig
from ultimate_deep.training.settings.gradients import GradientsConfig

pytestmark = pytest.mark.contract(by="net")
EXAMPLE = FitConfig()
# Sets of what goes together; each participant is in one of them.
TOGETHER = {
    "most": FitConfig(
        planned_epochs=2,
        batch_size_schedule=(8, 4),
        batch_size_by="noise",
        optimizer="muon",
        schedule=ScheduleConfig(kind="plateau", plateau_patience_epochs=1),
        augmentations={"jitter": 0.1, "scaling": 0.1, "feature_dropout": 0.1, "mixup": 0.2},
        curriculum=CurriculumConfig(kind="loss", share=1.0),
        learned_horizon_weights=True,
        gradients=GradientsConfig(micro_batches=2, centralize=True, sharpness=0.05),
        averaging=AveragingConfig(kind="ema", lookahead_steps=3),
    ),
    "swa": FitConfig(
        optimizer="lamb",
        schedule=ScheduleConfig(kind="one_cycle"),
        curriculum=CurriculumConfig(kind="horizons", share=0.9),
        learned_horizon_weights=True,
        batch_size_schedule=(8, 4),
        batch_size_by="plateau",
        gradients=GradientsConfig(sharpness=0.5, sharpness_adaptive=True, sharpness_of="layers"),
        augmentations={"jitter": 0.1, "cutmix": 0.5},
        averaging=AveragingConfig(kind="swa", swa_start_share=0.3),
    ),
    "schedule_free": FitConfig(
        optimizer="schedule_free",
        schedule=ScheduleConfig(kind="constant"),
        curriculum=CurriculumConfig(kind="loss", share=1.0),
        gradients=GradientsConfig(micro_batches=2, sharpness=0.05),
    ),
}
HERE = {"counter": f"{__name__}:build_counter", "every_hook": f"{__name__}:build_every_hook"}
FEATURES, HORIZONS, BATCH, STEPS, EPOCHS = 3, 2, 8, 2, 3


class Counter(Participant):
    """Counts steps and epochs: with its builder all that a new participant needs."""

    def begin(self, outline):
        self.steps = self.epochs = 0

    def state(self):
        return {"steps": np.asarray(self.steps), "epochs": np.asarray(self.epochs)}

    def restore(self, arrays):
        require_names(arrays, ("steps", "epochs"))
        self.steps, self.epochs = int(arrays["steps"]), int(arrays["epochs"])

    def after_step(self, epoch, step, loss):
        self.steps += 1

    def after_epoch(self, epoch, row):
        self.epochs += 1


def build_counter(config, model):
    return Counter()


class EveryHook(Participant):
    """Halves batches and rates from the second epoch on, adds noise, averages weights."""

    def __init__(self, model):
        self.model = model
        self.noise = keras.random.SeedGenerator(3)
        self.passes = keras.Variable(0, dtype="int32", trainable=False)
        self.first_noise = to_numpy(self.noise.state)

    def begin(self, outline):
        self.noise.state.assign(self.first_noise)
        self.passes.assign(0)
        self.average, self.epochs = copy_weights(self.model), 0

    def state(self):
        averages = {f"average/{name}": values for name, values in self.average.items()}
        numbers = {"epochs": np.asarray(self.epochs)}
        return {**averages, **numbers, "noise": self.noise.state, "passes": self.passes}

    def restore(self, arrays):
        require_names(arrays, self.state())
        self.noise.state.assign(arrays["noise"])
        self.passes.assign(arrays["passes"])
        self.epochs = int(arrays["epochs"])
        self.average = {name: arrays[f"average/{name}"] for name in self.average}

    def order(self, epoch, rows):
        return rows if epoch == 1 else rows.reshape(2 * len(rows), -1)

    def learning_rate(self, step, rate):
        return rate if self.epochs == 0 else rate / 2

    def batch(self, tensors):
        noise = keras.random.normal(tensors.x.shape, seed=self.noise)
        return tensors._replace(x=tensors.x + 0.1 * noise)

    def gradients(self, tensors, compute):
        self.passes.assign(self.passes + 2)
        one, other = compute(tensors), compute(tensors)
        pairs = zip(one.gradients, other.gradients, strict=True)
        return one._replace(gradients=[(a + b) / 2 for a, b in pairs])

    def after_step(self, epoch, step, loss):
        for name, values in copy_weights(self.model).items():
            self.average[name] = self.average[name] * np.float32(0.5) + values * np.float32(0.5)

    @contextlib.contextmanager
    def validating(self):
        trained = copy_weights(self.model)
        assign_weights(self.model, self.average)
        try:
            yield
        finally:
            assign_weights(self.model, trained)

    def after_epoch(self, epoch, row):
        self.epochs += 1

    def wants_to_stop(self):
        return "every hook has been called" if self.epochs == EPOCHS else ""

    def after_fit(self):
        assign_weights(self.model, self.average)
        return self.epochs


def build_every_hook(config, model):
    return EveryHook(model)


def some_arrays(rows, *, seed):
    draws = np.random.default_rng(seed)
    x = draws.normal(size=(rows, FEATURES)).astype(np.float32)
    noise = draws.normal(size=(rows, HORIZONS)) * np.arange(1, HORIZONS + 1)
    return Arrays(x=x, y=(x[:, :1] + noise > 0).astype(np.float32))


class Cut(Progress):
    """Notes every step, and sends SIGINT after one of them."""

    def __init__(self, at=None):
        self.at, self.seen = at, []

    def step(self, epoch, step, loss):
        self.seen.append((epoch, step))
        if self.at == (epoch, step):
            os.kill(os.getpid(), signal.SIGINT)


class CutForward:
    """Sends SIGINT while the model is validated."""

    def __init__(self, forward):
        self.forward = forward

    def predictions(self, arrays, before_batch):
        os.kill(os.getpid(), signal.SIGINT)
        return self.forward.predictions(arrays, before_batch)


def small_net():
    inputs = keras.Input((FEATURES,), name="features")
    x = keras.layers.BatchNormalization(center=False, scale=False)(inputs)
    x = keras.layers.Dropout(0.2, seed=4)(x)
    return keras.Model(inputs, keras.layers.Dense(HORIZONS, name="logits")(x))


class Net:
    """A small net, compiled once for the example of one participant, fitted from its start."""

    def __init__(self, name, example):
        self.name = name
        self.config = dataclasses.replace(
            example, epochs=EPOCHS, batch_size=BATCH, learning_rate=0.05, jit_compile=False
        )
        self.model = small_net()
        self.compiled = compile_fit(self.model, self.config)
        self.first = self.variables()
        self.train = some_arrays(STEPS * BATCH + 3, seed=1)
        self.validation = some_arrays(20, seed=2)

    @property
    def participants(self):
        return self.compiled.step.participant

    def variables(self):
        return {name: to_numpy(v) for name, v in self.compiled.step.variables().items()}

    def put_back(self):
        for name, variable in self.compiled.step.variables().items():
            variable.assign(self.first[name])

    def fit(self, folder, *, resume=False, progress=None, compiled=None):
        """Fit from the start and return all that may not differ, as arrays by name.

        The model's and the optimizer's variables and the participants' state are those of the last
        checkpoint; `left/` is what the fit leaves behind.
        """
        self.put_back()
        fitted = fit(
            self.model,
            self.train,
            self.validation,
            self.config,
            checkpoint_folder=folder,
            resume=resume,
            progress=progress,
            compiled=compiled or self.compiled,
        )
        ends = [fitted.best_epoch, fitted.epochs_run, fitted.stopped_reason]
        left = self.variables()
        return {
            **newest(folder).arrays,
            **{f"left/{name}": values for name, values in left.items()},
            "history": fitted.history.drop(columns="seconds").to_numpy(),
            "ends": np.array([str(end) for end in ends]),
        }

    def outline(self):
        return FitOutline(
            model=self.model,
            inputs=self.train.inputs(),
            targets=self.train.targets(),
            rows=self.train.rows,
            batch_size=BATCH,
            steps_per_epoch=STEPS,
            epochs=EPOCHS,
            optimizer=self.compiled.step.inner_optimizer(),
        )

    def anew(self):
        """Return the participants of another fit that has just begun."""
        self.put_back()
        built = build_participants(self.config, self.model)
        built.begin(self.outline())
        return built


@pytest.fixture(scope="module", params=[*PARTICIPANTS, *HERE])
def net(request):
    with pytest.MonkeyPatch.context() as patch:
        if request.param in HERE:
            patch.setitem(PARTICIPANTS, request.param, HERE[request.param])
        module = importlib.import_module(PARTICIPANTS[request.param].partition(":")[0])
        yield Net(request.param, module.EXAMPLE)


@pytest.fixture(scope="module", params=TOGETHER)
def together(request):
    with pytest.MonkeyPatch.context() as patch:
        for name in HERE:  # the other fixture may still be alive
            patch.delitem(PARTICIPANTS, name, raising=False)
        yield Net(request.param, TOGETHER[request.param])


def state_of(participant):
    state = participant.state()
    assert all(isinstance(one, np.ndarray | keras.Variable) for one in state.values())
    return {name: to_numpy(one) for name, one in state.items()}


def newest(folder):
    return latest_checkpoint(folder)[0]


def assert_same(found, expected):
    assert list(found) == list(expected)
    for name, values in expected.items():
        assert found[name].dtype == values.dtype
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_its_example_asks_for_it(net):
    assert net.name in net.participants.members


def test_cut_at_any_point_of_two_epochs_it_resumes_to_the_same_bits(net, tmp_path):
    cut_everywhere(net, tmp_path)


def test_all_of_them_together_resume_to_the_same_bits(together, tmp_path):
    cut_everywhere(together, tmp_path)


def test_each_participant_goes_together_with_others():
    met = [build_participants(config, small_net()).members for config in TOGETHER.values()]
    assert {name for members in met for name in members} == set(PARTICIPANTS)


def cut_everywhere(net, tmp_path):
    whole = Cut()
    expected = net.fit(tmp_path / "whole", progress=whole)
    cuts = [(Cut(at), net.compiled) for at in whole.seen if at[0] < EPOCHS]
    cut_forward = CutForward(net.compiled.forward)
    cuts.append((None, dataclasses.replace(net.compiled, forward=cut_forward)))
    assert len(cuts) >= 2 + STEPS
    for number, (progress, compiled) in enumerate(cuts):
        with pytest.raises(Interrupted):
            net.fit(tmp_path / str(number), progress=progress, compiled=compiled)
    # All are cut first, so that what was in memory at a cut is gone when it is resumed.
    assert_same(net.fit(tmp_path / "again"), expected)
    for number in range(len(cuts)):
        assert_same(net.fit(tmp_path / str(number), resume=True), expected)
    restored = net.fit(tmp_path / "whole", resume=True, progress=(silent := Cut()))
    assert_same(restored, expected)
    assert not silent.seen


def test_its_state_is_arrays_that_another_one_goes_on_from(net, tmp_path):
    net.fit(tmp_path)
    prefix = "participant/"
    stored = newest(tmp_path).arrays.items()
    kept = {name.removeprefix(prefix): one for name, one in stored if name.startswith(prefix)}
    assert all(one.dtype.kind in "biufV" for one in kept.values())
    other = net.anew()
    begun = state_of(other)
    other.restore(kept)
    assert_same(state_of(other), kept)
    net.put_back()
    net.participants.begin(net.outline())
    assert_same(state_of(net.participants), begun)


def test_unknown_and_missing_state_is_refused(net, tmp_path):
    net.fit(tmp_path)
    checkpoint = newest(tmp_path)
    variables = net.compiled.step.variables()

    def refused(arrays, match):
        changed = dataclasses.replace(checkpoint, arrays=arrays)
        with pytest.raises(CheckpointError, match=match):
            restore_state(changed, variables, net.anew())

    prefix = f"participant/{net.name}/"
    for gone in [name for name in checkpoint.arrays if name.startswith(prefix)]:
        left = {name: values for name, values in checkpoint.arrays.items() if name != gone}
        refused(left, rf"'{net.name}': .*missing.*resume it with the version that wrote it")
    more = {f"{prefix}something": np.zeros(1)}
    refused({**checkpoint.arrays, **more}, f"'{net.name}': .*unknown something")
    stranger = {"participant/stranger/steps": np.zeros(1)}
    refused({**checkpoint.arrays, **stranger}, "a participant 'stranger', this fit has")


def test_a_checkpoint_of_another_version_is_refused():
    state = {"epoch": 1, "step": 0, "stopping": {"best": 0.5}, "plateau_falls": 0}
    with pytest.raises(CheckpointError, match="another version of ultimate_deep wrote it"):
        restore_state(Checkpoint({}, state, {}), {}, Participant())


def test_a_run_of_another_version_is_refused_for_that_and_not_for_its_net(net, tmp_path):
    """The same net has other names in another version, so that its fingerprint differs too."""
    state = {"epoch": 1, "step": 0, "stopping": {"best": 0.5}, "plateau_falls": 0}
    write_checkpoint(tmp_path, Checkpoint({"model.config": "81ae"}, state, {}), step=1)
    with pytest.raises(CheckpointError, match="another version of ultimate_deep wrote it"):
        net.fit(tmp_path, resume=True)
