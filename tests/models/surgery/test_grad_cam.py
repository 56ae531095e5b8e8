"""Where nets of pictures look: by hand on a net of one channel, and on the nets of the registry."""

import dataclasses

import keras
import numpy as np
import pytest

from ultimate_deep import models
from ultimate_deep.models.layers import GafImages
from ultimate_deep.models.registry import preset_config
from ultimate_deep.models.surgery.grad_cam import grad_cam


def numbers(rows, size, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (rows, size)).astype("float32")


def by_hand(weight):
    """A net whose logit is the mean of the positive summation field, and a constant."""
    x = keras.Input((8,), name="gaf_1x")
    pictures = GafImages(name="gaf_1x_pictures")(x)
    seen = keras.layers.Activation("relu", name="seen")(pictures)
    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(seen)
    out = keras.layers.Dense(1, name="logits")(pooled)
    model = keras.Model(x, out, name="by_hand")
    model.get_layer("logits").set_weights([np.array([[weight], [0.0]], "f"), np.array([0.1], "f")])
    return model


def test_a_map_is_the_weighted_sum_of_what_speaks_for_the_side():
    x = numbers(3, 8)
    pictures, heat = grad_cam(by_hand(2.0), x)["gaf_1x"]
    np.testing.assert_array_equal(pictures, GafImages()(x))
    positive = np.maximum(pictures[..., 0], 0)
    expected = positive / positive.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(heat, expected, rtol=1e-5, atol=1e-6)
    # Where nothing speaks for the side that is said, the map is empty.
    assert (grad_cam(by_hand(-0.01), x)["gaf_1x"][1] == 0).all()


@pytest.mark.parametrize(
    ("name", "inputs"),
    [("gaf_cnn", {"gaf_1x": (32,), "gaf_2x": (32,)}), ("bar_image_cnn", {"bar_image": (48,)})],
)
def test_every_net_of_pictures_is_read(name, inputs):
    model = models.build_model(name, inputs, config=preset_config(name, "tiny"))
    x = {key: numbers(2, shape[0]) for key, shape in inputs.items()}
    found = grad_cam(model, x if len(x) > 1 else next(iter(x.values())))
    assert set(found) == set(inputs)
    for pictures, heat in found.values():
        assert heat.shape == pictures.shape[:3]
        assert heat.min() >= 0.0
        assert heat.max() <= 1.0


def test_other_nets_are_refused():
    mlp = models.build_model("mlp", {"features": (4,)})
    with pytest.raises(ValueError, match="nets that draw pictures, got 'mlp'"):
        grad_cam(mlp, numbers(2, 4))
    config = dataclasses.replace(preset_config("gaf_cnn", "tiny"), shared_backbone=True)
    shared = models.build_model("gaf_cnn", {"gaf_1x": (32,), "gaf_2x": (32,)}, config=config)
    with pytest.raises(ValueError, match="a backbone for each picture"):
        grad_cam(shared, {"gaf_1x": numbers(2, 32), "gaf_2x": numbers(2, 32)})
