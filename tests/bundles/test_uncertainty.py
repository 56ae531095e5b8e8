"""Uncertainty against cases whose answer is known."""

import math

import keras
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import entropy, norm

from ultimate_deep import models
from ultimate_deep.bundles.uncertainty import (
    MonteCarloConfig,
    decompose,
    ensemble_uncertainty,
    monte_carlo_outputs,
    monte_carlo_uncertainty,
    probability_of_outputs,
)

LN2 = math.log(2.0)


def test_members_that_agree_leave_noise_and_certain_ones_that_do_not_leave_disagreement():
    agreed = decompose(np.full((5, 3, 2), 0.7))
    np.testing.assert_allclose(agreed.epistemic, 0.0, atol=1e-15)
    np.testing.assert_allclose(agreed.total, entropy([0.3, 0.7]), rtol=1e-12)
    np.testing.assert_allclose(agreed.confidence, 0.7)
    torn = decompose(np.array([[[0.0]], [[1.0]]]))
    assert (torn.total, torn.aleatoric, torn.epistemic) == (pytest.approx(LN2), 0.0, torn.total)
    assert torn.confidence == 0.5


def test_three_classes_are_split_like_two():
    certain = np.eye(3)[:, None, None, :]  # each member is sure of another class
    torn = decompose(certain)
    assert torn.probability.shape == (1, 1, 3)
    np.testing.assert_allclose(torn.epistemic, math.log(3.0))
    np.testing.assert_allclose(torn.aleatoric, 0.0)
    members = np.random.default_rng(0).dirichlet([1, 2, 3], (7, 4, 2))
    split = decompose(members)
    np.testing.assert_allclose(split.total, entropy(members.mean(0), axis=-1), rtol=1e-12)
    np.testing.assert_allclose(split.aleatoric, entropy(members, axis=-1).mean(0), rtol=1e-12)
    np.testing.assert_allclose(split.total, split.aleatoric + split.epistemic, rtol=1e-12)
    np.testing.assert_allclose(split.confidence, members.mean(0).max(-1))


def test_variance_of_a_logit_is_integrated_and_pulls_towards_one_half():
    logits = np.array([[2.0], [-1.0], [0.0], [2.0]])
    log_variance = np.array([[0.0], [1.5], [2.0], [-10.0]])
    outputs = {"direction": logits, "log_variance": log_variance}
    for temperature in (1.0, 2.5):
        found = probability_of_outputs(outputs, temperature=temperature)
        for row in range(4):
            center, spread = logits[row, 0], math.exp(log_variance[row, 0] / 2)
            exact = quad(
                lambda e, c=center, s=spread, t=temperature: norm.pdf(e) * expit((c + s * e) / t),
                -9,
                9,
            )[0]
            # 32 points of quadrature against adaptive integration.
            assert found[row, 0] == pytest.approx(exact, abs=1e-4)
    plain = probability_of_outputs({"logits": logits})
    noisy = probability_of_outputs(outputs)
    assert abs(noisy[1, 0] - 0.5) < abs(plain[1, 0] - 0.5)
    assert noisy[2, 0] == pytest.approx(0.5)
    assert noisy[3, 0] == pytest.approx(plain[3, 0], abs=1e-4)


def dropped_logit(weight=1.5, rate=0.5, norm_layer=False):
    """One feature that is dropped or doubled before a logit."""
    x = keras.Input((1,), name="features")
    dropped = keras.layers.Dropout(rate, seed=3)(x)
    if norm_layer:
        dropped = keras.layers.BatchNormalization(momentum=0.5)(dropped)
    logit = keras.layers.Dense(1, use_bias=False)(dropped)
    model = keras.Model(x, logit)
    model.layers[-1].set_weights([np.array([[weight]])])
    return model


def test_dropout_passes_meet_the_answer_of_a_fair_coin():
    rows = np.full((4_000, 1), 1.0, dtype="float32")
    found = monte_carlo_uncertainty(dropped_logit(), rows, MonteCarloConfig(passes=40, seed=1))
    chances = np.array([0.5, expit(3.0)])  # dropped, or kept and doubled
    mean = chances.mean()
    aleatoric = np.mean([entropy([p, 1 - p]) for p in chances])
    total = entropy([mean, 1 - mean])
    # 160,000 draws for the mean. The entropy of a mean of 40 is low by its variance over 2 p (1-p).
    assert found.probability.mean() == pytest.approx(mean, abs=0.004)
    assert found.aleatoric.mean() == pytest.approx(aleatoric, abs=0.004)
    bias = chances.var() / 40 / (2 * mean * (1 - mean))
    assert found.total.mean() == pytest.approx(total - bias, abs=0.004)
    assert found.epistemic.mean() == pytest.approx(total - bias - aleatoric, abs=0.004)


