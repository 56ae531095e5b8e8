"""How many threads the libraries below us may start, and how those wait for each other."""

import contextlib
import os
from collections.abc import Iterator, Mapping, MutableMapping

QUOTA, GROUPS = "/sys/fs/cgroup", "/proc/self/cgroup"
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
# Those of which the library that reads them takes nothing but a whole number.
STRICT = ("LOKY_MAX_CPU_COUNT", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
# OpenMP's threads spin while they wait, which on busy cores keeps those from working that they
# wait for: two threads took 123 s for what one does in 10, and 13 s asleep.
WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}
# Names that were set here and not by the user, for processes that are started from this one too.
OURS = "ULTIMATE_DEEP_SET"
# What libraries read where a name is not set, so that setting it would overrule what these say.
READ_INSTEAD = {
    "OPENBLAS_NUM_THREADS": ("GOTO_NUM_THREADS", "OMP_NUM_THREADS"),
    "MKL_NUM_THREADS": ("OMP_NUM_THREADS",),
    "GOMP_SPINCOUNT": ("OMP_WAIT_POLICY",),
    "KMP_BLOCKTIME": ("OMP_WAIT_POLICY",),
}


def usable_cores(quota: str = QUOTA, groups: str = GROUPS) -> int:
    """Return how many cores this process may fill: those it is bound to, and its group's share.

    Args:
        quota: Where Linux says what share of the processors containers and other groups have.
        groups: Where it says which groups this process is in.
    """
    if hasattr(os, "sched_getaffinity"):
        bound = len(os.sched_getaffinity(0))
    else:
        bound = os.cpu_count() or 1
    shares = [_share_of(files) for files in _quota_files(quota, groups)]
    return max(1, min([bound, *(share for share in shares if share is not None)]))


def _quota_files(quota: str, groups: str) -> Iterator[tuple[str, ...]]:
    """Yield the files that limit this process: of each of its groups, and of those around it."""
    folders = {"": [quota], "cpu": [f"{quota}/cpu"]}  # of today's hierarchy, and of the older one
    with contextlib.suppress(OSError, ValueError):
        for line in _text(groups).splitlines():
            _, controllers, path = line.split(":", 2)
            parts = [part for part in path.split("/") if part]
            if ".." in parts:  # a group outside of what this container sees
                continue
            for each in folders.keys() & set(controllers.split(",")):
                inner = ["/".join(parts[: end + 1]) for end in range(len(parts))]
                folders[each] += [f"{folders[each][0]}/{one}" for one in inner]
    for folder in folders[""]:
        yield (f"{folder}/cpu.max",)
    for folder in folders["cpu"]:
        yield f"{folder}/cpu.cfs_quota_us", f"{folder}/cpu.cfs_period_us"


def _share_of(files: tuple[str, ...]) -> int | None:
    """Return the cores of a group's share, the last one perhaps in part; None for all."""
    try:
        words = [word for file in files for word in _text(file).split()]
        share, period = int(words[0]), int(words[1])
    except (OSError, ValueError, IndexError):  # not there, or `max`
        return None
    return -(-share // period) if share > 0 and period > 0 else None


def _text(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def set_thread_pools(environment: MutableMapping[str, str] = os.environ) -> None:
    """Tell every library, before it is loaded, to start no more threads than there are cores.

    Each would find the cores of the machine by itself, not those of a container, and OpenMP's would
    spin. What the user has set is left as it is, also for what is read in place of another name,
    and a library that is loaded already stays so. An empty value sets nothing.

    Args:
        environment: What libraries, and processes started from here, read.
    """
    cores = str(usable_cores())
    told = {name for name, value in environment.items() if value}
    ours = environment.get(OURS, "").split()
    for name, value in (*((pool, cores) for pool in POOLS), *WAITING.items()):
        if name not in told and told.isdisjoint(READ_INSTEAD.get(name, ())):
            environment[name] = value
            ours.append(f"{name}={value}")
    environment[OURS] = " ".join(ours)


def check_thread_pools(environment: Mapping[str, str] = os.environ) -> None:
    """Refuse what the libraries that ask for a whole number would end with later.

    Args:
        environment: What they read.

    Raises:
        ValueError: Another text, by the variable's name.
    """
    for name in STRICT:
        value = environment.get(name, "").strip()
        if value and not (value.isascii() and value.isdigit()):
            raise ValueError(
                f"the environment variable {name} must be a whole number of threads, got "
                f"{value[:40]!r}; give it one, or unset it"
            )


def set_by_user(name: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether a name's value is the user's, and not what `set_thread_pools` gave it.

    Args:
        name: Name of a variable that is set.
        environment: What processes started from here read.
    """
    return f"{name}={environment[name]}" not in environment.get(OURS, "").split()


def use_threads(threads: int, environment: MutableMapping[str, str] = os.environ) -> None:
    """Tell every library, before it is loaded, to start so many threads, whatever was said before.

    Args:
        threads: Threads of each library.
        environment: What libraries, and processes started from here, read.
    """
    environment.update(dict.fromkeys(POOLS, str(threads)) | WAITING)
    environment[OURS] = " ".join(f"{name}={environment[name]}" for name in (*POOLS, *WAITING))


@contextlib.contextmanager
def openmp_threads(most: int | None) -> Iterator[None]:
    """Let OpenMP use at most so many threads in the block, and as many as before after it.

    Args:
        most: Threads; None leaves it to the library.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=most, user_api="openmp"):
        yield
