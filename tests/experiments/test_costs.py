"""The plan of a whole run: its training as a range, and what comes after."""

import dataclasses
import json

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from ultimate_deep.experiments import costs
from ultimate_deep.experiments.baselines import BaselineInputs
from ultimate_deep.experiments.costs import RunPlan, baseline_seconds
from ultimate_deep.experiments.learners.learner import AnswerTimes
from ultimate_deep.experiments.run import run_experiment
from ultimate_deep.machine.duration import Duration
from ultimate_deep.market.config import DataConfig
from ultimate_deep.pipeline.config import ExperimentConfig, FeatureConfig, ModelConfig
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.progress import Progress

pytestmark = pytest.mark.usefixtures("plain_figures")


def inputs_of(rows, first=None):
    draw = np.random.default_rng(1)
    x = draw.normal(size=(rows, 4)).astype(np.float32)
    y = (draw.random(rows) < 0.5).astype(float)
    if first is not None:
        y[: rows // 2] = first
    return BaselineInputs(x, y, {"test": x[:100]}, {"test": x[:100, 0]}, seed=0)


def config_of(tmp_path, model, **changes):
    return ExperimentConfig(
        artifacts=str(tmp_path),
        data=DataConfig(simulated_rows=1_500),
        features=FeatureConfig(names=("return_log_1", "rsi_14")),
        model=ModelConfig(name=model, preset="tiny" if "boosting" in model else "default"),
        **changes,
    )


class Asked:
    """Confirms a plan and keeps it."""

    def __call__(self, plan):
        self.plan = plan
        return True


def test_a_run_is_planned_to_its_end_and_says_what_came(tmp_path, monkeypatch):
    asked, said, room = Asked(), [], []
    monkeypatch.setattr("ultimate_deep.experiments.run.check_room", lambda *of: room.append(of))
    progress = Progress()
    progress.message = said.append
    fit = FitConfig(epochs=4, patience_epochs=1)
    run = run_experiment(config_of(tmp_path, "linear", fit=fit), progress, confirm=asked)
    plan = asked.plan
    assert room == [(tmp_path, 3 * 4 * plan.training.parameters)]
    assert list(plan.after) == ["predicting", "baselines", "assessing", "writing"]
    assert all(seconds > 0 for seconds in plan.after.values())
    rest = sum(plan.after.values())
    assert plan.seconds.least == pytest.approx(2 * plan.training.epoch_seconds + rest)
    assert plan.seconds.most == pytest.approx(4 * plan.training.epoch_seconds + rest)
    assert "early stopping ends it after 2 to 4 epochs" in plan.lines()["time"]
    came = json.loads((run.folder / "metrics.json").read_text())["seconds"]
    assert list(came) == [
        "simulating bars", "features", "planning", "training", "predicting and baselines",
        "assessing", "saving the model",
    ]  # fmt: skip
    assert all(seconds > 0 for seconds in came.values())
    assert any(f"since the plan, which said {plan.seconds}" in text for text in said)


def test_trees_are_planned_by_growing_a_few(tmp_path):
    asked = Asked()
    config = config_of(tmp_path, "hist_gradient_boosting", baselines=False)
    run_experiment(config, Progress(), confirm=asked)
    plan = asked.plan
    assert list(plan.after) == ["predicting", "assessing", "writing"]
    growth = plan.training
    assert 0 < growth.seconds.least <= growth.seconds.most
    assert growth.seconds.most - growth.first_seconds == pytest.approx(10 * growth.tree_seconds)
    assert growth.seconds.least - growth.first_seconds == pytest.approx(6 * growth.tree_seconds)


def test_baselines_are_tried_on_a_few_trees_and_rows(monkeypatch):
    grown = []
    for kind, name in ((HistGradientBoostingClassifier, "max_iter"),
                       (RandomForestClassifier, "n_estimators")):  # fmt: skip
        fit = kind.fit

        def watched(self, *args, _fit=fit, _name=name, **kwargs):
            grown.append(getattr(self, _name))
            return _fit(self, *args, **kwargs)

        monkeypatch.setattr(kind, "fit", watched)
    monkeypatch.setattr(costs, "usable_cores", lambda: 3)
    assert baseline_seconds(inputs_of(400)) > 0
    assert grown == [costs.TRIAL_TREES, 3, 9]


@pytest.mark.parametrize("first", [0.0, 1.0])
def test_a_trial_has_rows_of_both_classes(monkeypatch, first):
    monkeypatch.setattr(costs, "LOGISTIC_ROWS", 20)
    monkeypatch.setattr(costs, "BOOSTING_ROWS", 20)
    assert baseline_seconds(inputs_of(400, first=first)) > 0


def test_answers_are_counted_in_batches():
    times = AnswerTimes(tracing=2.0, batch=0.5, batch_rows=256)
    assert times.seconds(257) == 3.0
    assert AnswerTimes().seconds(1_000) == 0.0


def test_the_whole_is_the_sum_of_its_parts():
    class Training:
        model = "net"
        seconds = Duration(10.0, 60.0)

        def lines(self):
            return {"rows": "100"}

    plan = RunPlan(training=Training(), after={"predicting": 5.0, "writing": 15.0})
    assert plan.lines() == {
        "rows": "100",
        "afterwards": "about 20 s (predicting 5 s, writing 15 s)",
        "in all": "30 to 80 s",
    }
    resumed = dataclasses.replace(plan, resumed=True).lines()
    assert resumed["in all"].startswith("at most 80 s, less what is kept from before")
