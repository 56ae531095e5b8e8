"""Plain Keras layers that take their weights from one slice of a stack's weights."""

from collections.abc import Mapping
from typing import Any

import keras

from ultimate_deep.models.layers.stacks.normalization import plain_norm
from ultimate_deep.models.layers.stacks.offset import Offset
from ultimate_deep.models.seeds import derive_seed

Weights = Mapping[str, Any]

# What a stack calls a norm's weights, and what Keras calls them.
NORM_WEIGHTS = {
    "layer": {"scale": "gamma", "offset": "beta"},
    "rms": {"scale": "scale"},
    "batch": {
        "scale": "gamma",
        "offset": "beta",
        "moving_mean": "moving_mean",
        "moving_variance": "moving_variance",
    },
    "none": {"offset": "offset"},
}


def with_weights(layer: keras.layers.Layer, x: Any, **arrays: Any) -> Any:
    """Call a layer, which builds it, and give its weights these values; returns the output."""
    y = layer(x)
    for name, array in arrays.items():
        getattr(layer, name).assign(array)
    return y


def norm(x: Any, kind: str, weights: Weights, name: str) -> Any:
    """The norm called `name`, in float32 under every policy as in the stacks.

    `weights` holds `scale`, `offset`, ... as the kind has them.
    """
    named = {NORM_WEIGHTS[kind][key]: array for key, array in weights.items()}
    if kind == "none":
        return with_weights(Offset(dtype="float32", name=name), x, **named)
    return with_weights(plain_norm(kind, dtype="float32", name=name), x, **named)


def activation(x: Any, kind: str, name: str) -> Any:
    """The activation, in float32 under every policy as in the stacks."""
    return keras.layers.Activation(kind, dtype="float32", name=name)(x)


def dense(x: Any, weights: Weights, stack: Any, name: str) -> Any:
    """A dense layer with `weights` `kernel` and, where there is one, `bias`."""
    layer = keras.layers.Dense(
        weights["kernel"].shape[-1],
        use_bias="bias" in weights,
        # Of what Keras offers the nearest to the stacks'; the values come from the stack.
        kernel_initializer=keras.initializers.HeNormal(seed=derive_seed(stack.seed, name)),
        kernel_regularizer=keras.regularizers.L2(stack.l2) if stack.l2 else None,
        dtype=stack.dtype_policy,
        name=name,
    )
    return with_weights(layer, x, **weights)


def dropout(x: Any, rate: float, stack: Any, name: str) -> Any:
    """Dropout with Keras' own masks; nothing where nothing is dropped."""
    if not rate:
        return x
    seed = derive_seed(stack.seed, name)
    return keras.layers.Dropout(rate, seed=seed, dtype="float32", name=name)(x)


def stochastic_depth(x: Any, rate: float, stack: Any, *, block: str, name: str) -> Any:
    """Drop a branch for whole rows of the batch.

    Every branch of one block has the same seed, and so the same mask, as in the stacks.
    """
    if not rate:
        return x
    return keras.layers.Dropout(
        rate,
        noise_shape=(None, *(1 for _ in x.shape[1:])),
        seed=derive_seed(stack.seed, f"{block}_stochastic_depth"),
        dtype="float32",
        name=name,
    )(x)


def constant_scale(x: Any, scale: float, name: str) -> Any:
    """Multiply by a constant; nothing where it is 1."""
    return x if scale == 1.0 else keras.layers.Rescaling(scale, dtype="float32", name=name)(x)


def add(x: Any, branch: Any, name: str) -> Any:
    """The sum, in float32 under every policy."""
    return keras.layers.Add(dtype="float32", name=name)([x, branch])


def slices(stack: Any) -> dict[str, Any]:
    """Every weight of a stack by name, as NumPy arrays."""
    return {weight.name: keras.ops.convert_to_numpy(weight) for weight in stack.weights}


def with_prefix(weights: Weights, prefix: str) -> dict[str, Any]:
    """The entries whose name starts with `prefix`, without it."""
    return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}


def last_unit(x: Any, name: str) -> Any:
    """Of `(batch, units, width)` the last unit, of `(batch, width)` itself."""
    if len(x.shape) == 2:
        return x
    if x.shape[1] > 1:
        crop = (x.shape[1] - 1, 0)
        x = keras.layers.Cropping1D(crop, dtype="float32", name=f"{name}_last_unit")(x)
    return keras.layers.Reshape(x.shape[2:], dtype="float32", name=f"{name}_input_flat")(x)
