"""What every training step and forward pass is, whatever backend computes it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from typing import Any

import keras
import numpy as np

from ultimate_deep.machine.prefetch import ahead_for, prefetched
from ultimate_deep.models.heads import direction_logits
from ultimate_deep.training.arrays import Arrays, BatchInputs
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.checkpoint import to_numpy
from ultimate_deep.training.losses.outputs import LOGITS, by_head, head_shapes
from ultimate_deep.training.losses.registry import build_loss
from ultimate_deep.training.optimizers.build import build_optimizer
from ultimate_deep.training.participant import Participant, StepTensors


class Step(ABC):
    """One optimizer step on a batch; traced and compiled at the first call with its size.

    Args:
        model: Built Keras model, heads as `models.heads.prediction_heads` gives them.
        config: Optimizer, loss and compilation.
        participant: Whose hooks `batch` and `gradients` are compiled into the step.

    Raises:
        ValueError: A model whose heads do not suit the loss.
    """

    jit_compile: bool
    readings: Any

    def __init__(
        self, model: keras.Model, config: FitConfig, participant: Participant | None = None
    ) -> None:
        self.model = model
        self.participant = participant or Participant()
        self.loss = build_loss(config.training_loss(), head_shapes(model.output))
        self.optimizer = build_optimizer(model, config)
        # What overflows in float16 leaves the optimizer as it was: its iterations fall behind.
        self._tried = None
        if self.optimizer is not self.inner_optimizer():
            self._tried = keras.Variable(0, dtype="int32", trainable=False, name="tried_steps")

    def __call__(
        self,
        x: BatchInputs,
        targets: Mapping[str, np.ndarray],
        weight: np.ndarray,
        learning_rate: float,
    ) -> tuple[Any, Any]:
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
            x=as_model_inputs(self.model, x, self._to_tensor),
            targets={name: self._to_tensor(targets[name]) for name in self.loss.targets},
            weight=self._to_tensor(weight),
        )

    @abstractmethod
    def _to_tensor(self, values: np.ndarray) -> Any:
        """Return rows as a tensor."""

    @abstractmethod
    def on_tensors(
        self, x: Any, targets: Mapping[str, Any], weight: Any, learning_rate: float
    ) -> tuple[Any, Any]:
        """Take one step on a batch from `to_tensors`."""

    @abstractmethod
    def has_traced(self, rows: int) -> bool:
        """Return whether a batch of so many rows has been stepped on before."""

    def variables(self) -> dict[str, keras.Variable]:
        """Return everything that a step reads or writes, by a name unique in this model.

        Weights, moving statistics, seed generators' states; the optimizer's moments, iterations
        and learning rate; the loss scale, and how many steps were tried with it.
        """
        named = {f"model/{i}/{v.path}": v for i, v in enumerate(self.model.variables)}
        moments = {f"optimizer/{i}/{v.path}": v for i, v in enumerate(self.optimizer.variables)}
        return named | moments | {one.path: one for one in self.counters}

    @property
    def sharing(self) -> str:
        """What devices share out among them, for a plan; empty where nothing is."""
        return ""

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

    def inner_optimizer(self) -> keras.optimizers.Optimizer:
        """Return the optimizer itself, without the loss scale around it."""
        return getattr(self.optimizer, "inner_optimizer", self.optimizer)


class ForwardPass(ABC):
    """Predictions for any number of rows, in batches of one fixed size.

    Args:
        model: The model to run.
        batch_size: Rows of a batch; the last one is filled up with zeros and cut again.
    """

    def __init__(self, model: keras.Model, batch_size: int) -> None:
        self.model = model
        self.batch_size = batch_size

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
                for name, values in self._compiled_heads(x).items():
                    batch = np.asarray(values)[: rows.stop - start]
                    if name not in found:
                        found[name] = np.empty((arrays.rows, *batch.shape[1:]), np.float32)
                    found[name][rows] = batch
        return found

    def batch(self, x: BatchInputs) -> np.ndarray:
        """Return the logits of "up" of one batch, filled up to the fixed size."""
        return np.asarray(self._compiled_heads(self._tensors(x))[LOGITS])

    @abstractmethod
    def _compiled_heads(self, x: Any) -> Mapping[str, Any]:
        """Return the outputs of every head for one whole batch, and `logits`."""

    @abstractmethod
    def _to_tensor(self, values: np.ndarray) -> Any:
        """Return rows as a tensor."""

    def _batches(self, arrays: Arrays) -> Generator[tuple[int, Any]]:
        """Yield the first row and the tensors of each batch."""
        starts = range(0, arrays.rows, self.batch_size)

        def prepare(start: int) -> tuple[int, Any]:
            stop = min(start + self.batch_size, arrays.rows)
            return start, self._tensors(arrays.take(slice(start, stop)))

        ahead = ahead_for(self.batch_size * arrays.row_bytes)
        return prefetched(prepare, starts, ahead=ahead)

    def _tensors(self, x: BatchInputs) -> Any:
        return as_model_inputs(self.model, x, self._filled)

    def _filled(self, values: np.ndarray) -> Any:
        missing = self.batch_size - len(values)
        if missing:
            values = np.pad(values, [(0, missing)] + [(0, 0)] * (values.ndim - 1))
        return self._to_tensor(values)


def heads_of(model: keras.Model, x: Any) -> dict[str, Any]:
    """Return the outputs of every head as it predicts, and `logits`, those of "up"."""
    outputs = model(x, training=False)
    return {**by_head(outputs), LOGITS: direction_logits(outputs)}


def as_model_inputs(
    model: keras.Model, x: BatchInputs, convert: Callable[[np.ndarray], Any]
) -> Any:
    """Return the converted arrays in the structure, tensor or dict, that the model was built on."""
    named = x if isinstance(x, Mapping) else {model.inputs[0].name: x}
    return keras.tree.map_structure(lambda tensor: convert(named[tensor.name]), model.input)
