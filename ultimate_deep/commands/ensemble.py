"""Combine several models into one: equal, weighted or stacked, any mix of nets, trees and images.

    ultimate-deep ensemble --bundles '[artifacts/a, artifacts/b]'
    ultimate-deep ensemble --members '[lstm, lightgbm]' [--yes] [--resume]

`--bundles` combines finished runs of the same bars, label, features and split as they are;
`--members` first trains each as `ultimate-deep train --model NAME` would, with whatever else is on
the command line. `--ensemble.method` is average, weighted (by validation, the default),
logistic_stack, tree_stack or two_stage: trees over logits and features, for which one member, such
as gaf_cnn, is enough. These three train every member anew on folds of the training part.
A member is a model's name or `model:preset`, such as `transformer:large`.
`--ensemble.snapshots 5` trains each net in five cycles and makes every cycle's end a member;
`--ensemble.snapshot_cycles geometric` makes them short, after most of the training. The ensemble is
calibrated, judged and reported like any model, and holds its members as whole bundles. With
`--resume` the same command goes on with the member that was interrupted. Combining takes about a
minute, methods with folds as long as training all members again for each fold. With --workers N so
many nets, and then folds, are trained at a time, each in a process on --worker_threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from jsonargparse import Namespace

from ultimate_deep.commands.command_parser import CommandParser
from ultimate_deep.commands.parser import parse
from ultimate_deep.commands.running import run_planned, started
from ultimate_deep.commands.settings import (
    add_workers,
    bundle_to_use,
    experiment_of,
    experiment_parser,
    workers_of,
)
from ultimate_deep.evaluation.ledger.place import check_counted_places
from ultimate_deep.experiments.ensembles.config import EnsembleConfig
from ultimate_deep.pipeline.config import ExperimentConfig

if TYPE_CHECKING:
    from ultimate_deep.experiments.run import Run
    from ultimate_deep.training.progress import Progress


def parser() -> CommandParser:
    """Return every setting of a run, and those of the ensemble."""
    made = experiment_parser("ensemble", __doc__, first=("bundles", "members", "ensemble.method"))
    made.add_argument("--bundles", type=list[str], default=[], help="Finished runs, as a list")
    made.add_argument("--members", type=list[str], default=[], help="Models to train, as a list")
    made.add_class_arguments(EnsembleConfig, "ensemble")
    add_workers(made, "members, and later trainings on folds,")
    made.link_arguments("artifacts", "ensemble.artifacts")
    made.link_arguments("report", "ensemble.report")
    return made


def main(arguments: Sequence[str]) -> None:
    """Parse, train what is to be trained, combine, print the summary."""
    made = parser()
    options = parse(made, arguments).options
    if bool(options.bundles) == bool(options.members):
        made.error("give --bundles or --members, one of the two, as a list: '[first, second]'")
    if options.bundles and options.resume:
        made.error("--resume goes on with the training of --members; --bundles are finished")
    if options.bundles and options.ensemble.snapshots:
        made.error("--ensemble.snapshots trains --members in cycles; --bundles are finished")
    options.bundles = [str(bundle_to_use(one, options.artifacts)) for one in options.bundles]
    members = member_configs(arguments, options.members)
    if members and len(members) * max(1, options.ensemble.snapshots) < options.ensemble.fewest:
        made.error("name two --members or more, or choose --ensemble.method two_stage")
    check_counted_places(artifacts=options.artifacts)
    console = started()
    from ultimate_deep.experiments.ensembles.run import render_members
    from ultimate_deep.experiments.summary import render_summary

    combine = partial(combine_all, options, members)
    declined = "Nothing was written for this member; --resume goes on after the others."
    run = run_planned(console, combine, yes=options.yes, declined=declined)
    if run is not None:
        console.print(render_summary(run))
        console.print(render_members(run))


def member_configs(arguments: Sequence[str], names: Sequence[str]) -> list[ExperimentConfig]:
    """Return each member's own configuration: its file's, changed by the command line."""
    return [experiment_of(parse(parser(), ["--model", name, *arguments]).options) for name in names]


def combine_all(
    options: Namespace,
    members: list[ExperimentConfig],
    progress: Progress,
    *,
    confirm: Callable[[Any], bool],
) -> Run:
    """Train the members, where they are no bundles already, and combine them."""
    from ultimate_deep.experiments.ensembles.run import run_ensemble
    from ultimate_deep.experiments.ensembles.snapshot import with_snapshots
    from ultimate_deep.experiments.series import open_series

    workers = workers_of(options)
    if options.bundles:
        fills = options.data.fills
        return run_ensemble(
            options.bundles, options.ensemble, progress, fills=fills, workers=workers
        )
    name = options.ensemble.name
    cycles = options.ensemble.snapshot_cycles
    runs, follows = with_snapshots(members, options.ensemble.snapshots, cycles)
    resume = options.resume
    with open_series(name, options.artifacts, runs, follows=follows, resume=resume) as series:
        trained = series.run(progress, confirm=confirm, workers=workers)
        run = run_ensemble(
            trained, options.ensemble, progress, named=series.keep_result, workers=workers
        )
        series.close()
    return run
