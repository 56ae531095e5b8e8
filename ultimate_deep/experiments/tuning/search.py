"""KerasTuner searches over one experiment: seeded, resumable, with every trial accounted for."""

import contextlib
import json
import math
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
import pandas as pd
from keras_tuner.engine.base_tuner import BaseTuner

from ultimate_deep.experiments.experiment import Prepared
from ultimate_deep.experiments.trials import TrialBook
from ultimate_deep.experiments.tuning.spaces import (
    from_hyperparameters,
    to_hyperparameters,
    tuned_space,
    with_values,
)
from ultimate_deep.experiments.tuning.trials import (
    Journal,
    Record,
    Request,
    Result,
    TrialFailedError,
    run_trial,
)
from ultimate_deep.experiments.tuning.tune_config import TuneConfig
from ultimate_deep.models.search_space import Choice, IntRange, SearchSpace
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.training.backend import many_models
from ultimate_deep.training.progress import Progress

OBJECTIVES = {"validation_loss": "min", "validation_accuracy": "max", "validation_auc": "max"}
DEFAULT_TRIALS = 12
MOST_COLLISIONS = 10_000


@dataclass(frozen=True, kw_only=True)
class Rung:
    """Trials that a search runs to the same epoch."""

    bracket: int
    rung: int
    trials: int
    start_epoch: int
    epochs: int


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


def planned_rungs(tune: TuneConfig, epochs: int) -> tuple[Rung, ...]:
    """Return every rung of one iteration; a random search has one.

    Source: Li et al. (2018), JMLR 18(185), algorithm 1, with KerasTuner's rounding.
    """
    if tune.search == "random":
        trials = tune.trials or DEFAULT_TRIALS
        return (Rung(bracket=0, rung=0, trials=trials, start_epoch=0, epochs=epochs),)
    oracle = keras_tuner.oracles.HyperbandOracle(max_epochs=epochs, factor=tune.factor, seed=1)
    return tuple(
        Rung(
            bracket=bracket,
            rung=rung,
            trials=oracle._get_size(bracket, rung),
            start_epoch=oracle._get_epochs(bracket, rung - 1) if rung else 0,
            epochs=oracle._get_epochs(bracket, rung),
        )
        for bracket in reversed(range(oracle._get_num_brackets()))
        for rung in range(oracle._get_num_rounds(bracket))
    )


def configurations_needed(tune: TuneConfig, epochs: int) -> int:
    """Return how many different configurations a search draws."""
    rungs = planned_rungs(tune, epochs)
    return tune.iterations * sum(rung.trials for rung in rungs if rung.rung == 0)


def distinct_configurations(space: SearchSpace) -> float:
    """Return how many configurations a space holds; infinity where a range is continuous."""
    sizes = []
    for entry in space.values():
        if isinstance(entry, Choice):
            sizes.append(len(entry.values))
        elif isinstance(entry, IntRange):
            sizes.append((entry.high - entry.low) // entry.step + 1)
        else:
            return math.inf
    return math.prod(sizes)


def check_space(space: SearchSpace, tune: TuneConfig, epochs: int) -> None:
    """Refuse a space with fewer configurations than the search draws without repetition."""
    needed, held = configurations_needed(tune, epochs), distinct_configurations(space)
    if needed > held:
        raise ValueError(
            f"the search draws {needed} different configurations and the space holds {held:.0f} "
            f"({', '.join(space)}); search more fields or plan fewer trials"
        )


def search(
    prepared: Prepared,
    tune: TuneConfig,
    folder: Path,
    progress: Progress,
    book: TrialBook | None = None,
) -> Found:
    """Search, or go on with the search whose journal is in the folder.

    KerasTuner proposes; what has been finished is in our own journal, because KerasTuner's state
    files are not written atomically. Proposals depend on the seed and on earlier results only, so
    a resumed search draws them anew, takes finished trials' results from the journal, and repeats
    the trial that was interrupted. Every trial has the experiment's own seed: configurations are
    compared on the same draws, and the winner's run gives the winner's figures.

    A trial that diverges counts as the worst, so that Hyperband's rungs fill up; any other error
    ends the search. (KerasTuner keeps going, and its oracle keeps its lock, after an error: here
    the oracle does not outlive one.)

    Args:
        prepared: Data and experiment; train and validation are used, the test part is not.
        tune: How to search; `epochs` is the experiment's `fit.epochs` by now.
        folder: Journal, KerasTuner's files and checkpoints; created where absent.
        progress: Told what happens.
        book: Where every configuration is counted; None keeps no count.

    Raises:
        TrialFailedError: A trial failed; names its values and the error.
        ValueError: Too small a space, a journal of another search, or no trial left standing.
        Interrupted: Ctrl-C or SIGTERM, after a checkpoint.
    """
    config = prepared.config
    space = tuned_space(config, tune.fields)
    check_space(space, tune, config.fit.epochs)
    folder.mkdir(parents=True, exist_ok=True)
    journal = Journal(folder / "trials.jsonl")
    if journal.records:
        progress.message(f"{len(journal.records)} finished trials are taken from the journal")
    tuner = _Tuner(prepared, tune, space, folder, journal, progress, book)
    with _known_warnings():
        tuner.search()
    _check_complete(tuner.oracle, journal, tune, config.fit.epochs)
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
        config=with_values(config, best.request.values),
        checkpoints=folder / "checkpoints" / _last_of(journal, best).request.trial,
        configurations=len({r.request.configuration for r in journal.records.values()}),
    )


