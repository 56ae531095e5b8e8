"""One pass forward and back of a model, as a step makes it, here or in another process."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from ultimate_deep.models.layers import DenseStack, MemberStem, ResidualStack
from ultimate_deep.training.batches.batch_loss import BatchLoss
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.losses.loss import Loss
from ultimate_deep.training.participant import Compute, StepGradients, StepTensors

FUSED_LAYERS = (ResidualStack, DenseStack, MemberStem)


def uses_xla(model: keras.Model, config: FitConfig) -> bool:
    """Return whether the training step is compiled with XLA.

    `auto` compiles where a stack of blocks runs as a loop: there a step is more than twice as
    fast with XLA. It does too where a stem has members, whose step takes a third less time.
    Unrolled layers gain little and take long to compile.
    """
    if config.jit_compile != "auto":
        return config.jit_compile
    layers = model._flatten_layers(include_self=False)
    return any(isinstance(layer, FUSED_LAYERS) for layer in layers)


def _as_it_is(total: Any) -> Any:
    return total


class GradientPass:
    """Loss and gradients of a batch at the weights as they are.

    Args:
        model: Built Keras model, heads as `models.heads.prediction_heads` gives them.
        loss: What is minimised.
        scaled: What the sum of loss and penalty is multiplied by before the way back, as a
            function of it.
    """

    def __init__(
        self, model: keras.Model, loss: Loss, scaled: Callable[[Any], Any] = _as_it_is
    ) -> None:
        self.model, self.losses = model, BatchLoss(model, loss)
        self._scaled = scaled

    def __call__(self, tensors: StepTensors) -> StepGradients:
        """Pass forward and back once."""
        variables = self.model.trainable_variables
        with tf.GradientTape() as tape:
            found = self.losses(tensors)
            total = self._scaled(found.loss + found.penalty)
        gradients = tape.gradient(total, [variable.value for variable in variables])
        return StepGradients(found.loss, found.penalty, gradients, found.by_horizon)


def compiled_alone(function: Callable[..., Any], *, jit_compile: bool) -> Any:
    """Return a function that is compiled by itself, whatever calls it.

    Nothing around it is merged into it, so that its results are the same bits in every program
    and process that calls it with the same values.

    Args:
        function: Takes and returns tensors.
        jit_compile: Whether XLA compiles it.
    """
    alone = {"_noinline": True}
    return tf.function(
        function, autograph=False, jit_compile=jit_compile, experimental_attributes=alone
    )


def pass_alone(one: GradientPass, *, jit_compile: bool) -> Compute:
    """Return a pass that is compiled by itself; what parts of a batch are computed by."""
    compiled: Compute = compiled_alone(one, jit_compile=jit_compile)
    return compiled
