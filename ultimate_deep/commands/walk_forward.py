"""Retrain along time: every fold its own model, all test parts in a row judged as one account.

    ultimate-deep walk-forward [--data.path bars.csv] [--walk.scheme rolling] [--walk.train 0.4]
        [--walk.test 0.1] [--model mlp] [--workers 2] [--resume] [--quick]

One split is one draw. Here the same settings are trained again and again as time goes on: on all
the past (expanding), on a window of it (rolling), on everything but a purged test part
(purged_k_fold), or on every choice of groups (combinatorial: many paths, so a spread instead of
one figure). Each fold has its own scaler, early stopping, temperature and threshold, from its
training part alone. Prints the verdict, each fold and the baselines over the same bars, and
writes artifacts/<name>-<time>/ with report.html, walk_forward.json, folds.csv and predictions.
Every finished fold is kept: after Ctrl-C the same command with --resume goes on with the others,
and the running one from its checkpoint. In the ledger a walk-forward is one trial.

With --workers N so many folds are trained at a time, each in a process on --worker_threads
threads. Their number changes no bit of any result, so --resume may go on with another.
As long as one run of the same model times the folds, six by default; with a small net most of it
goes into the baselines: --baselines false --model mlp takes a minute on 20,000 simulated bars and
two cores. --quick runs a small net on few bars, to see it work: its figures mean nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from ultimate_deep.commands.command_parser import CommandParser
from ultimate_deep.commands.parser import parse
from ultimate_deep.commands.running import started
from ultimate_deep.commands.settings import (
    add_workers,
    experiment_of,
    experiment_parser,
    workers_of,
)
from ultimate_deep.evaluation.ledger.place import check_counted_places
from ultimate_deep.experiments.walk_forward.config import WalkForwardConfig, quick


def parser() -> CommandParser:
    """Return every setting of a run, and those of the folds."""
    made = experiment_parser(
        "walk-forward",
        __doc__,
        first=("walk.scheme", "walk.train", "walk.test", "workers", "quick"),
    )
    made.add_class_arguments(WalkForwardConfig, "walk")
    made.add_argument("--quick", action="store_true", help="A small net on few bars")
    add_workers(made, "folds")
    made.set_defaults({"name": "walk-forward"})
    return made


def main(arguments: Sequence[str]) -> None:
    """Parse, walk, write and print."""
    options = parse(parser(), arguments).options
    config = experiment_of(options)
    workers = workers_of(options)
    if options.quick:
        config = quick(config)
    check_counted_places(artifacts=config.artifacts)
    console = started()
    from ultimate_deep.experiments.walk_forward.report import render_walk_summary, write_walk
    from ultimate_deep.experiments.walk_forward.walk_forward import finish, walk_forward
    from ultimate_deep.training.progress import make_progress

    walked = walk_forward(
        config, options.walk, make_progress(console), resume=options.resume, workers=workers
    )
    write_walk(walked)
    finish(walked)
    console.print(render_walk_summary(walked))
