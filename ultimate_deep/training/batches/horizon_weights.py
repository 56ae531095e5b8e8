"""Weights of horizons that training finds itself, from how large the loss of each is."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.losses.outputs import several_horizons
from ultimate_deep.training.participant import (
    Compute,
    FitOutline,
    Participant,
    State,
    StepGradients,
    StepTensors,
    require_names,
)

EXAMPLE = FitConfig(learned_horizon_weights=True)
LOG_VARIANCES = "log_variances"
RATE = 0.01


class HorizonWeights(Participant):
    """Weighs the loss of each horizon by the inverse of a variance that is learnt with the net.

    With `s` the logarithm of a horizon's variance and `L` its loss, `exp(-s) L + s` falls along
    `s` by gradient steps of its own. Weights are scaled so that their mean is one over the horizons
    that weigh anything in a batch; the variances of others stay.

    Args:
        horizons: Number of horizons.

    Source: Kendall, Gal & Cipolla (2018), arXiv:1705.07115, eq. 10. Deviations: one term for each
    loss, whatever its kind, as in their released code; a constant rate in place of the optimizer.
    """

    def __init__(self, horizons: int) -> None:
        self._logs = keras.Variable(np.zeros(horizons, np.float32), trainable=False)

    def begin(self, outline: FitOutline) -> None:
        self._logs.assign(np.zeros(self._logs.shape, np.float32))

    def state(self) -> State:
        return {LOG_VARIANCES: self._logs}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        require_names(arrays, (LOG_VARIANCES,))
        self._logs.assign(arrays[LOG_VARIANCES])

    def batch(self, tensors: StepTensors) -> StepTensors:
        return tensors._replace(weight=tensors.weight * self._weights(_weighs(tensors)))

    def gradients(self, tensors: StepTensors, compute: Compute) -> StepGradients:
        found = compute(tensors)
        logs = self._logs.value
        weighs = _weighs(tensors)
        plain = found.by_horizon / self._weights(weighs)
        slope = ops.where(weighs, 1.0 - ops.exp(-logs) * plain, 0.0)
        self._logs.assign(logs - RATE * slope)
        return found

    def _weights(self, weighs: Any) -> Any:
        inverse, among = ops.exp(-self._logs.value), ops.cast(weighs, "float32")
        mean = ops.sum(inverse * among) / ops.maximum(ops.sum(among), 1.0)
        return inverse / ops.where(mean > 0, mean, 1.0)


def _weighs(tensors: StepTensors) -> Any:
    """Return whether each horizon weighs anything in a batch, bool `(horizons,)`."""
    return ops.any(tensors.weight > 0, axis=0)


def build_horizon_weights(config: FitConfig, model: keras.Model) -> HorizonWeights | None:
    """Return it where `fit.learned_horizon_weights` asks for it.

    Raises:
        ValueError: A net of one horizon.
    """
    if not config.learned_horizon_weights:
        return None
    said = "fit.learned_horizon_weights weighs horizons against each other"
    return HorizonWeights(several_horizons(model, said))
