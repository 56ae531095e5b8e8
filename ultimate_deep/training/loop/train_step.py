"""The compiled training step and the compiled forward pass, on TensorFlow."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ultimate_deep.training.batches.gradient_pass import (
    GradientPass,
    compiled_alone,
    pass_alone,
    uses_xla,
)
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.step import ForwardPass, Step, heads_of
from ultimate_deep.training.participant import (
    Compute,
    Participant,
    StepGradients,
    StepTensors,
)


class TrainStep(Step):
    """A step whose loss is that of `BatchLoss`.

    Weights of labels average one over the training part, so that this is the weighted mean in
    expectation.

    Of a batch in parts, one part's pass and the optimizer's step are compiled each by itself, so
    that a part has the same bits wherever it is computed; what is between them is not compiled
    with XLA.

    Raises:
        RuntimeError: Keras runs on another backend than TensorFlow.
        ValueError: A model whose heads do not suit the loss.
    """

    def __init__(
        self, model: keras.Model, config: FitConfig, participant: Participant | None = None
    ) -> None:
        if keras.backend.backend() != "tensorflow":
            raise RuntimeError(
                f"this step runs on the TensorFlow backend, got {keras.backend.backend()}; "
                "set KERAS_BACKEND=tensorflow"
            )
        super().__init__(model, config, participant)
        self.jit_compile = xla = uses_xla(model, config)
        self._pass = GradientPass(model, self.loss, self._scaled)
        self.readings = self._pass.losses.readings
        self._found_by: Compute = self._pass
        self._apply: Callable[[list[Any]], None] = self._optimized
        in_parts = config.gradients.micro_batches > 1
        if in_parts:
            self._found_by = pass_alone(self._pass, jit_compile=xla)
            self._apply = compiled_alone(self._optimized, jit_compile=xla)
        whole = xla and not in_parts
        self._compiled = tf.function(self._step, autograph=False, jit_compile=whole)
        self._traced: dict[int, Callable[..., tuple[tf.Tensor, tf.Tensor]]] = {}

    def _to_tensor(self, values: np.ndarray) -> Any:
        return tf.convert_to_tensor(values)

    def on_tensors(
        self, x: Any, targets: Mapping[str, tf.Tensor], weight: tf.Tensor, learning_rate: float
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Take one step on a batch from `to_tensors`."""
        arguments = (x, targets, weight, tf.constant(learning_rate, tf.float32))
        rows = weight.shape[0]
        if rows not in self._traced:
            self._traced[rows] = self._compiled.get_concrete_function(*arguments)
        self.participant.before_step()
        # Calling a trace directly spares TensorFlow's own way of finding it: 1.5 ms a step.
        loss, penalty = self._traced[rows](*arguments)
        return loss, penalty

    def has_traced(self, rows: int) -> bool:
        """Return whether a batch of so many rows has been stepped on before."""
        return rows in self._traced

    def _step(
        self,
        x: Any,
        targets: dict[str, tf.Tensor],
        weight: tf.Tensor,
        learning_rate: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        self.inner_optimizer().learning_rate.assign(learning_rate)
        if self._tried is not None:
            self._tried.assign_add(1)
        tensors = self.participant.batch(StepTensors(x, targets, weight))
        found = self.participant.gradients(tensors, self._found_by)
        self._apply(found.gradients)
        return found.loss, found.penalty

    def _gradients(self, tensors: StepTensors) -> StepGradients:
        """Pass forward and back once."""
        return self._pass(tensors)

    def _optimized(self, gradients: list[Any]) -> None:
        """Let the optimizer step."""
        self.optimizer.apply(gradients, self.model.trainable_variables)

    def _scaled(self, total: Any) -> Any:
        """Return a loss as it is differentiated: times the loss scale, where there is one."""
        if self.optimizer is self.inner_optimizer():
            return total
        return self.optimizer.scale_loss(total)


class Forward(ForwardPass):
    """Predictions on TensorFlow.

    Args:
        model: The model to run.
        batch_size: Rows of a batch.
        jit_compile: Whether to compile with XLA.
    """

    def __init__(self, model: keras.Model, batch_size: int, *, jit_compile: bool) -> None:
        super().__init__(model, batch_size)
        self._compiled = tf.function(self._heads, autograph=False, jit_compile=jit_compile)

    def _heads(self, x: Any) -> dict[str, tf.Tensor]:
        return heads_of(self.model, x)

    def _compiled_heads(self, x: Any) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._compiled(x)
        return found

    def _to_tensor(self, values: np.ndarray) -> Any:
        return tf.convert_to_tensor(values)
