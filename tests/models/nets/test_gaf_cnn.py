"""Nets over pictures: members, sharing, fusion, frozen stages, and the control without them."""

import dataclasses
import fnmatch

import keras
import numpy as np
import pytest
from safetensors.numpy import save_file

from ultimate_deep import models
from ultimate_deep.features.gaf import gaf_images
from ultimate_deep.models.nets.gaf_cnn import STILL, GafCnnConfig
from ultimate_deep.models.parts.pretrained import torch_names
from ultimate_deep.models.parts.resnet18 import Resnet18, Resnet18Config
from ultimate_deep.models.registry import preset_config

pytestmark = pytest.mark.usefixtures("plain_graphs")

INPUTS = {"gaf_1x": (16,), "gaf_2x": (16,)}
ROWS = 6


def numbers(seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.uniform(-1, 1, (ROWS, 16)).astype("float32") for name in INPUTS}


def tiny(inputs=INPUTS, **fields):
    config = dataclasses.replace(preset_config("gaf_cnn", "tiny"), **fields)
    return models.build_model("gaf_cnn", inputs, config=config)


def weights_that_stand_still(model, x, rows=ROWS, steps=3):
    model.compile(keras.optimizers.Adam(1e-2), "mean_squared_error", run_eagerly=True)
    before = [weight.numpy().copy() for weight in model.weights]
    for _ in range(steps):
        model.train_on_batch(x, np.ones((rows, 1), "float32"))
    return {
        weight.path
        for weight, b in zip(model.weights, before, strict=True)
        if np.array_equal(weight.numpy(), b)
    }


def test_without_a_file_every_weight_learns():
    assert weights_that_stand_still(tiny(), numbers()) == set()


def test_members_add_up_and_one_head_does_not():
    first, second = numbers(0), numbers(1)

    def change(model, other):
        """What another first picture changes, beside the second picture of `other`."""
        a = model(first | {"gaf_2x": other["gaf_2x"]})
        return a - model({"gaf_1x": second["gaf_1x"], "gaf_2x": other["gaf_2x"]})

    ensemble, together = tiny(fusion="logits"), tiny(fusion="features")
    assert np.abs(change(ensemble, first)).max() > 1e-4
    np.testing.assert_allclose(change(ensemble, first), change(ensemble, second), atol=1e-5)
    assert not np.allclose(change(together, first), change(together, second), atol=1e-5)


def test_a_shared_backbone_is_one_net_for_all_timeframes():
    own, shared, single = tiny(), tiny(shared_backbone=True), tiny({"gaf_1x": (16,)})
    convolutions = [
        sum(isinstance(layer, keras.layers.Conv2D) for layer in model.layers)
        for model in (own, shared, single)
    ]
    # A stem, two in each of four blocks, three shortcuts.
    assert convolutions == [24, 12, 12]
    assert shared(numbers()).shape == (ROWS, 1)


def test_the_full_preset_is_resnet18_with_a_head_of_512_and_128():
    config = preset_config("gaf_cnn", "resnet18")
    model = models.build_model("gaf_cnn", {"gaf_1x": (64,)}, config=config)
    backbone = 11_689_512 - 513_000 - 64 * 49
    head = 512 * 512 + 2 * 512 + 512 * 128 + 2 * 128 + 128 + 1
    trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert trained == backbone + head
    rates = [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert rates == [0.5, 0.3]


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory):
    net = Resnet18(Resnet18Config(), name="source")
    net(keras.Input((64, 64, 3)))
    state = {
        name: np.ascontiguousarray(
            value.numpy().transpose(3, 2, 0, 1) if value.name == "kernel" else value.numpy()
        )
        for name, value in torch_names(net).items()
    }
    state["fc.weight"], state["fc.bias"] = np.zeros((1000, 512), "f"), np.zeros(1000, "f")
    path = tmp_path_factory.mktemp("weights") / "resnet18.safetensors"
    save_file(state, path)
    return str(path)


def test_the_first_two_stages_of_a_pretrained_net_stand_still(weights_file, tmp_path):
    config = GafCnnConfig(base_width=64, pretrained_weights=weights_file)
    model = models.build_model("gaf_cnn", {"gaf_1x": (32,)}, config=config)
    x = np.random.default_rng(0).uniform(-1, 1, (4, 32)).astype("float32")
    still = weights_that_stand_still(model, x, 4)
    named = {w.path for w in model.weights if any(fnmatch.fnmatch(w.path, p) for p in STILL)}
    assert still == named
    # conv1, bn1 and the four convolutions and norms of layer1.
    assert len(still) == 5 * (1 + 4)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(x), model(x))
    assert len(again.trainable_weights) == len(model.trainable_weights)
    assert weights_that_stand_still(again, x, 4, steps=1) == still


