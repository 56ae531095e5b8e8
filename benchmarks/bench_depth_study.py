"""Where depth pays: the flagship's recipe at 2, 20, 200 and 2,000 layers.

    python benchmarks/bench_depth_study.py --bars BARS       # simulated markets, files of BARS
    python benchmarks/bench_depth_study.py                   # simulated markets alone
    python benchmarks/bench_depth_study.py --markets '[nested_0.14]' --compare '[equal parameters]'
    python benchmarks/bench_depth_study.py --redraw          # sums up what is there

Two comparisons, on the same rows, each with the recipe of `--model ultimate` without dense blocks;
2 layers are its stem of members alone, `--model tabm`.

- *equal parameters*: each depth is as wide as 1.16 million parameters allow.
- *equal seconds*: each depth may try settings of a declared list for as many seconds of the
  processor as 2,000 layers took, and the one with the least validation log loss stands.

Markets have 20,000 simulated bars: the four kinds of signal at an edge of 0.10, and three signals
that are made by composition at 0.14 (see `SimulationSpec`). The test part of every fit is read
once, nothing is chosen by it. Some ten minutes a market on two cores. One line for each fit in
`depth_study_<machine>.jsonl` in `--folder`; a run that was interrupted goes on. Writes
`benchmarks/results/depth_study_summary_<machine>.csv` and the plot beside it.
"""

import itertools
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    # Run as a script, Python looks in this file's folder, not in the project's.
    sys.path.insert(0, str(ROOT))

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from benchmarks.flagship.fits import (  # noqa: E402
    COMPOSED,
    FILES,
    SIGNALS,
    Bench,
    Fit,
    Markets,
    Options,
    check_names,
    command,
)
from benchmarks.tables import RESULTS, stored  # noqa: E402

ROWS, SEEDS, FIRST_SEED = 20_000, 1, 900
EQUAL_PARAMETERS, EQUAL_SECONDS = "equal parameters", "equal seconds"
COMPARISONS = (EQUAL_PARAMETERS, EQUAL_SECONDS)
DEPTHS = (2, 20, 200, 2_000)
BLOCKS = {20: [3, 2], 200: [10] * 5, 2_000: [50] * 10}  # four weighted layers each


def _tabm(first: int, second: int, **more: Any) -> tuple[str, Options]:
    return "tabm", {"model.options.hidden_widths": [first, second]} | more


def _ultimate(layers: int, width: int, **more: Any) -> tuple[str, Options]:
    blocks = {"res_blocks_per_unit": BLOCKS[layers], "dense_blocks_per_unit": []}
    own = {f"model.options.{name}": value for name, value in blocks.items()}
    return "ultimate", own | {"model.options.width": width} | more


LONGER = {"fit.epochs": 32}
WIDE: dict[int, tuple[str, Options]] = {
    2: _tabm(2_048, 256),
    20: _ultimate(20, 260),
    200: _ultimate(200, 100),
    2_000: _ultimate(2_000, 32),
}
TRIED: dict[int, list[tuple[str, Options]]] = {
    2: [
        _tabm(64, 32), _tabm(128, 64), _tabm(64, 32, **LONGER), _tabm(256, 128), _tabm(32, 16),
        _tabm(128, 64, **LONGER), _tabm(64, 32, **{"model.options.members": 32}),
    ],
    20: [
        _ultimate(20, 32), _ultimate(20, 64), _ultimate(20, 32, **LONGER), _ultimate(20, 128),
        _ultimate(20, 64, **LONGER), _ultimate(20, 16),
    ],
    200: [_ultimate(200, 32), _ultimate(200, 64), _ultimate(200, 32, **LONGER)],
    2_000: [_ultimate(2_000, 32)],
}  # fmt: skip


def market_names(bars: Path | None = None) -> list[str]:
    """Return the names of all markets; files of real bars only where their folder is known."""
    simulated = [f"{signal}_0.1" for signal in SIGNALS] + [f"{signal}_0.14" for signal in COMPOSED]
    return simulated + (list(FILES) if bars is not None else [])


