"""The temporal convolutional network against dilated convolutions written out in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from ultimate_deep.models.layers import EveryNth, WeightNormConv
from ultimate_deep.models.nets.tcn import TcnConfig, build_tcn, receptive_field_bars

FEATURES = 3


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def dilated(x, kernel, bias, dilation):
    """Causal dilated convolution of the whole window, zeros before it."""
    reach, bars = (len(kernel) - 1) * dilation, x.shape[1]
    padded = np.pad(x, ((0, 0), (reach, 0), (0, 0)))
    taps = (padded[:, j * dilation :][:, :bars] @ kernel[j] for j in range(len(kernel)))
    return sum(taps) + bias


def twin(model, config, x):
    """Logits of the network as the paper draws it: every bar of every layer."""
    for index, dilation in enumerate(config.dilations, start=1):
        y = x
        for part in ("first", "second"):
            v, gain, bias = model.get_layer(f"block_{index}_{part}").get_weights()
            kernel = gain * v / np.sqrt((v**2).sum(axis=(0, 1)))
            y = np.maximum(dilated(y, kernel, bias, dilation), 0)
        if x.shape[-1] != y.shape[-1]:
            kernel, bias = model.get_layer(f"block_{index}_shortcut").get_weights()
            x = x @ kernel + bias
        x = np.maximum(x + y, 0)
    kernel, bias = model.get_layer("logits").get_weights()
    return x[:, -1] @ kernel + bias


@pytest.mark.parametrize("window_bars", [10, 40])
@pytest.mark.parametrize("dilations", [(1, 2, 4), (2, 6)])
def test_thinning_out_gives_the_dilated_network(window_bars, dilations):
    config = TcnConfig(channels=4, dilations=dilations, dropout_rate=0.0)
    model = build_tcn({"bars": (window_bars, FEATURES)}, config=config)
    for weight in model.weights:
        weight.assign(np.asarray(weight) + normal(*weight.shape, seed=1) / 10)
    x = normal(4, window_bars, FEATURES)
    np.testing.assert_allclose(model(x), twin(model, config, x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("config", [TcnConfig(), TcnConfig(kernel_size=2, dilations=(1, 3))])
def test_receptive_field_is_the_papers(config):
    bars = 1 + 2 * (config.kernel_size - 1) * sum(config.dilations)
    assert receptive_field_bars(config, 10_000) == bars
    assert receptive_field_bars(config, bars - 1) == bars - 1
    model = build_tcn({"bars": (bars + 3, FEATURES)}, config=config)
    x = normal(2, bars + 3, FEATURES)
    inside, before = x.copy(), x.copy()
    inside[:, 3] += 1
    before[:, :3] = np.nan
    assert not np.array_equal(model(inside), model(x))
    np.testing.assert_array_equal(model(before), model(x))


@pytest.mark.parametrize("normalization", ["layer", "rms", "batch"])
def test_other_normalizations_build_and_learn(normalization):
    config = TcnConfig(channels=4, dilations=(1, 2), normalization=normalization)
    model = build_tcn({"bars": (8, FEATURES)}, config=config)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(normal(8, 8, FEATURES), training=True) ** 2)
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)


def test_only_the_direction_of_a_weight_normalised_kernel_counts():
    layer = WeightNormConv(5, 3, seed=1)
    x = normal(2, 7, FEATURES)
    before = np.asarray(layer(x))
    assert before.shape == layer.compute_output_shape((2, 7, FEATURES))
    layer.kernel.assign(np.asarray(layer.kernel) * 3)
    np.testing.assert_allclose(layer(x), before, atol=1e-5)


@pytest.mark.parametrize(("step", "most"), [(1, None), (3, None), (2, 5), (4, 100)])
def test_every_nth_bar_is_counted_from_the_newest(step, most):
    x = np.arange(11, dtype="float32").reshape(1, 11, 1)
    layer = EveryNth(step, most)
    kept = x[:, :, 0][:, -(most or 11) :][:, ::-1][:, ::step][:, ::-1]
    np.testing.assert_array_equal(np.asarray(layer(x))[..., 0], kept)
    assert layer.compute_output_shape((1, 11, 1)) == (1, kept.shape[1], 1)


@pytest.mark.parametrize("dilations", [(), (0, 2), (2, 3)])
def test_dilations_that_cannot_be_thinned_out_are_refused(dilations):
    with pytest.raises(ValueError, match="each a multiple of the one before"):
        TcnConfig(dilations=dilations)
