"""Search a model's settings and save the winner as an ordinary bundle.

    ultimate-deep tune --model mlp [--data.path bars.csv] [--tune.search hyperband]
        [--tune.trials 12] [--tune.epochs 10] [--tune.fields '[model.dropout_rate]'] [--yes]

Trials are compared by validation loss; the test part is read once, by the winner. What is given in
--model.options is held fixed. Ctrl-C stops after a checkpoint; after it, or after a kill, --resume
goes on where the newest search was. Writes artifacts/tuned-<name>-<time>/ with all trials in
trials.csv.

With the defaults and --model mlp (12 trials of at most 8 epochs, 20,000 simulated bars): about 5
minutes on two shared cores. Choosing among configurations gains little, and part of it is luck.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ultimate_deep.commands.command_parser import CommandParser
from ultimate_deep.commands.experiment_checks import check_search_fields
from ultimate_deep.commands.parser import parse
from ultimate_deep.commands.running import run_planned, started
from ultimate_deep.commands.settings import experiment_of, experiment_parser
from ultimate_deep.evaluation.ledger.place import check_counted_places
from ultimate_deep.experiments.runs import newest_unfinished
from ultimate_deep.experiments.tuning.tune_config import TuneConfig, tuned_name


def parser() -> CommandParser:
    """Return every setting of a run, and those of the search."""
    made = experiment_parser("tune", __doc__, first=("tune.search", "tune.trials", "tune.fields"))
    made.add_class_arguments(TuneConfig, "tune")
    return made


def main(arguments: Sequence[str]) -> None:
    """Parse, search, print trials and summary."""
    parsed = parse(parser(), arguments)
    options = parsed.options
    config = experiment_of(options)
    if options.resume:  # before anything heavy is loaded
        named = tuned_name(config.name) if "name" in parsed.named else ""
        newest_unfinished(Path(config.artifacts), named, what="search")
    else:
        check_search_fields(config, options.tune.fields)
    check_counted_places(artifacts=options.artifacts)
    console = started()
    from ultimate_deep.experiments.summary import render_summary
    from ultimate_deep.experiments.tuning.tables import render_search_plan, render_trials
    from ultimate_deep.experiments.tuning.tune import tune_experiment

    search = partial(
        tune_experiment,
        config,
        options.tune,
        resume=options.resume,
        named=parsed.named,
    )
    tuned = run_planned(
        console, search, yes=options.yes, question="Search?", render=render_search_plan
    )
    if tuned is not None:
        console.print(render_trials(tuned.found, tuned.tune))
        console.print(render_summary(tuned.run))
