"""Train nets on pictures of 15, 30 and 60-minute bars, their ensemble, trees and the control.

    python train_scripts/train_gaf_cnn.py --data.path bnb_1m.parquet --windows 15min,30min,60min
        [--two_stages] [--workers 2] [--yes] [--resume]

`--windows` puts the bars together to those of the shortest, decides at each of them, and pictures
all; without it bars are taken as they are (15 minutes long if simulated) and the timeframes are
multiples of them (`--inputs.gaf_timeframes '[1, 2, 4]'`). Each net is a run of its own, with bundle
and report; the ensemble is their mean probability, a bundle too; the control reads the same numbers
without a picture; the trees are XGBoost's where it is installed, on the features. `--two_stages`
adds trees that read both, out of fold, for which each net is trained four times more. Prints one
table and what was hoped for; both are in the ensemble's folder, `models.csv` and `targets.csv`. All
of them are on one page, `comparison-<time>/report.html`, with the verdict of each.

`--workers N` trains so many nets at a time, each on --worker_threads threads.
Minutes for each net on two cores and 20,000 bars; `--model.preset tiny` for a first look. A picture
shows prices alone, and the default simulated signal also needs volume, so that none of them finds
it: try --data.simulation.signal linear.
"""

import sys
from functools import partial

from rich.console import Console

from ultimate_deep.commands.parser import parse
from ultimate_deep.commands.running import run_main, run_planned
from ultimate_deep.commands.settings import (
    add_workers,
    experiment_of,
    experiment_parser,
    workers_of,
)
from ultimate_deep.training.backend import start_up


def main() -> None:
    """Parse, run, print the table."""
    parser = experiment_parser("", __doc__, first=("windows", "inputs.gaf_timeframes", "workers"))
    parser.set_defaults({"data.simulated_interval": "15min"})
    parser.add_argument("--windows", type=str, default="", help="Lengths of bars, joined by commas")
    parser.add_argument("--two_stages", action="store_true", help="Trees over nets and features")
    add_workers(parser, "nets")
    options = parse(parser, ["--model", "gaf_cnn", *sys.argv[1:]]).options
    console = Console()
    start_up(console)
    from ultimate_deep.experiments.ensembles.pictures import (
        render_ensemble,
        run_picture_ensemble,
        seeing_windows,
    )

    config = experiment_of(options)
    config = seeing_windows(config, options.windows) if options.windows else config
    train = partial(run_picture_ensemble, config, resume=options.resume)
    train = partial(train, two_stages=options.two_stages, workers=workers_of(options))
    declined = "Nothing was written for this net; --resume goes on after those before it."
    done = run_planned(console, train, yes=options.yes, declined=declined)
    if done is not None:
        console.print(render_ensemble(done))
        page = done.compared.folder / "report.html"
        console.print(f"Report: {page}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    run_main(main)
