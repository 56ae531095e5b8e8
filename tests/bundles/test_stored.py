"""Bundles written before the rooms moved into one package load and predict what they did then.

`stored/before_the_house.tar.xz` was written by revision 43d1b28, when packages were called
`training`, `models`, ... at the root: an ensemble with a net and trees as its members, and what
each of the three said of its own simulated bars. It is never written anew.
"""

import json
from pathlib import Path

import joblib
import numpy as np
import pytest
from joblib.numpy_pickle import NumpyUnpickler
from sklearn.preprocessing import RobustScaler

from ultimate_deep.bundles import files
from ultimate_deep.bundles.bundle import load_any
from ultimate_deep.bundles.ensembles.bundle import load_ensemble
from ultimate_deep.bundles.ensembles.combiner import COMBINERS
from ultimate_deep.bundles.ensembles.outputs import feature_columns
from ultimate_deep.bundles.predicting import bundle_config, predict_bars
from ultimate_deep.experiments.judging.rejudged import backtest_bundle
from ultimate_deep.market.config import DataConfig
from ultimate_deep.market.market import load_market
from ultimate_deep.pipeline.rows import assemble_rows, keep_features
from ultimate_deep.pipeline.scaling import ArrayScaler

OTHER_PROCESSOR = 1e-6  # other vector units round sums of float32 otherwise
FOLDERS = {"net": "ensemble/members/net", "trees": "ensemble/members/trees", "ensemble": "ensemble"}


def _same_processor(recorded: dict[str, str]) -> bool:
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return False
    lines = path.read_text().split("\n\n")[0].splitlines()
    here = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return all(here.get(key) == value for key, value in recorded.items())


@pytest.mark.parametrize("name", FOLDERS)
def test_old_bundles_predict_what_they_did(stored, name):
    bundle = load_any(stored / FOLDERS[name])
    config = bundle_config(bundle)
    found = predict_bars(bundle, load_market(config.data, config.label))["probability_up"]
    with np.load(stored / "predictions.npz") as file:
        before, processor = file[name], json.loads(str(file["processor"]))
    assert len(found) == len(before) == 1180
    if _same_processor(processor):
        np.testing.assert_array_equal(found.to_numpy(), before)
    np.testing.assert_allclose(found.to_numpy(), before, rtol=0, atol=OTHER_PROCESSOR)


@pytest.mark.parametrize("kind", COMBINERS)
def test_every_combiner_says_on_bars_what_it_makes_of_its_members(ensembles, kind):
    bundle = load_ensemble(ensembles[kind])
    config = bundle_config(bundle)
    market = load_market(config.data, config.label)
    rows = assemble_rows(market, config.label, bundle.compute_features)
    logits = np.stack(
        [member.row_outputs(market, keep_features(rows, member.feature_names))["logits"]
         for member in bundle.members.values()]
    )  # fmt: skip
    features = feature_columns(rows, bundle.combiner.feature_names)
    found = bundle.row_outputs(market, rows)["logits"]
    np.testing.assert_array_equal(found, bundle.combiner.combine(logits, features))
    assert np.isfinite(found).sum() == 1180


@pytest.mark.parametrize("name", FOLDERS)
def test_old_bundles_are_judged_as_they_were(stored, name):
    bundle = load_any(stored / FOLDERS[name])
    again = backtest_bundle(bundle, DataConfig())
    with np.load(stored / "predictions.npz") as file:
        processor = json.loads(str(file["processor"]))
    # Simulated bars are those of before to the bit where exponentials round as they did.
    assert again.same_bars or not _same_processor(processor)
    for figure, value in again.judgement.metrics.items():
        before = bundle.metrics["test"]["model"][figure]
        assert (before is None and not np.isfinite(value)) or value == pytest.approx(
            before, rel=1e-6, abs=1e-9
        ), figure


@pytest.fixture
def modules_named(monkeypatch) -> set[str]:
    """Modules that joblib is asked for by the files that it loads."""
    asked: set[str] = set()
    find = NumpyUnpickler.find_class

    def note(self, module: str, name: str):
        asked.add(module.split(".")[0])
        return find(self, module, name)

    monkeypatch.setattr(NumpyUnpickler, "find_class", note)
    return asked


@pytest.mark.parametrize("name", ["net", "trees"])
def test_old_pickles_name_no_module_of_ours(stored, name, modules_named):
    """What `joblib.load` needs is scikit-learn: no path of ours can be out of date."""
    folder = stored / FOLDERS[name]
    scaler = joblib.load(folder / files.SCALER_FILE)
    assert type(scaler) is RobustScaler
    plain, _, threshold = files.read_preprocessing(folder / files.PREPROCESSING_FILE)
    np.testing.assert_array_equal(scaler.center_, plain.center)
    np.testing.assert_array_equal(scaler.scale_, plain.scale)
    assert joblib.load(folder / files.THRESHOLD_FILE) == threshold
    assert {path.name for path in stored.rglob("*.pkl")} == {
        files.SCALER_FILE, files.THRESHOLD_FILE,
    }  # fmt: skip
    assert modules_named <= {"sklearn", "numpy", "joblib"}


def test_pickles_of_today_name_no_module_of_ours_either(tmp_path, modules_named):
    scaler = RobustScaler().fit(np.random.default_rng(0).normal(size=(40, 3)))
    further = {"bars_1h": RobustScaler().fit(np.ones((5, 2)))}
    files.write_preprocessing(tmp_path, scaler, np.ones(1), 0.55, further)
    assert set(joblib.load(tmp_path / files.SCALER_FILE)) == {"features", "bars_1h"}
    assert joblib.load(tmp_path / files.THRESHOLD_FILE) == 0.55
    assert modules_named <= {"sklearn", "numpy", "joblib"}
    joblib.dump(ArrayScaler.from_sklearn(scaler), tmp_path / "ours.pkl")
    joblib.load(tmp_path / "ours.pkl")
    assert "ultimate_deep" in modules_named  # the fixture would notice
