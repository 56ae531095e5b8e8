"""The net of one kind of block: its depth by number of layers, and that every kind trains."""

import itertools

import keras
import numpy as np
import pytest

from ultimate_deep import models
from ultimate_deep.models.nets.stack import (
    KINDS,
    PRESETS,
    READ_BY,
    StackConfig,
    blocks_for_layers,
    build_stack,
)
from ultimate_deep.models.registry import preset_config
from ultimate_deep.models.surgery.describe import count_layers
from ultimate_deep.models.surgery.unrolled import unrolled

pytestmark = pytest.mark.usefixtures("plain_graphs")

INPUTS = {"features": (12,)}
TINY = {"width": 8, "growth_rate": 4, "tokens": 3, "attention_heads": 2, "feed_forward_width": 8}

PRESET_LAYERS = (75, 800, 1_000, 2_000)


def tiny(kind, **fields):
    read = {name: v for name, v in TINY.items() if kind in READ_BY.get(name, KINDS)}
    return StackConfig(**({"kind": kind, "blocks": 3} | read | fields))


def rows(seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(16, 12)).astype("float32"), (rng.random((16, 1)) < 0.5).astype(
        "float32"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_least_number_of_blocks_with_so_many_weighted_layers(kind):
    for unit, layers in itertools.product((3, 24), (9, 12, 13, 18, 19)):
        blocks = blocks_for_layers(kind, layers, blocks_per_transition=unit)
        fields = {"blocks_per_transition": unit} if kind == "dense" else {}

        def weighted(blocks, fields=fields):
            model = build_stack(INPUTS, config=tiny(kind, blocks=blocks, **fields))
            return count_layers(model).weighted

        assert weighted(blocks) >= layers
        assert blocks == 1 or weighted(blocks - 1) < layers
        if kind != "dense":
            break


@pytest.mark.parametrize("kind", KINDS)
def test_presets_have_the_layers_that_they_are_named_after(kind):
    for layers in PRESET_LAYERS:
        config = preset_config("stack", f"{kind}_{layers}")
        assert config.kind == kind
        counts = count_layers(build_stack(INPUTS, config=config))
        assert layers <= counts.weighted < layers + 6
        assert counts.matrix_products < counts.weighted
    assert set(PRESETS) == {"tiny", "default"} | {f"{k}_{n}" for k in KINDS for n in PRESET_LAYERS}


# `residual`, the default, is held to all of the models' contract.
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "residual"])
def test_every_kind_trains_saves_and_unrolls(kind, tmp_path):
    model = build_stack(
        INPUTS, config=tiny(kind, blocks_per_transition=2) if kind == "dense" else tiny(kind)
    )
    x, y = rows()
    optimizer = keras.optimizers.Adam(1e-2)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer, keras.losses.BinaryCrossentropy(from_logits=True))
    before = [w.numpy().copy() for w in model.weights]
    losses = [model.train_on_batch(x, y) for _ in range(12)]
    pairs = zip(model.weights, before, strict=True)
    assert [w.path for w, b in pairs if np.array_equal(w.numpy(), b)] == []
    assert np.mean(losses[-3:]) < np.mean(losses[:3])
    for suffix in (".keras", ".h5"):
        path = tmp_path / f"model{suffix}"
        model.save(path)
        loaded = keras.models.load_model(path, compile=False)
        np.testing.assert_array_equal(loaded(x), model(x))
    # Sums in another order: 1e-5 of logits of order one.
    np.testing.assert_allclose(unrolled(model)(x), model(x), atol=1e-5)


def test_skips_are_what_sequential_lacks():
    x, _ = rows()
    for kind, passes in (("sequential", False), ("residual", True)):
        model = build_stack(INPUTS, config=tiny(kind, blocks=2))
        stack = model.get_layer(f"{kind}_stack")
        for weight in stack.weights:
            if weight.name.startswith("dense_2"):
                weight.assign(np.zeros(weight.shape, "float32"))
        carry = model.get_layer("stem")(model.get_layer("features_clip")(x))
        assert bool(np.array_equal(stack(carry)[:, -1], carry)) is passes


def test_fields_that_a_kind_does_not_read_are_refused():
    with pytest.raises(
        ValueError, match=r"stochastic_depth=0\.2 is for kind 'residual' or 'dense'"
    ):
        StackConfig(kind="sequential", stochastic_depth=0.2)
    with pytest.raises(ValueError, match="memory='checkpoint' is for kind 'sequential'"):
        StackConfig(kind="dense", memory="checkpoint")
    with pytest.raises(ValueError, match="'sequential' does not read it"):
        StackConfig(kind="sequential", coupling="additive")
    with pytest.raises(ValueError, match="undoes blocks one by one"):
        StackConfig(kind="residual", memory="reversible")
    with pytest.raises(ValueError, match="multiple of attention_heads, got 30 and 4"):
        StackConfig(kind="attention", width=30)
    with pytest.raises(ValueError, match="normalization must be one of layer, rms, none"):
        StackConfig(kind="attention", normalization="batch")
    with pytest.raises(ValueError, match="kind must be one of"):
        models.config_class("stack")(kind="recurrent")
    with pytest.raises(ValueError, match="layers must be at least 7"):
        blocks_for_layers("residual", 6)
