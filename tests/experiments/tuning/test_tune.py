"""A search from bars to the winner's bundle, on a small simulated market."""

import dataclasses
import json
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from ultimate_deep.bundles.bundle import load_bundle
from ultimate_deep.experiments.run import DeclinedError
from ultimate_deep.experiments.tuning.search import search
from ultimate_deep.experiments.tuning.tables import render_search_plan, render_trials
from ultimate_deep.experiments.tuning.trials import run_trial
from ultimate_deep.experiments.tuning.tune import Tuned, tune_experiment
from ultimate_deep.experiments.tuning.tune_config import TuneConfig
from ultimate_deep.machine.duration import duration_sentence
from ultimate_deep.market.config import DataConfig
from ultimate_deep.pipeline.config import ExperimentConfig, FeatureConfig, ModelConfig
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.progress import Progress

pytestmark = pytest.mark.usefixtures("plain_figures")

QUIET = Progress()
FEATURES = ("return_log_1", "rsi_14", "close_to_sma_20")
TUNE = TuneConfig(trials=3, epochs=2, fields=("model.hidden_widths", "fit.learning_rate"))


def _config(artifacts: Path, **data) -> ExperimentConfig:
    return ExperimentConfig(
        artifacts=str(artifacts),
        seed=5,
        data=DataConfig(**({"simulated_rows": 1_500, "simulated_edge": 0.15} | data)),
        features=FeatureConfig(names=FEATURES),
        model=ModelConfig(name="mlp"),
        fit=FitConfig(epochs=7, batch_size=128, jit_compile=False),
        baselines=False,
    )


@pytest.fixture(scope="module")
def tuned(tmp_path_factory) -> Tuned:
    return tune_experiment(_config(tmp_path_factory.mktemp("whole")), TUNE, QUIET)


@pytest.mark.slow
def test_the_winner_is_an_ordinary_bundle(tuned):
    folder, found = tuned.run.folder, tuned.found
    bundle = load_bundle(folder)
    assert folder.name.startswith("tuned-mlp-")
    assert (folder.parent / "latest").resolve() == folder.resolve()
    assert not list(folder.parent.glob("*.unfinished"))
    assert (folder / "report.html").is_file()
    options = bundle.config["model"]["options"]
    assert options == {"hidden_widths": found.best.request.values["model.hidden_widths"]}
    assert bundle.config["fit"]["learning_rate"] == found.best.request.values["fit.learning_rate"]
    assert bundle.config["fit"]["epochs"] == 2


@pytest.mark.slow
def test_the_bundle_says_how_many_were_tried(tuned):
    folder, found = tuned.run.folder, tuned.found
    trials = pd.read_csv(folder / "trials.csv", dtype={"trial": str})
    assert list(trials["trial"]) == ["0", "1", "2"]
    assert set(trials["status"]) == {"completed"}
    assert "trials.csv" in json.loads((folder / "manifest.json").read_text())["files"]
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["trials"]["by_kind"]["tuning"] == 3
    assert metrics["trials"]["test_readings"] == 1
    told = metrics["tuning"]
    assert told["configurations"] == told["trials"] == 3
    assert told["tune"]["search"] == "random"
    assert told["best_trial"]["trial"] == found.best.request.trial
    assert told["best_trial"]["validation_loss"] == trials["validation_loss"].min()


@pytest.mark.slow
def test_the_winners_run_has_the_winning_trials_figures(tuned):
    history = tuned.run.outcome.fit.history
    assert history["validation_loss"].min() == tuned.found.best.result.validation_loss
    assert len(history) == 2


