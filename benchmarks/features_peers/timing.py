"""Stopwatches, the rows of the table and the peers that are installed."""

import gc
import importlib
import importlib.metadata
import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

Row = dict[str, Any]
Rows = list[Row]

# Name in the table: package on the index, module of this folder that calls it.
PEERS = {
    "TA-Lib": ("TA-Lib", "with_talib"),
    "pandas": ("pandas", "with_pandas"),
    "polars": ("polars", "with_polars"),
    "pandas-ta-classic": ("pandas-ta-classic", "with_pandas_ta"),
    "talipp": ("talipp", "with_talipp"),
}


def peer(name: str) -> tuple[ModuleType | None, str]:
    """The module that calls a peer and the peer's version, or None and why it is absent."""
    package, module = PEERS[name]
    try:
        found = importlib.import_module(f"benchmarks.features_peers.{module}")
    except ImportError as error:
        return None, f"not installed ({error}): pip install {package}"
    return found, importlib.metadata.version(package)


def say(text: str) -> None:
    """Show progress on standard error; results go to standard output."""
    print(f"  {text}", file=sys.stderr, flush=True)


def least(
    run: Callable[[], Any], *, budget: float = 2.0, most: int = 7, first: Row | None = None
) -> Row:
    """The least process time of several calls and the least wall time.

    Args:
        run: What is measured; its result is dropped after each call.
        budget: Seconds after which it is not called again. Where the first call alone takes as
            long, it is the one that counts; else it only warms up.
        most: Calls measured at most.
        first: Times of a first call that has been made already.
    """
    gc.collect()
    first = first or once(run)
    if first["wall_seconds"] > budget:
        return first
    taken: Rows = []
    while len(taken) < most and sum(each["wall_seconds"] for each in taken) < budget:
        taken.append(once(run))
    return {name: min(each[name] for each in taken) for name in first}


def once(run: Callable[[], Any]) -> Row:
    """Process and wall time of one call."""
    wall, processor = time.perf_counter(), time.process_time()
    run()
    return {
        "cpu_seconds": time.process_time() - processor,
        "wall_seconds": time.perf_counter() - wall,
    }


def spread(nanoseconds: list[int]) -> Row:
    """Median, 99th percentile and largest of single calls, in microseconds."""
    taken = np.array(nanoseconds) / 1e3
    return {
        "median_us": float(np.median(taken)),
        "p99_us": float(np.percentile(taken, 99)),
        "max_us": float(taken.max()),
    }
