"""Plain deep nets, residual nets for tables and the one-layer control, against their formulas."""

import dataclasses

import keras
import numpy as np
import pytest

from ultimate_deep import models
from ultimate_deep.models.nets.resnet_tabular import ResnetTabularConfig
from ultimate_deep.models.nets.sequential_deep import SequentialDeepConfig
from ultimate_deep.models.registry import preset_config
from ultimate_deep.models.surgery.describe import count_layers

INPUTS = {"features": (6,)}
ROWS = 5


def features(rows=ROWS):
    return np.random.default_rng(1).normal(size=(rows, 6)).astype("float32")


def filled(model):
    """Give norms and biases values of their own, so that leaving one out would show."""
    rng = np.random.default_rng(2)
    for weight in model.weights:
        if weight.name != "kernel":
            weight.assign(rng.uniform(0.5, 1.5, size=weight.shape).astype("float32"))
    return {weight.path: weight.numpy().astype(np.float64) for weight in model.weights}


def dense(w, name, x):
    return x @ w[f"{name}/kernel"] + w.get(f"{name}/bias", 0.0)


def batch_norm(w, name, x):
    root = np.sqrt(w[f"{name}/moving_variance"] + 1e-3)
    return (x - w[f"{name}/moving_mean"]) / root * w[f"{name}/gamma"] + w[f"{name}/beta"]


def test_resnet_tabular_is_its_formula():
    config = ResnetTabularConfig(blocks=2, width=4, hidden_factor=1.5)
    model = models.build_model("resnet_tabular", INPUTS, config=config)
    w, x = filled(model), features()
    carry = dense(w, "stem", x)
    for name in ("block_01", "block_02"):
        hidden = np.maximum(dense(w, f"{name}_dense_1", batch_norm(w, f"{name}_norm", carry)), 0)
        assert hidden.shape == (ROWS, 6)
        carry = carry + dense(w, f"{name}_dense_2", hidden)
    expected = dense(w, "logits", np.maximum(batch_norm(w, "head_norm", carry), 0))
    np.testing.assert_allclose(model(x), expected, rtol=1e-4, atol=1e-5)


def test_one_layer_is_its_formula():
    model = models.build_model("one_layer", INPUTS)
    w, x = filled(model), features()
    expected = dense(w, "logits", np.maximum(dense(w, "hidden", x), 0))
    np.testing.assert_allclose(model(x), expected, rtol=1e-4, atol=1e-5)
    assert count_layers(model).matrix_products == 2


@pytest.mark.parametrize(
    ("preset", "layers"), [("plain_75", 75), ("plain_800", 800), ("plain_1000", 1_000)]
)
def test_plain_presets_have_exactly_their_layers(preset, layers):
    model = models.build_model(
        "sequential_deep", INPUTS, config=preset_config("sequential_deep", preset)
    )
    assert count_layers(model).weighted == layers
    # Weights are stacked: their number does not grow with depth.
    assert len(model.trainable_variables) <= 16


@pytest.mark.parametrize("layers", [7, 8, 9, 10, 11])
def test_any_number_of_plain_layers_is_met(layers):
    config = SequentialDeepConfig(layers=layers, width=4)
    assert (
        count_layers(models.build_model("sequential_deep", INPUTS, config=config)).weighted
        == layers
    )
    with pytest.raises(ValueError, match="layers must be at least 7"):
        SequentialDeepConfig(layers=6)


def test_a_plain_net_is_its_formula():
    config = SequentialDeepConfig(layers=14, width=4)
    model = models.build_model("sequential_deep", INPUTS, config=config)
    w, x = filled(model), features()

    def norm(x, scale, offset):
        x = x - x.mean(axis=-1, keepdims=True)
        return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-5) * scale + offset

    x = elu(norm(dense(w, "stem", x), w["first_norm/gamma"], w["first_norm/beta"]))
    x = dense(w, "first_dense", x)
    stack = {name.removeprefix("plain_stack/"): value for name, value in w.items()}
    for block in range(config.blocks):
        for half in (1, 2):
            scale, offset = stack[f"norm_{half}_scale"][block], stack[f"norm_{half}_offset"][block]
            x = elu(norm(x, scale, offset)) @ stack[f"dense_{half}_kernel"][block]
            x = x + stack[f"dense_{half}_bias"][block]
    x = dense(w, "last_dense", norm(x, w["last_norm/gamma"], w["last_norm/beta"]))
    expected = dense(w, "logits", elu(x))
    np.testing.assert_allclose(model(features()), expected, rtol=2e-4, atol=1e-4)


def elu(x):
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


ACTIVATIONS = {
    "elu": (elu, lambda x: np.where(x > 0, 1, np.exp(np.minimum(x, 0)))),
    "relu": (lambda x: np.maximum(x, 0), lambda x: (x > 0).astype(float)),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
}


def through_depth(activation, layers):
    """Correlation of rows at the end of a new plain net, and how much the gradient grew."""
    config = SequentialDeepConfig(layers=layers, activation=activation)
    model = models.build_model("sequential_deep", INPUTS, config=config)
    stack = model.get_layer("plain_stack")
    kernels = np.stack([stack.dense_1_kernel.numpy(), stack.dense_2_kernel.numpy()], axis=1)
    function, slope = ACTIVATIONS[activation]
    x = features(32).astype(float) @ model.get_layer("stem").kernel.numpy()
    states = []
    for kernel in kernels.reshape(-1, 64, 64).astype(float):
        x = x - x.mean(axis=-1, keepdims=True)
        factor = 1 / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-5)
        states.append((x * factor, factor, kernel))
        x = function(x * factor) @ kernel
    upstream = gradient = np.random.default_rng(0).normal(size=x.shape)
    for normed, factor, kernel in states[::-1]:
        gradient = (gradient @ kernel.T) * slope(normed)
        along = normed * (gradient * normed).mean(axis=-1, keepdims=True)
        gradient = factor * (gradient - gradient.mean(axis=-1, keepdims=True) - along)
    alike = np.corrcoef(x)[np.triu_indices(32, 1)].mean()
    return alike, np.linalg.norm(gradient) / np.linalg.norm(upstream)


def test_the_default_activation_carries_a_signal_through_75_and_800_layers():
    found = {(kind, n): through_depth(kind, n) for kind in ACTIVATIONS for n in (75, 800)}
    assert found["elu", 75][0] < 0.9 < found["relu", 75][0]
    assert found["elu", 800][0] < 0.9995 < found["relu", 800][0]
    assert 1 < found["elu", 75][1] < 20
    assert 1 < found["elu", 800][1] < 1e5
    assert found["tanh", 800][1] > 1e10


def test_every_weight_moves_under_every_norm():
    for name, norm in (
        ("resnet_tabular", "layer"),
        ("resnet_tabular", "rms"),
        ("sequential_deep", "batch"),
        ("sequential_deep", "rms"),
    ):
        config = dataclasses.replace(preset_config(name, "tiny"), normalization=norm)
        model = models.build_model(name, INPUTS, config=config)
        model.compile(keras.optimizers.Adam(1e-2), "mean_squared_error", run_eagerly=True)
        before = [weight.numpy().copy() for weight in model.weights]
        for _ in range(3):
            model.train_on_batch(features(8), np.ones((8, 1), "float32"))
        moved = [
            np.any(weight.numpy() != b) for weight, b in zip(model.weights, before, strict=True)
        ]
        assert all(moved), f"{name} {norm}"
