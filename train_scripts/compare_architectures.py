"""Is depth worth it? No model, trees and nets of 75 to 2,000 layers on one split and one budget.

    python train_scripts/compare_architectures.py [--bars btcusd_1h.parquet spy_1h.parquet ...]
        [--compare.seeds 3] [--compare.budget_seconds 60] [--workers 2] [--resume] [--quick]

Majority, always long, logistic regression, random forest, gradient boosting, a small perceptron,
stacks of 75, 800, 1,000 and 2,000 weighted layers (sequential without skips; residual; dense;
attention) and the ultimate net: same features, same split, same seconds and epochs, each with
several seeds. Simulated bars, whose truth is known, and any number of real ones. Prints costs,
share of the oracle's edge, accuracy, win rate of the trades kept, net Sharpe and verdicts, and
writes artifacts/depths-<time>/ with CSV, JSON, Markdown and a plot. Every finished cell is kept:
after Ctrl-C the same command with --resume goes on with the others. --workers N runs so many cells
at a time. --quick runs every cell in tiny, to see it work: its figures mean nothing.

An hour or more on two idle cores with the defaults, as much again for each 20,000 real bars: one
epoch is always finished, and the deepest nets' takes longer than the budget on many rows.
"""

import dataclasses
import sys

from rich.console import Console

from ultimate_deep.commands.parser import parse
from ultimate_deep.commands.running import run_main
from ultimate_deep.commands.settings import (
    add_workers,
    experiment_of,
    experiment_parser,
    workers_of,
)
from ultimate_deep.experiments.depths.config import DEFAULTS, ComparisonConfig, quick
from ultimate_deep.training.backend import start_up

WIDTH = 160  # of tables where nobody's terminal is asked


def main() -> None:
    """Parse, compare, print and write."""
    parser = experiment_parser(
        "", __doc__, first=("bars", "compare.seeds", "compare.budget_seconds", "workers", "quick")
    )
    parser.add_class_arguments(ComparisonConfig, "compare", skip={"bars"})
    parser.add_argument("--bars", nargs="*", default=[], help="Files or folders of real bars")
    parser.add_argument("--quick", action="store_true", help="Everything in tiny, in minutes")
    add_workers(parser, "cells")
    parser.set_defaults(DEFAULTS)
    options = parse(parser, sys.argv[1:]).options
    experiment = experiment_of(options)
    workers = workers_of(options)
    comparison = dataclasses.replace(options.compare, bars=tuple(options.bars))
    if options.quick:
        experiment, comparison = quick(experiment, comparison)
    console = Console()
    start_up(console)
    from ultimate_deep.experiments.depths.comparison import compare, finish
    from ultimate_deep.experiments.depths.tables import (
        render_comparison,
        render_folder,
        write_comparison,
    )
    from ultimate_deep.training.progress import make_progress

    compared = compare(
        experiment, comparison, make_progress(console), resume=options.resume, workers=workers
    )
    write_comparison(compared)
    finish(compared)
    wide = console if console.is_terminal else Console(width=WIDTH)
    wide.print(render_comparison(compared))
    wide.print(render_folder(compared.folder))


if __name__ == "__main__":
    run_main(main)
