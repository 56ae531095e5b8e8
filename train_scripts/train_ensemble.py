"""Combine several models into one: equal, weighted or stacked, any mix of nets, trees and images.

    python train_scripts/train_ensemble.py --bundles '[artifacts/a, artifacts/b]'
    python train_scripts/train_ensemble.py --members '[lstm, lightgbm]' [--yes] [--resume]

`--bundles` combines finished runs of the same bars, label, features and split as they are;
`--members` first trains each as `train.py --model NAME` would, with whatever else is on the
command line. `--ensemble.method` is average, weighted (by validation, the default), logistic_stack,
tree_stack or two_stage: trees over logits and features, for which one member, such as gaf_cnn, is
enough. These three train every member anew on folds of the training part. `--ensemble.snapshots 5`
trains each net in five cycles and makes every cycle's end a member. The ensemble is calibrated,
judged and reported like any model, and holds its members as whole bundles. With `--resume` the same
command goes on with the member that was interrupted. Combining takes about a minute, methods with
folds as long as training all members again for each fold.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonargparse import ArgumentParser, Namespace
from rich.console import Console

from ultimate_deep.experiments.command_line import (
    experiment_of,
    experiment_parser,
    parse,
    run_main,
    run_planned,
    with_model_config,
)
from ultimate_deep.experiments.ensembles.config import EnsembleConfig
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.training.backend import start_up

if TYPE_CHECKING:
    from ultimate_deep.experiments.run import Run
    from ultimate_deep.training.progress import Progress

CONFIGS = Path(__file__).resolve().parent / "configs" / "models"


def main() -> None:
    """Parse, train what is to be trained, combine, print the summary."""
    parser = ensemble_parser()
    arguments = sys.argv[1:]
    options = parse(parser, arguments)
    if bool(options.bundles) == bool(options.members):
        parser.error("give --bundles or --members, one of the two, as a list: '[first, second]'")
    if options.bundles and options.resume:
        parser.error("--resume goes on with the training of --members; --bundles are finished")
    if options.bundles and options.ensemble.snapshots:
        parser.error("--ensemble.snapshots trains --members in cycles; --bundles are finished")
    members = member_configs(parser, arguments, options.members)
    if members and len(members) * max(1, options.ensemble.snapshots) < options.ensemble.fewest:
        parser.error("name two --members or more, or choose --ensemble.method two_stage")
    console = Console()
    start_up(console)
    from ultimate_deep.experiments.ensembles.run import render_members
    from ultimate_deep.experiments.summary import render_summary

    combine = partial(combine_all, options, members)
    declined = "Nothing was written for this member; --resume goes on after the others."
    run = run_planned(console, combine, yes=options.yes, declined=declined)
    if run is not None:
        console.print(render_summary(run))
        console.print(render_members(run))


def combine_all(
    options: Namespace,
    members: list[ExperimentConfig],
    progress: "Progress",
    *,
    confirm: Callable[[Any], bool],
) -> "Run":
    """Train the members, where they are no bundles already, and combine them."""
    from ultimate_deep.experiments.ensembles.run import run_ensemble
    from ultimate_deep.experiments.ensembles.snapshot import with_snapshots
    from ultimate_deep.experiments.series import open_series

    if options.bundles:
        return run_ensemble(options.bundles, options.ensemble, progress)
    name = options.ensemble.name
    runs, follows = with_snapshots(members, options.ensemble.snapshots)
    series = open_series(name, options.artifacts, runs, follows=follows, resume=options.resume)
    run = run_ensemble(series.run(progress, confirm=confirm), options.ensemble, progress)
    series.close()
    return run


def ensemble_parser() -> ArgumentParser:
    """Return every setting of a run, and those of the ensemble."""
    parser = experiment_parser(__doc__)
    parser.add_argument("--bundles", type=list[str], default=[], help="Finished runs, as a list")
    parser.add_argument("--members", type=list[str], default=[], help="Models to train, as a list")
    parser.add_argument("--yes", action="store_true", help="Do not ask before training")
    parser.add_argument("--resume", action="store_true", help="Go on where it was interrupted")
    parser.add_class_arguments(EnsembleConfig, "ensemble")
    parser.link_arguments("artifacts", "ensemble.artifacts")
    return parser


def member_configs(
    parser: ArgumentParser, arguments: list[str], names: list[str]
) -> list[ExperimentConfig]:
    """Return each member's own configuration: its file's, changed by the command line."""
    given = [with_model_config(["--model", name, *arguments], CONFIGS) for name in names]
    return [experiment_of(parse(parser, one)) for one in given]


if __name__ == "__main__":
    run_main(main)
