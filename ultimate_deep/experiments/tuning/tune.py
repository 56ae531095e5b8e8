"""A search and its winner's run: data prepared once, the test part read once, one bundle."""

import contextlib
import dataclasses
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from ultimate_deep.experiments.costs import seconds_after
from ultimate_deep.experiments.experiment import Prepared, prepare
from ultimate_deep.experiments.learners.registry import LEARNERS, learner_class, learner_of
from ultimate_deep.experiments.reproducing import config_options
from ultimate_deep.experiments.run import (
    CHECKPOINTS,
    DeclinedError,
    Extras,
    Run,
    finish_run,
    plan_run,
)
from ultimate_deep.experiments.runs import (
    FINGERPRINT,
    MARKS,
    Workplace,
    named_settings,
    new_run_folder,
    newest_unfinished,
    refuse_other_bars,
    resume_run,
    resumed_config,
    start_run,
    tidy,
)
from ultimate_deep.experiments.trials import TrialBook, check_ledgers
from ultimate_deep.experiments.tuning.search import Found, search
from ultimate_deep.experiments.tuning.searcher import Rung, Searcher, build_searcher, search_task
from ultimate_deep.experiments.tuning.tune_config import TuneConfig, tuned_name
from ultimate_deep.machine.duration import Duration, Stopwatch, sum_of
from ultimate_deep.machine.files import UNFINISHED, read_json, unfinished_folder
from ultimate_deep.machine.places import check_places
from ultimate_deep.models.search_space import SearchSpace
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.training.loop.checkpoint import has_checkpoint
from ultimate_deep.training.loop.plan import Plan
from ultimate_deep.training.progress import Progress

SEARCH_FILE = MARKS["search"]
SEARCH_FOLDER = "search"
TRIALS_FILE = "trials.csv"
ASKED_FILE = "search_settings.json"


@dataclass(frozen=True, kw_only=True, eq=False)
class SearchPlan:
    """What a search is going to do and cost, shown before it is confirmed.

    Args:
        model: The model's name.
        tune: How to search.
        space: What is searched.
        rungs: The rungs of one iteration.
        configurations: Number of different configurations.
        trials: Number of fits and continued fits.
        epochs: Epochs of all trials together, at most.
        searching: Estimate for all trials, from the configuration that is not searched over; where
            it ends between the two, early stopping decides.
        finishing: Estimate for what is left of the winner's training.
        after: Estimates for everything after that, by what is done.
    """

    model: str
    tune: TuneConfig
    space: SearchSpace
    rungs: tuple[Rung, ...]
    configurations: int
    trials: int
    epochs: int
    searching: Duration
    finishing: Duration
    after: dict[str, Duration]

    @property
    def seconds(self) -> Duration:
        """Estimate for all of it."""
        return self.searching + self.finishing + sum_of(self.after.values())


@dataclass(frozen=True, kw_only=True, eq=False)
class Tuned:
    """A finished search.

    Args:
        run: The winner's ordinary run.
        found: What the search found.
        tune: How it was searched.
    """

    run: Run
    found: Found
    tune: TuneConfig


def tune_experiment(
    config: ExperimentConfig,
    tune: TuneConfig,
    progress: Progress,
    *,
    confirm: Callable[[SearchPlan], bool] | None = None,
    resume: bool = False,
    named: Mapping[str, Any] | None = None,
) -> Tuned:
    """Search, then finish the winner's training and save it as an ordinary bundle.

    The run's name is the experiment's with `tuned-` before it. Until it is finished, everything
    is in `<run>.unfinished/`.

    Args:
        config: The experiment whose fields are searched.
        tune: How to search. With `resume`, what differs from the defaults must be as it was.
        progress: Told what happens.
        confirm: Shown the plan before the search, which starts where it returns true.
        resume: Whether to go on with the newest unfinished search.
        named: Settings that were named, as for `run_experiment`.

    Raises:
        DeclinedError: `confirm` returned false.
        FinishedError: The search to resume is finished.
        FileNotFoundError: Nothing to resume.
        LockedError: A living process works on the search to resume.
        ValueError: Bad bars or configuration, a failed trial, or another search's files.
        Interrupted: Ctrl-C or SIGTERM, after a checkpoint.
    """
    name = tuned_name(config.name)
    config = dataclasses.replace(config, name=name)
    check_places(artifacts=config.artifacts)
    check_ledgers(config.artifacts)  # before the bars are read
    folder = new_run_folder(config)
    with contextlib.ExitStack() as held:
        if resume:
            asked = named_settings(config) if named is None else {**named}
            if "name" in asked:
                asked["name"] = name
            folder = newest_unfinished(
                Path(config.artifacts), str(asked.get("name", "")), what="search"
            )
            place = held.enter_context(resume_run(folder))
            config = resumed_config(place.path, asked, artifacts=config.artifacts)
            tune = resumed_tune(folder, tune)
            progress.message(f"resuming {folder}{UNFINISHED}")
        tidy(folder.parent, progress.message)
        searched = _with_epochs(config, tune)
        check_search(searched, tune)  # before the bars are read
        prepared = prepare(searched, progress)
        book = TrialBook.opened(folder, prepared.market, prepared.config)
        for note in book.check():
            progress.message(note)
        plan = plan_search(prepared, tune, progress)
        if confirm is not None and not confirm(plan):
            raise DeclinedError
        if resume:
            _check_same_bars(place.path, prepared)
        else:
            marks = {SEARCH_FILE: _started(tune, prepared)}
            place = held.enter_context(start_run(folder, config, marks))
        watch = Stopwatch()
        found = search(prepared, tune, place.path / SEARCH_FOLDER, progress, book)
        watch.passed("searching")
        prepared = dataclasses.replace(prepared, seconds={**prepared.seconds, **watch.seconds})
        run = _finish(place, prepared, found, Searched(config, tune), progress)
    return Tuned(run=run, found=found, tune=tune)


