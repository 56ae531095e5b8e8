"""How often an edge is claimed where there is none, and found where there is one.

    python benchmarks/bench_verdicts.py                        # 200 + 200 markets
    python benchmarks/bench_verdicts.py --markets 20           # the first 20 + 20 of them
    python benchmarks/bench_verdicts.py --markets 20 --first 10000 --folder /tmp/pilot
    python benchmarks/bench_verdicts.py --redraw               # summary and plot from the table

Each market is 10,000 simulated hourly bars that go through the whole pipeline (features, scaling,
a small net, temperature, threshold on validation, test part, verdict) after 2 bps per side. The
markets without an edge are plain, with jumps, with waves of volatility, and with both; those with
one have an oracle that is right on 64% of the bars by one of four kinds of signal.
About 3 seconds of one core per market: 10 minutes for all on two idle cores.
Expected: at most 10 claims of 200 without an edge, at least 180 of 200 with one.

A row is written as soon as its market is judged, and kept: a run that was interrupted goes on
where it ended. Writes `benchmarks/results/verdicts_<machine>.csv`, `verdicts_summary_<machine>.csv`
and the plot beside them.
"""

import sys
from pathlib import Path

import pandas as pd
from jsonargparse import ArgumentParser

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    # Run as a script, Python looks in this file's folder, not in the project's.
    sys.path.insert(0, str(ROOT))

from benchmarks.processes import side_by_side  # noqa: E402
from benchmarks.tables import RESULTS, machine_name, write_table  # noqa: E402
from benchmarks.verdicts.markets import KEYS, WITH_EDGE, WITHOUT_EDGE, Case, make_cases  # noqa: E402
from ultimate_deep.evaluation.verdicts.claims import ClaimRate, claim_rates  # noqa: E402

EDGE, ROWS, MARKETS = 0.14, 10_000, 200


def bench(markets: int, first: int, processes: int, redraw: bool, folder: Path) -> pd.DataFrame:
    """Judge the markets that are not in the table yet, then sum up.

    Args:
        markets: How many without an edge, and as many with one.
        first: Number of the first market.
        processes: Markets judged at once, each on one thread.
        redraw: Judge nothing; sum up the table of earlier runs.
        folder: Where results are written.

    Returns:
        The summary, one row per group of markets.
    """
    folder.mkdir(parents=True, exist_ok=True)
    machine = machine_name()
    path = folder / f"verdicts_{machine}.csv"
    if not redraw:
        judge_missing(make_cases(markets, EDGE, ROWS, first=first), path, processes)
    table = pd.read_csv(path).sort_values(["edge", "seed"])
    table = table[table["edge"].isin([0.0, EDGE]) & (table["rows"] == ROWS)]
    rates = group_rates(table)
    summary = pd.DataFrame([{"group": name} | rate.to_dict() for name, rate in rates])
    write_table(summary, folder / f"verdicts_summary_{machine}.csv")
    draw_table(table, rates, path.with_suffix(".png"))
    return summary


def judge_missing(cases: list[Case], path: Path, processes: int) -> None:
    """Judge every case that the table lacks and append its row at once."""
    missing = missing_cases(cases, path)
    print(f"{len(cases) - len(missing)} markets are judged already, {len(missing)} to go")
    rows = side_by_side(run_in_process, missing, processes, each=40)
    for done, row in enumerate(rows, start=1):
        append_row(row, path)
        print(
            f"{done}/{len(missing)} {row['kind']}, edge {row['edge']:g}, seed "
            f"{row['seed']}: {row['verdict']}",
            flush=True,
        )


def run_in_process(case: Case) -> dict[str, object]:
    """Judge one case where Keras is loaded."""
    from benchmarks.verdicts.pipeline import run_case

    return run_case(case)


def missing_cases(cases: list[Case], path: Path) -> list[Case]:
    """Return the cases without a row in the table."""
    if not path.exists():
        return cases
    done = {tuple(row) for row in pd.read_csv(path)[list(KEYS)].itertuples(index=False)}
    return [case for case in cases if tuple(case.to_dict().values()) not in done]


def append_row(row: dict[str, object], path: Path) -> None:
    """Add a row to the table in one write, with the header where the file is new."""
    text = pd.DataFrame([row]).to_csv(
        index=False, header=not path.exists(), float_format="%.6g", lineterminator="\n"
    )
    with path.open("a") as file:
        file.write(text)


def group_rates(table: pd.DataFrame) -> list[tuple[str, ClaimRate]]:
    """Return the rates of all markets without an edge, of all with one, and of each kind."""
    without, with_edge = claim_rates(table["edge"] > 0, list(table["verdict"]))
    rates = [("all without an edge", without), ("all with an edge", with_edge)]
    for position, kinds in enumerate((WITHOUT_EDGE, WITH_EDGE)):
        for kind in kinds:
            group = table[table["kind"] == kind]
            rates.append((kind, claim_rates(group["edge"] > 0, list(group["verdict"]))[position]))
    return [(name, rate) for name, rate in rates if rate.markets]


def draw_table(table: pd.DataFrame, rates: list[tuple[str, ClaimRate]], path: Path) -> None:
    """Draw table and rates to a PNG."""
    from benchmarks.verdicts.plots import draw

    draw(table, rates, path)


def main() -> None:
    """Read the command line and run."""
    parser = ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--markets", type=int, default=MARKETS, help="of each of the two groups")
    parser.add_argument("--first", type=int, default=0, help="number of the first; for pilots")
    parser.add_argument("--processes", type=int, default=2, help="markets judged at once")
    parser.add_argument("--redraw", action="store_true", help="from the table already written")
    parser.add_argument("--folder", type=Path, default=RESULTS, help="where results are written")
    summary = bench(**parser.parse_args().as_dict())
    columns = ["group", "markets", "claims", "cannot_tell", "rate", "lower", "upper", "p_value"]
    print(summary[columns].round(4).to_string(index=False))


if __name__ == "__main__":
    main()
