"""How a step's gradients are found: centralized, and at the worst point nearby."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ultimate_deep.models.layers.stacks.layer_slices import mark_layers
from ultimate_deep.training.optimizers.centralization import centralized
from ultimate_deep.training.optimizers.sharpness import Sharpness
from ultimate_deep.training.participant import StepGradients, StepTensors
from ultimate_deep.training.settings.gradients import GradientsConfig

PACKED = np.array([0, 0, 0, 1, 1])


def variable(shape, rows=None, name="kernel"):
    found = keras.Variable(np.random.default_rng(0).normal(size=shape), name=name)
    if rows is not None:
        mark_layers(found, rows)
    return found


def test_means_over_the_inputs_go_layer_by_layer():
    draws = np.random.default_rng(1)
    for shape, rows, groups in (
        ((5, 3), None, [np.arange(5)]),
        ((5, 3), PACKED, [PACKED == 0, PACKED == 1]),
    ):
        gradient = draws.normal(size=shape).astype(np.float32)
        expected = gradient.copy()
        for group in groups:
            expected[group] -= gradient[group].mean(axis=0)
        found = centralized(tf.constant(gradient), variable(shape, rows))
        np.testing.assert_allclose(found, expected, atol=1e-6)
    stacked = draws.normal(size=(4, 5, 3)).astype(np.float32)
    found = centralized(tf.constant(stacked), variable((4, 5, 3), np.arange(4)))
    np.testing.assert_allclose(found, stacked - stacked.mean(axis=1, keepdims=True), atol=1e-6)
    kernel = draws.normal(size=(3, 5, 2)).astype(np.float32)
    found = centralized(tf.constant(kernel), variable((3, 5, 2)))
    np.testing.assert_allclose(found, kernel - kernel.mean(axis=(0, 1)), atol=1e-6)
    for left in (variable((5,)), variable((4, 3), name="bias"), variable((4, 3), np.arange(4))):
        gradient = tf.constant(draws.normal(size=left.shape).astype(np.float32))
        np.testing.assert_array_equal(centralized(gradient, left), gradient)


class Net:
    """Weights, a counter of masks and a statistic; its loss is a sum of fourth powers."""

    def __init__(self):
        self.kernel = variable((4, 3, 2), np.arange(4))
        self.bias = variable((2,), name="bias")
        self.masks = keras.Variable(7, dtype="int32", trainable=False)
        self.statistic = keras.Variable(1.0, trainable=False)
        self.trainable_variables = [self.kernel, self.bias]
        self.non_trainable_variables = [self.masks, self.statistic]
        self.seen = []

    def compute(self, tensors):
        values = [v.numpy() for v in self.trainable_variables]
        self.seen.append((values, int(self.masks.numpy()), float(self.statistic.numpy())))
        self.masks.assign(self.masks + 3)
        self.statistic.assign(self.statistic * 2)
        loss = sum((v**4).sum() for v in values)
        gradients = [tf.constant(4 * v**3) for v in values]
        return StepGradients(tf.constant(loss, tf.float32), tf.zeros(()), gradients, tf.zeros(1))


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("scope", ["all", "layers"])
def test_the_gradient_is_taken_at_the_worst_point_under_the_same_masks(adaptive, scope):
    net = Net()
    config = GradientsConfig(sharpness=0.3, sharpness_adaptive=adaptive, sharpness_of=scope)
    before = [v.numpy().astype(np.float64) for v in net.trainable_variables]
    none = StepTensors(None, {}, None)
    found = Sharpness(net, config).gradients(none, net.compute)
    first, second = net.seen
    assert first[1:] == second[1:] == (7, 1.0)
    assert int(net.masks.numpy()) == 10
    assert float(net.statistic.numpy()) == 2.0
    gradients = [4 * v**3 for v in before]
    sizes = [np.abs(before[0]) + 0.01 if adaptive else np.ones(()), np.ones(())]
    scaled = [g * s for g, s in zip(gradients, sizes, strict=True)]
    if scope == "all":
        norm = np.sqrt(sum((s**2).sum() for s in scaled))
        norms = [norm, norm]
    else:
        norms = [np.sqrt((scaled[0] ** 2).sum(axis=(1, 2), keepdims=True)),
                 np.sqrt((scaled[1] ** 2).sum())]  # fmt: skip
    for place, value in enumerate(before):
        worst = value + 0.3 * sizes[place] * scaled[place] / norms[place]
        np.testing.assert_allclose(second[0][place], worst, rtol=1e-5)
        np.testing.assert_allclose(found.gradients[place], 4 * worst**3, rtol=1e-4)
        np.testing.assert_array_equal(net.trainable_variables[place].numpy(), value)
    assert float(found.loss) == pytest.approx(sum((v**4).sum() for v in before), rel=1e-5)


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        ("micro_batches must be a power of two, got 3", {"micro_batches": 3}),
        ("micro_batches must be a power of two, got 0", {"micro_batches": 0}),
        ("sharpness must be at least 0", {"sharpness": -0.1}),
        ("sharpness_adaptive must be left out", {"sharpness_adaptive": True}),
    ],
)
def test_bad_settings_are_refused_by_name(said, fields):
    with pytest.raises(ValueError, match=said):
        GradientsConfig(**fields)
