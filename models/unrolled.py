"""The ultimate net's units as plain Keras layers, nested per unit, and weights copied there.

For inspection, for export to tools that want no loops, and as the reference that the stacked
layers are tested against. Dropout is Keras' own here, so its masks differ from the stacks'
masks: with dropout off, outputs and gradients agree; with dropout on, only in distribution.
Time to trace grows with depth, which is why this is not the default.
"""

from collections.abc import Iterator
from typing import Any

import keras

from models.layers.dense_block import DenseLayout
from models.layers.dense_stack import DenseStack
from models.layers.normalization import plain_norm
from models.layers.residual_block import BlockSettings
from models.layers.residual_scale import ResidualScale
from models.layers.residual_stack import ResidualStack
from models.seeds import derive_seed

# Names of a stack's norm weights beside those of the plain Keras norm layers.
NORM_WEIGHTS = {
    "scale": ("gamma", "scale"),
    "offset": ("beta",),
    "moving_mean": ("moving_mean",),
    "moving_variance": ("moving_variance",),
}


def unrolled_units(x: Any, config: Any, policy: keras.DTypePolicy) -> list[Any]:
    """Every unit of an `UltimateConfig` as a nested model: a list of `(batch, width)` outputs."""
    outputs = []
    for unit, blocks in enumerate(config.res_blocks_per_unit, start=1):
        x = _residual_unit(f"res_unit_{unit:02d}", blocks, config, policy)(x)
        outputs.append(x)
    for unit, blocks in enumerate(config.dense_blocks_per_unit, start=1):
        x = _dense_unit(f"dense_unit_{unit:02d}", blocks, config, policy)(x)
        outputs.append(x)
    return outputs


def copy_to_unrolled(stacked: keras.Model, unrolled: keras.Model) -> None:
    """Give an unrolled ultimate net the weights of the stacked one of the same configuration.

    Raises:
        ValueError: the two were built from different configurations.
    """
    copied = 0
    for layer in stacked.layers:
        if isinstance(layer, ResidualStack):
            copied += sum(_copy_layers(unrolled, _residual_weights(layer)))
        elif isinstance(layer, DenseStack):
            copied += sum(_copy_layers(unrolled, _dense_weights(layer)))
        elif layer.weights:
            unrolled.get_layer(layer.name).set_weights(layer.get_weights())
            copied += layer.count_params()
    if not copied == stacked.count_params() == unrolled.count_params():
        raise ValueError(
            f"Copied {copied:,} parameters of {stacked.count_params():,} into a model of "
            f"{unrolled.count_params():,}: build both from one configuration, which may differ in "
            "implementation and memory only."
        )


def _residual_unit(name: str, blocks: int, config: Any, policy: Any) -> keras.Model:
    inputs = x = keras.Input((config.width,), dtype="float32", name=f"{name}_input")
    for block in range(1, blocks + 1):
        x = _residual_block(x, f"{name}_block_{block:04d}", config, policy)
    return keras.Model(inputs, x, name=name)


def _residual_block(x: Any, name: str, config: Any, policy: Any) -> Any:
    branch = x
    for half in ("1", "2"):
        # Norms work in float32 under every policy, as in the stack.
        branch = plain_norm(config.normalization, dtype="float32", name=f"{name}_norm_{half}")(
            branch
        )
        branch = keras.layers.Activation(
            config.activation, dtype="float32", name=f"{name}_activation_{half}"
        )(branch)
        if half == "2":
            branch = _dropout(branch, f"{name}_dropout", config)
        branch = keras.layers.Dense(
            config.width,
            use_bias=half == "2" or config.normalization != "batch",
            kernel_initializer=_he_normal(config, f"{name}_dense_{half}"),
            kernel_regularizer=keras.regularizers.L2(config.l2) if config.l2 else None,
            dtype=policy,
            name=f"{name}_dense_{half}",
        )(branch)
    scale = BlockSettings(
        depth=sum(config.res_blocks_per_unit),
        normalization=config.normalization,
        activation=config.activation,
        dropout_rate=config.dropout_rate,
        residual_scaling=config.residual_scaling,
        compute_dtype=policy.compute_dtype,
    ).branch_scale
    if scale != 1.0:
        branch = keras.layers.Rescaling(scale, dtype="float32", name=f"{name}_scale")(branch)
    if config.residual_scaling == "rezero":
        branch = ResidualScale(dtype="float32", name=f"{name}_residual_scale")(branch)
    return keras.layers.Add(dtype="float32", name=f"{name}_add")([x, branch])


