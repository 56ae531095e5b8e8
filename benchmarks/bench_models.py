"""Size, speed and memory of every registered model, beside the same of plain Keras layers.

    python benchmarks/bench_models.py                         # all models, about 15 minutes
    python benchmarks/bench_models.py --models '[lstm, tcn]'  # some
    python benchmarks/bench_models.py --redraw                # summary and plot from the table

Reference point: batch 32, windows of 100 bars with 220 features (220 features for models without
windows), the preset `default`. Each model has a process of its own; where Keras has the layers,
the same architecture of plain layers follows in the next process and is compared as a ratio
(below 1 is better for time and memory). Steps are AdamW's, compiled; latency is one sample
through a compiled call; `growth_mib` is the peak of memory over what the libraries take.
`bfloat16_gain` is how many times faster a step is in mixed precision: below 1 where the
processor has no bfloat16 arithmetic.

A row is written as soon as its model is measured, and kept: an interrupted run goes on where it
ended; delete the file to measure anew. Writes `benchmarks/results/models_<machine>.csv`,
`models_summary_<machine>.csv` and the plot beside them. Run it on an idle machine.
"""

import os
import sys
from pathlib import Path

import pandas as pd
from jsonargparse import ArgumentParser

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    # Run as a script, Python looks in this file's folder, not in the project's.
    sys.path.insert(0, str(ROOT))

from benchmarks.depth.process import run_fresh  # noqa: E402
from benchmarks.tables import RESULTS, machine_name, store_row, write_table  # noqa: E402

OURS, PLAIN = "ours", "plain Keras"
KEYS = ["model", "preset", "implementation"]
FIGURES = [
    "parameters",
    "build_seconds",
    "first_step_seconds",
    "step_ms",
    "peak_mib",
    "growth_mib",
    "latency_ms",
    "latency_p99_ms",
    "rows_per_second",
    "step_bfloat16_ms",
    "bfloat16_gain",
]
RATIOS = ("parameters", "first_step_seconds", "step_ms", "growth_mib", "latency_ms")
QUICK = {"step_seconds": 0.05, "latency_calls": 20, "throughput_seconds": 0.05, "bfloat16": False}


def bench(models: list[str], preset: str, quick: bool, redraw: bool, folder: Path) -> pd.DataFrame:
    """Measure what the table lacks, then sum up.

    Args:
        models: Names; all registered ones where empty.
        preset: Preset of each configuration.
        quick: Measure each figure briefly, for a test.
        redraw: Only draw the pictures again.
        folder: Where results are written.

    Returns:
        The summary, one row per model.
    """
    folder.mkdir(parents=True, exist_ok=True)
    machine = machine_name()
    path = folder / f"models_{machine}.csv"
    if not redraw:
        measure_missing(missing_cases(wanted_cases(models, preset), path), path, quick=quick)
    table = pd.read_csv(path)
    summary = summarise(table[table["preset"] == preset])
    write_table(summary, folder / f"models_summary_{machine}.csv")
    draw(table[table["preset"] == preset], path.with_suffix(".png"))
    return summary


def wanted_cases(models: list[str], preset: str) -> list[tuple[str, str, str]]:
    """Return model, preset and implementation of each process, plain Keras after ours."""
    from benchmarks.zoo.peers import PEERS
    from ultimate_deep.models.registry import BUILDERS

    cases = []
    for name in models or sorted(BUILDERS):
        cases.append((name, preset, OURS))
        if name in PEERS:
            cases.append((name, preset, PLAIN))
    return cases


def missing_cases(cases: list[tuple[str, str, str]], path: Path) -> list[tuple[str, str, str]]:
    """Return the cases without a row in the table; one that failed is tried again."""
    if not path.exists():
        return cases
    table = pd.read_csv(path)
    done = {tuple(row) for row in table.loc[table["error"].isna(), KEYS].itertuples(index=False)}
    return [case for case in cases if case not in done]


def measure_missing(cases: list[tuple[str, str, str]], path: Path, *, quick: bool) -> None:
    """Measure each case in a fresh process and write its row at once."""
    for number, case in enumerate(cases, start=1):
        print(f"{number}/{len(cases)} {case[0]} ({case[2]}) ...", flush=True)
        load = os.getloadavg()[0]
        found = run_fresh(
            "call",
            {
                "module": "benchmarks.zoo.measuring",
                "function": "measure",
                "name": case[0],
                "preset": case[1],
                "implementation": case[2],
                "effort": QUICK if quick else {},
            },
        )
        store(dict(zip(KEYS, case, strict=True)) | found | {"load_average": round(load, 1)}, path)
        print("  " + (found.get("error") or f"step {found['step_ms']:.1f} ms"), flush=True)


def store(row: dict[str, object], path: Path) -> None:
    """Add or replace a case's row in the table."""
    store_row(row, path, columns=[*KEYS, *FIGURES, "load_average", "error"], keys=KEYS)


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Return our figures with their ratios to plain Keras, `<figure>_over_plain`."""
    ours = table[table["implementation"] == OURS].set_index("model")
    plain = table[table["implementation"] == PLAIN].set_index("model").reindex(ours.index)
    for figure in RATIOS:
        ours[f"{figure}_over_plain"] = ours[figure] / plain[figure]
    ours["rows_per_second_over_plain"] = ours["rows_per_second"] / plain["rows_per_second"]
    return ours.reset_index().drop(columns=["implementation"])


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw the measured models, the quickest step above."""
    from benchmarks.zoo.plots import draw_models

    known = table[table["error"].isna()].sort_values("step_ms")
    ours = known[known["implementation"] == OURS]
    if len(ours):
        title = f"Models at batch 32, windows of 100 bars with 220 features, {os.cpu_count()} cores"
        draw_models(ours, known[known["implementation"] == PLAIN], path, title)


def main() -> None:
    """Read the command line and run."""
    parser = ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", type=list[str], default=[], help="names; all if left out")
    parser.add_argument("--preset", type=str, default="default", help="of every model")
    parser.add_argument("--quick", action="store_true", help="brief measurements, for a test")
    parser.add_argument("--redraw", action="store_true", help="from the table already written")
    parser.add_argument("--folder", type=Path, default=RESULTS, help="where results are written")
    summary = bench(**parser.parse_args().as_dict())
    columns = ["model", "parameters", "step_ms", "latency_ms", "latency_p99_ms", "growth_mib"]
    columns += ["rows_per_second", "bfloat16_gain", "step_ms_over_plain", "latency_ms_over_plain"]
    print(summary[columns].round(3).to_string(index=False))


if __name__ == "__main__":
    main()
