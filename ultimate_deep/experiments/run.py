"""A named run of the experiment: plan, confirmation, training, bundle, report."""

import contextlib
import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ultimate_deep.bundles import files
from ultimate_deep.evaluation.assessment import Assessment
from ultimate_deep.evaluation.verdicts.verdict import Verdict
from ultimate_deep.experiments.costs import RunPlan, bytes_needed, whole_plan
from ultimate_deep.experiments.experiment import (
    Outcome,
    Prepared,
    evaluate,
    prepare,
)
from ultimate_deep.experiments.given import given_count
from ultimate_deep.experiments.judging.assessing import assess_outcome
from ultimate_deep.experiments.kept import JUDGED, Kept
from ultimate_deep.experiments.learners.learner import Planned
from ultimate_deep.experiments.learners.registry import learner_of
from ultimate_deep.experiments.runs import (
    BARS_FILE,
    FINGERPRINT,
    Workplace,
    bars_of_start,
    named_settings,
    new_run_folder,
    newest_unfinished,
    refuse_other_bars,
    resume_run,
    resumed_config,
    start_run,
    tidy,
)
from ultimate_deep.experiments.takeaway import (
    Contenders,
    contenders,
    equity_curves,
    figures_html,
)
from ultimate_deep.experiments.trials import TrialBook, check_ledgers
from ultimate_deep.experiments.writing import Extras, Judged, model_files_of, write_run
from ultimate_deep.machine.duration import Stopwatch
from ultimate_deep.machine.files import UNFINISHED, unfinished_folder
from ultimate_deep.machine.interrupts import Interrupted
from ultimate_deep.machine.places import check_places, check_room
from ultimate_deep.market.market import Market
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.pipeline.forecasts import judged_heads
from ultimate_deep.pipeline.judge import Judgement
from ultimate_deep.pipeline.steps import Steps
from ultimate_deep.training.loop.plan import Planlike
from ultimate_deep.training.progress import Progress

CHECKPOINTS = "checkpoints"
DRAFTS = "drafts"


class DeclinedError(Exception):
    """The plan was shown and not confirmed; nothing was written."""


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run.

    Args:
        folder: Folder of the bundle.
        prepared: Data and split.
        outcome: Figures and verdict.
        assessment: What the verdict rests on.
        plan: What had been planned.
    """

    folder: Path
    prepared: Prepared
    outcome: Outcome
    assessment: Assessment
    plan: Planlike

    @property
    def verdict(self) -> Verdict:
        """Whether an edge may be claimed."""
        return self.assessment.verdict

    @property
    def figures(self) -> Contenders:
        """Figures of the test part, of the model and of every baseline."""
        return contenders(self._judged)

    @property
    def equity(self) -> pd.DataFrame:
        """Account of the test part after every bar, of the model and of every baseline."""
        return equity_curves(self._judged)

    @property
    def trades(self) -> pd.DataFrame:
        """One row for each of the model's trades."""
        return self.outcome.model.backtest.trades

    @property
    def _judged(self) -> tuple[Judgement, ...]:
        return (self.outcome.model, *self.outcome.baselines)

    @property
    def report(self) -> Path:
        """The page to open."""
        return self.folder / "report.html"

    def _repr_html_(self) -> str:
        return figures_html(self.verdict.sentence, self.figures)

    def __repr__(self) -> str:
        return f"<run {self.folder.name}: {self.verdict.kind}; {self.verdict.sentence}>"


