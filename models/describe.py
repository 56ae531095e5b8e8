"""What a model is made of: one row for each weighted layer, also inside stacked layers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import pandas as pd

from models.layers.dense_stack import DenseStack
from models.layers.multi_scale_attention import MultiScaleAttention
from models.layers.residual_scale import ResidualScale
from models.layers.residual_stack import ResidualStack

COLUMNS = ("unit", "block", "name", "kind", "shape", "parameters")


@dataclass(frozen=True)
class Row:
    """One weighted layer; `kind` is `dense`, `norm`, `scale` or a Keras class name.

    `unit` and `block` count from 1 within their part; `block` is 0 outside blocks. `shape` is
    of the kernel or of the norm's scale.
    """

    unit: str
    block: int
    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int


@dataclass(frozen=True, kw_only=True)
class LayerCounts:
    """Two counts of layers, never to be mixed, and the number of parameters.

    `weighted` counts dense layers and norms, `matrix_products` dense layers alone;
    `parameters` includes what training does not learn (moving statistics).
    """

    weighted: int
    matrix_products: int
    parameters: int


def describe_architecture(model: keras.Model) -> pd.DataFrame:
    """List every weighted layer of a model, those inside stacked layers one by one.

    Returns:
        One row for each: columns `unit`, `block`, `name`, `kind`, `shape`, `parameters` (see
        `Row`). The parameters add up to `model.count_params()`.

    Raises:
        ValueError: the model has not been built yet.
    """
    if not model.built:
        raise ValueError(f"Model {model.name!r} has no weights yet: build it or call it once.")
    rows = [vars(row) for row in _rows(model, unit="")]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def count_layers(model: keras.Model) -> LayerCounts:
    """Count the layers of `describe_architecture`; learnt residual scales are not layers."""
    table = describe_architecture(model)
    return LayerCounts(
        weighted=int((table["kind"] != "scale").sum()),
        matrix_products=int((~table["kind"].isin(["scale", "norm"])).sum()),
        parameters=int(table["parameters"].sum()),
    )


def decay_exclusions(model: keras.Model) -> list[str]:
    """Names for `optimizer.exclude_from_weight_decay(var_names=...)`: norms, biases, scales.

    Every name is a part of some variable's path in this model, and no kernel's.
    """
    parts = ("bias", "offset", "scale", "gamma", "beta")
    paths = [variable.path.lower() for variable in model.trainable_variables]
    kernels = [path for path in paths if path.endswith("kernel")]
    # The whole end of a path, since a layer of kernels may be called multi_scale_attention.
    ends = {path.rsplit("/", 1)[1] for path in paths if path.endswith(parts)}
    return sorted(end for end in ends if not any(end in kernel for kernel in kernels))


def _rows(layer: Any, unit: str) -> Iterator[Row]:
    if isinstance(layer, ResidualStack):
        yield from _residual_rows(layer)
    elif isinstance(layer, DenseStack):
        yield from _dense_rows(layer)
    elif isinstance(layer, MultiScaleAttention):
        yield from _attention_rows(layer)
    elif isinstance(layer, keras.Model):
        for inner in layer.layers:
            yield from _rows(inner, layer.name if unit or _is_unit(layer) else "")
    elif layer.weights:
        yield _plain_row(layer, unit)


def _is_unit(model: keras.Model) -> bool:
    return "_unit_" in model.name


def _plain_row(layer: Any, unit: str) -> Row:
    kind = type(layer).__name__
    if isinstance(layer, keras.layers.Dense):
        kind = "dense"
    elif "Normalization" in kind:
        kind = "norm"
    elif isinstance(layer, ResidualScale):
        kind = "scale"
    block = layer.name.partition("_block_")[2].partition("_")[0]
    return Row(
        unit=unit or layer.name,
        block=int(block) if block.isdigit() else 0,
        name=layer.name,
        kind=kind,
        shape=tuple(layer.weights[0].shape),
        parameters=layer.count_params(),
    )


def _residual_rows(stack: ResidualStack) -> Iterator[Row]:
    shapes = {weight.name: tuple(weight.shape[1:]) for weight in stack.weights}
    width = shapes["dense_1_kernel"][0]
    vectors = {half: sum(f"norm_{half}" in name for name in shapes) for half in ("1", "2")}
    for unit, blocks in enumerate(stack.blocks_per_unit, start=1):
        for block in range(1, blocks + 1):
            label, name = f"res_unit_{unit:02d}", f"res_unit_{unit:02d}_block_{block:04d}"
            for half in ("1", "2"):
                parameters = vectors[half] * width
                yield Row(label, block, f"{name}_norm_{half}", "norm", (width,), parameters)
                parameters = width * width + (width if f"dense_{half}_bias" in shapes else 0)
                yield Row(label, block, f"{name}_dense_{half}", "dense", (width, width), parameters)
            if "residual_scale" in shapes:
                yield Row(label, block, f"{name}_residual_scale", "scale", (1,), 1)


def _dense_rows(stack: DenseStack) -> Iterator[Row]:
    names = [weight.name for weight in stack.weights]
    vectors = sum(name.startswith("block_norm") for name in names)
    layout = stack.layout
    fans = iter(layout.block_fans)
    for unit, blocks in enumerate(stack.blocks_per_unit, start=1):
        label = f"dense_unit_{unit:02d}"
        readers = [
            (f"{label}_block_{block:04d}", block, next(fans), layout.growth_rate)
            for block in range(1, blocks + 1)
        ]
        readers.append((f"{label}_transition", 0, layout.transition_fans[unit - 1], layout.width))
        for name, block, fan, outputs in readers:
            yield Row(label, block, f"{name}_norm", "norm", (fan,), vectors * fan)
            yield Row(label, block, f"{name}_dense", "dense", (fan, outputs), (fan + 1) * outputs)


def _attention_rows(layer: MultiScaleAttention) -> Iterator[Row]:
    label, width, token = layer.name, layer.width, layer.token_width
    vectors = 2 if layer.normalization == "layer" else 1
    for unit in range(1, layer.units + 1):
        name = f"{label}_unit_{unit:02d}"
        yield Row(label, 0, f"{name}_norm", "norm", (width,), vectors * width)
        yield Row(label, 0, f"{name}_token", "dense", (width, token), (width + 1) * token)
    for part in ("query", "key", "value", "output"):
        parameters = token * token + (token if part == "output" else 0)
        yield Row(label, 0, f"{label}_{part}", "dense", (token, token), parameters)
