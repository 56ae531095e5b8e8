"""A model's stacks as plain Keras layers, for inspection and for tools that want no loops."""

from typing import Any

import keras

from ultimate_deep.models.layers.stacks.attention_stack import AttentionStack
from ultimate_deep.models.layers.stacks.dense_stack import DenseStack
from ultimate_deep.models.layers.stacks.residual_stack import ResidualStack
from ultimate_deep.models.surgery.rebuilding import cloned_layer, rebuilt
from ultimate_deep.models.surgery.unit_labels import block_labels, unit_labels
from ultimate_deep.models.surgery.unrolling.attention import PlainAttention
from ultimate_deep.models.surgery.unrolling.dense import PlainDense
from ultimate_deep.models.surgery.unrolling.residual import PlainResidual

WRITERS: dict[type, Any] = {
    ResidualStack: PlainResidual,
    DenseStack: PlainDense,
    AttentionStack: PlainAttention,
}


def unrolled(model: keras.Model) -> keras.Model:
    """The same function with plain Keras layers in place of every stack, and the same weights.

    A stack becomes a model of the stack's name that holds a model for each unit, and in a unit
    of more than 25 blocks models of up to 25 blocks each, so that Keras, which finds a model's
    layers by recursion, never recurses deeply. With dropout and stochastic depth off, outputs
    and gradients agree to float32 rounding (matrix products in bfloat16 to bfloat16's); with
    them on, only in distribution, since the masks are Keras' own.

    Attention becomes Keras' `MultiHeadAttention`, which has a key bias too: zeros, `width` numbers
    more in each block, which a softmax cannot see. Where Keras has no layer for a thing (a
    learnt scale, an offset without norm, rounding to exact mode's grid), a small registered
    layer of `models.layers` stands in. The result saves and loads as `.keras` and `.h5`. Time to
    build, save, load and trace grows with depth.

    Args:
        model: A functional or sequential model, built; models inside it may hold stacks too.

    Returns:
        A new model of the same name, inputs and outputs; it shares no weights with `model` and
        is not compiled.

    Raises:
        ValueError: A model that is neither functional nor sequential, or a stack inside a layer
            that cannot be taken apart.
    """
    copies: list[tuple[Any, Any]] = []

    def plain(layer: Any) -> Any:
        if type(layer) in WRITERS:
            return _plain_stack(layer)
        clone = cloned_layer(layer, tuple(WRITERS))
        copies.append((layer, clone))
        return clone

    result = rebuilt(model, plain)
    for layer, clone in copies:
        clone.set_weights(layer.get_weights())
    return result


def _plain_stack(stack: Any) -> keras.Model:
    writer = WRITERS[type(stack)](stack)
    shape = stack.get_build_config()["input_shape"]
    inputs = keras.Input(shape[1:], dtype="float32", name=f"{stack.name}_input")
    carry = writer.start(inputs)
    outputs = []
    first = 0
    for unit, (name, blocks) in enumerate(
        zip(unit_labels(stack), stack.blocks_per_unit, strict=True)
    ):
        numbers = range(first, first + blocks)
        labels = list(zip(block_labels(name, blocks), numbers, strict=True))
        carry = writer.unit(name, unit, labels, carry)
        x = writer.output(name, carry)
        # A time axis of any length.
        shape = (1, *(-1 if size is None else size for size in x.shape[1:]))
        reshape = keras.layers.Reshape(shape, dtype="float32", name=f"{name}_output")
        outputs.append(reshape(x))
        first += blocks
    joined = outputs[0]
    if len(outputs) > 1:
        joined = keras.layers.Concatenate(axis=1, dtype="float32", name="units")(outputs)
    model = keras.Model(inputs, joined, name=stack.name)
    model.trainable = stack.trainable
    return model
