"""Train, judge and save the ultimate net: the main job.

    python train_scripts/run_ultimate_deep.py [--data.path bars.csv] [--config FILE] [--yes]

Without --data.path the bars are simulated, with an edge that is known, and nothing is downloaded.
It shows its plan and asks before it trains (--yes does not ask), then writes a new folder in
artifacts/ and prints the verdict. Ctrl-C stops after a checkpoint; --resume goes on from there and
ends with the same result bit for bit. `--help` lists every setting, `--print_config` writes them
as YAML.
"""

from functools import partial

from rich.console import Console

from ultimate_deep.experiments.command_line import (
    experiment_of,
    experiment_parser,
    parse,
    run_main,
    run_planned,
)
from ultimate_deep.training.backend import start_up


def main() -> None:
    """Parse, run, print the summary."""
    parser = experiment_parser(__doc__)
    parser.add_argument("--yes", action="store_true", help="Do not ask before training")
    parser.add_argument("--resume", action="store_true", help="Go on with the newest run")
    options = parse(parser)
    console = Console()
    start_up(console)
    from ultimate_deep.experiments.run import run_experiment
    from ultimate_deep.experiments.summary import render_summary

    train = partial(run_experiment, experiment_of(options), resume=options.resume)
    run = run_planned(console, train, yes=options.yes)
    if run is not None:
        console.print(render_summary(run))


if __name__ == "__main__":
    run_main(main)
