"""A bundle is written whole, loads as it was saved, and is refused when anything differs."""

import csv
import functools
import json
import pickle
import shutil
import warnings
from pathlib import Path

import joblib
import keras
import numpy as np
import pandas as pd
import pytest

from ultimate_deep import features
from ultimate_deep.bundles import files as bundle_files
from ultimate_deep.bundles.bundle import load_bundle
from ultimate_deep.bundles.contents import BundleContents
from ultimate_deep.bundles.executors import net
from ultimate_deep.bundles.manifest import BundleError, write_manifest
from ultimate_deep.bundles.saved_model import compile_logits
from ultimate_deep.bundles.writing import bundle_writer, save_bundle
from ultimate_deep.market.simulator import simulate_bars
from ultimate_deep.models.heads import Heads
from ultimate_deep.models.nets.mlp import MlpConfig, build_mlp
from ultimate_deep.pipeline.scaling import fit_scaler

NAMES = tuple(features.feature_names()[:9])
TEMPERATURES = (1.7, 0.6)
PREFIX = "ultimate_deep_advanced"
FILES = {
    f"{PREFIX}_model.h5",
    f"{PREFIX}_model.keras",
    f"{PREFIX}_features.csv",
    f"{PREFIX}_scaler.pkl",
    f"{PREFIX}_threshold.pkl",
    f"{PREFIX}_architecture.csv",
    "saved_model/saved_model.pb",
    "saved_model/fingerprint.pb",
    "saved_model/variables/variables.index",
    "saved_model/variables/variables.data-00000-of-00001",
    "preprocessing.npz",
    "history.csv",
    "config.json",
    "metrics.json",
    "report.html",
}


@functools.cache
def raw_values() -> np.ndarray:
    rng = np.random.default_rng(0)
    values = 3.0 + rng.standard_t(4, (700, len(NAMES))) * np.logspace(-4, 4, len(NAMES))
    return values.astype(np.float32)


def contents(**changes) -> BundleContents:
    model = build_mlp(
        {"features": (len(NAMES),)}, Heads(horizons=2), MlpConfig(hidden_widths=(16,), seed=3)
    )
    model.compile("adam", loss="binary_crossentropy")
    parts = {
        "model": model,
        "feature_names": NAMES,
        "families": ["family"] * len(NAMES),
        "scaler": fit_scaler(raw_values(), np.arange(400)),
        "temperature": TEMPERATURES,
        "threshold": 0.55,
        "config": {"seed": 3, "widths": (16,)},
        "metrics": {"sharpe": np.float32(0.5), "profit_factor": np.inf},
        "history": {"loss": [0.7, 0.6], "val_loss": [0.71, 0.69]},
        "architecture": pd.DataFrame({"layer": ["dense"], "parameters": [160]}),
        "data_fingerprint": "f" * 64,
    }
    return BundleContents(**(parts | changes))


@pytest.fixture(scope="module")
def original() -> BundleContents:
    return contents()


@pytest.fixture(scope="module")
def saved(tmp_path_factory, original) -> Path:
    folder = tmp_path_factory.mktemp("artifacts") / "run-1"
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what python -W error does to a user
        with bundle_writer(folder) as draft:
            draft.save(original)
            (draft.path / "report.html").write_text("<html></html>")
            assert not folder.exists()
    return folder


@pytest.fixture
def copy(saved, tmp_path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "copy"))


def seal(folder: Path, **changes) -> None:
    """Write a manifest that agrees with whatever the folder holds now."""
    said = {"feature_names": NAMES, "horizons": 2, "data_fingerprint": "f" * 64}
    write_manifest(folder, **(said | changes))


