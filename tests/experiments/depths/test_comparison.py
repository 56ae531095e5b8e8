"""The comparison of depths: cells that are kept, a budget that holds, sentences that follow."""

import dataclasses
import json
import time

import keras
import numpy as np
import pandas as pd
import pytest

import ultimate_deep.experiments.depths.running as running_module
from ultimate_deep.evaluation.verdicts.rule import KINDS
from ultimate_deep.experiments.depths.budget import _BudgetSpentError, _Deadline, fit_within
from ultimate_deep.experiments.depths.cells import Cell, entries, run_cell
from ultimate_deep.experiments.depths.comparison import compare, finish
from ultimate_deep.experiments.depths.config import ComparisonConfig, data_sets, quick
from ultimate_deep.experiments.depths.tables import findings, summarize, write_comparison
from ultimate_deep.experiments.experiment import build, builder_config, prepare
from ultimate_deep.experiments.trials import TrialBook
from ultimate_deep.machine.interrupts import Interrupted
from ultimate_deep.market.config import DataConfig
from ultimate_deep.models.registry import build_model
from ultimate_deep.models.surgery.describe import count_layers
from ultimate_deep.pipeline.config import ExperimentConfig, ModelConfig
from ultimate_deep.training.loop.compiled import CompiledFit
from ultimate_deep.training.progress import Progress

QUIET = Progress()
FEW = ("majority", "always long", "mlp", "residual-11")


def _settings(artifacts, **fields):
    experiment = ExperimentConfig(
        name="depths",
        artifacts=str(artifacts),
        data=DataConfig(simulated_edge=0.2),
    )
    return quick(experiment, ComparisonConfig(**({"models": FEW} | fields)))


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    found = compare(*_settings(tmp_path_factory.mktemp("whole")), QUIET)
    write_comparison(found)
    finish(found)
    return found


def test_every_cell_has_its_figures(compared):
    cells = compared.cells
    assert list(cells["model"]) == [*FEW, *FEW]
    assert list(cells["seed"]) == [0] * 4 + [1] * 4
    assert (cells["status"] == "completed").all()
    assert cells["share_of_edge"].notna().all()
    assert cells["verdict"].isin(KINDS).all()
    nets = cells[cells["model"] == "residual-11"]
    assert list(nets["layers"]) == [11, 11]
    assert (nets["train_seconds"] > nets["first_step_seconds"]).all()
    assert nets["share_of_edge"].nunique() == 2
    # Buying always: everything is kept, and right as often as bars rise.
    long = cells[cells["model"] == "always long"]
    assert (long["coverage"] == 1.0).all()
    np.testing.assert_allclose(long["hit_rate_kept"], long["accuracy"], atol=0.01)


def test_the_finished_folder_holds_tables_cells_and_plot(compared):
    folder = compared.folder
    assert folder.name.startswith("depths-quick-")
    assert not list(folder.parent.glob("*.unfinished"))
    assert len(list((folder / "cells").glob("*.json"))) == 8
    summary = pd.read_csv(folder / "summary.csv")
    assert list(summary["model"]) == list(FEW)
    values = compared.cells.groupby("model")["share_of_edge"]
    for model, line in summary.set_index("model").iterrows():
        assert line["share_of_edge"] == pytest.approx(values.mean()[model])
        assert line["share_of_edge_spread"] == pytest.approx(values.std()[model])
    assert (folder / "comparison.png").read_bytes().startswith(b"\x89PNG")
    told = (folder / "summary.md").read_text()
    assert "Simulated bars only" in told
    assert "none named" in told
    assert json.loads((folder / "summary.json").read_text())["findings"] == findings(compared.cells)


