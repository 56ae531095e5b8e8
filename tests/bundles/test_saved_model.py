"""What a bundle promises to people who do not have this program, in processes of their own."""

import io
import json
import os
import pickle
import subprocess
import sys
import sysconfig
import textwrap
import warnings
from pathlib import Path

import joblib
import keras
import numpy as np
import pandas as pd
import pytest

from ultimate_deep.bundles.bundle import load_bundle
from ultimate_deep.bundles.contents import BundleContents
from ultimate_deep.bundles.saved_model import compile_logits, quiet_saving
from ultimate_deep.bundles.writing import save_bundle
from ultimate_deep.models.heads import Heads
from ultimate_deep.models.registry import build_model, config_class
from ultimate_deep.pipeline.scaling import fit_scaler

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "ultimate_deep_advanced"
FEATURES = 11
OPTIONS = {
    "linear": {},
    "mlp": {"hidden_widths": (16,), "normalization": "batch", "precision": "mixed_bfloat16"},
    "stack": {"blocks": 2, "width": 8, "members": 3, "member_widths": (6,)},
    "ultimate": {
        "width": 8,
        "res_blocks_per_unit": (3, 3),
        "dense_blocks_per_unit": (2,),
        "growth_rate": 4,
        "attention_heads": 2,
    },
}

# A stranger's notebook: TensorFlow, joblib and NumPy. `-I -S` keeps our installation, which is
# found through a `.pth` file or not at all, out of its path.
STRANGER = """
    import importlib.util, json, pathlib, sys
    here, site_packages, folders = pathlib.Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
    sys.path[:0] = [str(here), *json.loads(site_packages)]
    import models
    assert models.OWNER == "stranger" and pathlib.Path(models.__file__).parent.parent == here
    assert importlib.util.find_spec("ultimate_deep") is None, "our packages are importable"
    import joblib, numpy as np, tensorflow as tf
    worst = {}
    for name, folder in folders.items():
        folder = pathlib.Path(folder)
        stored = np.load(folder.parent / f"{name}.npz")
        scaler = joblib.load(folder / "ultimate_deep_advanced_scaler.pkl")
        threshold = joblib.load(folder / "ultimate_deep_advanced_threshold.pkl")
        net = tf.saved_model.load(str(folder / "saved_model"))
        scaled = scaler.transform(stored["values"][:256])  # the batch that predictions ran in
        out = net.serve(scaled)
        again = net.signatures["serving_default"](features=tf.constant(scaled))
        assert type(threshold) is float and threshold == stored["threshold"]
        assert out.keys() == {"logits", "probability"} == again.keys()
        assert all(value.dtype == tf.float32 for value in out.values())
        assert net.serve(scaled[:1])["logits"].shape == stored["logits"][:1].shape
        for key in out:
            assert np.array_equal(out[key], again[key])
            worst[f"{name} {key}"] = float(np.abs(out[key].numpy() - stored[key][:256]).max())
    print(json.dumps(worst))
"""

# Then our own user, who imports `models` and loads as Keras' manual says.
OURS = """
    import json, pathlib, sys
    assert not [name for name in sys.modules if name.split(".")[0] == "ultimate_deep"]
    sys.path.insert(0, sys.argv[4])
    import keras, numpy as np
    from ultimate_deep import models
    worst = {}
    for name, folder in json.loads(sys.argv[3]).items():
        folder = pathlib.Path(folder)
        stored = np.load(folder.parent / f"{name}.npz")
        for kind in ("keras", "h5"):
            net = keras.models.load_model(folder / f"ultimate_deep_advanced_model.{kind}")
            logits = net.predict_on_batch(stored["scaled"][:256])
            worst[f"{name} {kind}"] = float(np.abs(logits - stored["logits"][:256]).max())
    print(json.dumps(worst))
"""


