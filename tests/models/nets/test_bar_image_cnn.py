"""The net of price charts: the source's sizes, and what it refuses."""

import numpy as np
import pytest

from ultimate_deep import models
from ultimate_deep.features.pictures.bar_image import bar_images
from ultimate_deep.models.nets.bar_image_cnn import BarImageCnnConfig
from ultimate_deep.models.registry import preset_config


@pytest.mark.parametrize(
    ("bars", "flat", "weights"),
    [(5, 15_360, 155_138), (20, 46_080, 708_866), (60, 184_320, 2_952_962)],
)
def test_presets_are_as_large_as_the_nets_of_the_source(bars, flat, weights):
    config = preset_config("bar_image_cnn", f"bars_{bars}")
    model = models.build_model("bar_image_cnn", {"bar_image": (6 * bars,)}, config=config)
    assert model.get_layer("flat").output.shape == (None, flat)
    trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert trained == weights - (flat + 1)  # theirs has a logit for down too


def test_pictures_that_are_drawn_elsewhere_go_through_the_same_net():
    config = preset_config("bar_image_cnn", "tiny")
    drawn = models.build_model("bar_image_cnn", {"bar_image": (48,)}, config=config)
    given = models.build_model("bar_image_cnn", {"bar_image": (32, 24, 1)}, config=config)
    given.set_weights(drawn.get_weights())
    x = np.random.default_rng(0).uniform(size=(3, 48)).astype("float32")
    np.testing.assert_array_equal(given(bar_images(x, 32)), drawn(x))
    with pytest.raises(ValueError, match="leaves none behind"):
        models.build_model("bar_image_cnn", {"bar_image": (2, 24, 1)}, config=BarImageCnnConfig(
            height=32, channels=(4, 4), first_stride=1, first_dilation=1,
        ))  # fmt: skip


def test_wrong_shapes_and_settings_are_refused():
    for inputs in ({"bar_image": (13,)}, {"bars": (16, 5)}, {"a": (12,), "b": (12,)}):
        with pytest.raises(ValueError, match="one input of 6 numbers a bar"):
            models.build_model("bar_image_cnn", inputs)
    for fields, message in (
        ({"height": 8}, "height must be"),
        ({"channels": ()}, "channels must hold"),
        ({"kernel_rows": 4}, "kernel_rows must be odd"),
        ({"first_stride": 0}, "first_stride must be"),
        ({"height": 10, "channels": (4,) * 4, "first_stride": 1}, "leaves no row"),
    ):
        with pytest.raises(ValueError, match=message):
            BarImageCnnConfig(**fields)
