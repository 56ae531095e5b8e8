"""The default net beside a small net, members and honest trees: who finds more of a known edge.

    python benchmarks/bench_flagship.py                                  # simulated markets
    python benchmarks/bench_flagship.py --bars BARS                      # three files of BARS too
    python benchmarks/bench_flagship.py --markets '[linear_0.1]' --models '[trees, mlp]' --seeds 1
    python benchmarks/bench_flagship.py --processes 2                    # two fits at once
    python benchmarks/bench_flagship.py --redraw                         # sums up what is there

Simulated: four kinds of signal at two edges, 20,000 bars, and for each seed other bars and other
draws of the model. Trees are the best of a small grid, declared below, by the validation log loss;
`mlp`, `tabm` and `ultimate` are trained with the settings of `--model NAME`. The test part of every
fit is read once, and nothing is chosen by it.
A minute of one core for the trees of a market and seed, up to ten minutes for the default net: a
day for all. One line for each fit in `flagship_<machine>.jsonl` in `--folder`; a run that was
interrupted goes on. Writes `benchmarks/results/flagship_summary_<machine>.csv`, the plot beside
it, and `flagship_targets_<machine>.csv`.

Expected (`targets`): the default net finds at least what the better of both kinds of trees finds
on each of the four signals, two points more over all, its log loss is lower on each, and it is
fitted in ten minutes; of 60,000 bars at least what the trees find, and 95% of three signals' edge.

Markets of one seed have the same noise, whatever their signal: 16 of them are two draws of it.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    # Run as a script, Python looks in this file's folder, not in the project's.
    sys.path.insert(0, str(ROOT))

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from benchmarks.flagship.fits import (  # noqa: E402
    FILES,
    SIGNALS,
    Bench,
    Entry,
    Fit,
    Markets,
    check_names,
    command,
)
from benchmarks.page.tables import rows_of  # noqa: E402
from benchmarks.tables import RESULTS, machine_name, write_table  # noqa: E402

ROWS, SEEDS, FIRST_SEED = 20_000, 2, 500
EDGES = (0.1, 0.2)
TREES = "hist_gradient_boosting"
BEST_TREES = "the better trees"

SLOW = {
    "learning_rate": (0.01,),
    "trees": (2_000,),
    "patience": (100,),
    "leaves": (7, 15),
    "feature_share": (0.1, 0.3),
}
ENTRIES = {
    "trees": Entry(model=TREES, options=SLOW, fit={"return_weights": (0.0,)}),
    "weighted trees": Entry(model=TREES, options=SLOW, fit={"return_weights": (1.5, 3.0)}),
    "mlp": Entry(model="mlp"),
    "tabm": Entry(model="tabm"),
    "ultimate": Entry(model="ultimate"),
}
TREE_ENTRIES = ("trees", "weighted trees")
WHOLE = "all simulated"
# What the default net is to find more than the trees over all, what it is to find of 60,000 bars,
# and how long its fit may take.
AHEAD, LEARNT, MOST_SECONDS = 0.02, dict.fromkeys(SIGNALS[:3], 0.95), 600.0
# As tables and plots show them; fits side by side end in any order.
MODELS = ("ultimate", "tabm", "mlp", *TREE_ENTRIES, BEST_TREES)
KINDS = (*SIGNALS, WHOLE, *FILES)


def market_names(bars: Path | None = None) -> list[str]:
    """Return the names of all markets; files of real bars only where their folder is known."""
    simulated = [f"{signal}_{edge:g}" for edge in EDGES for signal in SIGNALS]
    return simulated + (list(FILES) if bars is not None else [])


def bench(
    markets: Sequence[str],
    models: Sequence[str],
    seeds: int,
    rows: int,
    bars: Path | None,
    processes: int,
    redraw: bool,
    folder: Path,
    results: Path = RESULTS,
) -> pd.DataFrame:
    """Train what is not in the file yet, then sum up and draw.

    Args:
        markets: Names of markets; empty for all.
        models: Names in the table; empty for all.
        seeds: How many bars and draws of each market.
        rows: Bars of a simulated market.
        bars: Folder of real bars; None leaves them out.
        processes: Fits side by side, each on one thread.
        redraw: Train nothing; sum up what is there.
        folder: Where the figures of every fit are kept.
        results: Where the summary is written.

    Raises:
        ValueError: A market or a model that there is not.
    """
    fits = [] if redraw else wanted(markets, models, seeds, rows, bars)
    table = Bench(name="flagship", summarise=summarise, draw=draw).run(
        fits, folder=folder, results=results, processes=processes
    )
    write_table(targets(table), results / f"flagship_targets_{machine_name()}.csv", digits=5)
    return table


def wanted(
    markets: Sequence[str], models: Sequence[str], seeds: int, rows: int, bars: Path | None
) -> list[Fit]:
    """Return every fit; a market or a model that there is not is refused before the first."""
    check_names("market", markets, market_names(bars))
    check_names("model", models, list(ENTRIES))
    of = Markets(rows=rows, first_seed=FIRST_SEED, bars=bars)
    return [
        of.fit(market, seed, name, ENTRIES[name].model, variant)
        for seed in range(seeds)
        for market in markets or market_names(bars)
        for name in models or ENTRIES
        for variant in ENTRIES[name].variants()
    ]


def chosen(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return one row for each market, seed and model: the variant of least validation log loss.

    `grid_seconds` is what all variants took. The better of both kinds of trees, chosen in the same
    way, stands as a model of its own.
    """
    table = pd.DataFrame(rows)
    both = table[table["model"].isin(TREE_ENTRIES)].assign(model=BEST_TREES)
    table = pd.concat([table, both], ignore_index=True)
    groups = table.groupby(["market", "rows", "seed", "model"], sort=False)
    table["grid_seconds"] = groups["seconds"].transform("sum")
    best = table.loc[groups["validation_log_loss"].idxmin()]
    return best.reset_index(drop=True)


