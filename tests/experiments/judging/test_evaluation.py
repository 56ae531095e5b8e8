"""Saved models judged again and side by side: the same figures, counted, whole on disk."""

import contextlib
import dataclasses
import io
import json
import shutil
import sqlite3
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console, Group
from sklearn.metrics import f1_score, precision_score, recall_score

import ultimate_deep.experiments.judging.evaluation as evaluation_module
from ultimate_deep.bundles.bundle import load_bundle
from ultimate_deep.evaluation.ledger.ledger import LedgerError, TrialLedger
from ultimate_deep.evaluation.ledger.place import LEDGER_FILE, ledger_path
from ultimate_deep.evaluation.ledger.union import LedgerUnion
from ultimate_deep.evaluation.reporting.report import render_report
from ultimate_deep.experiments.judging.comparing import compare_bundles
from ultimate_deep.experiments.judging.evaluation import evaluate_bundle
from ultimate_deep.experiments.reproducing import origin_of
from ultimate_deep.experiments.run import Run, run_experiment
from ultimate_deep.experiments.summary import render_comparison, render_summary
from ultimate_deep.experiments.trials import TrialBook
from ultimate_deep.market.config import DataConfig
from ultimate_deep.market.simulation_spec import AssetSpec, SimulationSpec
from ultimate_deep.pipeline.config import ExperimentConfig, ModelConfig
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.progress import Progress

pytestmark = pytest.mark.usefixtures("plain_figures")

QUIET = Progress()


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> ExperimentConfig:
    return ExperimentConfig(
        name="one",
        artifacts=str(tmp_path_factory.mktemp("artifacts")),
        data=DataConfig(simulated_rows=4_000, simulated_edge=0.2),
        model=ModelConfig(name="mlp", options={"hidden_widths": (16,)}),
        fit=FitConfig(epochs=2, batch_size=256, learning_rate=2e-3),
        baselines=False,
    )


@pytest.fixture(scope="module")
def runs(config, tmp_path_factory) -> tuple[Run, Run]:
    """Two models of the same bars, in folders that know nothing of each other."""
    elsewhere = str(tmp_path_factory.mktemp("elsewhere"))
    other = dataclasses.replace(config, name="two", seed=1, artifacts=elsewhere)
    return run_experiment(config, QUIET), run_experiment(other, QUIET)


def _strict_json(path: Path):
    def refuse(text: str):
        raise ValueError(text)

    return json.loads(path.read_text(), parse_constant=refuse)


def test_runs_count_each_other(runs):
    first, second = (_strict_json(run.folder / "metrics.json") for run in runs)
    assert first["trials"]["test_readings"] == 1
    assert second["trials"]["test_readings"] == 2
    rates = [one["verdict"]["evidence"]["error_rate"] for one in (first, second)]
    assert rates[1] == pytest.approx(rates[0] / 2)
    assert second["ledger"]["trials"] > first["ledger"]["trials"]
    for run in runs:
        said = _said(render_summary(run))
        trials = _strict_json(run.folder / "metrics.json")["trials"]
        assert f"{trials['ledgers'][0]}, {trials['distinct']} trials on these bars" in said
        assert _strict_json(run.folder / "report.json")["assessment"]["trials"] == trials
        page = (run.folder / "report.html").read_text()
        assert f"Ledger: {trials['ledgers'][0]}, <" in page


def _said(what: Group) -> str:
    console = Console(width=500, file=io.StringIO())
    console.print(what)
    return console.file.getvalue()


def test_a_run_says_what_its_verdict_rests_on(runs):
    report = _strict_json(runs[0].folder / "report.json")
    assessment = report["assessment"]
    assert assessment["verdict"]["kind"] == runs[0].outcome.verdict.kind
    assert assessment["trials"]["by_kind"]["threshold"] == 1
    # One figure, where the verdict says it and where the table of the Sharpe ratio does.
    deflated = assessment["verdict"]["evidence"]["deflated"]
    assert 0.0 <= deflated == assessment["sharpe"]["dependent_deflated"] <= 1.0
    robust = assessment["robustness"]
    assert {"costs", "capacity", "regimes", "delay", "random_entry"} <= set(robust)
    page = (runs[0].folder / "report.html").read_text()
    assert "Delay test" in page
    assert "is zero at" in runs[0].assessment.cautions[0]


