"""Whether arrays and a model fit together, asked before anything is compiled."""

from collections.abc import Mapping

import keras

from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.losses.outputs import HeadShapes, head_shapes


def check_arrays(model: keras.Model, arrays: Arrays, part: str) -> HeadShapes:
    """Refuse arrays that do not fit the model's inputs and heads; return the heads.

    Raises:
        ValueError: Other input names or shapes, another number of horizons, outputs that are no
            heads or not float32.
    """
    expected = {tensor.name: tuple(tensor.shape) for tensor in model.inputs}
    given = {name: values.shape for name, values in arrays.inputs().items()}
    if not isinstance(arrays.x, Mapping):
        if len(expected) > 1:
            raise ValueError(
                f"{part}: the model has inputs {sorted(expected)}, got one array; give a dict"
            )
        given = {next(iter(expected)): given["x"]}
    if set(given) != set(expected):
        raise ValueError(
            f"{part}: the model's inputs are {sorted(expected)}, got {sorted(given)}; "
            "give exactly those"
        )
    for name, shape in given.items():
        if not _fits(shape, expected[name]):
            raise ValueError(
                f"{part}: input {name!r} must have shape {expected[name]}, got {shape}; "
                "build the model for this width or choose the same features"
            )
    heads = head_shapes(model.output)
    if heads.horizons != arrays.horizons:
        raise ValueError(
            f"{part}: y has {arrays.horizons} horizons but the model {heads.horizons}; "
            "give one label column per horizon"
        )
    return heads


def _fits(shape: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    if len(shape) != len(expected):
        return False
    return all(want in (None, got) for got, want in zip(shape[1:], expected[1:], strict=True))
