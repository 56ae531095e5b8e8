"""What baselines said is found once, by a run that was stopped after it too."""

import dataclasses
import os

import numpy as np
import pytest

from ultimate_deep.experiments import experiment, writing
from ultimate_deep.experiments.judging.assessing import assess_outcome
from ultimate_deep.experiments.kept import Kept, digest_of
from ultimate_deep.experiments.run import run_experiment
from ultimate_deep.experiments.runs import newest_unfinished
from ultimate_deep.machine.files import unfinished_folder
from ultimate_deep.machine.interrupts import Interrupted
from ultimate_deep.machine.records import packed
from ultimate_deep.market.config import DataConfig
from ultimate_deep.market.market import Market
from ultimate_deep.pipeline.config import ExperimentConfig, FeatureConfig, ModelConfig
from ultimate_deep.training.config import FitConfig
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


def _a_file(place):
    place.rename(place.with_name("gone"))
    place.write_text("not ours")


def _a_folder(place):
    (file,) = place.iterdir()
    file.unlink()
    file.mkdir()


def _a_pipe(place):
    (file,) = place.iterdir()
    file.unlink()
    os.mkfifo(file)


@pytest.mark.parametrize("foreign", [_a_file, _a_folder, _a_pipe])
def test_something_foreign_in_the_place_is_passed_over(foreign, tmp_path):
    find, heard = Counted(), Heard()
    kept = Kept(tmp_path, heard)
    kept.found("thing", {"inputs": "a"}, find)
    foreign(tmp_path / "thing")
    found = kept.found("thing", {"inputs": "a"}, find)
    np.testing.assert_array_equal(found["test"], ANSWER["test"])
    assert find.times == 2
    assert any(text.startswith(("thing is found anew", "thing is not kept")) for text in heard.said)


def written(times):
    def write(folder):
        times.append(folder)
        (folder / "inner").mkdir()
        (folder / "inner" / "a.bin").write_bytes(b"weights")

    return write


def test_files_that_were_kept_are_not_written_again(tmp_path):
    times, heard = [], Heard()
    for _ in range(2):
        folder = Kept(tmp_path, heard).folder_of("model files", {"model": "a"}, written(times))
        assert (folder / "inner" / "a.bin").read_bytes() == b"weights"
    assert len(times) == 1
    assert heard.said == ["model files: kept from before"]
    Kept(tmp_path, heard).folder_of("model files", {"model": "b"}, written(times))
    assert len(times) == 2
    assert Kept(None, heard).folder_of("model files", {}, written(times)) is None
    assert len(times) == 2


def _more(files):
    (files / "b.bin").write_bytes(b"")


def _other(files):
    (files / "inner" / "a.bin").write_bytes(b"Weights")


def _no_marks(files):
    (files.parent / "marks").rename(files / "marks")


def _a_link(files):
    (files / "inner" / "a.bin").unlink()
    (files / "inner" / "a.bin").symlink_to("/etc/hostname")


@pytest.mark.parametrize("change", [_more, _other, _no_marks, _a_link])
def test_files_that_have_changed_are_written_anew(change, tmp_path):
    times, heard = [], Heard()
    kept = Kept(tmp_path, heard)
    files = kept.folder_of("model files", {}, written(times))
    change(files)
    assert kept.folder_of("model files", {}, written(times)) == files
    assert len(times) == 2
    assert [path.name for path in files.rglob("*")] == ["inner", "a.bin"]


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


@pytest.fixture(scope="module")
def whole(tmp_path_factory, plain_figures):
    config = ExperimentConfig(
        name="tiny",
        artifacts=str(tmp_path_factory.mktemp("whole")),
        data=DataConfig(simulated_rows=1_500),
        features=FeatureConfig(names=("return_log_1", "rsi_14")),
        model=ModelConfig(name="linear"),
        fit=FitConfig(epochs=1),
    )
    return run_experiment(config, Progress())


def busier(market):
    ((symbol, bars),) = market.bars.items()
    frame = bars.frame.assign(volume=bars.frame["volume"] * 2)
    return Market({symbol: dataclasses.replace(bars, frame=frame)})


class Asked:
    """Keeps what an assessment is kept under."""

    def record(self, name, kind, origin, find):
        self.origin = origin
        return self.assessment


def test_an_assessment_of_other_bars_settings_labels_or_versions_is_not_taken(whole, monkeypatch):
    asked = Asked()
    asked.assessment = whole.assessment

    def origin_of(prepared):
        assess_outcome(prepared, whole.outcome, asked)
        return asked.origin

    prepared = whole.prepared
    ours = origin_of(prepared)
    assert origin_of(prepared) == ours
    market = busier(prepared.market)
    reseeded = dataclasses.replace(prepared.config, seed=1)
    rows = dataclasses.replace(prepared.rows, labels=1.0 - prepared.rows.labels)
    moved = dataclasses.replace(prepared.config, artifacts="elsewhere")
    assert origin_of(dataclasses.replace(prepared, config=moved)) == ours
    for changed in ({"market": market}, {"config": reseeded}, {"rows": rows}):
        assert origin_of(dataclasses.replace(prepared, **changed)) != ours, list(changed)
    monkeypatch.setattr("ultimate_deep.experiments.kept.library_version", lambda name: "another")
    assert origin_of(prepared) != ours


def test_a_run_that_is_stopped_in_a_baseline_goes_on_behind_those_before(
    whole, tmp_path, monkeypatch
):
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
    stopped = dataclasses.replace(whole.prepared.config, artifacts=str(tmp_path / "stopped"))
    with pytest.raises(Interrupted):
        run_experiment(stopped, Progress())
    unfinished = unfinished_folder(newest_unfinished(tmp_path / "stopped"))
    assert {path.name for path in (unfinished / "judged").iterdir()} == {
        "logistic_regression",
        "gradient_boosting",
    }
    with pytest.raises(ValueError, match=r"bars have changed since the run began, .*; bring"):
        run_experiment(stopped, Progress(), resume=True, market=busier(whole.prepared.market))
    stop = False
    with monkeypatch.context() as context:
        context.setattr(writing, "write_report", interrupted)
        with pytest.raises(Interrupted):
            run_experiment(stopped, Progress(), resume=True)
    assessed = unfinished / "judged" / "assessment"
    assert assessed.is_dir()
    heard = Heard()
    resumed = run_experiment(stopped, heard, resume=True)
    assert "assessment: kept from before" in heard.said
    assert "model files: kept from before" in heard.said
    assert not unfinished.exists()
    assert times["gradient boosting"] == times["logistic regression"] == 1
    assert times["random forest"] == 2
    assert packed(whole.assessment.robustness, {}) == packed(resumed.assessment.robustness, {})
    for before, after in zip(whole.outcome.baselines, resumed.outcome.baselines, strict=True):
        assert before.metrics == pytest.approx(after.metrics, rel=0, abs=0, nan_ok=True)
