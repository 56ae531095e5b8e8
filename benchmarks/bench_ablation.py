"""What each part of the flagship's recipe is worth: one change at a time, on four markets.

    python benchmarks/bench_ablation.py                       # every line: an hour or so
    python benchmarks/bench_ablation.py --bars BARS           # on three files of BARS too
    python benchmarks/bench_ablation.py --lines '[members 1]' # that line, and what it is held to
    python benchmarks/bench_ablation.py --seeds 2
    python benchmarks/bench_ablation.py --redraw              # sums up what is there

The recipe is `--model ultimate` with 20 residual and 6 dense blocks in place of 500 and 20, so that
forty lines take an hour, and once whole. Each line changes one setting of one of them. Markets have
20,000 simulated bars and an edge of 0.10, one for each kind of signal; their seeds are not those of
`bench_flagship.py`. One line for each fit in `ablation_<machine>.jsonl` in `--folder`; a run that
was interrupted goes on. Writes `benchmarks/results/ablation_summary_<machine>.csv` and the plot
beside it, with each line's difference to its recipe: of the validation log loss, by which a recipe
is chosen, and of the share of the edge on the test part, which nothing is chosen by.
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

from benchmarks.flagship.fits import (  # noqa: E402
    FILES,
    SIGNALS,
    Bench,
    Fit,
    Markets,
    Options,
    check_names,
    command,
)
from benchmarks.tables import RESULTS  # noqa: E402

ROWS, SEEDS, FIRST_SEED, EDGE = 20_000, 1, 700, 0.1
MARKETS = tuple(f"{signal}_{EDGE:g}" for signal in SIGNALS)
SMALL, WHOLE = "20 blocks", "500 blocks"
HORIZONS, WINDOWS = "20 blocks, three horizons", "a small lstm"
SIZES = [512, 256, 128, 64]
_BLOCKS: Options = {
    "model.options.res_blocks_per_unit": [5, 5, 5, 5],
    "model.options.dense_blocks_per_unit": [4, 2],
}
# The model of each, and what is set beside its preset.
RECIPES: dict[str, tuple[str, Options]] = {
    SMALL: ("ultimate", _BLOCKS),
    WHOLE: ("ultimate", {}),
    HORIZONS: ("ultimate", {**_BLOCKS, "heads.further_horizons": [4, 24]}),
    WINDOWS: ("lstm", {"model.preset": "tiny"}),
}
# What is changed, of which recipe.
LINES: dict[str, tuple[str, Options]] = {
    SMALL: (SMALL, {}),
    "members 1": (SMALL, {"model.options.members": 1}),
    "members 4": (SMALL, {"model.options.members": 4}),
    "members 32": (SMALL, {"model.options.members": 32}),
    "members in stack drawn": (SMALL, {"model.options.members_in_stack": "drawn"}),
    "exit weight 0": (SMALL, {"model.options.exit_weight": 0.0}),
    "exit weight 1": (SMALL, {"model.options.exit_weight": 1.0}),
    "exit weight 30": (SMALL, {"model.options.exit_weight": 30.0}),
    "member widths 128": (SMALL, {"model.options.member_widths": [128]}),
    "feature dropout 0": (SMALL, {"model.options.feature_dropout": 0.0}),
    "feature dropout 0.3": (SMALL, {"model.options.feature_dropout": 0.3}),
    "feature dropout 0.7": (SMALL, {"model.options.feature_dropout": 0.7}),
    "feature penalty 0": (SMALL, {"model.options.feature_penalty": 0.0}),
    "feature penalty 1e-4": (SMALL, {"model.options.feature_penalty": 1e-4}),
    "feature penalty 1e-3": (SMALL, {"model.options.feature_penalty": 1e-3}),
    "return weights 0": (SMALL, {"fit.return_weights": 0.0}),
    "return weights 1": (SMALL, {"fit.return_weights": 1.0}),
    "return weights 3": (SMALL, {"fit.return_weights": 3.0}),
    "rate 1e-3": (SMALL, {"fit.learning_rate": 1e-3}),
    "rate 4e-3": (SMALL, {"fit.learning_rate": 4e-3}),
    "rate 1.6e-2": (SMALL, {"fit.learning_rate": 1.6e-2}),
    "stacks at the full rate": (SMALL, {"fit.rate_factors": {}}),
    "constant rate": (SMALL, {"fit.schedule.kind": "constant"}),
    "rate falls on plateaus": (SMALL, {"fit.schedule.kind": "plateau"}),
    "batch 64": (SMALL, {"fit.batch_size": 64}),
    "batch 1,024": (SMALL, {"fit.batch_size": 1_024}),
    "no early stopping": (SMALL, {"fit.patience_epochs": 0}),
    "epochs 8": (SMALL, {"fit.epochs": 8}),
    "epochs 32": (SMALL, {"fit.epochs": 32}),
    "weight decay 0": (SMALL, {"fit.weight_decay": 0.0}),
    "weight decay 0.1": (SMALL, {"fit.weight_decay": 0.1}),
    "dropout 0": (SMALL, {"model.options.dropout_rate": 0.0}),
    "dropout 0.3": (SMALL, {"model.options.dropout_rate": 0.3}),
    "stochastic depth 0.5": (SMALL, {"model.options.stochastic_depth": 0.5}),
    "label smoothing 0.1": (SMALL, {"fit.label_smoothing": 0.1}),
    "branches rezero": (SMALL, {"model.options.residual_scaling": "rezero"}),
    "branches not scaled": (SMALL, {"model.options.residual_scaling": "none"}),
    "batch norm": (SMALL, {"model.options.normalization": "batch"}),
    "rms norm": (SMALL, {"model.options.normalization": "rms"}),
    "warm restarts": (SMALL, {"fit.schedule.cycles": 2}),
    "cosine cycles": (SMALL, {"fit.schedule.kind": "cosine_cyclical", "fit.schedule.cycles": 2}),
    "rate by a list": (
        SMALL,
        {
            "fit.schedule.kind": "multistep",
            "fit.schedule.milestone_epochs": [8, 12],
            "fit.schedule.milestone_factors": [0.3, 0.1],
        },
    ),
    "triangular rate": (SMALL, {"fit.schedule.kind": "triangular", "fit.schedule.cycles": 2}),
    "one-cycle rate": (SMALL, {"fit.schedule.kind": "one_cycle"}),
    "planned epochs 12": (SMALL, {"fit.planned_epochs": 12, "fit.epochs": 48}),
    "batch 512 to 64": (SMALL, {"fit.batch_size_schedule": SIZES}),
    "batch 512 to 64 on plateaus": (
        SMALL,
        {"fit.batch_size_schedule": SIZES, "fit.batch_size_by": "plateau"},
    ),
    "batch by gradient noise": (
        SMALL,
        {"fit.batch_size_schedule": SIZES, "fit.batch_size_by": "noise"},
    ),
    "micro-batches 4": (SMALL, {"fit.gradients.micro_batches": 4}),
    "LAMB": (SMALL, {"fit.optimizer": "lamb"}),
    "Muon": (SMALL, {"fit.optimizer": "muon"}),
    "schedule-free AdamW": (
        SMALL,
        {"fit.optimizer": "schedule_free", "fit.schedule.kind": "constant"},
    ),
    "SAM 0.05": (SMALL, {"fit.gradients.sharpness": 0.05}),
    "ASAM 0.5": (SMALL, {"fit.gradients.sharpness": 0.5, "fit.gradients.sharpness_adaptive": True}),
    "centralized gradients": (SMALL, {"fit.gradients.centralize": True}),
    "EMA 0.99": (SMALL, {"fit.averaging.kind": "ema", "fit.averaging.ema_decay": 0.99}),
    "EMA 0.95": (SMALL, {"fit.averaging.kind": "ema", "fit.averaging.ema_decay": 0.95}),
    "SWA": (SMALL, {"fit.averaging.kind": "swa", "fit.patience_epochs": 0}),
    "Lookahead": (SMALL, {"fit.averaging.lookahead_steps": 5}),
    "jitter 0.03": (SMALL, {"fit.augmentations": {"jitter": 0.03}}),
    "scaling 0.1": (SMALL, {"fit.augmentations": {"scaling": 0.1}}),
    "mixup 0.2": (SMALL, {"fit.augmentations": {"mixup": 0.2}}),
    "cutmix 0.5": (SMALL, {"fit.augmentations": {"cutmix": 0.5}}),
    "feature dropout 0.1 of rows": (SMALL, {"fit.augmentations": {"feature_dropout": 0.1}}),
    "curriculum by loss": (SMALL, {"fit.curriculum.kind": "loss"}),
    "growing from a quarter": (SMALL, {"fit.growing_stages": [0.25, 0.5]}),
    "geometric snapshots": (SMALL, {}),
    "from a net of other bars": (SMALL, {}),
    HORIZONS: (HORIZONS, {}),
    "three horizons, one by one": (HORIZONS, {"fit.curriculum.kind": "horizons"}),
    "three horizons, weights learnt": (HORIZONS, {"fit.learned_horizon_weights": True}),
    WINDOWS: (WINDOWS, {}),
    "lstm, time warp 0.2": (WINDOWS, {"fit.augmentations": {"time_warp": 0.2}}),
    "lstm, window slice 0.1": (WINDOWS, {"fit.augmentations": {"window_slice": 0.1}}),
    "lstm, magnitude warp 0.1": (WINDOWS, {"fit.augmentations": {"magnitude_warp": 0.1}}),
    "lstm, jitter 0.03": (WINDOWS, {"fit.augmentations": {"jitter": 0.03}}),
    "lstm, mixup 0.2": (WINDOWS, {"fit.augmentations": {"mixup": 0.2}}),
    WHOLE: (WHOLE, {}),
    "500 blocks, growing from a tenth": (WHOLE, {"fit.growing_stages": [0.1, 0.4]}),
    "500 blocks, members in stack drawn": (WHOLE, {"model.options.members_in_stack": "drawn"}),
    "500 blocks, feature penalty 0": (WHOLE, {"model.options.feature_penalty": 0.0}),
    "500 blocks, no early stopping": (WHOLE, {"fit.patience_epochs": 0}),
    "500 blocks, stochastic depth 0.5": (WHOLE, {"model.options.stochastic_depth": 0.5}),
    "500 blocks, branches rezero": (WHOLE, {"model.options.residual_scaling": "rezero"}),
    "500 blocks, batch norm": (WHOLE, {"model.options.normalization": "batch"}),
}

# What is not one fit of a net from its first weights.
WAYS_OF = {"geometric snapshots": "snapshots", "from a net of other bars": "transferred"}


def bench(
    lines: Sequence[str],
    seeds: int,
    bars: Path | None,
    processes: int,
    redraw: bool,
    folder: Path,
    results: Path = RESULTS,
) -> pd.DataFrame:
    """Train what is not in the file yet, then sum up.

    Args:
        lines: Names of lines, to which their recipes are added; empty for all.
        seeds: How many bars and draws of each market.
        bars: Folder of real bars; None leaves them out.
        processes: Fits side by side, each on one thread.
        redraw: Train nothing; sum up what is there.
        folder: Where the figures of every fit are kept.
        results: Where the summary is written.

    Raises:
        ValueError: A line that there is not.
    """
    fits = [] if redraw else wanted(lines, seeds, bars)
    return Bench(name="ablation", summarise=summarise, draw=draw).run(
        fits, folder=folder, results=results, processes=processes
    )


def wanted(lines: Sequence[str], seeds: int, bars: Path | None = None) -> list[Fit]:
    """Return every fit, all lines of a market and seed one after the other."""
    check_names("line", lines, list(LINES))
    recipes = {LINES[name][0] for name in lines}
    asked = [name for name in LINES if not lines or name in lines or name in recipes]
    of = Markets(rows=ROWS, first_seed=FIRST_SEED, bars=bars)
    markets = MARKETS if bars is None else (*MARKETS, *FILES)
    return [
        of.fit(market, seed, name, model, {**options, **change}, WAYS_OF.get(name, "alone"))
        for seed in range(seeds)
        for market in markets
        for name in asked
        for recipe, change in [LINES[name]]
        for model, options in [RECIPES[recipe]]
        # Files of real bars have no other bars of the same law.
        if not (market in FILES and WAYS_OF.get(name) == "transferred")
    ]


def summarise(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return one row for each line: means, and mean differences to its recipe with their errors.

    Means are those of simulated bars; `files_apart` is the difference of the validation log loss
    on files of real bars.

    Args:
        rows: Figures of all fits.
    """
    table = pd.DataFrame(rows).set_index(["model", "market", "seed"]).sort_index()
    on_file = table.index.get_level_values("market").isin(FILES)
    simulated, files = table[~on_file], table[on_file]
    found = []
    for name, (recipe, _) in LINES.items():
        if not {name, recipe} <= set(simulated.index.get_level_values("model")):
            continue
        own = simulated.loc[name]
        row = {"line": name, "recipe": recipe, "fits": len(own)}
        row |= {
            figure: own[figure].mean()
            for figure in ("share_of_edge", "validation_log_loss", "log_loss", "cpu_seconds")
        }
        for figure in ("validation_log_loss", "share_of_edge"):
            apart = _apart(simulated, name, recipe, figure)
            row |= {f"{figure}_apart": apart.mean(), f"{figure}_error": apart.sem()}
        apart = _apart(files, name, recipe, "validation_log_loss")
        row |= {"files": len(apart), "files_apart": apart.mean(), "files_error": apart.sem()}
        row |= {f"share_{market}": own["share_of_edge"][market].mean() for market in MARKETS
                if market in own.index.get_level_values("market")}  # fmt: skip
        found.append(row)
    return pd.DataFrame(found)


def _apart(table: pd.DataFrame, name: str, recipe: str, figure: str) -> "pd.Series[float]":
    """Return a line's difference to its recipe on every market and seed that both have."""
    values, models = table[figure].astype(float), table.index.get_level_values("model")
    own, base = (values[models == one].droplevel("model") for one in (name, recipe))
    return (own - base).dropna()


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw how far each line is from its recipe, in validation log loss and in share."""
    from benchmarks.flagship.plots import draw_differences

    draw_differences(table[table["line"] != table["recipe"]].reset_index(drop=True), path)


if __name__ == "__main__":
    command(
        __doc__,
        bench,
        lines=(list[str], [], "names; all unless given"),
        seeds=(int, SEEDS, "of each market"),
        bars=(Path, None, "folder of real bars"),
        processes=(int, 2, "fits side by side, each on one thread"),
    )
