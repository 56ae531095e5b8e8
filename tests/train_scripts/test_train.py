"""`train.py` and its relatives: a settings file for every model, names that are known."""

from pathlib import Path

import pytest

from ultimate_deep import models
from ultimate_deep.experiments.command_line import (
    experiment_of,
    experiment_parser,
    parse,
    with_model_config,
)
from ultimate_deep.experiments.experiment import builder_config
from ultimate_deep.experiments.summary import render_zoo
from ultimate_deep.models import registry
from ultimate_deep.models.trees.registry import TREES

SCRIPTS = Path(__file__).resolve().parents[2] / "train_scripts"
CONFIGS = SCRIPTS / "configs" / "models"
ZOO = sorted([*models.BUILDERS, *TREES])


def test_every_model_has_a_settings_file_and_no_file_is_left_over():
    assert sorted(path.stem for path in CONFIGS.glob("*.yaml")) == ZOO


@pytest.mark.parametrize("name", ZOO)
def test_a_settings_file_names_its_model_and_its_command(name):
    config = experiment_of(
        parse(experiment_parser(None), with_model_config([f"--model={name}"], CONFIGS))
    )
    assert (config.model.name, config.name) == (name, name)
    assert builder_config(config) is not None
    assert (
        f"python train_scripts/train.py --model {name}\n" in (CONFIGS / f"{name}.yaml").read_text()
    )


def test_the_command_line_changes_what_the_file_says():
    arguments = ["--fit.epochs", "3", "--model", "lstm", "--model.preset", "tiny"]
    config = experiment_of(parse(experiment_parser(None), with_model_config(arguments, CONFIGS)))
    assert (config.fit.epochs, config.model.name, config.model.preset) == (3, "lstm", "tiny")


@pytest.mark.parametrize("arguments", [["--model", "lstn"], ["--model"], ["--model="]])
def test_an_unknown_model_names_the_known_ones(arguments):
    with pytest.raises(ValueError, match=r"--model is one of adaptive_hybrid, .*xgboost"):
        with_model_config(arguments, CONFIGS)


def test_the_list_has_every_model_with_what_it_reads():
    table = render_zoo()
    names, kinds = (list(column.cells) for column in table.columns[:2])
    assert sorted(names) == ZOO
    assert dict(zip(names, kinds, strict=True))["gaf_cnn"] == registry.reads("gaf_cnn") == "gaf"


def test_the_worked_example_is_a_configuration():
    arguments = ["--config", str(SCRIPTS / "configs" / "complete.yaml")]
    config = experiment_of(parse(experiment_parser(None), arguments))
    assert config.data.simulation.signal == "linear"
    assert not config.baselines
