"""Searches on small arrays: same seed, same trials; nothing is lost, nothing fails unnoticed."""

import dataclasses
import math
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import keras_tuner
import numpy as np
import pandas as pd
import pytest

from ultimate_deep.experiments.experiment import Prepared, builder_config
from ultimate_deep.experiments.tuning import trials as tuner_trials
from ultimate_deep.experiments.tuning.keras_tuner_oracles import (
    from_hyperparameters,
    to_hyperparameters,
)
from ultimate_deep.experiments.tuning.search import search
from ultimate_deep.experiments.tuning.searcher import (
    Request,
    Result,
    TrialFailedError,
    TrialPlan,
    build_searcher,
    search_task,
)
from ultimate_deep.experiments.tuning.spaces import (
    FIT_SPACE,
    distinct_configurations,
    tuned_space,
    with_values,
)
from ultimate_deep.experiments.tuning.trials import Journal, run_trial
from ultimate_deep.experiments.tuning.tune_config import TuneConfig
from ultimate_deep.models.registry import BUILDERS, config_class, search_space
from ultimate_deep.models.search_space import Choice, FloatRange, IntRange
from ultimate_deep.pipeline.config import ExperimentConfig, ModelConfig
from ultimate_deep.pipeline.inputs.tables import InputTable, InputTables, RowInputs
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.progress import Progress

QUIET = Progress()
TIMES = ["seconds"]
FEATURES = 4
RANDOM = TuneConfig(trials=3, fields=("model.hidden_widths", "fit.learning_rate"))
HYPERBAND = TuneConfig(search="hyperband", factor=2, fields=RANDOM.fields)


def _prepared(seed: int = 3, epochs: int = 2, test_values: float = math.nan) -> Prepared:
    """Return 256 + 128 rows of a learnable rule; the test rows are spoilt unless given."""
    rng = np.random.default_rng(0)
    rows = 448
    x = rng.standard_normal((rows, FEATURES)).astype(np.float32)
    labels = (x @ np.array([1.0, -1.0, 0.5, 0.0]) + rng.standard_normal(rows) > 0).astype(float)
    x[384:], labels[384:] = test_values, test_values
    parts = np.split(np.arange(rows), [256, 384])
    split = SimpleNamespace(train=parts[0], validation=parts[1], test=parts[2])
    config = ExperimentConfig(
        seed=seed,
        model=ModelConfig(name="mlp", options={"normalization": "layer"}),
        fit=FitConfig(epochs=epochs, batch_size=128, jit_compile=False),
    )
    table = InputTable(None, np.arange(rows), np.ones(rows, bool), None)
    inputs = RowInputs({"features": x}, InputTables({"features": table}), {})
    known = SimpleNamespace(labels=labels, targets=None)
    return Prepared(config, None, known, split, None, x, inputs)


def _plan(tune: TuneConfig, epochs: int) -> TrialPlan:
    return build_searcher(search_task(_prepared(epochs=epochs).config, tune)).plan


def _table(prepared: Prepared, tune: TuneConfig, folder: Path) -> pd.DataFrame:
    return search(prepared, tune, folder, QUIET).trials.drop(columns=TIMES)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A real random search and its folder; the test rows were NaN."""
    folder = tmp_path_factory.mktemp("trained")
    return folder, search(_prepared(), RANDOM, folder, QUIET)


def _formula(prepared, request, folder) -> Result:
    """Stand for training where only the search's bookkeeping is looked at: a known valley."""
    (folder / "weights").write_text(request.trial)
    loss = 0.5 + (math.log10(request.values["fit.learning_rate"]) + 3.1) ** 2 / request.epochs
    return Result(
        status="completed",
        validation_loss=loss,
        validation_accuracy=1 - loss,
        validation_auc=1 - loss / 2,
        best_epoch=request.epochs,
        epochs_run=request.epochs,
        seconds=0.0,
    )


@pytest.fixture
def instant(monkeypatch):
    monkeypatch.setattr("ultimate_deep.experiments.tuning.search.run_trial", _formula)


class _Killed(BaseException):
    """Stands for whatever ends the process."""


def _kill_after(monkeypatch, trials: int) -> list[str]:
    """Make the search die in the middle of the trial after so many; return the trials begun."""
    begun: list[str] = []

    def dying(prepared, request, folder):
        begun.append(request.trial)
        if len(begun) > trials:
            raise _Killed
        return _formula(prepared, request, folder)

    monkeypatch.setattr("ultimate_deep.experiments.tuning.search.run_trial", dying)
    return begun


