"""Items made ready by another thread: order, errors, interrupts, and no thread left behind."""

import gc
import os
import signal
import threading
import time
from collections import deque

import pytest

from ultimate_deep.machine.prefetch import ahead_for, prefetched


def prefetching_threads():
    return [t for t in threading.enumerate() if t.name.startswith("prefetch") and t.is_alive()]


@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_prefetching_keeps_the_order_and_raises_in_its_place(ahead):
    assert list(prefetched(lambda i: i * i, range(20), ahead=ahead)) == [i * i for i in range(20)]
    found = []
    with pytest.raises(ZeroDivisionError):
        found.extend(prefetched(lambda i: 6 // (3 - i), range(5), ahead=ahead))
    before = prefetched(lambda i: 6 // (3 - i), range(5), ahead=ahead)
    assert [next(before) for _ in range(3)] == [2, 3, 6]
    before.close()
    assert ahead_for(100) == 0 < ahead_for(10_000_000)


def test_prefetching_works_ahead_and_no_further_than_told():
    made, ready = [], threading.Event()

    def make(i):
        made.append(i)
        if len(made) == 3:
            ready.set()
        return i

    items = prefetched(make, range(100), ahead=2)
    assert next(items) == 0
    assert ready.wait(10)
    time.sleep(0.05)
    assert made == [0, 1, 2]
    items.close()
    assert made == [0, 1, 2]
    assert not prefetching_threads()


@pytest.fixture
def no_collection():
    """Python swallows an interrupt that comes while it runs an object's finaliser."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection")
def test_ctrl_c_while_waiting_for_a_batch_ends_the_thread():
    def make(i):
        if i == 1:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
        return i

    items = prefetched(make, range(100))
    with pytest.raises(KeyboardInterrupt):
        deque((time.sleep(0.01) for _ in items), maxlen=0)
    items.close()
    assert not prefetching_threads()