def plan_search(prepared: Prepared, tune: TuneConfig, progress: Progress) -> SearchPlan:
    """Return the plan, timed on the experiment's own configuration.

    Raises:
        ValueError: A search that `check_search` refuses.
    """
    config = prepared.config
    trials = check_search(config, tune).plan
    keras.utils.clear_session()
    planned = plan_run(prepared, progress)
    one = planned.plan
    assert isinstance(one, Plan)
    compiling = Duration.of(one.first_step_seconds)
    first = min(rung.epochs for rung in trials.rungs)
    epochs = Duration(trials.epochs_until(one.least_epochs), trials.epochs)
    return SearchPlan(
        model=config.model.name,
        tune=tune,
        space=search_task(config, tune).space,
        rungs=trials.rungs,
        configurations=trials.configurations,
        trials=trials.trials,
        epochs=trials.epochs,
        searching=compiling * trials.trials + epochs * one.epoch_seconds,
        finishing=compiling + Duration(0.0, config.fit.most_epochs - first) * one.epoch_seconds,
        after=seconds_after(prepared, planned.answers),
    )


def check_search(config: ExperimentConfig, tune: TuneConfig) -> Searcher:
    """Return the searcher of an experiment, after asking whether it can be searched this way.

    Raises:
        ValueError: A model that is trained in one go, a field that cannot be searched, settings or
            a space that the searcher does not read, or a space too small.
    """
    learner = learner_of(config.model.name)
    if not learner.goes_on:
        able = [kind for kind in LEARNERS if learner_class(kind).goes_on]
        raise ValueError(
            f"a search trains models that go on from a checkpoint ({', '.join(able)}), got "
            f"{config.model.name!r} of the {learner.kind}, which are trained in one go; choose "
            "another model, or give its settings as --model.options"
        )
    return build_searcher(search_task(config, tune))


def resumed_tune(folder: Path, given: TuneConfig) -> TuneConfig:
    """Return how an unfinished search was started, refusing what contradicts it.

    Raises:
        ValueError: A field was given that differs from the search's, by name.
    """
    path = unfinished_folder(folder) / SEARCH_FILE
    values = read_json(path)["tune"]
    stored = TuneConfig(**(values | {"fields": tuple(values["fields"])}))
    default = TuneConfig()
    differing = [
        f"tune.{field.name} is {before!r} in the search and {now!r} now"
        for field in dataclasses.fields(TuneConfig)
        if (now := getattr(given, field.name)) != getattr(default, field.name)
        and now != (before := getattr(stored, field.name))
    ]
    if differing:
        raise ValueError(
            f"{folder} cannot be resumed with other settings: {'; '.join(differing)}; "
            "leave them out, or start a new search without --resume"
        )
    return stored


def _with_epochs(config: ExperimentConfig, tune: TuneConfig) -> ExperimentConfig:
    if tune.epochs is None:
        return config
    return dataclasses.replace(config, fit=dataclasses.replace(config.fit, epochs=tune.epochs))


def _started(tune: TuneConfig, prepared: Prepared) -> dict[str, Any]:
    """Return what a resumed search must share with its start."""
    bars = prepared.market.fingerprint_with_fills()
    return {"tune": dataclasses.asdict(tune), FINGERPRINT: bars}


def _check_same_bars(unfinished: Path, prepared: Prepared) -> None:
    """Refuse to go on with other bars."""
    stored = read_json(unfinished / SEARCH_FILE)
    bars = prepared.market.fingerprint_with_fills()
    refuse_other_bars(unfinished, stored[FINGERPRINT], bars, what="search")


@dataclass(frozen=True)
class Searched:
    """What was asked of a search.

    Args:
        config: The experiment whose fields were searched.
        tune: How they were.
    """

    config: ExperimentConfig
    tune: TuneConfig

    def to_dict(self) -> dict[str, Any]:
        """Return both as one file of settings, which the command reads."""
        return self.config.to_dict() | {"tune": dataclasses.asdict(self.tune)}


def _finish(
    place: Workplace, prepared: Prepared, found: Found, asked: Searched, progress: Progress
) -> Run:
    """Train the winner to the end from where its trial stopped, judge and save it."""
    checkpoints = place.path / CHECKPOINTS
    if found.checkpoints.exists() and not has_checkpoint(checkpoints):
        shutil.rmtree(checkpoints, ignore_errors=True)
        found.checkpoints.rename(checkpoints)
    progress.message(f"the best is {found.best.request.sentence()}; finishing its training")
    keras.utils.clear_session()
    planned = plan_run(dataclasses.replace(prepared, config=found.config), progress)
    extras = Extras(
        metrics={"tuning": search_metrics(found, asked.tune)},
        tables={TRIALS_FILE: found.trials},
        settings={ASKED_FILE: asked.to_dict()},
        command=("tune", *config_options(asked.config, place.folder / ASKED_FILE), "--yes"),
    )
    return finish_run(place, planned, progress, resume=True, extras=extras)


def search_metrics(found: Found, tune: TuneConfig) -> dict[str, Any]:
    """Return what `metrics.json` says of the search."""
    status: pd.Series = found.trials["status"]
    return {
        "tune": dataclasses.asdict(tune),
        "configurations": found.configurations,
        "trials": len(found.trials),
        "diverged": int((status == "diverged").sum()),
        "best_trial": found.best.row(),
        "note": f"the validation figures are the best of {found.configurations} configurations "
        "and flattered by that choice; the test part was read once, after it",
    }
