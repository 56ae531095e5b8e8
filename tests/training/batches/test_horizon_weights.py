"""Horizons weigh by the inverse of their loss once their variances are learnt."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ultimate_deep.training.batches.horizon_weights import HorizonWeights
from ultimate_deep.training.participant import StepGradients, StepTensors


def test_weights_end_at_the_inverse_of_the_losses_and_follow_the_step_of_the_paper():
    losses = np.float32([0.25, 0.5, 2.0])
    learned = HorizonWeights(3)
    learned.begin(None)
    logs = np.zeros(3)

    def compute(tensors):
        by_horizon = tf.reduce_mean(tensors.weight * losses, axis=0)
        return StepGradients(tf.reduce_mean(by_horizon), tf.zeros(()), [], by_horizon)

    step = tf.function(
        lambda weight: learned.gradients(learned.batch(StepTensors(None, {}, weight)), compute).loss
    )
    for _ in range(3):
        step(tf.ones((4, 3)))
        logs -= 0.01 * (1 - np.exp(-logs) * losses)
    np.testing.assert_allclose(learned.state()["log_variances"].numpy(), logs, rtol=1e-5)
    for _ in range(3_000):
        step(tf.ones((4, 3)))
    weight = learned.batch(StepTensors(None, {}, tf.ones((1, 3)))).weight.numpy()[0]
    assert weight.mean() == pytest.approx(1.0)
    np.testing.assert_allclose(weight * losses, (weight * losses)[0], rtol=1e-3)
    # A horizon that weighs nothing, as one that a curriculum has not let in, is left alone.
    learned.begin(None)
    some = tf.constant([[1.0, 1.0, 0.0]] * 4)
    for _ in range(50):
        step(some)
    moved = learned.state()["log_variances"].numpy()
    assert moved[2] == 0
    assert (np.abs(moved[:2]) > 0.1).all()
    weight = learned.batch(StepTensors(None, {}, some)).weight.numpy()[0]
    assert weight[:2].mean() == pytest.approx(1.0)
    assert weight[2] == 0
    learned.begin(None)
    first = learned.batch(StepTensors(None, {}, tf.ones((1, 3)))).weight
    np.testing.assert_array_equal(first, keras.ops.ones((1, 3)))
