"""Train, judge and save the ultimate net: the main job.

    python train_scripts/run_ultimate_deep.py [--data.path bars.csv] [--config FILE] [--yes]

Without --data.path the bars are simulated, with an edge that is known, and nothing is downloaded.
It shows its plan and asks before it trains (--yes does not ask), then writes a new folder in
artifacts/ and prints the verdict. Ctrl-C stops after a checkpoint; --resume goes on from there and
ends with the same result bit for bit. `--help` lists every setting, `--print_config` writes them
as YAML.
"""

from rich.console import Console

from training.backend import start_up
from training.command_line import asker, experiment_of, experiment_parser, parse, run_main


def main() -> None:
    """Parse, run, print the summary."""
    parser = experiment_parser(__doc__)
    parser.add_argument("--yes", action="store_true", help="Do not ask before training")
    parser.add_argument("--resume", action="store_true", help="Go on with the newest run")
    options = parse(parser)
    console = Console()
    start_up(console)
    from training.fitting.plan import render_plan
    from training.fitting.progress import make_progress
    from training.run import DeclinedError, run_experiment
    from training.summary import render_summary

    try:
        run = run_experiment(
            experiment_of(options),
            make_progress(console),
            confirm=asker(console, "Train?", render_plan, yes=options.yes),
            resume=options.resume,
        )
    except DeclinedError:
        console.print("Nothing was written.")
        return
    console.print(render_summary(run))


if __name__ == "__main__":
    run_main(main)
