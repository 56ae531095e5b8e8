"""Workers as processes: the bits of one, and nothing left of those that are killed."""

import dataclasses
import os
import random
import signal
from pathlib import Path

import keras
import pytest

from benchmarks import bench_workers
from benchmarks.workers import small_fit
from ultimate_deep.training.distributed import patience
from ultimate_deep.training.loop.compiled import time_fit
from ultimate_deep.training.loop.fit import Interrupted, WorkerLostError, fit
from ultimate_deep.training.loop.plan import make_plan


@pytest.fixture(scope="module")
def alone():
    return small_fit.small_fit(None, 1)


@pytest.fixture(autouse=True)
def nothing_left():
    """No process of a team and none of its memory is left, however a test ends."""
    yield
    assert not children_of(os.getpid())
    opened = [os.readlink(one) for one in Path("/proc/self/fd").iterdir() if one.is_symlink()]
    assert not [one for one in opened if "ultimate-deep" in one]


def children_of(pid):
    """Return the workers that a process has started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status, command = (folder / "stat").read_text(), (folder / "cmdline").read_text()
        except OSError:
            continue
        if "distributed.worker" in command and int(status.rpartition(")")[2].split()[1]) == pid:
            found.append(int(folder.name))
    return found


def test_three_processes_find_the_weights_of_one(alone):
    seen = []
    assert small_fit.small_fit(None, 3, after_step=lambda _, pids: seen.append(pids)) == alone
    assert all(len(pids) == 2 for pids in seen)


def test_killed_stopped_and_resumed_on_other_numbers_of_workers(tmp_path, alone):
    def kill(steps, pids):
        if steps == 3:
            os.kill(pids[0], signal.SIGKILL)

    said = r"worker 2 of 2 was killed by SIGKILL.*epoch 1, step 4; .*resume the run"
    with pytest.raises(WorkerLostError, match=said):
        small_fit.small_fit(tmp_path, 2, after_step=kill)

    def stop(steps, pids):
        if steps == 3:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted, match="epoch 2, step 3"):
        small_fit.small_fit(tmp_path, 3, resume=True, after_step=stop)
    assert small_fit.small_fit(tmp_path, 1, resume=True) == alone


def test_a_silent_worker_is_lost_too(tmp_path, alone, monkeypatch):
    def silence(steps, pids):
        if steps == 2:
            monkeypatch.setattr(patience, "SILENT_SECONDS", 0.2)
            monkeypatch.setattr(patience, "TIMES_LONGEST", 0.0)
            os.kill(pids[0], signal.SIGSTOP)

    with pytest.raises(WorkerLostError, match="worker 2 of 2 took more than 0 s to answer"):
        small_fit.small_fit(tmp_path, 2, after_step=silence)
    assert small_fit.small_fit(tmp_path, 1, resume=True) == alone


def test_a_net_of_a_scripts_own_layers_is_refused_with_the_reason():
    class Own(keras.layers.Layer):
        def call(self, x):
            return x

    inputs = keras.Input((small_fit.FEATURES,), name="features")
    model = keras.Model(inputs, keras.layers.Dense(1)(Own()(inputs)))
    rows = small_fit.small_arrays()
    said = "which fails: TypeError: Could not locate class 'Own'.*; define its layers in a module"
    with pytest.raises(ValueError, match=said):
        fit(model, rows, rows, small_fit.small_config(2), checkpoint_folder=None)


def test_the_plan_says_so_and_its_workers_go_with_it():
    model, rows = small_fit.small_net(), small_fit.small_arrays()
    config = small_fit.small_config(2)
    compiled = time_fit(model, rows, rows, config)
    plan = make_plan(model, rows, rows, config, compiled=compiled)
    said = "2 processes share out 4 parts of 4 rows; weights do not depend on how many there are"
    assert plan.lines()["workers"] == said
    one = dataclasses.replace(config, workers=1)
    assert "workers" not in make_plan(model, rows, rows, one, compiled=compiled).lines()
    assert compiled.step.participant.outside_bytes() > 2**26
    compiled.step.participant.release()


@pytest.mark.slow
def test_a_random_process_killed_after_a_random_step_changes_no_bit(tmp_path, alone):
    seed = random.SystemRandom().randrange(10**6)
    found = bench_workers.kill_once(tmp_path, alone, random.Random(seed))
    assert not found["failed"], f"seed {seed}: {found}"
