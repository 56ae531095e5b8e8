"""Retrain along time and judge what was predicted out of sample as one account.

Every fold is trained from its first weights on its own training part, with its own scaler, early
stopping, temperature and threshold. Each finished fold is a file, so that a walk-forward that was
stopped goes on where it was.
"""

import contextlib
import dataclasses
import json
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ultimate_deep.evaluation.ledger.ledger import LedgerHead
from ultimate_deep.evaluation.ledger.trial import TrialCount
from ultimate_deep.evaluation.schemes.purging import Spans
from ultimate_deep.evaluation.schemes.scheme import Scheme
from ultimate_deep.experiments.experiment import PARTS, Prepared, prepare
from ultimate_deep.experiments.learners.registry import learner_of
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
from ultimate_deep.experiments.walk_forward.folds import (
    FoldResult,
    RetrainingBook,
    run_fold,
)
from ultimate_deep.experiments.walk_forward.judging import JudgedPart, JudgedWalk, judge_walk
from ultimate_deep.experiments.warm_start import refuse_start
from ultimate_deep.machine.counts import how_many, noun_for, written
from ultimate_deep.machine.duration import Stopwatch, duration_sentence
from ultimate_deep.machine.files import read_json
from ultimate_deep.machine.places import check_places
from ultimate_deep.market.splits import Split
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.training.loop.interrupts import Interrupted
from ultimate_deep.training.progress import Progress

FOLDS = "folds"
STARTED_FILE = MARKS["walk-forward"]


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
) -> Walked:
    """Run every fold that has no file yet, then judge; the folder stays unfinished until written.

    Args:
        config: The experiment that each fold is; its shares of the split are not used, its
            embargo is.
        walk: Which parts to train and test on.
        progress: Told what happens.
        resume: Go on with the newest unfinished walk-forward of that name.

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
        started = _started(prepared, walk)
        book = _open_book(folder, prepared, walk)
        notes = book.check()  # a damaged ledger is found before the folder is there
        if resume:
            stored = read_json(place.path / STARTED_FILE)
            refuse_other_settings(place.path, stored, started)
        else:
            place = held.enter_context(start_run(folder, config, {STARTED_FILE: started}))
        for note in notes:
            progress.message(note)
        watch = Stopwatch()
        results = _stoppable_folds(prepared, splits, place.path / FOLDS, progress, book)
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
    prepared: Prepared, splits: Sequence[Split], where: Path, progress: Progress, book: TrialBook
) -> tuple[FoldResult, ...]:
    """Run the folds; say what is kept where they are interrupted."""
    where.mkdir(exist_ok=True)
    try:
        return _run_folds(prepared, splits, where, progress, book)
    except KeyboardInterrupt as stop:
        done = len(list(where.glob("*.npz")))
        raise Interrupted(
            f"stopped; {done} of {how_many(len(splits), 'fold')} {noun_for(done, 'is', 'are')} "
            f"finished and kept in {where}; the same "
            "command goes on with the others",
            where,
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


def _open_book(folder: Path, prepared: Prepared, walk: WalkForwardConfig) -> RetrainingBook:
    plain = TrialBook.opened(folder, prepared.market, prepared.config)
    return RetrainingBook(
        plain.ledger, plain.identity, plain.run, plain.config, walk, folders=plain.folders
    )


def _run_folds(
    prepared: Prepared,
    splits: Sequence[Split],
    where: Path,
    progress: Progress,
    book: TrialBook,
) -> tuple[FoldResult, ...]:
    """Run the folds that have no file; the others are read."""
    paths = [where / f"{number}.npz" for number in range(1, len(splits) + 1)]
    left = [path for path in paths if not path.exists()]
    progress.message(f"{len(left)} of {how_many(len(paths), 'fold')} to go")
    learner = learner_of(prepared.config.model.name)
    fits = learner.for_folds(prepared) if left else learner  # nothing is built for no fold
    began = time.monotonic()
    for done, path in enumerate(left, start=1):
        number = paths.index(path) + 1
        split = splits[number - 1]
        progress.message(f"fold {number} of {len(paths)}: {_parts_sentence(prepared, split)}")
        checkpoints = where / f"{number}-checkpoints"
        result = run_fold(prepared, split, fits, progress, book, checkpoints)
        result.save(path)
        shutil.rmtree(checkpoints, ignore_errors=True)  # not before its result is kept
        rest = (time.monotonic() - began) / done * (len(left) - done)
        told = f"; about {duration_sentence(rest)} to go" if rest else ""
        progress.message(f"fold {number} of {len(paths)}: {_result_sentence(result)}{told}")
    return tuple(FoldResult.load(path) for path in paths)


def _parts_sentence(prepared: Prepared, split: Split) -> str:
    times = prepared.rows.decision_time[split.test]
    first, last = (f"{time.astype('datetime64[D]')}" for time in (times.min(), times.max()))
    return (
        f"training on {how_many(len(split.train), 'row')}, validation on "
        f"{len(split.validation):,}, test on "
        f"{len(split.test):,} from {first} to {last}"
    )


def _result_sentence(result: FoldResult) -> str:
    facts = result.facts
    return (
        f"{how_many(facts['epochs'], 'epoch')} in {facts['seconds']:.0f} s, test accuracy "
        f"{facts['accuracy']:.2%}, net return {written(facts['total_return'], '{:+.2%}')}"
    )


def _started(prepared: Prepared, walk: WalkForwardConfig) -> dict[str, Any]:
    """Return all that a resumed walk-forward must share with its start."""
    config = {k: v for k, v in prepared.config.to_dict().items() if k != "artifacts"}
    bars = prepared.market.fingerprint_with_fills()
    values = config | {"walk": dataclasses.asdict(walk), "bars": bars}
    return json.loads(json.dumps(values))
