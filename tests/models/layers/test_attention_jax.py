"""Transformers on JAX against TensorFlow with the same weights, and the memory of attention."""

import importlib.util
import json

import numpy as np
import pytest

from ultimate_deep import models
from ultimate_deep.models.registry import config_class

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("jax") is None,
        reason="JAX is absent: pip install ultimate-deep[jax]",
    ),
    pytest.mark.slow,
]

STEPPED = (0, 3)  # experts and chunks; several timeframes
TINY = {"layers": 1, "width": 8, "attention_heads": 2, "dropout_rate": 0.0}
CASES = [
    ("transformer", {**TINY, "attention": "chunked", "chunk_bars": 5, "feed_forward": "experts"}),
    ("transformer", {**TINY, "attention": "multi_scale", "positions": "learned"}),
    ("multi_head_predictor", {**TINY, "horizon_heads": 2, "positions": "sinusoidal"}),
    ("cross_timeframe_transformer", TINY),
    ("patch_transformer", {**TINY, "channel_independent": True}),
]


def case(number):
    """A model with its inputs."""
    name, fields = CASES[number]
    shapes = {"bars": (12, 3)} | ({"bars_4x": (6, 2)} if name.startswith("cross") else {})
    rng = np.random.default_rng(number)
    x = {key: rng.normal(size=(4, *shape)).astype("float32") for key, shape in shapes.items()}
    return models.build_model(name, shapes, config=config_class(name)(**fields)), x


@pytest.fixture(scope="module")
def both(tmp_path_factory, on_jax):
    """Predictions of TensorFlow, and what the JAX process found."""
    folder = tmp_path_factory.mktemp("jax")
    arrays, ours = {}, []
    for number in range(len(CASES)):
        model, x = case(number)
        arrays |= {f"{number}/x/{key}": value for key, value in x.items()}
        arrays |= {f"{number}/w/{i}": weight for i, weight in enumerate(model.get_weights())}
        ours.append(model(x if len(x) > 1 else x["bars"]).numpy())
    files = [folder / name for name in ("cases.json", "cases.npz", "results.npz")]
    files[0].write_text(json.dumps(CASES))
    np.savez(files[1], **arrays)
    on_jax("attention_jax_worker.py", *files)()
    with np.load(files[2]) as results:
        return ours, dict(results)


@pytest.mark.parametrize("number", range(len(CASES)))
def test_jax_predicts_what_tensorflow_predicts_and_takes_steps(both, number):
    ours, theirs = both
    np.testing.assert_allclose(theirs[str(number)], ours[number], atol=1e-4)
    if number in STEPPED:
        assert np.isfinite(theirs[f"{number}/loss"])


def test_chunks_need_a_fraction_of_the_whole_map(both):
    full, chunked = (int(both[1][f"bytes/{kind}"]) for kind in ("full", "chunked"))
    # One map of two heads is 2 * 2048**2 floats; a chunk is a sixteenth of it.
    assert full > 2 * 2048**2 * 4
    assert chunked < full / 4


def test_no_flash_on_a_processor(both):
    assert not both[1]["flash"]