@pytest.mark.slow
def test_tables_show_plan_and_trials(tuned, tmp_path):
    plans = []

    def decline(plan) -> bool:
        plans.append(plan)
        return False

    tune = dataclasses.replace(TUNE, search="hyperband", trials=None, factor=2)
    with pytest.raises(DeclinedError):
        tune_experiment(_config(tmp_path), tune, QUIET, confirm=decline)
    assert not list(tmp_path.iterdir())
    assert plans[0].trials == 5
    assert plans[0].configurations == 4
    assert plans[0].epochs == 2 * 1 + 1 * 1 + 2 * 2
    plan = plans[0]
    assert 0 < plan.searching.least == plan.searching.most < 600  # no patience ends two epochs
    assert plan.finishing.least > 0
    assert list(plan.after) == ["predicting", "assessing", "writing"]
    rest = plan.finishing.most + sum(one.most for one in plan.after.values())
    assert plan.seconds.most == pytest.approx(plan.searching.most + rest)
    console = Console(file=StringIO(), width=160)
    console.print(render_search_plan(plans[0]), render_trials(tuned.found, tuned.tune))
    text = console.file.getvalue()
    told = f"predicting {duration_sentence(plan.after['predicting'].most)}, assessing"
    for part in ("2 x epoch 1; 1 x epoch 2; 2 x epochs 1 to 2", "0.0001 to 0.01, log", told,
                 str(plan.seconds)):  # fmt: skip
        assert part in text
    assert f"{tuned.found.best.result.validation_loss:.5f}" in text


@pytest.mark.slow
def test_a_dead_search_ends_with_the_same_bundle(tuned, tmp_path, monkeypatch):
    begun = []

    class KilledError(BaseException):
        pass

    def dying(prepared, request, folder):
        begun.append(request.trial)
        if len(begun) == 3:
            raise KilledError
        return run_trial(prepared, request, folder)

    monkeypatch.setattr("ultimate_deep.experiments.tuning.search.run_trial", dying)
    with pytest.raises(KilledError):
        tune_experiment(_config(tmp_path), TUNE, QUIET)
    with pytest.raises(ValueError, match=r"tune.trials is 3 in the search and 4 now"):
        tune_experiment(_config(tmp_path), dataclasses.replace(TUNE, trials=4), QUIET, resume=True)
    again = tune_experiment(_config(tmp_path), TuneConfig(), QUIET, resume=True)
    assert begun == ["0", "1", "2", "2"]
    pd.testing.assert_frame_equal(
        again.found.trials.drop(columns="seconds"), tuned.found.trials.drop(columns="seconds")
    )
    assert again.run.outcome.model.metrics == tuned.run.outcome.model.metrics
    assert load_bundle(again.run.folder).threshold == load_bundle(tuned.run.folder).threshold


def test_a_search_does_not_go_on_with_other_bars(tmp_path, monkeypatch):
    monkeypatch.setattr("ultimate_deep.experiments.tuning.tune.plan_search", lambda *_: None)
    monkeypatch.setattr("ultimate_deep.experiments.tuning.tune.search", lambda *_: 1 / 0)
    config = _config(tmp_path)
    with pytest.raises(ZeroDivisionError):
        tune_experiment(config, TUNE, QUIET)
    (path,) = tmp_path.glob("*.unfinished/search.json")
    stored = json.loads(path.read_text())
    path.write_text(json.dumps(stored | {"data_fingerprint": "0" * 64}))
    monkeypatch.setattr("ultimate_deep.experiments.tuning.search", search)
    with pytest.raises(ValueError, match="the bars have changed since the search began"):
        tune_experiment(config, TUNE, QUIET, resume=True)


def test_nothing_to_resume(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing to resume"):
        tune_experiment(_config(tmp_path), TUNE, QUIET, resume=True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tune.search", "hyperband", "--tune.trials", "3"], "does not read tune.trials 3"),
        (["--tune.search", "grid"], "grid"),
        (["--tune.trials", "0"], "tune.trials must be at least 1"),
    ],
)
def test_the_script_refuses_bad_settings_in_one_line(arguments, said, run_script, capsys):
    with pytest.raises(SystemExit) as ended:
        run_script("tune.py", *arguments)
    error = capsys.readouterr().err + str(ended.value)
    assert said in error
    assert "Traceback" not in error
    assert ended.value.code not in (0, None)


def test_trees_are_refused_by_name(tmp_path):
    trees = dataclasses.replace(_config(tmp_path), model=ModelConfig(name="lightgbm"))
    with pytest.raises(ValueError, match=r"checkpoint \(nets\), got 'lightgbm' of the trees"):
        tune_experiment(trees, TUNE, QUIET)
    assert not list(tmp_path.iterdir())
