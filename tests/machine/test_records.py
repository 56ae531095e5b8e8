import json
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.machine.records import packed, unpacked


@dataclass(frozen=True)
class Inner:
    side: Literal["up", "down"]
    value: float


@dataclass(frozen=True, eq=False)
class Outer:
    inner: Inner
    maybe: Inner | None
    none: Inner | None
    named: dict[str, Inner]
    pair: tuple[float, float]
    many: tuple[Inner, ...]
    array: np.ndarray
    table: pd.DataFrame


def record(table):
    inner = Inner("up", 0.1 + 0.2)
    array = np.array([[1.0, np.nan], [np.inf, -0.0]], np.float32)
    named = {"a": inner, "b": Inner("down", float("-inf"))}
    return Outer(inner, inner, None, named, (1e-300, 3.0), (inner, inner), array, table)


TABLES = {
    "numbers": pd.DataFrame({"a": [1.5, np.nan], "b": [1, 2], "c": [True, False]}),
    "texts": pd.DataFrame({"name": ["x", "y"], "value": [1.0, 2.0]}),
    "times": pd.DataFrame(
        {"value": [1.0, 2.0]}, index=pd.to_datetime(["2020-01-01", "2020-01-02"]).rename("time")
    ),
    "empty": pd.DataFrame({"a": np.zeros(0)}),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_record_comes_back_to_the_bit(name):
    arrays = {}
    before = record(TABLES[name])
    after = unpacked(Outer, json.loads(json.dumps(packed(before, arrays))), arrays)
    for field in ("inner", "maybe", "none", "named", "pair", "many"):
        assert getattr(after, field) == getattr(before, field)
    assert after.array.tobytes() == before.array.tobytes()
    assert after.array.dtype == before.array.dtype
    pd.testing.assert_frame_equal(after.table, before.table, check_exact=True, check_freq=False)


def test_what_could_not_be_made_again_is_refused():
    with pytest.raises(TypeError, match="got set"):
        packed(Inner("up", {1}), {})


def test_numbers_of_numpy_are_plain_ones_afterwards():
    said = packed(Inner("up", np.float64(0.1)), {})
    assert unpacked(Inner, json.loads(json.dumps(said)), {}) == Inner("up", 0.1)
