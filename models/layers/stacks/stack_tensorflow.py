"""The loop over stacked blocks on TensorFlow, with a hand-written backward loop: see `stack_pass`.

Both directions are `tf.while_loop`s whose body holds one block, so a graph's size does not
depend on depth.
"""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from ultimate_deep.models.layers.stacks.block import Block, Weights
from ultimate_deep.models.layers.stacks.stack_pass import Body, StackPass


def run_stack(
    x: Any,
    weights: Weights,
    moving: Weights,
    *,
    units: tuple[int, ...],
    block: Block,
    seed: Any,
    batch_moments: bool,
    memory: str,
) -> tuple[Any, Weights]:
    """Run every block of every unit.

    Args:
        x: `(batch, ..., width)` float32.
        weights: Name to stacked trainable weight, the first axis being the block.
        moving: Name to stacked moving statistic, empty but for batch normalisation.
        units: Number of blocks of each unit.
        block: What all blocks share.
        seed: Int `(2,)`, of the masks; None drops nothing.
        batch_moments: Normalise by the batch's own moments rather than the moving ones.
        memory: `store`, `checkpoint` or `reversible`.

    Returns:
        The units' outputs `(units, batch, ..., width)`, and, with `batch_moments`, the batch's
        moments under the names of the moving statistics, each `(blocks, width)`.
    """
    stack = StackPass(block, units, batch_moments, memory, BACKEND)
    # Op by op, a thousand blocks would take seconds: as one function, they do not.
    eager = tf.executing_eagerly()
    run = _compiled(stack, tuple(x.shape[1:])) if eager else functools.partial(_run, stack)
    return run(x, weights, moving, seed)


@functools.cache
def _compiled(stack: StackPass, shape: tuple[int, ...]) -> Any:
    """One function for each shape of a row: two stacks of one depth may differ in width.

    A function that has seen both would be traced anew for rows of no known width.
    """
    return tf.function(functools.partial(_run, stack), reduce_retracing=True, autograph=False)


def _run(
    stack: StackPass, x: Any, weights: Weights, moving: Weights, seed: Any
) -> tuple[Any, Weights]:
    names = tuple(weights)
    shape = tuple(tf.shape(x)[axis] if n is None else n for axis, n in enumerate(x.shape))
    masks = stack.block.mask_sources(shape, seed)

    @tf.custom_gradient
    def run(x: Any, *stacked: Any) -> tuple[Any, Callable[..., Any]]:
        weights = dict(zip(names, stacked, strict=True))
        taps, moments, kept = stack.forward(x, weights, moving, masks)

        def backward(upstream: Any, *_: Any) -> tuple[Any, ...]:
            dx, gradients = stack.backward(upstream, kept, weights, moving, masks)
            return (dx, *(gradients[name] for name in names))

        return (taps, moments), backward

    taps, moments = run(x, *weights.values())
    return taps, moments


class TensorFlow:
    """See `stack_pass.StackBackend`."""

    def loop(self, body: Body, low: Any, high: Any, state: Any, *, most: int) -> Any:
        """`tf.while_loop` with the bound that XLA wants."""
        return tf.while_loop(
            lambda index, _: index < high,
            lambda index, state: (index + 1, body(index, state)),
            (tf.convert_to_tensor(low), state),
            maximum_iterations=most,
        )[1]

    def countdown(self, body: Body, low: Any, high: Any, state: Any, *, most: int) -> Any:
        """`tf.while_loop` from the last index down."""
        return tf.while_loop(
            lambda index, _: index >= low,
            lambda index, state: (index - 1, body(index, state)),
            (tf.convert_to_tensor(high) - 1, state),
            maximum_iterations=most,
        )[1]

    def array(self, size: int, shape: Any) -> Any:
        """A `tf.TensorArray`: writes in loops are in place."""
        return tf.TensorArray(tf.float32, size=size, element_shape=shape)

    def write(self, array: Any, index: Any, value: Any) -> Any:
        """`tf.TensorArray.write`."""
        return array.write(index, value)

    def stacked(self, array: Any) -> Any:
        """`tf.TensorArray.stack`."""
        return array.stack()

    def pull_back(self, f: Callable[..., Any], inputs: Any, dy: Any) -> tuple[Any, Any]:
        """`tf.GradientTape`."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(inputs)
            y = f(*inputs)
        return y, tape.gradient(y, inputs, dy)


# One for all, so that equal stacks are equal keys of what is compiled.
BACKEND = TensorFlow()
