"""Tasks on Ray: the same results as in processes of this machine, and on two nodes."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from ultimate_deep.machine.interrupts import Interrupted, stop_requests
from ultimate_deep.machine.plugins import loaded_plugins, plugins_loaded
from ultimate_deep.machine.side_by_side.tasks import WorkerDiedError, side_by_side
from ultimate_deep.machine.side_by_side.workers import Workers

NODE_TASKS = """
import time
import ray

def same(given):
    return given

def node_of(own, case, lines):
    time.sleep(0.5)
    return ray.get_runtime_context().get_node_id(), own * case
"""
TWO_NODES = """
import os
from ray.cluster_utils import Cluster
from node_tasks import node_of, same
from ultimate_deep.machine.side_by_side.tasks import side_by_side
from ultimate_deep.machine.side_by_side.workers import Workers

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
cluster.add_node(num_cpus=1)
os.environ["RAY_ADDRESS"] = cluster.address
found = {}
side_by_side(
    node_of, [1, 2, 3, 4], Workers(count=2, engine="ray"),
    make=same, given=10, names="abcd", say=print, done=found.__setitem__,
)
print("nodes", len({node for node, _ in found.values()}))
print("results", [found[number][1] for number in range(4)])
cluster.shutdown()
"""
ray = pytest.importorskip("ray", reason='not installed: pip install "ray>=2.50"')
TABLE = np.random.default_rng(0).normal(size=(200, 200))


def made(given):
    return {"table": given, "tasks": 0}


def multiplied(own, case, lines):
    own["tasks"] += 1
    print(f"case {case}", file=lines)
    product = own["table"] @ own["table"][:, case]
    return float(np.linalg.norm(product)), os.environ["OMP_NUM_THREADS"], own["tasks"]


def killed_at_first(own, case, lines):
    once = Path(own) / "once"
    if case == 1 and (own.endswith("always") or not once.exists()):
        once.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return case * case


def refused(own, case, lines):
    raise ValueError(f"case {case} must be even; use 2")


def slow(own, case, lines):
    with stop_requests() as request:
        Path(own, f"began-{case}").touch()
        while request.received is None:
            time.sleep(0.02)
        Path(own, f"kept-{case}").touch()
    raise Interrupted("kept", None)


def loaded_here(own, case, lines):
    return sorted(loaded_plugins())


def same(given):
    return given


def run(do, cases, *, given=None, make=same, said=None, engine="ray"):
    found = {}
    side_by_side(
        do, cases, Workers(count=2, engine=engine),
        make=make, given=given, names=[f"task {case}" for case in cases],
        say=(lambda line: None) if said is None else said.append, done=found.__setitem__,
    )  # fmt: skip
    return [found[number] for number in range(len(cases))]


@pytest.fixture(scope="module", autouse=True)
def joined():
    """Ray on this machine, started once: a call that finds none starts and ends its own."""
    folder = str(Path(__file__).parent)
    sys.path.insert(0, folder)
    ray.init(
        address="local", num_cpus=2, include_dashboard=False, log_to_driver=False,
        logging_level="ERROR", runtime_env={"env_vars": {"PYTHONPATH": folder}},
    )  # fmt: skip
    yield
    ray.shutdown()
    sys.path.remove(folder)


def test_results_are_those_of_processes_of_this_machine():
    said = []
    of_ray, ours = (
        run(multiplied, [0, 1, 2, 3], given=TABLE, make=made, said=said, engine=engine)
        for engine in ("ray", "processes")
    )
    assert [one[:2] for one in of_ray] == [one[:2] for one in ours]
    assert {threads for _, threads, _ in of_ray} == {"1"}
    assert max(tasks for *_, tasks in of_ray) >= 2  # made once, for task after task
    assert sorted(line for line in said if "case 2" in line) == ["task 2: case 2"] * 2


def test_a_task_whose_process_was_killed_is_done_again_and_then_named(tmp_path):
    said = []
    assert run(killed_at_first, [0, 1, 2], given=str(tmp_path), said=said) == [0, 1, 4]
    assert "a worker died; doing again: task 1" in said
    folder = tmp_path / "always"
    folder.mkdir()
    with pytest.raises(WorkerDiedError, match="the worker of task 1 died twice"):
        run(killed_at_first, [0, 1, 2], given=str(folder))


def test_what_a_task_raises_is_raised_here_and_plugins_are_there(tmp_path):
    with pytest.raises(ValueError, match="case 1 must be even; use 2"):
        run(refused, [1])
    path = tmp_path / "my_gap.py"
    path.write_text(
        "from ultimate_deep import plugins\n\n\n"
        "@plugins.feature(warmup_bars=1, neutral=0.0, unit='log', source='own')\n"
        "def my_gap_1(bars):\n"
        "    return bars['open'] / bars['close'].shift(1) - 1.0\n"
    )
    with plugins_loaded([path]):
        assert run(loaded_here, [0, 1]) == [["my_gap"]] * 2
    assert run(loaded_here, [0, 1]) == [[]] * 2


def test_ctrl_c_lets_the_tasks_under_way_keep_what_they_have(tmp_path):
    def interrupt():
        while len(list(tmp_path.glob("began-*"))) < 2:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run(slow, [0, 1, 2], given=str(tmp_path))
    thread.join()
    assert sorted(path.name for path in tmp_path.glob("kept-*")) == ["kept-0", "kept-1"]


def test_tasks_go_to_both_nodes_of_a_cluster(tmp_path):
    (tmp_path / "node_tasks.py").write_text(NODE_TASKS)
    (tmp_path / "two_nodes.py").write_text(TWO_NODES)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    done = subprocess.run(
        [sys.executable, "two_nodes.py"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "nodes 2" in done.stdout
    assert "results [10, 20, 30, 40]" in done.stdout
