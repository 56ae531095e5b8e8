"""From the `inputs` argument of a builder to Keras input tensors."""

from collections.abc import Mapping
from typing import Any, Literal

import keras

from ultimate_deep.models.layers.clip_inputs import ClipInputs

Inputs = Mapping[str, tuple[int | None, ...]]
# What a model takes: all features of the decision's bar; one window of bars; one for each of
# several timeframes, finest first; the numbers behind Gramian angular fields; those behind a chart
# of bars; a window and the time of the decision.
Reads = Literal["features", "window", "timeframes", "gaf", "bar_image", "episodic"]


def make_inputs(inputs: Inputs) -> tuple[Any, list[Any]]:
    """Turn `{"features": (220,)}` into Keras inputs.

    Args:
        inputs: Name to shape without the batch axis, in the order the model reads them.

    Returns:
        What `keras.Model(inputs=...)` takes (one tensor for one input, so that a plain array
        can be fed; a dict by name for several), and the tensors in order.

    Raises:
        ValueError: No inputs at all, or an empty shape.
    """
    if not inputs:
        raise ValueError('a model needs at least one input, got none: pass {"features": (220,)}')
    for name, shape in inputs.items():
        if len(shape) == 0:
            raise ValueError(
                f"input {name!r} has the empty shape (): give its shape without the batch axis"
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
        ValueError: An axis of unknown size, which cannot be flattened to a fixed width.
    """
    parts = []
    for (name, shape), tensor in zip(inputs.items(), tensors, strict=True):
        if any(size is None for size in shape):
            raise ValueError(
                f"input {name!r} has shape {tuple(shape)}, but this model reads a fixed number of "
                "features: give every axis a size"
            )
        part = ClipInputs(input_clip, dtype=dtype, name=f"{name}_clip")(tensor)
        if len(shape) > 1:
            part = keras.layers.Flatten(dtype=dtype, name=f"{name}_flat")(part)
        parts.append(part)
    if len(parts) == 1:
        return parts[0]
    return keras.layers.Concatenate(dtype=dtype, name="inputs_joined")(parts)


def one_window(inputs: Inputs) -> tuple[str, int, int]:
    """Name, bars and features of a model's only input, `{"bars": (window_bars, features)}`.

    Raises:
        ValueError: Several inputs, or a shape that is no window of fixed size.
    """
    windows = windows_of(inputs)
    if len(windows) != 1:
        raise ValueError(
            f"this model reads one window of bars, got inputs {sorted(inputs)}: give one, or "
            "choose a model that reads several timeframes"
        )
    name, (window_bars, features) = next(iter(windows.items()))
    return name, window_bars, features


def windows_of(inputs: Inputs) -> dict[str, tuple[int, int]]:
    """Name to `(window_bars, features)` of every input, in order.

    Raises:
        ValueError: No inputs, or a shape that is no window of fixed size.
    """
    if not inputs:
        raise ValueError('a model needs at least one input, got none: pass {"bars": (32, 220)}')
    windows = {}
    for name, shape in inputs.items():
        sizes = [size for size in shape if size is not None and size > 0]
        if len(shape) != 2 or len(sizes) != 2:
            raise ValueError(
                f"input {name!r} has shape {tuple(shape)}, but this model reads windows: give "
                "(window_bars, features) and give every axis a size"
            )
        windows[name] = (sizes[0], sizes[1])
    return windows


def clipped(inputs: Inputs, tensors: list[Any], *, input_clip: float, dtype: Any) -> dict[str, Any]:
    """Every input limited to `+-input_clip`, by name."""
    return {
        name: ClipInputs(input_clip, dtype=dtype, name=f"{name}_clip")(tensor)
        for name, tensor in zip(inputs, tensors, strict=True)
    }
