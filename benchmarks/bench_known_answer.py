"""Every net as `--model NAME` trains it, on the signals that it declares, beside `mlp`.

    python benchmarks/bench_known_answer.py                           # an hour: every net
    python benchmarks/bench_known_answer.py --models '[lstm, tcn]'    # those, and mlp
    python benchmarks/bench_known_answer.py --redraw                  # sums up what is there

8,000 simulated bars with an edge of 0.20 of each signal in the net's `SEES`; features, windows,
fit and temperature of every experiment, preset `default`, and `mlp` on the same bars. One line for
each fit in `known_answer_<machine>.jsonl` in `--folder`; a run that was interrupted goes on. Writes
`benchmarks/results/known_answer_summary_<machine>.csv`. Beside it lies `known_answer_before.csv`:
the same bars before most presets took the recipe that `models/presets.py` says.

Expected: no net finds clearly less (two points of the oracle's edge) than `mlp` on a signal that it
declares.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    # Run as a script, Python looks in this file's folder, not in the project's.
    sys.path.insert(0, str(ROOT))

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from benchmarks.flagship.fits import Bench, Fit, Markets, check_names, command  # noqa: E402
from benchmarks.tables import RESULTS  # noqa: E402

ROWS, SEEDS, FIRST_SEED, EDGE = 8_000, 1, 1_100, 0.2
HELD_TO = "mlp"
CLEARLY = 0.02


def bench(
    models: Sequence[str],
    seeds: int,
    processes: int,
    redraw: bool,
    folder: Path,
    results: Path = RESULTS,
) -> pd.DataFrame:
    """Train what is not in the file yet, then sum up.

    Args:
        models: Names of nets; empty for all.
        seeds: How many bars and draws of each signal.
        processes: Fits side by side, each on one thread.
        redraw: Train nothing; sum up what is there.
        folder: Where the figures of every fit are kept.
        results: Where the summary is written.

    Raises:
        ValueError: A net that there is not.
    """
    fits = [] if redraw else wanted(models, seeds)
    return Bench(name="known_answer", summarise=summarise).run(
        fits, folder=folder, results=results, processes=processes
    )


def wanted(models: Sequence[str], seeds: int) -> list[Fit]:
    """Return every fit, those of `mlp` first."""
    from ultimate_deep.models.registry import BUILDERS, sees

    check_names("net", models, list(BUILDERS))
    asked = {name: sees(name) for name in models or BUILDERS if name != HELD_TO}
    declared = dict.fromkeys(signal for signals in asked.values() for signal in signals)
    of = Markets(rows=ROWS, first_seed=FIRST_SEED)
    return [
        of.fit(f"{signal}_{EDGE:g}", seed, name, name, {})
        for seed in range(seeds)
        for name, signals in ({HELD_TO: tuple(declared)} | asked).items()
        for signal in signals
    ]


def summarise(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return one row for each net and signal: what it found, and what `mlp` did there.

    Args:
        rows: Figures of all fits.
    """
    table = pd.DataFrame(rows)
    held = table[table["model"] == HELD_TO][["market", "seed", "share_of_edge"]]
    table = table.merge(held, on=["market", "seed"], suffixes=("", "_held"))
    table = table.assign(
        signal=table["market"].str.rpartition("_")[0],
        ahead=table["share_of_edge"] - table["share_of_edge_held"],
    )
    found = table.groupby(["model", "signal"]).agg(
        fits=("seed", "size"),
        share_of_edge=("share_of_edge", "mean"),
        ahead_of_mlp=("ahead", "mean"),
        log_loss=("log_loss", "mean"),
        parameters=("parameters", "first"),
        seconds=("seconds", "mean"),
    )
    found["loses"] = found["ahead_of_mlp"] < -CLEARLY
    return found.reset_index()


if __name__ == "__main__":
    command(
        __doc__,
        bench,
        models=(list[str], [], "names; all unless given"),
        seeds=(int, SEEDS, "of each signal"),
        processes=(int, 2, "fits side by side, each on one thread"),
    )