def test_the_preset_of_the_specification_trains_10_6_of_11_2_million_weights(weights_file):
    config = preset_config("gaf_cnn", "gaf_resnet18")
    config = dataclasses.replace(config, pretrained_weights=weights_file)
    model = models.build_model("gaf_cnn", {"gaf_1x": (32,)}, config=config)

    def count(weights):
        return sum(int(np.prod(weight.shape)) for weight in weights)

    batch_statistics = 2 * (4_800 + 128)  # moving means and variances are no parameters there
    assert count(model.weights) - batch_statistics == 11_239_425
    assert count(model.trainable_weights) == 10_565_889
    still = {
        layer.name.split("backbone_gaf_1x_")[-1][:8]
        for layer in model.layers
        if not layer.trainable
    }
    assert still == {"stage_1_", "stage_2_"}
    behind = [layer for layer in model.layers if layer.name.startswith(("head_", "logits"))]
    assert [type(layer).__name__ for layer in behind] == [
        "Dropout", "Dense", "Activation", "BatchNormalization", "Dropout", "Dense",
    ]  # fmt: skip
    assert [layer.rate for layer in behind if isinstance(layer, keras.layers.Dropout)] == [0.5, 0.3]
    assert [layer.units for layer in behind if isinstance(layer, keras.layers.Dense)] == [128, 1]


def test_pictures_that_are_drawn_elsewhere_go_through_the_same_net():
    drawn, given = tiny({"gaf_1x": (16,)}), tiny({"gaf_1x": (16, 16, 2)})
    given.set_weights(drawn.get_weights())
    x = numbers()["gaf_1x"]
    np.testing.assert_array_equal(given(gaf_images(x)), drawn(x))


@pytest.mark.parametrize("picture", ["markov", "recurrence"])
def test_other_pictures_are_drawn_of_the_same_numbers(picture):
    model = tiny(picture=picture)
    assert model.get_layer("gaf_1x_pictures").output.shape == (None, 16, 16, 1)
    assert model(numbers()).shape == (ROWS, 1)


def test_frozen_stages_are_counted_as_asked(weights_file):
    for stages, frozen in ((1, 5), (5, 5 * 20)):
        config = GafCnnConfig(base_width=64, pretrained_weights=weights_file, frozen_stages=stages)
        model = models.build_model("gaf_cnn", {"gaf_1x": (32,)}, config=config)
        layers = [layer for layer in model.layers if not layer.trainable and layer.weights]
        assert sum(len(layer.weights) for layer in layers) == frozen


def test_wrong_shapes_and_settings_are_refused(weights_file):
    for name in ("gaf_cnn", "gaf_mlp"):
        with pytest.raises(ValueError, match=r"give \(size,\), such as \(64,\)"):
            models.build_model(name, {"bars": (16, 4)})
    for fields, message in (
        ({"pretrained_weights": weights_file}, "take the preset 'resnet18'"),
        ({"head_widths": (8,)}, "one rate for each"),
        ({"head_widths": ()}, "head_widths must hold widths"),
        ({"fusion": "mean"}, "fusion must be one of logits, features"),
        ({"blocks_per_stage": (2, 0)}, "blocks_per_stage needs"),
        ({"picture": "photo"}, "picture must be one of gaf, gaf_ohlc, markov"),
        ({"head_order": "dropout_first"}, "and one for the end"),
        ({"frozen_parts": ("layer5",)}, "frozen_parts must be one of conv1, bn1, layer1"),
        ({"frozen_stages": 6}, "frozen_stages must be"),
        ({"base_width": 0}, "base_width must be"),
    ):
        with pytest.raises(ValueError, match=message):
            GafCnnConfig(**fields)
    config = GafCnnConfig(base_width=64, pretrained_weights="absent.pth")
    with pytest.raises(ValueError, match="must name a file"):
        models.build_model("gaf_cnn", INPUTS, config=config)


def test_the_control_reads_the_same_numbers():
    model = models.build_model("gaf_mlp", INPUTS)
    x = numbers()
    assert model.name == "gaf_mlp"
    assert model(x).shape == (ROWS, 1)
    changed = x | {"gaf_2x": -x["gaf_2x"]}
    assert np.abs(model(x) - model(changed)).min() > 0