def _dense_unit(name: str, blocks: int, config: Any, policy: Any) -> keras.Model:
    inputs = x = keras.Input((config.width,), dtype="float32", name=f"{name}_input")
    for block in range(1, blocks + 1):
        part = f"{name}_block_{block:04d}"
        y = _norm_dense(x, part, config.growth_rate, config, policy)
        y = _dropout(y, f"{part}_dropout", config)
        x = keras.layers.Concatenate(dtype="float32", name=f"{part}_join")([x, y])
    x = _norm_dense(x, f"{name}_transition", config.width, config, policy)
    return keras.Model(inputs, x, name=name)


def _norm_dense(x: Any, name: str, outputs: int, config: Any, policy: Any) -> Any:
    x = plain_norm(config.normalization, dtype="float32", name=f"{name}_norm")(x)
    x = keras.layers.Activation(config.activation, dtype="float32", name=f"{name}_activation")(x)
    return keras.layers.Dense(
        outputs,
        kernel_initializer=_he_normal(config, f"{name}_dense"),
        kernel_regularizer=keras.regularizers.L2(config.l2) if config.l2 else None,
        dtype=policy,
        name=f"{name}_dense",
    )(x)


def _dropout(x: Any, name: str, config: Any) -> Any:
    seed = derive_seed(config.seed, name)
    return keras.layers.Dropout(config.dropout_rate, seed=seed, dtype="float32", name=name)(x)


def _he_normal(config: Any, name: str) -> keras.initializers.Initializer:
    return keras.initializers.VarianceScaling(
        2.0, mode="fan_in", distribution="untruncated_normal", seed=derive_seed(config.seed, name)
    )


LayerWeights = tuple[str, str, dict[str, Any]]


def _residual_weights(stack: ResidualStack) -> Iterator[LayerWeights]:
    """Unit name, layer name and named arrays of every plain layer that a stack stands for."""
    weights = {weight.name: keras.ops.convert_to_numpy(weight) for weight in stack.weights}
    index = 0
    for unit, blocks in enumerate(stack.blocks_per_unit, start=1):
        for block in range(1, blocks + 1):
            name = f"res_unit_{unit:02d}_block_{block:04d}"
            here = {key: value[index] for key, value in weights.items()}
            for half in ("1", "2"):
                for part in ("norm", "dense"):
                    prefix = f"{part}_{half}_"
                    yield (
                        f"res_unit_{unit:02d}",
                        f"{name}_{part}_{half}",
                        _with_prefix(here, prefix),
                    )
            if "residual_scale" in here:
                scale = {"residual_scale": here["residual_scale"]}
                yield f"res_unit_{unit:02d}", f"{name}_residual_scale", scale
            index += 1


def _dense_weights(stack: DenseStack) -> Iterator[LayerWeights]:
    weights = {weight.name: keras.ops.convert_to_numpy(weight) for weight in stack.weights}
    layout: DenseLayout = stack.layout
    starts = {"block": 0, "transition": 0}
    number = {"block": 0, "transition": 0}
    for unit, blocks in enumerate(stack.blocks_per_unit, start=1):
        name = f"dense_unit_{unit:02d}"
        readers = [("block", f"{name}_block_{block:04d}") for block in range(1, blocks + 1)]
        for part, reader in [*readers, ("transition", f"{name}_transition")]:
            fans = layout.block_fans if part == "block" else layout.transition_fans
            fan = fans[number[part]]
            rows = slice(starts[part], starts[part] + fan)
            here = _with_prefix(weights, f"{part}_")
            yield (
                name,
                f"{reader}_norm",
                _with_prefix({key: value[rows] for key, value in here.items()}, "norm_"),
            )
            dense = {"kernel": here["kernel"][rows], "bias": here["bias"][number[part]]}
            yield name, f"{reader}_dense", dense
            starts[part] += fan
            number[part] += 1


def _with_prefix(weights: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}


def _copy_layers(model: keras.Model, layers: Iterator[LayerWeights]) -> Iterator[int]:
    """Assign, weight by weight; yields how many numbers each layer took."""
    for unit, name, arrays in layers:
        layer = model.get_layer(unit).get_layer(name)
        targets = {weight.name: weight for weight in layer.weights}
        for key, array in arrays.items():
            names = [alias for alias in NORM_WEIGHTS.get(key, (key,)) if alias in targets]
            targets[names[0]].assign(array)
        yield sum(array.size for array in arrays.values())
