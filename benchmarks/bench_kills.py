"""Kill every job at every operation on a file, and see what a user is left with.

    python benchmarks/bench_kills.py                       # every job, every operation
    python benchmarks/bench_kills.py --jobs '[pictures]'   # one of them
    python benchmarks/bench_kills.py --every 5             # every fifth operation

A job (run, tune, pictures, walk-forward, ensemble) is made once undisturbed, with an audit hook
that counts each opening for writing, rename, link, removal and new folder below its artifacts. Then
it is made again for each of these operations and killed (SIGKILL) just before it; the same command
with `--resume` must end with the same bits, and with nothing beside the finished folders. Where the
kill came before anything was there, the job is started anew; where the folder had appeared, it must
be said to be finished.

About 12 seconds of one core for each kill of a job that trains, 2 for pictures. Expected: no line
under "failed". Writes `benchmarks/results/kills_<machine>.csv`.
"""

import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from jsonargparse import ArgumentParser

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    # Run as a script, Python looks in this file's folder, not in the project's.
    sys.path.insert(0, str(ROOT))

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from benchmarks.kills.jobs import JOBS, Job, check_whole, resume_to_the_end  # noqa: E402
from benchmarks.kills.operations import Operation, heard  # noqa: E402
from benchmarks.tables import RESULTS, machine_name, write_table  # noqa: E402

_DONE, _FAILED = 0, 1


def bench(jobs: list[str], every: int, folder: Path) -> pd.DataFrame:
    """Kill the named jobs at every `every`-th operation and return a row for each kill."""
    rows = []
    for name in jobs:
        job, straight = JOBS[name], folder / f"{name}-straight"
        operations = _straight(job, straight)
        print(f"{name}: {len(operations)} operations", flush=True)
        for number in range(0, len(operations), every):
            place = folder / f"{name}-{number}"
            row = _killed(job, place, straight, number)
            rows.append({"job": name, "number": number, "operation": operations[number], **row})
            if row["failure"]:
                print(f"  failed at {number} ({operations[number]}): {row['failure']}", flush=True)
    return pd.DataFrame(rows)


def _straight(job: Job, folder: Path) -> list[str]:
    """Make a job undisturbed; return its operations, as its process told them."""
    told = folder.with_suffix(".operations")

    def make() -> None:
        found: list[Operation] = []
        with heard(folder, found.append):
            job.make(folder, False)
        told.write_text("\n".join(f"{one.event} {one.paths[-1]}" for one in found))

    folder.mkdir(parents=True)
    status, said = _in_a_process(folder, make)
    if status != _DONE:
        raise RuntimeError(f"the undisturbed job failed: {said}")
    return told.read_text().splitlines()


def _killed(job: Job, folder: Path, straight: Path, number: int) -> dict[str, str]:
    """Kill a job before an operation and resume it."""

    def die() -> None:
        left = number

        def count(operation: Operation) -> None:
            nonlocal left
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

        with heard(folder, count):
            job.make(folder, False)

    said = folder.with_suffix(".said")

    def go_on() -> None:
        said.write_text(resume_to_the_end(job, folder))
        check_whole(job, folder, straight)

    folder.mkdir(parents=True)
    status, failure = _in_a_process(folder, die)
    if status != -signal.SIGKILL:
        return {"then": "", "failure": f"it was not killed: {failure or status}"}
    status, failure = _in_a_process(folder, go_on)
    then = said.read_text() if said.exists() else ""
    return {"then": then, "failure": failure if status != _DONE else ""}


def _in_a_process(folder: Path, work: Callable[[], None]) -> tuple[int, str]:
    """Do something in a copy of this process, which has imported all and computed nothing."""
    failure = folder.with_suffix(".failure")
    failure.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        os.environ["ULTIMATE_DEEP_HOME"] = str(folder.with_suffix(".home"))
        try:
            work()
            status = _DONE
        except BaseException:
            failure.write_text(traceback.format_exc(limit=-3))
            status = _FAILED
        os._exit(status)
    _, ended = os.waitpid(child, 0)
    said = " ".join(failure.read_text().split()) if failure.exists() else ""
    return os.waitstatus_to_exitcode(ended), said


def main() -> None:
    """Parse, kill, write and print."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=list[str], default=list(JOBS), help="Which jobs")
    parser.add_argument("--every", type=int, default=1, help="Kill at every so many operations")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        table = bench(options.jobs, options.every, Path(scratch).resolve())
    failed = table["failure"] != ""
    summary = table.assign(failed=failed).groupby("job", sort=False)
    print(summary.agg(kills=("number", "size"), failed=("failed", "sum")))
    if options.every == 1 and options.jobs == list(JOBS):
        write_table(table, RESULTS / f"kills_{machine_name()}.csv")
    sys.exit(int(failed.any()))


if __name__ == "__main__":
    main()
