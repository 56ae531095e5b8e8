"""Strict JSON from whatever results hold: NaN and infinities become null."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd


def json_safe(value: Any) -> Any:
    """Return `value` as plain dicts, lists, strings, numbers, booleans and None.

    NaN, NaT and infinities become None, since JSON has none of them. NumPy scalars and arrays,
    pandas objects, dataclasses, and paths are converted; a DataFrame becomes
    a list of rows.

    Raises:
        TypeError: An object with no such form.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    if value is pd.NaT:
        return None
    if isinstance(value, (pd.Timestamp, pd.Timedelta)):
        return value.isoformat()
    if isinstance(value, np.datetime64):
        return json_safe(pd.Timestamp(value))
    return _json_safe_container(value)


def _json_safe_container(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: json_safe(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {str(key): json_safe(item) for key, item in value.items()}
    if isinstance(value, pd.DataFrame):
        return [json_safe(row) for row in value.to_dict(orient="records")]
    if isinstance(value, (list, tuple, pd.Series, pd.Index, np.ndarray)):
        return [json_safe(item) for item in value]
    if hasattr(value, "__fspath__"):
        return str(value)
    raise TypeError(
        f"{type(value).__name__} has no JSON form; give numbers, strings, mappings, sequences, "
        "arrays, frames or dataclasses"
    )
