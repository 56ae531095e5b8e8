"""The backtest benchmark's own cases run on few bars and end with one value."""

import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import bench_backtest

    monkeypatch.setattr(bench_backtest, "LEAST_CALLS", 1)
    monkeypatch.setattr(bench_backtest, "BUDGET_SECONDS", 0.0)
    yield bench_backtest
    del sys.modules["bench_backtest"]


def test_our_cases_run_and_their_targets_are_judged(bench):
    rows = []
    for kind in ("few", "many"):
        for case in bench.CASES[:3]:
            row = bench.measure(case, kind, 3000)
            rows.append({"what": case, "positions": kind, "bars": 3000, **row})
    table = pd.DataFrame(rows)
    targets = bench.targets_of(table)
    assert targets["met"].iloc[[1, 3]].all()  # engines end with the same value
    assert table["trades"].iloc[0] < 100 < 1000 < table["trades"].iloc[3]
    values = table["final_equity"]
    assert values.round(9).nunique() == 3  # few, few with stops, many: too short for stops
    spoilt = table.assign(final_equity=values * (1.0 + 1e-3 * (table["what"] == "vectorised")))
    assert not bench.targets_of(spoilt)["met"].iloc[[1, 3]].any()