def shaken(name: str) -> keras.Model:
    """A net whose every weight differs from its start, so that none can be lost unseen."""
    config = config_class(name)(seed=5, **OPTIONS[name])
    model = build_model(name, {"features": (FEATURES,)}, Heads(horizons=2), config)
    rng = np.random.default_rng(6)
    for variable in model.weights:
        if "seed_generator" not in variable.path:
            noise = np.abs(rng.normal(0.0, 0.1, variable.shape))
            variable.assign(variable + noise.astype(np.float32))
    return model


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, str]:
    """Bundles by model name; beside each, inputs and the predictions of this process."""
    root = tmp_path_factory.mktemp("bundles")
    rng = np.random.default_rng(7)
    values = (rng.standard_t(3, (300, FEATURES)) * 50.0 + 10.0).astype(np.float32)
    scaler = fit_scaler(values, np.arange(200))
    for name in OPTIONS:
        contents = BundleContents(
            model=shaken(name),
            feature_names=[f"feature_{i}" for i in range(FEATURES)],
            families=["family"] * FEATURES,
            scaler=scaler,
            temperature=(1.7, 0.8),
            threshold=0.5625,
            config={},
            metrics={},
            history={"loss": [0.7]},
            architecture=pd.DataFrame({"layer": [name]}),
            data_fingerprint="f" * 64,
        )
        save_bundle(root / name, contents)
        bundle = load_bundle(root / name)
        np.savez(
            root / f"{name}.npz",
            values=values,
            scaled=bundle.scaler.transform(values),
            logits=bundle.logits(values),
            probability=bundle.probability(values),
            threshold=bundle.threshold,
        )
    return {name: str(root / name) for name in OPTIONS}


@pytest.fixture(scope="module")
def told(folders, tmp_path_factory) -> list[dict[str, float]]:
    """What a stranger finds in a new process, and what our user finds there after that."""
    here = tmp_path_factory.mktemp("stranger")
    (here / "models").mkdir()
    (here / "models" / "__init__.py").write_text("OWNER = 'stranger'\n")
    paths = sysconfig.get_paths()
    site_packages = json.dumps(sorted({paths["purelib"], paths["platlib"]}))
    program = textwrap.dedent(STRANGER) + textwrap.dedent(OURS)
    arguments = [str(here), site_packages, json.dumps(folders), str(ROOT)]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, *arguments],
        cwd=here,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads(line) for line in done.stdout.splitlines()[-2:]]


@pytest.mark.slow
def test_strangers_reproduce_the_predictions(told):
    worst = told[0]
    assert worst.keys() == {f"{n} {k}" for n in OPTIONS for k in ("logits", "probability")}
    probability = {key: value for key, value in worst.items() if "probability" in key}
    assert max(probability.values()) <= 1e-6, worst
    # Logits reach a few units, of which float32 keeps seven digits.
    assert max(worst.values()) <= 1e-5, worst


@pytest.mark.slow
def test_keras_and_h5_load_in_a_new_process(told):
    worst = told[1]
    assert worst.keys() == {f"{name} {kind}" for name in OPTIONS for kind in ("keras", "h5")}
    assert max(worst.values()) <= 1e-5, worst  # as above; the same batches, so bfloat16 too


class Recorder(pickle.Unpickler):
    """Notes the package of every class that a pickle names."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))
        self.packages: set[str] = set()

    def find_class(self, module, name):
        self.packages.add(module.split(".")[0])
        return super().find_class(module, name)


@pytest.mark.parametrize(
    ("kind", "packages"), [("scaler", {"sklearn", "numpy"}), ("threshold", set())]
)
def test_pickles_name_nothing_but_public_libraries(folders, kind, packages):
    path = Path(folders["mlp"]) / f"{PREFIX}_{kind}.pkl"
    recorder = Recorder(pickle.dumps(joblib.load(path)))
    recorder.load()
    assert recorder.packages == packages
    assert b"training" not in path.read_bytes()


def test_probability_is_calibrated_per_horizon(folders):
    stored = np.load(Path(folders["linear"]).parent / "linear.npz")
    expected = 1 / (1 + np.exp(-stored["logits"].astype(np.float64) / [1.7, 0.8]))
    np.testing.assert_allclose(stored["probability"], expected, rtol=1e-14)
    assert 0.05 < stored["probability"].std() < 0.5


def test_models_are_saved_without_the_optimizer(folders):
    model = keras.models.load_model(Path(folders["mlp"]) / f"{PREFIX}_model.keras")
    assert not model.compiled


def test_saving_survives_warnings_as_errors(tmp_path):
    model = shaken("linear")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with quiet_saving():
            model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for before, after in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(before.numpy(), after.numpy())


@pytest.mark.parametrize("batch_rows", [1, 64, 512])
def test_compiled_logits_equal_the_model(batch_rows):
    model = shaken("linear")
    scaled = np.random.default_rng(0).normal(size=(130, FEATURES)).astype(np.float32)
    found = compile_logits(model, batch_rows=batch_rows)(scaled)
    np.testing.assert_allclose(found, model(scaled).numpy(), atol=1e-5)  # float32, other order


def test_no_batch_is_refused():
    with pytest.raises(ValueError, match="batch_rows is at least 1, got 0"):
        compile_logits(shaken("linear"), batch_rows=0)