def test_batch_norms_keep_their_statistics_and_rows_do_not_see_each_other():
    model = dropped_logit(norm_layer=True)
    rows = np.linspace(-2, 2, 16, dtype="float32")[:, None]
    before = [v.numpy().copy() for v in model.variables]
    trainable = [v.path for v in model.trainable_variables]
    config = MonteCarloConfig(passes=6, batch_size=8)
    first = monte_carlo_outputs(model, rows, config)["logits"]
    assert first.shape == (6, 16, 1)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    assert [v.path for v in model.trainable_variables] == trainable
    changed = rows.copy()
    changed[1:] = 50.0
    again = monte_carlo_outputs(model, changed, config)["logits"]
    np.testing.assert_array_equal(again[:, 0], first[:, 0])
    # The usual shortcut fails all of this.
    model(changed, training=True)
    assert not np.array_equal(model.layers[2].moving_mean.numpy(), np.zeros(1))


def test_a_seed_repeats_the_passes_and_training_goes_on_undisturbed():
    config = models.config_class("mlp")(hidden_widths=(8,), dropout_rate=0.4)
    heads = models.Heads(horizons=2, classes=3)
    model = models.build_model("mlp", {"a": (3,), "b": (2, 2)}, heads, config)
    rng = np.random.default_rng(0)
    x = {"a": rng.normal(size=(11, 3)), "b": rng.normal(size=(11, 2, 2))}
    x = {name: values.astype("float32") for name, values in x.items()}
    quiet = model(x, training=False)["direction"]
    passes = MonteCarloConfig(passes=5, batch_size=4, seed=7)
    first = monte_carlo_outputs(model, x, passes)["direction"]
    assert first.shape == (5, 11, 2, 3)
    np.testing.assert_array_equal(first, monte_carlo_outputs(model, x, passes)["direction"])
    other = monte_carlo_outputs(model, x, MonteCarloConfig(passes=5, batch_size=4, seed=8))
    assert not np.array_equal(first, other["direction"])
    assert len({one.tobytes() for one in first}) == 5
    np.testing.assert_array_equal(model(x, training=False)["direction"], quiet)
    found = monte_carlo_uncertainty(model, x, passes)
    assert found.total.shape == (11, 2)
    assert found.probability.shape == (11, 2, 3)
    assert (found.epistemic > 0).all()


def test_frozen_layers_stay_frozen_and_stacks_keep_their_statistics():
    config = models.config_class("stack")(
        blocks=3, width=8, normalization="batch", dropout_rate=0.3
    )
    model = models.build_model("stack", {"features": (4,)}, config=config)
    frozen = model.layers[2]
    frozen.trainable = False
    x = np.random.default_rng(1).normal(size=(10, 4)).astype("float32")
    passes = monte_carlo_outputs(model, x, MonteCarloConfig(passes=3, batch_size=10))["logits"]
    assert len({one.tobytes() for one in passes}) == 3
    assert not frozen.trainable
    assert all(layer.trainable for layer in model.layers if layer is not frozen)
    changed = x.copy()
    changed[5:] = 7.0
    again = monte_carlo_outputs(model, changed, MonteCarloConfig(passes=3, batch_size=10))["logits"]
    np.testing.assert_allclose(again[:, :5], passes[:, :5], rtol=1e-5, atol=1e-6)


def test_an_ensemble_disagrees_where_its_members_do():
    """Two nets that agree on the first feature and read the second one with opposite signs."""
    x = np.array([[2.0, 0.0], [0.0, 0.0], [2.0, 3.0]], dtype="float32")
    outputs = []
    for weight in (1.5, -1.5):
        model = models.build_model("linear", {"features": (2,)})
        model.layers[-1].set_weights([np.array([[1.0], [weight]]), np.zeros(1)])
        outputs.append({"logits": model(x).numpy()})
    found = ensemble_uncertainty(outputs)
    np.testing.assert_allclose(found.epistemic[:2], 0.0, atol=1e-12)
    np.testing.assert_allclose(found.total[1], LN2)
    chances = expit([6.5, -2.5])
    mean = chances.mean()
    np.testing.assert_allclose(found.probability[2], mean, rtol=1e-6)
    expected = entropy([mean, 1 - mean]) - np.mean([entropy([p, 1 - p]) for p in chances])
    np.testing.assert_allclose(found.epistemic[2], expected, rtol=1e-5)
    hotter = ensemble_uncertainty(outputs, temperature=2.0)
    np.testing.assert_allclose(hotter.probability[0], expit(1.0), rtol=1e-6)


def test_what_cannot_disagree_is_refused():
    x = np.ones((3, 1), dtype="float32")
    with pytest.raises(ValueError, match="no dropout that is on"):
        monte_carlo_outputs(dropped_logit(rate=0.0), x)
    with pytest.raises(ValueError, match="no dropout that is on"):
        monte_carlo_outputs(models.build_model("linear", {"features": (1,)}), x)
    with pytest.raises(ValueError, match="passes must be at least 2"):
        MonteCarloConfig(passes=1)
    with pytest.raises(ValueError, match="at least 2 members"):
        ensemble_uncertainty([{"logits": np.zeros((3, 1))}])
    with pytest.raises(ValueError, match="same rows"):
        ensemble_uncertainty([{"logits": np.zeros((3, 1))}, {"logits": np.zeros((2, 1))}])
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        decompose(np.full((2, 3, 1), 1.5))
    with pytest.raises(ValueError, match="must have a head"):
        probability_of_outputs({"quantiles": np.zeros((3, 1, 3))})
