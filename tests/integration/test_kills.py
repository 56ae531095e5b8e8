"""What a kill leaves, at operations on files of every job: resumed to the same bits, or finished.

The folder is copied just before an operation, which is what a kill there would leave, and the copy
is gone on with. `benchmarks/bench_kills.py` kills processes, at every operation.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.kills.jobs import JOBS, check_whole, folders_in, resume_to_the_end
from benchmarks.kills.operations import heard

pytestmark = pytest.mark.usefixtures("plain_figures")


@pytest.fixture(scope="module")
def dead() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


class Copies:
    """Copies of a folder: before and after each operation on whole folders, and every so many."""

    def __init__(self, folder: Path, place: Path, every: int) -> None:
        self.folder, self.place, self.every = folder, place, every
        self.heard: list[str] = []
        self.was_of_whole_folders = False

    def __call__(self, operation) -> None:
        number = len(self.heard)
        self.heard.append(f"{operation.event} {operation.paths[-1]}")
        wanted = operation.of_whole_folders or self.was_of_whole_folders
        self.was_of_whole_folders = operation.of_whole_folders
        if wanted or (self.every and number % self.every == 0):
            shutil.copytree(self.folder, self.place / str(number), symlinks=True)

    def taken(self, dead: int) -> list[tuple[str, Path]]:
        """Return each copy, as if its process had ended, with the operation that never came."""
        numbers = sorted(int(path.name) for path in self.place.iterdir())
        for number in numbers:
            for path in (self.place / str(number)).glob(f".*-{os.getpid()}-*"):
                path.rename(path.with_name(path.name.replace(f"-{os.getpid()}-", f"-{dead}-")))
        return [(self.heard[number], self.place / str(number)) for number in numbers]


def copies_of(name, tmp_path, *, every=0) -> Copies:
    """Make a job undisturbed and return the copies."""
    straight, place = tmp_path / "straight", tmp_path / "copies"
    straight.mkdir()
    place.mkdir()
    copies = Copies(straight, place, every)
    with heard(straight, copies):
        JOBS[name].make(straight, False)
    return copies


@pytest.mark.slow
@pytest.mark.parametrize("name", JOBS)
def test_a_kill_loses_nothing_and_leaves_nothing(name, tmp_path, dead):
    job = JOBS[name]
    copies = copies_of(name, tmp_path, every=7 if name == "pictures" else 0)
    check_whole(job, tmp_path / "straight", tmp_path / "straight")
    appeared = 0
    done: dict[str, int] = {}
    for operation, folder in reversed(copies.taken(dead)):
        before = len(folders_in(folder))
        if before < job.finished and done.get("resumed", 0) and name != "pictures":
            continue  # the last one before the folder appears; training again takes seconds
        then = resume_to_the_end(job, folder)
        done[then] = done.get(then, 0) + 1
        assert (then == "finished") == (before == job.finished), (operation, then)
        check_whole(job, folder, tmp_path / "straight")
        appeared += before == job.finished
    assert appeared >= 1, copies.heard
    assert done["resumed"] >= 1
