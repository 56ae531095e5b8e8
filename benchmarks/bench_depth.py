"""What depth costs: time, memory, precision and files of deep stacks, beside their peers.

    python benchmarks/bench_depth.py                        # everything: hours, idle machine
    python benchmarks/bench_depth.py --quick                # small sizes: twenty minutes
    python benchmarks/bench_depth.py --only memory gradients
    python benchmarks/bench_depth.py --only first_step --sizes '{"blocks": 50}'
    python benchmarks/bench_depth.py --redraw               # plots and targets from the CSV

Every measurement is a fresh process. Peers that fail or take too long stand in the table with
the reason. Writes per case `benchmarks/results/depth_<case>_<machine>.csv` and `.png`, and
`depth_targets_<machine>.csv` with each figure, what it must reach and whether it does.
"""

import os
import sys
from pathlib import Path
from typing import Any

import pandas as pd
from jsonargparse import ArgumentParser

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    # Run as a script, Python looks in this file's folder, not in the project's.
    sys.path.insert(0, str(ROOT))

from benchmarks.depth.cases import CASES, Measurement  # noqa: E402
from benchmarks.depth.plots import draw  # noqa: E402
from benchmarks.depth.process import free_gib, run_fresh  # noqa: E402
from benchmarks.depth.targets import targets_of  # noqa: E402
from benchmarks.tables import RESULTS, machine_name, write_table  # noqa: E402


def compare(
    only: list[str] | None = None,
    quick: bool = False,
    sizes: dict[str, Any] | None = None,
    redraw: bool = False,
    folder: Path = RESULTS,
) -> None:
    """Measure the cases, print and store their tables, draw them and judge the targets.

    Args:
        only: Names of cases; all when absent.
        quick: Small sizes, written under names of their own.
        sizes: Sizes that replace the chosen case's own; goes with one case.
        redraw: Read the tables of an earlier run instead of measuring.
        folder: Where results are written.
    """
    names = only or list(CASES)
    if sizes and len(names) != 1:
        raise SystemExit(f"--sizes goes with exactly one case in --only, got {len(names)}")
    folder.mkdir(parents=True, exist_ok=True)
    machine = machine_name()
    ending = f"quick_{machine}" if quick else machine
    for name in names:
        path = folder / f"depth_{name}_{ending}.csv"
        if not redraw:
            case = CASES[name]
            chosen = {**(case.quick if quick else case.full), **(sizes or {})}
            print(f"== {name}: {chosen}", flush=True)
            _measure(case.measurements(**chosen), path)
        table = pd.read_csv(path)
        draw(name, table, path.with_suffix(".png"))
        print(_readable(table).to_string(index=False))
        print(f"written to {path}", flush=True)
        _judge(name, table, folder / f"depth_targets_{ending}.csv")


def _measure(measurements: list[Measurement], path: Path) -> None:
    """Run every measurement and write the table after each, so that a stop loses little.

    The table of an interrupted case, `.partial`, stays beside that of the last whole one.
    """
    lines: list[dict[str, Any]] = []
    partial = path.with_suffix(".partial")
    for number, measurement in enumerate(measurements, start=1):
        print(f"  {number}/{len(measurements)} {measurement.title}", end=" ... ", flush=True)
        machine = {"load_average": round(os.getloadavg()[0], 1), "free_gib": round(free_gib(), 1)}
        results = run_fresh(
            measurement.measure,
            measurement.options,
            backend=measurement.backend,
            timeout_seconds=measurement.timeout_seconds,
            need_gib=measurement.need_gib,
        )
        results = results if isinstance(results, list) else [results]
        lines += [{**measurement.labels, **result, **machine} for result in results]
        print(_summary(results[-1]), flush=True)
        write_table(pd.DataFrame(lines), partial)
    write_table(pd.DataFrame(lines), path)
    partial.unlink()


def _judge(name: str, table: pd.DataFrame, path: Path) -> None:
    """Print the case's targets and put them in the place of its earlier ones."""
    targets = pd.DataFrame(targets_of(name, table))
    print(targets.round(4).to_string(index=False), flush=True)
    if path.exists():
        earlier = pd.read_csv(path, keep_default_na=False, na_values={"figure": [""]})
        targets = pd.concat([earlier[earlier["case"] != name], targets])
    write_table(targets, path)


def _summary(result: dict[str, Any]) -> str:
    if "error" in result:
        return str(result["error"])
    figures = {k: v for k, v in result.items() if isinstance(v, float)}
    return ", ".join(f"{name} {value:.4g}" for name, value in list(figures.items())[:6])


def _readable(table: pd.DataFrame) -> pd.DataFrame:
    """The table for the screen: no losses of every step, no error's whole text."""
    shown = table.drop(columns=["losses"], errors="ignore").round(4)
    if "error" in shown:
        shown["error"] = shown["error"].fillna("").str.slice(0, 60)
    return shown.dropna(axis="columns", how="all")


def main() -> None:
    """Read the command line and run."""
    parser = ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=list(CASES), help="these cases alone")
    parser.add_argument("--quick", action="store_true", help="small sizes, names of their own")
    parser.add_argument("--sizes", type=dict[str, Any], help="sizes of the one case in --only")
    parser.add_argument("--redraw", action="store_true", help="from the tables already written")
    parser.add_argument("--folder", type=Path, default=RESULTS, help="where results are written")
    compare(**parser.parse_args().as_dict())


if __name__ == "__main__":
    main()
