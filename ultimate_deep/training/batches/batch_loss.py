"""The loss of one batch, as every backend differentiates it."""

from typing import Any, NamedTuple

import keras
from keras import ops

from ultimate_deep.models.surgery.readings import training_readings
from ultimate_deep.training.losses.loss import Loss
from ultimate_deep.training.losses.members import members_elements
from ultimate_deep.training.losses.outputs import by_head
from ultimate_deep.training.participant import StepTensors


class BatchLosses(NamedTuple):
    """Losses of a batch.

    Args:
        loss: Weighted mean over rows and horizons, a float32 scalar.
        penalty: What the model adds to it, a float32 scalar.
        by_horizon: Weighted mean over rows, float32 `(horizons,)`.
    """

    loss: Any
    penalty: Any
    by_horizon: Any


class BatchLoss:
    """The loss of a batch at the weights as they are.

    It is `mean(weight * loss)` over rows and horizons plus what the model adds (L2). Of a model
    with members, the loss of a label is that of its members, each by itself, averaged over them
    and, by the readings' weights, over what is read of them.

    Args:
        model: Built Keras model, heads as `models.heads.prediction_heads` gives them.
        loss: What is minimised.
    """

    def __init__(self, model: keras.Model, loss: Loss) -> None:
        self.model, self.loss = model, loss
        self.readings = training_readings(model)

    def __call__(self, tensors: StepTensors) -> BatchLosses:
        """Pass forward once, as in training."""
        weighted = tensors.weight * self._elements(tensors)
        added = self.model.losses
        penalty = ops.cast(sum(added), "float32") if added else ops.zeros(())
        return BatchLosses(ops.mean(weighted), penalty, ops.mean(weighted, axis=0))

    def _elements(self, tensors: StepTensors) -> Any:
        """Return the loss of every label of the batch, `(batch, horizons)`."""
        if self.readings is None:
            outputs = by_head(self.model(tensors.x, training=True))
            return self.loss.elements(tensors.targets, outputs)
        found = self.readings.model(tensors.x, training=True)
        elements = [
            weight * members_elements(self.loss, tensors.targets, by_head(outputs))
            for weight, outputs in zip(self.readings.weights, found.values(), strict=True)
        ]
        return sum(elements)
