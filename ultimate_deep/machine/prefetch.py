"""Things made ready by another thread while the one before is being used: batches of a fit."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Key = TypeVar("Key")
Item = TypeVar("Item")
AHEAD = 2
# Handing an item over takes about 50 us: smaller batches are copied in that time.
LEAST_BYTES = 1 << 20


def prefetched(
    make: Callable[[Key], Item], keys: Iterable[Key], *, ahead: int = AHEAD
) -> Generator[Item]:
    """Yield `make(key)` for every key in order, while one thread makes the next ones.

    What `make` raises is raised here, in its place. Closing the iterator, or leaving it by an
    exception such as Ctrl-C, lets the item under way end and makes no further one.

    Args:
        make: Called in one other thread, one key at a time and in order.
        keys: What to make.
        ahead: Items made ready, or in the making, beside the one in use; 0 makes each when asked.
    """
    if not ahead:
        yield from map(make, keys)
        return
    rest = iter(keys)
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="prefetch")
    waiting: deque[Future[Item]] = deque()
    try:
        waiting.extend(pool.submit(make, key) for key in islice(rest, ahead))
        while waiting:
            item = waiting.popleft().result()
            waiting.extend(pool.submit(make, key) for key in islice(rest, 1))
            yield item
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def ahead_for(batch_bytes: int) -> int:
    """Return how many batches of that size are worth making ready ahead."""
    return AHEAD if batch_bytes >= LEAST_BYTES else 0
