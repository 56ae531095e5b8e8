"""Other weights in a model for a while, with the statistics of its norms that suit them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ultimate_deep.training.loop.checkpoint import to_numpy
from ultimate_deep.training.loop.step import as_model_inputs
from ultimate_deep.training.participant import FitOutline


def is_float(variable: keras.Variable) -> bool:
    """Return whether a variable holds real numbers: no counter and no state of a generator."""
    return "float" in str(variable.dtype)


@contextmanager
def swapped(pairs: Sequence[tuple[keras.Variable, Any]]) -> Iterator[None]:
    """Give variables other values, and on leaving those back that they had, bit for bit.

    Args:
        pairs: Variables with what they hold meanwhile, a variable or a tensor.
    """
    kept = [to_numpy(variable) for variable, _ in pairs]
    for variable, value in pairs:
        variable.assign(value)
    try:
        yield
    finally:
        for (variable, _), value in zip(pairs, kept, strict=True):
            variable.assign(value)


class Statistics:
    """Moving statistics of a model's norms, computed anew from the training rows.

    Args:
        model: A built model.
    """

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        still = model.non_trainable_variables
        self.variables = [v for v in still if is_float(v)]
        self._seeds = [v for v in still if not is_float(v)]
        self._moving: list[keras.Variable] | None = None
        self._pass = tf.function(lambda x: model(x, training=True), autograph=False)

    @contextmanager
    def anew(self, outline: FitOutline) -> Iterator[None]:
        """Hold the statistics of the weights as they are, and put the old ones back.

        A model without any is left alone. Masks are drawn meanwhile and drawn again afterwards.

        Source: Izmailov et al. (2018), arXiv:1803.05407, sec. 3.2: means over the batches of one
        pass.
        """
        if self._moving is None:
            self._moving = self._found_moving(outline)
        self.variables = self._moving
        if not self.variables:
            yield
            return
        kept = [(v, to_numpy(v)) for v in (*self.variables, *self._seeds)]
        try:
            for variable, value in zip(self.variables, self._means(outline), strict=True):
                variable.assign(value)
            for variable, value in kept[len(self.variables) :]:
                variable.assign(value)
            yield
        finally:
            for variable, value in kept:
                variable.assign(value)

    def _found_moving(self, outline: FitOutline) -> list[keras.Variable]:
        """Return the variables that a pass in training moves: frozen weights are none of them."""
        if not self.variables:
            return []
        kept = [(v, to_numpy(v)) for v in (*self.variables, *self._seeds)]
        rows = _shuffled(outline)[: outline.batch_size]
        self._pass(as_model_inputs(self._model, _batch(outline.inputs, rows), tf.convert_to_tensor))
        moved = [v for v, value in kept if not np.array_equal(to_numpy(v), value)]
        for variable, value in kept:
            variable.assign(value)
        return [v for v in moved if is_float(v)]

    def _means(self, outline: FitOutline) -> list[np.ndarray]:
        """Return the mean of every statistic over the batches of the training part.

        A layer moves its statistic to `m s + (1 - m) b` with a momentum of its own; what a batch
        itself has, `b`, follows from starting at 0, and `m` from starting at 1 once.
        """
        size, rows, order = outline.batch_size, outline.rows, _shuffled(outline)
        starts = range(0, max(rows - size + 1, 1), size)
        first = self._moved(outline, order[:size], 1.0)
        means = [np.zeros(tuple(v.shape)) for v in self.variables]
        for start in starts:
            found = self._moved(outline, order[start : start + size], 0.0)
            if start == 0:
                momentum = [one - zero for one, zero in zip(first, found, strict=True)]
            for place, (zero, m) in enumerate(zip(found, momentum, strict=True)):
                # What does not move is no statistic and stays; so does one of momentum 1.
                means[place] += np.where(m < 1.0, zero / np.where(m < 1.0, 1.0 - m, 1.0), 0.0)
        return [
            np.where(m < 1.0, mean / len(starts), to_numpy(v).astype(np.float64)).astype(v.dtype)
            for mean, m, v in zip(means, momentum, self.variables, strict=True)
        ]

    def _moved(self, outline: FitOutline, rows: np.ndarray, value: float) -> list[np.ndarray]:
        """Return the statistics after one batch of rows that they entered with `value`."""
        x = _batch(outline.inputs, rows)
        was = [to_numpy(v) for v in self.variables]
        seeds = [to_numpy(v) for v in self._seeds]
        for variable in self.variables:
            variable.assign(np.full(tuple(variable.shape), value, dtype=variable.dtype))
        self._pass(as_model_inputs(self._model, x, tf.convert_to_tensor))
        found = [to_numpy(v).astype(np.float64) for v in self.variables]
        for variable, old in zip((*self.variables, *self._seeds), (*was, *seeds), strict=True):
            variable.assign(old)
        return found


def _shuffled(outline: FitOutline) -> np.ndarray:
    """Return the training rows in an order that has nothing to do with time, always the same."""
    return np.random.default_rng(0).permutation(outline.rows)


def _batch(inputs: Mapping[str, Any], rows: np.ndarray) -> Any:
    taken = {name: np.asarray(values[rows]) for name, values in inputs.items()}
    return taken["x"] if set(taken) == {"x"} else taken
