"""Predicting imports what reads bars and computes a model, and nothing that trains or studies."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ultimate_deep.bundles.ensembles.combiner import COMBINERS

ROOT = Path(__file__).resolve().parents[2]
# Whole rooms, and single modules of rooms that mostly do something else.
ROOMS = (
    "ultimate_deep.bundles.executors",
    "ultimate_deep.features",
    "ultimate_deep.machine",
    "ultimate_deep.machine.lazy",
    "ultimate_deep.market",
    "ultimate_deep.models.layers",
    "ultimate_deep.models.trees",
    "ultimate_deep.pipeline.inputs",
)
MODULES = {
    "ultimate_deep",
    "ultimate_deep.bundles",
    *(
        f"ultimate_deep.bundles.{name}"
        for name in (
            "bundle",
            "contents",
            "files",
            "kinds",
            "manifest",
            "predicting",
            "predictor",
            "row_inputs",
            "saved_model",
            "versions",
        )
    ),
    "ultimate_deep.evaluation",
    "ultimate_deep.evaluation.arrays",
    "ultimate_deep.evaluation.backtesting",
    "ultimate_deep.evaluation.backtesting.config",
    "ultimate_deep.evaluation.json_safe",
    "ultimate_deep.evaluation.signals",
    "ultimate_deep.models",
    *(
        f"ultimate_deep.models.{name}"
        for name in ("checks", "heads", "inputs", "registry", "search_space", "seeds")
    ),
    "ultimate_deep.pipeline",
    *(
        f"ultimate_deep.pipeline.{name}"
        for name in ("config", "own_steps", "rows", "scaling", "targets")
    ),
    "ultimate_deep.portfolio",
    *(
        f"ultimate_deep.portfolio.{name}"
        for name in (
            "arrays",
            "breakers",
            "costs",
            "mode",
            "options",
            "sizing",
            "sizing_spec",
            "stops",
        )
    ),
    "ultimate_deep.training",
    "ultimate_deep.training.config",
    "ultimate_deep.training.losses",
    "ultimate_deep.training.losses.loss_config",
    "ultimate_deep.training.settings",
    *(
        f"ultimate_deep.training.settings.{name}"
        for name in ("augmentations", "averaging", "curriculum", "gradients", "optimizers")
    ),
    "ultimate_deep.training.schedules",
    "ultimate_deep.training.schedules.config",
    "ultimate_deep.training.schedules.registry",
}
OF_AN_ENSEMBLE = {
    "ultimate_deep.bundles.ensembles",
    *(
        f"ultimate_deep.bundles.ensembles.{name}"
        for name in ("bundle", "combiner", "outputs", "predictor")
    ),
}
BEHIND = {
    "pool": "ultimate_deep.bundles.ensembles.pooling",
    "logistic_stack": "ultimate_deep.bundles.ensembles.stacking",
    "tree_stack": "ultimate_deep.bundles.ensembles.stacking",
}
OF_THE_COMMAND_LINE = {
    "ultimate_deep.commands",
    *(
        f"ultimate_deep.commands.{name}"
        for name in (
            "command_parser",
            "experiment_checks",
            "help_text",
            "known_models",
            "parser",
            "predict",
            "refusals",
            "remedies",
            "running",
            "settings",
            "suggestions",
        )
    ),
    "ultimate_deep.machine.tables",
    "ultimate_deep.models.declared",
    "ultimate_deep.models.document_names",
    "ultimate_deep.models.evaluated",
    "ultimate_deep.models.registry",
    "ultimate_deep.training.backend",
}
FOREIGN = ("keras_tuner", "optuna", "lightgbm", "xgboost", "matplotlib")
CHILD = f"""
import json, sys
import keras  # which imports matplotlib by itself, where it is installed
FOREIGN = {FOREIGN!r}

def modules():
    return {{name for name in sys.modules if name.split(".")[0] in ("ultimate_deep", *FOREIGN)}}

seen = [modules()]
from ultimate_deep.bundles.bundle import load_any
from ultimate_deep.bundles.predicting import bundle_config, predict_bars
from ultimate_deep.market.market import load_market
for folder in sys.argv[1:]:
    bundle = load_any(folder)
    config = bundle_config(bundle)
    assert len(predict_bars(bundle, load_market(config.data, config.label))) == 1180
    seen.append(modules())
import ultimate_deep.commands.predict, ultimate_deep.commands.running
import ultimate_deep.machine.tables, ultimate_deep.training.backend
seen.append(modules())
print(json.dumps([sorted(now - before) for before, now in zip(seen, seen[1:])]))
"""


@pytest.fixture(scope="module")
def imported(stored, ensembles) -> dict[str, list[str]]:
    """New modules after trees, a net, ensembles of them and the command line, in one process."""
    members = stored / "ensemble" / "members"
    folders = {"trees": members / "trees", "net": members / "net", **ensembles}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *map(str, folders.values())],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(done.stdout.splitlines()[-1])
    return dict(zip((*folders, "command line"), found, strict=True))


def foreign_to(modules: list[str], allowed: set[str]) -> list[str]:
    return [
        name
        for name in modules
        if name not in allowed and not any(f"{name}.".startswith(f"{room}.") for room in ROOMS)
    ]


@pytest.mark.parametrize(
    ("step", "allowed"),
    [
        ("trees", MODULES),
        ("net", MODULES),
        *((kind, OF_AN_ENSEMBLE | {BEHIND[kind]}) for kind in COMBINERS),
        ("command line", OF_THE_COMMAND_LINE),
    ],
)
def test_predicting_imports_only_what_it_needs(imported, step, allowed):
    assert foreign_to(imported[step], allowed) == []


def test_trees_do_not_read_what_computes_nets(imported):
    assert "ultimate_deep.bundles.executors.trees" in imported["trees"]
    assert "ultimate_deep.bundles.executors.net" not in imported["trees"]
    assert "ultimate_deep.bundles.executors.net" in imported["net"]


def test_every_combiner_was_computed_by_the_module_that_holds_it(imported):
    seen = {name for kind in COMBINERS for name in imported[kind]}
    assert {path.split(":")[0] for path in COMBINERS.values()} == set(BEHIND.values()) <= seen


def test_the_list_would_notice_training_and_studies():
    intruders = [
        "ultimate_deep.experiments.run", "ultimate_deep.training.loop.fit", "keras_tuner",
        "ultimate_deep.training.growing.grow", "ultimate_deep.experiments.ensembles.stacking",
        "ultimate_deep.training.optimizers.build", "ultimate_deep.training.schedules.schedules",
    ]  # fmt: skip
    assert foreign_to(intruders, MODULES) == intruders
