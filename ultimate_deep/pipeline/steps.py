"""The steps of the experiment that a user's own code may replace, each with its default.

The pipeline itself stays the same: what a step is handed and what its result is used for. That is
how other features, scalers or selections are tried, and how the leak detector is itself tested:
each planted leak replaces one step.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from sklearn.preprocessing import RobustScaler

from ultimate_deep.features.compute import FeatureMatrix
from ultimate_deep.machine.fields import shown
from ultimate_deep.market.config import LabelSpec, SplitSpec
from ultimate_deep.market.labels import Labels, make_labels
from ultimate_deep.market.market import Market
from ultimate_deep.market.splits import Split
from ultimate_deep.pipeline.calibration import TemperatureFit, ThresholdChoice, fit_temperature
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.pipeline.judge import Judge
from ultimate_deep.pipeline.own_steps import OWN_STEPS
from ultimate_deep.pipeline.rows import FeatureFunction, Rows, split_rows
from ultimate_deep.pipeline.scaling import fit_scaler
from ultimate_deep.training.arrays import Arrays

LabelFunction = Callable[[pd.DataFrame, LabelSpec], Labels]
SplitFunction = Callable[[Rows, SplitSpec, pd.Timedelta], Split]
RowsFunction = Callable[[Rows, Split], Rows]
ByPart = dict[str, np.ndarray]


class SplitRows(Protocol):
    """What a step after the split is handed: see `pipeline.prepared.Prepared`."""

    @property
    def config(self) -> ExperimentConfig:
        """The experiment."""

    @property
    def rows(self) -> Rows:
        """Pooled rows."""

    @property
    def split(self) -> Split:
        """Row numbers of the three parts."""

    def arrays(self, name: str) -> Arrays:
        """Return inputs and labels of a part's labelled rows."""

    def judge(self, name: str) -> Judge:
        """Return the judge of a part's rows."""


def stopping_arrays(prepared: SplitRows) -> Arrays:
    """Return the labelled validation rows: training stops by them."""
    return prepared.arrays("validation")


def validation_temperature(prepared: SplitRows, logits: ByPart) -> TemperatureFit:
    """Return the temperature that fits the validation labels best."""
    labels = prepared.rows.labels[prepared.split.validation]
    return fit_temperature(logits["validation"], labels)


def validation_threshold(prepared: SplitRows, probability: ByPart) -> ThresholdChoice:
    """Return the threshold whose validation account earned most a bar, net."""
    judge = prepared.judge("validation")
    return judge.choose_threshold(
        probability["validation"], minimum_coverage=prepared.config.threshold.minimum_coverage
    )


# What each step must return.
RETURNS: dict[str, tuple[type, ...]] = {
    "bars": (Market,),
    "features": (FeatureMatrix,),
    "labels": (Labels,),
    "split": (Split,),
    "rows": (Rows,),
    "select": (list, tuple, np.ndarray, pd.Index),
    "stopping": (Arrays,),
    "temperature": (TemperatureFit,),
    "threshold": (ThresholdChoice,),
}


@dataclass(frozen=True)
class OwnStep:
    """A step of a user's own, whose result is checked before it is used.

    Args:
        name: Name of the step.
        function: What the user gave.
    """

    name: str
    function: Callable[..., Any]

    def __call__(self, *given: Any) -> Any:
        """Return what the function returns.

        Raises:
            TypeError: It returns what the step is not to return.
        """
        result = self.function(*given)
        if self.name == "scale":
            fits = hasattr(result, "center_") and hasattr(result, "scale_")
            wanted = "a fitted scaler with center_ and scale_, such as scikit-learn's RobustScaler"
        else:
            fits = isinstance(result, RETURNS[self.name])
            wanted = " or ".join(kind.__name__ for kind in RETURNS[self.name])
        if not fits:
            raise TypeError(
                f"steps.{self.name} must return {wanted}, got {shown(result)}; change the function "
                f"{getattr(self.function, '__qualname__', self.function)}, or leave the step out"
            )
        return result


@dataclass(frozen=True, kw_only=True)
class Steps:
    """What happens between bars and test part. Every default is the experiment's own.

    Args:
        bars: Market to market, before features: joining other markets' columns, repairs.
        features: One symbol's bars to its features; None computes the configured ones.
        labels: One symbol's bars to its labels.
        split: Pooled rows to the three parts.
        rows: Changes the pooled rows once the split is known, such as shuffling labels.
        select: Names of the features to keep, from the rows and the split; None keeps all.
        scale: `(values, training row numbers)` to a fitted scaler.
        stopping: The arrays that decide when training stops.
        temperature: `(prepared, logits by part)` to the temperature.
        threshold: `(prepared, probability by part)` to the threshold.

    Raises:
        TypeError: What is no function; or, once it is called, one that returns something else.
    """

    bars: Callable[[Market], Market] | None = None
    features: FeatureFunction | None = None
    labels: LabelFunction = make_labels
    split: SplitFunction = split_rows
    rows: RowsFunction | None = None
    select: Callable[[Rows, Split], Sequence[str]] | None = None
    scale: Callable[[np.ndarray, np.ndarray], RobustScaler] = fit_scaler
    stopping: Callable[[SplitRows], Arrays] = stopping_arrays
    temperature: Callable[[SplitRows, ByPart], TemperatureFit] = validation_temperature
    threshold: Callable[[SplitRows, ByPart], ThresholdChoice] = validation_threshold

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            step = getattr(self, field.name)
            if step is field.default or isinstance(step, OwnStep):
                continue
            if not callable(step):
                raise TypeError(
                    f"steps.{field.name} must be a function, got {shown(step)}; give the function "
                    "itself, or leave it out"
                )
            object.__setattr__(self, field.name, OwnStep(field.name, step))

    @property
    def own(self) -> tuple[str, ...]:
        """Names of the steps that are not the usual ones."""
        usual = Steps()
        return tuple(
            name
            for name in self.__dataclass_fields__
            if getattr(self, name) != getattr(usual, name)
        )


def steps_in_use(given: Steps) -> Steps:
    """Return the given steps where they differ from the usual ones, else those of a plugin."""
    return given if given.own or not OWN_STEPS else OWN_STEPS[0]
