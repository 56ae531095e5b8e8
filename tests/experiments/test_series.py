"""Runs of one command: each is made once, and the interrupted one is gone on with."""

import dataclasses
import os
import signal

import numpy as np
import pytest

from ultimate_deep.bundles.bundle import load_bundle
from ultimate_deep.experiments.run import DeclinedError
from ultimate_deep.experiments.series import SUFFIX, open_series
from ultimate_deep.machine.files import UNFINISHED, FinishedError, read_json
from ultimate_deep.machine.interrupts import Interrupted
from ultimate_deep.machine.locks import LockedError, TakenError
from ultimate_deep.machine.side_by_side.workers import Workers
from ultimate_deep.market.config import DataConfig
from ultimate_deep.pipeline.config import ExperimentConfig, FeatureConfig, ModelConfig
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.progress import Progress

pytestmark = pytest.mark.usefixtures("plain_figures")

NAMES = ("first", "second", "third")


def configs_of(folder, names=NAMES):
    return [
        ExperimentConfig(
            name=name,
            artifacts=str(folder),
            data=DataConfig(simulated_rows=1_500),
            features=FeatureConfig(names=("return_log_1", "range_z_20")),
            model=ModelConfig(name="linear"),
            fit=FitConfig(epochs=2, batch_size=128),
            baselines=False,
        )
        for name in names
    ]


class Witness(Progress):
    """Notes what is said and, in the second epoch of one run, interrupts it as Ctrl-C does."""

    def __init__(self, interrupted=""):
        self.said, self.trained, self.interrupted = [], [], interrupted

    def message(self, text):
        self.said.append(text)

    def start(self, *, epochs, steps_per_epoch, epoch, step):
        headings = [text for text in self.said if text.startswith("== ")]
        self.trained.append((headings[-1].split(": ")[1], epoch))

    def step(self, epoch, step, loss):
        if self.trained[-1][0] == self.interrupted and epoch == 2:
            os.kill(os.getpid(), signal.SIGINT)


def kernel(folder):
    return load_bundle(folder).model.get_weights()[0]


def test_a_resumed_series_makes_what_is_left_and_the_same_models(tmp_path):
    whole = open_series("whole", str(tmp_path / "a"), configs_of(tmp_path / "a"))
    expected = whole.run(Progress())
    whole.close()
    assert [path.name.split("-")[0] for path in expected] == list(NAMES)
    assert not list((tmp_path / "a").glob(f"*{SUFFIX}"))

    folder, configs = tmp_path / "b", configs_of(tmp_path / "b")
    stopped = Witness("second")
    with pytest.raises(Interrupted):
        open_series("set", str(folder), configs).run(stopped)
    assert stopped.trained == [("first", 0), ("second", 0)]
    assert len(list(folder.glob(f"second-*{UNFINISHED}"))) == 1
    resumed = Witness()
    series = open_series("set", str(folder), configs, resume=True)
    found = series.run(resumed)
    assert resumed.trained == [("second", 1), ("third", 0)]
    assert any(text.endswith("is finished") for text in resumed.said)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(kernel(one), kernel(other))
    assert len(list(folder.glob("first-*"))) == 1
    assert not list(folder.glob(f"*{UNFINISHED}"))
    series.close()
    with pytest.raises(FileNotFoundError, match="nothing to resume: no set-"):
        open_series("set", str(folder), configs, resume=True)


def test_other_runs_and_other_settings_are_refused(tmp_path):
    configs = configs_of(tmp_path, NAMES[:2])
    with pytest.raises(Interrupted):
        open_series("set", str(tmp_path), configs).run(Witness("second"))
    with pytest.raises(ValueError, match=r"is of first, second, got first, third; name the same"):
        open_series("set", str(tmp_path), configs_of(tmp_path, ("first", "third")), resume=True)
    other = [dataclasses.replace(one, fit=FitConfig(epochs=3)) for one in configs]
    with pytest.raises(ValueError, match=r"fit\.epochs is 2 in the run and 3 now"):
        open_series("set", str(tmp_path), other, resume=True).run(Progress())
    with pytest.raises(ValueError, match="first is named twice"):
        open_series("set", str(tmp_path), configs_of(tmp_path, ("first", "first")))


