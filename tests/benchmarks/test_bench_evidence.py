"""The evidence of hard markets, small: what fools others does not fool five questions."""

import importlib
import json
import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.evaluation.measures.spread import repeats
from ultimate_deep.evaluation.verdicts.rule import rule

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def part(monkeypatch):
    """Import a part of the benchmark, which is run from the project's root."""
    monkeypatch.syspath_prepend(str(ROOT))
    return lambda name: importlib.import_module(f"benchmarks.{name}")


def test_bounce_with_stale_opens_is_not_claimed(part, tmp_path, monkeypatch):
    path = tmp_path / "evidence.jsonl"
    evidence, bench = part("verdicts.evidence"), part("bench_evidence")
    evidence_of = part("verdicts.ruling").evidence_of
    rows = evidence.run_market("bounce", 4_000, 7) + evidence.run_market(
        "foreseen crashes", 4_000, 7
    )
    path.write_text("".join(pd.Series(row).to_json() + "\n" for row in rows) + '{"kind": "cut')
    # What was claimed before was claimed of as many bars as every market has.
    assert bench.summarise(bench.stored(path))["before_judged"].isna().all()
    monkeypatch.setattr(bench, "ROWS", 4_000)
    found = bench.summarise(bench.stored(path))
    # Predictors of one market are no independent tries.
    assert found["predictor"].tolist() == ["logistic", "trees"] * 2
    assert found["markets"].tolist() == [1] * 4
    found = found.set_index("kind")
    # What is stored amounts to what was said.
    assert [rule(evidence_of(row)).kind for row in rows] == [row["word"] for row in rows]
    bounce, told = found.loc["bounce"], found.loc["foreseen crashes"]
    assert bounce[["before_judged", "before_claims"]].to_numpy().tolist() == [[22, 22]] * 2
    assert bounce["claims"].sum() == 0
    assert bounce[["knows", "pays", "fills"]].to_numpy().tolist() == [[1.0, 1.0, 0.0]] * 2
    assert set(bounce["usual_word"]) == {"cannot tell yet"}
    assert told["claims"].sum() >= 1
    assert told["fills"].tolist() == [1.0, 1.0]


def test_what_is_stored_is_not_judged_again(part, tmp_path, monkeypatch):
    evidence, bench = part("verdicts.evidence"), part("bench_evidence")
    asked = []

    def run_market(kind, rows, seed):
        asked.append((kind, seed, rows))
        return [{"kind": kind, "seed": seed, "rows": rows, "word": "edge"}]

    monkeypatch.setattr(evidence, "run_market", run_market)
    monkeypatch.setattr(bench, "side_by_side", lambda judge, cases, *_, **__: map(judge, cases))
    path = tmp_path / "evidence.jsonl"
    bench.judge_missing(path, 2, ["plain", "bounce"], 500, 1)
    bench.judge_missing(path, 3, ["bounce"], 500, 1)
    bench.judge_missing(path, 1, ["bounce"], 900, 1)
    first = bench.FIRST_SEED
    assert asked == [
        ("plain", first, 500), ("bounce", first, 500), ("plain", first + 1, 500),
        ("bounce", first + 1, 500), ("bounce", first + 2, 500), ("bounce", first, 900),
    ]  # fmt: skip
    assert [json.loads(line)["seed"] - first for line in path.read_text().splitlines()] == [
        0, 0, 1, 1, 2, 0,
    ]  # fmt: skip


def test_markets_are_judged_in_processes_of_one_thread(part, monkeypatch):
    processes = part("processes")
    for name in processes.ONE_THREAD:
        monkeypatch.setenv(name, "2")  # as the package sets them where it is loaded
    names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"]
    found = list(processes.side_by_side(os.getenv, names, 2, each=1))
    assert found == ["1"] * 3


def test_a_line_that_was_cut_off_is_ended_before_the_next(part, tmp_path):
    tables, path = part("tables"), tmp_path / "rows.jsonl"
    tables.append_lines([{"seed": 1}, {"seed": 2}], path)
    path.write_bytes(path.read_bytes() + b'{"se')
    tables.append_lines([{"seed": 3, "share": math.nan}], path)
    assert tables.stored(path) == [{"seed": 1}, {"seed": 2}, {"seed": 3, "share": None}]


def test_hard_markets_are_as_they_are_said_to_be(part):
    hard = part("verdicts.hard_markets")
    for name, make in (hard.FOOLING | hard.TRADABLE).items():
        markets = make(3_000, 3)
        for bars in markets.values():
            repeated = repeats(bars.frame).mean()
            stale = name.startswith("bounce") or name in ("stale opens", "session gaps")
            if name in ("bounce, opens nearby", "reversion, opens nearby", "silent bars"):
                assert repeated > 0.3, name
                continue
            # A fresh print is a tenth of a bar away, seldom as near as none.
            assert (repeated > 0.8) if stale else (0.005 < repeated < 0.3), name
            assert bars.simulated
    falls = np.log(hard.crashes(20_000, 3)["HARD"].frame["close"]).diff() < -0.006
    assert falls.mean() == pytest.approx(0.15, abs=0.01)
    told = hard.foreseen_crashes(20_000, 3)["HARD"].frame
    loud = (told["volume"] > 2e7).to_numpy()
    down = (np.log(told["close"]).diff() < -0.006).to_numpy()
    assert loud[:-2][down[2:]].mean() == pytest.approx(0.80, abs=0.03)
    assert loud[:-2][~down[2:]].mean() == pytest.approx(0.18, abs=0.03)


def test_shares_have_exact_bounds(part):
    bounds = part("bench_evidence").clopper_pearson
    assert bounds(0, 200) == (0.0, pytest.approx(0.0183, abs=1e-4))
    assert bounds(200, 200) == (pytest.approx(0.9817, abs=1e-4), 1.0)
    lower, upper = bounds(10, 100)
    assert (lower, upper) == (pytest.approx(0.0490, abs=1e-4), pytest.approx(0.1762, abs=1e-4))
