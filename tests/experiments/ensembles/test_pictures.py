"""Nets of pictures by timeframe: same rows for all, an ensemble of equal weights, a control."""

import dataclasses
import io
import json
import math

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy.special import expit

from ultimate_deep.bundles.bundle import load_any
from ultimate_deep.bundles.predicting import bundle_config
from ultimate_deep.experiments.ensembles.pictures import (
    member_configs,
    picture_targets,
    render_ensemble,
    run_picture_ensemble,
    seeing_windows,
)
from ultimate_deep.market.config import DataConfig
from ultimate_deep.market.market import load_market
from ultimate_deep.pipeline.config import ExperimentConfig, FeatureConfig, ModelConfig
from ultimate_deep.pipeline.inputs.config import InputConfig
from ultimate_deep.pipeline.rows import assemble_rows
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.progress import Progress

pytestmark = pytest.mark.usefixtures("plain_figures")

CALLS = ("up_right", "up_wrong", "down_right", "down_wrong")


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
    names = ["gaf_cnn_1x", "gaf_cnn_2x", "gaf_cnn_control", "gaf_cnn_trees"]
    assert [one.name for one in found] == names
    assert [one.inputs.gaf_timeframes for one in found] == [(1,), (2,), (1, 2), (1, 2)]
    assert [one.model.preset for one in found] == ["tiny", "tiny", "default", "default"]
    assert found[-1].model.name in ("xgboost", "hist_gradient_boosting")


def test_windows_are_lengths_of_bars_that_are_put_together(tmp_path):
    config = small(tmp_path)
    found = seeing_windows(config, "30min,1h,2h")
    assert found.inputs.gaf_timeframes == (1, 2, 4)
    assert (found.data.simulated_interval, found.data.resample) == ("30min", "")
    read = dataclasses.replace(config, data=DataConfig(path="bars.csv"))
    assert seeing_windows(read, "5min,15min").data.resample == "5min"
    assert seeing_windows(read, "5min,15min").inputs.gaf_timeframes == (1, 3)
    with pytest.raises(ValueError, match=r"multiples of the first, got 25min after 10min"):
        seeing_windows(config, "10min,20min,25min")
    twice = dataclasses.replace(read, data=DataConfig(path="bars.csv", resample="15min"))
    with pytest.raises(ValueError, match=r"so does data.resample, '15min'; leave one"):
        seeing_windows(twice, "15min,30min")


def test_targets_are_held_against_the_figures_of_one_holdout():
    table = pd.DataFrame(
        {
            "model": ["a_1x", "a_2x", "a_control", "a_trees", "two stages", "ensemble"],
            "accuracy": [0.50, 0.52, 0.51, 0.53, 0.54, 0.545],
            "win_rate": [0.5, 0.5, 0.5, 0.52, 0.58, 0.66],
            "sharpe": 1.0,
            "sortino": [0.0, 0.0, 0.0, 0.0, 0.0, math.nan],
            "best_validation_accuracy": [0.50, 0.55, 0.51, math.nan, math.nan, math.nan],
        }
    )
    found = picture_targets(table, 2)
    assert found["answer"].tolist() == [
        "reached", "not reached", "unknown", "reached", "reached",
    ]  # fmt: skip
    np.testing.assert_allclose(found["measured"].iloc[[3, 4]], [0.025, 0.06])
    without = picture_targets(table[table["model"] != "two stages"], 2)
    assert without["answer"].iloc[-1] == "unknown"


@pytest.mark.slow
def test_members_are_averaged_and_all_are_kept(tmp_path):
    done = run_picture_ensemble(small(tmp_path), Progress(), two_stages=True)
    bundles = [load_any(folder) for folder in done.folders]
    ensemble = load_any(done.ensemble.folder)
    config = bundle_config(ensemble)
    market = load_market(config.data, config.label)
    rows = assemble_rows(market, config.label, ensemble.compute_features)
    test = done.ensemble.prepared.part("test")
    assert len(test) > 100
    first, second = (one.row_outputs(market, rows)["probability"][test, 0] for one in bundles[:2])
    logits = ensemble.row_outputs(market, rows)["logits"][test, 0]
    np.testing.assert_allclose(expit(logits), (first + second) / 2, atol=1e-6)
    assert json.loads((done.ensemble.folder / "combiner.json").read_text())["weight"] == [
        [0.5],
        [0.5],
    ]
    names = [one.name for one in member_configs(small(tmp_path))]
    assert list(done.table["model"]) == [*names, "two stages", "ensemble"]
    assert done.table["best_validation_accuracy"][:3].between(0, 1).all()
    assert len(done.targets) == 5
    page = done.compared.folder / "report.html"
    fields = json.loads((done.compared.folder / "report.json").read_text())
    assert len(fields["models"]) == len(done.table)
    counts = [sum(one["calls"][call] for call in CALLS) for one in fields["models"]]
    assert set(counts) == {counts[0]}
    assert counts[0] > 100
    assert all(one["regimes"]["table"] for one in fields["models"])
    (trained, hoped) = fields["tables"]
    assert [row["model"] for row in trained["rows"]] == list(done.table["model"])
    assert len(hoped["rows"]) == 5
    for heading in ("Model by model", "What each calls", "When each works", hoped["title"]):
        assert heading in page.read_text()
    accuracies = [one.metrics["test"]["model"]["accuracy"] for one in (*bundles, ensemble)]
    told = done.table[done.table["model"] != "two stages"]
    np.testing.assert_allclose(told["accuracy"], accuracies)
    assert not list(tmp_path.glob("*.series.json"))
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(render_ensemble(done))
    text = console.export_text()
    assert "simulated bars" in text
    assert "gaf_cnn_control" in text
    assert "A figure that is reached may be luck" in text


def test_a_model_that_reads_no_pictures_is_refused(tmp_path):
    other = dataclasses.replace(small(tmp_path), model=ModelConfig(name="lstm"))
    with pytest.raises(ValueError, match=r"'lstm', which reads window"):
        run_picture_ensemble(other, Progress())
