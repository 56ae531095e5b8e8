"""From the `inputs` argument of a builder to Keras input tensors."""

from collections.abc import Mapping
from typing import Any

import keras

from models.layers.clip_inputs import ClipInputs

Inputs = Mapping[str, tuple[int | None, ...]]


def make_inputs(inputs: Inputs) -> tuple[Any, list[Any]]:
    """Turn `{"features": (220,)}` into Keras inputs.

    Args:
        inputs: name to shape without the batch axis, in the order the model reads them.

    Returns:
        What `keras.Model(inputs=...)` takes (one tensor for one input, so that a plain array
        can be fed; a dict by name for several), and the tensors in order.

    Raises:
        ValueError: no inputs at all, or an empty shape.
    """
    if not inputs:
        raise ValueError('A model needs at least one input, got none: pass {"features": (220,)}.')
    for name, shape in inputs.items():
        if len(shape) == 0:
            raise ValueError(
                f"Input {name!r} has the empty shape (): give its shape without the batch axis."
            )
    tensors = {
        name: keras.Input(shape=tuple(shape), name=name, dtype="float32")
        for name, shape in inputs.items()
    }
    ordered = list(tensors.values())
    return (ordered[0] if len(ordered) == 1 else tensors), ordered


def flat_features(inputs: Inputs, tensors: list[Any], *, input_clip: float, dtype: Any) -> Any:
    """Clip every input at `input_clip`, flatten it and join all: `(batch, features)`.

    Raises:
        ValueError: an axis of unknown size, which cannot be flattened to a fixed width.
    """
    parts = []
    for (name, shape), tensor in zip(inputs.items(), tensors, strict=True):
        if any(size is None for size in shape):
            raise ValueError(
                f"Input {name!r} has shape {tuple(shape)}, but this model reads a fixed number of "
                "features: give every axis a size."
            )
        part = ClipInputs(input_clip, dtype=dtype, name=f"{name}_clip")(tensor)
        if len(shape) > 1:
            part = keras.layers.Flatten(dtype=dtype, name=f"{name}_flat")(part)
        parts.append(part)
    if len(parts) == 1:
        return parts[0]
    return keras.layers.Concatenate(dtype=dtype, name="inputs_joined")(parts)
