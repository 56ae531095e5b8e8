"""Every loss against its NumPy twin, at extreme logits, and with shapes that do not match."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit

from ultimate_deep.training.losses.cross_entropy import cross_entropy, cross_entropy_numpy
from ultimate_deep.training.losses.focal import focal_loss
from ultimate_deep.training.losses.loss_config import NAMES, LossConfig
from ultimate_deep.training.losses.multi_horizon import horizon_weighted, mean_one
from ultimate_deep.training.losses.outputs import HeadShapes, head_shapes
from ultimate_deep.training.losses.quantile import pinball_loss
from ultimate_deep.training.losses.registry import LOSSES, build_loss
from ultimate_deep.training.losses.smoothed_cross_entropy import (
    smoothed_cross_entropy,
    smoothed_cross_entropy_numpy,
)
from ultimate_deep.training.losses.trading import trading_loss
from ultimate_deep.training.losses.uncertainty import uncertainty_loss

ROWS, HORIZONS = 40, 2
LEVELS = (0.1, 0.5, 0.9)

TWO = HeadShapes(horizons=HORIZONS)
THREE = HeadShapes(horizons=HORIZONS, classes=3)
NOISY = HeadShapes(horizons=HORIZONS, log_variance=True)
QUANTILES = HeadShapes(horizons=HORIZONS, classes=0, levels=3)
ALL = HeadShapes(horizons=HORIZONS, levels=3, log_variance=True)

CASES = {
    "cross_entropy": (LossConfig(), TWO),
    "cross_entropy of three": (LossConfig(), THREE),
    "focal": (LossConfig(name="focal"), TWO),
    "focal of three": (LossConfig(name="focal", gamma=0.5), THREE),
    "smoothed_cross_entropy": (LossConfig(name="smoothed_cross_entropy"), TWO),
    "smoothed_cross_entropy of three": (LossConfig(name="smoothed_cross_entropy"), THREE),
    "multi_horizon": (LossConfig(name="multi_horizon", horizon_weights=(1.0, 3.0)), TWO),
    "multi_horizon+focal": (
        LossConfig(name="multi_horizon", of="focal", gamma=1.0, horizon_weights=(0.0, 2.0)),
        TWO,
    ),
    "trading": (LossConfig(name="trading", cost_bps=5.0), TWO),
    "trading of three": (LossConfig(name="trading", cost_bps=5.0, direction_penalty=2.0), THREE),
    "uncertainty": (LossConfig(name="uncertainty"), NOISY),
    "quantile": (LossConfig(name="quantile"), QUANTILES),
    "quantile+focal": (
        LossConfig(name="quantile", of="focal", quantile_weight=0.5),
        HeadShapes(horizons=HORIZONS, classes=3, levels=3),
    ),
    "quantile+uncertainty": (LossConfig(name="quantile"), ALL),
}


def draw(heads, *, scale=3.0, seed=0):
    """Targets and outputs of a model with these heads, one label in five flat."""
    draws = np.random.default_rng(seed)
    shape = (ROWS, HORIZONS)
    returns = draws.normal(size=shape).astype(np.float32) * 0.01
    returns[::5] = 0.0
    targets = {
        "y": (np.sign(returns) / 2 + 0.5).astype(np.float32),
        "returns": returns,
        "return_scale": draws.uniform(0.005, 0.02, size=shape).astype(np.float32),
    }
    sizes = {
        "direction": (*shape, 3) if heads.classes == 3 else shape,
        "quantiles": (*shape, heads.levels),
        "log_variance": shape,
    }
    outputs = {
        name: (draws.normal(size=sizes[name]) * scale).astype(np.float32) for name in heads.names
    }
    return targets, outputs


@pytest.mark.contract(walks=lambda: LOSSES)
def test_every_registered_loss_is_tested_and_configurable():
    assert set(LOSSES) == {name.split(" ")[0].split("+")[0] for name in CASES} == set(NAMES)


@pytest.mark.contract(by="case")
@pytest.mark.parametrize("case", CASES)
def test_twins_agree(case):
    config, heads = CASES[case]
    loss = build_loss(config, heads)
    targets, outputs = draw(heads)
    needed = {name: targets[name] for name in loss.targets}
    found = keras.ops.convert_to_numpy(loss.elements(needed, outputs))
    assert found.shape == (ROWS, HORIZONS)
    assert found.dtype == np.float32
    if config.name == "smoothed_cross_entropy":
        expected = smoothed_cross_entropy_numpy(
            targets["y"], outputs["direction"], smoothing=config.smoothing
        )
    else:
        expected = loss.measured(needed, outputs)
    assert expected.dtype == np.float64
    # Float32 sums of a few terms of size up to ten.
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)


@pytest.mark.contract(by="case")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("scale", [0.0, 1e4, 1e18])
def test_value_and_gradient_are_finite_at_extreme_outputs(case, scale):
    config, heads = CASES[case]
    loss = build_loss(config, heads)
    targets, outputs = draw(heads, scale=scale)
    tensors = {name: tf.constant(values) for name, values in outputs.items()}
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        elements = loss.elements({name: targets[name] for name in loss.targets}, tensors)
        total = tf.reduce_mean(elements)
    assert np.isfinite(elements.numpy()).all()
    for name, gradient in tape.gradient(total, tensors).items():
        assert gradient is not None, name
        assert np.isfinite(tf.convert_to_tensor(gradient).numpy()).all(), name


def test_every_head_that_a_loss_claims_gets_a_gradient():
    for config, heads in CASES.values():
        loss = build_loss(config, heads)
        targets, outputs = draw(heads, scale=1.0)
        tensors = {name: tf.constant(values) for name, values in outputs.items()}
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            total = tf.reduce_mean(loss.elements(targets, tensors))
        gradients = tape.gradient(total, tensors)
        assert all(np.abs(gradients[name].numpy()).sum() > 0 for name in heads.names)


BAD_CALLS = {
    "a vector of labels": lambda y, z: cross_entropy(y[:, 0], z),
    "one horizon of labels": lambda y, z: focal_loss(y[:, :1], z, gamma=2.0),
    "one row of labels": lambda y, z: smoothed_cross_entropy(y[:1], z, smoothing=0.1),
    "four classes": lambda y, z: cross_entropy(y, np.zeros((ROWS, HORIZONS, 4), np.float32)),
    "one scale for all": lambda y, z: trading_loss(
        y, y[:, :1] + 1, z, cost_bps=1.0, direction_penalty=0.0
    ),
    "one variance for all": lambda y, z: uncertainty_loss(y, z, z[:, :1], nodes=5),
    "too few levels": lambda y, z: pinball_loss(
        y, np.zeros((ROWS, HORIZONS, 2), np.float32), levels=LEVELS
    ),
    "levels without horizons": lambda y, z: pinball_loss(y, z, levels=LEVELS),
    "one loss for all horizons": lambda y, z: horizon_weighted(z[:, :1], np.ones(2)),
}


@pytest.mark.parametrize("call", BAD_CALLS)
def test_a_wrong_shape_raises_and_never_broadcasts(call):
    targets, outputs = draw(TWO)
    with pytest.raises(ValueError, match=r"never broadcast|give one weight for each horizon"):
        BAD_CALLS[call](targets["y"], outputs["direction"])


def test_cross_entropies_are_those_of_keras():
    for heads, theirs in ((TWO, "binary"), (THREE, "sparse")):
        targets, outputs = draw(heads, seed=4)
        y, logits = targets["y"], outputs["direction"]
        if theirs == "binary":
            expected = keras.ops.binary_crossentropy(y, logits, from_logits=True)
        else:
            classes = (2 * y).astype(np.int32)
            expected = keras.ops.sparse_categorical_crossentropy(classes, logits, from_logits=True)
        np.testing.assert_allclose(cross_entropy(y, logits), expected, rtol=1e-5, atol=1e-6)


def test_smoothing_and_focus_are_those_of_keras():
    targets, outputs = draw(TWO, seed=5)
    y, logits = targets["y"][:, :1].round(), outputs["direction"][:, :1]
    smoothed = keras.losses.BinaryCrossentropy(
        from_logits=True, label_smoothing=0.1, reduction="none"
    )
    found = smoothed_cross_entropy(y, logits, smoothing=0.1)
    np.testing.assert_allclose(found[:, 0], smoothed(y, logits), rtol=1e-5, atol=1e-6)
    focal = keras.losses.BinaryFocalCrossentropy(gamma=2.0, from_logits=True, reduction="none")
    found = focal_loss(y, logits, gamma=2.0)
    np.testing.assert_allclose(found[:, 0], focal(y, logits), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        focal_loss(y, logits, gamma=0.0), cross_entropy(y, logits), rtol=1e-5, atol=1e-6
    )


def test_the_uncertainty_loss_is_the_limit_of_monte_carlo_draws():
    """Kendall & Gal's equation 12, with half a million draws instead of the quadrature."""
    draws = np.random.default_rng(6).normal(size=500_000)
    logits = np.array([[-2.0, 0.3, 3.0]], np.float32)
    log_variance = np.array([[0.0, 1.5, -2.0]], np.float32)
    y = np.array([[1.0, 0.0, 1.0]], np.float32)
    found = np.asarray(uncertainty_loss(y, logits, log_variance, nodes=20))
    for column in range(3):
        sampled = logits[0, column] + np.exp(log_variance[0, column] / 2) * draws
        right = expit(sampled if y[0, column] else -sampled)
        # The mean of half a million draws is known to three per mille.
        assert found[0, column] == pytest.approx(-np.log(right.mean()), abs=5e-3)
    certain = np.full_like(logits, -10.0)
    expected = cross_entropy_numpy(y, logits)
    np.testing.assert_allclose(uncertainty_loss(y, logits, certain, nodes=20), expected, atol=1e-4)


