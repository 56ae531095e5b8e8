"""What computes: names, what is there, and what comes too late."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from ultimate_deep.machine.devices import (
    DEVICE_VARIABLE,
    asked_device,
    check_device,
    chosen_gpu,
)
from ultimate_deep.training.backend import use_device


@pytest.mark.parametrize(
    ("asked", "gpus", "number"),
    [("auto", 0, None), ("auto", 2, 0), ("cpu", 2, None), ("gpu", 1, 0), ("gpu:1", 2, 1)],
)
def test_a_device_is_found_by_its_name(asked, gpus, number):
    assert chosen_gpu(check_device(asked), gpus) == number


@pytest.mark.parametrize(
    ("asked", "gpus", "said"),
    [("gpu", 0, "there is none"), ("gpu:3", 2, "there are gpu:0 to gpu:1")],
)
def test_one_that_is_not_here_is_refused_with_what_is(asked, gpus, said):
    with pytest.raises(ValueError, match=f"device '{asked}' is not here: {said}"):
        chosen_gpu(asked, gpus)


def test_other_names_are_refused(monkeypatch):
    with pytest.raises(ValueError, match="device must be auto, cpu, gpu or gpu:1, got 'tpu'"):
        check_device("tpu")
    monkeypatch.setenv(DEVICE_VARIABLE, "cuda")
    with pytest.raises(ValueError, match=rf"{DEVICE_VARIABLE} must be auto, .* got 'cuda'"):
        asked_device()


def backend_of(gpus, *, begun=False):
    """TensorFlow's way of choosing, where this machine has no GPU to choose."""
    visible = list(gpus)

    def choose(wanted, kind):
        assert kind == "GPU"
        if begun:
            raise RuntimeError("Visible devices cannot be modified after being initialized")
        visible[:] = wanted

    config = SimpleNamespace(
        get_visible_devices=lambda kind: list(visible), set_visible_devices=choose
    )
    return SimpleNamespace(config=config), visible


@pytest.mark.parametrize(("asked", "seen"), [("auto", ["one"]), ("cpu", []), ("gpu:1", ["other"])])
def test_other_gpus_are_hidden(asked, seen, monkeypatch):
    monkeypatch.setenv(DEVICE_VARIABLE, asked)
    backend, visible = backend_of(["one", "other"])
    use_device(backend, ["one", "other"])
    assert visible == seen


def test_what_has_begun_elsewhere_says_so(monkeypatch):
    monkeypatch.setenv(DEVICE_VARIABLE, "cpu")
    backend, _ = backend_of(["one"], begun=True)
    with pytest.raises(ValueError, match=r"device 'cpu' comes too late: .* start anew"):
        use_device(backend, ["one"])


def test_a_command_takes_it_and_refuses_a_gpu_that_is_not_there(tmp_path):
    def run(*more):
        return subprocess.run(
            [sys.executable, "-m", "ultimate_deep", "run", "--model", "linear", *more],
            env={**os.environ, "CUDA_VISIBLE_DEVICES": ""}, cwd=tmp_path,
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip

    wrong = run("--device", "tpu")
    assert wrong.returncode == 2
    assert "device must be auto, cpu, gpu or gpu:1, got 'tpu'" in wrong.stderr
    absent = run("--device", "gpu", "--yes")
    assert absent.returncode == 1
    assert "device 'gpu' is not here: there is none; say --device auto" in absent.stderr
    assert not any(path.name == "artifacts" for path in tmp_path.iterdir())
