"""Boosted trees: grown in one go, stopping by validation."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ultimate_deep.bundles.executors.trees import TreesPredictor
from ultimate_deep.bundles.predictor import Predictor
from ultimate_deep.experiments.learners.learner import Learner, Planned
from ultimate_deep.models.trees import registry as trees
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.pipeline.inputs.config import Kind
from ultimate_deep.pipeline.prepared import Prepared
from ultimate_deep.training.arrays import Arrays, training_weight
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.growing.grow import fit_trees
from ultimate_deep.training.growing.plan import make_growth_plan
from ultimate_deep.training.losses.loss_config import LossConfig
from ultimate_deep.training.progress import Progress
from ultimate_deep.training.result import FitResult

# Settings of a fit that steps along gradients.
OF_NETS = (
    "optimizer", "rate_factors", "frozen", "planned_epochs", "batch_size_schedule",
    "augmentations", "curriculum", "growing_stages", "learned_horizon_weights", "workers",
    "engine", "sharding", "gradients", "averaging",
)  # fmt: skip


class TreesLearner(Learner):
    """Grows the trees of `models.trees.registry`."""

    kind: ClassVar[str] = "trees"
    predicts: ClassVar[str] = "trees"

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Every library of trees."""
        return tuple(trees.TREES)

    @property
    def inputs_kind(self) -> Kind:
        """Features; other kinds are flattened."""
        return "features"

    @property
    def finds(self) -> str:
        """Not measured one by one."""
        return "trees"

    def presets(self) -> tuple[str, ...]:
        """Names of the presets."""
        return trees.presets(self.name)

    def preset_config(self, preset: str) -> Any:
        """Return the configuration called `preset`."""
        return trees.preset_config(self.name, preset)

    def check(self, config: ExperimentConfig) -> None:
        """Refuse what trees do not predict or minimise."""
        heads = config.heads
        if heads.classes != 2 or heads.quantiles or heads.variance:
            raise ValueError(
                f"trees predict directions alone, got {self.name!r} with {heads}; leave "
                "heads.classes, heads.quantiles and heads.variance out, or choose a net"
            )
        if config.fit.loss != LossConfig():
            raise ValueError(
                f"trees minimise the log loss of the direction, got {self.name!r} with "
                f"fit.loss.name={config.fit.loss.name!r}; leave fit.loss out, or choose a net"
            )
        plain = FitConfig()
        for name in OF_NETS:
            value = getattr(config.fit, name)
            if value and value != getattr(plain, name):
                raise ValueError(
                    f"trees take no steps along gradients, got {self.name!r} with "
                    f"fit.{name}={value!r}; leave fit.{name} out, or choose a net"
                )

    def plan(self, prepared: Prepared, progress: Progress) -> Planned:
        """Return the size of the growth and its time, from growing a few trees."""
        parts = (prepared.arrays("train"), prepared.arrays("validation"))
        plan = make_growth_plan(
            self.name,
            self.settings(prepared.config),
            *parts,
            test_rows=len(prepared.split.test),
            weight=_weight(prepared, parts[0]),
        )
        return Planned(prepared=prepared, plan=plan, fits=self)

    def fit(
        self,
        prepared: Prepared,
        progress: Progress,
        *,
        checkpoints: Path | None = None,
        resume: bool = False,
    ) -> tuple[Predictor, FitResult]:
        """Grow the trees; a resumed run grows them anew."""
        config, arrays = prepared.config, prepared.arrays("train")
        model, fitted = fit_trees(
            self.name,
            arrays,
            prepared.steps.stopping(prepared),
            self.settings(config),
            weight=_weight(prepared, arrays),
            progress=progress,
        )
        return TreesPredictor(model), fitted


def _weight(prepared: Prepared, train: Arrays) -> np.ndarray:
    """Return the weight of each training label, `(rows, horizons)`."""
    fit = prepared.config.fit
    return training_weight(
        train, class_weights=fit.class_weights, return_weights=fit.largest_weight
    )
