"""A team of Ray's actors, on any node of a cluster; arrays travel through Ray's object store.

Ray places the workers, watches them and starts one anew that died, on another node where its own is
gone. Since a worker keeps nothing, the batch that it was at is then computed once more, to the same
bits, and the fit goes on.
"""

from __future__ import annotations

import os
import time
import uuid
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ultimate_deep.machine.ray_cluster import join_cluster, load_ray
from ultimate_deep.training.distributed import patience
from ultimate_deep.training.distributed.patience import Patience
from ultimate_deep.training.distributed.team import (
    Answers,
    Exchange,
    Job,
    Recruit,
    cannot_build,
    lost_before,
)

# What must be the same on every node for the bits to be.
SAME_EVERYWHERE = ("tensorflow", "keras", "numpy", "ultimate-deep")


def versions() -> dict[str, str]:
    """Return what is installed here of all that the bits depend on."""
    from importlib.metadata import version

    return {name: version(name) for name in SAME_EVERYWHERE}


class _Worker:
    """An actor: it builds the model when it is first asked, also where Ray started it anew.

    Args:
        letter: The `Recruit` in Ray's object store, in a list, or Ray would unpack it.
        number: Number of this worker, from 1.
    """

    def __init__(self, letter: Sequence[Any], number: int) -> None:
        self._letter, self._number = letter, number
        self._computing: Any = None
        self._jobs: dict[int, Job] = {}

    def ready(self) -> tuple[str, dict[str, str]]:
        """Return why the model cannot be built here, empty where it is; and what is installed."""
        return self._built(), versions()

    def sums(
        self, number: int, job: Sequence[Any], arrays: list[np.ndarray]
    ) -> tuple[int, int, list[list[np.ndarray]]]:
        """Return this process, its peak memory and what each of its subtrees adds up to.

        Args:
            number: Which job it is.
            job: The job in Ray's object store, in a list.
            arrays: The batch's tensors, then all variables.
        """
        import ray

        from ultimate_deep.machine.memory import peak_resident_bytes

        if reason := self._built():
            raise RuntimeError(reason)
        if number not in self._jobs:
            self._jobs[number] = ray.get(job[0])
        found = self._computing.sums(self._jobs[number], self._number, arrays)
        return os.getpid(), peak_resident_bytes(), found

    def _built(self) -> str:
        if self._computing is not None:
            return ""
        import ray

        from ultimate_deep.training.distributed.worker import recruited

        self._computing, reason = recruited(lambda: ray.get(self._letter[0]))
        return reason