@pytest.mark.contract
@pytest.mark.parametrize("name", BUILDERS)
def test_every_declared_space_becomes_hyperparameters_and_valid_configurations(name):
    config = ExperimentConfig(model=ModelConfig(name=name))
    space = tuned_space(config)
    assert {field.removeprefix("model.") for field in space if field.startswith("model.")} == set(
        search_space(name)
    )
    declared = to_hyperparameters(space)
    assert [entry.name for entry in declared.space] == list(space)
    for seed in range(60):
        drawn = {e.name: e.random_sample(seed * 97 + i) for i, e in enumerate(declared.space)}
        values = from_hyperparameters(space, drawn)
        tuned = with_values(config, values)
        built = builder_config(tuned)
        assert isinstance(built, config_class(name))
        for field, value in values.items():
            owner = built if field.startswith("model.") else tuned.fit
            assert getattr(owner, field.split(".")[1]) == value
            assert _within(space[field], value)


def _within(entry, value) -> bool:
    if isinstance(entry, Choice):
        return value in entry.values
    if isinstance(entry, IntRange) and (value - entry.low) % entry.step:
        return False
    return entry.low <= value <= entry.high


def test_choices_of_every_kind_come_back_as_they_were():
    kinds = [(1, 2.5), ((1,), (2, 3)), (True, False), ("a", "b"), (1, 2), (None, 0.5), (0.1, 0.2)]
    space = {f"model.field_{i}": Choice(values=values) for i, values in enumerate(kinds)}
    declared = to_hyperparameters(space)
    for i, values in enumerate(kinds):
        found = set()
        for seed in range(40):
            drawn = {entry.name: entry.random_sample(seed) for entry in declared.space}
            value = from_hyperparameters(space, drawn)[f"model.field_{i}"]
            found.add((type(value), value))
        assert found == {(type(value), value) for value in values}


def test_what_is_given_by_hand_is_held_fixed_unless_named():
    config = ExperimentConfig(model=ModelConfig(name="mlp", options={"dropout_rate": 0.3}))
    assert "model.dropout_rate" not in tuned_space(config)
    assert set(tuned_space(config)) >= {f"fit.{name}" for name in FIT_SPACE}
    assert list(tuned_space(config, ["model.dropout_rate"])) == ["model.dropout_rate"]
    with pytest.raises(ValueError, match=r"no search range for \['model.depth'\].*model.l2"):
        tuned_space(config, ["model.depth"])


def test_same_seed_gives_the_same_nets_and_the_test_part_is_not_read(trained, tmp_path):
    """Trained on test rows of NaN and of ones, every figure of every trial is the same."""
    again = _table(_prepared(test_values=1.0), RANDOM, tmp_path)
    pd.testing.assert_frame_equal(trained[1].trials.drop(columns=TIMES), again)


@pytest.mark.parametrize("tune", [RANDOM, HYPERBAND], ids=["random", "hyperband"])
@pytest.mark.parametrize("seed", [0, 3])
def test_seed_decides_the_configurations(tune, seed, tmp_path, instant, capfd):
    capfd.readouterr()
    first = _table(_prepared(seed), tune, tmp_path / "first")
    assert capfd.readouterr().out == ""  # KerasTuner prints nothing
    again = _table(_prepared(seed), tune, tmp_path / "again")
    # A neighbouring seed shares no draw, not even shifted.
    other = _table(_prepared(seed + 1), tune, tmp_path / "other")
    pd.testing.assert_frame_equal(first, again)
    assert not set(first["fit.learning_rate"]) & set(other["fit.learning_rate"])
    new = first[first["continues"] == ""]
    assert not new.duplicated(["fit.learning_rate"]).any()


@pytest.mark.parametrize("tune", [RANDOM, HYPERBAND], ids=["random", "hyperband"])
def test_a_dead_search_goes_on_and_repeats_the_trial_that_died(
    tune, tmp_path, monkeypatch, instant
):
    undisturbed = _table(_prepared(), tune, tmp_path / "undisturbed")
    begun = _kill_after(monkeypatch, 2)
    with pytest.raises(_Killed):
        search(_prepared(), tune, tmp_path / "killed", QUIET)
    again = _kill_after(monkeypatch, 99)
    resumed = _table(_prepared(), tune, tmp_path / "killed")
    assert again[0] == begun[-1]
    assert begun[:2] + again == list(undisturbed["trial"])
    pd.testing.assert_frame_equal(undisturbed, resumed)


