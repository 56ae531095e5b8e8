"""Steps of the fit itself on rows of random numbers, for those that time them."""

import time
from typing import Any

import keras
import numpy as np

from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.compiled import time_fit, training_batches


class FitSteps:
    """The step of a net's fit, compiled and timed as for a plan, on one batch.

    Args:
        model: The net that steps.
        x: Its inputs in order, each `(rows, ...)`.
        y: Labels, `(rows, 1)`.
        precision: What the net computes in, as `fit.precision` has it.
    """

    def __init__(
        self, model: keras.Model, x: list[np.ndarray], y: np.ndarray, precision: Any
    ) -> None:
        named = dict(zip([one.name for one in model.inputs], x, strict=True))
        arrays = Arrays(x=named if isinstance(model.input, dict) else x[0], y=y)
        fit = FitConfig(batch_size=len(y), precision=precision)
        self._compiled = time_fit(model, arrays, arrays, fit)
        self._batch = training_batches(model, arrays, fit).take(slice(0, len(y)))
        self.first_seconds = self._compiled.first_step_seconds

    def seconds(self) -> float:
        """Take a step that changes no weight; return how long it took."""
        batch = self._batch
        began = time.perf_counter()
        loss, _ = self._compiled.step(batch.x, batch.targets, batch.weight, 0.0)
        float(loss)
        return time.perf_counter() - began
