"""What a verdict claims of 29 kinds of markets, most of them made to fool it.

    python benchmarks/bench_evidence.py                          # 200 markets of each kind
    python benchmarks/bench_evidence.py --markets 20             # the first 20 of each
    python benchmarks/bench_evidence.py --kinds '[bounce]'       # of one kind
    python benchmarks/bench_evidence.py --rows 40000             # markets of so many bars
    python benchmarks/bench_evidence.py --redraw                 # the summary from what is there

Each market is 10,000 hourly bars unless more are asked for: features, split, scaling, temperature,
threshold and costs are those of every experiment, the predictors are a logistic regression and a
few trees, each judged by itself (the best of 100 logistic regressions in one kind). Those of one
market are no independent tries, so that each has its own row in the summary. The figures are
stored, not the verdicts, so that another rule is tried on all markets in a second.
About 1.2 seconds for each market on two cores: an hour for all. A run that was interrupted goes on.

Expected: of the markets in which nothing can be earned at most 2% are called an edge. The stored
summary says how many markets each row is of, and beside that how many claims of a kind the verdict
made that held accuracy against the majority and net return above zero alone, until November 2026
(`results/evidence_before.csv`). Writes `evidence_<machine>.jsonl` into `--folder` and
`benchmarks/results/evidence_summary_<machine>.csv`.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from jsonargparse import ArgumentParser
from scipy.stats import binomtest

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    # Run as a script, Python looks in this file's folder, not in the project's.
    sys.path.insert(0, str(ROOT))

from benchmarks.processes import side_by_side  # noqa: E402
from benchmarks.tables import (  # noqa: E402
    RESULTS,
    append_lines,
    machine_name,
    stored,
    write_table,
)
from benchmarks.verdicts.ruling import evidence_of  # noqa: E402
from ultimate_deep.evaluation.verdicts.rule import QUESTIONS, rule  # noqa: E402

ROWS, MARKETS, FIRST_SEED = 10_000, 200, 1_000
CONFIDENCE = 0.95
BEFORE = RESULTS / "evidence_before.csv"


def bench(
    markets: int,
    kinds: Sequence[str],
    rows: int,
    processes: int,
    redraw: bool,
    folder: Path,
    results: Path = RESULTS,
) -> pd.DataFrame:
    """Judge the markets that are not in the file yet, then sum up.

    Args:
        markets: How many of each kind.
        kinds: Names of kinds; empty for all.
        rows: Bars of each market.
        processes: Markets judged at once, each on one thread.
        redraw: Judge nothing; sum up what is there.
        folder: Where the figures of every market are kept.
        results: Where the summary is written.

    Returns:
        The summary, one row for each kind, number of bars and predictor.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"evidence_{machine_name()}.jsonl"
    if not redraw:
        judge_missing(path, markets, kinds, rows, processes)
    summary = summarise(stored(path))
    write_table(summary, results / f"evidence_summary_{machine_name()}.csv", digits=4)
    return summary


def judge_missing(
    path: Path, markets: int, kinds: Sequence[str], rows: int, processes: int
) -> None:
    """Judge market after market, every kind in turn, and append its rows at once."""
    from benchmarks.verdicts.evidence import CELLS  # loads Keras

    known = {(row["kind"], row["seed"], row["rows"]) for row in stored(path)}
    cases = [
        (kind, rows, seed)
        for seed in range(FIRST_SEED, FIRST_SEED + markets)
        for kind in kinds or CELLS
    ]
    missing = [(kind, rows, seed) for kind, rows, seed in cases if (kind, seed, rows) not in known]
    print(f"{len(cases) - len(missing)} markets are judged already, {len(missing)} to go")
    answers = side_by_side(run_in_process, missing, processes, each=400)
    for done, found in enumerate(answers, start=1):
        append_lines(found, path)
        first, said = found[0], f"{done}/{len(missing)}"
        print(f"{said} {first['kind']}, seed {first['seed']}: {first['word']}", flush=True)


def run_in_process(case: tuple[str, int, int]) -> list[dict[str, Any]]:
    """Judge one market where Keras is loaded."""
    from benchmarks.verdicts.evidence import run_market

    return run_market(*case)


def summarise(judged_rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return how often an edge is claimed, with exact bounds, and what was answered.

    Args:
        judged_rows: Figures of all markets, one row for each predictor.

    Returns:
        One row for each kind, number of bars and predictor.
    """
    told = pd.DataFrame([_told(row) for row in judged_rows])
    rows = []
    for (kind, bars, predictor), group in told.groupby(["kind", "rows", "predictor"], sort=False):
        markets, claims = len(group), int(group["claimed"].sum())
        lower, upper = clopper_pearson(claims, markets)
        rows.append(
            {"kind": kind, "bars": bars, "tradable": bool(group["tradable"].iloc[0])}
            | {"predictor": predictor, "markets": markets, "claims": claims}
            | {"rate": claims / markets, "lower": lower, "upper": upper}
            | {str(name): float(group[name].mean()) for name in QUESTIONS}
            | {"usual_word": group["word"].mode().iloc[0]}
        )
    before = pd.read_csv(BEFORE).assign(bars=ROWS)
    return (
        pd.DataFrame(rows)
        .merge(before, how="left", on=["kind", "bars"])
        .sort_values(["tradable", "kind", "bars", "predictor"], ignore_index=True)
    )


def _told(row: dict[str, Any]) -> dict[str, Any]:
    """Return what is claimed of one predictor on one market."""
    ruling = rule(evidence_of(row))
    said: dict[str, Any] = {"kind": row["kind"], "tradable": row["tradable"], "word": ruling.kind}
    said |= {name: row[name] for name in ("rows", "predictor")}
    said |= {"claimed": ruling.kind == "edge"}
    return said | {name: word == "yes" for name, word in ruling.answers.items()}


def clopper_pearson(hits: int, tries: int) -> tuple[float, float]:
    """Return the exact two-sided bounds of a share.

    Source: Clopper & Pearson (1934), Biometrika 26(4).
    """
    bounds = binomtest(hits, tries).proportion_ci(CONFIDENCE, method="exact")
    return float(bounds.low), float(bounds.high)


def main() -> None:
    """Read the command line and run."""
    parser = ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--markets", type=int, default=MARKETS, help="of each kind")
    parser.add_argument("--kinds", type=list[str], default=[], help="names; all unless given")
    parser.add_argument("--rows", type=int, default=ROWS, help="bars of each market")
    parser.add_argument("--processes", type=int, default=2, help="markets judged at once")
    parser.add_argument("--redraw", action="store_true", help="from what is there")
    parser.add_argument("--folder", type=Path, default=RESULTS, help="of every market's figures")
    summary = bench(**parser.parse_args().as_dict())
    print(summary.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
