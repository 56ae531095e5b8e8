"""The compiled training step and the compiled forward pass, on JAX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import keras
import numpy as np

from ultimate_deep.training.batches.batch_loss import BatchLoss
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.jax_placement import Placement
from ultimate_deep.training.loop.step import ForwardPass, Step, heads_of
from ultimate_deep.training.participant import Participant, StepGradients, StepTensors


class _Noting(keras.StatelessScope):
    """A scope that notes which variables are read or written that it was not given.

    Args:
        known: Variables with their values.
        noted: Where the others are noted, by their identity.
    """

    def __init__(
        self, known: list[tuple[keras.Variable, Any]], noted: dict[int, keras.Variable]
    ) -> None:
        super().__init__(state_mapping=known)
        self._noted = noted

    def get_current_value(self, variable: keras.Variable) -> Any:
        """Return its value within the scope, None where it is that outside."""
        found = super().get_current_value(variable)
        if found is None:
            self._noted[id(variable)] = variable
        return found

    def add_update(self, update: tuple[keras.Variable, Any]) -> None:
        """Give a variable a value within the scope."""
        self.get_current_value(update[0])
        super().add_update(update)


class JaxStep(Step):
    """A step as a pure function of all that it reads and writes.

    Which variables these are, seeds of augmentations among them, is found by tracing it once.

    Args:
        model: Built Keras model, heads as `models.heads.prediction_heads` gives them.
        config: Optimizer, loss and how devices share the work.
        participant: Whose hooks `batch` and `gradients` are compiled into the step.

    Raises:
        ValueError: A setting that only TensorFlow has, a model whose heads do not suit the loss, or
            devices among which there is nothing to share out.
    """

    def __init__(
        self, model: keras.Model, config: FitConfig, participant: Participant | None = None
    ) -> None:
        super().__init__(model, config, participant)
        self.jit_compile = True
        self.placement = Placement(config.sharding, model)
        sizes = config.batch_size_schedule or (config.rows_of_step,)
        what = "fit.batch_size_schedule" if config.batch_size_schedule else "fit.batch_size"
        for rows in sizes:
            self.placement.check_rows(rows, what)
        self._losses = BatchLoss(model, self.loss)
        self.readings = self._losses.readings
        self._variables: list[keras.Variable] = []
        self._compiled: Any = None
        self._traced: set[int] = set()

    @property
    def sharing(self) -> str:
        """What devices share out among them, for a plan; empty where nothing is."""
        return self.placement.said

    def _to_tensor(self, values: np.ndarray) -> Any:
        return self.placement.rows(values)

    def on_tensors(
        self, x: Any, targets: Mapping[str, Any], weight: Any, learning_rate: float
    ) -> tuple[Any, Any]:
        """Take one step on a batch from `to_tensors`."""
        arguments = (x, dict(targets), weight, np.float32(learning_rate))
        if self._compiled is None:
            self._compile(arguments)
        self.participant.before_step()
        values = [self.placement.value(variable) for variable in self._variables]
        new, loss, penalty = self._compiled(values, *arguments)
        for variable, value in zip(self._variables, new, strict=True):
            variable.assign(value)
        self._traced.add(weight.shape[0])
        return loss, penalty

    def has_traced(self, rows: int) -> bool:
        """Return whether a batch of so many rows has been stepped on before."""
        return rows in self._traced

    def _compile(self, arguments: tuple[Any, ...]) -> None:
        known = [*self.model.variables, *self.optimizer.variables, *self.counters]
        noted: dict[int, keras.Variable] = {}
        values = [variable.value for variable in known]
        jax.eval_shape(lambda given: self._pure(known, noted, given, *arguments), values)
        self._variables = [*known, *noted.values()]
        layouts: Any = None
        if self.placement.sharding != "none":
            of_variables = [self.placement.of_variable(one) for one in self._variables]
            layouts = (of_variables, self.placement.replicated, self.placement.replicated)
        self._compiled = jax.jit(
            lambda given, *rest: self._pure(self._variables, {}, given, *rest),
            donate_argnums=0,
            out_shardings=layouts,
        )

    def _pure(
        self,
        variables: list[keras.Variable],
        noted: dict[int, keras.Variable],
        values: list[Any],
        x: Any,
        targets: dict[str, Any],
        weight: Any,
        learning_rate: Any,
    ) -> tuple[list[Any], Any, Any]:
        """Return all variables' values after a step from these, the loss and the penalty."""

        def compute(tensors: StepTensors) -> StepGradients:
            return self._differentiated(variables, noted, tensors)

        with _Noting(list(zip(variables, values, strict=True)), noted) as scope:
            self.inner_optimizer().learning_rate.assign(learning_rate)
            tensors = self.participant.batch(StepTensors(x, targets, weight))
            found = self.participant.gradients(tensors, compute)
            self.optimizer.apply(found.gradients, self.model.trainable_variables)
        after = [scope.get_current_value(variable) for variable in variables]
        return after, found.loss, found.penalty

    def _differentiated(
        self,
        variables: list[keras.Variable],
        noted: dict[int, keras.Variable],
        tensors: StepTensors,
    ) -> StepGradients:
        """Pass forward and back once, in the scope of a step."""
        trained = self.model.trainable_variables
        ids = {id(variable) for variable in trained}
        others = [variable for variable in variables if id(variable) not in ids]

        def total(weights: list[Any]) -> tuple[Any, Any]:
            given = [*zip(trained, weights, strict=True), *((one, one.value) for one in others)]
            with _Noting(given, noted) as scope:
                losses = self._losses(tensors)
            moved = [scope.get_current_value(variable) for variable in others]
            return losses.loss + losses.penalty, (losses, moved)

        weights = [variable.value for variable in trained]
        gradients, (losses, moved) = jax.grad(total, has_aux=True)(weights)
        for variable, value in zip(others, moved, strict=True):
            variable.assign(value)
        return StepGradients(losses.loss, losses.penalty, gradients, losses.by_horizon)


class JaxForward(ForwardPass):
    """Predictions on JAX.

    Args:
        model: The model to run.
        batch_size: Rows of a batch.
        placement: Where its variables lie.
    """

    def __init__(self, model: keras.Model, batch_size: int, placement: Placement) -> None:
        super().__init__(model, batch_size)
        placement.check_rows(batch_size, "fit.evaluation_batch_size")
        self._placement = placement
        layout = placement.replicated
        self._compiled = jax.jit(self._pure, out_shardings=layout)

    def _pure(self, values: list[Any], x: Any) -> dict[str, Any]:
        known = list(zip(self.model.variables, values, strict=True))
        with keras.StatelessScope(state_mapping=known):
            return heads_of(self.model, x)

    def _compiled_heads(self, x: Any) -> Mapping[str, Any]:
        values = [self._placement.value(variable) for variable in self.model.variables]
        found: Mapping[str, Any] = self._compiled(values, x)
        return found

    def _to_tensor(self, values: np.ndarray) -> Any:
        return self._placement.rows(values)
