"""The same architectures of plain Keras layers, as one would write them without this package.

Sizes are read off our configurations, so that both do the same work; what Keras has no layer for
(weight normalisation, rotary positions, our attention over time) is replaced by what it has, and
`parameters` shows how far that is from ours. Nothing here imports a layer of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import layers, ops

Inputs = Mapping[str, tuple[int, ...]]


def build_peer(name: str, inputs: Inputs, config: Any) -> keras.Model:
    """Return the plain Keras model beside our model of this name.

    Args:
        name: A key of `PEERS`.
        inputs: Shapes without batch.
        config: Configuration of our net.
    """
    tensors = {key: keras.Input(shape, name=key) for key, shape in inputs.items()}
    logits = layers.Dense(1)(PEERS[name](tensors, config))
    return keras.Model(tensors if len(tensors) > 1 else next(iter(tensors.values())), logits)


def _linear(tensors: dict[str, Any], config: Any) -> Any:
    return tensors["features"]


def _mlp(tensors: dict[str, Any], config: Any) -> Any:
    x = tensors["features"]
    for width in config.hidden_widths:
        x = layers.LayerNormalization()(layers.Dense(width, use_bias=False)(x))
        x = layers.Dropout(config.dropout_rate)(layers.Activation(config.activation)(x))
    return x


def _sequential_deep(tensors: dict[str, Any], config: Any) -> Any:
    x = layers.Dense(config.width)(tensors["features"])
    for _ in range((config.layers - 3) // 2):
        x = layers.Activation(config.activation)(layers.LayerNormalization()(x))
        x = layers.Dense(config.width)(x)
    return layers.LayerNormalization()(x)


def _lstm(tensors: dict[str, Any], config: Any) -> Any:
    states = layers.LSTM(config.width, return_sequences=True)(tensors["bars"])
    return _attended(states, config)


def _bilstm(tensors: dict[str, Any], config: Any) -> Any:
    lstm = layers.LSTM(config.width, return_sequences=True)
    return _attended(layers.Bidirectional(lstm)(tensors["bars"]), config)


def _attended(states: Any, config: Any) -> Any:
    """Additive attention of the last state over all, joined with it."""
    last = states[:, -1:]
    query, keys = layers.Dense(config.width)(last), layers.Dense(config.width)(states)
    context = layers.AdditiveAttention()([query, states, keys])
    joined = layers.Flatten()(layers.Concatenate()([context, last]))
    x = layers.Dense(config.width, activation="tanh")(joined)
    return layers.Dropout(config.dropout_rate)(x)


def _stacked_lstm(tensors: dict[str, Any], config: Any) -> Any:
    x = layers.Dense(config.width)(tensors["bars"])
    for _ in range(config.layers):
        y = layers.LSTM(config.width, return_sequences=True)(layers.LayerNormalization()(x))
        x = layers.Add()([x, layers.Dropout(config.dropout_rate)(y)])
    x = layers.Dense(config.width, activation="tanh")(layers.LayerNormalization()(x)[:, -1])
    return layers.Dropout(config.dropout_rate)(x)


def _transformer(tensors: dict[str, Any], config: Any) -> Any:
    bars = tensors["bars"]
    x = layers.Dense(config.width)(bars)
    places = layers.Embedding(bars.shape[1], config.width)(ops.arange(bars.shape[1]))
    x = x + places
    for _ in range(config.layers):
        y = layers.LayerNormalization()(x)
        heads = config.attention_heads
        y = layers.MultiHeadAttention(heads, config.width // heads)(y, y)
        x = layers.Add()([x, layers.Dropout(config.dropout_rate)(y)])
        y = layers.LayerNormalization()(x)
        y = layers.Dense(config.feed_forward_ratio * config.width, activation="gelu")(y)
        y = layers.Dropout(config.dropout_rate)(layers.Dense(config.width)(y))
        x = layers.Add()([x, y])
    x = layers.LayerNormalization()(x)
    return x[:, -1] if config.pooling == "last" else layers.GlobalAveragePooling1D()(x)


def _tcn(tensors: dict[str, Any], config: Any) -> Any:
    x = tensors["bars"]
    for dilation in config.dilations:
        y = x
        for _ in range(2):
            y = layers.Conv1D(
                config.channels,
                config.kernel_size,
                padding="causal",
                dilation_rate=dilation,
                activation="relu",
            )(y)
            y = layers.SpatialDropout1D(config.dropout_rate)(y)
        if x.shape[-1] != config.channels:
            x = layers.Conv1D(config.channels, 1)(x)
        x = layers.ReLU()(layers.Add()([x, y]))
    return x[:, -1]


def _gaf_cnn(tensors: dict[str, Any], config: Any) -> Any:
    members = [_resnet_18(_pictures(numbers), config) for numbers in tensors.values()]
    return layers.Concatenate()(members)


def _pictures(numbers: Any) -> Any:
    """Both Gramian angular fields, `(batch, size, size, 2)`."""
    across, sine = numbers, ops.sqrt(ops.maximum(1.0 - ops.square(numbers), 0.0))
    rows, row_sines = across[:, :, None], sine[:, :, None]
    columns, column_sines = across[:, None], sine[:, None]
    total = rows * columns - row_sines * column_sines
    return ops.stack([total, row_sines * columns - rows * column_sines], axis=-1)


def _resnet_18(x: Any, config: Any) -> Any:
    x = _normed_conv(x, config.base_width, 7, 2)
    x = layers.MaxPooling2D(3, 2, padding="same")(layers.ReLU()(x))
    for stage, blocks in enumerate(config.blocks_per_stage):
        channels = config.base_width * 2**stage
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            y = layers.ReLU()(_normed_conv(x, channels, 3, stride))
            y = _normed_conv(y, channels, 3, 1)
            if stride > 1 or x.shape[-1] != channels:
                x = _normed_conv(x, channels, 1, stride)
            x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.GlobalAveragePooling2D()(x)
    for width, rate in zip(config.head_widths, config.head_dropout_rates, strict=True):
        x = layers.BatchNormalization()(layers.Dense(width, use_bias=False)(x))
        x = layers.Dropout(rate)(layers.ReLU()(x))
    return x


def _normed_conv(x: Any, channels: int, size: int, stride: int) -> Any:
    x = layers.Conv2D(channels, size, stride, padding="same", use_bias=False)(x)
    return layers.BatchNormalization()(x)


PEERS: dict[str, Callable[[dict[str, Any], Any], Any]] = {
    "bilstm": _bilstm,
    "gaf_cnn": _gaf_cnn,
    "linear": _linear,
    "lstm": _lstm,
    "mlp": _mlp,
    "sequential_deep": _sequential_deep,
    "stacked_lstm": _stacked_lstm,
    "tcn": _tcn,
    "transformer": _transformer,
}
