"""What a model is made of: one row for each weighted layer, also inside stacked layers."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import pandas as pd

from ultimate_deep.models.layers.attention.multi_scale_attention import MultiScaleAttention
from ultimate_deep.models.layers.members.member_stem import MemberStem
from ultimate_deep.models.layers.stacks.dense_stack import DenseStack
from ultimate_deep.models.surgery.unit_labels import (
    block_labels,
    block_of_label,
    unit_labels,
    unit_of_label,
)

COLUMNS = ("unit", "block", "name", "kind", "shape", "parameters")
# Kinds that are counted neither as weighted layers nor as matrix products.
UNCOUNTED = ("scale", "offset")
# Weights that belong to the same matrix product under several names: query_1_bias to qkv_1.
SHARED_PRODUCT = {"query": "qkv", "key": "qkv", "value": "qkv"}


@dataclass(frozen=True)
class Row:
    """One weighted layer; `kind` is `dense`, `norm`, `scale`, `offset` or a Keras class name.

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

    `weighted` counts dense layers and norms, `matrix_products` dense layers alone (the products
    of attention's scores and values have no weights and are not counted); `parameters` includes
    what training does not learn (moving statistics).
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
        ValueError: The model has not been built yet.
    """
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for part in _parts(model):
        for name, values in part.columns().items():
            columns[name].extend(values)
    return pd.DataFrame(columns)


def count_layers(model: keras.Model) -> LayerCounts:
    """Count the layers of `describe_architecture`.

    Learnt residual scales, the scales of members' inputs, and the offsets that stand in for norms
    under `normalization="none"` are not layers; a dense layer of members is one, however many they
    are.

    Raises:
        ValueError: The model has not been built yet.
    """
    weighted = products = parameters = 0
    for part in _parts(model):
        for row in part.rows:
            weighted += part.blocks * (row.kind not in UNCOUNTED)
            products += part.blocks * (row.kind not in (*UNCOUNTED, "norm"))
            parameters += part.blocks * row.parameters
    return LayerCounts(weighted=weighted, matrix_products=products, parameters=parameters)


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


@dataclass(frozen=True)
class _Rows:
    """Rows as they are."""

    rows: list[Row]
    blocks: int = 1

    def columns(self) -> dict[str, list[Any]]:
        return {name: [getattr(row, name) for row in self.rows] for name in COLUMNS}


@dataclass(frozen=True)
class _EqualBlocks:
    """The rows of one block, their names without the block's, repeated for every block."""

    rows: list[Row]
    labels: list[str]
    blocks_per_unit: tuple[int, ...]

    @property
    def blocks(self) -> int:
        return sum(self.blocks_per_unit)

    def columns(self) -> dict[str, list[Any]]:
        """Lists multiplied rather than rows made one by one: millions of rows in seconds."""
        count = len(self.rows)
        units = list(zip(self.labels, self.blocks_per_unit, strict=True))
        blocks = [name for label, number in units for name in block_labels(label, number)]
        names = [row.name for row in self.rows]
        return {
            "unit": [label for label, number in units for _ in range(number * count)],
            "block": [
                block
                for number in self.blocks_per_unit
                for block in range(1, number + 1)
                for _ in range(count)
            ],
            "name": [f"{block}_{name}" for block in blocks for name in names],
            "kind": [row.kind for row in self.rows] * len(blocks),
            "shape": [row.shape for row in self.rows] * len(blocks),
            "parameters": [row.parameters for row in self.rows] * len(blocks),
        }


def _parts(model: keras.Model) -> Iterator[_Rows | _EqualBlocks]:
    if not model.built:
        raise ValueError(f"model {model.name!r} has no weights yet: build it or call it once")
    for layer in model.layers:
        if isinstance(layer, DenseStack):
            yield _Rows(list(_dense_rows(layer)))
        elif hasattr(layer, "blocks_per_unit"):
            yield _EqualBlocks(_block_rows(layer), unit_labels(layer), tuple(layer.blocks_per_unit))
        elif isinstance(layer, MultiScaleAttention):
            yield _Rows(list(_attention_rows(layer)))
        elif isinstance(layer, MemberStem):
            yield _Rows(list(_member_rows(layer)))
        elif isinstance(layer, keras.Model):
            yield from _parts(layer)
        elif layer.weights:
            yield _Rows(list(_plain_rows(layer)))


def _plain_rows(layer: Any) -> Iterator[Row]:
    if isinstance(layer, keras.layers.MultiHeadAttention):
        yield from _multi_head_rows(layer)
        return
    kind = type(layer).__name__
    if isinstance(layer, keras.layers.Dense):
        kind = "dense"
    elif "Normalization" in kind:
        kind = "norm"
    yield Row(
        unit=unit_of_label(layer.name) or layer.name,
        block=block_of_label(layer.name),
        name=layer.name,
        kind={"ResidualScale": "scale", "Offset": "offset"}.get(kind, kind),
        shape=tuple(layer.weights[0].shape),
        parameters=layer.count_params(),
    )


def _multi_head_rows(layer: Any) -> Iterator[Row]:
    """Keras' attention as two products, called as in a stack where it comes from one."""
    products: dict[str, int] = {"qkv": 0, "out": 0}
    columns = 0
    for weight in layer.weights:
        part = "out" if "/attention_output/" in weight.path else "qkv"
        products[part] += math.prod(weight.shape)
        if part == "qkv" and len(weight.shape) == 3:
            columns += math.prod(weight.shape[1:])
            inputs = int(weight.shape[0])
        elif part == "out" and len(weight.shape) == 3:
            out = (math.prod(weight.shape[:2]), int(weight.shape[2]))
    stem, found, half = layer.name.partition("_attention_")
    for part, shape in (("qkv", (inputs, columns)), ("out", out)):
        yield Row(
            unit=unit_of_label(layer.name) or layer.name,
            block=block_of_label(layer.name),
            name=f"{stem}_{part}_{half}" if found else f"{layer.name}_{part}",
            kind="dense",
            shape=shape,
            parameters=products[part],
        )


def _block_rows(stack: Any) -> list[Row]:
    """The rows of one block of a stack, from its weights' names: `norm_1_scale`, ..."""
    shapes: dict[str, dict[str, tuple[int, ...]]] = {}
    for weight in stack.weights:
        found = re.fullmatch(r"([a-z]+)_([12])_(\w+)", weight.name)
        if found is None:
            raise ValueError(
                f"weight {weight.name!r} of {stack.name!r} is not called <part>_<half>_<what>, "
                "such as dense_2_kernel: name it so, or describe the layer in "
                "models/surgery/describe.py"
            )
        part, half, what = found.groups()
        group = shapes.setdefault(f"{SHARED_PRODUCT.get(part, part)}_{half}", {})
        group[f"{part}_{what}"] = tuple(weight.shape[1:])
    # A half's scale comes after its products.
    order = sorted(shapes, key=lambda name: (name[-1], name.startswith("residual")))
    return [_block_row(name, shapes[name]) for name in order]


def _block_row(name: str, shapes: dict[str, tuple[int, ...]]) -> Row:
    part = name[:-2]
    if part == "residual":
        kind, main = "scale", "residual_scale"
    elif part == "norm":
        kind, main = ("norm", "norm_scale") if "norm_scale" in shapes else ("offset", "norm_offset")
    else:
        kind, main = "dense", f"{part}_kernel"
    parameters = sum(math.prod(shape) for shape in shapes.values())
    return Row("", 0, name, kind, shapes[main], parameters)


def _dense_rows(stack: DenseStack) -> Iterator[Row]:
    names = [weight.name for weight in stack.weights]
    vectors = sum(name.startswith("block_norm") for name in names)
    kind = "norm" if "block_norm_scale" in names else "offset"
    layout = stack.layout
    fans = iter(layout.block_fans)
    for unit, (label, blocks) in enumerate(
        zip(unit_labels(stack), stack.blocks_per_unit, strict=True)
    ):
        readers = [
            (name, block, next(fans), layout.growth_rate)
            for block, name in enumerate(block_labels(label, blocks), start=1)
        ]
        readers.append((f"{label}_transition", 0, layout.transition_fans[unit], layout.width))
        for name, block, fan, outputs in readers:
            yield Row(label, block, f"{name}_norm", kind, (fan,), vectors * fan)
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


def _member_rows(layer: MemberStem) -> Iterator[Row]:
    """The scales of the inputs, and each dense layer once, with what every member has of it."""
    label, fan = layer.name, layer.features
    shape = (layer.members, fan)
    yield Row(label, 0, f"{label}_input", "scale", shape, math.prod(shape))
    for number, width in enumerate(layer.widths, start=1):
        parameters = (fan + 2 * layer.members) * width
        yield Row(label, 0, f"{label}_dense_{number}", "dense", (fan, width), parameters)
        fan = width
