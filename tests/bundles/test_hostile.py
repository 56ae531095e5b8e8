"""Bundles made to take the program down or to say something else, under hashes that agree."""

import io
import json
import shutil
import tracemalloc
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from ultimate_deep.bundles.bundle import load_bundle
from ultimate_deep.bundles.executors.keras_file import check_net_file
from ultimate_deep.bundles.executors.net import read_model
from ultimate_deep.bundles.files import PREPROCESSING_FILE, check_names
from ultimate_deep.bundles.manifest import MANIFEST_NAME, BundleError, write_manifest

NET_FILE = "ultimate_deep_advanced_model.keras"
MOST_MEMORY = 2**24


@pytest.fixture
def folder(stored, tmp_path) -> Path:
    return Path(shutil.copytree(stored / "ensemble" / "members" / "net", tmp_path / "net"))


def seal(folder: Path) -> None:
    """Write a manifest that agrees with what the folder holds now."""
    path = folder / MANIFEST_NAME
    was = json.loads(path.read_text())
    path.unlink()
    names, fingerprint = tuple(was["feature_names"]), was["data_fingerprint"]
    write_manifest(
        folder, feature_names=names, horizons=was["horizons"], data_fingerprint=fingerprint
    )


def rewrite(path: Path, method: int = zipfile.ZIP_STORED, **members: bytes | None) -> None:
    """Write an archive anew, with other members; None leaves one out."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    content |= {name.replace("__", "."): value for name, value in members.items()}
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, value in content.items():
            if value is not None:
                archive.writestr(name, value)


def with_config(path: Path, layer: str, **changes) -> None:
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    (found,) = (one for one in config["config"]["layers"] if one["name"] == layer)
    found["config"] |= changes
    rewrite(path, config__json=json.dumps(config).encode())


def with_weights(path: Path, change) -> None:
    with zipfile.ZipFile(path) as archive:
        content = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(content, "r+") as file:
        change(file)
    rewrite(path, model__weights__h5=content.getvalue())


def set_first(value: float):
    def change(file: h5py.File) -> None:
        file["layers/dense/vars/0"][0, 0] = value

    return change


def replace(**how):
    def change(file: h5py.File) -> None:
        del file["layers/dense/vars/1"]
        file["layers/dense/vars"].create_dataset("1", **how)

    return change


def link(made):
    def change(file: h5py.File) -> None:
        del file["layers/dense/vars/1"]
        file["layers/dense/vars/1"] = made(file)

    return change


ZEROS = np.zeros(2**16, np.float32)
CONFIGS = {
    "more than one file holds": ("stem", {"units": 16_000}, "asks for more than the 2,037 weights"),
    "sizes": ("stem", {"units": 10**9}, "says 'units': 1e\\+09"),
    "sizes as floats": ("stem", {"units": 1e12}, "says 'units'"),
    "blocks": ("residual_stack", {"blocks_per_unit": [10**9]}, "'blocks_per_unit'"),
    "more blocks": ("residual_stack", {"blocks_per_unit": [3000]}, "asks for more than"),
    "few more blocks": ("residual_stack", {"blocks_per_unit": [3, 3]}, "does not load in Keras"),
    "fewer blocks": ("residual_stack", {"blocks_per_unit": [3, 1]}, "does not load in Keras"),
    "bars": ("features", {"batch_shape": [None, 10**6, 4]}, "bars at once"),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_a_configuration_gets_no_more_than_the_weights_of_its_file(folder, case):
    layer, changes, rule = CONFIGS[case]
    with_config(folder / NET_FILE, layer, **changes)
    refused(folder, rule)


def chain(*layers: tuple[str, dict]) -> list[dict]:
    """Configure layers without weights, one after another, from the features to one number."""
    names = ["features", *(f"layer_{number}" for number in range(len(layers)))]
    made = []
    for number, (kind, values) in enumerate(layers):
        tensor = {"shape": [None, 4], "dtype": "float32", "keras_history": [names[number], 0, 0]}
        made.append({
            "module": "keras.layers", "class_name": kind, "registered_name": None,
            "name": names[number + 1], "config": {"name": names[number + 1], **values},
            "inbound_nodes": [{
                "args": [{"class_name": "__keras_tensor__", "config": tensor}], "kwargs": {},
            }],
        })  # fmt: skip
    return made


def before_the_stem(path: Path, *layers: tuple[str, dict]) -> None:
    """Put layers between the inputs of a net and its first layer."""
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    first, *rest = config["config"]["layers"]
    assert first["name"] == "features"
    last = json.dumps([f"layer_{len(layers) - 1}", 0, 0])
    rest = json.loads(json.dumps(rest).replace('["features", 0, 0]', last))
    config["config"]["layers"] = [first, *chain(*layers), *rest]
    rewrite(path, config__json=json.dumps(config).encode())


LAYERS = {
    "huge in between": (
        [
            ("RepeatVector", {"n": 16_000}),
            ("ZeroPadding1D", {"padding": [16_000, 16_000]}),
            ("UpSampling1D", {"size": 16_000}),
            ("GlobalAveragePooling1D", {}),
        ],
        r"'layer_2' makes 3\.07e\+09 numbers of each row",
    ),
    "many": ([("Activation", {"activation": "linear"})] * 2_600, "layers, and at most 2,500"),
    "a lambda": ([("Lambda", {"function": {"class_name": "__lambda__", "config": {}}})], "origin"),
    "of another module": ([("system", {})], "does not load .*source you do not trust"),
    "a user's file": ([("StringLookup", {"vocabulary": "/etc/passwd"})], "source you do not"),
}


@pytest.mark.parametrize("case", LAYERS)
def test_layers_without_weights_make_no_more_than_a_row_is_for(folder, case):
    layers, rule = LAYERS[case]
    before_the_stem(folder / NET_FILE, *layers)
    refused(folder, rule)


def test_layers_without_weights_are_read_where_they_are_few_and_small(folder):
    before_the_stem(folder / NET_FILE, ("RepeatVector", {"n": 3}), ("GlobalAveragePooling1D", {}))
    seal(folder)
    assert load_bundle(folder).model.get_layer("layer_0").n == 3


def test_answers_that_are_not_finite_are_refused(folder):
    with_weights(folder / NET_FILE, set_first(3e38))
    seal(folder)
    values = np.full((3, 4), 1e3, np.float32)
    values[1] = 0
    with pytest.raises(BundleError, match=r"answers . of 3 rows with a number .* not finite"):
        load_bundle(folder).logits(values)


def test_an_empty_file_of_a_net_says_whom_not_to_trust(folder):
    (folder / NET_FILE).write_bytes(b"")
    refused(folder, "source you do not trust")


WEIGHTS = {
    "nan": (set_first(np.nan), "not finite"),
    "infinite": (set_first(-np.inf), "not finite"),
    "declared 8 TiB": (replace(shape=(2**40,), dtype="f8"), "which lack"),
    "packed": (replace(data=ZEROS, compression="gzip"), "is packed"),
    "in pieces": (replace(data=ZEROS[:8], chunks=(4,)), "is packed"),
    "no numbers": (replace(data=np.array([b"x"] * 8)), "no plain numbers"),
    "soft link": (link(lambda file: h5py.SoftLink("/layers/dense/vars/0")), "is a link"),
    "external link": (link(lambda file: h5py.ExternalLink("/etc/hostname", "/")), "is a link"),
    "two names": (link(lambda file: file["layers/dense/vars/0"]), "another name"),
    "a circle": (link(lambda file: file["layers"]), "another name"),
    "more": (lambda file: file.create_dataset("layers/more/vars/0", data=ZEROS), "is that of"),
}


@pytest.mark.parametrize("case", WEIGHTS)
def test_weights_are_plain_finite_and_all_there(folder, case):
    change, rule = WEIGHTS[case]
    with_weights(folder / NET_FILE, change)
    refused(folder, rule)


ARCHIVES = {
    "a bomb": {"method": zipfile.ZIP_DEFLATED, "model__weights__h5": bytes(2**25)},
    "another member": {"assets/a__txt": b"x"},
    "no weights": {"model__weights__h5": None},
    "deep": {"config__json": b"[" * 50_000 + b"]" * 50_000},
    "no JSON": {"config__json": b'{"a": NaN}'},
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_members_are_the_known_ones_as_they_are(folder, case):
    rewrite(folder / NET_FILE, **ARCHIVES[case])
    refused(folder, "is packed|too many|lacks model|deeper than 256|number NaN")


def refused(folder: Path, rule: str) -> None:
    """Hold that it is refused with few words and little memory, and says what to do."""
    seal(folder)
    tracemalloc.start()
    try:
        with pytest.raises(BundleError, match=rule) as caught:
            load_bundle(folder)
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()
    assert len(str(caught.value)) < 800
    assert ";" in str(caught.value)


ARRAYS = {
    "scale": ({"scale": np.full(4, 1e300)}, "scale from 1e-30 to 1e\\+30, got .* scale 1e\\+300"),
    "small scale": ({"scale": np.full(4, 1e-300)}, "scale 1e-300"),
    "center": ({"center": np.full(4, -1e300)}, "center -1e\\+300"),
    "nan": ({"center": np.full(4, np.nan)}, "finite"),
    "cold": ({"temperature": np.array([1e-300])}, "temperature is positive, from 0.001 to 100000"),
    "hot": ({"temperature": np.array([1e300])}, "got \\[1e\\+300\\]"),
    "threshold": ({"threshold": np.array(np.nan)}, "threshold"),
    "one too many": ({"other": np.zeros(1)}, "too many"),
    "half a scaler": ({"bars_1h/center": np.zeros(1)}, "for each input"),
    "an absurd further scaler": (
        {"bars_1h/center": np.zeros(1), "bars_1h/scale": np.full(1, 1e300)},
        "feature number 0 of bars_1h",
    ),
    "whole numbers": ({"center": np.zeros(4, np.int64)}, "float64"),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_absurd_numbers_are_refused(folder, case):
    changes, rule = ARRAYS[case]
    with np.load(folder / PREPROCESSING_FILE) as file:
        arrays = dict(file) | changes
    np.savez(folder / PREPROCESSING_FILE, **arrays)
    refused(folder, rule)


def test_packed_arrays_are_refused(folder):
    with np.load(folder / PREPROCESSING_FILE) as file:
        np.savez_compressed(folder / PREPROCESSING_FILE, **dict(file))
    refused(folder, "is packed")


@pytest.mark.parametrize("name", ["config.json", "metrics.json"])
def test_deep_json_is_refused(folder, name):
    (folder / name).write_text('{"a":' * 5_000 + "1" + "}" * 5_000)
    refused(folder, f"{name} cannot be read: it nests .* deeper than 64; train again")


def test_every_weight_of_a_good_file_is_counted(folder):
    path = folder / NET_FILE
    model = read_model(path)
    states = [one for one in model.variables if one.name == "seed_generator_state"]
    assert states  # they are in no file of these layers
    weights = sum(int(np.prod(one.shape)) for one in model.variables) - 2 * len(states)
    assert check_net_file(path) == weights == 2_037


def test_names_are_compared_in_one_walk():
    """Counting each name among all took hours for as many."""
    with pytest.raises(BundleError, match="unique"):
        check_names([f"feature_{number // 2}" for number in range(200_000)])
