"""Which planted signals every model finds, at full size: the share of the oracle's edge.

    python benchmarks/bench_learning.py                                # hours; resumes
    python benchmarks/bench_learning.py --models '[lstm, tcn]' --signals '[linear]'
    python benchmarks/bench_learning.py --preset default --rows 40000  # many hours
    python benchmarks/bench_learning.py --redraw                       # the table so far

Every registered model with its preset `tiny` on 20,000 simulated hourly bars of each of the
four signals, whose oracle is right on 70% of the bars; the last 15% decide, scored against the
true probabilities. A model sees a signal from a share of 0.8 on. What a model is fed is told in
`ultimate_deep/experiments/known_signals/signals.py`: window models have to sum up time themselves,
models of plain features get sums over it. Each cell has a process of its own.
Expected: every model at least 0.8 on the signals that its file declares (`SEES`), the columns
`declared` and `sees` tell. Writes `benchmarks/results/learning_<machine>.csv`.
"""

import sys
from pathlib import Path
from typing import Any

import pandas as pd
from jsonargparse import ArgumentParser

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    # Run as a script, Python looks in this file's folder, not in the project's.
    sys.path.insert(0, str(ROOT))

from benchmarks.depth.process import run_fresh  # noqa: E402
from benchmarks.tables import RESULTS, machine_name, store_row  # noqa: E402

KEYS = ["model", "preset", "signal", "rows", "edge", "seed"]
FIGURES = [
    "share_of_edge",
    "declared",
    "sees",
    "expected_accuracy",
    "oracle_accuracy",
    "accuracy",
    "parameters",
    "epochs",
    "fit_seconds",
    "seconds",
    "cpu_seconds",
    "error",
]
SIGNALS = ("interaction", "linear", "long_memory", "cross_timeframe")
EPOCHS, BATCH = 12, 128
TIMEOUT_SECONDS = 3600.0

Cell = dict[str, Any]


def bench(
    models: list[str],
    signals: list[str],
    preset: str,
    rows: int,
    edge: float,
    seeds: int,
    folder: Path,
) -> pd.DataFrame:
    """Measure every cell that the table lacks and return the table.

    Args:
        models: Names; all registered ones where empty.
        signals: Names of the planted signals.
        preset: Preset of every model; `default` where a model has none of that name.
        rows: Bars of each market.
        edge: The oracle's accuracy minus one half.
        seeds: Markets and starts of each cell.
        folder: Where results are written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = path_of(folder)
    cells = missing_cells(wanted_cells(models, signals, preset, rows, edge, seeds), path)
    for number, cell in enumerate(cells, start=1):
        print(f"{number}/{len(cells)} {cell['model']} on {cell['signal']} ...", flush=True)
        options = {"module": "benchmarks.bench_learning", "function": "run_cell", "cell": cell}
        found = run_fresh("call", options, timeout_seconds=TIMEOUT_SECONDS)
        store(cell | found, path)
        print("  " + (found.get("error") or f"{found['share_of_edge']:.2f}"), flush=True)
    return pd.read_csv(path)


def path_of(folder: Path) -> Path:
    """The table of this machine."""
    machine = machine_name()
    return folder / f"learning_{machine}.csv"


def run_cell(cell: Cell) -> Cell:
    """Train and score one cell, where Keras is loaded."""
    from ultimate_deep.experiments.known_signals.learning import (
        SEEN,
        LearningCase,
        MarketCase,
        learn,
    )
    from ultimate_deep.models.registry import sees

    market = MarketCase(
        signal=cell["signal"], rows=cell["rows"], edge=cell["edge"], seed=11 + cell["seed"]
    )
    learned = learn(
        LearningCase(
            model=cell["model"],
            market=market,
            preset=cell["preset"],
            epochs=EPOCHS,
            batch_size=BATCH,
            seed=cell["seed"],
        )
    )
    seen = bool(learned.share_of_edge >= SEEN)
    return vars(learned) | {"declared": cell["signal"] in sees(cell["model"]), "sees": seen}


def wanted_cells(
    models: list[str], signals: list[str], preset: str, rows: int, edge: float, seeds: int
) -> list[Cell]:
    """Every model on every signal, one seed after the other."""
    from ultimate_deep.models.registry import BUILDERS

    fixed = {"rows": rows, "edge": edge}
    return [
        {"model": name, "preset": preset, "signal": signal, **fixed, "seed": seed}
        for seed in range(seeds)
        for name in models or sorted(BUILDERS)
        for signal in signals
    ]


def missing_cells(cells: list[Cell], path: Path) -> list[Cell]:
    """Return the cells without a row in the table; one that failed is tried again."""
    if not path.exists():
        return cells
    table = pd.read_csv(path)
    done = {tuple(row) for row in table.loc[table["error"].isna(), KEYS].itertuples(index=False)}
    return [cell for cell in cells if tuple(cell[key] for key in KEYS) not in done]


def store(row: Cell, path: Path) -> None:
    """Add or replace a cell's row in the table."""
    store_row(row, path, columns=[*KEYS, *FIGURES], keys=KEYS, digits=5)


def shares(table: pd.DataFrame) -> pd.DataFrame:
    """Mean share of the oracle's edge over seeds: a row for each model, a column per signal."""
    return table.pivot_table(index="model", columns="signal", values="share_of_edge")


def main() -> None:
    """Read the command line and run."""
    parser = ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", type=list[str], default=[], help="names; all if left out")
    parser.add_argument("--signals", type=list[str], default=list(SIGNALS))
    parser.add_argument("--preset", default="tiny", help="of every model")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--edge", type=float, default=0.2)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--redraw", action="store_true", help="the table already written")
    parser.add_argument("--folder", type=Path, default=RESULTS, help="where results are written")
    options = parser.parse_args().as_dict()
    redraw = options.pop("redraw")
    table = pd.read_csv(path_of(options["folder"])) if redraw else bench(**options)
    print("Simulated bars: share of the oracle's edge")
    print(shares(table).round(2).to_string())
    broken = table[table["declared"].eq(True) & table["sees"].eq(False)]
    print(f"{len(broken)} declared signals are not seen" + (":" if len(broken) else ""))
    if len(broken):
        print(broken[["model", "signal", "seed", "share_of_edge"]].to_string(index=False))


if __name__ == "__main__":
    main()