def test_a_line_cut_off_by_a_kill_is_forgotten(tmp_path, instant):
    undisturbed = _table(_prepared(), RANDOM, tmp_path)
    path = tmp_path / "trials.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    assert len(Journal(path).records) == 2
    pd.testing.assert_frame_equal(undisturbed, _table(_prepared(), RANDOM, tmp_path))


@pytest.mark.slow
def test_hyperband_pauses_one_and_the_same_fit(tmp_path, monkeypatch):
    # The last bracket pauses nothing: its trials need not be trained.
    monkeypatch.setattr(
        "ultimate_deep.experiments.tuning.search.run_trial",
        lambda *a: run_trial(*a) if a[1].bracket else _formula(*a),
    )
    prepared = _prepared(epochs=2)
    found = search(prepared, HYPERBAND, tmp_path / "search", QUIET)
    (row,) = found.trials[found.trials["continues"] != ""].to_dict("records")
    values = {name: row[name] for name in HYPERBAND.fields}
    request = Request(trial="x", values=values, epochs=2, configuration="x")
    whole = run_trial(prepared, request, tmp_path / "whole")
    assert row["validation_loss"] == whole.validation_loss
    assert row["epochs_run"] == whole.epochs_run == 2
    paused = found.trials.set_index("trial").loc[row["continues"]]
    assert paused["epochs_run"] == 1


def test_hyperband_runs_every_planned_trial_and_counts_configurations(tmp_path, instant):
    rungs = _plan(HYPERBAND, 4).rungs
    assert [(r.bracket, r.rung, r.trials, r.start_epoch, r.epochs) for r in rungs] == [
        (2, 0, 4, 0, 1),
        (2, 1, 2, 1, 2),
        (2, 2, 1, 2, 4),
        (1, 0, 3, 0, 2),
        (1, 1, 2, 2, 4),
        (0, 0, 3, 0, 4),
    ]
    found = search(_prepared(epochs=4), HYPERBAND, tmp_path, QUIET)
    ran = found.trials.groupby(["bracket", "rung"]).size()
    assert ran.to_dict() == {(r.bracket, r.rung): r.trials for r in rungs}
    assert found.configurations == _plan(HYPERBAND, 4).configurations == 10
    best = found.trials["validation_loss"].min()
    assert found.best.result.validation_loss == best


def _diverging(wide_only: bool):
    def run(prepared, request, folder):
        if not wide_only or request.values["fit.learning_rate"] > 1e-3:
            return Result(status="diverged", error="the loss is nan")
        return _formula(prepared, request, folder)

    return run


def test_diverged_trials_count_as_the_worst_and_rungs_fill_up(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "ultimate_deep.experiments.tuning.search.run_trial", _diverging(wide_only=True)
    )
    found = search(_prepared(epochs=4), HYPERBAND, tmp_path, QUIET)
    assert len(found.trials) == sum(rung.trials for rung in _plan(HYPERBAND, 4).rungs)
    diverged = found.trials["status"] == "diverged"
    assert 0 < diverged.sum() < len(found.trials)
    assert found.trials.loc[diverged, "validation_loss"].isna().all()
    assert found.best.result.status == "completed"


def test_a_search_in_which_all_diverge_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "ultimate_deep.experiments.tuning.search.run_trial", _diverging(wide_only=False)
    )
    with pytest.raises(ValueError, match="none of 3 trials has a validation_loss: the loss is nan"):
        search(_prepared(), RANDOM, tmp_path, QUIET)


def test_divergence_is_a_result_and_any_other_error_ends_the_search(tmp_path, monkeypatch):
    def failing(*_args, **_options):
        raise tuner_trials.TrainingDivergedError("the loss is nan at step 3")

    monkeypatch.setattr("ultimate_deep.experiments.tuning.trials.train", failing)
    request = Request(trial="0", values={}, epochs=2, configuration="0")
    result = run_trial(_prepared(), request, tmp_path)
    assert (result.status, result.error) == ("diverged", "the loss is nan at step 3")

    def broken(*_args, **_options):
        raise RuntimeError("no memory")

    monkeypatch.setattr("ultimate_deep.experiments.tuning.trials.train", broken)
    wanted = r"trial 0 \(model.hidden_widths .*fit.learning_rate .*\) failed: RuntimeError: no mem"
    with pytest.raises(TrialFailedError, match=wanted):
        search(_prepared(), RANDOM, tmp_path, QUIET)
    monkeypatch.setattr("ultimate_deep.experiments.tuning.search.run_trial", _formula)
    assert len(search(_prepared(), RANDOM, tmp_path, QUIET).trials) == 3


