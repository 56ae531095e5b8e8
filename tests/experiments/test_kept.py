"""What baselines said is found once, by a run that was stopped after it too."""

import dataclasses

import numpy as np
import pytest

from ultimate_deep.experiments import experiment, run
from ultimate_deep.experiments.kept import Kept, digest_of
from ultimate_deep.experiments.run import run_experiment
from ultimate_deep.experiments.runs import newest_unfinished
from ultimate_deep.machine.files import unfinished_folder
from ultimate_deep.machine.records import packed
from ultimate_deep.market.config import DataConfig
from ultimate_deep.pipeline.config import ExperimentConfig, FeatureConfig, ModelConfig
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.interrupts import Interrupted
from ultimate_deep.training.progress import Progress

pytestmark = pytest.mark.usefixtures("plain_figures")

ANSWER = {"test": np.array([0.25, 0.5, 1.0 / 3.0])}


class Heard(Progress):
    def __init__(self):
        self.said = []

    def message(self, text):
        self.said.append(text)


class Counted:
    def __init__(self):
        self.times = 0

    def __call__(self):
        self.times += 1
        return ANSWER


def test_what_was_kept_is_not_found_again(tmp_path):
    find, heard = Counted(), Heard()
    for _ in range(2):
        found = Kept(tmp_path, heard).found("one thing", {"inputs": "a"}, find)
        np.testing.assert_array_equal(found["test"], ANSWER["test"])
    assert find.times == 1
    assert heard.said == ["one thing: kept from before"]


def test_other_inputs_and_damaged_files_are_found_anew(tmp_path):
    find, heard = Counted(), Heard()
    kept = Kept(tmp_path, heard)
    kept.found("thing", {"inputs": "a"}, find)
    kept.found("thing", {"inputs": "b"}, find)
    assert find.times == 2
    for file in (tmp_path / "thing").iterdir():
        file.write_bytes(file.read_bytes()[:-1])
    kept.found("thing", {"inputs": "b"}, find)
    assert find.times == 3
    assert "thing is found anew" in heard.said[-1]


def test_nothing_is_kept_without_a_folder():
    find = Counted()
    for _ in range(2):
        Kept(None, Progress()).found("thing", {}, find)
    assert find.times == 2


def test_a_digest_tells_shapes_types_and_values():
    values = np.arange(6.0)
    others = (values.reshape(2, 3), values.astype(np.float32), values + 1e-12)
    assert len({digest_of(one) for one in (values, *others)}) == 4
    assert digest_of(values) == digest_of(values[::-1][::-1])


def interrupted(*given):
    raise KeyboardInterrupt


def test_a_run_that_is_stopped_in_a_baseline_goes_on_behind_those_before(tmp_path, monkeypatch):
    config = ExperimentConfig(
        name="tiny",
        artifacts=str(tmp_path / "whole"),
        data=DataConfig(simulated_rows=1_500),
        features=FeatureConfig(names=("return_log_1", "rsi_14")),
        model=ModelConfig(name="linear"),
        fit=FitConfig(epochs=1),
    )
    whole = run_experiment(config, Progress())
    times = dict.fromkeys(experiment.BASELINES, 0)
    stop = True

    def counted(name, baseline):
        def fit(inputs):
            times[name] += 1
            if name == "random forest" and stop:
                raise KeyboardInterrupt
            return baseline(inputs)

        return fit

    watched = {name: counted(name, one) for name, one in experiment.BASELINES.items()}
    monkeypatch.setattr(experiment, "BASELINES", watched)
    stopped = dataclasses.replace(config, artifacts=str(tmp_path / "stopped"))
    with pytest.raises(Interrupted):
        run_experiment(stopped, Progress())
    unfinished = unfinished_folder(newest_unfinished(tmp_path / "stopped"))
    assert {path.name for path in (unfinished / "judged").iterdir()} == {
        "logistic_regression",
        "gradient_boosting",
    }
    stop = False
    with monkeypatch.context() as context:
        context.setattr(run, "write_report", interrupted)
        with pytest.raises(Interrupted):
            run_experiment(stopped, Progress(), resume=True)
    assessed = unfinished / "judged" / "assessment"
    assert assessed.is_dir()
    heard = Heard()
    resumed = run_experiment(stopped, heard, resume=True)
    assert "assessment: kept from before" in heard.said
    assert not unfinished.exists()
    assert times["gradient boosting"] == times["logistic regression"] == 1
    assert times["random forest"] == 2
    assert packed(whole.assessment.robustness, {}) == packed(resumed.assessment.robustness, {})
    for before, after in zip(whole.outcome.baselines, resumed.outcome.baselines, strict=True):
        assert before.metrics == pytest.approx(after.metrics, rel=0, abs=0, nan_ok=True)
