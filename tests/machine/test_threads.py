import os
import subprocess
import sys

import pytest
import sklearn.ensemble  # noqa: F401  brings OpenMP
from threadpoolctl import threadpool_info

from ultimate_deep.machine.threads import (
    OURS,
    POOLS,
    WAITING,
    check_thread_pools,
    openmp_threads,
    set_by_user,
    set_thread_pools,
    usable_cores,
)


def _threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "openmp"}


def test_openmp_is_limited_in_the_block_alone():
    before = _threads()
    assert before
    with openmp_threads(1):
        assert _threads() == {1}
    assert _threads() == before


def test_the_limit_ends_with_an_error_too():
    before = _threads()
    with pytest.raises(ValueError, match="stop"), openmp_threads(1):
        raise ValueError("stop")
    assert _threads() == before


def test_no_limit_changes_nothing():
    before = _threads()
    with openmp_threads(None):
        assert _threads() == before


def test_no_library_starts_more_threads_than_a_container_has_cores(tmp_path):
    assert usable_cores(str(tmp_path), "absent") == len(os.sched_getaffinity(0))
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert usable_cores(str(tmp_path), "absent") == len(os.sched_getaffinity(0))
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert usable_cores(str(tmp_path), "absent") == 1


def test_an_older_container_says_its_share_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)))
    assert usable_cores(str(tmp_path), "absent") == 64
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    for quota, cores in ((250_000, 3), (-1, 64)):
        (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota}\n")
        assert usable_cores(str(tmp_path), "absent") == cores


def test_the_groups_around_a_process_limit_it_too(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)))
    groups = tmp_path / "groups"
    today, older = tmp_path / "all/job", tmp_path / "cpu/box"
    for folder in (today, older):
        folder.mkdir(parents=True)
    (tmp_path / "all/cpu.max").write_text("700000 100000\n")
    (today / "cpu.max").write_text("max 100000\n")
    (older / "cpu.cfs_quota_us").write_text("300000\n")
    (older / "cpu.cfs_period_us").write_text("100000\n")
    for text, cores in (
        ("0::/all/job\n", 7),
        ("4:cpu,cpuacct:/box\n0::/all/job\n", 3),
        ("0::/../all\nodd\n", 64),
        ("0::/\n", 64),
    ):
        groups.write_text(text)
        assert usable_cores(str(tmp_path), str(groups)) == cores, text
    assert usable_cores(str(tmp_path), str(tmp_path / "absent")) == 64


def test_what_stands_for_another_name_is_not_overruled():
    environment = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "ACTIVE"}
    set_thread_pools(environment)
    names = {"OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"}
    assert names.isdisjoint(environment)
    assert {"LOKY_MAX_CPU_COUNT", "TF_NUM_INTRAOP_THREADS"} <= environment.keys()
    environment = {"OMP_NUM_THREADS": ""}  # says nothing
    set_thread_pools(environment)
    assert environment["OPENBLAS_NUM_THREADS"] == str(usable_cores())
    set_thread_pools(environment)
    assert names <= environment.keys()


def test_what_the_user_has_set_stays():
    environment = {"OMP_NUM_THREADS": "7", "OMP_WAIT_POLICY": "ACTIVE"}
    set_thread_pools(environment)
    assert environment["OMP_NUM_THREADS"] == "7"
    assert environment["OMP_WAIT_POLICY"] == "ACTIVE"
    assert environment["TF_NUM_INTRAOP_THREADS"] == str(usable_cores())


def test_an_empty_value_sets_nothing():
    environment = dict.fromkeys((*POOLS, *WAITING), "")
    set_thread_pools(environment)
    assert {environment[name] for name in POOLS} == {str(usable_cores())}
    assert WAITING.items() <= environment.items()
    assert not set_by_user("TF_NUM_INTRAOP_THREADS", environment)


@pytest.mark.parametrize("name", ["TF_NUM_INTRAOP_THREADS", "LOKY_MAX_CPU_COUNT"])
@pytest.mark.parametrize("value", ["two", "-1", "1.5", "\u0662", "1" * 99 + "x"])
def test_a_number_of_threads_that_is_none_is_refused_by_the_variables_name(name, value):
    with pytest.raises(ValueError, match=f"variable {name} must be a whole number") as refused:
        check_thread_pools({name: value})
    assert len(str(refused.value)) < 200
    check_thread_pools({name: " 2 ", "OMP_NUM_THREADS": "4,2"})


def test_what_was_set_here_is_known_in_processes_started_from_here_too():
    environment = {"TF_NUM_INTRAOP_THREADS": "3"}
    set_thread_pools(environment)
    set_thread_pools(environment)  # as a process does that is started from this one
    assert set_by_user("TF_NUM_INTRAOP_THREADS", environment)
    assert not set_by_user("LOKY_MAX_CPU_COUNT", environment)
    environment["LOKY_MAX_CPU_COUNT"] += "0"
    assert set_by_user("LOKY_MAX_CPU_COUNT", environment)
    assert environment[OURS].split().count(f"OMP_NUM_THREADS={usable_cores()}") == 1


def test_libraries_find_the_pools_set_before_they_are_loaded():
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "import ultimate_deep\n"
        "import sklearn.ensemble\n"
        "from threadpoolctl import threadpool_info\n"
        "print(*(pool['num_threads'] for pool in threadpool_info()), os.environ['OMP_WAIT_POLICY'])"
    )
    names = (*POOLS, *WAITING, OURS)
    kept = {name: value for name, value in os.environ.items() if name not in names}
    done = subprocess.run([sys.executable, "-c", code], env=kept, capture_output=True, text=True)
    assert set(done.stdout.split()) == {"1", "PASSIVE"}, done.stderr
