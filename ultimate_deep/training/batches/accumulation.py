"""Batches that are computed part by part, and their gradients added in one order for ever."""

from typing import Any

import keras
import tensorflow as tf

from ultimate_deep.training.losses.outputs import head_shapes
from ultimate_deep.training.participant import (
    Compute,
    Participant,
    StepGradients,
    StepTensors,
)


class Accumulation(Participant):
    """Computes a batch in micro-batches and averages their gradients along a binary tree.

    Part `i` has the rows from `i * rows / parts`; sums are those of a perfect tree over the parts,
    so that who computes a subtree, here or elsewhere, finds the same bits of it. Masks are drawn
    anew for each part, in order. Each part sees the statistics of norms as the step found them,
    and they move once, to the mean of what the parts moved them to.

    Args:
        model: The model that is trained.
        parts: Number of micro-batches, a power of two.
    """

    def __init__(self, model: keras.Model, parts: int) -> None:
        self._parts = parts
        horizons = head_shapes(model.output).horizons
        still = model.non_trainable_variables
        self._statistics = [v for v in still if "float" in str(v.dtype)]
        numbers = [((), "float32"), ((), "float32"), ((horizons,), "float32")]
        found = (*self._statistics, *numbers, *model.trainable_variables)
        self._shapes = [
            one if isinstance(one, tuple) else (tuple(one.shape), str(one.dtype)) for one in found
        ]

    def gradients(self, tensors: StepTensors, compute: Compute) -> StepGradients:
        return self.finished(self.sums(tensors, compute, self._parts))

    @property
    def values_before_gradients(self) -> int:
        """How many values come before the gradients in `sums`: statistics and losses."""
        return len(self._statistics) + 3

    def finished(self, sums: list[Any]) -> StepGradients:
        """Return the means of what all parts add up to, and move the statistics to theirs.

        Args:
            sums: What `sums` gives of all parts.
        """
        means = [one * tf.cast(1.0 / self._parts, one.dtype) for one in sums]
        kept = len(self._statistics)
        for variable, mean in zip(self._statistics, means[:kept], strict=True):
            variable.assign(mean)
        loss, penalty, by_horizon, *gradients = means[kept:]
        return StepGradients(loss, penalty, gradients, by_horizon)

    def sums(self, tensors: StepTensors, compute: Compute, parts: int, first: int = 0) -> list[Any]:
        """Return what the parts of one subtree add up to: statistics, losses, gradients.

        Statistics are left as they were.

        Args:
            tensors: The whole batch.
            compute: One pass forward and back.
            parts: Parts of the subtree, a power of two.
            first: The first of them, a multiple of `parts`.
        """
        rows = int(tensors.weight.shape[0])
        if rows % self._parts:
            raise ValueError(
                f"a batch is cut into {self._parts} parts of equal size (fit.gradients, or halves "
                f"that noise is measured from), got {rows} rows; set fit.batch_size to a multiple "
                "of all parts"
            )
        size = rows // self._parts
        before = [tf.identity(variable.value) for variable in self._statistics]

        def part(number: Any) -> list[Any]:
            for variable, value in zip(self._statistics, before, strict=True):
                variable.assign(value)
            taken = tf.nest.map_structure(lambda one: _rows(one, number * size, size), tensors)
            return self._of(compute, taken)

        found = self._tree(part, tf.constant(first), parts.bit_length() - 1)
        for variable, value in zip(self._statistics, before, strict=True):
            variable.assign(value)
        return found

    def _of(self, compute: Compute, tensors: StepTensors) -> list[Any]:
        """Return the statistics, losses and gradients of one part, flat."""
        found = compute(tensors)
        moved = [tf.identity(variable.value) for variable in self._statistics]
        gradients = [tf.convert_to_tensor(one) for one in found.gradients]
        return [*moved, found.loss, found.penalty, found.by_horizon, *gradients]

    def _tree(self, part: Any, first: Any, levels: int) -> list[Any]:
        """Return the sums over `2 ** levels` parts from `first`: those of both halves, added."""
        if levels == 0:
            return part(first)
        half = 2 ** (levels - 1)

        def body(number: Any, sums: list[Any]) -> tuple[Any, list[Any]]:
            found = self._tree(part, first + number * half, levels - 1)
            return number + 1, [a + b for a, b in zip(sums, found, strict=True)]

        zeros = [tf.zeros(shape, dtype) for shape, dtype in self._shapes]
        _, sums = tf.while_loop(
            lambda number, _: number < 2,
            body,
            (tf.constant(0), zeros),
            parallel_iterations=1,
            maximum_iterations=2,
        )
        return list(sums)


def _rows(values: tf.Tensor, first: Any, size: int) -> tf.Tensor:
    """Return `size` rows of a tensor from a first one that is known only when it runs."""
    begin = tf.concat([[first], tf.zeros([len(values.shape) - 1], tf.int32)], axis=0)
    return tf.slice(values, begin, [size, *values.shape[1:]])
