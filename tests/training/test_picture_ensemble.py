"""Nets of pictures by timeframe: same rows for all, an ensemble of equal weights, a control."""

import dataclasses
import io
import json

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from training.config import DataConfig, ExperimentConfig, FeatureConfig, ModelConfig
from training.fitting.fit_config import FitConfig
from training.fitting.progress import Progress
from training.inputs.config import InputConfig
from training.picture_ensemble import member_configs, render_ensemble, run_picture_ensemble


def small(tmp_path):
    return ExperimentConfig(
        name="gaf_cnn",
        artifacts=str(tmp_path),
        data=DataConfig(simulated_rows=1_500, simulated_interval="15min"),
        features=FeatureConfig(names=("return_log_1", "range_log")),
        # Any model of the same inputs will do; convolutions take minutes to compile and export.
        model=ModelConfig(name="gaf_mlp", preset="tiny"),
        inputs=InputConfig(gaf_timeframes=(1, 2), gaf_window_bars=32, gaf_size=16),
        fit=FitConfig(epochs=1, batch_size=64),
    )


def test_every_timeframe_has_its_net_and_the_control_sees_all_of_them(tmp_path):
    found = member_configs(small(tmp_path))
    assert list(found) == ["gaf_cnn_1x", "gaf_cnn_2x", "gaf_mlp"]
    assert [one.inputs.gaf_timeframes for one in found.values()] == [(1,), (2,), (1, 2)]
    assert [one.model.preset for one in found.values()] == ["tiny", "tiny", "default"]


@pytest.mark.slow
def test_members_are_averaged_on_common_rows_and_all_are_kept(tmp_path):
    done = run_picture_ensemble(small(tmp_path), Progress())
    first, second, control = done.runs
    for run in done.runs:
        np.testing.assert_array_equal(run.prepared.split.test, first.prepared.split.test)
        assert (run.folder / "manifest.json").is_file()
    mean = np.mean([run.outcome.probability["test"] for run in (first, second)], axis=0)
    np.testing.assert_allclose(done.ensemble.probability, mean, atol=1e-6)
    assert list(done.table["model"]) == ["gaf_cnn_1x", "gaf_cnn_2x", "gaf_mlp", "ensemble"]
    accuracies = [run.outcome.model.metrics["accuracy"] for run in done.runs]
    np.testing.assert_allclose(done.table["accuracy"][:3], accuracies)
    kept = pd.read_csv(done.folder / "models.csv")
    np.testing.assert_allclose(kept["share_of_edge"], done.table["share_of_edge"])
    combiner = json.loads((done.folder / "combiner.json").read_text())
    assert combiner["weight"] == [[0.5], [0.5]]
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(render_ensemble(done))
    text = console.export_text()
    assert "simulated bars" in text
    assert control.prepared.config.name in text


def test_a_model_that_reads_no_pictures_is_refused(tmp_path):
    other = dataclasses.replace(small(tmp_path), model=ModelConfig(name="lstm"))
    with pytest.raises(ValueError, match=r"'lstm', which reads window"):
        run_picture_ensemble(other, Progress())
