"""What the installed command says and does, beside training."""

import re
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

import ultimate_deep as ud
from ultimate_deep import commands
from ultimate_deep.bundles.manifest import write_manifest
from ultimate_deep.commands import COMMANDS, main, overview
from ultimate_deep.experiments import diagnosis

pytestmark = pytest.mark.usefixtures("plain_figures")


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    """A folder with two finished runs of different settings."""
    folder = tmp_path_factory.mktemp("artifacts")
    bars = ud.simulate_bars(2_000, edge=0.2)
    for epochs in (1, 2):
        config = ud.ExperimentConfig(
            artifacts=str(folder),
            model={"name": "linear"},
            features={"names": ["return_log_1", "rsi_14"]},
            fit={"epochs": epochs},
            baselines=False,
        )
        ud.run(config, bars=bars, progress=False)
    return folder


@pytest.fixture
def said(capsys, monkeypatch):
    """Run the command; returns its exit status and what it wrote, blanks joined."""
    monkeypatch.setattr("ultimate_deep.training.backend.start_up", lambda console: None)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments):
        status = 0
        try:
            main(list(arguments))
        except SystemExit as ended:
            status = ended.code
        out, err = capsys.readouterr()
        text = f"{status} {out} {err}" if isinstance(status, str) else f"{out} {err}"
        return (1 if isinstance(status, str) else status), " ".join(text.split())

    return run


def test_the_command_is_installed_and_every_subcommand_is_a_file():
    (found,) = entry_points(group="console_scripts", name="ultimate-deep")
    assert found.value == "ultimate_deep.commands:main"
    for name in COMMANDS:
        __import__(f"ultimate_deep.commands.{name.replace('-', '_')}")


def test_help_names_every_subcommand_and_a_wrong_one_what_was_meant(said):
    assert all(name in overview() for name in COMMANDS)
    assert said() == said("--help") == (0, " ".join(overview().split()))
    assert said("--version") == (0, f"ultimate-deep {ud.__version__}")
    status, text = said("evaluat")
    assert status == 2
    assert "no command 'evaluat'; did you mean evaluate?" in text


@pytest.mark.parametrize("name", sorted(set(COMMANDS)))
def test_the_help_of_a_subcommand_is_short_and_shows_how_it_is_called(name, capsys):
    with pytest.raises(SystemExit) as ended:
        commands.start(name, ["--help"])
    assert ended.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 50
    assert all(len(line) <= 100 for line in lines)
    assert any(f"ultimate-deep {name}" in line for line in lines)


def test_a_group_of_settings_has_its_own_help(capsys):
    with pytest.raises(SystemExit):
        commands.start("run", ["--help.fit"])
    text = capsys.readouterr().out
    assert "--fit.schedule.kind" in text
    assert "--data.path" not in text
    with pytest.raises(SystemExit):
        commands.start("run", ["--model", "lstm", "--help.model"])
    assert "--model.options.projection_width" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        commands.start("run", ["--help.nothing"])
    assert ended.value.code == 2
    assert "no settings are grouped under --help.nothing; groups are" in capsys.readouterr().err


def test_every_setting_says_what_it_is(capsys):
    with pytest.raises(SystemExit):
        commands.start("run", ["--help.all"])
    text = capsys.readouterr().out
    rows = [re.sub(r"\[[^]]*\]$", "", row.strip()).split() for row in text.split("\n  --")[1:]]
    assert len(rows) > 100
    assert not [row[0] for row in rows if len(row) < 4]  # its name, its value, words
    assert "SUPPRESS" not in text


def test_help_speaks_of_no_model_and_no_group_that_a_command_does_not_have(capsys):
    with pytest.raises(SystemExit):
        commands.start("detect-leaks", ["--help.all"])
    assert "Name a model" not in capsys.readouterr().out
    with pytest.raises(SystemExit):
        commands.start("check", ["--help.all"])
    assert "ultimate-deep check my_module.py" in capsys.readouterr().out


