"""Retrain along time and judge what was predicted out of sample as one account.

Every fold is trained from its first weights on its own training part, with its own scaler, early
stopping, temperature and threshold. Each finished fold is a file, so that a walk-forward that was
stopped goes on where it was.
"""

import contextlib
import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ultimate_deep.evaluation.ledger.ledger import LedgerHead
from ultimate_deep.evaluation.ledger.trial import TrialCount
from ultimate_deep.evaluation.schemes.purging import Spans
from ultimate_deep.evaluation.schemes.scheme import Scheme
from ultimate_deep.experiments.experiment import PARTS, Prepared, prepare
from ultimate_deep.experiments.runs import (
    MARKS,
    RESULT,
    Workplace,
    new_run_folder,
    newest_unfinished,
    refuse_other_settings,
    resume_run,
    start_run,
    tidy,
)
from ultimate_deep.experiments.trials import TrialBook, check_ledgers
from ultimate_deep.experiments.walk_forward.config import WalkForwardConfig
from ultimate_deep.experiments.walk_forward.fold_splits import fold_split, make_scheme
from ultimate_deep.experiments.walk_forward.folds import FoldResult
from ultimate_deep.experiments.walk_forward.judging import JudgedPart, JudgedWalk, judge_walk
from ultimate_deep.experiments.walk_forward.running import Folds, run_folds
from ultimate_deep.experiments.warm_start import refuse_start
from ultimate_deep.machine.counts import how_many, noun_for
from ultimate_deep.machine.duration import Stopwatch
from ultimate_deep.machine.files import read_json
from ultimate_deep.machine.interrupts import Interrupted
from ultimate_deep.machine.places import check_places
from ultimate_deep.machine.side_by_side.workers import Workers
from ultimate_deep.market.splits import Split
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.training.progress import Progress

FOLDS = "folds"
STARTED_FILE = MARKS["walk-forward"]
WORKER_THREADS = "worker_threads"


@dataclass(frozen=True, kw_only=True, eq=False)
class Walked:
    """A walk-forward whose folds are all finished and judged.

    Args:
        place: Where it is made, and where it will be; locked until `finish`.
        walk: Which parts were trained and tested on.
        prepared: Bars and rows.
        scheme: The folds' times.
        results: What each fold predicted.
        judged: Accounts of the walk-forward.
        trials: What had been tried on these bars by then, this walk-forward included.
        ledger: Where the user's ledger then stood.
        seconds: What each step took, by name and in order.
        resumed: Whether it had been interrupted.
    """

    place: Workplace
    walk: WalkForwardConfig
    prepared: Prepared
    scheme: Scheme
    results: tuple[FoldResult, ...]
    judged: JudgedWalk
    trials: TrialCount
    ledger: LedgerHead
    seconds: Mapping[str, float]
    resumed: bool

    @property
    def folder(self) -> Path:
        """Where it will be."""
        return self.place.folder


