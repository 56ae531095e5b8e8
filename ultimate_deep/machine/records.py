"""Frozen dataclasses as JSON and arrays, and back to the bit, without pickle.

They may hold numbers, texts, `None`, tuples, dicts by text, NumPy arrays, pandas tables, and other
dataclasses: what the fields' annotations say is what is made again.
"""

import dataclasses
import sys
import types
import typing
from typing import Any, TypeVar

import numpy as np
import pandas as pd

Record = TypeVar("Record")
Arrays = dict[str, np.ndarray]


def packed(value: Any, arrays: Arrays) -> Any:
    """Return a value as what JSON can say.

    Args:
        value: A dataclass, or what its fields may hold.
        arrays: Gains the arrays, by the names that the JSON refers to.

    Raises:
        TypeError: A value of a kind that could not be made again.
    """
    if dataclasses.is_dataclass(value):
        named = {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
        return {name: packed(one, arrays) for name, one in named.items()}
    if isinstance(value, np.ndarray):
        name = f"array {len(arrays)}"
        arrays[name] = value
        return name
    if isinstance(value, pd.DataFrame):
        columns = {str(name): _column(value[name], arrays) for name in value}
        index = _column(value.index.to_series(), arrays)
        return {"columns": columns, "index": index, "name": value.index.name}
    if isinstance(value, dict):
        return {name: packed(one, arrays) for name, one in value.items()}
    if isinstance(value, tuple):
        return [packed(one, arrays) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"a record holds numbers, texts, arrays and tables, got {type(value).__name__}")


def unpacked(kind: type[Record], said: Any, arrays: Arrays) -> Record:
    """Return the record that `packed` made these of.

    Args:
        kind: Class of the record.
        said: What `packed` returned.
        arrays: What `packed` gave it beside that.
    """
    found: Record = _made(kind, said, arrays)
    return found


def _made(kind: Any, said: Any, arrays: Arrays) -> Any:
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        kinds = typing.get_type_hints(kind, vars(sys.modules[kind.__module__]))
        return kind(**{name: _made(kinds[name], one, arrays) for name, one in said.items()})
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        (one,) = (each for each in inner if each is not type(None))
        return None if said is None else _made(one, said, arrays)
    if origin is tuple:
        each = inner[:1] * len(said) if inner[-1] is Ellipsis else inner
        return tuple(_made(one, part, arrays) for one, part in zip(each, said, strict=True))
    if origin is dict:
        return {name: _made(inner[1], one, arrays) for name, one in said.items()}
    if kind is np.ndarray or origin is np.ndarray:
        return arrays[said]
    if kind is pd.DataFrame:
        columns = {name: _series(one, arrays) for name, one in said["columns"].items()}
        index = pd.Index(_series(said["index"], arrays), name=said["name"])
        return pd.DataFrame(columns).set_axis(index, axis=0)
    return said


def _column(column: pd.Series, arrays: Arrays) -> dict[str, Any]:
    """Return a column: an array where it is of numbers or times, else its texts."""
    values = column.to_numpy()
    if isinstance(column.dtype, np.dtype) and values.dtype.kind in "biufM":
        stored = values.view(np.int64) if values.dtype.kind == "M" else values
        return {"dtype": str(column.dtype), "values": packed(stored, arrays)}
    return {"dtype": str(column.dtype), "values": [packed(one, arrays) for one in column]}


def _series(said: dict[str, Any], arrays: Arrays) -> pd.Series:
    values = said["values"]
    if isinstance(values, str):
        stored = arrays[values]
        dtype = np.dtype(said["dtype"])
        return pd.Series(stored.view(dtype) if dtype.kind == "M" else stored)
    return pd.Series(values, dtype=said["dtype"])
