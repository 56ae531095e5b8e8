"""The worked example, start to end: simulated bars to an ensemble that another process loads.

    python train_scripts/complete_pipeline.py [--data.path bars.csv] [--members '[mlp, lstm]']

Simulates 8,000 hourly bars whose answer is known (or reads yours), trains a linear model, boosted
trees and a small LSTM, each with bundle, report and verdict, combines them by their validation
loss, compares all four on the common test part, and predicts in a new process with what was saved.
Every further option is that of `train.py` and holds for every member; `--resume` goes on after an
interruption. Three to four minutes on two cores. The planted signal is linear and its oracle is
right on 65% of the bars: expect 64% to 65% of the LSTM and the ensemble, a little less of the
trees, and 60% of the linear model, which sees the features of one bar.
"""

import sys

from rich.console import Console

from ultimate_deep.commands.parser import parse
from ultimate_deep.commands.running import run_main
from ultimate_deep.commands.settings import experiment_of, experiment_parser
from ultimate_deep.experiments.ensembles.config import EnsembleConfig
from ultimate_deep.training.backend import start_up

MEMBERS = ["linear", "hist_gradient_boosting", "lstm"]


def main() -> None:
    """Parse, run, print the comparison."""
    parser = experiment_parser("", __doc__, first=("members", "ensemble.method"))
    parser.add_argument("--members", type=list[str], default=MEMBERS, help="Models, as a list")
    parser.add_class_arguments(EnsembleConfig, "ensemble")
    parser.link_arguments("artifacts", "ensemble.artifacts")
    example = ["--config", "complete", *sys.argv[1:]]
    options = parse(parser, example).options
    members = [
        experiment_of(parse(parser, ["--model", name, *example]).options)
        for name in options.members
    ]
    console = Console()
    start_up(console)
    from ultimate_deep.experiments.example import run_complete
    from ultimate_deep.experiments.summary import render_comparison
    from ultimate_deep.training.progress import make_progress

    progress = make_progress(console)
    done = run_complete(tuple(members), options.ensemble, progress, resume=options.resume)
    console.print(render_comparison(done.compared.data))
    for folder in (*done.folders, done.ensemble.folder):
        console.print(f"{folder.name}: {folder}/report.html")
    last = done.predictions.iloc[-1]
    console.print(
        f"{len(done.predictions):,} predictions of the ensemble, loaded in a new process; the "
        f"last: {last['timestamp']}, P(up) {last['probability_up']:.4f}, signal {last['signal']}",
        highlight=False,
    )


if __name__ == "__main__":
    run_main(main)
