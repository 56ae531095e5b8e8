"""Stacks on JAX against TensorFlow: same weights and seed, same outputs and gradients."""

import importlib.util
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from ultimate_deep.models import layers

ROWS, TIME, WIDTH, UNITS = 5, 4, 6, [2, 1, 2]

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("jax") is None,
        reason="JAX is absent: pip install ultimate-deep[jax]",
    ),
    pytest.mark.slow,
]

# Every coupling, memory and normalization, masks on.
CASES = {
    "residual store layer": ("ResidualStack", {}),
    "residual checkpoint batch": (
        "ResidualStack",
        {"memory": "checkpoint", "normalization": "batch", "residual_scaling": "fixup"},
    ),
    "none checkpoint rms": (
        "ResidualStack",
        {
            "coupling": "none",
            "memory": "checkpoint",
            "normalization": "rms",
            "residual_scaling": "none",
            "stochastic_depth": 0.0,
        },
    ),
    "additive reversible batch": (
        "ResidualStack",
        {"coupling": "additive", "memory": "reversible", "normalization": "batch"},
    ),
    "additive exact store": ("ResidualStack", {"coupling": "additive", "exact": True}),
    "additive exact reversible": (
        "ResidualStack",
        {"coupling": "additive", "exact": True, "memory": "reversible"},
    ),
    "attention checkpoint deepnorm": (
        "AttentionStack",
        {"heads": 2, "memory": "checkpoint", "residual_scaling": "deepnorm", "causal": True},
    ),
    "attention additive reversible": (
        "AttentionStack",
        {"heads": 2, "coupling": "additive", "memory": "reversible", "normalization": "rms"},
    ),
}


def built(kind, options):
    """A layer with random weights, so that no gradient is zero or one by accident."""
    defaults = {"dropout_rate": 0.3, "stochastic_depth": 0.4, "activation": "gelu"}
    layer = getattr(layers, kind)(blocks_per_unit=UNITS, **{**defaults, **options})
    layer.build((None, *shape_of(kind)[1:]))
    rng = np.random.default_rng(1)
    for weight in layer.weights:
        noise = rng.normal(size=weight.shape, scale=0.3)
        moving = "moving_variance" in weight.name
        weight.assign(np.abs(noise) + 0.5 if moving else ops.convert_to_numpy(weight) + noise)
    layer.seed_generator.state.assign([7, 0])
    return layer


def shape_of(kind):
    return (ROWS, TIME, WIDTH) if kind == "AttentionStack" else (ROWS, WIDTH)


def outputs_and_gradients(layer, x, upstream):
    with tf.GradientTape() as tape:
        x = tf.constant(x)
        tape.watch(x)
        y = layer(x, training=True)
        loss = tf.reduce_sum(y * upstream)
    variables = [weight.value for weight in layer.trainable_weights]
    gradients = tape.gradient(loss, [x, *variables])
    names = ["input", *(weight.name for weight in layer.trainable_weights)]
    named = {f"gradient/{n}": g.numpy() for n, g in zip(names, gradients, strict=True)}
    moved = {f"moved/{w.name}": w.numpy() for w in layer.weights if "moving" in w.name}
    return {"output": y.numpy(), **named, **moved}


def random_case(kind, options):
    """A layer, an input and the gradient of its output."""
    rng, shape = np.random.default_rng(2), shape_of(kind)
    x = rng.normal(size=shape).astype("float32")
    upstream = rng.normal(size=(ROWS, len(UNITS), *shape[1:])).astype("float32")
    return built(kind, options), x, upstream


@pytest.fixture(scope="module")
def both(tmp_path_factory, on_jax):
    """Results by case, of TensorFlow and of the JAX process that runs beside it."""
    folder = tmp_path_factory.mktemp("jax")
    cases = {name: random_case(kind, options) for name, (kind, options) in CASES.items()}
    specified = [(type(layer).__name__, layer.get_config()) for layer, _, _ in cases.values()]
    arrays = {}
    for number, (layer, x, upstream) in enumerate(cases.values()):
        given = {"x": x, "upstream": upstream, **{w.name: w.numpy() for w in layer.weights}}
        arrays.update({f"{number}/{key}": value for key, value in given.items()})
    files = [folder / name for name in ("cases.json", "cases.npz", "results.npz")]
    files[0].write_text(json.dumps(specified))
    np.savez(files[1], **arrays)
    wait = on_jax("run_on_jax.py", *files)
    ours = {name: outputs_and_gradients(*case) for name, case in cases.items()}
    wait()
    with np.load(files[2]) as results:
        found = dict(results)
    theirs = {name: part(found, f"{number}/") for number, name in enumerate(CASES)}
    return ours, theirs, part(found, "fit/")


def part(values, prefix):
    return {k.removeprefix(prefix): v for k, v in values.items() if k.startswith(prefix)}


@pytest.mark.parametrize("case", CASES)
def test_jax_computes_what_tensorflow_computes(both, case):
    ours, theirs = both[0][case], both[1][case]
    assert set(theirs) == set(ours)
    # Rounding of five blocks, of the largest number; with the grid, one step of it.
    tolerance = 1e-4 if "exact" in case else 2e-5
    for name, value in ours.items():
        error = np.max(np.abs(theirs[name] - value)) / np.max(np.abs(value))
        assert error < tolerance, (name, error)


def test_exact_mode_has_the_same_bits_on_jax(both):
    store, reversible = (both[1][f"additive exact {mode}"] for mode in ("store", "reversible"))
    for name, value in store.items():
        np.testing.assert_array_equal(reversible[name], value)


def test_fit_on_jax_learns_and_memory_modes_agree(both):
    fit = both[2]
    store = fit["store/losses"]
    assert np.all(np.isfinite(store))
    assert store[-1] < 0.9 * store[0]
    for memory in ("checkpoint", "reversible"):
        # Twelve steps of Adam on gradients that differ by rounding.
        np.testing.assert_allclose(fit[f"{memory}/losses"], store, rtol=1e-4)
    np.testing.assert_allclose(fit["store/eager"], fit["store/predicted"], rtol=1e-4, atol=1e-6)


def test_a_backend_without_loops_is_refused_with_the_remedy(monkeypatch):
    layer = built("ResidualStack", {})
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(NotImplementedError, match=r"tensorflow, jax.*\[jax\].*unrolled"):
        layer(np.zeros((2, WIDTH), "float32"))