def _fake_cell(calls, stop_after=None):
    def fake(prepared, cell, seconds, progress, book, fit):
        if len(calls) == stop_after:
            raise KeyboardInterrupt
        calls.append(cell.file_name)
        figures = {"accuracy": 0.5, "share_of_edge": 0.0, "verdict": "no edge", "epochs": None}
        known = {"data": cell.data.name, "simulated": True, "model": cell.entry.name}
        return known | figures | {
            "family": cell.entry.family, "seed": cell.seed, "status": "completed",
            "call": len(calls),
        }  # fmt: skip

    return fake


def test_stopped_cells_are_kept_and_only_the_others_are_run(tmp_path, monkeypatch):
    settings, calls = _settings(tmp_path), []
    monkeypatch.setattr(running_module, "run_cell", _fake_cell(calls, stop_after=3))
    with pytest.raises(Interrupted, match="3 of 8 cells are finished and kept"):
        compare(*settings, QUIET)
    other = dataclasses.replace(settings[1], budget_seconds=5.0)
    with pytest.raises(ValueError, match="started with other settings of comparison"):
        compare(settings[0], other, QUIET, resume=True)
    monkeypatch.setattr(running_module, "run_cell", _fake_cell(calls))
    found = compare(*settings, QUIET, resume=True)
    assert len(calls) == len(set(calls)) == 8
    assert list(found.cells["call"]) == list(range(1, 9))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    config, _ = _settings(tmp_path_factory.mktemp("prepared"))
    return prepare(dataclasses.replace(config, model=ModelConfig(name="mlp")), QUIET)


def test_a_budget_that_is_spent_leaves_one_whole_epoch(prepared):
    fitted, cut = fit_within(prepared, build(prepared), 0.0, QUIET)
    assert (fitted.epochs_run, cut) == (1, True)
    fitted, cut = fit_within(prepared, build(prepared), 600.0, QUIET)
    assert (fitted.epochs_run, cut) == (prepared.config.fit.epochs, False)


def test_a_deadline_ends_the_fit_with_its_best_epoch(prepared):
    model = build(prepared)
    watch = _Deadline(QUIET, model, time.monotonic() - 1.0)
    watch.step(1, 1, 0.7)  # the first epoch is always finished
    kernel = model.trainable_variables[0]
    for loss in (0.7, 0.5, 0.5, 0.6):
        watch.epoch({"validation_loss": loss, "seconds": 2.0})
        kernel.assign(kernel + 1.0)
    with pytest.raises(_BudgetSpentError):
        watch.step(5, 1, 0.4)
    last = kernel.numpy()
    result = watch.result(CompiledFit(step=None, forward=None, first_step_seconds=3.0))
    assert (result.best_epoch, result.epochs_run, result.seconds) == (2, 4, 8.0)
    assert result.stopped_reason == "budget"
    np.testing.assert_allclose(last - kernel.numpy(), 3.0, atol=1e-5)


def test_a_net_that_diverges_is_a_result(prepared):
    fit = dataclasses.replace(prepared.config.fit, learning_rate=1e30, clipping="none")
    config = dataclasses.replace(prepared.config, fit=fit)
    (mlp,) = entries(ComparisonConfig(models=("mlp",)))
    (data,) = data_sets(dataclasses.replace(config, model=ModelConfig()), ())
    cell = Cell(entry=mlp, data=data, seed=0)
    with TrialBook.unkept(prepared.market, config) as book:
        found = run_cell(dataclasses.replace(prepared, config=config), cell, 60.0, QUIET, book, fit)
        assert book.count().recorded == 0
    assert found["status"] == "diverged"
    assert "the loss is" in found["error"] or "validation loss" in found["error"]
    summary = summarize(pd.DataFrame([found]))
    assert summary["diverged"].iloc[0] == 1
    assert np.isnan(summary["share_of_edge"].iloc[0])


