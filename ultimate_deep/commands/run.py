"""Train, judge and save the ultimate net, or any model by --model NAME: the main job.

    ultimate-deep run [--data.path bars.csv] [--model lstm] [--config small] [--yes]

Without --data.path the bars are simulated, with an edge that is known, and nothing is downloaded.
It shows its plan and asks before it trains (--yes does not ask), then writes a new folder in
artifacts/ and prints the verdict. Ctrl-C stops after a checkpoint; --resume goes on with the newest
unfinished run, whatever its settings, and ends with the same result bit for bit. --print_config
writes every setting as YAML.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ultimate_deep.commands.command_parser import CommandParser
from ultimate_deep.commands.parser import parse
from ultimate_deep.commands.running import run_planned, started
from ultimate_deep.commands.settings import experiment_of, experiment_parser
from ultimate_deep.evaluation.ledger.place import check_counted_places
from ultimate_deep.experiments.runs import newest_unfinished


def parser(command: str = "run", description: str | None = __doc__) -> CommandParser:
    """Return every setting of a run."""
    made = experiment_parser(command, description)
    made.add_argument("--list", action="store_true", help="Name every model and what it reads")
    return made


def main(arguments: Sequence[str]) -> None:
    """Parse, run, print the summary."""
    train(parser(), arguments)


def train(parser: CommandParser, arguments: Sequence[str]) -> None:
    """Parse, run, print the summary."""
    parsed = parse(parser, arguments)
    config = experiment_of(parsed.options)
    if parsed.options.resume:  # before anything heavy is loaded
        newest_unfinished(Path(config.artifacts), str(parsed.named.get("name", "")))
    check_counted_places(artifacts=config.artifacts)
    console = started()
    from ultimate_deep.experiments.run import run_experiment
    from ultimate_deep.experiments.summary import render_summary

    experiment = partial(
        run_experiment,
        config,
        resume=parsed.options.resume,
        named=parsed.named,
    )
    run = run_planned(console, experiment, yes=parsed.options.yes)
    if run is not None:
        console.print(render_summary(run))
