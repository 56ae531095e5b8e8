"""Fresh processes: started with the right environment, watched, and ended when they go too far."""

import ctypes
import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
POLL_SECONDS = 0.1
# Below this much free memory the measured process ends, so that no other one suffers.
LEAST_FREE_GIB = 0.4
# Freed blocks of 64 KiB and more go back to the system at once, so that a peak is of live memory:
# for measurements of memory. Those of time keep them, as training does.
MALLOC = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


def process_kib(field: str, pid: int | str = "self") -> int:
    """A size from `/proc/<pid>/status` in KiB: `VmRSS` is the present one, `VmHWM` the peak."""
    return _proc_kib(f"/proc/{pid}/status", field)


def forget_peak() -> int:
    """Give free memory back, let the peak begin at the present size, and return that in KiB."""
    gc.collect()
    # Free pages of the heap go back, or what comes next would use them without a trace.
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    size = process_kib("VmRSS")
    # 5: the peak starts anew at the present size (proc(5), clear_refs).
    with open("/proc/self/clear_refs", "w") as clear:
        clear.write("5")
    return size


def free_gib() -> float:
    """Memory that a new process can take without pushing another one out, in GiB."""
    return _proc_kib("/proc/meminfo", "MemAvailable") / 2**20


def run_fresh(
    measure: str,
    options: dict[str, Any],
    *,
    backend: str = "tensorflow",
    timeout_seconds: float = 900.0,
    need_gib: float = 0.0,
) -> Any:
    """Run a measurement of `benchmarks.depth.child` in a process of its own.

    Args:
        measure: A name in `child.MEASURES`.
        options: Arguments of the measurement.
        backend: Backend that Keras runs on.
        timeout_seconds: Seconds after which the process is ended.
        need_gib: Free memory without which the measurement is not started.

    Returns:
        The measurement's result, or `{"error": text}`.
    """
    free = free_gib()
    if free < need_gib:
        return {"error": f"not started: {free:.1f} GiB free, {need_gib:.1f} GiB needed"}
    environment = {
        **os.environ,
        **(MALLOC if measure == "memory" else {}),
        "KERAS_BACKEND": backend,
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "JAX_PLATFORMS": "cpu",
    }
    job = json.dumps({"measure": measure, "options": options})
    command = [sys.executable, "-m", "benchmarks.depth.child", job]
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        # A session of its own, so that what it starts ends with it.
        child = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        try:
            stopped = _watch(child, timeout_seconds)
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        lines, complaints = _lines(output), _lines(errors)
    if stopped:
        return {"error": stopped}
    if child.returncode:
        last = complaints[-1] if complaints else "without a word"
        return {"error": f"ended with code {child.returncode}: {last}"}
    return json.loads(lines[-1])


def _lines(file: Any) -> list[str]:
    file.seek(0)
    return [line for line in file.read().splitlines() if line.strip()]


def _watch(child: subprocess.Popen[str], timeout_seconds: float) -> str:
    """Wait for the end; the reason to stop it before, or an empty text."""
    start = time.monotonic()
    while child.poll() is None:
        if time.monotonic() - start > timeout_seconds:
            return f"stopped after {timeout_seconds:.0f} s"
        if free_gib() < LEAST_FREE_GIB:
            return f"stopped: less than {LEAST_FREE_GIB} GiB were free"
        time.sleep(POLL_SECONDS)
    return ""


def _proc_kib(path: str, field: str) -> int:
    with open(path) as lines:
        for line in lines:
            if line.startswith(f"{field}:"):
                return int(line.split()[1])
    raise ValueError(f"{path} has no field {field}")
