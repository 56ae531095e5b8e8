"""A batch in parts: the gradients of the whole, and the bits of one tree."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.batches.accumulation import Accumulation
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.train_step import TrainStep
from ultimate_deep.training.settings.gradients import GradientsConfig

ROWS, PARTS = 16, 4


def net(dropout=0.0):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((5,), name="features")
    x = keras.layers.Dense(7, activation="gelu")(inputs)
    x = keras.layers.BatchNormalization(momentum=0.5)(x)
    x = keras.layers.Dropout(dropout, seed=3)(x)
    return keras.Model(inputs, keras.layers.Dense(1, name="logits", kernel_regularizer="l2")(x))


def batch():
    draws = np.random.default_rng(1)
    x = draws.normal(size=(ROWS, 5)).astype(np.float32)
    return Arrays(x=x, y=(x[:, :1] > 0).astype(np.float32))


def prepared(dropout=0.4):
    """Return a step, who cuts its batch, and the batch's tensors."""
    model, arrays = net(dropout), batch()
    step = TrainStep(model, FitConfig(jit_compile=False))
    tensors = step.to_tensors(arrays.x, arrays.targets(), np.ones((ROWS, 1), np.float32))
    return step, Accumulation(model, PARTS), tensors


def compiled(function, tensors, *, xla=False):
    run = tf.function(lambda *given: function(type(tensors)(*given)), jit_compile=xla)
    return run(*tensors)


def found_by(dropout=0.4, *, xla=False):
    """Return loss, penalty, gradients and the model's variables after one batch."""
    step, parts, tensors = prepared(dropout)
    found = compiled(lambda given: parts.gradients(given, step._gradients), tensors, xla=xla)
    parts = (found.loss, found.penalty, found.by_horizon, *found.gradients)
    values = [one.numpy() for one in parts]
    return values, [v.numpy() for v in step.model.variables]


@pytest.mark.parametrize(("at_once", "xla"), [(1, False), (2, False), (2, True)])
def test_who_computes_a_subtree_finds_its_bits(at_once, xla):
    expected, _ = found_by(xla=xla)
    step, parts, tensors = prepared()
    statistics = [v for v in step.model.non_trainable_variables if v.dtype == "float32"]
    before = [v.numpy() for v in statistics]
    sums = []
    for first in range(0, PARTS, at_once):
        for variable, value in zip(statistics, before, strict=True):
            variable.assign(value)
        sums.append(
            compiled(
                lambda given, at=first: parts.sums(given, step._gradients, at_once, at),
                tensors,
                xla=xla,
            )
        )
    while len(sums) > 1:
        pairs = zip(sums[::2], sums[1::2], strict=True)
        sums = [[a + b for a, b in zip(*pair, strict=True)] for pair in pairs]
    for one, other in zip(sums[0][len(statistics) :], expected, strict=True):
        np.testing.assert_array_equal(one.numpy() / np.float32(PARTS), other)


def test_parts_are_the_rows_in_order_and_their_gradients_those_of_each_alone():
    model, arrays = net(), batch()
    step = TrainStep(model, FitConfig(jit_compile=False))
    size = ROWS // PARTS
    statistics = [v for v in model.non_trainable_variables if v.dtype == "float32"]
    before = [v.numpy() for v in statistics]
    sums, moved = None, np.zeros((len(statistics), 7))
    leaves = []
    for start in range(0, ROWS, size):
        for variable, value in zip(statistics, before, strict=True):
            variable.assign(value)
        rows = slice(start, start + size)
        tensors = step.to_tensors(arrays.x[rows], {"y": arrays.y[rows]}, np.ones((size, 1), "f4"))
        one = step._gradients(tensors)
        leaves.append([one.loss, one.penalty, one.by_horizon, *one.gradients])
        moved += np.stack([v.numpy() for v in statistics])
    while len(leaves) > 1:
        pairs = zip(leaves[::2], leaves[1::2], strict=True)
        leaves = [[a + b for a, b in zip(*pair, strict=True)] for pair in pairs]
    sums = [np.asarray(one) / PARTS for one in leaves[0]]
    values, variables = found_by(dropout=0.0)
    for one, other in zip(values, sums, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)
    named = {v.path: value for v, value in zip(model.variables, variables, strict=True)}
    for variable, mean in zip(statistics, moved / PARTS, strict=True):
        np.testing.assert_allclose(named[variable.path], mean, rtol=1e-6)


def test_without_norms_over_the_batch_it_is_the_gradient_of_the_whole():
    inputs = keras.Input((5,), name="features")
    x = keras.layers.Dense(7, activation="gelu")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1, name="logits")(x))
    step, arrays = TrainStep(model, FitConfig(jit_compile=False)), batch()
    weight = np.random.default_rng(2).uniform(size=(ROWS, 1)).astype(np.float32)
    tensors = step.to_tensors(arrays.x, arrays.targets(), weight)
    whole = step._gradients(tensors)
    parts = Accumulation(model, PARTS).gradients(tensors, step._gradients)
    assert float(parts.loss) == pytest.approx(float(whole.loss), rel=1e-6)
    for one, other in zip(parts.gradients, whole.gradients, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_a_batch_that_cannot_be_cut_is_refused():
    said = r"batch_size must be a multiple of fit\.gradients\.micro_batches, 8"
    with pytest.raises(ValueError, match=said):
        FitConfig(batch_size=20, gradients=GradientsConfig(micro_batches=8))
    step, parts, tensors = prepared()
    for rows in (1, 6):  # no part is empty, whoever asks for a subtree
        few = tf.nest.map_structure(lambda one, most=rows: one[:most], tensors)
        with pytest.raises(ValueError, match=f"into 4 parts of equal size .* got {rows} rows"):
            parts.sums(few, step._gradients, 1, 0)
