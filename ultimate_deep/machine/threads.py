"""How many threads the libraries below us may start, and how those wait for each other."""

import contextlib
import os
from collections.abc import Iterator, MutableMapping

QUOTA = "/sys/fs/cgroup"
# What each library reads when it is loaded: OpenMP (scikit-learn, LightGBM, XGBoost), the matrix
# products of NumPy and SciPy, joblib, TensorFlow within an operation and between them. Numba's is
# left out: it would refuse another number than it has started with, and starts none for us.
POOLS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "LOKY_MAX_CPU_COUNT",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
# OpenMP's threads spin while they wait, which on busy cores keeps those from working that they
# wait for: two threads took 123 s for what one does in 10, and 13 s asleep.
WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}


def usable_cores(quota: str = QUOTA) -> int:
    """Return how many cores this process may fill: those it is bound to, and a container's share.

    Args:
        quota: Where Linux says what share of the processors a container has.
    """
    if hasattr(os, "sched_getaffinity"):
        bound = len(os.sched_getaffinity(0))
    else:
        bound = os.cpu_count() or 1
    return max(1, min(bound, _share_of(quota) or bound))


def _share_of(folder: str) -> int | None:
    """Return the cores of a container's share, the last one perhaps in part; None for all."""
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            words = [word for name in names for word in _words(f"{folder}/{name}")]
            share, period = int(words[0]), int(words[1])
        except (OSError, ValueError, IndexError):  # not there, or `max`
            continue
        if share > 0 and period > 0:
            return -(-share // period)
    return None


def _words(path: str) -> list[str]:
    with open(path, encoding="ascii") as file:
        return file.read().split()


def set_thread_pools(environment: MutableMapping[str, str] = os.environ) -> None:
    """Tell every library, before it is loaded, to start no more threads than there are cores.

    Each would find the cores of the machine by itself, not those of a container, and OpenMP's would
    spin. What the user has set is left as it is, and a library that is loaded already stays so.

    Args:
        environment: What libraries, and processes started from here, read.
    """
    cores = str(usable_cores())
    for name, value in (*((pool, cores) for pool in POOLS), *WAITING.items()):
        environment.setdefault(name, value)


@contextlib.contextmanager
def openmp_threads(most: int | None) -> Iterator[None]:
    """Let OpenMP use at most so many threads in the block, and as many as before after it.

    Args:
        most: Threads; None leaves it to the library.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=most, user_api="openmp"):
        yield
