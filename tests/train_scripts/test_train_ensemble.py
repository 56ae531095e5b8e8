"""The ensemble's script: what it makes of its command line."""

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "train_scripts" / "train_ensemble.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("train_ensemble_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_members_get_their_own_files_and_the_command_lines_changes(script):
    parser = script.ensemble_parser()
    arguments = [
        "--members", "[linear, hist_gradient_boosting]", "--split.train_fraction", "0.6",
        "--artifacts", "elsewhere", "--ensemble.method", "average",
    ]  # fmt: skip
    options = script.parse(parser, arguments)
    assert options.ensemble.method == "average"
    assert options.ensemble.artifacts == "elsewhere"
    configs = script.member_configs(parser, arguments, options.members)
    assert [config.model.name for config in configs] == ["linear", "hist_gradient_boosting"]
    assert {config.split.train_fraction for config in configs} == {0.6}
    assert {config.artifacts for config in configs} == {"elsewhere"}


@pytest.mark.parametrize("arguments", [[], ["--bundles", "[a, b]", "--members", "[linear, lstm]"]])
def test_bundles_or_members_must_be_given(arguments, script, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *arguments])
    with pytest.raises(SystemExit):
        script.main()
    assert "one of the two" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["--members", "[lstm]"], "two --members or more"),
        (["--bundles", "[a, b]", "--resume"], "--bundles are finished"),
        (["--bundles", "[a, b]", "--ensemble.snapshots", "3"], "--bundles are finished"),
    ],
)
def test_what_cannot_go_together_is_refused_before_training(
    arguments, remedy, script, monkeypatch, capsys
):
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *arguments])
    with pytest.raises(SystemExit):
        script.main()
    assert remedy in capsys.readouterr().err


def test_an_unknown_member_is_named(script, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), "--members", "[linear, oracle]"])
    with pytest.raises(ValueError, match="'oracle'"):
        script.main()
