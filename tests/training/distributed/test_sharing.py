"""Parts of a batch computed elsewhere: the same weights, whoever computes which."""

import dataclasses
import hashlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from ultimate_deep.experiments.trials import configuration_digest
from ultimate_deep.models.registry import build_model, config_class
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.averaging.ema import EXAMPLE as AVERAGED
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.distributed.parts import Parts
from ultimate_deep.training.distributed.shares import Subtree, halves, shares
from ultimate_deep.training.distributed.sharing import (
    SharedAccumulation,
    check_shareable,
    recruit_for,
)
from ultimate_deep.training.distributed.team import Exchange
from ultimate_deep.training.loop.compiled import compile_fit
from ultimate_deep.training.loop.fingerprint import fit_fingerprint
from ultimate_deep.training.loop.fit import fit
from ultimate_deep.training.settings.gradients import GradientsConfig

ROWS, BARS, FEATURES, PARTS = 32, 6, 5, 8
IN_PARTS = GradientsConfig(micro_batches=PARTS)


class Here:
    """A team that computes in this process, with models and states of its own."""

    def __init__(self, recruit, jobs):
        self.recruit, self.jobs, self.lost, self.members = recruit, jobs, "", None
        self.peak_bytes, self.pids = 0, []

    def new_exchange(self):
        return Exchange()

    def start(self):
        if self.members is None:
            self.members = [Parts(self.recruit) for _ in range(self.jobs)]

    wait = start

    def publish(self, job, arrays):
        everyone = enumerate(self.members, start=1)
        self.found = [one.sums(job, number, arrays) for number, one in everyone]

    def collect(self, job):
        return self.found

    def forget(self):
        self.lost = ""

    def close(self):
        self.members = None


class Lossy(Here):
    """Loses its last worker at the third batch, which nobody notices but the fit's end."""

    batches = 0

    def collect(self, job):
        self.batches += 1
        return self.found if self.batches < 3 else [*self.found[:-1], None]


def with_norms():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((FEATURES,), name="features")
    x = keras.layers.Dense(7, activation="gelu")(inputs)
    x = keras.layers.BatchNormalization(momentum=0.5)(x)
    x = keras.layers.Dropout(0.3, seed=3)(x)
    return keras.Model(inputs, keras.layers.Dense(1, name="logits", kernel_regularizer="l2")(x))


def recurrent():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((BARS, FEATURES), name="window")
    x = keras.layers.LSTM(6, dropout=0.2, recurrent_dropout=0.2, seed=4)(inputs)
    return keras.Model(inputs, keras.layers.Dense(1, name="logits")(x))


def ultimate():
    keras.utils.set_random_seed(0)
    config = dataclasses.replace(
        config_class("ultimate")(),
        width=8,
        res_blocks_per_unit=(2,),
        dense_blocks_per_unit=(1,),
        growth_rate=4,
    )
    return build_model("ultimate", {"features": (FEATURES,)}, config=config)


def arrays(model):
    draws = np.random.default_rng(1)
    x = draws.normal(size=(3 * ROWS, *model.inputs[0].shape[1:])).astype(np.float32)
    return Arrays(x=x, y=(x.reshape(len(x), -1)[:, :1] > 0).astype(np.float32))


def config(workers, **how):
    plain = {"epochs": 2, "batch_size": ROWS, "gradients": IN_PARTS, "jit_compile": False}
    return FitConfig(**(plain | how), workers=workers)


def digest(model):
    values = [np.ascontiguousarray(v.numpy()).tobytes() for v in model.variables]
    return hashlib.sha256(b"".join(values)).hexdigest()


def compiled_for(model, asked, team=Here):
    """Return the compiled fit, its workers in this process."""
    compiled = compile_fit(model, asked)
    if asked.workers > 1:
        accumulation = compiled.step.participant.members["accumulation"]
        accumulation.team = team(recruit_for(model, asked), asked.workers - 1)
    return compiled


def stepped(build, workers, **how):
    """Return the digest of weights, moving statistics and states of random numbers after steps."""
    model, asked = build(), config(workers, **how)
    step, rows = compiled_for(model, asked).step, arrays(model)
    for start in range(0, rows.rows, ROWS):
        part = slice(start, start + ROWS)
        y = rows.y[part]
        step(rows.x[part], {"y": y}, np.ones_like(y), 1e-2)
    return digest(model)


