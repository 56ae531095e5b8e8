"""Going on from another asset's net: what is taken over, what stays, and what is refused."""

import dataclasses

import keras
import numpy as np
import pytest

from ultimate_deep.bundles.bundle import load_bundle
from ultimate_deep.commands import transfer
from ultimate_deep.experiments.run import run_experiment
from ultimate_deep.experiments.transfer import transfer_configs
from ultimate_deep.market.config import DataConfig
from ultimate_deep.models.registry import preset_of
from ultimate_deep.pipeline.config import ExperimentConfig, ModelConfig, config_from_dict
from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.fit import fit
from ultimate_deep.training.loop.freezing import freeze
from ultimate_deep.training.progress import Progress

FEATURES = {"names": ("return_log_1", "range_z_20", "momentum_z_1")}
OTHER = DataConfig(simulated_rows=1_500, simulated_seed=11)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    config = ExperimentConfig(
        name="source",
        artifacts=str(tmp_path_factory.mktemp("source")),
        data={"simulated_rows": 1_500},
        features=FEATURES,
        model={"name": "mlp", "preset": "tiny"},
        fit={"epochs": 2},
        baselines=False,
    )
    return load_bundle(run_experiment(config, Progress()).folder)


def test_both_runs_differ_in_where_they_start_and_how_fast_they_learn(source, tmp_path):
    moved, scratch = transfer_configs(
        source, OTHER, artifacts=str(tmp_path), epochs=1, rate_factors={"hidden_01*": 0.1}
    )
    assert (scratch.name, moved.name) == ("scratch", "transferred")
    assert scratch.model.start_from is None
    assert moved.model.start_from == str(source.folder)
    assert moved.fit.peak_rate == pytest.approx(0.25 * scratch.fit.peak_rate)
    assert moved.fit.factors_of_parts == {"hidden_01*": 0.1}
    for part in ("data", "features", "label", "split", "heads", "seed"):
        assert getattr(moved, part) == getattr(scratch, part)
    assert moved.fit.epochs == scratch.fit.epochs == 1
    assert list(scratch.features.names) == list(source.feature_names)
    with pytest.raises(ValueError, match="rate_share must be above 0, got 0"):
        transfer_configs(source, OTHER, artifacts=str(tmp_path), rate_share=0.0)


def test_the_command_trains_both_and_compares_them(source, tmp_path, capsys, monkeypatch):
    """What is frozen comes from the source bit for bit."""
    # Nobody looks at the pages of these runs.
    monkeypatch.setattr("ultimate_deep.evaluation.reporting.report._SECTIONS", ())
    transfer.main(
        ["--source", str(source.folder), "--data.simulated_rows", "1500", "--data.simulated_seed",
         "11", "--epochs", "1", "--frozen", "[hidden_01*]", "--artifacts", str(tmp_path), "--yes"]
    )  # fmt: skip
    told = capsys.readouterr().out
    assert "transferred" in told
    assert "scratch" in told
    (report,) = tmp_path.glob("comparison*/report.html")
    assert str(report) in told.replace("\n", "")
    (folder,) = tmp_path.glob("transferred*")
    after = load_bundle(folder)
    before = source.predictor.weights()
    same = [
        np.array_equal(old, new)
        for (_, old), (_, new) in zip(before, after.predictor.weights(), strict=True)
    ]
    kept = [w.path for w in after.predictor.model.weights if w.path.startswith("hidden_01")]
    assert kept
    assert sum(same) == len(kept)


def test_from_scratch_is_not_what_a_transferred_source_was_trained_by(source, tmp_path):
    fit = FitConfig(learning_rate=2.5e-4, frozen=("hidden_01*",), rate_factors={"hidden_02*": 0.1})
    config = dataclasses.replace(
        config_from_dict(source.config),
        fit=fit,
        model=ModelConfig(name="mlp", preset="tiny", start_from="elsewhere"),
    )
    moved = dataclasses.replace(source, config=config.to_dict())
    again, scratch = transfer_configs(moved, OTHER, artifacts=str(tmp_path), frozen=("hidden_02*",))
    assert (scratch.fit.frozen, scratch.fit.factors_of_parts) == ((), {})
    assert scratch.fit.peak_rate == preset_of("mlp", "tiny").learning_rate
    assert again.fit.peak_rate == pytest.approx(0.25 * scratch.fit.peak_rate)
    with pytest.raises(ValueError, match="epochs must be at least 1, got 0"):
        transfer_configs(source, OTHER, artifacts=str(tmp_path), epochs=0)


def test_layers_are_frozen_with_their_statistics():
    inputs = keras.Input((3,), name="features")
    x = keras.layers.BatchNormalization(name="first_norm")(inputs)
    x = keras.layers.Dense(4, name="first")(x)
    model = keras.Model(inputs, keras.layers.Dense(1, name="logits")(x))
    freeze(model, ("first*",))
    x = np.random.default_rng(0).normal(3.0, size=(64, 3)).astype(np.float32)
    arrays = Arrays(x=x, y=(x[:, :1] > 3).astype(np.float32))
    before = {w.path: w.numpy() for w in model.weights}
    fit(model, arrays, arrays, FitConfig(epochs=1, batch_size=16), checkpoint_folder=None)
    moved = {w.path for w in model.weights if not np.array_equal(w.numpy(), before[w.path])}
    assert moved == {"logits/kernel", "logits/bias"}
    with pytest.raises(ValueError, match="got 'second'; those with weights are first_norm, first"):
        freeze(model, ("second",))
    with pytest.raises(ValueError, match="leaves nothing to train"):
        freeze(model, ("*",))
