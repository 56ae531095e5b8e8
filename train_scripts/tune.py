"""Search a model's configuration with KerasTuner and save the winner as an ordinary bundle.

    python train_scripts/tune.py --model.name mlp [--data.path bars.csv] [--tune.search hyperband]
        [--tune.trials 12] [--tune.epochs 10] [--tune.fields '[model.dropout_rate]'] [--yes]

Trials are compared by validation loss; the test part is read once, by the winner. What is given in
--model.options is held fixed. Ctrl-C stops after a checkpoint; after it, or after a kill, --resume
goes on where the search was. Writes artifacts/tuned-<name>-<time>/ with all trials in trials.csv.

With the defaults and --model.name mlp (12 trials of at most 20 epochs, 20,000 simulated bars):
about 5 minutes on two shared cores. Expect validation losses of 0.674 to 0.681, the best 0.002
below the median (one seed): choosing among configurations gains little, and part of it is luck.
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
from ultimate_deep.experiments.tuning.tune_config import TuneConfig
from ultimate_deep.training.backend import start_up


def main() -> None:
    """Parse, search, print trials and summary."""
    parser = experiment_parser(__doc__)
    parser.add_class_arguments(TuneConfig, "tune")
    parser.add_argument("--yes", action="store_true", help="Do not ask before the search")
    parser.add_argument("--resume", action="store_true", help="Go on with the newest search")
    options = parse(parser)
    console = Console()
    start_up(console)
    from ultimate_deep.experiments.summary import render_summary
    from ultimate_deep.experiments.tuning.tables import render_search_plan, render_trials
    from ultimate_deep.experiments.tuning.tune import tune_experiment

    search = partial(tune_experiment, experiment_of(options), options.tune, resume=options.resume)
    tuned = run_planned(
        console, search, yes=options.yes, question="Search?", render=render_search_plan
    )
    if tuned is not None:
        console.print(render_trials(tuned.found, tuned.tune))
        console.print(render_summary(tuned.run))


if __name__ == "__main__":
    run_main(main)
