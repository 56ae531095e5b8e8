"""The loop over densely connected blocks on JAX, with a hand-written backward loop."""

from collections.abc import Callable
from typing import Any

import jax
import keras
from jax import numpy as jnp

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
    """Run every block and transition of every unit: see `dense_tensorflow.run_dense`."""
    plain = DensePass(layout, settings, batch_moments, Jax())

    @jax.custom_vjp
    def stack(x: Any, weights: Arrays, moving: Arrays, seed: Any) -> tuple[Any, Arrays]:
        return forward(x, weights, moving, seed)[0]

    def forward(x: Any, weights: Arrays, moving: Arrays, seed: Any) -> tuple[Any, Any]:
        whole = plain.with_masks(x.shape[0], seed)
        taps, moments, saved = whole.forward(x, weights, moving)
        return (taps, moments), (saved, weights, moving, seed)

    def backward(kept: Any, upstream: Any) -> tuple[Any, ...]:
        saved, weights, moving, seed = kept
        whole = plain.with_masks(upstream[0].shape[0], seed)
        return (*whole.backward(upstream[0], saved, weights, moving), None, None)

    stack.defvjp(forward, backward)
    return stack(x, weights, moving, seed)


class Jax:
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
        """`jax.lax.scan` over the indices; the shapes of `outputs` are known without being told."""

        def step(carry: Any, index: Any) -> tuple[Any, Arrays]:
            carry, values = body(index, carry)
            return carry, {name: values[name] for name in outputs}

        return jax.lax.scan(step, carry, jnp.arange(length), reverse=reverse)

    def activation_gradient(self, activation: str, x: Any, upstream: Any) -> tuple[Any, Any]:
        """By JAX's own differentiation of this one operation."""
        y, pull = jax.vjp(keras.activations.get(activation), x)
        return y, pull(upstream)[0]