class RayTeam:
    """Workers as Ray's actors, one after the first for each.

    A worker that dies is started anew and does its batch once more; where it dies at the same batch
    again it is lost, as one is that does not answer.

    Args:
        workers: Workers, this process included.
        recruit: Gives what each is told of the fit.

    Raises:
        ImportError: Ray is not installed.
    """

    def __init__(self, workers: int, recruit: Callable[[], Recruit]) -> None:
        self._ray = load_ray()
        self.exchange = Exchange()
        self._number, self._recruit = workers, recruit
        self._lost, self._peaks = "", [0] * (workers - 1)
        self._pids: list[int | None] = [None] * (workers - 1)
        self._workers: list[Any] = []
        self._asked: list[Any] = []
        self._jobs: dict[int, Any] = {}
        self._told: set[int] = set()
        self._ready, self._began, self._patience = False, 0.0, Patience()
        self._end: Callable[[], Any] = lambda: None

    @property
    def lost(self) -> str:
        return self._lost

    @property
    def peak_bytes(self) -> int:
        return sum(self._peaks)

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers as of the last batch, each on its own node."""
        return [pid for pid in self._pids if pid is not None]

    def new_exchange(self) -> Exchange:
        self.exchange = Exchange()
        return self.exchange

    def start(self) -> None:
        if self._workers or self._lost:
            return
        ray, recruit = self._ray, self._recruit()
        others, threads = self._number - 1, recruit.threads[0]
        began = join_cluster(ray, others * threads)
        there = int(ray.cluster_resources().get("CPU", 0))
        if there < others * threads:
            if began:
                ray.shutdown()
            raise ValueError(
                f"fit.workers {self._number} on {threads} threads each need {others * threads} "
                f"processors of Ray beside this process, and its cluster has {there}; take fewer "
                "workers, fewer threads (TF_NUM_INTRAOP_THREADS), or start more nodes"
            )
        # A process of their own: one that Ray has used before has counted its threads.
        own = {"env_vars": {"ULTIMATE_DEEP_TEAM": uuid.uuid4().hex}}
        actor = ray.remote(
            num_cpus=threads, max_restarts=-1, max_task_retries=1,
            scheduling_strategy="SPREAD", runtime_env=own,
        )(_Worker)  # fmt: skip
        letter = [ray.put(recruit)]
        self._workers = [actor.remote(letter, worker) for worker in range(1, self._number)]
        self._end = weakref.finalize(self, _end_all, ray, list(self._workers), began)
        self._jobs, self._told, self._ready = {}, set(), False
        self._asked = [worker.ready.remote() for worker in self._workers]

    def wait(self) -> None:
        self.start()
        if self._ready or self._lost:
            return
        answers = self._answers(patience.START_SECONDS, "to be ready")
        here = versions()
        apart = [
            f"{name} is {there[name]} on one node and {here[name]} here; install one version on all"
            for answer in answers
            if answer is not None
            for there in [answer[1]]
            for name in SAME_EVERYWHERE
            if there[name] != here[name]
        ]
        refused = [answer[0] for answer in answers if answer is not None and answer[0]]
        if self._lost or refused or apart:
            self._stop()
        if apart:
            raise ValueError(f"weights depend on what is installed: {apart[0]}")
        if refused:
            raise cannot_build(refused[0])
        if self._lost:
            raise lost_before(self._lost)
        self._ready = True

    def publish(self, job: Job, arrays: list[np.ndarray]) -> None:
        if self._lost or not self._workers:
            return
        self._began = began = time.perf_counter()
        if job.number not in self._jobs:
            self._jobs[job.number] = self._ray.put(job)
        batch = self._ray.put(arrays)
        self._asked = [
            worker.sums.remote(job.number, [self._jobs[job.number]], batch)
            for worker in self._workers
        ]
        self.exchange.handed_out(arrays, began=began)

    def collect(self, job: Job) -> Answers:
        if self._lost or not self._workers:
            return [None] * (self._number - 1)
        began = time.perf_counter()
        first = job.number not in self._told
        answers = self._answers(self._patience.seconds(first=first), "to answer")
        came = time.perf_counter()
        self._told.add(job.number)
        self._patience.heard(came - self._began)
        found: Answers = [None] * (self._number - 1)
        for at, answer in enumerate(answers):
            if answer is not None:
                self._pids[at], self._peaks[at], sums = answer
                # What Ray hands out lies in its store, and goes with it.
                found[at] = [[np.array(one) for one in own] for own in sums]
        self.exchange.took(found, asked=began, came=came)
        if self._lost:
            self._stop()
        return found

    def forget(self) -> None:
        self._lost = ""

    def close(self) -> None:
        self._stop()

    def _stop(self) -> None:
        self._end()
        self._workers, self._asked, self._ready = [], [], False
        self._jobs, self._pids = {}, [None] * (self._number - 1)

    def _answers(self, most: float, what: str) -> list[Any]:
        """Return what each worker answers; None of one that is lost."""
        asked, found = self._asked, []
        self._asked = []
        ended, _ = self._ray.wait(asked, num_returns=len(asked), timeout=most)
        for worker, ref in enumerate(asked, start=1):
            answer = None
            if ref not in ended:
                self._lose(worker, f"took more than {most:.0f} s {what}")
            else:
                try:
                    answer = self._ray.get(ref)
                except self._ray.exceptions.RayTaskError as error:
                    said = str(error.cause).strip().splitlines() or [type(error.cause).__name__]
                    self._lose(worker, f"failed ({said[-1]})")
                except self._ray.exceptions.RayError as error:
                    self._lose(worker, f"died twice at one batch ({type(error).__name__})")
            found.append(answer)
        return found

    def _lose(self, worker: int, how: str) -> None:
        self._lost = self._lost or f"worker {worker + 1} of {self._number} {how}"


def _end_all(ray: Any, workers: list[Any], began: bool) -> None:
    """Kill the actors, which keep nothing, and leave the cluster where it was joined for them."""
    if not ray.is_initialized():
        return
    for worker in workers:
        ray.kill(worker)
    if began:
        ray.shutdown()