@pytest.mark.parametrize("tune", [RANDOM, HYPERBAND], ids=["random", "hyperband"])
def test_a_configuration_that_the_model_refuses_ends_the_search(tune, tmp_path):
    prepared = _prepared()
    config = dataclasses.replace(
        prepared.config, model=ModelConfig(name="mlp", options={"activation": "none"})
    )
    with pytest.raises(TrialFailedError, match=r"trial 0+ \(.*\) failed: ValueError: .*activation"):
        search(dataclasses.replace(prepared, config=config), tune, tmp_path, QUIET)


def test_journal_of_another_search_is_refused(tmp_path, instant):
    search(_prepared(), RANDOM, tmp_path, QUIET)
    with pytest.raises(ValueError, match=r"trial 0 was .* and would now be .*start a new search"):
        search(_prepared(seed=9), RANDOM, tmp_path, QUIET)
    (tmp_path / "trials.jsonl").write_text("{}\n")
    with pytest.raises(ValueError, match="line 1 is no finished trial"):
        search(_prepared(), RANDOM, tmp_path, QUIET)


def test_configurations_are_not_repeated_and_a_small_space_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "ultimate_deep.experiments.tuning.search.run_trial",
        lambda *_: Result(status="completed", validation_loss=1.0),
    )
    fields = ("fit.batch_size",)
    space = tuned_space(_prepared().config, fields)
    assert distinct_configurations(space) == 3
    assert distinct_configurations(space | {"x": IntRange(low=1, high=6, step=2)}) == 9
    assert distinct_configurations(space | {"x": FloatRange(low=0.0, high=1.0)}) == math.inf
    table = _table(_prepared(epochs=1), TuneConfig(trials=3, fields=fields), tmp_path / "all")
    assert sorted(table["fit.batch_size"]) == [128, 256, 512]
    with pytest.raises(ValueError, match="draws 4 different configurations and the space holds 3"):
        search(_prepared(), TuneConfig(trials=4, fields=fields), tmp_path / "more", QUIET)


@pytest.mark.parametrize("objective", ["validation_accuracy", "validation_auc"])
def test_other_objectives_are_maximised(objective, tmp_path, instant):
    tune = dataclasses.replace(RANDOM, objective=objective)
    found = search(_prepared(), tune, tmp_path, QUIET)
    assert getattr(found.best.result, objective) == found.trials[objective].max()


def test_checkpoints_of_beaten_random_trials_are_deleted(trained):
    folder, found = trained
    assert [path.name for path in (folder / "checkpoints").iterdir()] == [found.best.request.trial]
    assert found.checkpoints.name == found.best.request.trial


def test_hyperband_hands_the_winners_last_checkpoint_on(tmp_path, instant):
    found = search(_prepared(epochs=4), HYPERBAND, tmp_path, QUIET)
    assert (found.checkpoints / "weights").read_text() == found.best.request.trial


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match=r"tune\.trials must be at least 1, got 0"):
        TuneConfig(trials=0)
    with pytest.raises(ValueError, match=r"tune\.factor must be at least 2, got 1"):
        TuneConfig(factor=1)


def test_keras_tuner_reads_its_own_files_of_the_search(trained):
    folder, found = trained
    path = folder / "keras_tuner" / f"trial_{found.best.request.trial}" / "trial.json"
    trial = keras_tuner.engine.trial.Trial.load(str(path))
    assert trial.status == "COMPLETED"
    assert trial.score == found.best.result.validation_loss


KILLED_SCRIPT = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import test_search as t
class Count(t.Progress):
    said = 0
    def message(self, text):
        self.said += 1
        if self.said == 5:  # the third trial has just been named
            os.kill(os.getpid(), signal.SIGKILL)
t.search(t._prepared(), t.RANDOM, Path({folder!r}), Count())
"""


@pytest.mark.slow
def test_a_killed_process_loses_only_the_trial_it_was_in(trained, tmp_path):
    script = KILLED_SCRIPT.format(tests=str(Path(__file__).parent), folder=str(tmp_path / "killed"))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=300)
    assert done.returncode == -9, done.stderr.decode()[-2000:]
    assert len(Journal(tmp_path / "killed" / "trials.jsonl").records) == 2
    resumed = _table(_prepared(), RANDOM, tmp_path / "killed")
    pd.testing.assert_frame_equal(resumed, trained[1].trials.drop(columns=TIMES))
