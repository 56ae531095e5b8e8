"""Strict JSON from results."""

import json
import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.evaluation.json_safe import json_safe
from ultimate_deep.portfolio.costs import CostSpec


def test_everything_results_hold_becomes_strict_json():
    value = {
        "nan": math.nan,
        "inf": np.float64("inf"),
        "float": np.float32(0.5),
        "int": np.int64(3),
        "bool": np.bool_(True),
        "array": np.array([[1.0, np.nan]]),
        "time": pd.Timestamp("2020-01-01", tz="UTC"),
        "time64": np.datetime64("2020-01-01"),
        "nat": pd.NaT,
        "span": pd.Timedelta("1h"),
        "costs": CostSpec(),
        "frame": pd.DataFrame({"a": [1, 2], "b": [0.5, np.nan]}),
        "series": pd.Series([1, 2]),
        "path": Path("folder") / "file",
        5: ("x", None),
    }
    back = json.loads(json.dumps(json_safe(value), allow_nan=False))
    assert back["nan"] is None
    assert back["inf"] is None
    assert back["float"] == 0.5
    assert back["int"] == 3
    assert back["bool"] is True
    assert back["array"] == [[1.0, None]]
    assert back["time"] == "2020-01-01T00:00:00+00:00"
    assert back["nat"] is None
    assert back["costs"] == asdict(CostSpec())
    assert back["frame"] == [{"a": 1, "b": 0.5}, {"a": 2, "b": None}]
    assert back["5"] == ["x", None]
    assert back["path"] == str(Path("folder") / "file")


def test_what_has_no_json_form_is_refused():
    with pytest.raises(TypeError, match="object has no JSON form"):
        json_safe({"x": object()})
