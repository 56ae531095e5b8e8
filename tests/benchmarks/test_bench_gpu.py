"""What is measured on a GPU, run without one on a small net; the page says that it was not."""

import importlib
import math
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.bench_gpu")


def test_a_net_is_measured_with_its_options(bench, monkeypatch):
    monkeypatch.setitem(bench.NETS, "small", ("mlp", "tiny", {"hidden_widths": (8,)}))
    found = bench.measure("small", "mixed_bfloat16")
    assert (found["device"], found["peak_mib"]) == ("the processor", None)
    assert found["parameters"] == 8 * (220 + 3) + 1  # kernel, bias, scale of the norm, logit
    assert found["step_ms"] > 0


def test_what_fails_is_a_row_too(bench, monkeypatch):
    found = [{"step_ms": 4.0}, {"error": "out of memory"}]
    monkeypatch.setattr(bench, "_measured", lambda *_: found.pop(0))
    table = bench.bench(["wide"], "jax")
    assert table["error"].tolist()[1] == "out of memory"
    assert table["gain"].tolist()[0] == 1
    assert math.isnan(table["gain"].tolist()[1])