def test_an_evaluation_gives_the_runs_figures_and_its_reading_is_not_new(runs):
    bundle = load_bundle(runs[0].folder)
    before = {path.name: path.stat().st_mtime_ns for path in runs[0].folder.iterdir()}
    done = evaluate_bundle(bundle, DataConfig(), "test", QUIET)
    assert done.rejudged.differing == ()
    assert done.rejudged.trials.test_readings == 2
    report = _strict_json(done.folder / "report.json")
    expected = _strict_json(runs[0].folder / "report.json")
    for name, interval in expected["assessment"]["intervals"].items():
        found = report["assessment"]["intervals"][name]
        assert found["estimate"] == pytest.approx(interval["estimate"]), name
        # Two models have been read by then.
        assert (found["level"], interval["level"]) == (pytest.approx(0.98), pytest.approx(0.96))
    trades = pd.read_csv(done.folder / "trades.csv")
    assert len(trades) == done.rejudged.judgement.metrics["trades"]
    assert {path.name: path.stat().st_mtime_ns for path in runs[0].folder.iterdir()} == before
    assert not list(done.folder.parent.glob("*.unfinished"))
    # Where baselines are fitted, the page says on what.
    assert "Baselines are fitted" not in (done.folder / "report.html").read_text()
    rivals = done.rejudged.rivals
    fitted = dataclasses.replace(rivals[0], name="random forest")
    beside = dataclasses.replace(done.rejudged, rivals=(fitted, *rivals))
    shown = evaluation_module._report(
        beside, done.assessment, origin_of([], runs[0].prepared.market, seconds={})
    )
    assert "Baselines are fitted on all bars before those judged" in render_report(shown)


def test_every_symbols_past_is_known_and_rows_of_training_are_named(runs, monkeypatch):
    asked = []

    def kept(judge, *args, before, **options):
        asked.append((judge, before))
        return runs[0].assessment

    monkeypatch.setattr(evaluation_module, "assess_judged", kept)
    bundle = load_bundle(runs[0].folder)
    data = DataConfig(simulation=SimulationSpec(assets=AssetSpec(count=2)))
    done = evaluate_bundle(bundle, data, "test", QUIET)
    judge, before = asked[0]
    rows = judge.rows
    assert set(rows.symbol_code[before]) == {0, 1}
    assert rows.decision_time[before].max() < rows.decision_time[judge.part].min()
    assert "of before its test part" not in (done.folder / "report.html").read_text()
    done = evaluate_bundle(bundle, data, "all", QUIET)
    assert asked[1][1].size == 0
    assert "bars of before its test part included" in (done.folder / "report.html").read_text()


def test_rows_of_training_are_named_beside_the_verdict(runs, run_script, monkeypatch, capsys):
    monkeypatch.setattr(evaluation_module, "assess_judged", lambda *a, **k: runs[0].assessment)
    run_script("evaluate.py", "--bundle", str(runs[0].folder), "--period", "all")
    said = " ".join(capsys.readouterr().out.split())
    assert said.index("This is no test") < said.index(runs[0].assessment.verdict.kind.capitalize())


def test_models_are_compared_on_the_decisions_that_all_can_make(runs, tmp_path):
    # The second one's folder brings a ledger, of one more model.
    brought = shutil.copytree(runs[1].folder, tmp_path / runs[1].folder.name)
    book = TrialBook.unkept(runs[1].prepared.market, runs[1].prepared.config)
    book = dataclasses.replace(book, ledger=LedgerUnion(TrialLedger(tmp_path / LEDGER_FILE)))
    book.reading("another", sharpe_per_bar=0.0, accuracy=0.5)
    bundles = [load_bundle(folder) for folder in (runs[0].folder, brought)]
    done = compare_bundles(bundles, DataConfig(), QUIET)
    assert [model.name for model in done.data.models] == [run.folder.name for run in runs]
    for model, run in zip(done.data.models, runs, strict=True):
        for name, value in run.outcome.model.metrics.items():
            assert model.metrics[name] == pytest.approx(value, nan_ok=True), name
        assert model.verdict.readings == 3
    ledgers = [str(ledger_path()), str(tmp_path / LEDGER_FILE)]
    assert f"Ledgers: {' and '.join(ledgers)}, " in _said(render_comparison(done.data))
    assert done.data.pairwise.shape == (2, 2)
    report = _strict_json(done.folder / "report.json")
    assert report["kind"] == "comparison"
    assert report["trials"]["ledgers"] == ledgers
    table = pd.read_csv(done.folder / "models.csv")
    assert list(table["verdict"]) == [model.verdict.kind for model in done.data.models]
    for row, run in zip(table.to_dict("records"), runs, strict=True):
        prepared, judged = run.prepared, run.outcome.model
        labels = prepared.judge("test").labels()
        known = np.isfinite(labels)
        truth, calls = labels[known], judged.probability[known] >= 0.5
        assert row["precision"] == pytest.approx(precision_score(truth, calls))
        assert row["recall"] == pytest.approx(recall_score(truth, calls))
        assert row["f1"] == pytest.approx(f1_score(truth, calls))
        model = load_bundle(run.folder).model
        assert row["parameters"] == model.count_params()


