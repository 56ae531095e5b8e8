"""The shared indicators by TA-Lib: whole arrays, and its handles that take one bar at a time."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import talib
import talib.stream

from benchmarks.features_peers.shared import SHARED, Shared

Floats = npt.NDArray[np.float64]
LETTERS = {"o": "open", "h": "high", "l": "low", "c": "close", "v": "volume"}


def compute(one: Shared, columns: dict[str, Floats]) -> tuple[Floats, ...]:
    """TA-Lib's outputs of an indicator for arrays by letter."""
    outputs = getattr(talib, one.function)(
        *(columns[letter] for letter in one.inputs), *one.parameters
    )
    return outputs if isinstance(outputs, tuple) else (outputs,)


def handles(columns: dict[str, Floats]) -> dict[str, dict[str, Callable[..., Any]]]:
    """Updates of open handles by the letters they take and our name, opened on a history."""
    found: dict[str, dict[str, Callable[..., Any]]] = {}
    for one in SHARED:
        kind = getattr(talib.stream, one.function)
        handle = kind(*(columns[letter] for letter in one.inputs), *one.parameters)
        found.setdefault(one.inputs, {})[one.name] = handle.update
    return found