def trained(build, workers, team=Here, **how):
    """Return the digest of the same after a fit."""
    model, asked = build(), config(workers, **how)
    compiled = compiled_for(model, asked, team)
    fit(model, arrays(model), arrays(model), asked, checkpoint_folder=None, compiled=compiled)
    return digest(model)


def test_shares_lie_side_by_side_and_are_whole_subtrees():
    for parts in (1, 2, 4, 8, 64):
        for workers in range(1, parts + 1):
            found = shares(parts, workers)
            flat = [one for own in found for one in own]
            covered = [part for first, size in flat for part in range(first, first + size)]
            assert covered == list(range(parts))
            assert all(size & (size - 1) == 0 and first % size == 0 for first, size in flat)
            sizes = [sum(size for _, size in own) for own in found]
            assert max(sizes) - min(sizes) <= 1
    assert halves(Subtree(4, 4)) == (Subtree(4, 2), Subtree(6, 2))


@pytest.mark.parametrize(
    ("build", "workers"), [(with_norms, (2, 3, 4)), (recurrent, (3,)), (ultimate, (3,))]
)
def test_weights_do_not_depend_on_the_workers(build, workers):
    assert {stepped(build, number) for number in workers} == {stepped(build, 1)}


@pytest.mark.slow
@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize("build", [recurrent, ultimate])
def test_nor_do_they_on_two_and_four(build, xla):
    alone = stepped(build, 1, jit_compile=xla)
    assert {stepped(build, number, jit_compile=xla) for number in (2, 4)} == {alone}


def test_nor_do_they_with_xla():
    assert stepped(with_norms, 3, jit_compile=True) == stepped(with_norms, 1, jit_compile=True)


def test_whatever_else_takes_part_sees_the_whole_batch():
    """Two passes (SAM), draws on the whole batch, averages, other sizes of batches."""
    how = {
        "gradients": dataclasses.replace(IN_PARTS, sharpness=0.05, centralize=True),
        "augmentations": {"jitter": 0.1, "mixup": 0.2},
        "averaging": AVERAGED.averaging,
        "batch_size_schedule": (32, 16),
        "batch_size": None,
        "class_weights": True,
    }
    assert trained(with_norms, 3, **how) == trained(with_norms, 1, **how)


def test_what_a_lost_worker_would_have_found_is_found_here():
    assert trained(with_norms, 3, team=Lossy) == trained(with_norms, 1)


def test_no_result_depends_on_the_workers():
    model, few = with_norms(), config(1)
    many = dataclasses.replace(few, workers=3)
    parts = (arrays(model), arrays(model))
    assert fit_fingerprint(model, *parts, few, jit_compile=False) == fit_fingerprint(
        model, *parts, many, jit_compile=False
    )
    one, other = (ExperimentConfig(fit=asked) for asked in (few, many))
    assert configuration_digest(one) == configuration_digest(other)


def test_bad_values_are_refused_by_name():
    with pytest.raises(ValueError, match=r"fit\.workers must be at least 1, got 0"):
        FitConfig(workers=0)
    with pytest.raises(ValueError, match=r"got 3 workers for fit\.gradients\.micro_batches 2"):
        FitConfig(workers=3, gradients=GradientsConfig(micro_batches=2)).check_workers()
    noise = config(2, batch_size=None, batch_size_schedule=(32, 16), batch_size_by="noise")
    with pytest.raises(ValueError, match=r"fit\.batch_size_by noise .* got fit\.workers 2"):
        noise.check_workers()


def test_nets_that_no_other_process_can_build_are_refused(monkeypatch):
    inputs = keras.Input((FEATURES,), name="features")
    half = keras.Model(inputs, keras.layers.Dense(1, dtype="mixed_float16")(inputs))
    with pytest.raises(ValueError, match=r"fit\.workers knows no loss scale"):
        check_shareable(half)

    class Own(keras.Model):
        def get_config(self):
            raise NotImplementedError("it has none")

    with pytest.raises(ValueError, match=r"does not say how \(it has none\); give it get_config"):
        check_shareable(Own())
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["GPU:0"])
    with pytest.raises(ValueError, match="TensorFlow sees a GPU"):
        check_shareable(with_norms())


def test_one_worker_needs_no_other_process():
    accumulation = compile_fit(with_norms(), config(1)).step.participant.members["accumulation"]
    assert not isinstance(accumulation, SharedAccumulation)