def test_the_nets_have_the_layers_that_their_names_promise():
    names = [entry.name for entry in entries(ComparisonConfig())]
    assert names[:6] == [
        "majority", "always long", "logistic regression", "random forest", "gradient boosting",
        "mlp",
    ]  # fmt: skip
    assert names[-1] == "ultimate"
    assert len(names) == 6 + 4 * 4 + 1
    for entry in entries(ComparisonConfig(layers=(30,), width=16)):
        if entry.name.endswith("-30"):
            config = builder_config(ExperimentConfig(model=entry.model))
            net = build_model(entry.model.name, {"features": (5,)}, config=config)
            assert 30 <= count_layers(net).weighted < 36
    with pytest.raises(ValueError, match=r"no model is called 'residual-76'; this comparison has"):
        entries(ComparisonConfig(models=("residual-76",)))
    keras.backend.clear_session()


def test_each_file_of_bars_is_a_data_set():
    sets = data_sets(ExperimentConfig(), ("a/btc_1h.parquet", "b/btc_1h.csv.gz"))
    assert [one.name for one in sets] == ["simulated", "btc_1h", "btc_1h-2"]
    assert [one.simulated for one in sets] == [True, False, False]
    assert sets[2].data.paths == ("b/btc_1h.csv.gz",)
    with pytest.raises(ValueError, match="name bars with --bars"):
        data_sets(ExperimentConfig(data=DataConfig(path="bars.csv")), ())


def _cells(**shares):
    return pd.DataFrame(
        [
            {
                "data": "simulated", "simulated": True, "model": name, "seed": seed,
                "family": "baseline" if name == "forest" else "residual",
                "layers": None if name == "forest" else int(name.split("_")[1]),
                "share_of_edge": share, "status": "completed", "verdict": "no edge",
            }
            for name, values in shares.items()
            for seed, share in enumerate(values)
        ]
    )  # fmt: skip


def test_what_is_said_follows_from_the_seeds():
    said = findings(
        _cells(forest=(0.5, 0.6, 0.7), net_75=(0.7, 0.8, 0.9), net_2000=(0.1, 0.2, 0.3))
    )
    assert "net_2000 20.0% of the oracle's edge, net_75 80.0%" in said[0]
    assert "-60.0 points, 95% interval -60.0 to -60.0" in said[0]
    assert said[0].endswith("net_75 is better")
    assert "net_75 80.0% of the oracle's edge, forest 60.0%" in said[1]
    assert said[1].endswith("net_75 is better")
    assert said[2] == "simulated: 0 of 9 runs may claim an edge"
    # Differences of -10, 0 and 10 points: t(0.975, 2) * 10 / sqrt(3) = 24.8.
    said = findings(_cells(net_75=(0.5, 0.6, 0.7), net_2000=(0.4, 0.6, 0.8)))
    assert "-24.8 to +24.8): no difference that 3 seeds could tell" in said[0]
    said = findings(_cells(net_75=(0.5,), net_2000=(0.4,)))
    assert "fewer than two seeds have both" in said[0]


def test_nonsense_is_refused():
    for fields, message in (
        ({"seeds": 0}, "seeds must be at least 1"),
        ({"budget_seconds": 0.0}, "budget_seconds must be above 0"),
        ({"layers": (75, 75)}, "layers must be distinct"),
        ({"width": 30}, "width must be a multiple of 4"),
        ({"targets": {"mlp": 65.0}}, "write 0.65 for 65%"),
    ):
        with pytest.raises(ValueError, match=message):
            ComparisonConfig(**fields)


def test_the_script_prints_tables_and_names_the_target(tmp_path, run_script, capsys):
    arguments = [
        "--quick", "--artifacts", str(tmp_path), "--compare.models", "[majority, always long]",
        "--compare.targets", "{majority: 0.65}",
    ]  # fmt: skip
    run_script("compare_architectures.py", *arguments)
    told = capsys.readouterr().out
    assert "4 of 4 cells to go" in told
    assert "simulated (simulated bars): what it finds, test part" in told
    assert "65.0%" in told
    assert "none named" in told
    (folder,) = tmp_path.iterdir()
    assert (folder / "summary.md").is_file()