def run_experiment(
    config: ExperimentConfig,
    progress: Progress,
    *,
    confirm: Callable[[Planlike], bool] | None = None,
    resume: bool = False,
    named: Mapping[str, Any] | None = None,
    folder: Path | None = None,
    steps: Steps = Steps(),
    market: Market | None = None,
    net: Any = None,
    tried: int = 1,
) -> Run:
    """Run the experiment from bars to a bundle in a new folder of `config.artifacts`.

    Until it is finished the run lives in `<folder>.unfinished/`, with its configuration and
    checkpoints; the finished folder appears at once and complete.

    Args:
        config: The experiment. With `resume` it is the run's own, and says only where it lies.
        progress: Told what happens.
        confirm: Shown the plan before training; training starts where it returns true.
        resume: Whether to go on with the newest unfinished run.
        named: Settings that must be the run's own with `resume`, by dotted name; None takes those
            of `config` that differ from their defaults. With `name` among them, the newest run of
            that name is gone on with, otherwise the newest of all.
        folder: Which one to make, or with `resume` to go on with, instead.
        steps: What is done otherwise than usual on the way from bars to verdict.
        market: These bars instead of the configured ones.
        net: A `keras.Model` that was trained elsewhere on what the experiment prepares; it is
            judged and saved as it is.
        tried: How many configurations that net was chosen from.

    Raises:
        DeclinedError: `confirm` returned false.
        FinishedError: The run to resume is finished.
        FileNotFoundError: Nothing to resume.
        LockedError: A living process works on the run to resume.
        TakenError: `folder` was taken by another run meanwhile.
        PlaceError: The folder of the runs cannot be written.
        ValueError: Bad bars or configuration, other bars than the run to resume began with,
            another run's checkpoint, or no place for the ledger.
        Interrupted: Ctrl-C or SIGTERM, after a checkpoint.
    """
    given = folder
    with contextlib.ExitStack() as held:
        check_places(artifacts=folder.parent if folder else config.artifacts)
        if resume:
            named = named_settings(config) if named is None else named
            folder = folder or newest_unfinished(Path(config.artifacts), str(named.get("name", "")))
            place = held.enter_context(resume_run(folder))
            config = resumed_config(place.path, named, artifacts=config.artifacts)
            progress.message(f"resuming {folder}{UNFINISHED}")
        given_count("tried", tried)
        if net is None and tried != 1:
            raise ValueError(
                f"tried is of a net that was trained elsewhere, got {tried} and no net; give "
                "net=..., or leave it out: trials of a run's own are counted by themselves"
            )
        folder = folder or new_run_folder(config)
        check_ledgers(folder.parent)  # before the bars are read
        tidy(folder.parent, progress.message)
        prepared = prepare(config, progress, market=market, steps=steps)
        prepared = dataclasses.replace(prepared, bars_given=market is not None)
        bars = prepared.market.fingerprint_with_fills()
        if resume:
            refuse_other_bars(place.path, bars_of_start(place.path), bars, what="run")
        for note in TrialBook.opened(folder, prepared.market, config, tried=tried).check():
            progress.message(note)
        planned = (
            plan_run(prepared, progress) if net is None else plan_trained(prepared, net, tried)
        )
        plan = whole_plan(planned, resumed=resume)
        planned = dataclasses.replace(planned, plan=plan)
        if confirm is not None and not confirm(plan):
            raise DeclinedError
        if not resume:
            check_room(folder.parent, bytes_needed(plan))
            marks = {BARS_FILE: {FINGERPRINT: bars}}
            started = start_run(folder, prepared.config, marks, renamed=given is None)
            place = held.enter_context(started)
        try:
            return finish_run(place, planned, progress, resume=resume)
        except KeyboardInterrupt as stop:
            if str(stop):
                raise  # it says itself what was kept
            raise Interrupted(f"stopped; {place.path} is kept", None) from stop