def test_a_series_in_use_and_one_whose_purpose_is_there_are_not_gone_on_with(tmp_path):
    configs = configs_of(tmp_path)
    with open_series("set", str(tmp_path), configs) as series:
        with pytest.raises(LockedError, match=f"process {os.getpid()}"):
            open_series("set", str(tmp_path), configs, resume=True)
        other = open_series("set", str(tmp_path), configs)
        assert other.file != series.file
        other.close()
        with pytest.raises(FileNotFoundError, match="no se-"):
            open_series("se", str(tmp_path), configs, resume=True)
        (tmp_path / "set-1").mkdir()
        series.keep_result(tmp_path / "set-1")
    with pytest.raises(FinishedError, match="set-1 is finished"):
        open_series("set", str(tmp_path), configs, resume=True)
    assert os.listdir(tmp_path) == ["set-1"]


def test_a_taken_name_is_chosen_anew(tmp_path, monkeypatch):
    configs, tries = configs_of(tmp_path, ("first",)), []

    def taken_once(config, progress, *, confirm, folder):
        tries.append(folder)
        if len(tries) == 1:
            folder.mkdir()
            raise TakenError("taken")

    monkeypatch.setattr("ultimate_deep.experiments.series.run_experiment", taken_once)
    with open_series("set", str(tmp_path), configs) as series:
        assert series.run(Progress()) == [tries[1]]
        assert tries[0] != tries[1]
        assert read_json(series.file)["folders"] == {"first": tries[1].name}


def test_bad_input_of_the_first_run_leaves_nothing_behind(tmp_path):
    first, *others = configs_of(tmp_path)
    wrong = dataclasses.replace(first, model=ModelConfig(name="oracle"))
    with pytest.raises(ValueError, match="oracle"):
        open_series("set", str(tmp_path), [wrong, *others]).run(Progress())
    assert not list(tmp_path.glob(f"*{SUFFIX}"))


@pytest.mark.parametrize("agreed", [0, 1])
def test_declined_at_once_leaves_nothing_and_later_what_is_finished(agreed, tmp_path):
    answers = iter([True] * agreed + [False])
    with pytest.raises(DeclinedError):
        open_series("set", str(tmp_path), configs_of(tmp_path)).run(
            Progress(), confirm=lambda plan: next(answers)
        )
    assert len(list(tmp_path.glob("first-*"))) == agreed
    assert len(list(tmp_path.glob(f"*{SUFFIX}"))) == agreed
    if agreed:
        series = open_series("set", str(tmp_path), configs_of(tmp_path), resume=True)
        assert len(series.run(Progress())) == len(NAMES)


def test_nets_are_trained_side_by_side_and_judged_in_order(tmp_path):
    plans = []

    def series_of(count):
        folder = tmp_path / str(count)
        configs = configs_of(folder, NAMES[:2])
        configs = [dataclasses.replace(one, seed=place) for place, one in enumerate(configs)]
        with open_series("both", str(folder), configs) as series:
            if count == 1:
                with pytest.raises(DeclinedError):
                    series.run(Progress(), confirm=lambda plan: False, workers=Workers(count=1))
                assert not list(folder.glob("first-*"))
        with open_series("both", str(folder), configs, resume=count == 1) as series:
            witness = Witness()
            folders = series.run(
                witness, confirm=lambda plan: plans.append(plan) or True,
                workers=Workers(count=count),
            )  # fmt: skip
            series.close()
        assert [line for line in witness.said if line.endswith("is trained")]
        return [load_bundle(one) for one in folders]

    one, two = series_of(1), series_of(2)
    assert [plan.lines()["runs"] for plan in plans] == ["first, second"] * 2
    for ours, theirs in zip(one, two, strict=True):
        assert ours.predictor.digest() == theirs.predictor.digest()
        first, second = (read_json(bundle.folder / "metrics.json") for bundle in (ours, theirs))
        assert first["test"] == second["test"]
    # Judged in order: the second counts the first.
    first, second = (read_json(bundle.folder / "metrics.json")["trials"] for bundle in one)
    assert second["test_readings"] == first["test_readings"] + 1