def test_a_full_position_earns_its_return_less_both_sides():
    returns = np.array([[0.02, -0.01]], np.float32)
    scale = np.full((1, 2), 0.01, np.float32)
    logits = np.full((1, 2), 50.0, np.float32)
    found = np.asarray(trading_loss(returns, scale, logits, cost_bps=10.0, direction_penalty=0.5))
    # Gain 2 and -1, costs 0.2 each way of the trade, penalty 0.5 for the wrong call; 1% rounding.
    np.testing.assert_allclose(found, [[-2.0 + 0.2, 1.0 + 0.2 + 0.5]], atol=0.01)
    flat = np.zeros((1, 2), np.float32)
    np.testing.assert_array_equal(
        trading_loss(returns, scale, flat, cost_bps=10.0, direction_penalty=0.0), 0.0
    )


def test_costs_above_the_edge_pull_the_position_to_zero():
    returns, scale = np.full((1, 1), 1e-4, np.float32), np.full((1, 1), 0.01, np.float32)
    logits = tf.constant([[1.0]])
    slopes = []
    for cost_bps in (0.0, 10.0):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = trading_loss(returns, scale, logits, cost_bps=cost_bps, direction_penalty=0.0)
        slopes.append(float(tape.gradient(loss, logits)[0, 0]))
    assert slopes[0] < 0 < slopes[1]


