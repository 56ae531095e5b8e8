"""A run as its user sees it: planned, killed, resumed, never overwritten."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ultimate_deep.bundles.bundle import load_bundle
from ultimate_deep.commands.running import run_main
from ultimate_deep.evaluation.ledger.ledger import LedgerError
from ultimate_deep.experiments.learners.registry import resolved
from ultimate_deep.experiments.run import DeclinedError, resumed_config, run_experiment
from ultimate_deep.experiments.runs import (
    BARS_FILE,
    FINGERPRINT,
    bars_of_start,
    new_run_folder,
    newest_unfinished,
    point_latest,
    refuse_other_bars,
    start_run,
    tidy,
)
from ultimate_deep.machine.files import FinishedError, unfinished_folder
from ultimate_deep.machine.locks import LockedError, TakenError
from ultimate_deep.machine.places import PlaceError
from ultimate_deep.market.config import DataConfig
from ultimate_deep.pipeline.config import ExperimentConfig, FeatureConfig, ModelConfig
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.progress import Progress

pytestmark = pytest.mark.usefixtures("plain_figures")

SCRIPT = Path(__file__).resolve().parents[2] / "train_scripts" / "run_ultimate_deep.py"
FEATURES = ("return_log_1", "rsi_14", "momentum_z_20", "volume_surprise_z_20")


def _config(folder: Path, **changes) -> ExperimentConfig:
    return ExperimentConfig(
        name="tiny",
        artifacts=str(folder),
        data=DataConfig(simulated_rows=2_000),
        features=FeatureConfig(names=FEATURES),
        model=ModelConfig(name="linear"),
        fit=FitConfig(epochs=2),
        baselines=False,
        **changes,
    )


def test_declined_plan_writes_nothing(tmp_path):
    with pytest.raises(DeclinedError):
        run_experiment(_config(tmp_path / "artifacts"), Progress(), confirm=lambda plan: False)
    assert not (tmp_path / "artifacts").exists()


def test_runs_are_never_overwritten(tmp_path):
    first = run_experiment(_config(tmp_path), Progress()).folder
    second = run_experiment(_config(tmp_path), Progress()).folder
    assert first != second
    assert (tmp_path / "latest").resolve() == second.resolve()
    assert load_bundle(first).feature_names == FEATURES


def test_a_failing_run_leaves_no_finished_folder(tmp_path):
    with pytest.raises(ValueError, match="return_of_tomorrow"):
        run_experiment(
            ExperimentConfig(
                artifacts=str(tmp_path / "artifacts"),
                data=DataConfig(simulated_rows=2_000),
                features=FeatureConfig(names=("return_of_tomorrow",)),
            ),
            Progress(),
        )
    assert not (tmp_path / "artifacts").exists()


def test_unknown_model_options_are_named(tmp_path):
    config = ExperimentConfig(
        artifacts=str(tmp_path),
        data=DataConfig(simulated_rows=2_000),
        features=FeatureConfig(names=FEATURES),
        model=ModelConfig(name="mlp", options={"hiden_widths": (3,)}),
    )
    with pytest.raises(ValueError, match=r"\['hiden_widths'\]; did you mean 'hidden_widths'"):
        run_experiment(config, Progress())


def test_resume_without_an_unfinished_run_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing to resume"):
        run_experiment(_config(tmp_path), Progress(), resume=True)


def test_resume_with_other_settings_is_refused_by_name(tmp_path):
    config = resolved(_config(tmp_path))
    folder = new_run_folder(config)
    start_run(folder, config).lock.release()
    assert newest_unfinished(tmp_path, "tiny") == newest_unfinished(tmp_path) == folder
    where = {"artifacts": str(tmp_path)}
    with pytest.raises(ValueError, match=r"fit\.batch_size is 256 in the run and 64 now"):
        resumed_config(unfinished_folder(folder), {"fit.batch_size": 64}, **where)
    same = resumed_config(unfinished_folder(folder), {"fit.batch_size": 256}, **where)
    assert same.to_dict() == config.to_dict()


def test_resume_may_name_another_number_of_workers(tmp_path):
    config = resolved(_config(tmp_path))
    gradients = dataclasses.replace(config.fit.gradients, micro_batches=4)
    fit = dataclasses.replace(config.fit, gradients=gradients, workers=2)
    folder = new_run_folder(config)
    start_run(folder, dataclasses.replace(config, fit=fit)).lock.release()
    where = {"artifacts": str(tmp_path)}
    assert resumed_config(unfinished_folder(folder), {}, **where).fit == fit
    four = resumed_config(unfinished_folder(folder), {"fit.workers": 4}, **where)
    assert four.fit == dataclasses.replace(fit, workers=4)
    # One of a cluster goes on alone here.
    stored = json.loads((unfinished_folder(folder) / "config.json").read_text())
    stored["fit"]["engine"] = "ray"
    (unfinished_folder(folder) / "config.json").write_text(json.dumps(stored))
    alone = resumed_config(unfinished_folder(folder), {"fit.workers": 1}, **where)
    assert (alone.fit.workers, alone.fit.engine) == (1, "processes")
    with pytest.raises(ValueError, match=r"5 workers for fit\.gradients\.micro_batches 4"):
        resumed_config(unfinished_folder(folder), {"fit.workers": 5}, **where)


def test_the_newest_unfinished_run_is_one_of_its_kind(tmp_path):
    """A search or a walk-forward that was left is not taken for a run."""
    for name, mark in (("a", ""), ("tuned-b", "search.json"), ("walk-forward", "started.json")):
        config = dataclasses.replace(_config(tmp_path), name=name)
        start_run(new_run_folder(config), config, {mark: {}} if mark else {})
    assert newest_unfinished(tmp_path).name.startswith("a-")
    assert newest_unfinished(tmp_path, what="search").name.startswith("tuned-b-")
    with pytest.raises(FileNotFoundError, match="no unfinished run of the name tuned-b"):
        newest_unfinished(tmp_path, "tuned-b")


def test_the_stored_name_decides_which_run_is_gone_on_with(tmp_path):
    for name in ("tiny", "tiny-other"):
        config = dataclasses.replace(_config(tmp_path), name=name)
        start_run(new_run_folder(config), config)
    for number, text in enumerate(("[]", "[" * 100_000, "{")):
        foreign = tmp_path / f"tiny-{number}.unfinished"
        foreign.mkdir()
        (foreign / "config.json").write_text(text)
    os.mkfifo(tmp_path / "tiny-pipe.unfinished")
    (tmp_path / "tiny-folder.unfinished" / "config.json").mkdir(parents=True)
    assert newest_unfinished(tmp_path, "tiny").name.startswith("tiny-2")
    assert newest_unfinished(tmp_path).name.startswith("tiny-other-2")


def test_two_that_start_in_one_second_have_a_folder_each(tmp_path):
    config = _config(tmp_path)
    folder = new_run_folder(config)
    first, second = start_run(folder, config), start_run(folder, config)
    assert first.folder == folder
    assert second.folder == folder.with_name(f"{folder.name}-2")
    with pytest.raises(TakenError, match="choose another name"):
        start_run(folder, config, renamed=False)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_run_in_use_is_refused_before_the_bars_are_read(tmp_path, monkeypatch):
    config = _config(tmp_path)
    monkeypatch.setattr("ultimate_deep.experiments.run.prepare", lambda *_, **__: 1 / 0)
    with start_run(new_run_folder(config), config) as place:
        with pytest.raises(LockedError, match=f"being worked on by process {os.getpid()}"):
            run_experiment(config, Progress(), resume=True)
        assert (place.path / "config.json").is_file()
    with pytest.raises(ZeroDivisionError):
        run_experiment(config, Progress(), resume=True)


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left on device"), OSError(122, "Disk quota exceeded"),
     RuntimeError("Can't write (errno = 28, 'No space left on device')")],
)  # fmt: skip
def test_a_full_disk_is_named_with_what_helps_and_what_is_kept(tmp_path, error):
    config = _config(tmp_path)
    with pytest.raises(PlaceError, match=r"no room .*tiny-.*unfinished .*--resume goes on") as full:
        _stopped_by(error, start_run(new_run_folder(config), config))
    assert newest_unfinished(tmp_path)
    assert full.value.__cause__ is error


def _stopped_by(error, place):
    with place:
        raise error


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), ValueError("a bad bar")])
def test_other_errors_are_told_as_they_are(tmp_path, error):
    config = _config(tmp_path)
    with pytest.raises(type(error), match=re.escape(str(error))):
        _stopped_by(error, start_run(new_run_folder(config), config))


def test_a_finished_run_is_said_to_be_finished_and_cleaned_up(tmp_path):
    config = _config(tmp_path)
    place = start_run(new_run_folder(config), config)
    place.folder.mkdir()
    (place.folder / "manifest.json").write_text("{}")
    place.lock.release()
    with pytest.raises(FinishedError, match=r"tiny-\d+-\d+ is finished"):
        run_experiment(config, Progress(), resume=True)
    assert sorted(os.listdir(tmp_path)) == ["latest", place.folder.name]
    assert (tmp_path / "latest").resolve() == place.folder.resolve()
    with pytest.raises(FileNotFoundError, match=rf"newest model, {place.folder.name}, is finished"):
        newest_unfinished(tmp_path)


def test_a_folder_called_latest_is_noted_and_left_alone(tmp_path):
    notes: list[str] = []
    config = _config(tmp_path)
    (tmp_path / "latest").mkdir()
    (tmp_path / f"{new_run_folder(config).name}").symlink_to("nowhere")
    with start_run(new_run_folder(config), config) as place:
        draft = place.path / "result"
        draft.mkdir()
        tidy(tmp_path, notes.append)
        place.finish(draft, latest=True)
    assert notes == [
        f"{tmp_path / 'latest'} is a folder and no link: it is left alone, and does not become the "
        "newest run"
    ]
    assert place.folder.is_dir()
    assert not (tmp_path / "latest").is_symlink()


def test_that_nothing_is_left_to_do_is_no_error(capsys):
    def finished():
        raise FinishedError("artifacts/run is finished")

    run_main(finished)
    assert capsys.readouterr().out == "artifacts/run is finished\n"


def test_ledgers_that_cannot_be_used_are_found_before_the_bars_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr("ultimate_deep.experiments.run.prepare", lambda *_, **__: 1 / 0)
    (tmp_path / "ledger.sqlite").write_text("no ledger" * 100)
    with pytest.raises(LedgerError, match="is no trial ledger or is damaged"):
        run_experiment(_config(tmp_path), Progress())


def test_latest_moves_to_the_newest(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        point_latest(tmp_path / name)
    assert (tmp_path / "latest").readlink() == Path("b")


ARGUMENTS = (
    "--yes", "--baselines", "false", "--data.simulated_rows", "2000", "--model.preset", "tiny",
    "--model.options.dense_blocks_per_unit", "[1]", "--fit.jit_compile", "false",
    "--fit.epochs", "40",
    "--fit.patience_epochs", "0", "--fit.checkpoint_every_seconds", "1", "--artifacts",
)  # fmt: skip


def _script(folder: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *ARGUMENTS, str(folder), *more],
        cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def _wait_for_checkpoint(folder: Path, script: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 240
    while not list(folder.glob("*.unfinished/checkpoints/*.ckpt")):
        assert script.poll() is None, script.stdout.read()
        assert time.monotonic() < deadline, "no checkpoint within four minutes"
        time.sleep(0.05)


@pytest.mark.slow
def test_killed_main_job_resumes_to_the_same_bits(tmp_path, run_script, capsys):
    """Killed and interrupted in processes of their own; begun and ended straight in this one."""
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    for folder in (straight, broken):
        folder.mkdir()
    killed = _script(broken)
    _wait_for_checkpoint(broken, killed)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)
    stopped = _script(broken, "--resume")
    assert stopped.stdout is not None
    heard = ""
    while not re.search(r"^epoch \d", heard, re.MULTILINE) and (line := stopped.stdout.readline()):
        heard += line
    stopped.send_signal(signal.SIGINT)
    said, _ = stopped.communicate(timeout=200)
    assert stopped.returncode == 130, heard + said
    assert "stopped by SIGINT" in said
    assert "--resume" in said
    run_script(SCRIPT.name, *ARGUMENTS, str(broken), "--resume")
    resumed = capsys.readouterr().out
    run_script(SCRIPT.name, *ARGUMENTS, str(straight))
    whole = capsys.readouterr().out
    assert "epoch 1/" in whole
    assert "epoch 1/" not in resumed
    assert "epoch 40/" in resumed
    runs = [load_bundle(folder / "latest") for folder in (straight, broken)]
    for one, other in zip(*(run.model.get_weights() for run in runs), strict=True):
        np.testing.assert_array_equal(one, other)
    assert runs[0].metrics["test"] == runs[1].metrics["test"]
    histories = [
        pd.read_csv(folder / "latest" / "history.csv").drop(columns="seconds")
        for folder in (straight, broken)
    ]
    pd.testing.assert_frame_equal(*histories)
    assert not list(broken.glob("*.unfinished"))


def test_bad_arguments_end_with_one_line_and_status_two():
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--split.train_fraction", "2"],
        capture_output=True, text=True, timeout=120, env=os.environ | {"COLUMNS": "200"},
    )  # fmt: skip
    assert done.returncode == 2
    assert "train_fraction must be between 0 and 1, got 2.0" in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_file_ends_with_one_line_and_status_one(tmp_path, run_script, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        run_script(SCRIPT.name, "--yes", "--data.path", "absent.csv")
    # Python prints a message, and ends with status one.
    assert ended.value.code.startswith("error: ")
    assert "absent.csv" in ended.value.code
    assert capsys.readouterr().err == ""
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_ends_with_one_line(capsys):
    def refused():
        raise PermissionError(13, "Permission denied", "artifacts")

    with pytest.raises(SystemExit, match=r"error: .*Permission denied: 'artifacts'"):
        run_main(refused)


def test_printed_configuration_can_be_read_back(tmp_path, run_script, capsys):
    def printed(*arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            run_script(SCRIPT.name, *arguments, "--print_config")
        assert ended.value.code in (0, None)
        return capsys.readouterr().out

    first = printed("--seed", "3")
    path = tmp_path / "again.yaml"
    path.write_text(first)
    assert printed("--config", str(path)) == first
    assert "seed: 3" in first


@pytest.mark.parametrize("text", [None, "{", "[]", "{}", '{"data_fingerprint": 7}', "folder"])
def test_bars_that_no_file_tells_are_not_compared(text, tmp_path):
    place = tmp_path / BARS_FILE
    if text == "folder":
        place.mkdir()
    elif text is not None:
        place.write_text(text)
    assert bars_of_start(tmp_path) is None
    refuse_other_bars(tmp_path, None, "any", what="run")


def test_bars_of_a_start_are_told(tmp_path):
    (tmp_path / BARS_FILE).write_text(json.dumps({FINGERPRINT: "0" * 64}))
    before = bars_of_start(tmp_path)
    refuse_other_bars(tmp_path, before, "0" * 64, what="run")
    with pytest.raises(ValueError, match=r"changed since the run began, .* start a new run$"):
        refuse_other_bars(tmp_path, before, "1" * 64, what="run")