def summarise(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the mean of every model on each kind of market, and over all simulated ones.

    Rows are in the order of `KINDS` and `MODELS`.

    Args:
        rows: Figures of all fits.
    """
    best = chosen(rows)
    signal = best["market"].str.rpartition("_")[0]
    simulated = signal.isin(SIGNALS)
    kinds = best.assign(kind=signal.where(simulated, best["market"]))
    whole = best[simulated].assign(kind=WHOLE)
    groups = pd.concat([kinds, whole], ignore_index=True).groupby(
        ["kind", "rows", "model"], sort=False
    )
    figures = groups.agg(
        fits=("seed", "size"),
        share_of_edge=("share_of_edge", "mean"),
        share_sd=("share_of_edge", "std"),
        log_loss=("log_loss", "mean"),
        validation_log_loss=("validation_log_loss", "mean"),
        accuracy=("accuracy", "mean"),
        seconds=("seconds", "mean"),
        grid_seconds=("grid_seconds", "mean"),
    )
    places: dict[str, Callable[[Any], int]] = {
        "kind": KINDS.index,
        "model": MODELS.index,
        "rows": int,
    }
    return figures.reset_index().sort_values(
        ["rows", "model", "kind"],
        key=lambda column: column.map(places[str(column.name)]),
        ignore_index=True,
    )


def targets(table: pd.DataFrame) -> pd.DataFrame:
    """Return what the default net was to reach, and whether it does.

    Args:
        table: What `summarise` returns.
    """
    found = {(one.rows, one.kind, one.model): one for one in rows_of(table)}
    rows: list[dict[str, Any]] = []

    def add(target: str, figure: float, relation: str, limit: float) -> None:
        met = figure >= limit if relation == ">=" else figure <= limit
        one = {"target": target, "figure": figure, "relation": relation, "limit": limit, "met": met}
        rows.append(one)

    for bars in dict.fromkeys(table["rows"]):
        for kind in (*SIGNALS, WHOLE):
            ours, trees = (found.get((bars, kind, name)) for name in ("ultimate", BEST_TREES))
            if ours is None or trees is None:
                continue
            where = f"the default net on {kind.replace('_', ' ')}, {bars:,} bars, against the trees"
            more = AHEAD if bars == ROWS and kind == WHOLE else 0.0
            share = ours.share_of_edge, trees.share_of_edge + more
            add(f"share of the edge, {where}", share[0], ">=", share[1])
            if bars != ROWS:
                if kind in LEARNT:
                    add(f"share of the edge, {kind}, {bars:,} bars", share[0], ">=", LEARNT[kind])
            elif kind != WHOLE:
                add(f"log loss, {where}", ours.log_loss, "<=", trees.log_loss)
            else:
                target = "seconds of a fit of the default net, 20,000 bars"
                add(target, ours.seconds, "<=", MOST_SECONDS)
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw the share of the edge that every model found on simulated bars."""
    from benchmarks.flagship.plots import draw_shares

    draw_shares(table[table["share_of_edge"].notna()], path)


if __name__ == "__main__":
    command(
        __doc__,
        bench,
        markets=(list[str], [], "names; all unless given"),
        models=(list[str], [], "names; all unless given"),
        seeds=(int, SEEDS, "of each market"),
        rows=(int, ROWS, "bars of a simulated market"),
        bars=(Path, None, "folder of real bars"),
        processes=(int, 1, "fits side by side, each on one thread"),
    )
