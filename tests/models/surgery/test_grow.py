"""Growing a net: same predictions, every weight learns, and what cannot grow says so."""

import keras
import numpy as np
import pytest

from ultimate_deep.models.layers import DenseStack, ResidualStack
from ultimate_deep.models.layers.stacks.attention_stack import AttentionStack
from ultimate_deep.models.nets.ultimate import UltimateConfig, build_ultimate
from ultimate_deep.models.surgery.grow import grow

pytestmark = pytest.mark.usefixtures("plain_graphs")

WIDTH = 6
GROWABLE = [
    {},
    {"coupling": "additive", "memory": "reversible"},
    {"coupling": "additive", "residual_scaling": "rezero", "exact": True},
    {"residual_scaling": "none", "normalization": "batch"},
    {"residual_scaling": "fixup", "normalization": "none"},
]


def model_of(layer):
    """Input, one stack, a mean: every weight away from its initial value."""
    inputs = keras.Input((WIDTH,))
    x = keras.layers.GlobalAveragePooling1D()(layer(inputs))
    return shaken(keras.Model(inputs, keras.layers.Dense(2, name="out")(x)))


def shaken(model, seed=0):
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        noise = rng.normal(size=weight.shape, scale=0.2).astype("float32")
        positive = "moving_variance" in weight.name
        weight.assign(weight.numpy() + (np.abs(noise) if positive else noise))
    return model


def data(rows=16, width=WIDTH):
    return np.random.default_rng(1).normal(size=(rows, width)).astype("float32")


def still_rows(model, stack, x, steps):
    """Names and numbers of the stack's slices that `steps` training steps leave unmoved."""
    optimizer = keras.optimizers.Adam(1e-2)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer=optimizer, loss=keras.losses.MeanSquaredError())
    before = {weight.name: weight.numpy() for weight in stack.weights}
    targets = np.random.default_rng(2).normal(size=(len(x), *model.output_shape[1:]))
    for _ in range(steps):
        model.train_on_batch(x, targets)
    return [
        (weight.name, row)
        for weight in stack.weights
        for row in range(len(weight.numpy()))
        if np.array_equal(weight.numpy()[row], before[weight.name][row])
    ]


@pytest.mark.parametrize("options", GROWABLE)
def test_growing_keeps_the_function_and_every_weight_learns(options):
    stack = ResidualStack((2, 1), activation="tanh", name="stack", seed=3, **options)
    model = model_of(stack)
    grown = grow(model, 3)
    new = grown.get_layer("stack")
    assert new.blocks_per_unit == (4, 2)
    assert {**new.get_config(), "seed": 3, "blocks_per_unit": [2, 1]} == stack.get_config()
    x = data()
    difference = np.max(np.abs(grown(x) - model(x)))
    # Only 1/sqrt(depth) multiplies anything anew: a few roundings (1.2e-7) of numbers of order one
    # in each of the layers, of which threads choose the order: 1.1e-6 has been seen.
    assert difference <= (3e-6 if stack.residual_scaling == "1/sqrt(depth)" else 0.0)
    for weight, old in zip(new.weights, stack.weights, strict=True):
        factor = np.sqrt(2) if _is_rescaled(weight.name, stack) else 1.0
        np.testing.assert_allclose(weight.numpy()[[0, 1, 4]], old.numpy() * factor, rtol=1e-6)
    np.testing.assert_array_equal(grown.get_layer("out").kernel, model.get_layer("out").kernel)
    # The ends of the branches move first, then what feeds them, then what a scale held back.
    assert still_rows(grown, new, x, steps=3) == []


def _is_rescaled(name, stack):
    ends = ("dense_1", "dense_2") if stack.coupling == "additive" else ("dense_2",)
    return stack.residual_scaling == "1/sqrt(depth)" and name.startswith(ends)


