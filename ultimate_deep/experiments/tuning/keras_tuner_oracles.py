"""KerasTuner's oracles as searchers; no other file imports KerasTuner.

Its tuners are left aside: they run trials themselves, go on after an error, and resume from files
that are not written atomically.
"""

import contextlib
import json
import shutil
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import keras_tuner
import numpy as np

from ultimate_deep.experiments.tuning.searcher import (
    OBJECTIVES,
    Request,
    Result,
    Rung,
    SearchTask,
    TrialFailedError,
    TrialPlan,
)
from ultimate_deep.models.search_space import Choice, IntRange, SearchSpace

DEFAULT_TRIALS = 12
FILES = "keras_tuner"
MOST_COLLISIONS = 10_000
_SCALARS = (str, int, float)
_WORKER = "tuner0"  # KerasTuner's name for the only one


def build_random(task: SearchTask) -> "OracleSearcher":
    """Return a search that draws every configuration independently and trains it to the end."""
    trials = task.tune.trials or DEFAULT_TRIALS
    oracle = keras_tuner.oracles.RandomSearchOracle(max_trials=trials, **_options(task))
    rung = Rung(bracket=0, rung=0, trials=trials, start_epoch=0, epochs=task.epochs)
    return OracleSearcher(oracle, task, TrialPlan(rungs=(rung,)), reads=("trials",))


def build_hyperband(task: SearchTask) -> "OracleSearcher":
    """Return Hyperband: many configurations for few epochs, the best of each rung for more.

    Source: Li et al. (2018), JMLR 18(185), algorithm 1, with KerasTuner's rounding.
    """
    oracle = keras_tuner.oracles.HyperbandOracle(
        max_epochs=task.epochs,
        factor=task.tune.factor,
        hyperband_iterations=task.tune.iterations,
        **_options(task),
    )
    rungs = tuple(
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
    plan = TrialPlan(rungs=rungs, iterations=task.tune.iterations)
    return OracleSearcher(oracle, task, plan, reads=("factor", "iterations"))


class OracleSearcher:
    """A KerasTuner oracle behind the protocol of `experiments.tuning.searcher`.

    An oracle's lock stays locked after an error, so a searcher does not outlive one.

    Args:
        oracle: Proposes; seeded, and with the task's space.
        task: What is searched; KerasTuner's files go into `keras_tuner/` of its folder.
        plan: What the oracle is going to propose.
        reads: Fields of `TuneConfig` that it was made from.
    """

    def __init__(
        self, oracle: Any, task: SearchTask, plan: TrialPlan, reads: tuple[str, ...]
    ) -> None:
        self._oracle, self._task, self._plan, self._reads = oracle, task, plan, reads
        self._configurations: dict[str, str] = {}
        oracle.verbose = 0
        # By default 20 repeated draws end a search, quietly and with Hyperband's rungs unfilled.
        oracle._max_collisions = MOST_COLLISIONS
        _keep_files(oracle, task)

    @property
    def reads(self) -> tuple[str, ...]:
        """Fields that the oracle was made from."""
        return self._reads

    @property
    def plan(self) -> TrialPlan:
        """What the oracle is going to propose."""
        return self._plan

    def propose(self) -> Request | None:
        """Return the next trial; the same one until it has been told."""
        with _known_warnings():
            trial = self._oracle.create_trial(_WORKER)
        if trial.status != "RUNNING":
            return None
        values = trial.hyperparameters.values
        continues = values.get("tuner/trial_id", "")
        configuration = self._configurations.get(continues, trial.trial_id)
        self._configurations[trial.trial_id] = configuration
        return Request(
            trial=trial.trial_id,
            values=from_hyperparameters(self._task.space, values),
            epochs=values.get("tuner/epochs", self._task.epochs),
            configuration=configuration,
            continues=continues,
            bracket=values.get("tuner/bracket"),
            rung=values.get("tuner/round"),
        )

    def tell(self, request: Request, result: Result) -> None:
        """Hand the trial back, and make sure that KerasTuner counts it as completed."""
        objective = self._task.tune.objective
        with _known_warnings():
            trial = self._oracle.get_trial(request.trial)
            self._oracle.update_trial(request.trial, {objective: result.compared(objective)})
            trial.status = "COMPLETED"
            self._oracle.end_trial(trial)
            self._oracle.save()  # end_trial writes before the trial has left the ongoing ones
        if trial.status != "COMPLETED":
            raise TrialFailedError(f"{request.sentence()} ended as {trial.status}: {result}")


def to_hyperparameters(space: SearchSpace) -> keras_tuner.HyperParameters:
    """Return a space as KerasTuner has it."""
    hyperparameters = keras_tuner.HyperParameters()
    declare_hyperparameters(hyperparameters, space)
    return hyperparameters


def declare_hyperparameters(
    hyperparameters: keras_tuner.HyperParameters, space: SearchSpace
) -> None:
    """Declare a space to KerasTuner; choices that are no plain scalars of one type as JSON."""
    for name, entry in space.items():
        if isinstance(entry, Choice):
            hyperparameters.Choice(name, list(_encoded(entry)))
        elif isinstance(entry, IntRange):
            hyperparameters.Int(name, entry.low, entry.high, step=entry.step)
        else:
            sampling = "log" if entry.log else "linear"
            hyperparameters.Float(name, entry.low, entry.high, sampling=sampling)


def from_hyperparameters(space: SearchSpace, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a space's own names, decoded; the oracle's further entries are left."""
    decoded = {}
    for name, entry in space.items():
        value = values[name]
        decoded[name] = _encoded(entry)[value] if isinstance(entry, Choice) else value
    return decoded


def _encoded(entry: Choice) -> dict[Any, Any]:
    """Return what KerasTuner is told, each with the value that it stands for, in order."""
    kinds = {type(value) for value in entry.values}
    if len(kinds) == 1 and kinds < set(_SCALARS):
        return {value: value for value in entry.values}
    return {json.dumps(value): value for value in entry.values}


def _options(task: SearchTask) -> dict[str, Any]:
    return {
        "objective": keras_tuner.Objective(task.tune.objective, OBJECTIVES[task.tune.objective]),
        "hyperparameters": to_hyperparameters(task.space),
        "allow_new_entries": False,
        "tune_new_entries": False,
        # KerasTuner takes 0 for no seed and draws with seed, seed + 1, ...: close seeds would
        # share their draws.
        "seed": int(np.random.SeedSequence(task.seed).generate_state(1)[0]) or 1,
    }


def _keep_files(oracle: Any, task: SearchTask) -> None:
    """Make an oracle write what it always writes into an empty folder, or nowhere."""
    if task.folder is None:
        oracle.save = oracle._save_trial = lambda *_: None
        return
    if (task.folder / FILES).exists():
        shutil.rmtree(task.folder / FILES)
    oracle._set_project_dir(str(task.folder), FILES)


@contextlib.contextmanager
def _known_warnings() -> Iterator[None]:
    """Let pass what the oracle's lock warns of at every call."""
    with warnings.catch_warnings():
        for name in ("currentThread", "getName"):
            warnings.filterwarnings("ignore", rf"{name}\(\) is deprecated", DeprecationWarning)
        yield
