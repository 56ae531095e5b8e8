"""The compiled training step and the compiled forward pass, on TensorFlow."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from models.layers import DenseStack, ResidualStack
from training.fitting.arrays import Arrays, Inputs
from training.fitting.fit_config import FitConfig
from training.fitting.optimizers import build_optimizer

LOOPED_LAYERS = (ResidualStack, DenseStack)


def uses_xla(model: keras.Model, config: FitConfig) -> bool:
    """Return whether the training step is compiled with XLA.

    `auto` compiles where a stack of blocks runs as a loop: there a step is more than twice as
    fast with XLA, while unrolled layers gain little and take long to compile.
    """
    if config.jit_compile != "auto":
        return config.jit_compile
    layers = model._flatten_layers(include_self=False)
    return any(isinstance(layer, LOOPED_LAYERS) for layer in layers)


class TrainStep:
    """One optimizer step on a batch of fixed size; traced and compiled at the first call.

    The loss of a batch is `mean(weight * cross_entropy(y, logits))` over rows and horizons plus
    what the model adds (L2). Weights average one over the training part, so that this is the
    weighted mean in expectation.

    Args:
        model: Built Keras model, logits `(batch, horizons)` float32.
        config: Optimizer, label smoothing and compilation.

    Raises:
        RuntimeError: Keras runs on another backend than TensorFlow.
    """

    def __init__(self, model: keras.Model, config: FitConfig) -> None:
        if keras.backend.backend() != "tensorflow":
            raise RuntimeError(
                f"fit runs on the TensorFlow backend, got {keras.backend.backend()}; "
                "set KERAS_BACKEND=tensorflow"
            )
        self.model = model
        self.optimizer = build_optimizer(model, config)
        self.jit_compile = uses_xla(model, config)
        self._smoothing = config.label_smoothing
        self._compiled = tf.function(self._step, autograph=False, jit_compile=self.jit_compile)
        self._concrete: Callable[..., tuple[tf.Tensor, tf.Tensor]] | None = None

    def __call__(
        self, x: Inputs, y: np.ndarray, weight: np.ndarray, learning_rate: float
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Take one step and return `(loss, penalty)`, two float32 scalars, perhaps still computing.

        Args:
            x: Inputs of the batch.
            y: Labels `(batch, horizons)`.
            weight: Weights `(batch, horizons)`.
            learning_rate: Learning rate of this step.
        """
        arguments = (
            as_model_inputs(self.model, x, tf.convert_to_tensor),
            tf.convert_to_tensor(y),
            tf.convert_to_tensor(weight),
            tf.constant(learning_rate, tf.float32),
        )
        if self._concrete is None:
            self._concrete = self._compiled.get_concrete_function(*arguments)
        # Calling the one trace directly spares looking for it among many: 1.5 ms a step.
        loss, penalty = self._concrete(*arguments)
        return loss, penalty

    def variables(self) -> dict[str, keras.Variable]:
        """Return everything that a step reads or writes, by a name unique in this model.

        Weights, moving statistics, seed generators' states; the optimizer's moments, iterations
        and learning rate; the loss scale.
        """
        named = {f"model/{i}/{v.path}": v for i, v in enumerate(self.model.variables)}
        moments = {f"optimizer/{i}/{v.path}": v for i, v in enumerate(self.optimizer.variables)}
        return named | moments

    def _step(
        self, x: Any, y: tf.Tensor, weight: tf.Tensor, learning_rate: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        model, optimizer = self.model, self.optimizer
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        inner.learning_rate.assign(learning_rate)
        variables = model.trainable_variables
        target = y * (1.0 - self._smoothing) + 0.5 * self._smoothing
        with tf.GradientTape() as tape:
            logits = model(x, training=True)
            loss = ops.mean(weight * logit_cross_entropy(target, logits))
            penalty = ops.cast(sum(model.losses), "float32") if model.losses else ops.zeros(())
            total = loss + penalty
            if optimizer is not inner:
                total = optimizer.scale_loss(total)
        gradients = tape.gradient(total, [variable.value for variable in variables])
        optimizer.apply(gradients, variables)
        return loss, penalty


class Forward:
    """Logits of any number of rows, in batches of one fixed size.

    Args:
        model: The model.
        batch_size: Rows of a batch; the last one is filled up with zeros and cut again.
        jit_compile: Whether to compile with XLA.
    """

    def __init__(self, model: keras.Model, batch_size: int, *, jit_compile: bool) -> None:
        self.model = model
        self.batch_size = batch_size
        self._compiled = tf.function(
            lambda x: model(x, training=False), autograph=False, jit_compile=jit_compile
        )

    def __call__(
        self, arrays: Arrays, before_batch: Callable[[], None] = lambda: None
    ) -> np.ndarray:
        """Return the logits of all rows, float32 `(rows, horizons)`.

        Args:
            arrays: The rows.
            before_batch: Called before each batch; what it raises ends the pass.
        """
        logits = np.empty((arrays.rows, arrays.horizons), np.float32)
        for start in range(0, arrays.rows, self.batch_size):
            before_batch()
            stop = min(start + self.batch_size, arrays.rows)
            logits[start:stop] = self.batch(arrays.take(slice(start, stop)))[: stop - start]
        return logits

    def batch(self, x: Inputs) -> np.ndarray:
        """Return the logits of one batch, filled up to the fixed size."""
        return self._compiled(as_model_inputs(self.model, x, self._fill)).numpy()

    def _fill(self, values: np.ndarray) -> tf.Tensor:
        missing = self.batch_size - len(values)
        if missing:
            values = np.pad(values, [(0, missing)] + [(0, 0)] * (values.ndim - 1))
        return tf.convert_to_tensor(values)


def as_model_inputs(
    model: keras.Model, x: Inputs, convert: Callable[[np.ndarray], tf.Tensor]
) -> Any:
    """Return the converted arrays in the structure, tensor or dict, that the model was built on."""
    named = x if isinstance(x, dict) else {model.inputs[0].name: x}
    return tf.nest.map_structure(lambda tensor: convert(named[tensor.name]), model.input)


def logit_cross_entropy(y: Any, logits: Any) -> Any:
    """Return the element-wise binary cross-entropy in nats, of the shape of `logits`.

    `max(l, 0) - l * y + log(1 + exp(-|l|))`, finite for every finite logit.
    """
    return ops.maximum(logits, 0.0) - logits * y + ops.log1p(ops.exp(-ops.abs(logits)))
