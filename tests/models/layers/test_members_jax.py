"""Nets with members on JAX against TensorFlow: same weights and seeds, same draws and answers."""

import importlib.util
import json

import numpy as np
import pytest

from ultimate_deep import models
from ultimate_deep.models.registry import config_class
from ultimate_deep.models.surgery.readings import training_readings

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("jax") is None,
        reason="JAX is absent: pip install ultimate-deep[jax]",
    ),
    pytest.mark.slow,
]

ROWS, FEATURES = 5, 6
STACK = {"blocks": 2, "width": 8, "members": 3, "member_widths": (7,)}
CASES = [
    ("tabm", {"members": 3, "hidden_widths": (8, 4), "dropout_rate": 0.2}),
    ("stack", STACK),
    ("stack", {**STACK, "members_in_stack": "mean"}),
]


def model_of(name, fields):
    return models.build_model(name, {"features": (FEATURES,)}, config=config_class(name)(**fields))


@pytest.fixture(scope="module")
def both(tmp_path_factory, on_jax):
    """Answers and readings of TensorFlow, and what the JAX process found."""
    folder = tmp_path_factory.mktemp("jax")
    x = np.random.default_rng(0).normal(size=(ROWS, FEATURES)).astype("float32")
    arrays, ours = {"x": x}, {}
    for number, case in enumerate(CASES):
        model = model_of(*case)
        arrays |= {f"{number}/{i}": weight for i, weight in enumerate(model.get_weights())}
        ours[f"{number}/answers"] = model(x).numpy()
        for key, value in training_readings(model).model(x, training=True).items():
            ours[f"{number}/{key}"] = value.numpy()
    files = [folder / name for name in ("cases.json", "cases.npz", "results.npz")]
    files[0].write_text(json.dumps(CASES))
    np.savez(files[1], **arrays)
    on_jax("members_jax_worker.py", *files)()
    with np.load(files[2]) as results:
        return ours, dict(results)


@pytest.mark.parametrize("number", range(len(CASES)))
def test_jax_answers_drops_and_draws_what_tensorflow_does(both, number):
    ours, theirs = (
        {k: v for k, v in found.items() if k.startswith(f"{number}/")} for found in both
    )
    assert set(theirs) == set(ours) | {f"{number}/loss"}
    assert len(ours) == (2 if number == 0 else 3)
    for name, value in ours.items():
        np.testing.assert_allclose(theirs[name], value, atol=1e-4, err_msg=name)
    assert np.isfinite(theirs[f"{number}/loss"])
