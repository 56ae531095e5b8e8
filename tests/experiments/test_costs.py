"""The plan of a whole run: its training as a range, and what comes after."""

import dataclasses
import json

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from ultimate_deep.experiments import costs
from ultimate_deep.experiments.baselines import (
    BOOSTED_TREES,
    BOOSTING_PATIENCE,
    BaselineInputs,
    Stopping,
)
from ultimate_deep.experiments.costs import RunPlan, baseline_seconds
from ultimate_deep.experiments.learners.learner import AnswerTimes
from ultimate_deep.experiments.run import run_experiment
from ultimate_deep.machine.duration import Duration, sum_of
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


def stopped(inputs):
    every = np.arange(len(inputs.y_train))
    return dataclasses.replace(inputs, stopping=Stopping(inputs.x_train, inputs.y_train, every))


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
    assert all(took.least > 0 for took in plan.after.values())
    rest = sum_of(plan.after.values())
    assert plan.seconds.least == pytest.approx(2 * plan.training.epoch_seconds + rest.least)
    assert plan.seconds.most == pytest.approx(4 * plan.training.epoch_seconds + rest.most)
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
    assert baseline_seconds(inputs_of(400)).least > 0
    assert grown == [3, 9, costs.TRIAL_TREES]


def test_boosting_is_planned_from_where_it_may_stop_to_its_last_tree(monkeypatch):
    """By a clock that goes on by a second for each tree, and by five before the first."""
    now = [0.0]

    def grow(train, watched, config, *, scoring):
        now[0] += 5.0
        scoring(None, train.x, train.y)
        for _ in range(config.trees):
            now[0] += 1.0
            scoring(None, train.x, train.y, sample_weight=train.weight)

    monkeypatch.setattr(costs, "fit_in_bins", grow)
    monkeypatch.setattr(costs.time, "perf_counter", lambda: now[0])
    inputs = inputs_of(400)
    planned = costs._boosting_seconds(stopped(inputs))
    assert (planned.least, planned.most) == (5.0 + BOOSTING_PATIENCE + 1, 5.0 + BOOSTED_TREES)
    planned = costs._boosting_seconds(inputs)
    assert planned.least == planned.most == 5.0 + costs.UNSTOPPED_TREES
    monkeypatch.setattr(costs, "BOOSTING_ROWS", 100)
    assert costs._boosting_seconds(inputs).most == 4 * (5.0 + costs.UNSTOPPED_TREES)


@pytest.mark.parametrize("first", [0.0, 1.0])
def test_a_trial_has_rows_of_both_classes(monkeypatch, first):
    monkeypatch.setattr(costs, "LOGISTIC_ROWS", 20)
    monkeypatch.setattr(costs, "BOOSTING_ROWS", 20)
    inputs = inputs_of(400, first=first)
    weighted = dataclasses.replace(stopped(inputs), weight=np.linspace(0.5, 1.5, 400))
    planned = [baseline_seconds(one) for one in (inputs, weighted)]
    assert planned[0].least == planned[0].most > 0
    assert 0 < planned[1].least <= planned[1].most


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

    after = {"predicting": Duration.of(5.0), "writing": Duration.of(15.0)}
    plan = RunPlan(training=Training(), after=after)
    assert plan.lines() == {
        "rows": "100",
        "afterwards": "about 20 s (predicting 5 s, writing 15 s)",
        "in all": "30 to 80 s",
    }
    ranging = dataclasses.replace(plan, after=after | {"baselines": Duration(10.0, 40.0)}).lines()
    assert ranging["afterwards"] == (
        "30 to 60 s (predicting 5 s, writing 15 s, baselines 10 to 40 s)"
    )
    assert ranging["in all"] == "40 s to 2.0 min"
    resumed = dataclasses.replace(plan, resumed=True).lines()
    assert resumed["in all"].startswith("at most 80 s, less what is kept from before")
