"""Losses over members: each held to the label by itself."""

import numpy as np
import pytest
import tensorflow as tf

from ultimate_deep.training.losses.loss_config import LossConfig
from ultimate_deep.training.losses.members import members_elements
from ultimate_deep.training.losses.outputs import HeadShapes
from ultimate_deep.training.losses.registry import LOSSES, build_loss

ROWS, MEMBERS, HORIZONS = 5, 3, 2
SHAPES = {
    "quantile": HeadShapes(horizons=HORIZONS, levels=3),
    "uncertainty": HeadShapes(horizons=HORIZONS, log_variance=True),
}
OPTIONS = {
    "multi_horizon": {"horizon_weights": (1.0, 3.0)},
    "quantile": {"quantiles": (0.1, 0.5, 0.9)},
}


def case(name):
    """A loss with targets and the answers of all members."""
    shapes = SHAPES.get(name, HeadShapes(horizons=HORIZONS))
    draws = np.random.default_rng(3)
    label = (ROWS, HORIZONS)
    targets = {
        "y": (draws.random(label) < 0.5).astype("float32"),
        "returns": draws.normal(size=label).astype("float32") / 100,
        "return_scale": draws.uniform(0.005, 0.02, size=label).astype("float32"),
    }
    each = {
        "direction": draws.normal(size=(ROWS, MEMBERS, HORIZONS)),
        "quantiles": np.sort(draws.normal(size=(ROWS, MEMBERS, HORIZONS, 3)), axis=-1),
        "log_variance": draws.normal(size=(ROWS, MEMBERS, HORIZONS)),
    }
    outputs = {head: each[head].astype("float32") for head in shapes.names}
    loss = build_loss(LossConfig(name=name, **OPTIONS.get(name, {})), shapes)
    return loss, {key: tf.constant(targets[key]) for key in loss.targets}, outputs


def flat(outputs):
    return {k: tf.constant(v.reshape(-1, *v.shape[2:])) for k, v in outputs.items()}


@pytest.mark.contract
@pytest.mark.parametrize("name", sorted(LOSSES))
def test_every_loss_of_members_is_the_mean_of_theirs(name):
    loss, targets, outputs = case(name)
    found = members_elements(loss, targets, flat(outputs))
    alone = [
        loss.elements(targets, {k: tf.constant(v[:, i]) for k, v in outputs.items()})
        for i in range(MEMBERS)
    ]
    np.testing.assert_allclose(found, np.mean(alone, axis=0), rtol=1e-5, atol=1e-7)
    assert np.std(alone, axis=0).min() > 1e-4
    one = {k: tf.constant(v[:, 0]) for k, v in outputs.items()}
    np.testing.assert_array_equal(members_elements(loss, targets, one), alone[0])


def test_rows_must_have_as_many_answers():
    loss, targets, outputs = case("cross_entropy")
    cut = {k: v[:-1] for k, v in flat(outputs).items()}
    with pytest.raises(ValueError, match=r"each of 5 rows .* got 14 in all; give the members"):
        members_elements(loss, targets, cut)
    with pytest.raises(ValueError, match="got 2 in all"):
        members_elements(loss, targets, {k: v[:2] for k, v in flat(outputs).items()})