def train_ahead(config: ExperimentConfig, folder: Path, progress: Progress) -> None:
    """Train a net whose run stays unfinished: whoever resumes it judges and writes it.

    Args:
        config: The experiment, of a model that keeps checkpoints.
        folder: Which one to make, or to go on with where it is unfinished.
        progress: Told what happens.

    Raises:
        TakenError: `folder` was taken by another run meanwhile.
        ValueError: Bad bars or configuration, or other bars than the run began with.
        Interrupted: Ctrl-C or SIGTERM, after a checkpoint.
    """
    resume = unfinished_folder(folder).exists()
    with contextlib.ExitStack() as held:
        if resume:
            place = held.enter_context(resume_run(folder))
            config = resumed_config(place.path, named_settings(config), artifacts=config.artifacts)
        planned = plan_run(prepare(config, progress), progress)
        prepared = planned.prepared
        bars = prepared.market.fingerprint_with_fills()
        if resume:
            refuse_other_bars(place.path, bars_of_start(place.path), bars, what="run")
        else:
            marks = {BARS_FILE: {FINGERPRINT: bars}}
            place = held.enter_context(start_run(folder, prepared.config, marks, renamed=False))
        planned.fits.fit(prepared, progress, checkpoints=place.path / CHECKPOINTS, resume=resume)


def plan_run(prepared: Prepared, progress: Progress) -> Planned:
    """Plan the configured model's training; a net is built, compiled and timed for it."""
    watch = Stopwatch()
    planned = learner_of(prepared.config.model.name).plan(prepared, progress)
    watch.passed("planning")
    seconds = {**planned.prepared.seconds, **watch.seconds}
    return dataclasses.replace(
        planned, prepared=dataclasses.replace(planned.prepared, seconds=seconds)
    )


def plan_trained(prepared: Prepared, net: Any, tried: int) -> Planned:
    """Plan to judge and save a net as it is, chosen from as many as were tried."""
    from ultimate_deep.experiments.learners.trained import TrainedNet

    return TrainedNet(net, tried).planned(prepared)


def finish_run(
    place: Workplace,
    planned: Planned,
    progress: Progress,
    *,
    resume: bool,
    extras: Extras = Extras(),
) -> Run:
    """Train, judge and write a planned run whose unfinished folder has been started.

    Args:
        place: Where it is made, and where the bundle appears.
        planned: What to train.
        progress: Told what happens.
        resume: Whether to go on from the newest checkpoint, where there is one.
        extras: What else the bundle holds.
    """
    folder, unfinished = place.folder, place.path
    prepared = planned.prepared
    watch = Stopwatch()
    predictor, fitted = planned.fits.fit(
        prepared, progress, checkpoints=unfinished / CHECKPOINTS, resume=resume
    )
    watch.passed("training")
    book = TrialBook.opened(folder, prepared.market, prepared.config, tried=planned.tried)
    kept = Kept(unfinished / JUDGED, progress)
    outcome = evaluate(prepared, predictor, fitted, progress, book=book, kept=kept)
    outcome = dataclasses.replace(outcome, notes=tuple(book.check()))
    watch.passed("predicting and baselines")
    with progress.busy("assessing: chance, trials, costs, delay, regimes, random entry"):
        assessment = assess_outcome(prepared, outcome, kept)
    watch.passed("assessing")
    witness: dict[str, Any] = {"ledger": dataclasses.asdict(book.head())}
    measures, confusion = judged_heads(prepared, outcome.outputs["test"], outcome.temperatures)
    tables = {files.FORECASTS_FILE: measures, files.CONFUSION_FILE: confusion}
    with progress.busy("writing model, report and manifest"):
        model_files = model_files_of(predictor, outcome.temperatures, kept)
        watch.passed("saving the model")
        seconds = {**prepared.seconds, **watch.seconds}
        extras = dataclasses.replace(
            extras,
            metrics=witness | {"seconds": seconds} | dict(extras.metrics),
            tables=tables | dict(extras.tables),
        )
        judged = Judged(
            planned, predictor, outcome, assessment, measures, model_files, seconds, resume
        )
        write_run(folder, judged, extras, workspace=unfinished / DRAFTS)
    watch.passed("writing")
    place.finish(latest=True)
    if isinstance(planned.plan, RunPlan) and not resume:
        progress.message(f"{watch} since the plan, which said {planned.plan.seconds}")
    return Run(folder, prepared, outcome, assessment, planned.plan)