def bench(
    markets: Sequence[str],
    compare: Sequence[str],
    seeds: int,
    bars: Path | None,
    redraw: bool,
    folder: Path,
    results: Path = RESULTS,
) -> pd.DataFrame:
    """Train what is not in the file yet, then sum up and draw.

    Args:
        markets: Names of markets; empty for all.
        compare: Names of comparisons; empty for both.
        seeds: How many bars and draws of each market.
        bars: Folder of real bars; None leaves them out.
        redraw: Train nothing; sum up what is there.
        folder: Where the figures of every fit are kept.
        results: Where summary and plot are written.

    Raises:
        ValueError: A market or a comparison that there is not.
    """
    check_names("market", markets, market_names(bars))
    check_names("comparison", compare, COMPARISONS)
    own = Bench(name="depth_study", summarise=summarise, draw=draw)
    of = Markets(rows=ROWS, first_seed=FIRST_SEED, bars=bars)
    fits = (
        fit
        for seed in range(0 if redraw else seeds)
        for market in markets or market_names(bars)
        for fit in _wanted(of, market, seed, compare or COMPARISONS, own.rows(folder))
    )
    return own.run(fits, folder=folder, results=results)


def _wanted(
    of: Markets, market: str, seed: int, compare: Sequence[str], path: Path
) -> Iterator[Fit]:
    """Yield the fits of a market, the deepest first: its seconds are what the others may take."""

    def fit(layers: int, setting: tuple[str, Options]) -> Fit:
        return of.fit(market, seed, str(layers), *setting)

    deepest = fit(DEPTHS[-1], WIDE[DEPTHS[-1]])
    yield deepest
    if EQUAL_PARAMETERS in compare:
        yield from (fit(layers, setting) for layers, setting in WIDE.items())
    if EQUAL_SECONDS not in compare:
        return
    most = _seconds(path, [deepest])
    for layers, settings in TRIED.items():
        tried: list[Fit] = []
        for setting in settings:
            if tried and _seconds(path, tried) >= most:
                break
            tried.append(fit(layers, setting))
            yield tried[-1]


def _seconds(path: Path, fits: Sequence[Fit]) -> float:
    wanted = [fit.keys.items() for fit in fits]
    return sum(row["cpu_seconds"] for row in stored(path) if any(k <= row.items() for k in wanted))


def compared(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return one row for each comparison, market, seed and depth.

    `tried` says how many settings it was chosen from by the validation log loss, `seconds` what
    all of them took of the processor.
    """
    table, found = pd.DataFrame(rows), []
    for comparison, layers in itertools.product(COMPARISONS, DEPTHS):
        settings = [WIDE[layers]] if comparison == EQUAL_PARAMETERS else TRIED[layers]
        variants = [json.dumps(options) for _, options in settings]
        own = table[(table["model"] == str(layers)) & table["variant"].isin(variants)]
        for (market, seed), group in own.groupby(["market", "seed"], sort=False):
            best = group.sort_values("validation_log_loss").iloc[0].to_dict()
            chosen = {"comparison": comparison, "market": market, "seed": seed, "layers": layers}
            chosen |= {"tried": len(group), "seconds": group["cpu_seconds"].sum()}
            found.append(best | chosen)
    return pd.DataFrame(found)


def summarise(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the mean over seeds of every depth on every market, in both comparisons.

    Args:
        rows: Figures of all fits.
    """
    groups = compared(rows).groupby(["comparison", "market", "layers"], sort=False)
    figures = groups.agg(
        fits=("seed", "size"),
        tried=("tried", "mean"),
        parameters=("parameters", "mean"),
        share_of_edge=("share_of_edge", "mean"),
        share_sd=("share_of_edge", "std"),
        log_loss=("log_loss", "mean"),
        validation_log_loss=("validation_log_loss", "mean"),
        accuracy=("accuracy", "mean"),
        roc_auc=("roc_auc", "mean"),
        seconds=("seconds", "mean"),
    )
    return figures.reset_index().sort_values(
        ["comparison", "market", "layers"], ignore_index=True, kind="stable"
    )


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw the share of the edge by depth, a panel for each comparison."""
    from benchmarks.flagship.plots import draw_depths

    draw_depths(table.dropna(subset="share_of_edge"), path)


if __name__ == "__main__":
    command(
        __doc__,
        bench,
        markets=(list[str], [], "names; all unless given"),
        compare=(list[str], [], "names of comparisons; both unless given"),
        seeds=(int, SEEDS, "of each market"),
        bars=(Path, None, "folder of real bars"),
    )
