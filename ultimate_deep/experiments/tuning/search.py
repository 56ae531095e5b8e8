"""Searches over one experiment: seeded, resumable, with every trial accounted for."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ultimate_deep.experiments.experiment import Prepared
from ultimate_deep.experiments.trials import TrialBook
from ultimate_deep.experiments.tuning.searcher import (
    OBJECTIVES,
    Request,
    Result,
    Searcher,
    TrialPlan,
    build_searcher,
    search_task,
)
from ultimate_deep.experiments.tuning.spaces import with_values
from ultimate_deep.experiments.tuning.trials import Journal, Record, run_trial
from ultimate_deep.experiments.tuning.tune_config import TuneConfig
from ultimate_deep.machine.counts import how_many
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.training.backend import many_models
from ultimate_deep.training.progress import Progress


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """What a search found.

    Args:
        trials: One row per trial, in the order in which they ended.
        best: The best trial.
        config: The experiment with the best trial's values.
        checkpoints: Where the best configuration's training can go on.
        configurations: Different configurations tried; the number to discount the best one by.
    """

    trials: pd.DataFrame
    best: Record
    config: ExperimentConfig
    checkpoints: Path
    configurations: int


def search(
    prepared: Prepared,
    tune: TuneConfig,
    folder: Path,
    progress: Progress,
    book: TrialBook | None = None,
) -> Found:
    """Search, or go on with the search whose journal is in the folder.

    A searcher proposes; what has been finished is in our own journal. Proposals depend on the
    seed and on earlier results only, so a resumed search draws them anew, takes finished trials'
    results from the journal, and repeats the trial that was interrupted. Every trial has the
    experiment's own seed: configurations are compared on the same draws, and the winner's run
    gives the winner's figures.

    A trial that diverges counts as the worst, so that Hyperband's rungs fill up; any other error
    ends the search.

    Args:
        prepared: Data and experiment; train and validation are used, the test part is not.
        tune: How to search; `epochs` is the experiment's `fit.epochs` by now.
        folder: Journal, checkpoints and the searcher's own files; created where absent.
        progress: Told what happens.
        book: Where every configuration is counted; None keeps no count.

    Raises:
        TrialFailedError: A trial failed; names its values and the error.
        ValueError: Too small a space, a journal of another search, or no trial left standing.
        Interrupted: Ctrl-C or SIGTERM, after a checkpoint.
    """
    searcher = build_searcher(search_task(prepared.config, tune, folder))
    folder.mkdir(parents=True, exist_ok=True)
    journal = Journal(folder / "trials.jsonl")
    if journal.records:
        progress.message(
            f"{how_many(len(journal.records), 'finished trial is', 'finished trials are')} taken "
            "from the journal"
        )
    trials = _Trials(prepared, tune, searcher.plan, folder, journal, progress, book)
    with many_models():
        told = trials.run(searcher)
    _check_complete(told, journal, searcher.plan)
    best = best_record(journal, tune.objective)
    if best is None:
        errors = {record.result.error for record in journal.records.values()}
        raise ValueError(
            f"none of {len(journal.records)} trials has a {tune.objective}: "
            f"{'; '.join(sorted(filter(None, errors)))}"
        )
    return Found(
        trials=journal.table(),
        best=best,
        config=with_values(prepared.config, best.request.values),
        checkpoints=folder / "checkpoints" / _last_of(journal, best).request.trial,
        configurations=len({r.request.configuration for r in journal.records.values()}),
    )


def best_record(journal: Journal, objective: str) -> Record | None:
    """Return the best trial, the earliest of equals; None where none has the objective."""
    sign = 1.0 if OBJECTIVES[objective] == "min" else -1.0
    scored = [r for r in journal.records.values() if getattr(r.result, objective) is not None]
    return min(scored, key=lambda r: sign * getattr(r.result, objective), default=None)


class _Trials:
    """Runs what a searcher proposes, or takes it from the journal."""

    def __init__(
        self,
        prepared: Prepared,
        tune: TuneConfig,
        plan: TrialPlan,
        folder: Path,
        journal: Journal,
        progress: Progress,
        book: TrialBook | None,
    ) -> None:
        self.prepared, self.tune, self.plan = prepared, tune, plan
        self.checkpoints, self.journal, self.say = folder / "checkpoints", journal, progress
        self.book = book

    def run(self, searcher: Searcher) -> int:
        """Return how many trials the searcher has proposed until it was over."""
        told = 0
        while (request := searcher.propose()) is not None:
            result = self.journal.find(request)
            if result is None:
                result = self._run(request)
            searcher.tell(request, result)
            told += 1
        return told

    def _run(self, request: Request) -> Result:
        position = f"{len(self.journal.records) + 1} of {self.plan.trials}"
        self.say.message(f"{position}: {request.sentence()}")
        before = self.journal.records.get(request.continues)
        if before is not None and before.result.status == "diverged":
            result = before.result
        else:
            with self.say.busy(f"{position}: trial {request.trial}, to epoch {request.epochs}"):
                result = run_trial(self.prepared, request, self._folder(request))
        self._count(request, result)
        self.journal.append(Record(request=request, result=result))
        self._delete_checkpoints()
        self.say.message(self._sentence(request, result))
        return result

    def _count(self, request: Request, result: Result) -> None:
        """Count a configuration before the journal has it: a repeated one counts once."""
        if self.book is not None:
            tried = self.book.with_config(with_values(self.prepared.config, request.values))
            name = self.tune.objective
            tried.tuning(name.replace("_", " "), getattr(result, name))

    def _folder(self, request: Request) -> Path:
        """Return the trial's checkpoints, which are those of the trial that it continues."""
        folder = self.checkpoints / request.trial
        before = self.checkpoints / request.continues
        if request.continues and before.exists() and not folder.exists():
            before.rename(folder)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _delete_checkpoints(self) -> None:
        """Delete what nothing can go on from: diverged ones, and all but the best where trials end.

        Where trials continue, every completed one's are kept until the search is over, since any
        may be promoted. Each is two copies of weights and optimizer.
        """
        best = best_record(self.journal, self.tune.objective)
        for record in self.journal.records.values():
            beaten = not self.plan.continues_trials and record is not best
            if beaten or record.result.status == "diverged":
                shutil.rmtree(self.checkpoints / record.request.trial, ignore_errors=True)

    def _sentence(self, request: Request, result: Result) -> str:
        if result.status == "diverged":
            return f"  diverged and counts as the worst: {result.error}"
        best = best_record(self.journal, self.tune.objective)
        told = getattr(result, self.tune.objective)
        standing = f"; best so far {_objective_of(best, self.tune)}" if best else ""
        name = self.tune.objective.replace("_", " ")
        value = "undefined" if told is None else f"{told:.5f}"
        return f"  {name} {value} at epoch {result.best_epoch} of {result.epochs_run}{standing}"


def _objective_of(record: Record, tune: TuneConfig) -> str:
    return f"{getattr(record.result, tune.objective):.5f} of trial {record.request.trial}"


def _check_complete(told: int, journal: Journal, plan: TrialPlan) -> None:
    """Make sure that the search has ended because everything planned was run."""
    if not told == len(journal.records) == plan.trials:
        raise ValueError(
            f"the search ended after {told} of {plan.trials} trials, the journal has "
            f"{len(journal.records)}; search more fields, or start a new search"
        )


def _last_of(journal: Journal, best: Record) -> Record:
    """Return the last trial of the best one's configuration, which holds its checkpoints."""
    same = best.request.configuration
    return [r for r in journal.records.values() if r.request.configuration == same][-1]
