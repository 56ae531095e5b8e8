"""The loop over densely connected blocks on TensorFlow, with a hand-written backward loop."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from ultimate_deep.models.layers.stacks.dense_block import DenseLayout, DenseSettings
from ultimate_deep.models.layers.stacks.dense_pass import DensePass
from ultimate_deep.models.layers.stacks.dense_unit import Arrays, Shapes


def run_dense(
    x: Any,
    weights: Arrays,
    moving: Arrays,
    *,
    layout: DenseLayout,
    settings: DenseSettings,
    seed: Any,
    batch_moments: bool,
) -> tuple[Any, Arrays]:
    """Run every block and transition of every unit.

    Args:
        x: `(batch, width)` float32.
        weights: Name to packed trainable weight.
        moving: Name to packed moving statistic, empty but for batch normalisation.
        layout: Where each block's rows lie.
        settings: What all blocks share.
        seed: Int `(2,)`, of the masks; None is no dropout and no stochastic depth.
        batch_moments: Normalise by the batch's own moments rather than the moving ones.

    Returns:
        The units' outputs `(batch, units, width)`, and, with `batch_moments`, the batch's
        moments, packed, under the names of the moving statistics.
    """
    run = _compiled if tf.executing_eagerly() else _run
    return run(layout, settings, batch_moments)(x, weights, moving, seed)


def _run(layout: DenseLayout, settings: DenseSettings, batch_moments: bool) -> Callable[..., Any]:
    return functools.partial(_stack, layout, settings, batch_moments)


@functools.lru_cache(maxsize=32)
def _compiled(
    layout: DenseLayout, settings: DenseSettings, batch_moments: bool
) -> Callable[..., Any]:
    """Outside of any graph a loop would run operation by operation."""
    run = _run(layout, settings, batch_moments)
    return tf.function(run, reduce_retracing=True, autograph=False)


def _stack(
    layout: DenseLayout,
    settings: DenseSettings,
    batch_moments: bool,
    x: Any,
    weights: Arrays,
    moving: Arrays,
    seed: Any,
) -> tuple[Any, Arrays]:
    names = tuple(weights)
    whole = DensePass(layout, settings, batch_moments, TensorFlow()).with_masks(
        keras.ops.shape(x)[0], seed
    )

    @tf.custom_gradient
    def stack(x: Any, *packed: Any) -> tuple[Any, Callable[..., Any]]:
        ours = dict(zip(names, packed, strict=True))
        taps, moments, saved = whole.forward(x, ours, moving)

        def backward(upstream: Any, *_: Any) -> tuple[Any, ...]:
            dx, gradients = whole.backward(upstream, saved, ours, moving)
            return (dx, *(gradients[name] for name in names))

        return (taps, *(moments[name] for name in moving if moments)), backward

    taps, *moments = stack(x, *weights.values())
    return taps, dict(zip(moving, moments, strict=True)) if batch_moments else {}


class TensorFlow:
    """See `dense_unit.Backend`."""

    def scan(
        self,
        body: Callable[[Any, Any], tuple[Any, Arrays]],
        carry: Any,
        length: int,
        outputs: Shapes,
        *,
        reverse: bool = False,
    ) -> tuple[Any, Arrays]:
        """One `tf.while_loop`; XLA wants its number of rounds as a constant."""

        def step(count: Any, carry: Any, arrays: Any) -> tuple[Any, ...]:
            index = length - 1 - count if reverse else count
            carry, values = body(index, carry)
            return count + 1, carry, {n: a.write(index, values[n]) for n, a in arrays.items()}

        arrays = {
            name: tf.TensorArray(tf.float32, size=length, element_shape=shape)
            for name, shape in outputs.items()
        }
        _, carry, arrays = tf.while_loop(
            lambda count, *_: count < length,
            step,
            (tf.constant(0), carry, arrays),
            maximum_iterations=length,
            # Rounds depend on each other: more at once would only hold more memory.
            parallel_iterations=1,
        )
        return carry, {
            name: tf.ensure_shape(arrays[name].stack(), (length, *shape))
            for name, shape in outputs.items()
        }

    def activation_gradient(self, activation: str, x: Any, upstream: Any) -> tuple[Any, Any]:
        """By TensorFlow's own differentiation of this one operation."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            y = keras.activations.get(activation)(x)
        return y, tape.gradient(y, x, upstream)
