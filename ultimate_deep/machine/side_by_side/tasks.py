"""Tasks that are independent, done side by side by joblib's workers.

A worker that dies (killed, out of memory) ends all tasks under way. They are done again, one at a
time; a task whose worker dies again then is named.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

import joblib
from joblib.externals.loky.process_executor import BrokenProcessPool

from ultimate_deep.machine.home import HOME_VARIABLE
from ultimate_deep.machine.interrupts import stop_requests
from ultimate_deep.machine.plugins import plugin_paths
from ultimate_deep.machine.side_by_side.died import WorkerDiedError
from ultimate_deep.machine.side_by_side.notes import Notes, Relay
from ultimate_deep.machine.side_by_side.worker import Seat, Shared, Stopped, run_task
from ultimate_deep.machine.side_by_side.workers import Workers


def nothing() -> None:
    """Make nothing ready."""


def side_by_side(
    do: Callable[[Any, Any, TextIO], Any],
    cases: Sequence[Any],
    workers: Workers,
    *,
    make: Callable[[Any], Any],
    given: Any,
    names: Sequence[str],
    say: Callable[[str], None],
    done: Callable[[int, Any], None],
    ready: Callable[[], object] = nothing,
) -> None:
    """Do all tasks; their results come in no order, each as soon as it is there.

    Functions for the workers are found there by their names, so they stand at the top of a module.
    Plugins that are loaded here are loaded in the workers too.

    Args:
        do: Does one task: called with what `make` returned, the case, and where to print lines.
        cases: What each task is about.
        workers: How many at a time, at least one.
        make: Makes what serves task after task, once in each worker.
        given: What `make` is given; large arrays in it are shared, and read-only.
        names: What each task is called.
        say: Told what tasks print and what happens to them.
        done: Called here with the number of a case and its result.
        ready: Called in a worker before anything of `given` is imported, such as what loads a
            library without its chatter.

    Raises:
        WorkerDiedError: A task's worker died twice.
        KeyboardInterrupt: Ctrl-C or SIGTERM, after the tasks under way have ended.
        ImportError: Ray is asked for and not installed.
    """
    if workers.engine == "ray":
        from ultimate_deep.machine.side_by_side.ray_tasks import on_ray

        on_ray(
            Shared(make, given, do), cases, workers,
            ready=ready, plugins=plugin_paths(), names=names, say=say, done=done,
        )  # fmt: skip
        return
    with tempfile.TemporaryDirectory(prefix="ultimate-deep-") as kept:
        notes = Notes(Path(kept))
        joblib.dump((ready, plugin_paths()), notes.ready)
        joblib.dump(Shared(make, given, do), notes.shared)
        with Relay(notes, names, say) as relay:

            def told(number: int, result: Any) -> None:
                relay.ended(number)  # what it printed comes before what came of it
                done(number, result)

            _until_done(notes, cases, workers, names, say, told)


def _until_done(
    notes: Notes,
    cases: Sequence[Any],
    workers: Workers,
    names: Sequence[str],
    say: Callable[[str], None],
    done: Callable[[int, Any], None],
) -> None:
    left = dict(enumerate(cases))
    suspects: list[int] = []

    def ended(number: int, result: Any) -> None:
        del left[number]
        done(number, result)

    while left:
        alone = bool(suspects)
        chosen = {one: left[one] for one in suspects[:1] or left}
        try:
            _at_a_time(notes, chosen, workers, 1 if alone else workers.count, ended)
            suspects = suspects[1:]
        except BrokenProcessPool as error:
            if notes.stopping:  # a task that keeps nothing ends with its process
                raise KeyboardInterrupt from error
            died = sorted(notes.taken().keys() & left.keys())
            notes.forget()
            if alone:
                raise WorkerDiedError(
                    f"the worker of {names[suspects[0]]} died twice, the second time with no other "
                    f"task beside it ({_reason(error)}); it may need more memory than there is"
                ) from error
            suspects = died or list(left)
            say(
                f"a worker died ({_reason(error)}); doing again, one at a time: "
                f"{', '.join(names[one] for one in suspects)}"
            )


def _at_a_time(
    notes: Notes,
    cases: dict[int, Any],
    workers: Workers,
    count: int,
    ended: Callable[[int, Any], None],
) -> None:
    seat = _seat(workers)
    for taken in notes.folder.glob("seat-*"):  # by workers that died
        taken.unlink()
    # With one worker joblib would do the tasks in this process, whose threads are others.
    processes = max(2, workers.count)
    backend = joblib.parallel_config("loky", inner_max_num_threads=workers.threads)
    # joblib kills its workers when it is interrupted: here they are asked, and waited for.
    with stop_requests(notes.ask_to_stop) as request, backend:
        results = joblib.Parallel(
            n_jobs=processes, batch_size=1, pre_dispatch=count, return_as="generator_unordered"
        )(
            joblib.delayed(run_task)(notes.folder, seat, os.getpid(), number, case)
            for number, case in cases.items()
        )
        for number, result in results:
            if isinstance(result, Stopped):
                continue
            try:
                ended(number, result)
            except BaseException:
                notes.ask_to_stop()
                with contextlib.suppress(BrokenProcessPool):  # tasks that keep nothing
                    deque(results, maxlen=0)
                raise
    if request.received is not None:
        raise KeyboardInterrupt


def _seat(workers: Workers) -> Seat:
    """Return cores of their own for each worker, where there are enough."""
    home = os.environ.get(HOME_VARIABLE, "")
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    most, each = workers.count, workers.threads
    if most * each > len(cores):
        return Seat(each, (), home)
    own = tuple(tuple(cores[one * each : (one + 1) * each]) for one in range(most))
    return Seat(each, own, home)


def _reason(error: BaseException) -> str:
    """Return joblib's words for how a worker ended, without its advice."""
    _, found, exits = str(error).partition("exit codes of the workers are ")
    status = exits.strip().partition("\n")[0].rstrip(".")
    return f"exit status {status}" if found else "killed"
