"""The transformers: options, timeframes, patches, horizons, and what their attention shows."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from ultimate_deep import models
from ultimate_deep.models.layers import Patches
from ultimate_deep.models.layers.patches import patch_count
from ultimate_deep.models.nets.patch_transformer import PatchTransformerConfig
from ultimate_deep.models.nets.patch_transformer import receptive_field_bars as patched_field
from ultimate_deep.models.nets.transformer import TransformerConfig, receptive_field_bars
from ultimate_deep.models.parts.sequence_options import SequenceOptions
from ultimate_deep.models.registry import preset_config, presets
from ultimate_deep.models.surgery.attention_map import has_temporal_attention, temporal_attention

NAMES = (
    "transformer",
    "multi_head_predictor",
    "cross_timeframe_transformer",
    "patch_transformer",
)
ROWS, BARS, FEATURES = 4, 12, 3
WINDOWS = {"bars": (BARS, FEATURES), "bars_4x": (6, 2), "bars_16x": (5, 4)}


def inputs_of(name):
    return WINDOWS if name.startswith("cross") else {"bars": WINDOWS["bars"]}


def data(inputs, seed=0):
    rng = np.random.default_rng(seed)
    x = {name: rng.normal(size=(ROWS, *shape)).astype("float32") for name, shape in inputs.items()}
    return x if len(x) > 1 else x["bars"]


def tiny(name, heads=models.Heads(), **fields):
    config = dataclasses.replace(preset_config(name, "tiny"), **fields)
    return models.build_model(name, inputs_of(name), heads, config)


def unmoved(model, x):
    """Weights that a step of gradient descent would leave as they are."""
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(model(x, training=True) - 1.0)) + sum(model.losses)
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    pairs = zip(model.trainable_weights, gradients, strict=True)
    return [w.path for w, g in pairs if g is None or not np.any(g)]


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("transformer", {"attention": "causal", "positions": "sinusoidal", "pooling": "mean"}),
        ("transformer", {"attention": "multi_scale", "positions": "learned", "layers": 2}),
        ("transformer", {"attention": "chunked", "chunk_bars": 5, "feed_forward": "experts"}),
        ("transformer", {"positions": "none", "pooling": "last", "experts_per_bar": 1}),
        ("cross_timeframe_transformer", {"attention": "causal", "pooling": "last"}),
        ("patch_transformer", {"channel_independent": True, "pooling": "adaptive"}),
        ("patch_transformer", {"stride_bars": 4, "pooling": "mean", "positions": "rotary"}),
    ],
)
def test_options_reach_every_weight(name, fields):
    assert unmoved(tiny(name, **fields), data(inputs_of(name))) == []


@pytest.mark.parametrize("name", NAMES)
def test_attention_can_be_read_out_of_every_layer(name):
    model = tiny(name, models.Heads(horizons=2), layers=2, dropout_rate=0.5)
    assert has_temporal_attention(model)
    maps = temporal_attention(model, data(inputs_of(name)), batch_size=3)
    for shares in maps.values():
        assert shares.ndim == 4
        assert len(shares) == ROWS
        np.testing.assert_allclose(shares.sum(axis=-1), 1.0, atol=1e-5)
    expected = {"block_01_attention", "block_02_attention"}
    if name == "transformer":
        assert set(maps) == expected | {"pooling"}
    if name == "multi_head_predictor":
        assert maps["horizon_attention"].shape == (ROWS, 2, 2, BARS)
    if name == "cross_timeframe_transformer":
        assert maps["bars_on_bars_16x"].shape == (ROWS, 2, BARS, 5)


def test_the_read_out_map_is_what_the_model_predicts_with():
    model = tiny("transformer")
    x = data(inputs_of("transformer"))
    pooled = keras.Model(model.inputs, model.get_layer("pooling").input)([x])
    shares = temporal_attention(model, x)["pooling"][:, 0, 0]
    by_hand = model.get_layer("logits")(np.einsum("bt,btw->bw", shares, pooled))
    np.testing.assert_allclose(model(x), by_hand, atol=1e-5)
    with pytest.raises(ValueError, match="no attention over time"):
        temporal_attention(models.build_model("mlp", {"features": (3,)}), x[:, 0])


def test_short_spans_bound_what_the_newest_bar_can_know():
    config = TransformerConfig(
        layers=2, width=8, attention_heads=2, attention="multi_scale", spans_bars=(2, 4),
        pooling="last",
    )  # fmt: skip
    assert receptive_field_bars(config, BARS) == 1 + 2 * 3
    model = models.build_model("transformer", inputs_of("transformer"), config=config)
    x = data(inputs_of("transformer"))
    before, inside = x.copy(), x.copy()
    before[:, : BARS - 7] += 1.0
    inside[:, BARS - 7] += 1.0
    np.testing.assert_array_equal(model(before), model(x))
    assert not np.array_equal(model(inside), model(x))
    assert receptive_field_bars(dataclasses.replace(config, pooling="mean"), BARS) == BARS


@pytest.mark.parametrize("names", [("bars",), ("bars", "bars_16x"), tuple(WINDOWS)])
def test_any_number_of_timeframes_and_each_of_them_matters(names):
    inputs = {name: WINDOWS[name] for name in names}
    config = preset_config("cross_timeframe_transformer", "tiny")
    model = models.build_model("cross_timeframe_transformer", inputs, config=config)
    x = data(inputs)
    for name in names:
        changed = {**x, name: x[name] + 1.0} if len(names) > 1 else x + 1.0
        assert not np.allclose(model(changed), model(x))


def test_horizons_read_the_window_with_heads_of_their_own():
    model = tiny("multi_head_predictor", models.Heads(horizons=3))
    x = data(inputs_of("multi_head_predictor"))
    layer = model.get_layer("horizon_attention")
    before = model(x).numpy()
    queries = layer.queries.numpy()
    queries[1] += 3.0
    layer.queries.assign(queries)
    changed = np.any(model(x).numpy() != before, axis=0)
    np.testing.assert_array_equal(changed, [False, True, False])


@pytest.mark.parametrize(("patch", "stride"), [(4, 2), (5, 3), (12, 1), (1, 1)])
def test_patches_end_at_the_newest_bar_and_hold_whole_bars(patch, stride):
    x = data(inputs_of("patch_transformer"))
    found = np.asarray(Patches(patch, stride)(x))
    count = patch_count(BARS, patch, stride)
    assert found.shape == (ROWS, count, patch * FEATURES)
    for index in range(count):
        last = BARS - (count - 1 - index) * stride
        np.testing.assert_array_equal(found[:, index], x[:, last - patch : last].reshape(ROWS, -1))
    alone = np.asarray(Patches(patch, stride, channel_independent=True)(x))
    expected = found.reshape(ROWS, count, patch, FEATURES).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(alone, expected.reshape(ROWS * FEATURES, count, patch))
    config = PatchTransformerConfig(patch_bars=patch, stride_bars=stride)
    assert patched_field(config, BARS) == patch + (count - 1) * stride


def test_independent_channels_meet_in_the_heads_alone():
    model = tiny("patch_transformer", channel_independent=True)
    joined = keras.Model(model.inputs, model.get_layer("join_channels").output)
    x = data(inputs_of("patch_transformer"))
    changed = x.copy()
    changed[..., 1] += 1.0
    parts = np.split(np.asarray(joined([x])), FEATURES, axis=1)
    for channel, part in enumerate(np.split(np.asarray(joined([changed])), FEATURES, axis=1)):
        assert np.allclose(part, parts[channel], atol=1e-6) == (channel != 1)


@pytest.mark.parametrize("name", NAMES)
def test_presets_are_valid_and_the_sizes_are_the_named_ones(name):
    configs = {preset: preset_config(name, preset) for preset in presets(name)}
    assert {"tiny", "default"} <= set(configs)
    assert all(isinstance(config, SequenceOptions) for config in configs.values())
    if name == "transformer":
        sizes = [(c.layers, c.width, c.attention_heads) for c in configs.values()]
        assert sizes[-4:] == [(3, 256, 4), (6, 512, 8), (12, 768, 16), (24, 768, 32)]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"width": 12, "attention_heads": 4}, "multiple of attention_heads"),
        ({"positions": "absolute"}, "positions must be one of"),
        ({"spans_bars": (4, -1)}, "at least one span"),
        ({"pooling": "max"}, "pooling must be one of"),
        ({"experts_per_bar": 9}, "experts_per_bar must be"),
    ],
)
def test_nonsense_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        TransformerConfig(**fields)
    if "width" in fields:
        assert TransformerConfig(**fields, positions="none").width == 12


def test_a_patch_longer_than_the_window_is_refused():
    with pytest.raises(ValueError, match="patch_bars must not exceed the window"):
        tiny("patch_transformer", patch_bars=BARS + 1)


@pytest.mark.slow
def test_a_saved_model_runs_without_our_code(tmp_path):
    model = tiny("transformer", attention="chunked", chunk_bars=5, feed_forward="experts")
    x = data(inputs_of("transformer"))
    expected = model(x)
    model.export(tmp_path / "saved", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "saved")
    np.testing.assert_allclose(loaded.serve(x), expected, atol=1e-6)
