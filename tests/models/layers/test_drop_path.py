"""Branches left out in training, and attention weights dropped."""

import keras
import numpy as np
import pytest

from ultimate_deep.models.layers import DropPath, SequenceAttention
from ultimate_deep.models.nets.transformer import TransformerConfig, build_transformer

ROWS = 4_000


def test_whole_rows_are_left_out_and_the_mean_stays():
    x = np.random.default_rng(0).normal(1.0, 0.1, (ROWS, 3, 2)).astype(np.float32)
    layer = DropPath(0.25, seed=1)
    np.testing.assert_array_equal(layer(x), x)
    found = np.asarray(layer(x, training=True))
    gone = (found == 0).all(axis=(1, 2))
    assert gone.mean() == pytest.approx(0.25, abs=0.03)
    np.testing.assert_allclose(found[~gone], x[~gone] / 0.75, rtol=1e-6)
    assert not np.array_equal(np.asarray(layer(x, training=True)), found)
    again = DropPath.from_config(layer.get_config())
    np.testing.assert_array_equal(again(x, training=True), found)
    with pytest.raises(ValueError, match="rate"):
        DropPath(1.0)


def test_weights_of_attention_are_dropped_in_training_alone():
    x = np.random.default_rng(0).normal(size=(5, 6, 8)).astype(np.float32)
    plain, dropping = (SequenceAttention(2, dropout_rate=rate, seed=3) for rate in (0.0, 0.4))
    np.testing.assert_array_equal(dropping(x), plain(x))
    many = np.asarray(dropping(np.repeat(x, 600, axis=0), training=True))
    found = many.reshape(5, 600, 6, 8).mean(axis=1)
    assert np.abs(np.asarray(dropping(x, training=True)) - np.asarray(plain(x))).max() > 0.05
    np.testing.assert_allclose(found, plain(x), atol=0.15)
    assert not plain.variables[-1].path.endswith("seed_generator_state")
    with pytest.raises(ValueError, match="'chunked', which keeps none"):
        SequenceAttention(2, kind="chunked", dropout_rate=0.1)


def test_a_transformer_leaves_out_its_last_block_most():
    options = TransformerConfig(
        layers=4, width=8, attention_heads=2, stochastic_depth=0.4, attention_dropout=0.1
    )
    model = build_transformer({"bars": (6, 3)}, config=options)
    rates = {layer.name: layer.rate for layer in model.layers if isinstance(layer, DropPath)}
    assert len(rates) == 8
    found = [rates[f"block_{index:02d}_attention_drop_path"] for index in range(1, 5)]
    assert found == pytest.approx([0.1, 0.2, 0.3, 0.4])
    x = np.random.default_rng(0).normal(size=(2, 6, 3)).astype(np.float32)
    np.testing.assert_array_equal(model(x), model(x))
    assert np.abs(np.asarray(model(x, training=True)) - np.asarray(model(x))).max() > 0
    assert keras.Model.from_config(model.get_config()).count_params() == model.count_params()
    with pytest.raises(ValueError, match="attention_dropout drops weights of a map"):
        TransformerConfig(attention="chunked", attention_dropout=0.1)
