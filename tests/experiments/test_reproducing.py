"""What a report says of its own making: followed, it gives the same verdict and figures."""

import json
import shlex
import sys

import pandas as pd
import pytest

import ultimate_deep as ud
from ultimate_deep.commands.parser import parse
from ultimate_deep.commands.walk_forward import parser as walk_parser
from ultimate_deep.evaluation.backtesting.config import BacktestConfig
from ultimate_deep.experiments.reproducing import (
    command_line,
    counted,
    data_options,
    judge_lines,
    list_option,
    named_path,
    options_of,
)
from ultimate_deep.experiments.walk_forward.config import WalkForwardConfig
from ultimate_deep.market.config import DataConfig, LabelSpec
from ultimate_deep.portfolio.costs import CostSpec

pytestmark = pytest.mark.usefixtures("plain_figures")

SMALL = {
    "data": {"simulated_rows": 1_500, "simulated_edge": 0.2},
    "features": {"names": ["return_log_1", "rsi_14"]},
    "model": {"name": "hist_gradient_boosting", "preset": "tiny"},
    "baselines": False,
}
SCRIPTS = {"run": "run_ultimate_deep.py", "evaluate": "evaluate.py"}


def report_of(folder):
    return json.loads((folder / "report.json").read_text())


def words_of(origin):
    (line,) = origin["lines"]
    move, sign, command = line.partition(" && ")
    assert sign
    assert shlex.split(move)[0] == "cd"
    return shlex.split(command)[1:]


def follow(origin, run_script):
    command, *words = words_of(origin)
    run_script(SCRIPTS[command], *words)


def newest(folder, name):
    return max(folder.glob(f"{name}-2*"), key=lambda one: (one.stat().st_mtime_ns, one.name))


@pytest.fixture(scope="module")
def first(tmp_path_factory, plain_figures):
    config = ud.ExperimentConfig(**SMALL, artifacts=str(tmp_path_factory.mktemp("runs")))
    return ud.run(config, progress=False)


