"""The folds of a walk-forward, one after the other or side by side, each kept in a file."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from ultimate_deep.experiments.experiment import Prepared
from ultimate_deep.experiments.learners.learner import Fits
from ultimate_deep.experiments.learners.registry import learner_of
from ultimate_deep.experiments.trials import TrialBook
from ultimate_deep.experiments.walk_forward.config import WalkForwardConfig
from ultimate_deep.experiments.walk_forward.folds import FoldResult, RetrainingBook, run_fold
from ultimate_deep.machine.counts import how_many, written
from ultimate_deep.machine.duration import duration_sentence
from ultimate_deep.machine.side_by_side.tasks import side_by_side
from ultimate_deep.machine.side_by_side.workers import Workers
from ultimate_deep.market.splits import Split
from ultimate_deep.training.backend import load_backend_once
from ultimate_deep.training.progress import LineProgress, Progress


@dataclass(frozen=True, eq=False)
class Folds:
    """What is to be trained and tested.

    Args:
        prepared: All rows with their inputs.
        walk: Which parts are trained and tested on.
        splits: Each fold's parts.
        run: Folder that the walk-forward will be.
        kept: Where the folds' files are.
    """

    prepared: Prepared
    walk: WalkForwardConfig
    splits: Sequence[Split]
    run: Path
    kept: Path

    def file(self, number: int) -> Path:
        """Where a fold is kept, of number 1 and up."""
        return self.kept / f"{number}.npz"

    def left(self) -> list[int]:
        """Return the numbers of the folds that have no file."""
        return [one for one in range(1, len(self.splits) + 1) if not self.file(one).exists()]

    def results(self) -> tuple[FoldResult, ...]:
        """Return all folds, which are all finished."""
        numbers = range(1, len(self.splits) + 1)
        return tuple(FoldResult.load(self.file(number)) for number in numbers)

    def book(self) -> RetrainingBook:
        """Return the ledger, opened for this walk-forward."""
        prepared = self.prepared
        plain = TrialBook.opened(self.run, prepared.market, prepared.config)
        return RetrainingBook(
            plain.ledger, plain.identity, plain.run, plain.config, self.walk, folders=plain.folders
        )

    def sentence(self, number: int) -> str:
        """Say which parts a fold has."""
        split = self.splits[number - 1]
        times = self.prepared.rows.decision_time[split.test]
        first, last = (f"{time.astype('datetime64[D]')}" for time in (times.min(), times.max()))
        return (
            f"training on {how_many(len(split.train), 'row')}, validation on "
            f"{len(split.validation):,}, test on {len(split.test):,} from {first} to {last}"
        )


def run_folds(
    folds: Folds, workers: Workers, book: TrialBook, progress: Progress
) -> tuple[FoldResult, ...]:
    """Run the folds that have no file; the others are read.

    Args:
        folds: What is trained.
        workers: How many folds at a time.
        book: Where trials are kept.
        progress: Told what happens.
    """
    left, count = folds.left(), len(folds.splits)
    said = f", {workers.said}" if workers.count and left else ""
    progress.message(f"{len(left)} of {how_many(count, 'fold')} to go{said}")
    began = time.monotonic()

    def told(number: int, result: str) -> None:
        done = len(left) - len(folds.left())
        rest = (time.monotonic() - began) / done * (len(left) - done)
        more = f"; about {duration_sentence(rest)} to go" if rest else ""
        progress.message(f"fold {number} of {count}: {result}{more}")

    if workers.count and left:
        side_by_side(
            _fold_of_worker, left, workers,
            make=_ready, given=folds, ready=load_backend_once,
            names=[f"fold {number} of {count}" for number in left],
            say=progress.message, done=lambda position, result: told(left[position], result),
        )  # fmt: skip
    elif left:
        fits = _fits(folds)
        for number in left:
            progress.message(f"fold {number} of {count}: {folds.sentence(number)}")
            told(number, _fold(folds, fits, number, book, progress))
    return folds.results()


def _fits(folds: Folds) -> Fits:
    return learner_of(folds.prepared.config.model.name).for_folds(folds.prepared)


def _fold(folds: Folds, fits: Fits, number: int, book: TrialBook, progress: Progress) -> str:
    """Train, test and keep one fold; return what came out, for people."""
    checkpoints = folds.kept / f"{number}-checkpoints"
    split = folds.splits[number - 1]
    result = run_fold(folds.prepared, split, fits, progress, book, checkpoints)
    result.save(folds.file(number))
    shutil.rmtree(checkpoints, ignore_errors=True)  # not before its result is kept
    facts = result.facts
    return (
        f"{how_many(facts['epochs'], 'epoch')} in {facts['seconds']:.0f} s, test accuracy "
        f"{facts['accuracy']:.2%}, net return {written(facts['total_return'], '{:+.2%}')}"
    )


def _ready(folds: Folds) -> tuple[Folds, Fits, RetrainingBook]:
    """Return what serves fold after fold in one worker."""
    return folds, _fits(folds), folds.book()


def _fold_of_worker(own: tuple[Folds, Fits, RetrainingBook], number: int, lines: TextIO) -> str:
    folds, fits, book = own
    progress = LineProgress(lines)
    progress.message(folds.sentence(number))
    return _fold(folds, fits, number, book, progress)
