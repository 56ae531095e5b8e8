"""How many threads the libraries below us may start."""

import contextlib
from collections.abc import Iterator

from threadpoolctl import threadpool_limits


@contextlib.contextmanager
def openmp_threads(most: int | None) -> Iterator[None]:
    """Let OpenMP use at most so many threads in the block, and as many as before after it.

    Args:
        most: Threads; None leaves it to the library.
    """
    with threadpool_limits(limits=most, user_api="openmp"):
        yield