@pytest.mark.parametrize(
    "options", [{}, {"coupling": "additive", "residual_scaling": "rezero", "normalization": "rms"}]
)
def test_attention_grows(options):
    stack = AttentionStack((1, 1), 2, feed_forward_width=8, name="stack", **options)
    inputs = keras.Input((4, WIDTH))
    x = keras.layers.Flatten()(stack(inputs))
    model = shaken(keras.Model(inputs, keras.layers.Dense(2)(x)))
    grown = grow(model, 3)
    new = grown.get_layer("stack")
    assert new.blocks_per_unit == (3, 2)
    x = np.random.default_rng(1).normal(size=(16, 4, WIDTH)).astype("float32")
    np.testing.assert_allclose(grown(x), model(x), rtol=1e-5, atol=2e-6)
    assert still_rows(grown, new, x, steps=3) == []


def test_new_blocks_are_not_copies_of_old_ones():
    model = keras.Sequential([keras.Input((WIDTH,)), ResidualStack((2, 2), name="stack")])
    kernels = grow(model, 2).get_layer("stack").dense_1_kernel.numpy()
    flat = kernels.reshape(len(kernels), -1)
    apart = np.linalg.norm(flat[:, None] - flat[None], axis=-1)
    assert np.min(apart[~np.eye(len(flat), dtype=bool)]) > 0.5


def test_a_dense_stack_with_batch_norm_grows():
    stack = DenseStack((2, 1), 3, normalization="batch", activation="tanh", name="dense")
    model = model_of(stack)
    grown = grow(model, (1, 2), layer="dense")
    new = grown.get_layer("dense")
    assert new.blocks_per_unit == (3, 3)
    x = data()
    # Products with zeros join the sums, in another order.
    np.testing.assert_allclose(grown(x), model(x), rtol=1e-6, atol=1e-6)
    assert still_rows(grown, new, x, steps=3) == []
    with pytest.raises(ValueError, match="normalization='layer', which joins all values"):
        grow(model_of(DenseStack((2, 1), 3, name="dense")), 1, layer="dense")


@pytest.mark.parametrize("fields", [{}, {"coupling": "additive", "normalization": "rms"}])
def test_the_ultimate_net_grows_twice(fields):
    config = UltimateConfig(
        width=8, res_blocks_per_unit=(2, 1), dense_blocks_per_unit=(1,), growth_rate=2, **fields
    )
    model = shaken(build_ultimate({"features": (5,)}, config=config))
    again = grow(grow(model, 4), (0, 3), layer="residual_stack")
    assert again.get_layer("residual_stack").blocks_per_unit == (4, 6)
    x = data(width=5)
    np.testing.assert_allclose(again(x), model(x), rtol=1e-5, atol=1e-6)
    assert not again.compiled
    assert again.name == model.name


@pytest.mark.parametrize(
    ("stack", "blocks", "layer", "message"),
    [
        (ResidualStack((2,), residual_scaling="deepnorm", name="s"), 1, None, "norms lie on the"),
        (
            ResidualStack((2,), coupling="none", residual_scaling="none", name="s"),
            1, None, "without skips no new block",
        ),
        (ResidualStack((2, 1), name="s"), 0, None, "must be a positive number, .* got 0"),
        (ResidualStack((2, 1), name="s"), (1, 1, 1), None, "each of the 2 units of 's'"),
        (ResidualStack((2, 1), name="s"), (2, -1), None, r"got \(2, -1\)"),
        (ResidualStack((2,), name="s"), 1, "t", "0 answer to layer='t' .* whose stacks are 's'"),
        (DenseStack((2,), 2, name="d"), 1, None, "whose stacks are 'd': name the one"),
    ],
)  # fmt: skip
def test_what_cannot_grow_is_refused(stack, blocks, layer, message):
    with pytest.raises(ValueError, match=message):
        grow(model_of(stack), blocks, layer=layer)


def test_one_of_two_stacks_must_be_named():
    inputs = keras.Input((WIDTH,))
    outputs = [ResidualStack((1,), name=name)(inputs) for name in ("left", "right")]
    model = keras.Model(inputs, outputs)
    with pytest.raises(ValueError, match="2 answer to layer=None"):
        grow(model, 1)
    grown = grow(model, 1, layer="right")
    assert [grown.get_layer(name).blocks for name in ("left", "right")] == [1, 2]