def test_the_command_of_a_run_gives_the_same_verdict_and_figures(
    first, run_script, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    before = report_of(first.folder)
    follow(before["origin"], run_script)
    again = newest(first.folder.parent, "hist_gradient_boosting")
    assert again != first.folder
    after = report_of(again)
    for report in (before, after):
        report["assessment"].pop("trials")  # how often each was recorded, and in which ledger
    for part in ("verdict", "contenders", "backtest", "threshold", "assessment"):
        assert after[part] == before[part], part
    assert after["origin"]["bars"] == before["origin"]["bars"]
    assert after["origin"]["versions"] == before["origin"]["versions"]


def test_the_command_of_an_evaluation_does_too(first, run_script, monkeypatch, tmp_path):
    monkeypatch.chdir(first.folder.parent)
    run_script("evaluate.py", "--bundle", first.folder.name)
    evaluated = newest(first.folder.parent, f"evaluation-{first.folder.name}")
    before = report_of(evaluated)
    assert words_of(before["origin"]) == ["evaluate", "--bundle", first.folder.name]
    follow(before["origin"], run_script)
    again = newest(first.folder.parent, f"evaluation-{first.folder.name}")
    assert again != evaluated
    assert report_of(again)["verdict"] == before["verdict"]


def test_page_json_and_metrics_have_the_same_seconds(first):
    report = report_of(first.folder)
    stored = json.loads((first.folder / "metrics.json").read_text())["seconds"]
    assert report["origin"]["seconds"] == stored
    assert list(stored) == [
        "simulating bars", "features", "planning", "training", "predicting and baselines",
        "assessing", "saving the model",
    ]  # fmt: skip
    assert report["origin"]["total"] == pytest.approx(sum(stored.values()))
    page = (first.folder / "report.html").read_text()
    assert report["origin"]["bars"] in page
    assert "What was done, in order" in page


def test_what_was_given_in_python_is_said_to_be_so(tmp_path):
    bars = ud.simulate_bars(1_500, edge=0.2)
    config = ud.ExperimentConfig(**SMALL, artifacts=str(tmp_path))
    done = ud.run(config, bars=bars, progress=False)
    origin = report_of(done.folder)["origin"]
    assert origin["language"] == "python"
    assert any("`bars` were given in Python" in need for need in origin["needs"])
    again = {"bars": bars}
    exec("\n".join(origin["lines"]), again)  # the report's own words
    second = max(tmp_path.glob("hist*-2*"), key=lambda one: one.stat().st_mtime_ns)
    assert second != done.folder
    assert report_of(second)["verdict"] == report_of(done.folder)["verdict"]


def test_predictions_are_judged_again_by_the_lines_of_their_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bars = ud.simulate_bars(1_200, edge=0.3)
    index = bars.frame().index
    truth = pd.Series(bars.probability_up["SIMULATED"], index)[701:-2]
    asked = {"baselines": False, "costs": {"fee_bps": 2.5}, "horizon_bars": 1, "seed": 3}
    found = ud.judge(truth, bars, trained_until=index[699], **asked)
    again = {"bars": bars, "probabilities": truth}
    *before, call = found.origin.lines
    exec("\n".join([*before, f"found = {call}"]), again)
    assert again["found"].verdict.evidence == found.verdict.evidence
    assert again["found"].origin.lines == found.origin.lines
    assert "fee_bps" in call
    assert "mode" not in call


def test_a_pdf_that_nothing_can_write_is_refused_before_bars_are_read(tmp_path, monkeypatch):
    config = ud.ExperimentConfig(**SMALL, artifacts=str(tmp_path / "runs"), report="pdf")
    monkeypatch.setitem(sys.modules, "weasyprint", None)  # so that it cannot be imported
    monkeypatch.setattr("ultimate_deep.pipeline.prepared.load_market", lambda *asked: 1 / 0)
    with pytest.raises(ValueError, match="a report as PDF needs WeasyPrint") as refused:
        ud.run(config, progress=False)
    assert "pip install" in str(refused.value)
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").glob("hist*"))


def test_options_make_the_same_settings_again():
    walk = WalkForwardConfig(scheme="rolling", train=0.3, test=500)
    words = options_of(walk, "walk.")
    assert words == ["--walk.scheme", "rolling", "--walk.train", "0.3", "--walk.test", "500"]
    assert parse(walk_parser(), words).options.walk == walk
    data = DataConfig(simulated_rows=900, simulation={"jumps": {"per_bar": 0.01}})
    assert parse(walk_parser(), data_options(data)).options.data == data
    assert options_of(WalkForwardConfig(), "walk.") == []


def test_paths_are_named_from_where_the_command_is_typed(tmp_path, monkeypatch):
    here = tmp_path / "my work"
    (here / "runs" / "a").mkdir(parents=True)
    monkeypatch.chdir(here)
    assert named_path("runs/a") == "runs/a"
    assert named_path("/usr") == "/usr"
    assert list_option("--bundles", ["runs/a", here / "runs"]) == [
        "--bundles",
        '["runs/a", "runs"]',
    ]
    line = command_line(["run", "--config", "runs/a b.json"])
    move, _, command = line.partition(" && ")
    assert shlex.split(move) == ["cd", str(here)]
    assert shlex.split(command) == ["ultimate-deep", "run", "--config", "runs/a b.json"]
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "plain").mkdir()
    monkeypatch.chdir(tmp_path / "plain")
    assert command_line(["run"]) == "cd ~/plain && ultimate-deep run"


def test_defaults_of_judge_are_those_of_the_face():
    lines = judge_lines(
        {"trained_until": "2024-01-01", "threshold": 0.5, "tried": 1, "seed": 0},
        LabelSpec(),
        BacktestConfig(costs=CostSpec()),
        filled=False,
    )
    assert lines[-1] == "ud.judge(probabilities, bars, trained_until='2024-01-01')"
    filled = judge_lines(
        {"trained_until": "2024-01-01"}, LabelSpec(), BacktestConfig(capital=5e3), filled=True
    )
    assert filled[-1].endswith("trained_until='2024-01-01', fills=fills)")
    assert "capital=5000.0" in filled[-1]


def test_one_model_is_one_model():
    assert "for 1 model judged" in counted(1)
    assert "for 2 models judged" in counted(2)
