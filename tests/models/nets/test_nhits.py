"""N-HiTS against its blocks written out in NumPy."""

import numpy as np
import pytest

from ultimate_deep.models.layers import KnotInterpolation
from ultimate_deep.models.layers.knot_interpolation import interpolation_shares
from ultimate_deep.models.nets.nhits import NhitsConfig, build_nhits

BARS, FEATURES, STEPS = 12, 3, 4


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.mark.parametrize("kind", ["linear", "nearest"])
@pytest.mark.parametrize(("knots", "steps"), [(1, 5), (3, 12), (4, 6), (5, 5)])
def test_shares_are_those_of_numpy(kind, knots, steps):
    shares = interpolation_shares(knots, steps, kind)
    centres = (np.arange(knots) + 0.5) * steps / knots
    points = np.arange(steps) + 0.5
    values = normal(knots)
    expected = np.interp(points, centres, values)
    if kind == "nearest":
        expected = values[np.minimum((points * knots / steps).astype(int), knots - 1)]
    np.testing.assert_allclose(shares @ values, expected, atol=1e-6)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, atol=1e-6)


def test_more_knots_than_points_are_refused():
    with pytest.raises(ValueError, match="takes 1 to 3 knots, got 4"):
        KnotInterpolation(3)(normal(2, 4, 1))


def dense(model, name, x):
    kernel, bias = model.get_layer(name).get_weights()
    return x @ kernel + bias


def twin(model, config, x):
    """Logits: what is left of the window goes from block to block, forecasts add up."""
    path = 0.0
    for index, rate in enumerate(config.rates, start=1):
        name = f"block_{index:02d}"
        pooled = x.reshape(len(x), -1, rate, FEATURES)
        pooled = pooled.max(axis=2) if config.pooling == "max" else pooled.mean(axis=2)
        hidden = np.maximum(dense(model, f"{name}_dense_1", pooled.reshape(len(x), -1)), 0)
        drawn = {}
        for part, steps in {name: STEPS, f"{name}_backcast": BARS}.items():
            if part.endswith("backcast") and index == len(config.rates):
                continue
            knots = -(-steps // rate)
            theta = dense(model, f"{part}_knots", hidden).reshape(len(x), knots, -1)
            drawn[part] = interpolation_shares(knots, steps, config.interpolation) @ theta
        path = path + drawn[name]
        x = x - drawn.get(f"{name}_backcast", 0.0)
    return dense(model, "logits", path.reshape(len(x), -1))


@pytest.mark.parametrize(("pooling", "interpolation"), [("max", "linear"), ("average", "nearest")])
def test_blocks_are_those_of_numpy(pooling, interpolation):
    config = NhitsConfig(
        rates=(4, 2, 1),
        hidden_widths=(5,),
        channels=None,
        path_steps=STEPS,
        path_channels=2,
        pooling=pooling,
        interpolation=interpolation,
    )
    model = build_nhits({"bars": (BARS, FEATURES)}, config=config)
    for weight in model.weights:
        weight.assign(np.asarray(weight) + normal(*weight.shape, seed=1) / 10)
    x = normal(4, BARS, FEATURES)
    np.testing.assert_allclose(model(x), twin(model, config, x), rtol=1e-4, atol=1e-5)


def test_a_window_that_the_rates_do_not_divide_is_read_to_its_newest_bar():
    config = NhitsConfig(rates=(8, 4), hidden_widths=(4,), channels=None, path_steps=4)
    model = build_nhits({"bars": (11, FEATURES)}, config=config)
    x = normal(3, 11, FEATURES)
    changed = x.copy()
    changed[:, -1] += 1
    assert not np.allclose(model(changed), model(x))


@pytest.mark.parametrize("field", ["rates", "hidden_widths"])
def test_empty_or_absent_sizes_are_refused(field):
    for value in ((), (4, 0)):
        with pytest.raises(ValueError, match=f"{field} are numbers of 1 or more"):
            NhitsConfig(**{field: value})
