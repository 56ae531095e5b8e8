"""The loop over stacked blocks on JAX, with a hand-written backward loop: see `stack_pass`."""

import functools
from collections.abc import Callable
from typing import Any

import jax
from jax import numpy as jnp

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
    """Run every block of every unit: see `stack_tensorflow.run_stack`."""
    return _compiled(units, block, batch_moments, memory)(x, weights, moving, seed)


@functools.cache
def _compiled(
    units: tuple[int, ...], block: Block, batch_moments: bool, memory: str
) -> Callable[..., Any]:
    """The stack as one function, so that it is compiled once wherever it is called from."""
    whole = StackPass(block, units, batch_moments, memory, Jax())
    # A call without a gradient keeps nothing but what it needs to go on.
    outputs_only = StackPass(block, units, batch_moments, "reversible", Jax())

    def stack(x: Any, weights: Weights, moving: Weights, seed: Any) -> tuple[Any, Weights]:
        masks = block.mask_sources(x.shape, seed)
        return outputs_only.forward(x, weights, moving, masks)[:2]

    def forward(x: Any, weights: Weights, moving: Weights, seed: Any) -> tuple[Any, Any]:
        masks = block.mask_sources(x.shape, seed)
        taps, moments, kept = whole.forward(x, weights, moving, masks)
        return (taps, moments), (kept, weights, moving, seed)

    def backward(saved: Any, upstream: Any) -> tuple[Any, ...]:
        kept, weights, moving, seed = saved
        masks = block.mask_sources(upstream[0].shape[1:], seed)
        return (*whole.backward(upstream[0], kept, weights, moving, masks), None, None)

    differentiable = jax.custom_vjp(stack)
    differentiable.defvjp(forward, backward)
    return jax.jit(differentiable)


class Jax:
    """See `stack_pass.StackBackend`."""

    def loop(self, body: Body, low: Any, high: Any, state: Any, *, most: int) -> Any:
        """`jax.lax.fori_loop`, which needs no bound."""
        return jax.lax.fori_loop(low, high, body, state)

    def countdown(self, body: Body, low: Any, high: Any, state: Any, *, most: int) -> Any:
        """`jax.lax.fori_loop` over a counter that the index is computed from."""
        last = low + high - 1
        return jax.lax.fori_loop(low, high, lambda k, state: body(last - k, state), state)

    def array(self, size: int, shape: Any) -> Any:
        """Zeros: writes in loops are in place."""
        return jnp.zeros((size, *shape), "float32")

    def write(self, array: Any, index: Any, value: Any) -> Any:
        """`jax.lax.dynamic_update_index_in_dim` along the first axis."""
        return jax.lax.dynamic_update_index_in_dim(array, value, index, 0)

    def stacked(self, array: Any) -> Any:
        """The array itself."""
        return array

    def pull_back(self, f: Callable[..., Any], inputs: Any, dy: Any) -> tuple[Any, Any]:
        """`jax.vjp`."""
        y, pull = jax.vjp(f, *inputs)
        return y, pull(dy)
