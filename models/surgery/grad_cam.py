"""Where a net of pictures looks: the share of each place of a picture in what it says.

Source: Selvaraju et al. (2017), "Grad-CAM: Visual Explanations from Deep Networks via
Gradient-based Localization", ICCV, eq. 1 and 2.
"""

from typing import Any

import keras
import numpy as np

# A map of fewer rows would say no more than which quarter.
_LEAST_ROWS = 4


def drawn_inputs(model: keras.Model) -> dict[str, keras.layers.Layer]:
    """Return the layer that draws each input's picture, by the input's name; none in other nets."""
    drawn = {}
    for tensor in model.inputs:
        for layer in model.layers:
            if layer.name == f"{tensor.name}_pictures":
                drawn[tensor.name] = layer
    return drawn


def grad_cam(model: keras.Model, x: Any) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the pictures that a net draws, and where it looks in each.

    The map is of the last activations that still have four rows and columns: the weight of a
    channel is the mean slope of the logit by it, and the map their weighted sum, negative values
    left out. The logit is that of the side that the net says, so that what counts is what speaks
    for it. A net of several horizons is asked about the first.

    Args:
        model: Net whose pictures are drawn inside of it (`models.layers.GafImages` and its like).
        x: Inputs of a few rows, an array for one input, else arrays by name.

    Returns:
        For each input the pictures `(rows, height, width, channels)` and maps
        `(rows, height, width)` in [0, 1], each picture's largest value 1 (or all 0), float32.

    Raises:
        ValueError: No picture is drawn in the net, or another backend than TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"grad_cam takes slopes with TensorFlow, got the backend {keras.backend.backend()}; "
            "load the model with KERAS_BACKEND=tensorflow"
        )
    import tensorflow as tf

    from ultimate_deep.models.heads import direction_logits

    drawn = drawn_inputs(model)
    if not drawn:
        raise ValueError(
            f"grad_cam is of nets that draw pictures, got {model.name!r}; give one such as gaf_cnn"
        )
    seen = {name: _seen_by(model, name) for name in drawn}
    wanted = [[layer.output for layer in drawn.values()], [one.output for one in seen.values()]]
    inner = keras.Model(model.inputs, [*wanted, model.outputs])
    named = [x] if len(model.inputs) == 1 else [x[tensor.name] for tensor in model.inputs]
    given = [tf.constant(np.asarray(one)) for one in named]
    with tf.GradientTape() as tape:
        tape.watch(given)
        pictures, activations, outputs = inner(given, training=False)
        structured = keras.tree.pack_sequence_as(model.output, outputs)
        logit = direction_logits(structured)[:, 0]
        side = tf.where(logit > 0, 1.0, -1.0)
        said = tf.reduce_sum(side * logit)
    slopes = tape.gradient(said, activations)
    found = {}
    for name, picture, activation, slope in zip(drawn, pictures, activations, slopes, strict=True):
        weight = tf.reduce_mean(tf.cast(slope, "float32"), axis=(1, 2), keepdims=True)
        heat = tf.nn.relu(tf.reduce_sum(weight * tf.cast(activation, "float32"), axis=-1))
        size = (picture.shape[1], picture.shape[2])
        wide = tf.image.resize(heat[..., None], size, method="bilinear")[..., 0].numpy()
        most = wide.max(axis=(1, 2), keepdims=True)
        shown = np.divide(wide, most, out=np.zeros_like(wide), where=most > 0)
        found[name] = (tf.cast(picture, "float32").numpy(), shown)
    return found


def _seen_by(model: keras.Model, name: str) -> keras.layers.Layer:
    """The last activation behind an input's picture that still has rows to tell apart.

    Of a backbone that several inputs share, its layer's first call would be of another picture.
    """
    layers = [layer for layer in model.layers if len(layer._inbound_nodes) == 1]
    own = [layer for layer in layers if layer.name.startswith(f"backbone_{name}_")]
    found = None
    for layer in own or layers:
        shape: tuple[int, ...] = tuple(getattr(layer.output, "shape", ()))
        active = isinstance(layer, keras.layers.Activation | keras.layers.LeakyReLU)
        if active and len(shape) == 4 and min(shape[1], shape[2]) >= _LEAST_ROWS:
            found = layer
    if found is None:
        raise ValueError(
            f"grad_cam needs activations of {_LEAST_ROWS} rows or more behind {name!r} that no "
            "other picture shares, got none; give a net with a backbone for each picture"
        )
    return found
