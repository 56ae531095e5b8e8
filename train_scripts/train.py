"""Train, judge and save any model of the zoo.

    python train_scripts/train.py --model lstm [--data.path bars.csv] [--yes] [--resume]
    python train_scripts/train.py --list

Nets and boosted trees, on features, windows, timeframes or pictures: each model says what it reads.
Path, bundle, report, resume and progress are the main job's, and so is every setting (`--help`).
`--model NAME` stands for `--config train_scripts/configs/models/NAME.yaml`, which names the model
and what suits it; what else is on the command line changes that. Without --data.path the bars are
simulated, with an edge that is known. With the defaults, 20,000 bars: a minute or so for trees and
tabular nets, two to ten minutes for sequences and pictures on two cores.
"""

import sys
from functools import partial
from pathlib import Path

from rich.console import Console

from ultimate_deep.experiments.command_line import (
    experiment_of,
    experiment_parser,
    parse,
    run_main,
    run_planned,
    with_model_config,
)
from ultimate_deep.training.backend import start_up

CONFIGS = Path(__file__).resolve().parent / "configs" / "models"


def main() -> None:
    """Parse, run, print the summary."""
    parser = experiment_parser(__doc__)
    parser.add_argument("--list", action="store_true", help="Name every model and what it reads")
    parser.add_argument("--yes", action="store_true", help="Do not ask before training")
    parser.add_argument("--resume", action="store_true", help="Go on with the newest run")
    options = parse(parser, with_model_config(sys.argv[1:], CONFIGS))
    console = Console()
    start_up(console)
    from ultimate_deep.experiments.run import run_experiment
    from ultimate_deep.experiments.summary import render_summary, render_zoo

    if options.list:
        console.print(render_zoo())
        return
    train = partial(run_experiment, experiment_of(options), resume=options.resume)
    run = run_planned(console, train, yes=options.yes)
    if run is not None:
        console.print(render_summary(run))


if __name__ == "__main__":
    run_main(main)
