"""What a search strategy is: it proposes trials, is told how they ended, and says how many."""

import json
import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from ultimate_deep.experiments.tuning.registry import searcher_builder
from ultimate_deep.experiments.tuning.spaces import (
    distinct_configurations,
    tuned_space,
    value_sentence,
)
from ultimate_deep.experiments.tuning.tune_config import EVERY_SEARCH, TuneConfig, unread_settings
from ultimate_deep.models.search_space import SearchSpace
from ultimate_deep.pipeline.config import ExperimentConfig

OBJECTIVES = {"validation_loss": "min", "validation_accuracy": "max", "validation_auc": "max"}


class TrialFailedError(ValueError):
    """A trial ended with an error, which ends the search."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Request:
    """What a search asks of one trial.

    Args:
        trial: The trial's name.
        values: Searched values by name; kept as JSON gives them back, so that a resumed search
            has the same table.
        epochs: Epochs after which the trial ends, those of the trial that it continues included.
        configuration: The first trial with these values.
        continues: Trial whose training goes on in this one; empty for a new configuration.
        bracket: Hyperband's bracket; None in a search without.
        rung: Position in the bracket, from 0; None in a search without.
    """

    trial: str
    values: dict[str, Any]
    epochs: int
    configuration: str
    continues: str = ""
    bracket: int | None = None
    rung: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", json.loads(json.dumps(self.values)))

    def sentence(self) -> str:
        """Return name and values for people."""
        values = ", ".join(f"{name} {value_sentence(v)}" for name, v in self.values.items())
        return f"trial {self.trial} ({values})"


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a trial ended; its figures are those of the best epoch so far by validation loss.

    Args:
        status: `completed`, or `diverged` where the loss became NaN or infinite.
        validation_loss: Log loss in nats; None where diverged, as the next three.
        validation_accuracy: Share of right calls at one half.
        validation_auc: Area under the ROC curve; None where validation has one class.
        best_epoch: That epoch, from 1.
        epochs_run: Finished epochs, those of continued trials included.
        seconds: Seconds of those epochs.
        error: Sentence on what diverged.
    """

    status: Literal["completed", "diverged"]
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    validation_auc: float | None = None
    best_epoch: int | None = None
    epochs_run: int | None = None
    seconds: float | None = None
    error: str = ""

    def compared(self, objective: str) -> float:
        """Return the objective's value, and the worst there is where the trial has none."""
        value: float | None = getattr(self, objective)
        if value is None:
            return math.inf if OBJECTIVES[objective] == "min" else -math.inf
        return value


@dataclass(frozen=True, kw_only=True)
class Rung:
    """Trials that a search runs to the same epoch; those of rung 0 are new configurations."""

    bracket: int
    rung: int
    trials: int
    start_epoch: int
    epochs: int


@dataclass(frozen=True, kw_only=True)
class TrialPlan:
    """Everything that a searcher is going to propose, known before the first trial.

    Args:
        rungs: The rungs of one iteration, in order.
        iterations: How often all of them are run.
    """

    rungs: tuple[Rung, ...]
    iterations: int = 1

    @property
    def trials(self) -> int:
        """Fits and continued fits."""
        return self.iterations * sum(rung.trials for rung in self.rungs)

    @property
    def configurations(self) -> int:
        """Different configurations."""
        return self.iterations * sum(rung.trials for rung in self.rungs if rung.rung == 0)

    @property
    def epochs(self) -> int:
        """Epochs of all trials together, at most."""
        return self.epochs_until(max(rung.epochs for rung in self.rungs))

    def epochs_until(self, last: int) -> int:
        """Return the epochs of all trials together where each of them ends with the same epoch."""
        lengths = [r.trials * max(0, min(r.epochs, last) - r.start_epoch) for r in self.rungs]
        return self.iterations * sum(lengths)

    @property
    def continues_trials(self) -> bool:
        """Whether a trial may go on where another one stopped."""
        return any(rung.rung > 0 for rung in self.rungs)


@dataclass(frozen=True, kw_only=True, eq=False)
class SearchTask:
    """What a searcher is built from.

    Args:
        tune: How to search.
        space: What is searched; a searcher proposes nothing outside it.
        epochs: Most epochs of one configuration.
        seed: Seed of every draw.
        folder: Where a searcher may keep files of its own; None keeps none.
    """

    tune: TuneConfig
    space: SearchSpace
    epochs: int
    seed: int
    folder: Path | None = None


class Searcher(Protocol):
    """Proposes trials one after the other and is told of each how it ended.

    What it proposes depends on its task and on what it was told, on nothing else: whoever builds
    it anew and tells it the same results gets the same proposals, which is how a search resumes.
    What builds it declines a space that it does not read, such as `spaces.check_finite` does.
    """

    @property
    def reads(self) -> Collection[str]:
        """Fields of `TuneConfig` that it reads beside `EVERY_SEARCH`; others are refused."""

    @property
    def plan(self) -> TrialPlan:
        """What the whole search is going to propose."""

    def propose(self) -> Request | None:
        """Return the next trial, None when the search is over."""

    def tell(self, request: Request, result: Result) -> None:
        """Take a proposed trial's result, before the next one is asked for.

        A result without the objective counts as the worst (`Result.compared`).

        Raises:
            TrialFailedError: The searcher cannot count the trial.
        """


def search_task(
    config: ExperimentConfig, tune: TuneConfig, folder: Path | None = None
) -> SearchTask:
    """Return the task of searching an experiment, whose `fit.epochs` are the most epochs.

    Raises:
        ValueError: A field that cannot be searched.
    """
    return SearchTask(
        tune=tune,
        space=tuned_space(config, tune.fields),
        epochs=config.fit.most_epochs,
        seed=config.seed,
        folder=folder,
    )


def build_searcher(task: SearchTask) -> Searcher:
    """Return the searcher that `tune.search` names.

    Raises:
        ValueError: No such searcher, settings or a space that it does not read, or a space with
            fewer configurations than it draws without repetition.
    """
    searcher: Searcher = searcher_builder(task.tune.search)(task)
    if unread := unread_settings(task.tune, searcher.reads):
        given = " and ".join(f"tune.{name} {value}" for name, value in unread.items())
        reads = ", ".join(f"tune.{name}" for name in (*searcher.reads, *EVERY_SEARCH[1:]))
        raise ValueError(
            f"a {task.tune.search} search does not read {given}; leave it out, and change what it "
            f"reads: {reads}"
        )
    needed, held = searcher.plan.configurations, distinct_configurations(task.space)
    if needed > held:
        raise ValueError(
            f"the search draws {needed} different configurations and the space holds {held:.0f} "
            f"({', '.join(task.space)}); search more fields or plan fewer trials"
        )
    return searcher
