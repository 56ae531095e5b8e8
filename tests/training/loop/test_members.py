"""Fits of nets with members: cut anywhere they resume to the same bits, and they learn."""

import dataclasses
import os
import signal

import numpy as np
import pytest

from ultimate_deep.bundles.uncertainty import MonteCarloConfig, monte_carlo_uncertainty
from ultimate_deep.models.registry import build_model, preset_config
from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.batches.gradient_pass import uses_xla
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.checkpoint import to_numpy
from ultimate_deep.training.loop.compiled import compile_fit, time_fit
from ultimate_deep.training.loop.fit import Interrupted, fit
from ultimate_deep.training.progress import Progress

FEATURES, BATCH, STEPS, EPOCHS = 6, 16, 2, 2
CASES = {
    "tabm": ("tabm", {"members": 4, "hidden_widths": (8,), "dropout_rate": 0.2}),
    "drawn": ("ultimate", {"members": 3, "member_widths": (), "members_in_stack": "drawn"}),
    "mean": ("ultimate", {"members": 3, "member_widths": (), "members_in_stack": "mean"}),
}


def arrays(rows, *, seed):
    draws = np.random.default_rng(seed)
    x = draws.normal(size=(rows, FEATURES)).astype(np.float32)
    return Arrays(x=x, y=(x[:, :1] + 0.5 * draws.normal(size=(rows, 1)) > 0).astype(np.float32))


def net(case, **fields):
    name, options = CASES[case]
    config = dataclasses.replace(preset_config(name, "tiny"), **(options | fields))
    return build_model(name, {"features": (FEATURES,)}, config=config)


class Cut(Progress):
    """Notes every step, and sends SIGINT after one of them."""

    def __init__(self, at=None):
        self.at, self.seen = at, []

    def step(self, epoch, step, loss):
        self.seen.append((epoch, step))
        if self.at == (epoch, step):
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("case", CASES)
def test_cut_at_any_step_it_resumes_to_the_same_bits(case, tmp_path):
    model = net(case)
    config = FitConfig(epochs=EPOCHS, batch_size=BATCH, learning_rate=0.05, jit_compile=False)
    compiled = compile_fit(model, config)
    first = {name: to_numpy(v) for name, v in compiled.step.variables().items()}
    train, validation = arrays(STEPS * BATCH + 3, seed=1), arrays(20, seed=2)

    def run(folder, **options):
        for name, variable in compiled.step.variables().items():
            variable.assign(first[name])
        fit(
            model,
            train,
            validation,
            config,
            checkpoint_folder=folder,
            compiled=compiled,
            **options,
        )
        return {name: to_numpy(v) for name, v in compiled.step.variables().items()}

    whole = Cut()
    expected = run(tmp_path / "whole", progress=whole)
    moved = [name for name in expected if not np.array_equal(expected[name], first[name])]
    assert any(name.endswith("stem/input_scale") for name in moved)
    seeds = [name for name in moved if "seed_generator" in name]
    assert len(seeds) == {"tabm": 1, "drawn": 4, "mean": 3}[case]  # stem, draw, stacks
    assert len(whole.seen) == EPOCHS * STEPS
    for at in whole.seen[:-1]:
        with pytest.raises(Interrupted):
            run(tmp_path / str(at), progress=Cut(at))
    for at in whole.seen[:-1]:
        found = run(tmp_path / str(at), resume=True)
        for name, values in expected.items():
            np.testing.assert_array_equal(found[name], values, err_msg=name)


def test_a_timed_step_leaves_the_draws_as_they_were():
    model = net("drawn")
    before = [v.numpy() for v in model.variables]
    config = FitConfig(batch_size=BATCH, jit_compile=False)
    time_fit(model, arrays(40, seed=1), arrays(20, seed=2), config)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_members_learn_with_xla_and_disagree_where_the_label_is_open():
    model = net("tabm", feature_dropout=0.2)
    config = FitConfig(epochs=10, batch_size=32, learning_rate=0.05)
    assert uses_xla(model, config)
    train, validation = arrays(640, seed=1), arrays(400, seed=2)
    history = fit(model, train, validation, config, checkpoint_folder=None).history
    assert history["validation_auc"].iloc[-1] > 0.9
    found = monte_carlo_uncertainty(model, validation.x, MonteCarloConfig(passes=8))
    sure = np.abs(validation.x[:, 0]) > 1.0
    assert found.total[sure].mean() < found.total[~sure].mean()
    assert found.epistemic.mean() > 0.01
