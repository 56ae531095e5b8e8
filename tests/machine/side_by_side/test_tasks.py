"""Independent tasks give the same results on any number of workers, whatever happens to those."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ultimate_deep.machine.home import HOME_VARIABLE, home_folder
from ultimate_deep.machine.plugins import loaded_plugins, plugins_loaded
from ultimate_deep.machine.side_by_side.tasks import WorkerDiedError, side_by_side
from ultimate_deep.machine.side_by_side.workers import Workers

SLOW_TASKS = """
import time
from pathlib import Path
from ultimate_deep.machine.interrupts import Interrupted, stop_requests

def same(given):
    return given

def slow(own, case, lines):
    with stop_requests() as request:
        Path(own, f"began-{case}").touch()
        while request.received is None:
            time.sleep(0.02)
        Path(own, f"kept-{case}").touch()
    raise Interrupted("kept", None)
"""
SLOW = """
import signal, sys
from slow_tasks import same, slow
from ultimate_deep.machine.side_by_side.tasks import side_by_side
from ultimate_deep.machine.side_by_side.workers import Workers

signal.signal(signal.SIGTERM, signal.default_int_handler)
try:
    side_by_side(
        slow, [0, 1, 2], Workers(count=2),
        make=same, given=sys.argv[1], names="abc", say=print, done=print,
    )
except KeyboardInterrupt:
    print("stopped")
"""
TABLE = np.random.default_rng(0).normal(size=(400, 400))


def made(given):
    return {"table": given, "tasks": 0}


def multiplied(own, case, lines):
    own["tasks"] += 1
    assert not own["table"].flags.writeable  # mapped, so that workers share it
    print(f"case {case}", file=lines)
    return float(np.linalg.norm(own["table"] @ own["table"][:, case])), own["tasks"], os.getpid()


def threads_of(own, case, lines):
    time.sleep(0.2)
    names = "OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "LOKY_MAX_CPU_COUNT"
    return [os.environ[name] for name in names], len(os.sched_getaffinity(0))


def killed_at_first(own, case, lines):
    """Die in the way that a process dies of too little memory, once, or always."""
    once = Path(own) / "once"
    if case == 3 and (own.endswith("always") or not once.exists()):
        once.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    return case * case


def refused(own, case, lines):
    if case == 1:
        raise ValueError("window_bars must be at least 2, got 1; use 60")
    return case


def loaded_here(own, case, lines):
    return sorted(loaded_plugins())


def home_there(own, case, lines):
    return home_folder()


def run(do, cases, count, *, given=None, make=made, said=None):
    say = (lambda line: None) if said is None else said.append
    names = [f"task {case}" for case in cases]
    found = {}
    side_by_side(
        do, cases, Workers(count=count),
        make=make, given=given, names=names, say=say, done=found.__setitem__,
    )  # fmt: skip
    return [found[number] for number in range(len(cases))]


def same(given):
    return given


def test_results_are_those_of_one_worker_and_workers_stay_warm():
    said = []
    alone, two = (
        run(multiplied, list(range(6)), count, given=TABLE, said=said) for count in (1, 2)
    )
    assert [one[0] for one in alone] == [one[0] for one in two]
    assert sorted(line for line in said if "case 4" in line) == ["task 4: case 4"] * 2
    for found in (alone, two):
        assert len({process for *_, process in found} - {os.getpid()}) <= 2
        assert max(tasks for _, tasks, _ in found) >= 3  # made once, for task after task


def test_threads_and_cores_are_what_was_asked_for():
    for threads, cores in run(threads_of, [0, 1], 1):
        assert threads == ["1"] * 3
        assert cores == 1


def test_plugins_of_a_call_are_loaded_in_its_workers_and_forgotten_after_it(tmp_path):
    path = tmp_path / "my_gap.py"
    path.write_text(
        "from ultimate_deep import plugins\n\n\n"
        "@plugins.feature(warmup_bars=1, neutral=0.0, unit='log', source='own')\n"
        "def my_gap_1(bars):\n"
        "    return bars['open'] / bars['close'].shift(1) - 1.0\n"
    )
    with plugins_loaded([path]):
        assert run(loaded_here, [0, 1], 2) == [["my_gap"]] * 2
    assert run(loaded_here, [0, 1], 2) == [[]] * 2


def test_workers_of_an_earlier_call_write_into_the_folder_of_this_one(tmp_path, monkeypatch):
    for name in ("one", "other"):
        monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / name))
        assert run(home_there, [0, 1], 2, make=same) == [tmp_path / name] * 2


def test_a_task_whose_worker_was_killed_is_done_again(tmp_path):
    said = []
    found = run(killed_at_first, list(range(6)), 2, given=str(tmp_path), make=same, said=said)
    assert found == [0, 1, 4, 9, 16, 25]
    (line,) = (line for line in said if "died" in line)
    assert "SIGKILL" in line
    assert "task 3" in line


def test_a_task_that_kills_its_worker_twice_is_named(tmp_path):
    folder = tmp_path / "always"
    folder.mkdir()
    said = r"the worker of task 3 died twice, .* \(exit status [^\n]*\); it may need more memory"
    with pytest.raises(WorkerDiedError, match=said):
        run(killed_at_first, list(range(6)), 2, given=str(folder), make=same)


def test_what_a_task_raises_is_raised_here():
    with pytest.raises(ValueError, match="window_bars must be at least 2, got 1; use 60"):
        run(refused, [0, 1, 2], 2)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_lets_the_tasks_under_way_keep_what_they_have(tmp_path, sent):
    (tmp_path / "slow_tasks.py").write_text(SLOW_TASKS)
    script = tmp_path / "slow.py"
    script.write_text(SLOW)
    process = subprocess.Popen(
        [sys.executable, script, tmp_path],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until = time.monotonic() + 60
    while len(list(tmp_path.glob("began-*"))) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    # A terminal sends Ctrl-C to all processes of the group.
    (os.killpg if sent == signal.SIGINT else os.kill)(process.pid, sent)
    said, _ = process.communicate(timeout=60)
    assert said.splitlines()[-1] == "stopped"
    assert sorted(path.name for path in tmp_path.glob("kept-*")) == ["kept-0", "kept-1"]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("count", -1, "workers must be from 0 to 1,024, got -1; use the number of cores"),
        ("threads", 0, "worker_threads must be from 1 to 1,024, got 0; 1 is usual"),
        ("engine", "dask", "engine"),
    ],
)
def test_bad_workers_are_refused(field, value, said):
    with pytest.raises(ValueError, match=said):
        Workers(**{field: value})