def test_what_cannot_be_compared_is_named(runs, config, tmp_path):
    bundle = load_bundle(runs[0].folder)
    with pytest.raises(ValueError, match="at least two different models"):
        compare_bundles([bundle, bundle], DataConfig(), QUIET)
    label = bundle.config["label"] | {"horizon_bars": 4}
    backtest = bundle.config["backtest"] | {"horizon_bars": 4}
    changed = bundle.config | {"label": label, "backtest": backtest}
    other = dataclasses.replace(bundle, folder=tmp_path / "other", config=changed)
    with pytest.raises(ValueError, match="different labels"):
        compare_bundles([bundle, other], DataConfig(), QUIET)
    with pytest.raises(ValueError, match="no bar is decided"):
        evaluate_bundle(_later(bundle), DataConfig(), "test", QUIET)


def test_one_model_twice_by_another_rule_counts_once_and_says_whose_rule_held(runs, tmp_path):
    bundle = load_bundle(runs[0].folder)
    backtest = bundle.config["backtest"] | {"capital": 1_000.0}
    folder = tmp_path / "poor"
    folder.mkdir()
    poor = dataclasses.replace(bundle, folder=folder, config=bundle.config | {"backtest": backtest})
    data = compare_bundles([bundle, poor], DataConfig(), QUIET).data
    assert data.rules == (
        f"Every model is judged by the rule of {bundle.folder.name}: poor with backtest.capital "
        "100,000 instead of 1,000."
    )
    assert data.distinct == 1
    assert data.models[0].metrics["total_return"] == data.models[1].metrics["total_return"]


def _later(bundle):
    split = bundle.metrics["split"] | {"test_from": "2100-01-01T00:00:00+00:00"}
    return dataclasses.replace(bundle, metrics=bundle.metrics | {"split": split})


@pytest.mark.parametrize("restored", ["in the user's folder", "beside the runs"])
def test_a_ledger_that_was_deleted_is_noticed_and_a_changed_one_refused(runs, tmp_path, restored):
    folder = Path(shutil.copytree(runs[1].folder, tmp_path / runs[1].folder.name))
    opened = partial(
        TrialBook.opened, tmp_path / "next", runs[1].prepared.market, runs[1].prepared.config
    )
    assert opened().check() == []
    backup = shutil.move(ledger_path(), tmp_path / "backup")
    (note,) = opened().check()
    assert folder.name in note
    # Whichever ledger holds what the bundle remembers: a colleague's lies beside the bundle.
    ledger = ledger_path() if restored == "in the user's folder" else tmp_path / LEDGER_FILE
    shutil.copy(backup, ledger)
    assert opened().check() == []
    assert opened().count().test_readings == 2
    _lower_the_first_figure(ledger)
    with pytest.raises(LedgerError, match="trial 1"):
        opened().check()


def _lower_the_first_figure(path: Path) -> None:
    """Change a row as one would who knows SQLite."""
    with contextlib.closing(sqlite3.connect(path)) as ledger, ledger:
        names = ledger.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in names:
            ledger.execute(f"DROP TRIGGER {name}")
        changed = "replace(content, '\"candidates\":1', '\"candidates\":2')"
        ledger.execute(f"UPDATE trial SET content = {changed} WHERE number = 1")


def test_command_lines(runs, run_script, capsys):
    run_script("evaluate.py", "--bundle", str(runs[0].folder))
    folders = ",".join(str(run.folder) for run in runs)
    run_script("compare_models.py", "--bundles", f"[{folders}]")
    said = " ".join(capsys.readouterr().out.split())
    assert "Is it more than luck?" in said
    assert "corrected for 2 models" in said
    assert said.count("Report:") == 2
    unwrapped = said.replace(" ", "")
    assert unwrapped.count(f"Ledger:{ledger_path()},".replace(" ", "")) == 2
