"""The fit on JAX: resumed to the same bits, shared out among devices, on several processes."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from ultimate_deep.bundles.saved_model import compile_outputs
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop import backends
from ultimate_deep.training.settings.averaging import AveragingConfig
from ultimate_deep.training.settings.gradients import GradientsConfig

pytest.importorskip("jax", reason='not installed: pip install -e ".[jax]"')
SCRIPT = Path(__file__).parent / "jax_fits.py"
# Losses of a few steps of float32 on devices that add in other orders.
CLOSE = 2e-5


def started(*arguments, **variables):
    environment = os.environ | {
        "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "PYTHONPATH": os.pathsep.join(sys.path),
        **variables,
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def said_by(process):
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return json.loads(out.splitlines()[-1])


def test_a_fit_that_was_stopped_ends_with_the_same_bits(tmp_path):
    found = said_by(started("one", tmp_path))
    assert "epoch 2, step 2" in found["said"]
    assert found["resumed"] == found["straight"]
    losses = found["straight"]["losses"]
    assert losses[-1] < losses[0]
    # The net answers on TensorFlow as it did on JAX.
    logits = compile_outputs(keras.models.load_model(tmp_path / "net.keras"), batch_rows=32)
    x = np.random.default_rng(1).normal(size=(96, 8)).astype(np.float32)
    np.testing.assert_allclose(logits(x)["logits"], found["logits"], atol=CLOSE)


def test_devices_share_out_rows_or_stacks():
    flags = "--xla_force_host_platform_device_count=4"
    found = said_by(started("devices", XLA_FLAGS=flags))
    for name in ("with_norms data", "deep stacks"):
        one, several = found[f"{name.split()[0]} none"], found[name]
        for what in ("losses", "validation"):
            np.testing.assert_allclose(several[what], one[what], atol=CLOSE)
        assert "4 devices; the last bits of weights differ" in several["said"]
    assert found["with_norms data"]["smallest_part"] == 1.0
    assert found["deep stacks"]["smallest_part"] == 0.25


def test_two_processes_find_the_same_weights():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    processes = [
        started(
            "processes",
            KERAS_DISTRIBUTION_JOB_ADDRESSES=f"127.0.0.1:{port}",
            KERAS_DISTRIBUTION_NUM_PROCESSES="2",
            KERAS_DISTRIBUTION_PROCESS_ID=str(number),
        )
        for number in range(2)
    ]
    first, second = map(said_by, processes)
    assert first == second


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"gradients": GradientsConfig(micro_batches=2)}, r"fit\.gradients\.micro_batches 2 needs"),
        ({"gradients": GradientsConfig(sharpness=0.1)}, r"fit\.gradients\.sharpness 0\.1 needs"),
        ({"averaging": AveragingConfig(kind="ema")}, r"fit\.averaging\.kind 'ema' needs"),
        ({"workers": 2}, r"fit\.workers 2 needs .*; set it to 1"),
        ({"jit_compile": False}, r"fit\.jit_compile False needs .*; set it to 'auto'"),
        ({"precision": "mixed_float16"}, "set it to 'mixed_bfloat16', or KERAS_BACKEND=tensor"),
    ],
)
def test_what_jax_does_not_have_is_refused_by_name(monkeypatch, changes, said):
    monkeypatch.setattr(backends.keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match=said):
        backends.check_backend(FitConfig(**changes))


def test_sharing_takes_all_devices(monkeypatch):
    monkeypatch.setattr(backends.keras.backend, "backend", lambda: "jax")
    monkeypatch.setenv("ULTIMATE_DEEP_DEVICE", "gpu:1")
    with pytest.raises(ValueError, match="takes all devices, got --device gpu:1, which is one"):
        backends.check_backend(FitConfig(sharding="data"))


def test_sharing_is_for_jax():
    with pytest.raises(ValueError, match=r"fit\.sharding data shares work .*KERAS_BACKEND=jax"):
        backends.check_backend(FitConfig(sharding="data"))
