"""What features cost: many bars, one bar, memory and first starts, beside other libraries.

    python benchmarks/bench_features.py                       # everything: ten minutes
    python benchmarks/bench_features.py --only shared live
    python benchmarks/bench_features.py --only batch --bars 10000000
    python benchmarks/bench_features.py --redraw              # plot and targets from the table

Cases: `batch` (all default features), `blocks` (the same by `iter_features`, with its memory),
`bound` (how fast memory alone would be), `shared` (the indicators that TA-Lib has too, by every
library, values compared), `live` (one bar at a time), `cold` (first start of a process).

Each case is a process of its own on one thread, bars are simulated. `cpu_seconds` is process time,
the least of several calls; `wall_seconds` the least wall time. Pin it to a core of an idle machine
(`taskset -c 0`). Writes `benchmarks/results/features_<machine>.csv`, its plot, and
`features_targets_<machine>.csv`; cases that are not run keep their rows.
Peers: `pip install -e .[bench]`; one that is absent stands in the table with the reason.
"""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
from jsonargparse import ArgumentParser

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    # Run as a script, Python looks in this file's folder, not in the project's.
    sys.path.insert(0, str(ROOT))

from benchmarks.tables import RESULTS, machine_name, write_table  # noqa: E402

# Module of `benchmarks/features_peers`, and the bars that it usually takes.
CASES = {
    "batch": ("batch", 1_000_000),
    "blocks": ("batch", 10_000_000),
    "bound": ("batch", 1_000_000),
    "shared": ("comparison", 1_000_000),
    "live": ("live", 20_000),
    "cold": ("cold", 1000),
}
THREADS = "POLARS_MAX_THREADS NUMBA_NUM_THREADS OMP_NUM_THREADS OPENBLAS_NUM_THREADS"
ONE_THREAD = dict.fromkeys(THREADS.split(), "1")


def compare(only: list[str], bars: int | None, redraw: bool, folder: Path) -> None:
    """Run the cases, store their rows, draw them and judge the targets.

    Args:
        only: Names of cases.
        bars: Number of bars in place of each case's own.
        redraw: Measure nothing; draw the table of an earlier run.
        folder: Where results are written.
    """
    from benchmarks.features_peers.plots import draw
    from benchmarks.features_peers.targets import targets_of

    folder.mkdir(parents=True, exist_ok=True)
    machine = machine_name()
    path = folder / f"features_{machine}.csv"
    for name in [] if redraw else only:
        rows = measured(name, bars)
        print(rows.dropna(axis="columns", how="all").to_string(index=False), flush=True)
        if path.exists():
            earlier = pd.read_csv(path)
            rows = pd.concat([earlier[earlier["case"] != name], rows])
        order = {case: number for number, case in enumerate(CASES)}
        rows = rows.sort_values("case", key=lambda names: names.map(order), kind="stable")
        write_table(rows, path)
    table = pd.read_csv(path)
    targets = targets_of(table)
    print(targets.round(3).to_string(index=False))
    write_table(targets, folder / f"features_targets_{machine}.csv")
    draw(table, path.with_suffix(".png"))
    print(f"written to {path}")


def measured(name: str, bars: int | None) -> pd.DataFrame:
    """Rows of a case, measured in a process of its own."""
    count = bars or CASES[name][1]
    load = round(os.getloadavg()[0], 1)
    print(f"== {name}: {count:,} bars, load average {load}", flush=True)
    child = subprocess.run(
        [sys.executable, __file__, "measure", name, str(count)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **ONE_THREAD},
    )
    if child.returncode:
        raise SystemExit(f"{name} ended with code {child.returncode}; see above")
    rows = pd.DataFrame(json.loads(child.stdout.splitlines()[-1]))
    rows.insert(0, "case", name)
    rows.insert(3, "bars", count)
    return rows.assign(cores=len(os.sched_getaffinity(0)), load_average=load)


def measure(name: str, bars: int) -> list[dict[str, Any]]:
    """Rows of a case, measured in this process."""
    module = importlib.import_module(f"benchmarks.features_peers.{CASES[name][0]}")
    return getattr(module, name)(bars)


def main() -> None:
    """Read the command line and run."""
    if sys.argv[1:2] == ["measure"]:
        print(json.dumps(measure(sys.argv[2], int(sys.argv[3]))))
        return
    parser = ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=list(CASES), default=list(CASES))
    parser.add_argument("--bars", type=int, help="bars of every chosen case; else its own")
    parser.add_argument("--redraw", action="store_true", help="from the table already written")
    parser.add_argument("--folder", type=Path, default=RESULTS, help="where results are written")
    compare(**parser.parse_args().as_dict())


if __name__ == "__main__":
    main()
