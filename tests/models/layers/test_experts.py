"""Mixture of experts: routing, places, drops and balance, against a plain loop."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from ultimate_deep.models.layers import ExpertsFeedForward
from ultimate_deep.models.layers.experts import Routing, balance_loss

ROWS, TIME, WIDTH, EXPERTS = 3, 12, 6, 4


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def layer_of(**options):
    layer = ExpertsFeedForward(EXPERTS, 5, **{"activation": "relu", **options})
    layer.build((None, TIME, WIDTH))
    for number, weight in enumerate(layer.weights):
        weight.assign(weight.numpy() + 0.3 * noise(*weight.shape, seed=number))
    return layer


def by_hand(layer, x):
    """Output and dropped choices, bar by bar and choice by choice."""
    router, up, up_bias, down, down_bias = (weight.numpy() for weight in layer.weights)
    output, dropped = np.zeros_like(x), 0
    for row in range(len(x)):
        filled = np.zeros(EXPERTS, int)
        for bar in reversed(range(TIME)):
            chance = np.exp(x[row, bar] @ router)
            chance /= chance.sum()
            chosen = np.argsort(-chance)[: layer.experts_per_bar]
            total = chance[chosen].sum() if layer.experts_per_bar > 1 else 1.0
            for expert in chosen:
                if filled[expert] == layer.places:
                    dropped += 1
                    continue
                filled[expert] += 1
                hidden = np.maximum(x[row, bar] @ up[expert] + up_bias[expert, 0], 0)
                answer = hidden @ down[expert] + down_bias[expert, 0]
                output[row, bar] += chance[expert] / total * answer
    return output, dropped


@pytest.mark.parametrize("capacity_factor", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("experts_per_bar", [1, 2])
def test_routing_is_what_a_plain_loop_does(experts_per_bar, capacity_factor):
    layer = layer_of(experts_per_bar=experts_per_bar, capacity_factor=capacity_factor)
    x = noise(ROWS, TIME, WIDTH)
    expected, dropped = by_hand(layer, x)
    np.testing.assert_allclose(layer(x), expected, atol=1e-5)
    share = dropped / (ROWS * TIME * experts_per_bar)
    assert float(layer.dropped_share(x)) == pytest.approx(share, abs=1e-6)
    assert (share > 0) == (capacity_factor < 4.0)


def test_a_bar_without_a_place_is_left_to_the_residual():
    layer = layer_of(experts_per_bar=1, capacity_factor=0.3)
    x = np.repeat(noise(1, 1, WIDTH), TIME, axis=1)
    found = np.abs(layer(x)[0]).sum(axis=-1)
    assert layer.places == 1
    assert found[-1] > 0
    np.testing.assert_array_equal(found[:-1], 0.0)


def test_windows_never_meet_and_older_bars_never_displace_newer_ones():
    layer = layer_of(capacity_factor=0.5)
    x = noise(ROWS, TIME, WIDTH)
    other, older = x.copy(), x.copy()
    other[1:] = 5.0
    older[:, :6] = noise(ROWS, 6, WIDTH, seed=9)
    np.testing.assert_allclose(layer(other)[0], layer(x)[0], rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(layer(older)[:, 6:], layer(x)[:, 6:])


def test_balance_loss_is_one_when_even_and_the_number_of_experts_when_all_meet():
    even = np.full((2, 8, EXPERTS), 1 / EXPERTS, "float32")
    turns = np.eye(EXPERTS, dtype="float32")[np.arange(16).reshape(2, 8) % EXPERTS]
    one = np.zeros_like(even)
    one[..., 0] = 1.0
    assert float(balance_loss(Routing(even, turns, None, None), 1)) == pytest.approx(1.0)
    assert float(balance_loss(Routing(one, one, None, None), 1)) == pytest.approx(EXPERTS)


def test_balance_loss_is_added_in_training_alone_and_evens_the_load():
    # With weight on the first input, which is always 1, most bars meet at the first expert.
    layer = layer_of(experts_per_bar=1, balance_weight=1.0)
    kernel = 0.1 * layer.router_kernel.numpy()
    kernel[0, 0] += 1.0
    layer.router_kernel.assign(kernel)
    x = noise(8, TIME, WIDTH)
    x[..., 0] = 1.0
    layer(x, training=False)
    assert layer.losses == []
    optimizer = keras.optimizers.SGD(0.5)
    losses = []
    for _ in range(30):
        with tf.GradientTape() as tape:
            layer(x, training=True)
            (loss,) = layer.losses
        losses.append(float(loss))
        variable = layer.router_kernel
        optimizer.apply([tape.gradient(loss, variable.value)], [variable])
    assert losses[0] > 1.3
    assert losses[-1] < 1.1


def test_an_expert_that_no_bar_chose_keeps_its_weights():
    layer = layer_of(experts_per_bar=1, balance_weight=0.0)
    kernel = layer.router_kernel.numpy()
    kernel[0, 3] -= 100.0
    layer.router_kernel.assign(kernel)
    x = noise(ROWS, TIME, WIDTH)
    x[..., 0] = 1.0
    assert not ops.any(layer.route(x).wanted[..., 3])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x, training=True) ** 2)
    before = layer.up_kernel.numpy()
    gradient = tape.gradient(loss, layer.up_kernel.value)
    keras.optimizers.Adam(0.1).apply([gradient], [layer.up_kernel])
    moved = np.any(layer.up_kernel.numpy() != before, axis=(1, 2))
    assert moved[:3].any()
    assert not moved[3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"experts": 1}, "experts must be at least 2"),
        ({"experts": 4, "experts_per_bar": 5}, "experts_per_bar must be at least 1 and below 5"),
        ({"experts": 4, "capacity_factor": 0.0}, "capacity_factor must be positive"),
    ],
)
def test_nonsense_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ExpertsFeedForward(hidden_width=3, **options)
