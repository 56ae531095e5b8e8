"""From nothing to the first features: a new process with and without numba's cache of kernels."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.features_peers.timing import Row, Rows, say

ROOT = Path(__file__).resolve().parents[2]
WARM_STARTS = 3
IMPORTS = {
    "pandas and numba": "import pandas, numba",
    "TA-Lib": "import talib",
    "polars": "import polars",
    "pandas-ta-classic": "import pandas_ta_classic",
}


def cold(bars: int) -> Rows:
    """The whole engine's first start on a machine, later ones, and how long imports alone take."""
    rows: Rows = []
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
        first = start(bars, environment)
        say(f"first start {first['wall_seconds']:.1f} s")
        later = [start(bars, environment) for _ in range(WARM_STARTS)]
        say(f"later starts {min(each['wall_seconds'] for each in later):.2f} s")
    rows.append({"what": "first start on a machine", "who": "ours", **first})
    rows.append({"what": "later start", "who": "ours", **min(later, key=_wall)})
    for name, code in IMPORTS.items():
        took = [run([sys.executable, "-c", code], None) for _ in range(WARM_STARTS)]
        rows.append({"what": "imports alone", "who": name, **min(took, key=_wall)})
    return rows


def _wall(row: Any) -> float:
    return row["wall_seconds"]


def start(bars: int, environment: dict[str, str]) -> Row:
    """A process of its own to the first features of so many bars."""
    command = [sys.executable, "-m", "benchmarks.features_peers.cold", str(bars)]
    return run(command, environment)


def run(command: list[str], environment: dict[str, str] | None) -> Row:
    """Wall time of a process from its start to its end, and what it says of itself."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    wall = time.perf_counter() - start
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["without a word"]
        return {"wall_seconds": float("nan"), "note": last[0][:200]}
    return {"wall_seconds": wall, **(json.loads(done.stdout) if done.stdout else {})}


def _child(bars: int) -> dict[str, Any]:
    """Import, compile, compute and push; seconds of each."""
    marks = [time.perf_counter()]

    def mark() -> float:
        marks.append(time.perf_counter())
        return marks[-1] - marks[-2]

    from ultimate_deep.features import FeatureStream, compile_engine, compute_features

    imported = mark()
    compile_engine()
    compiled = mark()
    from benchmarks.features_peers.bars import make_bars

    frame = make_bars(bars)
    mark()
    matrix = compute_features(frame)
    computed = mark()
    last = frame.iloc[-1]
    stream = FeatureStream(interval="1min")
    stream.push(frame.index[-1].timestamp(), *(float(x) for x in last))
    pushed = mark()
    return {
        "features": len(matrix.names),
        "cpu_seconds": time.process_time(),
        "import_seconds": imported,
        "compile_seconds": compiled,
        "first_compute_seconds": computed,
        "first_push_seconds": pushed,
    }


if __name__ == "__main__":
    print(json.dumps(_child(int(sys.argv[1]))))
