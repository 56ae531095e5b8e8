"""A run that was killed ends bit for bit like one that was not, across processes."""

import dataclasses
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ultimate_deep.models.registry import build_model, config_class
from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.loop.compiled import compile_fit
from ultimate_deep.training.loop.fit import FitConfig, Interrupted, fit
from ultimate_deep.training.progress import Progress

WORKER = Path(__file__).with_name("fit_worker.py")
ROOT = Path(__file__).resolve().parents[3]


def start(folder: Path, *, seconds: float) -> subprocess.Popen:
    command = [sys.executable, "-W", "error", str(WORKER), str(folder)]
    return subprocess.Popen(
        [*command, str(folder.with_suffix(".npz")), str(seconds)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_step(process: subprocess.Popen, folder: Path, step: int) -> None:
    """Wait until a checkpoint of at least `step` optimizer steps is on disk."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        steps = [int(path.name[11:23]) for path in folder.glob("checkpoint_*.ckpt")]
        if max(steps, default=0) >= step:
            return
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)
    pytest.fail(f"no checkpoint of step {step} within two minutes")


@pytest.fixture
def run_worker(monkeypatch):
    """Run the worker to its end in this process."""

    def run(folder: Path) -> None:
        arguments = [str(WORKER), str(folder), str(folder.with_suffix(".npz")), "0"]
        monkeypatch.setattr(sys, "argv", arguments)
        runpy.run_path(str(WORKER), run_name="__main__")

    return run


@pytest.mark.slow
def test_kill_and_ctrl_c_leave_no_trace(tmp_path, run_worker):
    """Killed and interrupted in processes of their own; begun and ended straight in this one."""
    folder = tmp_path / "broken"

    killed = start(folder, seconds=0.05)
    wait_for_step(killed, folder, 17)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL

    stopped = start(folder, seconds=0.05)
    wait_for_step(stopped, folder, 29)
    stopped.send_signal(signal.SIGINT)
    said, errors = stopped.communicate(timeout=60)
    assert stopped.returncode == 130, errors
    assert "stopped by SIGINT at epoch 3, step" in said
    assert not folder.with_suffix(".npz").exists()

    run_worker(folder)
    run_worker(tmp_path / "whole")
    expected = np.load(tmp_path / "whole.npz")
    found = np.load(tmp_path / "broken.npz")
    assert set(found.files) == set(expected.files)
    assert len(expected["history"]) == 4
    for name in expected.files:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


def noisy_arrays(rows, *, seed):
    draws = np.random.default_rng(seed)
    x = draws.normal(size=(rows, 8)).astype(np.float32)
    return Arrays(x=x, y=(x[:, :1] + draws.normal(size=(rows, 1)) > 0).astype(np.float32))


@pytest.fixture
def ultimate_run():
    """Fit an ultimate net, traced once, from the same first state each time."""
    config = dataclasses.replace(
        config_class("ultimate")(),
        width=16,
        res_blocks_per_unit=(5, 5),
        dense_blocks_per_unit=(2,),
        growth_rate=4,
        attention_heads=2,
        dropout_rate=0.2,
        normalization="batch",
    )
    model = build_model("ultimate", {"features": (8,)}, config=config)
    fit_config = FitConfig(epochs=3, batch_size=64, jit_compile=False)
    compiled = compile_fit(model, fit_config)
    first = {name: one.numpy() for name, one in compiled.step.variables().items()}

    def run(folder, *, resume=False, progress=None):
        for name, variable in compiled.step.variables().items():
            variable.assign(first[name])
        fitted = fit(
            model,
            noisy_arrays(300, seed=1),
            noisy_arrays(100, seed=2),
            fit_config,
            checkpoint_folder=folder,
            resume=resume,
            progress=progress,
            compiled=compiled,
        )
        return model.get_weights(), fitted.history.drop(columns="seconds").to_numpy()

    return run


class CtrlC(Progress):
    """Sends SIGINT after the third step of the second epoch."""

    def step(self, epoch, step, loss):
        if (epoch, step) == (2, 3):
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.slow
def test_an_ultimate_net_resumes_its_masks_and_moving_statistics(tmp_path, ultimate_run):
    weights, history = ultimate_run(None)
    with pytest.raises(Interrupted):
        ultimate_run(tmp_path, progress=CtrlC())
    resumed_weights, resumed_history = ultimate_run(tmp_path, resume=True)
    np.testing.assert_array_equal(resumed_history, history)
    assert len(history) == 3
    for resumed, whole in zip(resumed_weights, weights, strict=True):
        np.testing.assert_array_equal(resumed, whole)