def test_the_pinball_loss_is_smallest_at_the_quantile():
    draws = np.random.default_rng(7).normal(size=(4001, 1)).astype(np.float32)
    wanted = np.quantile(draws, LEVELS)
    for i, level in enumerate(LEVELS):
        grid = wanted[i] + np.array([-0.1, 0.0, 0.1])
        means = [
            np.mean(pinball_loss(draws, np.full((4001, 1, 1), q, np.float32), levels=(level,)))
            for q in grid
        ]
        assert np.argmin(means) == 1


def test_horizon_weights_act_by_proportion():
    np.testing.assert_allclose(mean_one((1.0, 3.0)), [0.5, 1.5])
    np.testing.assert_array_equal(mean_one((2.0, 6.0)), mean_one((1.0, 3.0)))


REFUSED = {
    "fit.loss.name must be one of": {"name": "hinge"},
    "fit.loss.gamma is 3.0 but fit.loss.name is 'cross_entropy'": {"gamma": 3.0},
    "fit.loss.of is 'focal' but fit.loss.name is 'trading'": {"name": "trading", "of": "focal"},
    "fit.loss.cost_bps is 9.0": {"name": "quantile", "cost_bps": 9.0},
    "fit.loss.horizon_weights must be one weight": {"name": "multi_horizon"},
    "fit.loss.of must be one of": {
        "name": "multi_horizon",
        "of": "multi_horizon",
        "horizon_weights": (1.0,),
    },
    "fit.loss.smoothing must be in": {"name": "smoothed_cross_entropy", "smoothing": 1.0},
    "fit.loss.gamma must be a finite number": {"name": "focal", "gamma": float("nan")},
    "fit.loss.gamma must be at least 0": {"name": "focal", "gamma": -1.0},
    "fit.loss.quantiles must be rising": {"name": "quantile", "quantiles": (0.5, 0.1)},
    "fit.loss.quantile_weight must be above 0": {"name": "quantile", "quantile_weight": 0.0},
    "fit.loss.nodes must be in": {"name": "uncertainty", "nodes": 1},
}


