"""Files that a fresh process opens: exports without our code, ours after `import ultimate_deep`."""

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

WITHOUT_OURS = """
import sys, warnings
warnings.simplefilter("error")
warnings.filterwarnings("ignore", ".*__array__.*copy keyword", DeprecationWarning)
import numpy as np, tensorflow as tf
folder, root = sys.argv[1:]
x = np.load(f"{folder}/x.npy")
expected = np.load(f"{folder}/expected.npy")
loaded = tf.saved_model.load(f"{folder}/saved_model")
served = loaded.serve(x)
np.testing.assert_allclose(served, expected, rtol=1e-5, atol=1e-6)
assert loaded.serve(x[:3]).shape == (3, 1)
assert not [name for name in sys.modules if name.split(".")[0] in ("models", "ultimate_deep")]
print("served")
"""

# In the same process, after that.
WITH_OURS = """
sys.path.insert(0, root)
import keras
from ultimate_deep import models
for suffix in ("keras", "h5"):
    for compiled in (True, False):
        model = keras.models.load_model(f"{folder}/model.{suffix}", compile=compiled)
        assert np.array_equal(model(x), expected), suffix
        assert model.compiled == compiled
        if compiled:
            assert int(model.optimizer.iterations.numpy()) == 6
print("loaded")
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


@pytest.fixture(scope="module")
def said(folder, tmp_path_factory):
    """What a fresh process says, first without our code and then with it."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_OURS + WITH_OURS, str(folder), str(ROOT)],
        cwd=tmp_path_factory.mktemp("elsewhere"),
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


def test_a_fresh_process_loads_both_formats_and_goes_on_alike(said):
    assert said.returncode == 0, said.stderr
    assert "loaded" in said.stdout


def test_an_export_serves_without_our_code(said):
    assert "served" in said.stdout, said.stderr
