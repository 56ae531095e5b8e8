"""The zoo's benchmarks, small: the plain peers are the same nets, tables go on where they ended."""

import importlib
import math
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from ultimate_deep.models.registry import BUILDERS, preset_config, presets

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def part(monkeypatch):
    """Import a part of the benchmark, which is run from the project's root."""
    monkeypatch.syspath_prepend(str(ROOT))
    return lambda name: importlib.import_module(f"benchmarks.{name}")


@pytest.mark.parametrize(
    "name",
    [
        "bilstm",
        "gaf_cnn",
        "linear",
        "lstm",
        "mlp",
        "sequential_deep",
        "stacked_lstm",
        "tcn",
        "transformer",
    ],
)
def test_a_plain_peer_is_the_same_net_of_plain_layers(name, part):
    measuring, peers = part("zoo.measuring"), part("zoo.peers")
    assert name in peers.PEERS
    keras.utils.clear_session()
    config = preset_config(name, "tiny" if "tiny" in presets(name) else "default")
    inputs = measuring.inputs_of(name)
    plain = peers.build_peer(name, inputs, config)
    assert not [x for x in plain.layers if "ultimate_deep" in type(x).__module__]
    assert {type(layer).__module__.split(".")[0] for layer in plain.layers} == {"keras"}
    ours = measuring.build(name, "tiny", measuring.OURS, "float32")
    # Positions, gains of normalised kernels and the score's own kernels differ.
    assert plain.count_params() == pytest.approx(ours.count_params(), rel=0.15)
    x, _ = measuring.batch_of(plain, rows=2)
    assert plain(x).shape == (2, 1)


def test_every_kind_of_model_has_inputs_and_a_measured_step(part):
    measuring = part("zoo.measuring")
    for name in BUILDERS:
        assert measuring.inputs_of(name)
    effort = {"step_seconds": 0.0, "latency_calls": 5, "throughput_seconds": 0.0}
    found = measuring.measure("linear", "default", measuring.OURS, effort)
    assert found["parameters"] == 221
    assert 0 < found["latency_ms"] <= found["latency_p99_ms"]
    assert found["bfloat16_gain"] == pytest.approx(found["step_ms"] / found["step_bfloat16_ms"])
    assert found["peak_mib"] >= found["growth_mib"] >= 0
    assert found["rows_per_second"] > 0
    assert set(found) == set(part("bench_models").FIGURES)


def _figures(value):
    names = importlib.import_module("benchmarks.bench_models").FIGURES
    return dict.fromkeys(names, value)


def test_tables_go_on_where_they_ended_and_are_summed_up(part, tmp_path):
    bench = part("bench_models")
    path = tmp_path / "models.csv"
    cases = bench.wanted_cases(["lstm", "nhits"], "default")
    assert [case[::2] for case in cases] == [
        ("lstm", "ours"),
        ("lstm", "plain Keras"),
        ("nhits", "ours"),
    ]
    assert bench.missing_cases(cases, path) == cases
    for case, value in zip(cases, (2.0, 4.0, 3.0), strict=True):
        row = dict(zip(bench.KEYS, case, strict=True))
        bench.store(row | _figures(value) | {"load_average": 0.1}, path)
    assert bench.missing_cases(cases, path) == []
    bench.store(dict(zip(bench.KEYS, cases[2], strict=True)) | {"error": "no memory"}, path)
    assert bench.missing_cases(cases, path) == cases[2:]
    table = pd.read_csv(path)
    assert len(table) == 3
    summary = bench.summarise(table).set_index("model")
    assert summary.loc["lstm", "step_ms_over_plain"] == 0.5
    assert math.isnan(summary.loc["nhits", "step_ms_over_plain"])
    bench.draw(table, tmp_path / "models.png")
    assert (tmp_path / "models.png").stat().st_size > 10_000


@pytest.mark.slow
def test_the_quick_mode_measures_in_a_process_of_its_own(part, tmp_path):
    bench = part("bench_models")
    summary = bench.bench(["linear"], "default", quick=True, redraw=False, folder=tmp_path)
    assert summary["model"].tolist() == ["linear"]
    assert summary["parameters_over_plain"].tolist() == [1.0]
    assert np.isfinite(summary["step_ms_over_plain"]).all()
    assert len(list(tmp_path.glob("models_*.csv"))) == 2


def test_learning_cells_are_kept_and_failed_ones_tried_again(part, tmp_path):
    bench = part("bench_learning")
    path = tmp_path / "learning.csv"
    cells = bench.wanted_cells(["mlp", "lstm"], ["linear", "interaction"], "tiny", 9_000, 0.2, 1)
    assert bench.missing_cells(cells, path) == cells
    figures = {"share_of_edge": 0.9, "declared": True, "sees": True}
    bench.store(cells[0] | figures, path)
    bench.store(cells[1] | {"error": "stopped after 3600 s"}, path)
    assert bench.missing_cells(cells, path) == cells[1:]
    bench.store(cells[1] | figures | {"share_of_edge": 0.5, "sees": False}, path)
    assert bench.missing_cells(cells, path) == cells[2:]
    table = bench.shares(pd.read_csv(path))
    assert table.loc["mlp"].to_dict() == {"interaction": 0.5, "linear": 0.9}


@pytest.mark.slow
def test_a_learning_cell_runs_from_market_to_share(part):
    bench = part("bench_learning")
    (cell,) = bench.wanted_cells(["linear"], ["linear"], "tiny", 6_000, 0.3, 1)
    found = bench.run_cell(cell)
    assert found["share_of_edge"] > 0.7
    assert {*bench.KEYS, *found} >= set(bench.FIGURES) - {"error"}
