"""Leak detection as its user starts it: on a run's bundle, and on steps of one's own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ultimate_deep.bundles.bundle import load_bundle
from ultimate_deep.experiments.run import run_experiment
from ultimate_deep.market.config import DataConfig
from ultimate_deep.pipeline.config import ExperimentConfig, FeatureConfig, ModelConfig
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.progress import Progress

SCRIPT = Path(__file__).resolve().parents[2] / "train_scripts" / "detect_leaks.py"
LEAKING_STEPS = """
import numpy as np

from ultimate_deep.pipeline.scaling import fit_scaler
from ultimate_deep.pipeline.steps import Steps

steps = Steps(scale=lambda values, train: fit_scaler(values, np.arange(len(values))))
"""


@pytest.fixture(scope="module")
def bundle(plain_figures, tmp_path_factory) -> Path:
    config = ExperimentConfig(
        name="tiny",
        artifacts=str(tmp_path_factory.mktemp("artifacts")),
        data=DataConfig(simulated_rows=1_500),
        features=FeatureConfig(names=("return_log_1", "close_location", "range_z_20")),
        model=ModelConfig(name="linear"),
        fit=FitConfig(epochs=1),
        baselines=False,
    )
    return run_experiment(config, Progress()).folder


@pytest.mark.slow
def test_own_steps_that_leak_end_with_status_one_and_their_name(bundle, tmp_path):
    (tmp_path / "my_steps.py").write_text(LEAKING_STEPS)
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--bundle", str(bundle), "--steps", "my_steps:steps",
         "--no_training", "--output", "found"],
        capture_output=True, text=True, timeout=300, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""
    assert "Leak in scaling" in done.stdout
    stored = json.loads((tmp_path / "found" / "leaks.json").read_text())
    assert stored["step"] == "scaling"
    assert stored["subject"].endswith("own steps: scale")
    load_bundle(bundle)  # verifies every file: the bundle is as it was


def test_a_run_of_this_program_passes(bundle, run_script, capsys):
    arguments = ["--bundle", str(bundle), "--no_training", "--leaks.cuts", "3"]
    run_script(SCRIPT.name, *arguments)
    assert "No leak found" in capsys.readouterr().out
    folder = bundle.with_name(f"{bundle.name}-leaks")
    assert json.loads((folder / "leaks.json").read_text())["verdict"] == "no leak found"
    assert "Simulated bars" in (folder / "leaks.html").read_text()
    with pytest.raises(SystemExit, match="give another --output"):
        run_script(SCRIPT.name, *arguments, "--output", str(folder))
    assert "Leak" not in capsys.readouterr().out  # refused before anything is examined