def best_record(journal: Journal, objective: str) -> Record | None:
    """Return the best trial, the earliest of equals; None where none has the objective."""
    sign = 1.0 if OBJECTIVES[objective] == "min" else -1.0
    scored = [r for r in journal.records.values() if getattr(r.result, objective) is not None]
    return min(scored, key=lambda r: sign * getattr(r.result, objective), default=None)


class _Tuner(BaseTuner):
    """Runs what an oracle proposes, or takes it from the journal."""

    def __init__(
        self,
        prepared: Prepared,
        tune: TuneConfig,
        space: SearchSpace,
        folder: Path,
        journal: Journal,
        progress: Progress,
        book: TrialBook | None,
    ) -> None:
        self.prepared, self.tune, self.space = prepared, tune, space
        self.checkpoints, self.journal, self.say = folder / "checkpoints", journal, progress
        self.book = book
        self.planned = tune.iterations * sum(
            rung.trials for rung in planned_rungs(tune, prepared.config.fit.epochs)
        )
        oracle = _make_oracle(tune, space, prepared.config)
        oracle.verbose = 0
        super().__init__(
            oracle=oracle, directory=str(folder), project_name="keras_tuner", overwrite=True
        )

    def run_trial(self, trial: Any) -> dict[str, float]:
        """Return the objective of one trial."""
        request = self._request(trial)
        result = self.journal.find(request)
        if result is None:
            result = self._run(request)
        value = getattr(result, self.tune.objective)
        if value is None:
            value = math.inf if OBJECTIVES[self.tune.objective] == "min" else -math.inf
        return {self.tune.objective: value}

    def on_trial_end(self, trial: Any) -> None:
        """Hand the trial back, and make sure that KerasTuner counts it as completed."""
        super().on_trial_end(trial)
        status = self.oracle.get_trial(trial.trial_id).status
        if status != "COMPLETED":
            raise TrialFailedError(
                f"{self._request(trial).sentence()} ended as {status}: {trial.message}"
            )

    def _request(self, trial: Any) -> Request:
        values = trial.hyperparameters.values
        # As JSON gives them back, so that a resumed search has the same table.
        decoded = json.loads(json.dumps(from_hyperparameters(self.space, values)))
        continues = values.get("tuner/trial_id", "")
        before = self.journal.records.get(continues)
        return Request(
            trial=trial.trial_id,
            values=decoded,
            epochs=values.get("tuner/epochs", self.prepared.config.fit.epochs),
            configuration=before.request.configuration if before else trial.trial_id,
            continues=continues,
            bracket=values.get("tuner/bracket"),
            rung=values.get("tuner/round"),
        )

    def _run(self, request: Request) -> Result:
        position = f"{len(self.journal.records) + 1} of {self.planned}"
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
        """Delete what nothing can go on from: all but the best of a random search; diverged ones.

        Of Hyperband every completed trial's are kept until the search is over, since any may be
        promoted. Each is two copies of weights and optimizer.
        """
        best = best_record(self.journal, self.tune.objective)
        for record in self.journal.records.values():
            beaten = self.tune.search == "random" and record is not best
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


def _make_oracle(tune: TuneConfig, space: SearchSpace, config: ExperimentConfig) -> Any:
    options = {
        "objective": keras_tuner.Objective(tune.objective, OBJECTIVES[tune.objective]),
        "hyperparameters": to_hyperparameters(space),
        "allow_new_entries": False,
        "tune_new_entries": False,
        # KerasTuner takes 0 for no seed and draws with seed, seed + 1, ...: close seeds would
        # share their draws.
        "seed": int(np.random.SeedSequence(config.seed).generate_state(1)[0]) or 1,
    }
    if tune.search == "random":
        trials = tune.trials or DEFAULT_TRIALS
        oracle = keras_tuner.oracles.RandomSearchOracle(max_trials=trials, **options)
    else:
        oracle = keras_tuner.oracles.HyperbandOracle(
            max_epochs=config.fit.epochs,
            factor=tune.factor,
            hyperband_iterations=tune.iterations,
            **options,
        )
    # By default 20 repeated draws end a search, quietly and with Hyperband's rungs unfilled.
    oracle._max_collisions = MOST_COLLISIONS
    return oracle


def _check_complete(oracle: Any, journal: Journal, tune: TuneConfig, epochs: int) -> None:
    """Make sure that the search has ended because everything planned was run."""
    planned = tune.iterations * sum(rung.trials for rung in planned_rungs(tune, epochs))
    ended = [trial for trial in oracle.trials.values() if trial.status == "COMPLETED"]
    if not len(ended) == len(journal.records) == planned:
        raise ValueError(
            f"the search ended after {len(ended)} of {planned} trials, the journal has "
            f"{len(journal.records)}; search more fields, or start a new search"
        )


def _last_of(journal: Journal, best: Record) -> Record:
    """Return the last trial of the best one's configuration, which holds its checkpoints."""
    same = best.request.configuration
    return [r for r in journal.records.values() if r.request.configuration == same][-1]


@contextlib.contextmanager
def _known_warnings() -> Iterator[None]:
    """Let pass what the oracle's lock warns of at every call, and TensorFlow at every net."""
    with many_models(), warnings.catch_warnings():
        for name in ("currentThread", "getName"):
            warnings.filterwarnings("ignore", rf"{name}\(\) is deprecated", DeprecationWarning)
        yield
