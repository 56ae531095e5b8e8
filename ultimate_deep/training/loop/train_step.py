"""The compiled training step and the compiled forward pass, on TensorFlow."""

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ultimate_deep.machine.prefetch import ahead_for, prefetched
from ultimate_deep.models.heads import direction_logits
from ultimate_deep.training.arrays import Arrays, BatchInputs
from ultimate_deep.training.batches.gradient_pass import (
    GradientPass,
    compiled_alone,
    pass_alone,
    uses_xla,
)
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.checkpoint import to_numpy
from ultimate_deep.training.losses.outputs import LOGITS, by_head, head_shapes
from ultimate_deep.training.losses.registry import build_loss
from ultimate_deep.training.optimizers.build import build_optimizer
from ultimate_deep.training.participant import (
    Compute,
    Participant,
    StepGradients,
    StepTensors,
)


class TrainStep:
    """One optimizer step on a batch; traced and compiled at the first call with its size.

    Its loss is that of `GradientPass`. Weights of labels average one over the training part, so
    that this is the weighted mean in expectation.

    Of a batch in parts, one part's pass and the optimizer's step are compiled each by itself, so
    that a part has the same bits wherever it is computed; what is between them is not compiled
    with XLA.

    Args:
        model: Built Keras model, heads as `models.heads.prediction_heads` gives them.
        config: Optimizer, loss and compilation.
        participant: Whose hooks `batch` and `gradients` are compiled into the step.

    Raises:
        RuntimeError: Keras runs on another backend than TensorFlow.
        ValueError: A model whose heads do not suit the loss.
    """

    def __init__(
        self, model: keras.Model, config: FitConfig, participant: Participant | None = None
    ) -> None:
        if keras.backend.backend() != "tensorflow":
            raise RuntimeError(
                f"fit runs on the TensorFlow backend, got {keras.backend.backend()}; "
                "set KERAS_BACKEND=tensorflow"
            )
        self.model = model
        self.participant = participant or Participant()
        self.loss = build_loss(config.training_loss(), head_shapes(model.output))
        self.optimizer = build_optimizer(model, config)
        # What overflows in float16 leaves the optimizer as it was: its iterations fall behind.
        self._tried = None
        if self.optimizer is not self.inner_optimizer():
            self._tried = keras.Variable(0, dtype="int32", trainable=False, name="tried_steps")
        self.jit_compile = xla = uses_xla(model, config)
        self._pass = GradientPass(model, self.loss, self._scaled)
        self.readings = self._pass.readings
        self._found_by: Compute = self._pass
        self._apply: Callable[[list[Any]], None] = self._optimized
        in_parts = config.gradients.micro_batches > 1
        if in_parts:
            self._found_by = pass_alone(self._pass, jit_compile=xla)
            self._apply = compiled_alone(self._optimized, jit_compile=xla)
        whole = xla and not in_parts
        self._compiled = tf.function(self._step, autograph=False, jit_compile=whole)
        self._traced: dict[int, Callable[..., tuple[tf.Tensor, tf.Tensor]]] = {}

    def __call__(
        self,
        x: BatchInputs,
        targets: Mapping[str, np.ndarray],
        weight: np.ndarray,
        learning_rate: float,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Take one step and return `(loss, penalty)`, two float32 scalars, perhaps still computing.

        Args:
            x: Inputs of the batch.
            targets: What the loss compares with, by name, each `(batch, horizons)`.
            weight: Weights `(batch, horizons)`.
            learning_rate: Learning rate of this step.
        """
        return self.on_tensors(*self.to_tensors(x, targets, weight), learning_rate)

    def to_tensors(
        self, x: BatchInputs, targets: Mapping[str, np.ndarray], weight: np.ndarray
    ) -> StepTensors:
        """Return a batch as what `on_tensors` takes; another thread may do this ahead of time."""
        return StepTensors(
            x=as_model_inputs(self.model, x, tf.convert_to_tensor),
            targets={name: tf.convert_to_tensor(targets[name]) for name in self.loss.targets},
            weight=tf.convert_to_tensor(weight),
        )

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

    def variables(self) -> dict[str, keras.Variable]:
        """Return everything that a step reads or writes, by a name unique in this model.

        Weights, moving statistics, seed generators' states; the optimizer's moments, iterations
        and learning rate; the loss scale, and how many steps were tried with it.
        """
        named = {f"model/{i}/{v.path}": v for i, v in enumerate(self.model.variables)}
        moments = {f"optimizer/{i}/{v.path}": v for i, v in enumerate(self.optimizer.variables)}
        return named | moments | {one.path: one for one in self.counters}

    @property
    def counters(self) -> list[keras.Variable]:
        """What counts steps beside the optimizer."""
        return [] if self._tried is None else [self._tried]

    @property
    def overflowed_steps(self) -> int | None:
        """How many steps moved no weight, since gradients overflowed; None without a loss scale."""
        if self._tried is None:
            return None
        return int(to_numpy(self._tried)) - int(to_numpy(self.inner_optimizer().iterations))

    def go_on_from_moments(self) -> None:
        """Count overflows from here: the optimizer has been given another one's moments."""
        if self._tried is not None:
            self._tried.assign(to_numpy(self.inner_optimizer().iterations))

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

    def inner_optimizer(self) -> keras.optimizers.Optimizer:
        """Return the optimizer itself, without the loss scale around it."""
        return getattr(self.optimizer, "inner_optimizer", self.optimizer)


class Forward:
    """Predictions for any number of rows, in batches of one fixed size.

    Args:
        model: The model to run.
        batch_size: Rows of a batch; the last one is filled up with zeros and cut again.
        jit_compile: Whether to compile with XLA.
    """

    def __init__(self, model: keras.Model, batch_size: int, *, jit_compile: bool) -> None:
        self.model = model
        self.batch_size = batch_size
        self._compiled = tf.function(self._heads, autograph=False, jit_compile=jit_compile)

    def __call__(
        self, arrays: Arrays, before_batch: Callable[[], None] = lambda: None
    ) -> np.ndarray:
        """Return the logits of "up" of all rows, float32 `(rows, horizons)`.

        Args:
            arrays: The rows to run.
            before_batch: Called before each batch; what it raises ends the pass.
        """
        return self.predictions(arrays, before_batch)[LOGITS]

    def predictions(
        self, arrays: Arrays, before_batch: Callable[[], None] = lambda: None
    ) -> dict[str, np.ndarray]:
        """Return the outputs of every head for all rows, and `logits`, those of "up".

        Args:
            arrays: The rows to run.
            before_batch: Called before each batch; what it raises ends the pass.
        """
        found: dict[str, np.ndarray] = {}
        with closing(self._batches(arrays)) as batches:
            for start, x in batches:
                before_batch()
                rows = slice(start, min(start + self.batch_size, arrays.rows))
                for name, values in self._compiled(x).items():
                    batch = values.numpy()[: rows.stop - start]
                    if name not in found:
                        found[name] = np.empty((arrays.rows, *batch.shape[1:]), np.float32)
                    found[name][rows] = batch
        return found

    def batch(self, x: BatchInputs) -> np.ndarray:
        """Return the logits of "up" of one batch, filled up to the fixed size."""
        return self._compiled(self._tensors(x))[LOGITS].numpy()

    def _heads(self, x: Any) -> dict[str, tf.Tensor]:
        outputs = self.model(x, training=False)
        return {**by_head(outputs), LOGITS: direction_logits(outputs)}

    def _batches(self, arrays: Arrays) -> Generator[tuple[int, Any]]:
        """Yield the first row and the tensors of each batch."""
        starts = range(0, arrays.rows, self.batch_size)

        def prepare(start: int) -> tuple[int, Any]:
            stop = min(start + self.batch_size, arrays.rows)
            return start, self._tensors(arrays.take(slice(start, stop)))

        ahead = ahead_for(self.batch_size * arrays.row_bytes)
        return prefetched(prepare, starts, ahead=ahead)

    def _tensors(self, x: BatchInputs) -> Any:
        return as_model_inputs(self.model, x, self._fill)

    def _fill(self, values: np.ndarray) -> tf.Tensor:
        missing = self.batch_size - len(values)
        if missing:
            values = np.pad(values, [(0, missing)] + [(0, 0)] * (values.ndim - 1))
        return tf.convert_to_tensor(values)


def as_model_inputs(
    model: keras.Model, x: BatchInputs, convert: Callable[[np.ndarray], tf.Tensor]
) -> Any:
    """Return the converted arrays in the structure, tensor or dict, that the model was built on."""
    named = x if isinstance(x, Mapping) else {model.inputs[0].name: x}
    return tf.nest.map_structure(lambda tensor: convert(named[tensor.name]), model.input)
