"""All default features of many bars: time, memory and the bound that memory's speed sets."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.depth.process import forget_peak, process_kib
from benchmarks.features_peers.bars import make_bars
from benchmarks.features_peers.timing import Row, Rows, least, once, say
from ultimate_deep.features import compile_engine, compute_features, feature_names, iter_features
from ultimate_deep.features.compute import bar_arrays, bar_columns
from ultimate_deep.features.feature_engine import Engine
from ultimate_deep.features.registry import registry
from ultimate_deep.market.times import NANOSECONDS

SMALL_ROWS = 2000
KIB_PER_GIB = 2**20
MINUTE = 60 * NANOSECONDS


def batch(bars: int) -> Rows:
    """`compute_features` of all default features, and what its time is made of."""
    frame = make_bars(bars)
    loaded = compile_engine()
    compute_features(frame.head(SMALL_ROWS))
    say(f"kernels loaded in {loaded:.2f} s; {bars:,} bars")
    features = len(feature_names())
    first = once(lambda: compute_features(frame))
    later = least(lambda: compute_features(frame), budget=15.0, most=5)
    columns, times = bar_arrays(frame)
    values = np.empty((bars, features), dtype=np.float32)
    chosen = registry().choose(None)

    def engine_alone() -> None:
        Engine(chosen, MINUTE).advance(columns, times, values)

    parts: dict[str, Any] = {
        "first call on so many bars": first,
        "compute_features": later,
        "engine alone, array used before": least(engine_alone, budget=15.0, most=5),
        "reading and checking the bars": least(lambda: bar_columns(frame)),
        "iter_features": least(lambda: _run_through(frame), budget=15.0, most=5),
    }
    return [{"what": what, "who": "ours", "features": features, **at} for what, at in parts.items()]


def _run_through(frame: pd.DataFrame) -> float:
    """Take every block, as a writer or a trainer would, and keep none."""
    return sum(float(block.values[-1, 0]) for block in iter_features(frame))


def blocks(bars: int) -> Rows:
    """`iter_features` in a process of its own: time, and memory with and without the bars."""
    frame = make_bars(bars)
    compile_engine()
    _run_through(frame.head(SMALL_ROWS))
    before = forget_peak() / KIB_PER_GIB
    took = once(lambda: _run_through(frame))
    peak = process_kib("VmHWM") / KIB_PER_GIB
    held = int(frame.memory_usage(index=True).sum()) / 2**30
    say(f"peak {peak:.2f} GiB, of which the bars are {held:.2f} GiB")
    return [
        {
            "what": "iter_features, every block dropped",
            "who": "ours",
            "features": len(feature_names()),
            **took,
            "peak_gib": peak,
            "bars_gib": held,
            "growth_gib": peak - before,
        }
    ]


def bound(bars: int) -> Rows:
    """How long memory alone takes to give the bars and to take the features, and our distance."""
    frame = make_bars(bars)
    compile_engine()
    columns, times = bar_arrays(frame)
    chosen = registry().choose(None)
    values = np.ones((bars, len(chosen)), dtype=np.float32)
    taken = np.ones_like(columns)
    say(f"features {values.nbytes / 2**30:.2f} GiB, bars {columns.nbytes / 2**30:.2f} GiB")

    def measure(what: str, who: str, run: Callable[[], Any], moved: int) -> Row:
        took = least(run, budget=10.0, most=7)
        speed = moved / took["cpu_seconds"] / 1e9
        return {"what": what, "who": who, **took, "gigabytes_per_second": speed}

    both = values.nbytes + columns.nbytes
    write, new, read, engine, whole = rows = [
        measure("write, array used before", "memory", lambda: values.fill(1.0), values.nbytes),
        measure(
            "write, new array", "memory", lambda: np.empty_like(values).fill(1.0), values.nbytes
        ),
        measure("read the bars", "memory", lambda: np.copyto(taken, columns), 2 * columns.nbytes),
        measure(
            "engine alone, array used before",
            "ours",
            lambda: Engine(chosen, MINUTE).advance(columns, times, values),
            both,
        ),
        measure("compute_features", "ours", lambda: compute_features(frame), both),
    ]
    for name, ours, store in (("array used before", engine, write), ("new array", whole, new)):
        least_seconds = read["cpu_seconds"] + store["cpu_seconds"]
        rows.append({"what": f"bound, {name}", "who": "memory", "cpu_seconds": least_seconds})
        ratio = ours["cpu_seconds"] / least_seconds
        rows.append({"what": f"{ours['what']} over the bound", "who": "ours", "ratio": ratio})
    return rows
