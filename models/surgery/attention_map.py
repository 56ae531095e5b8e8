"""What a model listens to: the weights of its attention over depth or over time, read out."""

from typing import Any

import keras
import numpy as np

from ultimate_deep.models.layers.attention.multi_scale_attention import MultiScaleAttention
from ultimate_deep.models.surgery.unit_labels import unit_labels


def attention_weights(model: keras.Model, x: Any, *, batch_size: int = 1024) -> np.ndarray:
    """The weights with which each unit's value enters the attention's output.

    Of a net with members, the mean over those that go through the stack.

    Args:
        model: A functional model with one `MultiScaleAttention`, such as `build_ultimate` makes.
        x: What `model` is fed: an array `(rows, features)`, or a dict of arrays.
        batch_size: Rows computed at once.

    Returns:
        `(rows, heads, units)` float32, adding up to 1 over units.

    Raises:
        ValueError: The model has no such layer.
    """
    layer = _attention_layer(model)
    weights = keras.Model(model.inputs, layer.input)
    arrays = list(x.values()) if isinstance(x, dict) else [x]
    if isinstance(x, dict):
        arrays = [x[tensor.name] for tensor in model.inputs]
    parts = []
    for start in range(0, len(arrays[0]), batch_size):
        rows = [np.asarray(array[start : start + batch_size], np.float32) for array in arrays]
        outputs = weights(rows, training=False)
        found = keras.ops.convert_to_numpy(layer.attention_weights(outputs))
        # Behind a stem of members, those of a row come one after another.
        parts.append(found.reshape(len(rows[0]), -1, *found.shape[1:]).mean(axis=1))
    return np.concatenate(parts)


def temporal_attention(
    model: keras.Model, x: Any, *, batch_size: int = 256
) -> dict[str, np.ndarray]:
    """The attention over time of every layer that has one, as it enters the layer's output.

    A layer of ours has one if it has a method `attention_map`: `SequenceAttention`,
    `HorizonAttention` (its queries are horizons) and adaptive `TimePooling` (one query).

    Args:
        model: A functional model.
        x: What `model` is fed: an array `(rows, time, features)`, or a dict of arrays.
        batch_size: Rows computed at once.

    Returns:
        Layer name to `(rows, heads, queries, keys)` float32, adding up to 1 over keys; the newest
        bar is the last. With `channel_independent` patches, rows are rows times channels.

    Raises:
        ValueError: The model has no such layer.
    """
    layers = _temporal_layers(model)
    if not layers:
        raise ValueError(
            f"model {model.name!r} has no attention over time to read: the transformers have, see "
            "ultimate_deep.models.registry"
        )
    # By name: Keras unpacks a list of one output.
    inputs = keras.Model(model.inputs, {layer.name: layer.input for layer in layers})
    arrays = [x[tensor.name] for tensor in model.inputs] if isinstance(x, dict) else [x]
    parts: dict[str, list[np.ndarray]] = {layer.name: [] for layer in layers}
    for start in range(0, len(arrays[0]), batch_size):
        rows = [np.asarray(array[start : start + batch_size], np.float32) for array in arrays]
        outputs = inputs(rows, training=False)
        for layer in layers:
            shares = layer.attention_map(outputs[layer.name])
            parts[layer.name].append(keras.ops.convert_to_numpy(shares))
    return {name: np.concatenate(maps) for name, maps in parts.items()}


def has_temporal_attention(model: keras.Model) -> bool:
    """Whether `temporal_attention` finds anything to read."""
    return bool(_temporal_layers(model))


def has_attention(model: keras.Model) -> bool:
    """Whether the model has a `MultiScaleAttention` that `attention_weights` can read."""
    return any(isinstance(layer, MultiScaleAttention) for layer in model.layers)


def unit_names(model: keras.Model) -> list[str]:
    """A label for each unit of `attention_weights`, in the same order."""
    names: list[str] = []
    for layer in model.layers:
        if hasattr(layer, "blocks_per_unit"):
            names += unit_labels(layer)
        elif isinstance(layer, keras.Model):
            names += [inner.name for inner in layer.layers if isinstance(inner, keras.Model)]
    return names


def _temporal_layers(model: keras.Model) -> list[Any]:
    return [
        layer
        for layer in model.layers
        if hasattr(layer, "attention_map") and getattr(layer, "kind", None) not in ("last", "mean")
    ]


def _attention_layer(model: keras.Model) -> MultiScaleAttention:
    for layer in model.layers:
        if isinstance(layer, MultiScaleAttention):
            return layer
    raise ValueError(
        f"model {model.name!r} has no MultiScaleAttention layer to read: build_ultimate makes "
        "models that do"
    )
