"""Every case of the features benchmark runs on few bars, and the libraries' values are ours."""

import importlib
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[2]
# kama_30 settles after 6,103.
BARS = 8000


@pytest.fixture
def part(monkeypatch):
    """Import a part of the benchmark, which is run from the project's root."""
    monkeypatch.syspath_prepend(str(ROOT))
    return lambda name: importlib.import_module(f"benchmarks.features_peers.{name}")


def _library(part, name, frame):
    module, about = part("timing").peer(name)
    if module is None:
        pytest.skip(about)
    return part("libraries").KINDS[name](module, frame)


@pytest.mark.parametrize(
    ("name", "indicators"),
    [("TA-Lib", 97), ("pandas", 96), ("polars", 94), ("pandas-ta-classic", 79)],
)
@pytest.mark.filterwarnings("ignore:.*dayofyear is deprecated.*")
def test_libraries_give_our_values(part, name, indicators):
    comparison, shared = part("comparison"), part("shared").SHARED
    frame = part("bars").make_bars(BARS, seed=5)
    library = _library(part, name, frame)
    nodes = comparison.nodes_of(list(shared))
    ours = comparison.evaluate(nodes, comparison.bar_columns(frame))
    wrong, place, compared = {}, 0, 0
    for one in shared:
        mine = slice(place, place + len(one.outputs))
        place += len(one.outputs)
        call = library.call(one)
        if call is None:
            continue
        compared += 1
        outputs = library.arrays(call())
        error = comparison.largest_error(one, nodes[mine], ours[:, mine], outputs)
        if not error <= comparison.TOLERANCE:
            wrong[one.name] = error
    assert not wrong
    assert compared == indicators


def test_a_library_that_is_one_bar_late_is_found_out(part):
    comparison, one = part("comparison"), part("shared").SHARED[0]
    frame = part("bars").make_bars(3000)
    nodes = comparison.nodes_of([one])
    ours = comparison.evaluate(nodes, comparison.bar_columns(frame))
    late = np.concatenate([[np.nan], ours[:-1, 0]])
    assert comparison.largest_error(one, nodes, ours, (ours[:, 0],)) == 0.0
    assert comparison.largest_error(one, nodes, ours, (late,)) > comparison.TOLERANCE
    late[-1] = np.nan
    assert not comparison.largest_error(one, nodes, ours, (late,)) <= comparison.TOLERANCE


@pytest.mark.parametrize("case", ["batch", "blocks", "bound"])
def test_many_bars(part, case):
    rows = getattr(part("batch"), case)(2000)
    assert all(row.get("cpu_seconds", row.get("ratio", 0.0)) > 0.0 for row in rows)
    if case == "blocks":
        assert 0.0 < rows[0]["bars_gib"] < rows[0]["peak_gib"]
    if case == "bound":
        assert min(row["ratio"] for row in rows if "ratio" in row) > 1.0


def test_one_bar(part, monkeypatch):
    live = part("live")
    monkeypatch.setattr(live, "SLOW_BARS", 3)
    rows = live.live(60, history=1200)
    assert [row["who"] for row in rows[:2]] == ["ours", "ours"]
    for row in rows:
        if "median_us" in row:
            assert 0.0 < row["median_us"] <= row["p99_us"] <= row["max_us"]
        if row["what"] == live.SAME and "largest_error" in row:
            assert row["largest_error"] <= part("comparison").TOLERANCE, row


def test_totals_count_only_what_a_peer_has_with_our_values(part, monkeypatch):
    comparison, shared = part("comparison"), part("shared").SHARED[:3]
    monkeypatch.setattr(comparison, "SHARED", shared)
    columns = comparison.bar_columns(part("bars").make_bars(2000))
    rows = [
        {
            "what": one.name,
            "who": "peer",
            "cpu_seconds": 2.0,
            "wall_seconds": 3.0,
            "largest_error": 1e-12,
            **({"note": "other values"} if k == 1 else {}),
        }
        for k, one in enumerate(shared)
    ]
    called = []
    calls = {one.name: lambda _, name=one.name: called.append(name) for one in shared}
    library = part("libraries").Library(SimpleNamespace(CALLS=calls), None)
    total, ours, kept = comparison._totals(rows, "peer", library, columns)
    assert (total["indicators"], total["cpu_seconds"]) == (2, 4.0)
    assert ours["outputs"] == 2
    assert total["ratio"] == pytest.approx(4.0 / ours["cpu_seconds"])
    assert kept["what"] == "total, results kept"
    assert set(called) == {shared[0].name, shared[2].name}
    slow = [{**row, "cpu_seconds": 11.0} for row in rows]
    assert len(comparison._totals(slow, "peer", library, columns)) == 2


def test_targets_scale_with_the_bars(part):
    rows = [
        ("batch", "compute_features", "ours", 500_000, 1.1, None),
        ("shared", "total, results kept", "TA-Lib", 1000, 1.0, 1.3),
        ("shared", "total, results kept", "pandas", 1000, 1.0, 9.0),
    ]
    columns = ["case", "what", "who", "bars", "cpu_seconds", "ratio"]
    targets = part("targets").targets_of(pd.DataFrame(rows, columns=columns))
    assert targets["limit"].to_list() == [1.0, 1.0, 10.0]
    assert targets["met"].to_list() == [False, True, False]


def test_a_start_is_the_sum_of_its_parts(part):
    """With the usual cache: without one it takes half a minute."""
    row = part("cold").start(1000, dict(os.environ))
    assert "note" not in row
    parts = [seconds for name, seconds in row.items() if name.endswith("_seconds")]
    assert min(parts) > 0.0
    named = sum(row[f"{name}_seconds"] for name in ("import", "compile", "first_compute"))
    assert named < row["wall_seconds"]


def test_a_start_that_fails_is_told(part):
    row = part("cold").run([sys.executable, "-c", "import no_such_library"], None)
    assert np.isnan(row["wall_seconds"])
    assert "no_such_library" in row["note"]
