"""Workers on a cluster: the bits of one process, also where one of them is killed."""

import os
import signal
import subprocess
import sys

import pytest

from benchmarks.workers import small_fit
from ultimate_deep.machine.ray_cluster import join_cluster
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.compiled import compile_fit
from ultimate_deep.training.settings.gradients import GradientsConfig

TWO_NODES = """
import os
import signal
from pathlib import Path

from ray.cluster_utils import Cluster

from benchmarks.workers.small_fit import small_fit

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
cluster.add_node(num_cpus=1)
os.environ["RAY_ADDRESS"] = cluster.address
seen, nodes = [], set()

def node_of(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line for line in lines if line.startswith("PPid"))

def kill(steps, pids):
    seen.append(list(pids))
    nodes.update(map(node_of, pids))
    if steps == 3:
        os.kill(pids[0], signal.SIGKILL)

print("alone", small_fit(None, 1))
print("ray", small_fit(None, 3, "ray", after_step=kill))
print("nodes", len(nodes))
print("killed", seen[2][0] not in seen[3], "kept", seen[2][1] == seen[-1][1])
cluster.shutdown()
"""


def test_two_nodes_one_of_whose_workers_is_killed_find_the_weights_of_one_process(tmp_path):
    pytest.importorskip("ray", reason='not installed: pip install "ray>=2.50"')
    (tmp_path / "two_nodes.py").write_text(TWO_NODES)
    environment = {
        **os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TF_NUM_INTRAOP_THREADS": "1",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "two_nodes.py"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert said["ray"] == said["alone"]
    assert said["nodes"] == "2"
    assert said["killed"] == "True kept True"


def test_more_than_the_cluster_has_is_refused_and_nothing_is_left_running(monkeypatch):
    ray = pytest.importorskip("ray", reason='not installed: pip install "ray>=2.50"')
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 1.0})
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "1")
    said = "need 2 processors of Ray beside this process, and its cluster has 1; take fewer workers"
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ValueError, match=said):
        small_fit.small_fit(None, 3, "ray")
    assert not ray.is_initialized()
    assert signal.getsignal(signal.SIGTERM) is before  # which Ray takes


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:1", r"got '127\.0\.0\.1:1' \(.*refused.*\); start one with `ray start --head`"),
        ("host:", r"got 'host:' \(it is no host:port\)"),
        ("nonsense", "RAY_ADDRESS must name a cluster of Ray's that answers, got 'nonsense'"),
    ],
)
def test_a_cluster_that_does_not_answer_is_named(monkeypatch, address, said):
    ray = pytest.importorskip("ray", reason='not installed: pip install "ray>=2.50"')
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(ValueError, match=said):
        join_cluster(ray, 1)


def test_ray_is_for_workers_and_must_be_there(monkeypatch):
    with pytest.raises(ValueError, match=r"got fit\.workers 1; set fit\.workers to 2 or more, or"):
        FitConfig(engine="ray").check_workers()
    monkeypatch.setitem(sys.modules, "ray", None)
    config = FitConfig(workers=2, engine="ray", gradients=GradientsConfig(micro_batches=2))
    with pytest.raises(ValueError, match=r"fit\.engine ray needs Ray, which is not installed"):
        compile_fit(small_fit.small_net(), config)