def walk_forward(
    config: ExperimentConfig,
    walk: WalkForwardConfig,
    progress: Progress,
    *,
    resume: bool = False,
    workers: Workers = Workers(),
) -> Walked:
    """Run every fold that has no file yet, then judge; the folder stays unfinished until written.

    Args:
        config: The experiment that each fold is; its shares of the split are not used, its
            embargo is.
        walk: Which parts to train and test on.
        progress: Told what happens.
        resume: Go on with the newest unfinished walk-forward of that name.
        workers: How many folds at a time.

    Raises:
        FinishedError: The walk-forward to resume is finished.
        FileNotFoundError: Nothing to resume.
        LockedError: A living process works on the walk-forward to resume.
        ValueError: Bad bars or configuration, too few bars for the scheme, training that
            diverged, or other settings or bars than those of the resumed run.
        Interrupted: Ctrl-C or SIGTERM; finished folds and the running one's checkpoint are kept.
    """
    refuse_start(config, "may know the folds' test parts; leave model.start_from out")
    check_places(artifacts=config.artifacts)
    check_ledgers(config.artifacts)  # before the bars are read
    folder = new_run_folder(config)
    with contextlib.ExitStack() as held:
        if resume:
            folder = newest_unfinished(Path(config.artifacts), config.name, what="walk-forward")
            place = held.enter_context(resume_run(folder))
        tidy(folder.parent)
        prepared = prepare(config, progress)
        scheme = scheme_of(prepared, walk)
        splits = _splits(prepared, walk, scheme)  # a bad one is found before the first is trained
        started = _started(prepared, walk, workers)
        folds = Folds(prepared, walk, splits, folder, folder)
        book = folds.book()
        notes = book.check()  # a damaged ledger is found before the folder is there
        if resume:
            stored = {WORKER_THREADS: 0} | read_json(place.path / STARTED_FILE)
            refuse_other_settings(place.path, stored, started)
        else:
            place = held.enter_context(start_run(folder, config, {STARTED_FILE: started}))
        for note in notes:
            progress.message(note)
        watch = Stopwatch()
        folds = dataclasses.replace(folds, kept=place.path / FOLDS)
        results = _stoppable_folds(folds, workers, book, progress)
        watch.passed("training and judging every fold")
        with progress.busy("judging the account of all test parts"):
            judged = judge_walk(prepared, scheme, results, trials=book.count())
            record_whole(book, judged.whole)
        watch.passed("judging all test parts in a row")
        held.pop_all()  # `finish` lets go of the folder
    return Walked(
        place=place,
        walk=walk,
        prepared=prepared,
        scheme=scheme,
        results=results,
        judged=judged,
        trials=book.count(),
        ledger=book.head(),
        seconds={**prepared.seconds, **watch.seconds},
        resumed=resume,
    )


def _stoppable_folds(
    folds: Folds, workers: Workers, book: TrialBook, progress: Progress
) -> tuple[FoldResult, ...]:
    """Run the folds; say what is kept where they are interrupted."""
    folds.kept.mkdir(exist_ok=True)
    try:
        return run_folds(folds, workers, book, progress)
    except KeyboardInterrupt as stop:
        count = len(folds.splits)
        done = count - len(folds.left())
        raise Interrupted(
            f"stopped; {done} of {how_many(count, 'fold')} {noun_for(done, 'is', 'are')} finished "
            f"and kept in {folds.kept}",
            folds.kept,
        ) from stop


def finish(walked: Walked) -> None:
    """Make the finished folder appear, complete; the folds' own files are in its tables."""
    walked.place.finish(walked.place.path / RESULT)


def scheme_of(prepared: Prepared, walk: WalkForwardConfig) -> Scheme:
    """Return the scheme over an experiment's rows that have all inputs, `prepared.complete`.

    Raises:
        ValueError: Sizes that the rows do not allow.
    """
    rows, complete = prepared.rows, prepared.complete
    spans = Spans.from_times(
        rows.decision_time[complete],
        rows.label_end_time[complete],
        interval=prepared.market.interval,
    )
    return make_scheme(walk, spans, prepared.config.split.embargo_bars)


def _splits(prepared: Prepared, walk: WalkForwardConfig, scheme: Scheme) -> list[Split]:
    """Return each fold's parts, whose row numbers are those of all rows."""
    embargo, complete = prepared.config.split.embargo_bars, prepared.complete
    splits = [
        fold_split(scheme.spans, fold, validation=walk.validation, embargo_bars=embargo)
        for fold in scheme.folds()
    ]
    return [
        dataclasses.replace(one, **{name: complete[getattr(one, name)] for name in PARTS})
        for one in splits
    ]


def record_whole(book: TrialBook, whole: JudgedPart) -> None:
    """Record what the whole account came to, over what its folds had recorded."""
    account = whole.judged.backtest
    book.reading(
        "whole",
        sharpe_per_bar=whole.judged.metrics["sharpe"] / math.sqrt(account.bars_per_year),
        accuracy=whole.judged.metrics["accuracy"],
    )


def _started(prepared: Prepared, walk: WalkForwardConfig, workers: Workers) -> dict[str, Any]:
    """Return all that a resumed walk-forward must share with its start, but not how many workers.

    Their threads are told apart, 0 where there are no workers.
    """
    config = {k: v for k, v in prepared.config.to_dict().items() if k != "artifacts"}
    bars = prepared.market.fingerprint_with_fills()
    values = config | {"walk": dataclasses.asdict(walk), "bars": bars}
    values[WORKER_THREADS] = workers.threads if workers.count else 0
    return json.loads(json.dumps(values))
