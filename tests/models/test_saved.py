"""Files that a fresh process can open: ours after `import models`, exports without it."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from ultimate_deep import models
from ultimate_deep.models.nets.ultimate import UltimateConfig

ROOT = Path(__file__).resolve().parents[2]
CONFIG = UltimateConfig(
    width=8, res_blocks_per_unit=(3, 2), dense_blocks_per_unit=(2, 1), growth_rate=4
)

WITH_OURS = """
import sys, warnings
warnings.simplefilter("error")
warnings.filterwarnings("ignore", ".*__array__.*copy keyword", DeprecationWarning)
import numpy as np, keras
from ultimate_deep import models
folder = sys.argv[1]
x = np.load(f"{folder}/x.npy")
expected = np.load(f"{folder}/expected.npy")
for suffix in ("keras", "h5"):
    for compiled in (True, False):
        model = keras.models.load_model(f"{folder}/model.{suffix}", compile=compiled)
        assert np.array_equal(model(x), expected), suffix
        assert model.compiled == compiled
        if compiled:
            assert int(model.optimizer.iterations.numpy()) == 6
print("loaded")
"""

WITHOUT_OURS = """
import sys
import numpy as np, tensorflow as tf
folder = sys.argv[1]
x = np.load(f"{folder}/x.npy")
loaded = tf.saved_model.load(f"{folder}/saved_model")
served = loaded.serve(x)
np.testing.assert_allclose(served, np.load(f"{folder}/expected.npy"), rtol=1e-5, atol=1e-6)
assert loaded.serve(x[:3]).shape == (3, 1)
assert "models" not in sys.modules
print("served")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A trained model in every format, its predictions."""
    folder = tmp_path_factory.mktemp("saved")
    x = np.random.default_rng(0).normal(size=(11, 6)).astype("float32")
    model = models.build_model("ultimate", {"features": (6,)}, config=CONFIG)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    optimizer = keras.optimizers.AdamW(1e-2)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer=optimizer, loss=loss)
    model.fit(x, np.ones((len(x), 1)), batch_size=4, epochs=2, verbose=0)
    np.save(folder / "x.npy", x)
    np.save(folder / "expected.npy", model(x))
    model.save(folder / "model.keras")
    model.save(folder / "model.h5")
    model.export(folder / "saved_model", verbose=False)
    return folder


def run(code, folder, cwd):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    if cwd == ROOT:
        environment["PYTHONPATH"] = str(ROOT)
    result = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        cwd=cwd, env=environment, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result


def test_a_fresh_process_loads_both_formats_and_goes_on_alike(folder):
    assert "loaded" in run(WITH_OURS, folder, ROOT).stdout


def test_an_export_serves_without_our_code(folder, tmp_path):
    assert "served" in run(WITHOUT_OURS, folder, tmp_path).stdout