def test_runs_are_listed_shown_and_compared(said, artifacts):
    where = ("--artifacts", str(artifacts))
    status, text = said("runs", "list", *where)
    assert status == 0
    names = sorted(path.parent.name for path in artifacts.glob("*/manifest.json"))
    names = [name for name in names if name != "latest"]
    assert all(name in text for name in names)
    assert "trials" in text  # what the ledger says
    status, text = said("runs", "show", names[0], *where)
    accuracy = ud.load(artifacts / names[0]).metrics["test"]["model"]["accuracy"]
    assert f"{accuracy:.2%}" in text
    status, text = said("runs", "compare", *names, *where)
    assert "fit.epochs 1 2" in text
    assert "label.horizon_bars" not in text  # the same in both


@pytest.mark.parametrize(
    ("arguments", "said_of_it"),
    [
        (["runs"], "name one of list, show, compare"),
        (["runs", "show"], "takes one run, got 0"),
        (["runs", "compare", "a"], "takes two runs or more, got 1"),
        (["runs", "list", "a"], "takes no run, got 'a'"),
        (["runs", "list", "--artifacts", "absent"], "no folder absent"),
        (["backtest", "--bundle", "nothing"], "no bundle at nothing, and no folder artifacts"),
        (["compare"], "bundles"),
        (["check"], "check takes one module, got 0"),
        (["check", "absent.py"], "there is no plugin at absent.py"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(said, arguments, said_of_it, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, text = said(*arguments)
    assert status in (1, 2)
    assert said_of_it in text
    assert not list(tmp_path.iterdir())


def test_a_bundle_goes_by_its_name_among_the_artifacts(said, artifacts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, text = said("predict", "--bundle", "latest", "--artifacts", str(artifacts),
                        "--data.simulated_rows", "1500", "--output", "out.parquet")  # fmt: skip
    assert status == 0, text
    assert "predictions in out.parquet; the last" in text
    first = (tmp_path / "out.parquet").read_bytes()
    status, text = said("predict", "--bundle", "latest", "--artifacts", str(artifacts),
                        "--data.simulated_rows", "1600", "--output", "out.parquet")  # fmt: skip
    assert "predictions in out.parquet, in place of the file that was there; the last" in text
    assert (tmp_path / "out.parquet").read_bytes() != first


def test_the_doctor_finds_all_well_and_says_what_is_not(said, monkeypatch):
    status, text = said("doctor")
    assert status == 0
    for word in ("ultimate-deep", "tensorflow", "memory", "extras", "ledger", "exact to the bit"):
        assert word in text
    monkeypatch.setattr(diagnosis, "EXACT", ("0x1p+0", "0x1p+1", "0x1p+2"))
    monkeypatch.setenv("ULTIMATE_DEEP_HOME", "/dev/null/nowhere")  # where a run is refused
    status, text = said("doctor")
    assert status == 1
    assert "problem: a net of exact sums gave" in text
    assert "problem: /dev/null/nowhere/ledger.sqlite must be a file that can be written" in text


def test_who_closes_a_pipe_early_hears_no_complaint():
    code = f"{sys.executable} -m ultimate_deep run --help.all | head -1"
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True)
    assert done.stdout.startswith("usage: ultimate-deep run")
    assert done.stderr == ""


def test_nothing_to_resume_is_said_before_anything_is_loaded(said, tmp_path, monkeypatch):
    def loaded(console):
        raise AssertionError("the backend was loaded")

    monkeypatch.setattr("ultimate_deep.training.backend.start_up", loaded)
    status, text = said("run", "--resume", "--artifacts", str(tmp_path))
    assert status == 1
    assert "nothing to resume: no unfinished run in" in text


@pytest.mark.parametrize(
    "line",
    [
        "run", "train --model mlp", "tune --model mlp", "walk-forward --model mlp",
        "ensemble --members [mlp,linear]", "backtest --bundle a", "evaluate --bundle a",
        "compare --bundles [a,b]",
    ],
)  # fmt: skip
def test_a_ledger_that_cannot_be_written_is_refused_before_anything_is_loaded(
    said, tmp_path, monkeypatch, line
):
    def loaded(console):
        raise AssertionError("the backend was loaded")

    monkeypatch.setattr("ultimate_deep.training.backend.start_up", loaded)
    monkeypatch.setenv("ULTIMATE_DEEP_HOME", "/dev/null/nowhere")
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_manifest(tmp_path / name, feature_names=(), horizons=1, data_fingerprint="")
    status, text = said(*line.split())
    assert status == 1
    assert "/dev/null/nowhere/ledger.sqlite must be a file that can be written" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


@pytest.fixture
def never_loaded(monkeypatch):
    """Fails where the backend is loaded or bars are read."""

    def loaded(*given, **named):
        raise AssertionError("the work began")

    monkeypatch.setattr("ultimate_deep.training.backend.start_up", loaded)
    monkeypatch.setattr("ultimate_deep.market.market.load_market", loaded)


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--yes"],
        ["train", "--model", "mlp", "--yes"],
        ["tune", "--model", "mlp", "--yes"],
        ["walk-forward", "--quick"],
        ["ensemble", "--members", "[mlp, linear]", "--yes"],
        ["explore"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_artifacts_that_are_a_file_are_found_before_anything(
    said, never_loaded, tmp_path, arguments
):
    (tmp_path / "file").write_text("")
    status, text = said(*arguments, "--artifacts", str(tmp_path / "file"))
    assert status == 1
    assert "artifacts must be a folder, got" in text
    assert "it is a file; name another folder" in text


def test_other_places_are_found_before_anything_too(
    said, never_loaded, artifacts, tmp_path, monkeypatch
):
    bundle = ("--bundle", str(artifacts / "latest"))
    absent = str(tmp_path / "absent" / "x.csv")
    (tmp_path / "file").write_text("")
    inside = str(tmp_path / "file" / "new")
    status, text = said("predict", *bundle, "--output", absent)
    assert status == 1
    assert f"x.csv is written into a folder that exists, got {tmp_path / 'absent'}; create" in text
    for command in ("gaf", "detect-leaks"):
        named = bundle if command == "detect-leaks" else ()
        status, text = said(command, *named, "--output", inside)
        assert status == 1
        assert "output's folder must be a folder, got" in text
    monkeypatch.setenv("ULTIMATE_DEEP_HOME", "relative")
    for command in ("backtest", "evaluate", "run"):
        status, text = said(command, *(() if command == "run" else bundle))
        assert status == 1
        assert "must be an absolute path" in text
    two = ",".join(str(path) for path in sorted(artifacts.glob("linear-*"))[:2])
    status, text = said("compare", "--bundles", f"[{two}]")
    assert "must be an absolute path" in text


@pytest.mark.parametrize(
    ("arguments", "said_of_it"),
    [
        (["predict", "--passes", "-3"], "--passes must be at least 0, got -3"),
        (["detect-leaks", "--epochs", "0"], "--epochs must be at least 1, got 0"),
        (["compare"], "--bundles must be given; give e.g. --bundles '[first, second]'"),
        (["explore", "--name", "a/b"], "name becomes part of a folder's name"),
        (["explore", "--importance.repeats", "x"], "--importance.repeats must be a whole number"),
        (["gaf", "--size", "1"], "size must be at least 2, got 1"),
        (["tune", "--tune.trials", "0"], "tune.trials must be at least 1, got 0"),
        (["tune", "--tune.search", "grid"], "--tune.search must be one of random, hyperband"),
        (["walk-forward", "--walk.validation", "2"], "validation is a share in (0, 1), got 2"),
        (["ensemble", "--ensemble.method", "wighted"], "did you mean weighted?"),
        (["backtest", "--period", "tst"], "must be one of test, all, got tst; did you mean test?"),
    ],
)
def test_bad_usage_ends_with_two(said, never_loaded, arguments, said_of_it):
    status, text = said(*arguments)
    assert (status, said_of_it in text) == (2, True), text
