"""What makes each hybrid what it says it is."""

import dataclasses

import keras
import numpy as np
import pytest

from ultimate_deep import models
from ultimate_deep.models import registry
from ultimate_deep.models.layers import LaggedAttention
from ultimate_deep.models.nets import adaptive_hybrid
from ultimate_deep.training.optimizers.adamw import AdamW

pytestmark = pytest.mark.usefixtures("plain_graphs")

BARS, FEATURES = 16, 5


def windows(rows=6, bars=BARS, features=FEATURES, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, bars, features)).astype("float32")


def tiny(name, inputs=None, **fields):
    config = dataclasses.replace(registry.preset_config(name, "tiny"), **fields)
    return models.build_model(name, inputs or {"bars": (BARS, FEATURES)}, config=config)


def part_of(model, name):
    """What one layer gives out."""
    return keras.Model(model.input, model.get_layer(name).output)


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def test_lagged_attention_agrees_with_numpy_and_counts_lags_from_the_newest_bar():
    rng = np.random.default_rng(0)
    queries, context = windows(2, 3, 4), windows(2, 5, 6, seed=1)
    layer = LaggedAttention(2, seed=3)
    layer.build([queries.shape, context.shape])
    layer.lag_bias.assign(rng.normal(size=layer.lag_bias.shape))
    kernels = {part: kernel.numpy() for part, kernel in layer.kernels.items()}
    bias = layer.lag_bias.numpy()
    mixed = np.zeros((2, 3, 4))
    for head in range(2):
        own = slice(2 * head, 2 * head + 2)
        q = queries @ kernels["query"][:, own]
        k, v = context @ kernels["key"][:, own], context @ kernels["value"][:, own]
        scores = q @ k.transpose(0, 2, 1) / np.sqrt(2)
        for i in range(3):
            for j in range(5):
                lag = (j - 4) - (i - 2)  # both series end at the newest bar
                scores[:, i, j] += bias[head, 2 - lag] - abs(lag) * 2.0 ** (-8 * (head + 1) / 2)
        mixed[..., own] = softmax(scores) @ v
    wanted = mixed @ kernels["output"]
    np.testing.assert_allclose(layer([queries, context]), wanted, atol=1e-5)


def test_lagged_attention_refuses_a_width_that_its_heads_do_not_share():
    with pytest.raises(ValueError, match="heads must divide the width of the queries, got 3"):
        LaggedAttention(3)([windows(2, 3, 4), windows(2, 3, 4)])
    with pytest.raises(ValueError, match="heads must divide width, got 3 heads for width 16"):
        tiny("hybrid_lstm_transformer", heads=3)


def test_both_branches_hear_what_the_other_was_before():
    model, x = tiny("hybrid_lstm_transformer"), windows()
    heard = {side: part_of(model, f"exchange_1_to_{side}") for side in ("lstm", "encoder")}
    before = {side: np.asarray(part(x)) for side, part in heard.items()}
    for layer, moved in (("lstm", "encoder"), ("encoder_1_feed_down", "lstm")):
        bias = model.get_layer(layer).weights[-1]
        kept = bias.numpy()
        bias.assign(np.random.default_rng(1).normal(size=kept.shape))
        assert not np.array_equal(heard[moved](x), before[moved])
        bias.assign(kept)
    # To the encoder goes the LSTM before it heard: its own exchange does not matter.
    output = model.get_layer("exchange_1_to_lstm").output_bias
    output.assign(output.numpy() + 1.0)
    np.testing.assert_array_equal(heard["encoder"](x), before["encoder"])
    assert not np.array_equal(heard["lstm"](x), before["lstm"])


def test_gate_weights_add_to_one_and_mix_the_experts():
    model, x = tiny("adaptive_hybrid"), windows(40)
    weights = adaptive_hybrid.gate_weights(model, x, batch_size=16)
    assert weights.shape == (40, len(adaptive_hybrid.EXPERTS))
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-6)
    assert weights.std(axis=0).min() > 0.01
    opinions = np.asarray(part_of(model, "experts_by_row")(x))
    mixture = np.asarray(part_of(model, "mixture")(x))
    np.testing.assert_allclose((weights[..., None] * opinions).sum(axis=1), mixture, atol=1e-5)


def test_the_gate_learns_which_expert_to_believe():
    """One expert says the label, the others noise: the gate goes to it."""
    model, x = tiny("adaptive_hybrid", experts=("lstm", "linear")), windows(256)
    y = (x[:, 3, 0] > 0).astype("float32")[:, None]
    before = adaptive_hybrid.gate_weights(model, x)[:, 1].mean()
    for layer in model.layers:
        layer.trainable = layer.name in ("gate", "gate_hidden", "linear", "logits")
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(optimizer=AdamW(1e-2, weight_decay=0.0), loss=loss)
    model.fit(x, y, batch_size=64, epochs=15, verbose=0)
    after = adaptive_hybrid.gate_weights(model, x)[:, 1].mean()
    assert after > before + 0.1


def test_a_gate_is_wanted_and_two_experts_at_least():
    with pytest.raises(ValueError, match="has no layer called 'gate'"):
        adaptive_hybrid.gate_weights(tiny("hybrid_lstm_transformer"), windows())
    with pytest.raises(ValueError, match="experts must be at least two different ones"):
        adaptive_hybrid.AdaptiveHybridConfig(experts=("lstm",))
    with pytest.raises(ValueError, match="experts must be one of"):
        adaptive_hybrid.AdaptiveHybridConfig(experts=("lstm", "oracle"))


def test_coarser_bars_end_at_the_newest_bar():
    model, x = tiny("multi_scale_hybrid", {"bars": (11, FEATURES)}), windows(bars=11)
    pooled = np.asarray(part_of(model, "bars_pooled_4")(x))
    wanted = x[:, 3:].reshape(6, 2, 4, FEATURES).mean(axis=2)
    np.testing.assert_allclose(pooled, wanted, atol=1e-6)


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_every_timeframe_tells_and_coarse_comes_before_fine(frames):
    inputs = {"bars": (8, 3), "bars_4x": (6, 2), "bars_16x": (5, 4)}
    inputs = dict(list(inputs.items())[:frames])
    model = tiny("multi_scale_hybrid", inputs)
    rng = np.random.default_rng(0)
    x = {name: rng.normal(size=(4, *shape)).astype("float32") for name, shape in inputs.items()}
    fed = (lambda given: given) if frames > 1 else (lambda given: given["bars"])
    levels = [*inputs][::-1]
    for place, name in enumerate(levels):
        changed = {**x, name: x[name] + 1.0}
        for other in levels:
            merged = part_of(model, f"{other}_merge")
            same = np.array_equal(merged(fed(x)), merged(fed(changed)))
            assert same == (levels.index(other) < place)


def test_pool_bars_rise():
    with pytest.raises(ValueError, match="pool_bars must rise from 2 or more"):
        models.config_class("multi_scale_hybrid")(pool_bars=(4, 4))
    with pytest.raises(ValueError, match="pool_bars must rise from 2 or more"):
        models.config_class("multi_scale_hybrid")(pool_bars=(1,))
