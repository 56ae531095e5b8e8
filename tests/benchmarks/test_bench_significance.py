"""The benchmark of the tests of significance runs, and ours and the peers' figures agree."""

import pandas as pd
import pytest

from benchmarks import bench_significance


def test_cases_run_and_figures_agree(tmp_path):
    names = ["superior", "permutation"]
    table = bench_significance.bench(names, 0.03, tmp_path)
    (path,) = tmp_path.iterdir()
    assert len(pd.read_csv(path)) == len(table)
    assert set(table["case"]) == set(names)
    assert (table["cpu_seconds"] > 0).all()
    superior = table[table["case"] == "superior"].set_index("library")["value"]
    assert superior["ours"] == pytest.approx(superior["arch"], abs=0.08)
    again = bench_significance.bench(["permutation"], 0.03, tmp_path)
    assert len(again) == len(table)
