"""A net that was trained elsewhere, by KerasTuner or by `model.fit`, brought into a bundle."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from ultimate_deep.bundles.executors.net import KerasPredictor
from ultimate_deep.bundles.predictor import Predictor
from ultimate_deep.experiments.learners.learner import Planned
from ultimate_deep.experiments.learners.net import build, time_answers
from ultimate_deep.machine.duration import Duration
from ultimate_deep.pipeline.prepared import Prepared
from ultimate_deep.training.loop.compiled import compile_fit
from ultimate_deep.training.loop.validation import validation_metrics
from ultimate_deep.training.progress import Progress
from ultimate_deep.training.result import FitResult


class TrainedNet:
    """A net that somebody else has trained: it is judged and saved as it is.

    Args:
        model: Reads and predicts what the experiment's own net would.
        tried: How many configurations it was chosen from.
    """

    def __init__(self, model: keras.Model, tried: int = 1) -> None:
        self.model = model
        self.tried = tried
        self.predictor = KerasPredictor(model)

    def planned(self, prepared: Prepared) -> Planned:
        """Return that nothing will be trained.

        Raises:
            ValueError: Other inputs or outputs than the experiment has.
        """
        wanted = build(prepared)
        for what in ("input_shape", "output_shape"):
            ours, given = getattr(wanted, what), getattr(self.model, what)
            if ours != given:
                raise ValueError(
                    f"the net's {what.replace('_', ' ')} is {given} and the experiment's is "
                    f"{ours}; build it for the prepared inputs, with the same heads"
                )
        plan, answers = TrainedPlan(self.model.name), time_answers(self.predictor, prepared)
        return Planned(
            prepared=prepared, plan=plan, fits=self, tried=self.tried, answers=answers, given=True
        )

    def fit(
        self,
        prepared: Prepared,
        progress: Progress,
        *,
        checkpoints: Path | None = None,
        resume: bool = False,
    ) -> tuple[Predictor, FitResult]:
        """Measure it on validation."""
        validation = prepared.arrays("validation")
        compiled = compile_fit(self.model, prepared.config.fit)
        found = compiled.forward.predictions(validation)
        measured = validation_metrics(compiled.step.loss, found, validation)
        nothing = {"loss": np.nan, "penalty": 0.0, "learning_rate": 0.0, "seconds": 0.0}
        history = pd.DataFrame([{"epoch": 1, **nothing, **measured}])
        return self.predictor, FitResult(
            history=history,
            best_epoch=1,
            epochs_run=0,
            seconds=0.0,
            stopped_reason="trained elsewhere",
            first_step_seconds=np.nan,
            step_seconds=np.nan,
        )


@dataclass(frozen=True)
class TrainedPlan:
    """A plan without work.

    Args:
        model: The net's name.
    """

    model: str

    @property
    def seconds(self) -> Duration:
        """None at all."""
        return Duration.of(0.0)

    def lines(self) -> dict[str, str]:
        """Return the plan as plain text by heading."""
        return {"model": self.model, "training": "none: the net was trained before"}