@pytest.mark.parametrize("message", REFUSED)
def test_a_configuration_that_makes_no_sense_is_refused(message):
    with pytest.raises(ValueError, match=re.escape(message)):
        LossConfig(**REFUSED[message])


UNFIT = {
    "would leave the model's quantiles, log_variance untrained": (LossConfig(), ALL),
    "would leave the model's log_variance untrained": (LossConfig(name="focal"), NOISY),
    "'uncertainty' needs a log_variance head": (LossConfig(name="uncertainty"), TWO),
    "'quantile' needs a quantiles head": (LossConfig(name="quantile"), TWO),
    "'trading' needs a direction head": (LossConfig(name="trading"), QUANTILES),
    "has 2 levels, the model 3": (LossConfig(name="quantile", quantiles=(0.1, 0.9)), QUANTILES),
    "has 1 weights, the model 2 horizons": (
        LossConfig(name="multi_horizon", horizon_weights=(1.0,)),
        TWO,
    ),
}


@pytest.mark.parametrize("message", UNFIT)
def test_heads_that_a_loss_cannot_use_are_refused(message):
    with pytest.raises(ValueError, match=re.escape(message)):
        build_loss(*UNFIT[message])


def test_heads_are_read_off_the_outputs():
    def tensor(*shape, dtype="float32"):
        return keras.KerasTensor((None, *shape), dtype=dtype)

    assert head_shapes(tensor(2)) == TWO
    assert head_shapes({"direction": tensor(2, 3)}) == THREE
    everything = {
        "direction": tensor(2),
        "quantiles": tensor(2, 3),
        "log_variance": tensor(2),
    }
    assert head_shapes(everything) == ALL
    bad = [
        ([tensor(2), tensor(2)], "a list"),
        ({"price": tensor(2)}, "a model's heads are direction or quantiles"),
        (tensor(2, dtype="bfloat16"), "direction must be float32, got bfloat16"),
        (tensor(2, 4), "direction must have shape"),
        ({"direction": tensor(2), "quantiles": tensor(1, 3)}, "quantiles must have shape"),
        (tensor(), "direction must have shape"),
    ]
    for outputs, message in bad:
        with pytest.raises(ValueError, match=message):
            head_shapes(outputs)
