"""What each net gains by half the bits: measured in turns, and what is too large is left out."""

import importlib
from pathlib import Path

import pytest

from ultimate_deep.models.registry import BUILDERS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.bench_precision")


def test_both_take_turns_on_the_same_rows(bench):
    found = bench.measure("linear", "default", 0.02, 10**6)
    assert found["gain"] == pytest.approx(found["float32_ms"] / found["bfloat16_ms"])
    assert found["parameters"] == 221
    assert "beyond 10 parameters" in bench.measure("linear", "default", 0.02, 10)["error"]


def test_all_nets_are_wanted_in_every_preset_that_is_no_trifle(bench):
    found = bench.wanted([])
    assert {net for net, _ in found} == set(BUILDERS)
    assert ("lstm", "wide") in found
    assert not [preset for _, preset in found if preset in bench.LEFT_OUT]
    assert bench.wanted(["lstm", "tcn:paper"]) == [("lstm", "default"), ("tcn", "paper")]
