"""A fourth way to learn: it says the training part's share of up, whatever it is shown.

All that a new family of models needs: this file, and one line in each registry.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from ultimate_deep.bundles.files import bundle_purposes
from ultimate_deep.bundles.predictor import Outputs, Predictor, named_inputs
from ultimate_deep.experiments.learners.learner import Learner, Planned
from ultimate_deep.machine.duration import Duration
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.pipeline.inputs.config import Kind
from ultimate_deep.pipeline.inputs.model_inputs import ModelInputs
from ultimate_deep.pipeline.prepared import Prepared
from ultimate_deep.training.progress import Progress
from ultimate_deep.training.result import FitResult

LEARNER_LINE = ("constants", f"{__name__}:ConstantLearner")
PREDICTOR_LINE = ("constants", f"{__name__}:ConstantPredictor")
FILE = "constant.json"


@dataclass(frozen=True, kw_only=True)
class ConstantConfig:
    """How sure it is.

    Args:
        pull: Rows of a coin that are added to the training part's.
    """

    pull: float = 1.0


class ConstantPredictor(Predictor):
    """The same logit for every row."""

    kind: ClassVar[str] = "constants"
    needed: ClassVar[tuple[str, ...]] = (FILE,)
    purposes: ClassVar[Mapping[str, str]] = bundle_purposes(
        {FILE: "what it always says"}, parts="every horizon"
    )

    def __init__(self, logits: np.ndarray, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.logits = np.asarray(logits, np.float32)
        self._shapes = dict(shapes)

    @property
    def horizons(self) -> int:
        return len(self.logits)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return self._shapes

    def outputs(self, inputs: ModelInputs) -> Outputs:
        given = named_inputs(inputs, self.shapes)
        return {"logits": np.tile(self.logits, (len(next(iter(given.values()))), 1))}

    def digest(self) -> str:
        return hashlib.sha256(self.logits.tobytes()).hexdigest()

    def describe(self) -> pd.DataFrame:
        return pd.DataFrame({"horizon": range(1, self.horizons + 1), "logit": self.logits})

    def save(self, folder: Path, *, temperature: np.ndarray | None = None) -> None:
        values = {"logits": self.logits.tolist(), "shapes": self.shapes}
        (folder / FILE).write_text(json.dumps(values))

    @classmethod
    def load(cls, folder: Path) -> Self:
        values = json.loads((folder / FILE).read_text())
        shapes = {name: tuple(shape) for name, shape in values["shapes"].items()}
        return cls(np.array(values["logits"]), shapes)


@dataclass(frozen=True, kw_only=True)
class ConstantPlan:
    """What it is going to do."""

    model: str
    rows: int
    parameters: int

    @property
    def seconds(self) -> Duration:
        return Duration.of(0.0)

    def lines(self) -> dict[str, str]:
        return {"rows": f"{self.rows:,} train", "parameters": f"{self.parameters:,}"}


class ConstantLearner(Learner):
    """Counts."""

    kind: ClassVar[str] = "constants"
    predicts: ClassVar[str] = ConstantPredictor.kind

    @classmethod
    def names(cls) -> tuple[str, ...]:
        return ("constant",)

    @property
    def inputs_kind(self) -> Kind:
        return "features"

    @property
    def finds(self) -> str:
        return "-"

    def presets(self) -> tuple[str, ...]:
        return ("default",)

    def preset_config(self, preset: str) -> Any:
        if preset not in self.presets():
            raise ValueError(f"model {self.name!r} has no preset {preset!r}")
        return ConstantConfig()

    def check(self, config: ExperimentConfig) -> None:
        if config.heads.classes != 2:
            raise ValueError(f"a constant says up or down, got {config.heads}")

    def plan(self, prepared: Prepared, progress: Progress) -> Planned:
        rows, parameters = prepared.arrays("train").y.shape
        plan = ConstantPlan(model=self.name, rows=rows, parameters=parameters)
        return Planned(prepared=prepared, plan=plan, fits=self)

    def fit(
        self,
        prepared: Prepared,
        progress: Progress,
        *,
        checkpoints: Path | None = None,
        resume: bool = False,
    ) -> tuple[Predictor, FitResult]:
        pull = self.settings(prepared.config).pull
        train, stopping = prepared.arrays("train").y, prepared.arrays("validation").y
        share = (train.sum(axis=0) + pull / 2) / (len(train) + pull)
        loss = -np.log(np.where(stopping > 0.5, share, 1 - share)).mean()
        history = pd.DataFrame({"epoch": [1], "loss": [loss], "validation_loss": [loss]})
        fitted = FitResult(
            history=history, best_epoch=1, epochs_run=1, seconds=0.0, stopped_reason="finished",
            first_step_seconds=float("nan"), step_seconds=float("nan"),
        )  # fmt: skip
        return ConstantPredictor(np.log(share / (1 - share)), prepared.inputs.shapes), fitted
