"""What a run takes after its training, estimated from trials of its own before it starts."""

from __future__ import annotations

import dataclasses
import math
import time
import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ultimate_deep.experiments.baselines import (
    BOOSTED_TREES,
    BOOSTING_PATIENCE,
    FOREST_TREES,
    UNSTOPPED_TREES,
    BaselineInputs,
    answers,
    boosting_config,
    boosting_samples,
    fitted,
    forest_model,
    logistic_model,
)
from ultimate_deep.experiments.experiment import baseline_inputs
from ultimate_deep.experiments.learners.learner import AnswerTimes, Planned
from ultimate_deep.machine.duration import Duration, duration_sentence, sum_of
from ultimate_deep.machine.speed import slowness
from ultimate_deep.machine.threads import usable_cores
from ultimate_deep.models.trees.hist_gradient_boosting import fit_in_bins
from ultimate_deep.pipeline.prepared import Prepared
from ultimate_deep.training.loop.plan import Timed

LOGISTIC_ROWS, BOOSTING_ROWS, FOREST_ROWS = 20_000, 20_000, 2_000
# Of the logistic regression; more rows take more time, not more of them.
TRIAL_ITERATIONS, USUAL_ITERATIONS = 8, 80
TRIAL_TREES = 12
# Seconds on the machine that `machine.speed` compares with: for any run, for each test row.
ASSESSING = 0.9, 1.3e-4
WRITING = 3.2, 8e-5
# A net's SavedModel is traced for serving and for gradients, and its attention once more.
TRACINGS_WRITING = 5.0
_COPIES, _FLOAT_BYTES = 3, 4


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """Plan of a whole run: its training, and what comes after.

    Args:
        training: Plan of the training.
        after: Estimates for everything after it, by what is done.
        resumed: Whether the run goes on, so that what it has kept is not done again.
    """

    training: Timed
    after: dict[str, Duration]
    resumed: bool = False

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.training.model

    @property
    def seconds(self) -> Duration:
        """Estimate for all of it."""
        return self.training.seconds + sum_of(self.after.values())

    def lines(self) -> dict[str, str]:
        """Return the plan as plain text by heading."""
        parts = ", ".join(f"{name} {one}" for name, one in self.after.items())
        rest = f"{sum_of(self.after.values())} ({parts.replace('about ', '')})"
        whole = str(self.seconds)
        if self.resumed:
            most = duration_sentence(self.seconds.most)
            whole = f"at most {most}, less what is kept from before and not done again"
        return self.training.lines() | {"afterwards": rest, "in all": whole}

    def __repr__(self) -> str:
        return f"<plan of {self.model}: {self.seconds}>"


def whole_plan(planned: Planned, *, resumed: bool = False) -> RunPlan:
    """Return the plan of a run whose training is planned; tries the baselines for a second.

    Args:
        planned: A run that is ready to train.
        resumed: Whether it goes on.
    """
    after = seconds_after(planned.prepared, planned.answers)
    return RunPlan(training=planned.plan, after=after, resumed=resumed)


def bytes_needed(plan: RunPlan) -> int:
    """Return how many bytes a run writes at least: two checkpoints and the model."""
    return _COPIES * _FLOAT_BYTES * int(getattr(plan.training, "parameters", 0))


def seconds_after(prepared: Prepared, answers: AnswerTimes) -> dict[str, Duration]:
    """Return the estimates for what a run does after its training, by what it is.

    Args:
        prepared: Data and split.
        answers: How long the model takes to answer.
    """
    tested = len(prepared.part("test"))
    read = tested + len(prepared.part("validation"))
    slow = slowness()
    found = {"predicting": Duration.of(answers.seconds(read))}
    if prepared.config.baselines:
        found["baselines"] = baseline_seconds(baseline_inputs(prepared))
    found["assessing"] = Duration.of(slow * (ASSESSING[0] + ASSESSING[1] * tested))
    writing = slow * (WRITING[0] + WRITING[1] * tested)
    found["writing"] = Duration.of(writing + TRACINGS_WRITING * answers.tracing)
    return found


def baseline_seconds(inputs: BaselineInputs) -> Duration:
    """Return the estimate for all baselines, from a few trees and rows of each.

    It is a range where boosting stops early.
    """
    others = _logistic_seconds(inputs) + _forest_seconds(inputs)
    return Duration.of(others) + _boosting_seconds(inputs)


def _logistic_seconds(inputs: BaselineInputs) -> float:
    few = _first(inputs, LOGISTIC_ROWS)
    model = logistic_model().set_params(max_iter=TRIAL_ITERATIONS)
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a trial is cut short
        fitted(model, few)
    share = len(inputs.y_train) / len(few.y_train)
    return (time.perf_counter() - began) / TRIAL_ITERATIONS * USUAL_ITERATIONS * share


def _boosting_seconds(inputs: BaselineInputs) -> Duration:
    few = _first(inputs, BOOSTING_ROWS)
    ended: list[float] = []

    def mark(*asked: object, **given: object) -> float:
        ended.append(time.perf_counter())
        return 0.0

    # Scores are asked for after each tree, which tells trees from what comes before them.
    trial = dataclasses.replace(boosting_config(few), trees=TRIAL_TREES, patience=0)
    began = time.perf_counter()
    train, watched = boosting_samples(few)
    fit_in_bins(train, watched or train, trial, scoring=mark)
    share = len(inputs.y_train) / len(few.y_train)
    first = Duration.of((ended[0] - began) * share)
    tree = (ended[-1] - ended[0]) / TRIAL_TREES * share
    if inputs.stopping is None:
        return first + Duration.of(UNSTOPPED_TREES * tree)
    return first + Duration((BOOSTING_PATIENCE + 1) * tree, BOOSTED_TREES * tree)


def _forest_seconds(inputs: BaselineInputs) -> float:
    cores = usable_cores()
    moments = [time.perf_counter()]
    for trees in (cores, 3 * cores):  # what the second takes longer is trees alone
        model = fitted(forest_model(inputs, trees), inputs)
        moments.append(time.perf_counter())
    once, thrice = moments[1] - moments[0], moments[2] - moments[1]
    growing = min(max(thrice - once, 0.0) / 2.0, once)
    few = {part: x[:FOREST_ROWS] for part, x in inputs.parts.items()}
    began = time.perf_counter()
    answers(model, dataclasses.replace(inputs, parts=few))
    each = (time.perf_counter() - began) / max(1, sum(map(len, few.values())))
    answering = each * sum(map(len, inputs.parts.values())) / (3 * cores)
    return math.ceil(FOREST_TREES / cores) * growing + FOREST_TREES * answering


def _first(inputs: BaselineInputs, rows: int) -> BaselineInputs:
    """Return the same with the first training rows of both classes, boosting on all of them."""
    y = inputs.y_train
    least = max(int((y == side).argmax()) + 1 for side in (0.0, 1.0))
    rows = max(rows, least)
    few = dataclasses.replace(
        inputs,
        x_train=inputs.x_train[:rows],
        y_train=y[:rows],
        weight=None if inputs.weight is None else inputs.weight[:rows],
    )
    if inputs.stopping is None:
        return few
    every = np.arange(len(few.y_train))
    return dataclasses.replace(few, stopping=dataclasses.replace(inputs.stopping, grown_on=every))
