"""The ensemble's command: what it makes of its arguments."""

import pytest

from ultimate_deep.commands import ensemble
from ultimate_deep.commands.parser import parse


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        ensemble.main(list(arguments))
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_members_get_their_own_files_and_the_command_lines_changes():
    arguments = [
        "--members", "[linear, hist_gradient_boosting]", "--split.train_fraction", "0.6",
        "--artifacts", "elsewhere", "--ensemble.method", "average",
    ]  # fmt: skip
    options = parse(ensemble.parser(), arguments).options
    assert options.ensemble.method == "average"
    assert options.ensemble.artifacts == "elsewhere"
    configs = ensemble.member_configs(arguments, options.members)
    assert [config.model.name for config in configs] == ["linear", "hist_gradient_boosting"]
    assert {config.split.train_fraction for config in configs} == {0.6}
    assert {config.artifacts for config in configs} == {"elsewhere"}


@pytest.mark.parametrize("arguments", [[], ["--bundles", "[a, b]", "--members", "[linear, lstm]"]])
def test_bundles_or_members_must_be_given(arguments, capsys):
    assert "one of the two" in refused(capsys, *arguments)


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (["--members", "[lstm]"], "two --members or more"),
        (["--bundles", "[a, b]", "--resume"], "--bundles are finished"),
        (["--bundles", "[a, b]", "--ensemble.snapshots", "3"], "--bundles are finished"),
        (["--members", "[linear, oracle]"], "no model is called 'oracle'"),
    ],
)
def test_what_cannot_go_together_is_refused_before_training(arguments, remedy, capsys):
    assert remedy in refused(capsys, *arguments)
