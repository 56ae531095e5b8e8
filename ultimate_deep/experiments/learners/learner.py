"""What the experiment asks of whatever learns: what it reads, what it will do, and to do it.

A family of models is one class in one file and one line in `experiments.learners.registry`.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from ultimate_deep.bundles.kinds import PREDICTORS, kind_remedy
from ultimate_deep.bundles.predictor import Predictor
from ultimate_deep.machine.fields import fitted_fields, meant
from ultimate_deep.models.parts.member_options import MemberOptions
from ultimate_deep.models.presets import Recipe
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.pipeline.inputs.config import Kind
from ultimate_deep.pipeline.prepared import Prepared
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.plan import Timed
from ultimate_deep.training.progress import Progress
from ultimate_deep.training.result import FitResult


class Fits(Protocol):
    """Whatever trains on a training part and stops by validation."""

    def fit(
        self,
        prepared: Prepared,
        progress: Progress,
        *,
        checkpoints: Path | None = None,
        resume: bool = False,
    ) -> tuple[Predictor, FitResult]:
        """Train.

        Args:
            prepared: Data and split.
            progress: Told what happens.
            checkpoints: Folder to keep the state in; what trains in one go keeps none.
            resume: Go on from the newest checkpoint, where there is one.

        Returns:
            What was trained, and how it went.
        """


@dataclass(frozen=True, kw_only=True)
class AnswerTimes:
    """How long a predictor takes.

    Args:
        tracing: Seconds before its first answer.
        batch: Seconds of each batch.
        batch_rows: Rows of a batch.
    """

    tracing: float = 0.0
    batch: float = 0.0
    batch_rows: int = 1

    def seconds(self, rows: int) -> float:
        """Return the seconds of so many rows, the first answer among them."""
        return self.tracing + math.ceil(rows / self.batch_rows) * self.batch


@dataclass(frozen=True, eq=False)
class Planned:
    """A run that is ready to train.

    Args:
        prepared: Data and split.
        plan: What training will do and cost.
        fits: What trains: a net that is built, compiled and timed already, or the learner itself.
        tried: How many configurations the model was chosen from before it came here.
        answers: How long the model takes to answer; nothing worth telling unless given.
        given: Whether the model was trained before it came here.
    """

    prepared: Prepared
    plan: Timed
    fits: Fits
    tried: int = 1
    answers: AnswerTimes = AnswerTimes()
    given: bool = False


# An augmentation, and the largest share that it hides of few features.
HIDDEN, HIDDEN_OF_FEW, FEW = "feature_dropout", 0.1, 50
# Baselines that are as simple as any model, and those that are not.
SIMPLEST = frozenset({"majority", "persistence", "logistic regression", "buy and hold"})
TREES = frozenset({"gradient boosting", "random forest"})


class Learner(ABC):
    """Trains the models of one family; an object of it is for one model of the family.

    Args:
        name: Name of the model, one of `names()`.

    Class attributes:
        kind: Key of `experiments.learners.registry.LEARNERS`, a plural in messages.
        predicts: Kind of the predictor that `fit` returns, a key of `bundles.kinds.PREDICTORS`.
        goes_on: Whether training can be paused, goes on from a checkpoint, and can start from
            another run's weights. What cannot is trained in one go.
    """

    kind: ClassVar[str]
    predicts: ClassVar[str]
    goes_on: ClassVar[bool] = False

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    @abstractmethod
    def names(cls) -> tuple[str, ...]:
        """Names of the family's models."""

    @property
    @abstractmethod
    def inputs_kind(self) -> Kind:
        """What the model reads; what reads `features` is fed any other kind flattened."""

    @property
    @abstractmethod
    def finds(self) -> str:
        """Planted signals that it finds, in words for the list of models."""

    @property
    def simpler(self) -> frozenset[str]:
        """Baselines that are simpler than the model."""
        return SIMPLEST

    @abstractmethod
    def presets(self) -> tuple[str, ...]:
        """Names of the model's presets."""

    @abstractmethod
    def preset_config(self, preset: str) -> Any:
        """Return the model's own configuration called `preset`, a frozen dataclass.

        Raises:
            ValueError: No such preset.
        """

    def recipe(self, preset: str) -> Recipe:
        """Return the training that suits a preset.

        Args:
            preset: Name of a preset of the model.
        """
        return Recipe()

    def fit_of(self, config: ExperimentConfig) -> FitConfig:
        """Return the experiment's fit with the preset's recipe where nothing else is asked for.

        Labels weigh by their return where a large move says nothing of its side, as in directions;
        elsewhere a class of large moves would be foreseen more often than it comes. Losses that
        read returns themselves take no weights by them. Where few features are named, fewer of them
        are hidden: half rarely hold what must be seen together.

        Args:
            config: Experiment with what the user has set.
        """
        recipe = self.recipe(config.model.preset)
        reads = config.fit.loss_reads_returns or bool(config.heads.quantiles)
        by_size = not reads and config.heads.classes == 2 and config.label.sides_alike
        return config.fit.filled(
            learning_rate=recipe.learning_rate,
            batch_size=recipe.batch_size,
            epochs=recipe.epochs,
            return_weights=recipe.return_weights if by_size else 0.0,
            rate_factors=dict(recipe.rate_factors),
            augmentations=_for_features(recipe, config.features.names),
        )

    @abstractmethod
    def check(self, config: ExperimentConfig) -> None:
        """Refuse an experiment that the model cannot learn.

        Raises:
            ValueError: Heads or a loss that it does not have.
        """

    @abstractmethod
    def plan(self, prepared: Prepared, progress: Progress) -> Planned:
        """Return what training will do and cost; nothing is trained or written."""

    @abstractmethod
    def fit(
        self,
        prepared: Prepared,
        progress: Progress,
        *,
        checkpoints: Path | None = None,
        resume: bool = False,
    ) -> tuple[Predictor, FitResult]:
        """Train anew without a plan; see `Fits.fit`."""

    def for_folds(self, prepared: Prepared) -> Fits:
        """Return what trains fold after fold, each as if it were the first.

        Args:
            prepared: Rows whose folds follow; whatever can be shared by all is made here.
        """
        return self

    def settings(self, config: ExperimentConfig) -> Any:
        """Return the model's own configuration: preset, then seed and options.

        Raises:
            TypeError: A value of another kind than the option's.
            ValueError: An unknown preset or option, or a value that the model refuses.
        """
        preset = self.preset_config(config.model.preset)
        known = {field.name for field in dataclasses.fields(preset)}
        unknown = sorted(set(config.model.options) - known)
        if unknown:
            raise ValueError(
                f"model {self.name!r} has no options {unknown}; {meant(unknown[0], known)}"
                f"it has {', '.join(sorted(known))}"
            )
        options = fitted_fields(type(preset), config.model.options, "model.options")
        made = dataclasses.replace(preset, **(self.given(config, known) | options))
        if isinstance(made, MemberOptions):
            made.refuse_unread(options)
        return made

    def given(self, config: ExperimentConfig, known: set[str]) -> dict[str, Any]:
        """Return what the experiment says of the model's own fields, whose names are `known`."""
        return {"seed": config.seed} if "seed" in known else {}

    def resolved(self, config: ExperimentConfig) -> ExperimentConfig:
        """Return the experiment with `inputs.kind` as the model reads it, and its preset's fit.

        Raises:
            ValueError: What `check` refuses, another kind of inputs than the model reads, or a
                family whose bundles could not be loaded again.
        """
        if self.predicts not in PREDICTORS:
            raise ValueError(
                f"the {self.kind} become predictors of kind {self.predicts!r}, which no bundle can "
                f"hold yet, known are {', '.join(PREDICTORS)}; {kind_remedy(self.predicts)}"
            )
        self.check(config)
        own, given = self.inputs_kind, config.inputs.kind
        kind = own if given == "auto" else given
        if own not in ("features", kind):
            raise ValueError(
                f"model {self.name!r} reads {own}, got inputs.kind={kind!r}; leave inputs.kind at "
                "auto"
            )
        return dataclasses.replace(
            config,
            inputs=dataclasses.replace(config.inputs, kind=kind),
            fit=self.fit_of(config),
        )


def _for_features(recipe: Recipe, named: Collection[str]) -> dict[str, float]:
    """Return the recipe's augmentations for the features that are named, of which none is all."""
    found = dict(recipe.augmentations)
    if HIDDEN in found and 0 < len(named) < FEW:
        found[HIDDEN] = min(found[HIDDEN], HIDDEN_OF_FEW)
    return found
