"""How fast this machine is beside the one that costs were measured on."""

import time
from functools import cache

import numpy as np

# Of `_work` on the machine where the constants of plans were measured, idle.
REFERENCE_SECONDS = 0.03


@cache
def slowness() -> float:
    """Return how many times longer than on the reference machine a fixed piece of work takes.

    Half of it is plain Python, half NumPy, as in what it is asked for: tables, tests, drawings. It
    is the best of three tries, a tenth of a second in all, and measured once in a process.
    """
    return min(_work() for _ in range(3)) / REFERENCE_SECONDS


def _work() -> float:
    began = time.perf_counter()
    np.sort(np.random.default_rng(0).normal(size=200_000))
    counts: dict[int, int] = {}
    for number in range(150_000):
        counts[number & 255] = counts.get(number & 255, 0) + number
    return time.perf_counter() - began
