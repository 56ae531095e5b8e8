"""Finished bundles to an ensemble on disk, and back."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from ultimate_deep.bundles.bundle import BundleError, load_any, load_bundle
from ultimate_deep.bundles.ensembles.bundle import load_ensemble
from ultimate_deep.bundles.ensembles.combiner import EnsembleError
from ultimate_deep.bundles.predicting import bundle_config
from ultimate_deep.experiments.ensembles.config import EnsembleConfig
from ultimate_deep.experiments.ensembles.members import (
    open_members,
    out_of_fold_logits,
    stacking_rows,
)
from ultimate_deep.experiments.ensembles.run import fit_combiner, run_ensemble
from ultimate_deep.experiments.ensembles.stacking import fit_logistic_stack
from ultimate_deep.experiments.run import run_experiment
from ultimate_deep.machine.side_by_side.workers import Workers
from ultimate_deep.market.config import DataConfig, LabelSpec
from ultimate_deep.market.market import load_market
from ultimate_deep.pipeline.config import ExperimentConfig, FeatureConfig, HeadConfig, ModelConfig
from ultimate_deep.pipeline.inputs.config import InputConfig
from ultimate_deep.pipeline.rows import assemble_rows, keep_features
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.progress import Progress

pytestmark = pytest.mark.usefixtures("plain_figures")

FEATURES = ("return_log_1", "close_location", "range_z_20")
MODELS = {
    "trees": ModelConfig(name="hist_gradient_boosting", preset="tiny"),
    "net": ModelConfig(name="linear"),
}


def config_of(name, artifacts, **changes):
    config = ExperimentConfig(
        name=name,
        artifacts=str(artifacts),
        data=DataConfig(simulated_rows=1_500),
        features=FeatureConfig(names=FEATURES),
        inputs=InputConfig(kind="window", window_bars=6),
        model=MODELS[name],
        fit=FitConfig(epochs=1),
        baselines=False,
    )
    return dataclasses.replace(config, **changes)


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    return tmp_path_factory.mktemp("artifacts")


@pytest.fixture(scope="module")
def folders(artifacts):
    return {name: run_experiment(config_of(name, artifacts), Progress()).folder for name in MODELS}


@pytest.fixture(scope="module")
def weighted(folders, artifacts):
    config = EnsembleConfig(artifacts=str(artifacts), pull=1e-4)
    return run_ensemble(list(folders.values()), config, Progress())


def rows_of(ensemble):
    config = bundle_config(ensemble)
    market = load_market(config.data, config.label)
    return market, assemble_rows(market, config.label, ensemble.compute_features)


def test_an_ensemble_says_the_weighted_mean_of_its_members(weighted):
    ensemble = load_ensemble(weighted.folder)
    assert [name.split("-")[0] for name in ensemble.members] == list(MODELS)
    market, rows = rows_of(ensemble)
    found = ensemble.row_outputs(market, rows)
    weight = ensemble.combiner.weights()[:, 0]
    assert weight.sum() == pytest.approx(1.0)
    assert np.abs(weight - 1 / 2).max() > 0.01  # validation has said something
    said = [
        bundle.row_outputs(market, keep_features(rows, bundle.feature_names))["probability"]
        for bundle in ensemble.members.values()
    ]
    pooled = np.tensordot(weight, np.stack(said), axes=1)
    np.testing.assert_allclose(expit(found["logits"].astype(float)), pooled, atol=1e-6)
    # The window model cannot say anything about the first bars, so neither can the ensemble.
    assert np.isnan(found["logits"][:5]).all()
    assert np.isfinite(found["logits"][5:]).all()


def test_it_is_judged_like_a_model_and_its_files_say_so(weighted):
    ensemble = load_ensemble(weighted.folder)
    market, rows = rows_of(ensemble)
    probability = ensemble.row_outputs(market, rows)["probability"][:, 0]
    test = weighted.prepared.part("test")
    np.testing.assert_allclose(probability[test], weighted.outcome.probability["test"], atol=1e-12)
    metrics = json.loads((weighted.folder / "metrics.json").read_text())
    assert metrics["test"]["model"]["accuracy"] == weighted.outcome.model.metrics["accuracy"]
    assert metrics["ledger"]["trials"] > 0
    assert metrics["simulated"] is True
    assert ensemble.threshold == metrics["threshold"]["threshold"]
    assert ensemble.temperature[0] == metrics["temperature"]["temperature"]
    table = pd.read_csv(weighted.folder / "members.csv")
    assert table["member"].tolist() == [*ensemble.members, "ensemble"]
    page = (weighted.folder / "report.html").read_text()
    assert "every member as a whole bundle" in page
    assert all(f"Member {name}, horizon 1: weight" in page for name in ensemble.members)
    assert (weighted.folder.parent / "latest").resolve() == weighted.folder.resolve()


def test_its_parts_are_those_of_its_members(weighted, folders):
    split = weighted.prepared.split
    stored = load_bundle(folders["net"]).metrics["split"]
    assert [stamp.isoformat() for stamp in split.boundaries] == [
        stored["validation_from"],
        stored["test_from"],
    ]
    assert stored["rows"] == {name: len(getattr(split, name)) for name in stored["rows"]}
    assert split.purged == stored["purged"]


@pytest.mark.slow
def test_it_predicts_in_another_process_without_its_members_folders(weighted, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(weighted.folder, moved)
    code = (
        "import sys, numpy as np\n"
        "from ultimate_deep.market.market import load_market\n"
        "from ultimate_deep.pipeline.rows import assemble_rows\n"
        "from ultimate_deep.bundles.bundle import load_any\n"
        "from ultimate_deep.bundles.predicting import bundle_config\n"
        "ensemble = load_any(sys.argv[1]); config = bundle_config(ensemble)\n"
        "market = load_market(config.data, config.label)\n"
        "rows = assemble_rows(market, config.label, ensemble.compute_features)\n"
        "np.save(sys.argv[2], ensemble.row_outputs(market, rows)['probability'])\n"
    )
    out = tmp_path / "out.npy"
    subprocess.run(
        [sys.executable, "-c", code, str(moved), str(out)],
        check=True, capture_output=True, timeout=300, cwd=Path(__file__).resolve().parents[3],
    )  # fmt: skip
    found = np.load(out)[weighted.prepared.part("test"), 0]
    np.testing.assert_allclose(found, weighted.outcome.probability["test"], atol=1e-6)


def test_changed_and_foreign_folders_are_refused(weighted, folders, tmp_path):
    with pytest.raises(BundleError, match="load_bundle"):
        load_ensemble(folders["trees"])
    with pytest.raises(BundleError):
        load_bundle(weighted.folder)
    assert type(load_any(folders["trees"])).__name__ == "Bundle"
    moved = tmp_path / "moved"
    shutil.copytree(weighted.folder, moved)
    (moved / "combiner.json").write_text("{}")
    with pytest.raises(BundleError, match=r"changed.*combiner\.json"):
        load_ensemble(moved)
    shutil.rmtree(moved / "members" / folders["trees"].name)
    with pytest.raises(BundleError, match="missing"):
        load_ensemble(moved)


def test_members_that_do_not_belong_together_are_refused(folders, artifacts, tmp_path):
    config = EnsembleConfig(artifacts=str(tmp_path))
    with pytest.raises(EnsembleError, match="at least 2 members, got 1"):
        run_ensemble([folders["net"]], config, Progress())
    with pytest.raises(EnsembleError, match="named twice"):
        run_ensemble([folders["net"], folders["net"]], config, Progress())
    net = load_bundle(folders["net"])
    other = dataclasses.replace(net, manifest=net.manifest | {"data_fingerprint": "0"})
    with pytest.raises(EnsembleError, match="same bars"):
        open_members({"a": net, "b": other}, Progress())
    split = net.metrics["split"] | {"test_from": "2030-01-01T00:00:00+00:00"}
    other = dataclasses.replace(net, metrics=net.metrics | {"split": split})
    with pytest.raises(EnsembleError, match="same boundaries"):
        open_members({"a": net, "b": other}, Progress())
    label = net.config["label"] | {"horizon_bars": 4}
    changed = net.config | {"label": label}
    other = dataclasses.replace(net, config=changed)
    with pytest.raises(EnsembleError, match="same label"):
        open_members({"a": net, "b": other}, Progress())
    given = dataclasses.replace(net, metrics=net.metrics | {"bars_given": True})
    with pytest.raises(EnsembleError, match=r"were given in Python .*write_bars"):
        open_members({"a": given, "b": given}, Progress())
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_stack_is_fitted_on_what_its_members_have_not_seen(folders):
    config = EnsembleConfig(method="logistic_stack", folds=2)
    bundles = {name: load_bundle(folder) for name, folder in folders.items()}
    members = open_members(bundles, Progress())
    found = out_of_fold_logits(members, config, Progress())
    # Whose turn it is and how many at a time changes nothing.
    one, two = (
        out_of_fold_logits(members, config, Progress(), Workers(count=count)).logits()
        for count in (1, 2)
    )
    np.testing.assert_array_equal(one, two)
    np.testing.assert_allclose(one, found.logits(), atol=1e-3)
    rows = stacking_rows(members)
    decided = members.rows.decision_time[rows]
    ended = members.rows.label_end_time[rows]
    for folds in found.predictions.values():
        for fold in folds:
            assert ended[fold.seen].max() < decided[fold.rows].min()
    again = found.logits()[:, found.rows()]
    trained = members.logits[:, rows[found.rows()]]
    assert np.abs(again - trained).max() > 0.01  # not the members' own, which have seen them
    stack = fit_combiner(members, config, Progress())
    expected = fit_logistic_stack(found, members.labels[rows], pull=config.pull)
    np.testing.assert_array_equal(stack.weights(), expected.weights())


@pytest.mark.slow
def test_trees_read_one_member_and_the_features_in_two_stages(folders, tmp_path):
    config = EnsembleConfig(artifacts=str(tmp_path), method="two_stage", folds=2)
    run = run_ensemble([folders["net"]], config, Progress())
    ensemble = load_any(run.folder)
    assert ensemble.combiner.feature_names == FEATURES
    assert 0 < ensemble.combiner.weights()[0, 0] < 1
    market, rows = rows_of(ensemble)
    found = ensemble.row_outputs(market, rows)["probability"][run.prepared.part("test"), 0]
    np.testing.assert_allclose(found, run.outcome.probability["test"], atol=1e-12)
    table = pd.read_csv(run.folder / "members.csv")
    assert len(table) == 2
    assert table["gain"].isna().all()


@pytest.mark.parametrize(
    "options",
    [
        {"method": "vote"},
        {"trees": "xgboost"},
        {"pull": -1.0},
        {"folds": 1},
        {"stopping_share": 0.0},
    ],
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        EnsembleConfig(**options)


@pytest.mark.slow
def test_every_horizon_keeps_its_own_temperature_whatever_heads_the_members_have(tmp_path):
    heads = HeadConfig(further_horizons=(4,), classes=3, quantiles=(0.1, 0.5, 0.9))
    plain = HeadConfig(further_horizons=(4,))
    configs = [
        config_of("trees", tmp_path, heads=plain),
        config_of("net", tmp_path, heads=heads, label=LabelSpec(cost_band_bps=5)),
    ]
    configs[0] = dataclasses.replace(configs[0], label=configs[1].label)
    runs = [run_experiment(config, Progress()).folder for config in configs]
    config = EnsembleConfig(artifacts=str(tmp_path), method="average")
    for folders in (runs, runs[::-1]):
        run = run_ensemble(folders, config, Progress())
        loaded = load_ensemble(run.folder)
        np.testing.assert_array_equal(loaded.temperature, run.outcome.temperatures)
        assert loaded.temperature[0] != loaded.temperature[1]
