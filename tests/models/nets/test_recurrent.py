"""LSTMs: attention over states, residual stacks, several timeframes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ultimate_deep import models
from ultimate_deep.models.layers import TemporalAttention
from ultimate_deep.models.nets.attentive_lstm import AttentiveLstmConfig, build_attentive_lstm
from ultimate_deep.models.nets.bilstm import BilstmConfig, build_bilstm
from ultimate_deep.models.nets.lstm import LstmConfig, build_lstm
from ultimate_deep.models.nets.stacked_lstm import StackedLstmConfig, build_stacked_lstm
from ultimate_deep.models.registry import preset_config

BARS, FEATURES = 6, 3
INPUTS = {"bars": (BARS, FEATURES)}
TIMEFRAMES = {"bars": (6, 3), "bars_4x": (4, 2), "bars_16x": (3, 2)}


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def attention_twin(states, query, weights):
    """Weights and weighted sum in NumPy."""
    state_kernel, bias, score_kernel, *query_kernel = weights
    hidden = states @ state_kernel + bias
    if query != "learned":
        asked = states[:, -1] if query == "last" else states[:, 0]
        hidden = hidden + (asked @ query_kernel[0])[:, None]
    scores = np.exp((np.tanh(hidden) @ score_kernel)[..., 0])
    shares = scores / scores.sum(axis=1, keepdims=True)
    return shares, (states * shares[..., None]).sum(axis=1)


@pytest.mark.parametrize("query", ["learned", "last", "first"])
def test_attention_is_that_of_numpy(query):
    layer = TemporalAttention(4, query, seed=1)
    states = normal(5, BARS, FEATURES)
    pooled = layer(states)
    layer.bias.assign(normal(4, seed=2))
    pooled = layer(states)
    shares, expected = attention_twin(states, query, layer.get_weights())
    np.testing.assert_allclose(pooled, expected, atol=1e-6)
    np.testing.assert_allclose(layer.attention_map(states)[:, 0, 0], shares, atol=1e-6)


def test_attention_refuses_what_leaves_nothing_to_weigh():
    with pytest.raises(ValueError, match="at least 2 states, got 1"):
        TemporalAttention(4)(normal(2, 1, 3))
    with pytest.raises(ValueError, match="query must be one of learned, last, first"):
        TemporalAttention(4, "middle")


def test_a_models_attention_can_be_read():
    model = build_lstm(INPUTS, config=LstmConfig(width=4, dropout_rate=0.0))
    layer = model.get_layer("attention")
    states = keras.Model(model.input, layer.input)(normal(3, BARS, FEATURES))
    shares = np.asarray(layer.attention_map(states))
    assert shares.shape == (3, 1, 1, BARS)
    np.testing.assert_allclose(shares.sum(axis=-1), 1.0, atol=1e-6)
    assert shares.std() > 0


@pytest.mark.parametrize("build", [build_lstm, build_bilstm, build_stacked_lstm])
def test_a_window_of_one_bar_is_refused(build):
    with pytest.raises(ValueError, match="at least 2 bars, got 1 for input 'bars'"):
        build({"bars": (1, FEATURES)})


def test_both_directions_start_apart_and_read_the_window_in_both_orders():
    model = build_bilstm(INPUTS, config=BilstmConfig(width=4, dropout_rate=0.0))
    both = model.get_layer("bilstm")
    for forward, backward in zip(
        both.forward_layer.get_weights()[:2], both.backward_layer.get_weights()[:2], strict=True
    ):
        assert not np.array_equal(forward, backward)
    x = normal(2, BARS, FEATURES)
    both.backward_layer.set_weights(both.forward_layer.get_weights())
    states, mirrored = np.asarray(both(x)), np.asarray(both(x[:, ::-1]))
    np.testing.assert_allclose(states[..., :4], mirrored[:, ::-1, 4:], atol=1e-6)


@pytest.mark.parametrize("norm_place", ["pre", "post"])
def test_layers_that_give_nothing_leave_a_residual_stack_as_it_was(norm_place):
    x = normal(4, BARS, FEATURES)
    outputs = []
    for layers in (1, 3):
        config = StackedLstmConfig(layers=layers, width=4, norm_place=norm_place)
        model = build_stacked_lstm(INPUTS, config=config)
        for layer in model.layers:
            if isinstance(layer, keras.layers.LSTM):
                layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
        outputs.append(np.asarray(model(x)))
    # Norms after one another change a value by the epsilon in them, about 1e-5 of it.
    np.testing.assert_allclose(outputs[0], outputs[1], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("layers", [3, 6, 12])
def test_presets_have_so_many_layers(layers):
    config = preset_config("stacked_lstm", f"layers_{layers}")
    model = build_stacked_lstm(INPUTS, config=config)
    assert sum(isinstance(layer, keras.layers.LSTM) for layer in model.layers) == layers


@pytest.mark.parametrize("count", [1, 3])
def test_any_number_of_timeframes(count):
    inputs = dict(list(TIMEFRAMES.items())[:count])
    model = build_attentive_lstm(inputs, models.Heads(horizons=2), AttentiveLstmConfig(width=4))
    x = {name: normal(8, *shape) for name, shape in inputs.items()}
    with tf.GradientTape() as tape:
        outputs = model(x if count > 1 else x["bars"])
        loss = tf.reduce_sum(outputs**2)
    assert outputs.shape == (8, 2)
    gradients = tape.gradient(loss, [weight.value for weight in model.weights])
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)


def test_every_timeframe_matters_and_their_weights_can_be_read():
    config = AttentiveLstmConfig(width=4, dropout_rate=0.0)
    model = build_attentive_lstm(TIMEFRAMES, config=config)
    x = {name: normal(3, *shape) for name, shape in TIMEFRAMES.items()}
    for name in TIMEFRAMES:
        assert not np.allclose(model({**x, name: x[name] + 1.0}), model(x))
    layer = model.get_layer("timeframe_attention")
    vectors = keras.Model(model.input, layer.input)(x)
    assert layer.attention_map(vectors).shape == (3, 1, 1, 3)


def test_an_exported_model_runs_without_our_code(tmp_path):
    config = AttentiveLstmConfig(width=4)
    model = build_attentive_lstm({"bars": (4, 3), "bars_4x": (3, 2)}, config=config)
    model.export(tmp_path / "model", verbose=False)
    x = {"bars": normal(3, 4, 3), "bars_4x": normal(3, 3, 2)}
    exported = tf.saved_model.load(str(tmp_path / "model"))
    np.testing.assert_allclose(exported.serve(x), model(x), atol=1e-6)