class Poison:
    """Creates a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_holds_exactly_the_promised_files(saved):
    manifest = json.loads((saved / "manifest.json").read_text())
    assert manifest["files"].keys() == FILES
    on_disk = {p.relative_to(saved).as_posix() for p in saved.rglob("*") if p.is_file()}
    assert on_disk == FILES | {"manifest.json"}
    assert [p.name for p in saved.parent.iterdir()] == ["run-1"]


def test_predictions_survive_to_the_last_bit(saved, original):
    bundle = load_bundle(saved)
    values = raw_values()
    scaled = original.scaler.transform(values)
    np.testing.assert_array_equal(bundle.scaler.transform(values), scaled)
    logits = bundle.logits(values)
    assert logits.dtype == np.float32
    assert logits.std() > 0.1
    np.testing.assert_array_equal(logits, compile_logits(original.model)(scaled))
    expected = 1 / (1 + np.exp(-logits.astype(np.float64) / np.array(TEMPERATURES)))
    np.testing.assert_allclose(bundle.probability(values), expected, rtol=1e-14)


def test_everything_else_survives(saved):
    bundle = load_bundle(saved)
    assert bundle.feature_names == NAMES
    assert bundle.families == ("family",) * len(NAMES)
    assert bundle.threshold == 0.55
    assert bundle.temperature.tolist() == list(TEMPERATURES)
    assert bundle.config == {"seed": 3, "widths": [16]}
    assert bundle.metrics == {"sharpe": 0.5, "profit_factor": None}
    assert bundle.manifest["data_fingerprint"] == "f" * 64
    assert pd.read_csv(saved / "history.csv")["val_loss"].tolist() == [0.71, 0.69]
    assert len(pd.read_csv(saved / f"{PREFIX}_architecture.csv")) == 1


def test_a_row_does_not_depend_on_its_neighbours(saved):
    bundle = load_bundle(saved)
    values = raw_values()
    whole = bundle.logits(values)
    np.testing.assert_array_equal(bundle.logits(values[123:]), whole[123:])
    np.testing.assert_array_equal(bundle.logits(values[5:6]), whole[5:6])
    assert bundle.logits(values[:0]).shape == (0, 2)


def test_undefined_rows_stay_undefined_and_infinite_ones_are_named(saved):
    bundle = load_bundle(saved)
    values = raw_values().copy()
    values[7, 2] = np.nan
    probability = bundle.probability(values)
    assert np.flatnonzero(np.isnan(probability).any(axis=1)).tolist() == [7]
    values[9, 1] = np.inf
    with pytest.raises(ValueError, match=f"inf in row 9 of {NAMES[1]}"):
        bundle.probability(values)
    with pytest.raises(ValueError, match=r"\(rows, 9\), got \(700, 8\)"):
        bundle.probability(values[:, :8])


def test_features_come_from_bars_in_the_models_order(saved):
    bundle = load_bundle(saved)
    frame = simulate_bars(1_500, seed=1).bars.frame
    matrix = bundle.compute_features(frame)
    assert matrix.names == NAMES
    assert np.isfinite(bundle.probability(matrix.values)[-1]).all()
    with pytest.raises(BundleError, match="cannot be computed from these bars"):
        bundle.compute_features(frame.iloc[:3])


def test_unknown_features_are_named_when_predicting(tmp_path):
    names = (*NAMES[:-1], "feature_of_the_future")
    save_bundle(tmp_path / "run", contents(feature_names=names))
    with pytest.raises(BundleError, match="does not know: feature_of_the_future; the instal"):
        load_bundle(tmp_path / "run").compute_features(simulate_bars(1_500, seed=1).bars.frame)


def test_the_link_to_the_newest_run_loads(saved, tmp_path):
    (tmp_path / "latest").symlink_to(saved, target_is_directory=True)
    assert load_bundle(tmp_path / "latest").folder == saved.resolve()


@pytest.mark.parametrize("name", sorted(FILES))
def test_nothing_is_parsed_before_every_hash_agrees(copy, monkeypatch, name):
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)

    def parsed(*arguments, **options):
        raise AssertionError("a file was parsed")

    monkeypatch.setattr(net, "read_model", parsed)
    for reader in ("read_features", "read_preprocessing", "read_json"):
        monkeypatch.setattr(bundle_files, reader, parsed)
    with pytest.raises(BundleError, match=f"changed .*{name}"):
        load_bundle(copy)


@pytest.mark.parametrize("name", ["extra.txt", "saved_model/extra.txt", ".hidden"])
def test_extra_files_are_refused(copy, name):
    (copy / name).write_text("")
    with pytest.raises(BundleError, match=f"does not list: {name}"):
        load_bundle(copy)


@pytest.mark.parametrize("name", [f"{PREFIX}_model.keras", "saved_model/saved_model.pb"])
def test_missing_files_are_refused(copy, name):
    (copy / name).unlink()
    with pytest.raises(BundleError, match=f"missing .*{name}"):
        load_bundle(copy)


@pytest.mark.parametrize("name", sorted(bundle_files.READ_ON_LOAD))
def test_a_manifest_that_lists_too_little_is_refused(copy, name):
    (copy / name).unlink()
    seal(copy)
    with pytest.raises(BundleError, match=f"lists no {name}"):
        load_bundle(copy)


def test_pickles_are_never_opened(copy, tmp_path):
    marker = tmp_path / "executed"
    for kind in ("scaler", "threshold"):
        joblib.dump(Poison(marker), copy / f"{PREFIX}_{kind}.pkl")
    seal(copy)
    assert load_bundle(copy).threshold == 0.55
    assert not marker.exists()
    joblib.load(copy / f"{PREFIX}_scaler.pkl")
    assert marker.exists()  # so the poison works, and the test can fail


def test_arrays_that_hide_a_pickle_are_refused(copy, tmp_path):
    marker = tmp_path / "executed"
    hidden = np.array([Poison(marker)], dtype=object)
    np.savez(copy / "preprocessing.npz", center=hidden, scale=1, temperature=1, threshold=1)
    seal(copy)
    with pytest.raises(BundleError, match="plain arrays"):
        load_bundle(copy)
    (copy / "preprocessing.npz").write_bytes(pickle.dumps(Poison(marker)))
    seal(copy)
    with pytest.raises(BundleError, match="plain arrays"):
        load_bundle(copy)
    assert not marker.exists()


def test_models_that_hide_code_are_refused(copy):
    inputs = keras.Input((len(NAMES),), name="features")
    doubled = keras.layers.Lambda(lambda x: x * 2.0, output_shape=(2,))(inputs)
    keras.Model(inputs, doubled).save(copy / f"{PREFIX}_model.keras")
    seal(copy)
    with pytest.raises(BundleError, match="does not load in Keras") as refused:
        load_bundle(copy)
    assert "unsafe" in str(refused.value).lower()


def swap_features(folder: Path) -> None:
    swapped = (NAMES[1], NAMES[0], *NAMES[2:])
    families = ["family"] * len(NAMES)
    bundle_files.write_features(folder / f"{PREFIX}_features.csv", swapped, families)


def drop_position(folder: Path) -> None:
    with (folder / f"{PREFIX}_features.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("name", "family"), *((name, "f") for name in NAMES)])


def rewrite_arrays(folder: Path, **changes) -> None:
    path = folder / "preprocessing.npz"
    with np.load(path) as file:
        arrays = dict(file) | changes
    np.savez(path, **arrays)


@pytest.mark.parametrize(
    ("damage", "rule"),
    [
        (swap_features, "list different features"),
        (drop_position, "no table of position, name, family"),
        (lambda f: rewrite_arrays(f, center=np.zeros(8), scale=np.ones(8)), "do not fit"),
        (lambda f: rewrite_arrays(f, scale=-np.ones(9)), "positive scale"),
        (lambda f: rewrite_arrays(f, temperature=np.ones(3)), "one for each of 2 horizons"),
        (lambda f: rewrite_arrays(f, temperature=np.zeros(2)), "temperature is positive"),
        (lambda f: rewrite_arrays(f, threshold=np.nan), "threshold must lie in"),
        (lambda f: rewrite_arrays(f, threshold=np.ones(2)), "plain arrays"),
        (lambda f: (f / "config.json").write_text("[]"), "not a JSON object"),
        (lambda f: (f / "metrics.json").write_text("{"), "not JSON"),
        (lambda f: (f / f"{PREFIX}_model.keras").write_bytes(b"no"), "does not load in Keras"),
    ],
)
def test_parts_that_do_not_fit_are_refused_under_a_matching_hash(copy, damage, rule):
    damage(copy)
    seal(copy)
    with pytest.raises(BundleError, match=rule):
        load_bundle(copy)


@pytest.mark.parametrize("changes", [{"feature_names": NAMES[:-1]}, {"horizons": 1}])
def test_a_manifest_that_contradicts_the_files_is_refused(copy, changes):
    seal(copy, **changes)
    with pytest.raises(BundleError, match=r"list different features|do not fit each other"):
        load_bundle(copy)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"feature_names": NAMES[:-1]}, "differ in width"),
        ({"families": ["family"]}, "differ in width"),
        ({"feature_names": (NAMES[0],) * 9}, "unique"),
        ({"feature_names": ("", *NAMES[1:])}, "not empty"),
        ({"temperature": -1.0}, "temperature is positive"),
        ({"temperature": (1.0, 1.0, 1.0)}, "one for each of 2 horizons"),
        ({"threshold": 0.45}, r"threshold must lie in \[0.5, 1\], got 0.45.*choose_threshold"),
    ],
)
def test_contents_that_do_not_fit_are_refused_before_anything_is_written(changes, rule):
    with pytest.raises(BundleError, match=rule):
        contents(**changes)


def test_models_of_other_shapes_are_refused():
    window = keras.Input((None, 9), name="bars")
    pooled = keras.layers.GlobalAveragePooling1D()(window)
    with pytest.raises(BundleError, match="inputs of fixed shape"):
        contents(model=keras.Model(window, keras.layers.Dense(1)(pooled)))
    flat = keras.Input((9,), name="features")
    with pytest.raises(BundleError, match="float32 logits"):
        contents(model=keras.Model(flat, keras.layers.Dense(2, dtype="bfloat16")(flat)))


@pytest.mark.parametrize("stop", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_bundle_leaves_nothing(tmp_path, original, stop):
    def interrupted() -> None:
        with bundle_writer(tmp_path / "run") as draft:
            draft.save(original)
            raise stop

    with pytest.raises(stop):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_nothing_saved_leaves_nothing(tmp_path):
    with pytest.raises(BundleError, match="nothing was saved"), bundle_writer(tmp_path / "run"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_workspace_holds_the_draft(tmp_path, original):
    with bundle_writer(tmp_path / "run", workspace=tmp_path / "work" / "drafts") as draft:
        assert draft.path.parent == tmp_path / "work" / "drafts"
        draft.save(original)
        with pytest.raises(BundleError, match="saved once"):
            draft.save(original)
    assert list((tmp_path / "work" / "drafts").iterdir()) == []
    assert load_bundle(tmp_path / "run").threshold == 0.55


@pytest.mark.parametrize("kind", ["folder", "empty folder", "file", "dangling link"])
def test_nothing_is_overwritten(tmp_path, kind):
    target = tmp_path / "run"
    if kind.endswith("folder"):
        target.mkdir()
        if kind == "folder":
            (target / "precious").write_text("")
    elif kind == "file":
        target.write_text("")
    else:
        target.symlink_to(tmp_path / "nowhere")
    with pytest.raises(BundleError, match="never overwritten"), bundle_writer(target):
        raise AssertionError("the block must not start")
