"""A folder has one process that works in it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ultimate_deep.machine import locks
from ultimate_deep.machine.files import LOCK_FILE, unfinished_folder
from ultimate_deep.machine.litter import DISPOSABLE, remove_litter
from ultimate_deep.machine.locks import (
    FolderLock,
    LockedError,
    TakenError,
    claim_folder,
    is_abandoned,
)

HOLDER = """
import sys, time
from pathlib import Path
from ultimate_deep.machine.locks import FolderLock
lock = FolderLock.taken(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""


def fill(folder: Path) -> None:
    (folder / "config.json").write_text("{}")


@pytest.fixture
def holder(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_living_owner_is_refused_in_words_and_a_dead_one_taken_over(tmp_path, holder):
    said = rf"is being worked on by process {holder.pid} on .* since 20.* UTC; wait"
    with pytest.raises(LockedError, match=said):
        FolderLock.taken(tmp_path)
    assert not is_abandoned(tmp_path)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert is_abandoned(tmp_path)
    with FolderLock.taken(tmp_path):
        assert json.loads((tmp_path / LOCK_FILE).read_text())["pid"] == os.getpid()
        assert not is_abandoned(tmp_path)
        with pytest.raises(LockedError, match=f"process {os.getpid()}"):
            FolderLock.taken(tmp_path)
    assert (tmp_path / LOCK_FILE).read_text() == ""


def test_another_machines_owner_is_refused_until_the_named_file_is_deleted(tmp_path):
    path = tmp_path / LOCK_FILE
    path.write_text(json.dumps({"pid": 1, "host": "elsewhere", "since": "yesterday"}))
    assert not is_abandoned(tmp_path)
    with pytest.raises(LockedError, match=r"process 1 on the machine elsewhere.*delete") as refused:
        FolderLock.taken(tmp_path)
    assert f"delete {path} and" in str(refused.value)
    path.unlink()
    FolderLock.taken(tmp_path).release()


def odd_owner(pid: str) -> str:
    return f'{{"pid": {pid}, "host": "{socket.gethostname()}", "since": ""}}'


@pytest.mark.parametrize(
    "text",
    [
        *("", "[1]", '{"pid": "x"}', "[" * 3_000, odd_owner("1e400"), odd_owner("-1")),
        *(odd_owner(f"1{'0' * 99}"), odd_owner("NaN")),
    ],
)
def test_a_lock_file_that_says_nothing_is_nobodys(tmp_path, text):
    (tmp_path / LOCK_FILE).write_text(text)
    FolderLock.taken(tmp_path).release()


ODD_LOCKS = {
    "folder": (os.mkdir, "is a directory"),
    "pipe": (os.mkfifo, "no regular file"),
    "socket": (lambda path: socket.socket(socket.AF_UNIX).bind(str(path)), "no such device"),
    "link": (lambda path: path.symlink_to("elsewhere"), "too many"),
    "loop": (lambda path: path.symlink_to(path.name), "too many"),
}


@pytest.mark.timeout(60)
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.parametrize(("make", "found"), ODD_LOCKS.values(), ids=ODD_LOCKS)
def test_what_lies_in_a_locks_place_is_named_and_left_alone(tmp_path, monkeypatch, make, found):
    monkeypatch.chdir(tmp_path)
    folder = Path("run")
    folder.mkdir()
    make(folder / LOCK_FILE)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(LockedError, match=rf"^run/\{LOCK_FILE} must be .*{found}.*; move it away"):
        FolderLock.taken(folder)
    assert not is_abandoned(folder)
    remove_litter(tmp_path)
    assert os.listdir(folder) == [LOCK_FILE]
    assert len(os.listdir("/proc/self/fd")) == before
    (folder / LOCK_FILE).rename(tmp_path / "away")  # as the message says
    FolderLock.taken(folder).release()


def test_a_finished_run_with_an_odd_lock_stops_no_other(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / LOCK_FILE).write_text('{"pid": 1e400, "host": "vm", "since": ""}')
    remove_litter(tmp_path)
    assert not os.listdir(tmp_path / "run")


def test_where_locks_are_unknown_a_living_process_of_that_number_counts(tmp_path, monkeypatch):
    def unknown(descriptor, how):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(locks.fcntl, "flock", unknown)
    with FolderLock.taken(tmp_path), pytest.raises(LockedError, match=str(os.getpid())):
        FolderLock.taken(tmp_path)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    told = {"pid": gone.pid, "host": socket.gethostname(), "since": "then"}
    (tmp_path / LOCK_FILE).write_text(json.dumps(told))
    FolderLock.taken(tmp_path).release()


def test_of_two_that_want_a_name_at_once_one_gets_it(tmp_path):
    start = threading.Barrier(2)

    def claimed() -> list[int]:
        start.wait()
        got = []
        for number in range(50):
            with contextlib.suppress(TakenError):
                claim_folder(tmp_path / str(number), fill)
                got.append(number)
        return got

    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(claimed) for _ in range(2)]
        got = [number for one in both for number in one.result(timeout=60)]
    assert sorted(got) == list(range(50))
    assert sorted(os.listdir(tmp_path)) == sorted(f"{number}.unfinished" for number in got)


def test_a_name_is_taken_by_what_is_finished_too(tmp_path):
    (tmp_path / "run").mkdir()
    with pytest.raises(TakenError, match="never overwritten"):
        claim_folder(tmp_path / "run", fill)
    assert os.listdir(tmp_path) == ["run"]


def test_what_cannot_be_filled_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError):
        claim_folder(tmp_path / "run", lambda folder: 1 / 0)
    assert not os.listdir(tmp_path)


def test_litter_of_dead_processes_goes_and_all_else_stays(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    tag = locks.draft_tag().split("-")[0]
    dead, living = f"{tag}-{gone.pid}-3", f"{tag}-{os.getppid()}-3"
    (tmp_path / f".{dead}.removed" / "deep").mkdir(parents=True)
    (tmp_path / f".latest.{dead}.part").symlink_to("nowhere")
    (tmp_path / f".leaks-{dead}.draft").mkdir()
    stays = [f".{living}.starting", f".00000000-{gone.pid}-3.removed", ".mine.part", "run"]
    for name in stays:
        (tmp_path / name).mkdir()
    # As a living process leaves it between making the file and locking it.
    being_taken = tmp_path / f".{living}.starting" / LOCK_FILE
    being_taken.touch()
    for name, lock in (("left", ""), ("held", "elsewhere"), ("kept", "")):
        folder = unfinished_folder(tmp_path / name)
        folder.mkdir()
        told = {"pid": 1, "host": lock, "since": ""}
        (folder / LOCK_FILE).write_text(json.dumps(told) if lock else "")
        if name != "kept":
            (folder / DISPOSABLE).write_text("")
    remove_litter(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted([*stays, "held.unfinished", "kept.unfinished"])
    assert being_taken.exists()
    remove_litter(tmp_path / "absent")
