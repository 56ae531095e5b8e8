"""Any depth, with Python's recursion limit near the floor: files, copies, tables."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from ultimate_deep.models.layers import ResidualStack
from ultimate_deep.models.surgery.describe import count_layers, describe_architecture

ROOT = Path(__file__).resolve().parents[3]

# A net of five blocks fails at a limit of 100: Keras and TensorFlow need as much themselves.
STACKED = """
import json
import numpy as np, keras
from ultimate_deep.models.surgery.describe import count_layers, describe_architecture
from ultimate_deep.models.surgery.grow import grow
from ultimate_deep.models.nets.ultimate import UltimateConfig, build_ultimate

sys.setrecursionlimit(180)
x = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")
config = UltimateConfig(
    width=8, res_blocks_per_unit=(blocks // 2,) * 2, dense_blocks_per_unit=(2,), growth_rate=4
)
model = build_ultimate({"features": (6,)}, config=config)
expected = model.predict(x, verbose=0)
for suffix in ("keras", "h5"):
    model.save(f"{folder}/model.{suffix}")
    loaded = keras.models.load_model(f"{folder}/model.{suffix}")
    assert np.array_equal(loaded.predict(x, verbose=0), expected), suffix
for other in (
    keras.models.clone_model(model),
    keras.Model.from_config(json.loads(json.dumps(model.get_config()))),
):
    assert json.dumps(other.get_config()) == json.dumps(model.get_config())
    other.set_weights(model.get_weights())
assert grow(model, blocks).get_layer("residual_stack").blocks == 2 * blocks
lines = []
model.summary(print_fn=lambda text, **options: lines.append(text), expand_nested=True)
assert "residual_stack" in "".join(lines)
table = describe_architecture(model)
assert (table["unit"] == "res_unit_02").sum() == 2 * blocks
assert count_layers(model).weighted == len(table)
"""

UNROLLED = """
import numpy as np, keras
from ultimate_deep.models.layers import ResidualStack
from ultimate_deep.models.surgery.unrolled import unrolled

# Each block has nine layers in a row: recursion over this many would need nine times the blocks.
sys.setrecursionlimit(180)
inputs = keras.Input((4,))
stack = ResidualStack((blocks,), dropout_rate=0.1)
model = keras.Model(inputs, stack(inputs))
plain = unrolled(model)
x = np.random.default_rng(0).normal(size=(4, 4)).astype("float32")
expected = plain(x)
assert np.allclose(expected, model(x), rtol=1e-4, atol=1e-5)
plain.save(f"{folder}/plain.h5")
assert np.array_equal(keras.models.load_model(f"{folder}/plain.h5")(x), expected)
"""

# 26 blocks unrolled are 234 layers.
PROGRAMS = {"stacked": (STACKED, 10_000), "unrolled": (UNROLLED, 26)}

# One process for both programs: each sets its own limit, and none stops the other.
RUNNER = """
import json, sys, traceback
folder, limit = sys.argv[1], sys.getrecursionlimit()
for name, (program, blocks) in json.loads(sys.argv[2]).items():
    try:
        exec(program, {"sys": sys, "folder": folder, "blocks": blocks})
    except BaseException:
        sys.setrecursionlimit(limit)
        traceback.print_exc()
    else:
        print(name, "as deep as asked")
    sys.setrecursionlimit(limit)
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """What the programs printed, and what went wrong."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONPATH": str(ROOT)}
    folder = str(tmp_path_factory.mktemp("depth"))
    return subprocess.run(
        [sys.executable, "-c", RUNNER, folder, json.dumps(PROGRAMS)],
        env=environment, capture_output=True, text=True, timeout=800, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_ten_thousand_blocks_do_all_that_ten_do_without_recursion(finished):
    assert "stacked as deep as asked" in finished.stdout, finished.stderr[-3000:]


@pytest.mark.slow
def test_unrolled_blocks_beyond_the_recursion_limit(finished):
    assert "unrolled as deep as asked" in finished.stdout, finished.stderr[-3000:]


def test_a_hundred_thousand_blocks_are_described_layer_by_layer():
    inputs = keras.Input((2,))
    model = keras.Model(inputs, ResidualStack((60_000, 40_000), name="deep")(inputs))
    table = describe_architecture(model)
    counts = count_layers(model)
    assert len(table) == counts.weighted == 400_000
    assert counts.matrix_products == (table["kind"] == "dense").sum() == 200_000
    assert table["parameters"].sum() == counts.parameters == model.count_params()
    assert table["name"].is_unique
    last = table.iloc[-1]
    assert (last["unit"], last["block"]) == ("deep_unit_02", 40_000)
    assert (last["name"], last["shape"]) == ("deep_unit_02_block_40000_dense_2", (2, 2))
