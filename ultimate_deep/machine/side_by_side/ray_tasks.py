"""Independent tasks as Ray's: on this machine, or on the cluster that RAY_ADDRESS names.

Ray places tasks, watches their processes and does a task once more whose process died. What a
task prints, and when it begins, comes back through an actor, since nodes share no folder.
"""

from __future__ import annotations

import contextlib
import io
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TextIO, cast

from ultimate_deep.machine.interrupts import stop_requests
from ultimate_deep.machine.ray_cluster import joined_cluster, load_ray
from ultimate_deep.machine.side_by_side.died import WorkerDiedError
from ultimate_deep.machine.side_by_side.worker import Shared, Stopped, made_for
from ultimate_deep.machine.side_by_side.workers import Workers
from ultimate_deep.machine.threads import POOLS, use_threads

_PASSED_ON_SECONDS = 0.2


def on_ray(
    shared: Shared,
    cases: Sequence[Any],
    workers: Workers,
    *,
    ready: Callable[[], object],
    plugins: Sequence[str],
    names: Sequence[str],
    say: Callable[[str], None],
    done: Callable[[int, Any], None],
) -> None:
    """Do all tasks on Ray; see `side_by_side`.

    Raises:
        ImportError: Ray is not installed.
        WorkerDiedError: A task's process died twice.
        KeyboardInterrupt: Ctrl-C or SIGTERM, after the tasks under way have ended.
    """
    ray = _ray()
    with joined_cluster(ray, workers.count * workers.threads):
        _Call(ray, shared, cases, workers, ready, plugins, names, say, done).run()


def _ray() -> Any:
    return load_ray()


class _Board:
    """An actor that hears of tasks' beginnings and lines, and passes them on when asked."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, str | None]] = []

    def tell(self, number: int, line: str | None) -> None:
        """Keep a line of a task; None says that it begins."""
        self.heard.append((number, line))

    def take(self) -> list[tuple[int, str | None]]:
        """Return what came since the last time."""
        found, self.heard = self.heard, []
        return found


class _Lines(io.TextIOBase):
    """Where a task prints: whole lines go to the board.

    Args:
        board: Handle of the actor.
        number: Number of the task.
    """

    def __init__(self, board: Any, number: int) -> None:
        self.board, self.number, self.rest = board, number, ""
        self.last: Any = None

    def write(self, text: str) -> int:
        *lines, self.rest = (self.rest + text).split("\n")
        for line in lines:
            self.last = self.board.tell.remote(self.number, line)
        return len(text)

    def end(self) -> None:
        """Tell what was not ended by a line's end, and wait until all of it is there."""
        if self.rest:
            self.write("\n")
        if self.last is not None:
            _ray().get(self.last)


def _task(call: str, refs: Sequence[Any], number: int, case: Any, board: Any, threads: int) -> Any:
    """Do one task in a process of Ray's; what serves all of them is made once in each process.

    Args:
        call: Name of the call.
        refs: Where Ray keeps what comes first and what all share: in a list, or Ray would unpack
            both for every task.
        number: Number of the task.
        case: What it is about.
        board: Handle of the actor that hears of it.
        threads: Threads of each library.
    """
    ray = _ray()
    ray.get(board.tell.remote(number, None))
    try:
        use_threads(threads)
        shared, made = made_for(call, lambda: ray.get(refs[0]), lambda: ray.get(refs[1]))
        lines = _Lines(board, number)
        result = shared.do(made, case, cast(TextIO, lines))
    except KeyboardInterrupt:
        return Stopped()
    lines.end()
    return result


class _Call:
    """One call: which tasks wait, which are under way, and what is said of them."""

    def __init__(
        self,
        ray: Any,
        shared: Shared,
        cases: Sequence[Any],
        workers: Workers,
        ready: Callable[[], object],
        plugins: Sequence[str],
        names: Sequence[str],
        say: Callable[[str], None],
        done: Callable[[int, Any], None],
    ) -> None:
        self.ray, self.cases, self.workers = ray, cases, workers
        self.names, self.say, self.done = names, say, done
        self.board = ray.remote(num_cpus=0)(_Board).remote()
        self.refs = [ray.put((ready, list(plugins))), ray.put(shared)]
        self.name = uuid.uuid4().hex
        variables = dict.fromkeys(POOLS, str(workers.threads))
        self.task = ray.remote(
            num_cpus=workers.threads, max_retries=1, runtime_env={"env_vars": variables}
        )(_task)
        self.waiting = deque(range(len(cases)))
        self.under_way: dict[Any, int] = {}
        self.began: set[int] = set()

    def run(self) -> None:
        """Do all of them, as many at a time as there are workers."""
        with stop_requests(self._stop) as request:
            try:
                while (self.waiting and request.received is None) or self.under_way:
                    while (
                        self.waiting
                        and request.received is None
                        and len(self.under_way) < self.workers.count
                    ):
                        self._begin(self.waiting.popleft())
                    self._look()
            except BaseException:
                self._stop()
                raise
        if request.received is not None:
            raise KeyboardInterrupt

    def _begin(self, number: int) -> None:
        ref = self.task.remote(
            self.name, self.refs, number, self.cases[number], self.board, self.workers.threads
        )
        self.under_way[ref] = number

    def _look(self) -> None:
        """Pass on what was said, and take what has ended."""
        ended, _ = self.ray.wait(list(self.under_way), timeout=_PASSED_ON_SECONDS)
        self._pass_on()
        for ref in ended:
            number = self.under_way.pop(ref)
            result = self._result(ref, number)
            if not isinstance(result, Stopped):
                self.done(number, result)

    def _result(self, ref: Any, number: int) -> Any:
        errors = self.ray.exceptions
        try:
            return self.ray.get(ref)
        except errors.TaskCancelledError:
            return Stopped()
        except (errors.WorkerCrashedError, errors.OutOfMemoryError, errors.NodeDiedError) as error:
            raise WorkerDiedError(
                f"the worker of {self.names[number]} died twice ({type(error).__name__}); it may "
                "need more memory than there is"
            ) from error
        except errors.RayTaskError as error:
            raise error.cause from None

    def _pass_on(self) -> None:
        for number, line in self.ray.get(self.board.take.remote()):
            if line is not None:
                self.say(f"{self.names[number]}: {line}")
            elif number in self.began:
                self.say(f"a worker died; doing again: {self.names[number]}")
            else:
                self.began.add(number)

    def _stop(self) -> None:
        for ref in self.under_way:
            with contextlib.suppress(self.ray.exceptions.RayError):  # it has ended meanwhile
                self.ray.cancel(ref, force=False, recursive=False)
