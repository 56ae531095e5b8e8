"""What runs in a fresh process: one measurement, its result as JSON on the last line.

    python -m benchmarks.depth.child '{"measure": "train", "options": {"net": {...}}}'

An exception is a result too: its text is what the table shows for a peer that does not run.
"""

import importlib
import json
import os
import re
import resource
import statistics
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

from benchmarks.depth.nets import KERAS_KINDS, Net, make_gradient, make_step
from benchmarks.depth.process import forget_peak, process_kib
from ultimate_deep.machine.memory import reuse_memory

ERROR_LENGTH = 300
POLL_SECONDS = 0.004


def train(net: dict[str, Any], steps: int) -> dict[str, Any]:
    """Seconds to the first step's loss, seconds of further steps, losses and peak memory.

    Imports and the backend's start are apart; building the weights and the optimizer's slots,
    tracing and compiling count.
    """
    wanted = Net(**net)
    _warm_up(wanted)
    start = time.perf_counter()
    step, parameters = _maker(wanted)(wanted)
    reuse_memory(parameters)
    built = time.perf_counter()
    losses = [step()]
    first = time.perf_counter()
    seconds = []
    for _ in range(steps - 1):
        before = time.perf_counter()
        losses.append(step())
        seconds.append(time.perf_counter() - before)
    return {
        "parameters": parameters,
        "build_seconds": built - start,
        "first_step_seconds": first - start,
        "step_seconds": min(seconds),
        "step_seconds_median": statistics.median(seconds),
        "first_loss": losses[0],
        "last_loss": losses[-1],
        "losses": " ".join(f"{loss:.5g}" for loss in losses),
        "peak_gib": process_kib("VmHWM") / 2**20,
    }


def memory(net: dict[str, Any]) -> dict[str, Any]:
    """Peak memory of one pass forwards and backwards, compiled before by a pass that is apart.

    Without optimizer: its temporary arrays, which do not depend on the batch, could otherwise
    hide the activations under a peak of their own.
    """
    wanted = Net(**net)
    _warm_up(wanted)
    if wanted.kind in KERAS_KINDS:
        gradient = make_gradient(wanted)
    else:
        from benchmarks.depth.scan import make_scan_gradient

        gradient = make_scan_gradient(wanted)
    gradient()
    before = forget_peak()
    start = time.perf_counter()
    seen = _largest_kib_during(gradient)
    seconds = time.perf_counter() - start
    # The kernel's peak may miss what waits in the processors' own counters (proc(5), VmHWM).
    peak = max(process_kib("VmHWM"), seen)
    return {
        "seen_mib": (seen - before) / 2**10,
        "growth_mib": (peak - before) / 2**10,
        "peak_mib": peak / 2**10,
        "before_mib": before / 2**10,
        "pass_seconds": seconds,
    }


def _largest_kib_during(work: Callable[[], Any]) -> int:
    """The largest `VmRSS` seen while `work` runs, from a thread that looks every few ms."""
    seen = [0]
    done = threading.Event()

    def look() -> None:
        while not done.wait(POLL_SECONDS):
            seen[0] = max(seen[0], process_kib("VmRSS"))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        work()
    finally:
        done.set()
        watcher.join()
    return seen[0]


def call(module: str, function: str, **options: Any) -> Any:
    """Any other measurement of this folder, or of a module by its full name."""
    full = module if "." in module else f"benchmarks.depth.{module}"
    return getattr(importlib.import_module(full), function)(**options)


MEASURES: dict[str, Callable[..., Any]] = {"train": train, "memory": memory, "call": call}


def _maker(net: Net) -> Any:
    if net.kind in KERAS_KINDS:
        return make_step
    from benchmarks.depth.scan import make_scan_step

    return make_scan_step


def _warm_up(net: Net) -> None:
    """Import what the measurement needs and start the backend, so that neither is timed."""
    if net.kind in KERAS_KINDS:
        import keras

        if net.kind == "stack":
            import ultimate_deep.models.layers.stacks.residual_stack  # noqa: F401
        keras.ops.convert_to_numpy(keras.ops.ones(1) + 1)
    else:
        import jax

        jax.block_until_ready(jax.numpy.ones(1) + 1)


def main() -> None:
    """Run the measurement named on the command line and print its result."""
    wanted = json.loads(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Should memory run out all the same, this process goes and no other.
    with open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")
    try:
        result = MEASURES[wanted["measure"]](**wanted["options"])
    except Exception as error:
        text = re.sub(r"\x1b\[\d*m", "", " ".join(f"{type(error).__name__}: {error}".split()))
        result = {"error": text[:ERROR_LENGTH]}
        traceback.print_exc()
    print("\n" + json.dumps(result), flush=True)
    # A net of thousands of plain layers takes minutes to tear down; nothing is left to do.
    os._exit(0)


if __name__ == "__main__":
    main()
