"""Measurements side by side, each in a process of one thread."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any

THREADS = (
    "OMP_NUM_THREADS OPENBLAS_NUM_THREADS MKL_NUM_THREADS NUMBA_NUM_THREADS "
    "TF_NUM_INTRAOP_THREADS TF_NUM_INTEROP_THREADS"
)
ONE_THREAD = dict.fromkeys(THREADS.split(), "1") | {"TF_CPP_MIN_LOG_LEVEL": "3"}


def side_by_side(
    measure: Callable[..., Any], cases: Sequence[Any], processes: int, *, each: int
) -> Iterator[Any]:
    """Yield what a function of one case returns, of each as soon as it is there.

    Args:
        measure: Function of one case; a new process finds it by its name.
        cases: Arguments of the function, one for each case.
        processes: Cases measured at once.
        each: Cases after which a process is worn out: compiled steps keep their memory.
    """
    os.environ.update(ONE_THREAD)  # read by the processes when they start
    for start in range(0, len(cases), processes * each):
        batch = cases[start : start + processes * each]
        # New processes for each batch: those that replace worn-out ones in one pool can hang it.
        with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
            jobs = [pool.submit(measure, one) for one in batch]
            try:
                for job in as_completed(jobs):
                    yield job.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
