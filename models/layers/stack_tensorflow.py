"""The loop over stacked blocks on TensorFlow, with a hand-written backward loop.

Both directions are one `tf.while_loop` whose body holds one block, so a graph's size does not
depend on depth. Automatic differentiation is used inside one half only: through a whole loop
it would keep every intermediate and scatter into the stacked weights at each step.

What is kept of the forward pass, beside the units' outputs:
- `store`: the inputs of both halves of each block; nothing is multiplied twice.
- `checkpoint`: the carry before every segment of about `sqrt(blocks)` blocks; the inputs of
  the halves within a segment are computed again when the backward loop reaches it.
- `reversible`: the last carry; blocks are undone one by one.

Masks come from seeds drawn once for each block before the loop, so a block that is computed
again sees the same mask. Batch moments leave the forward loop as outputs, so recomputation
cannot move the moving statistics again.

Source: Griewank & Walther (2000), ACM TOMS 26(1), for recomputation from checkpoints; Chen et
al. (2016), "Training Deep Nets with Sublinear Memory Cost", arXiv:1604.06174, sec. 3; Gomez et
al. (2017), "The Reversible Residual Network", arXiv:1707.04585, algorithm 1.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from models.layers import couplings
from models.layers.block import Block, MaskSources, Weights, weights_of_half
from models.layers.couplings import Carry
from models.layers.normalization import Moments

# Exact blocks are undone in runs of this many: see `_Backward._restore`.
EXACT_SEGMENT = 16
MOMENT_NAMES = (
    "norm_1_moving_mean",
    "norm_1_moving_variance",
    "norm_2_moving_mean",
    "norm_2_moving_variance",
)


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
        weights: name to stacked trainable weight, the first axis being the block.
        moving: name to stacked moving statistic, empty but for batch normalisation.
        units: number of blocks of each unit.
        block: what all blocks share.
        seed: int `(2,)`, of the masks; None drops nothing.
        batch_moments: normalise by the batch's own moments rather than the moving ones.
        memory: `store`, `checkpoint` or `reversible`.

    Returns:
        The units' outputs `(units, batch, ..., width)`, and, with `batch_moments`, the batch's
        moments under the names of the moving statistics, each `(blocks, width)`.
    """
    run = _run
    if tf.executing_eagerly():
        # Op by op, a thousand blocks would take seconds: as one function, they do not.
        run = _compiled(units, block, batch_moments, memory)
        return run(x, weights, moving, seed)
    return run(
        x,
        weights,
        moving,
        seed,
        units=units,
        block=block,
        batch_moments=batch_moments,
        memory=memory,
    )


@functools.cache
def _compiled(units: tuple[int, ...], block: Block, batch_moments: bool, memory: str) -> Any:
    run = functools.partial(
        _run, units=units, block=block, batch_moments=batch_moments, memory=memory
    )
    return tf.function(run, reduce_retracing=True)


def _run(
    x: Any,
    weights: Weights,
    moving: Weights,
    seed: Any,
    *,
    units: tuple[int, ...],
    block: Block,
    batch_moments: bool,
    memory: str,
) -> tuple[Any, Weights]:
    names = tuple(weights)
    shape = tuple(tf.shape(x)[axis] if n is None else n for axis, n in enumerate(x.shape))
    loop = _Loop(
        block=block,
        moving=moving,
        masks=block.mask_sources(shape, seed),
        batch_moments=batch_moments,
    )
    plan = _Plan.of(units, _segment(block, memory))

    @tf.custom_gradient
    def stack(x: Any, *stacked: Any) -> tuple[Any, Callable[..., Any]]:
        weights = dict(zip(names, stacked, strict=True))
        taps, moments, kept = _forward(x, weights, loop, plan, memory)

        def backward(taps_gradient: Any, *_: Any) -> tuple[Any, ...]:
            backwards = _Backward(taps_gradient, weights, loop, plan)
            dx, gradients = backwards.all(kept, memory)
            return (dx, *(gradients[name] for name in names))

        return (taps, *moments), backward

    taps, *moments = stack(x, *weights.values())
    return taps, dict(zip(MOMENT_NAMES, moments, strict=True)) if batch_moments else {}


def _segment(block: Block, memory: str) -> int:
    """How many blocks' inputs are there at once."""
    if memory == "checkpoint":
        return math.isqrt(block.depth - 1) + 1
    return min(EXACT_SEGMENT, block.depth) if memory == "reversible" else block.depth


@dataclass(frozen=True)
class _Plan:
    """Which unit each block belongs to, and into which segments the loop is cut."""

    units: int
    blocks: int
    segment: int
    unit_of_block: Any
    ends_unit: Any

    @classmethod
    def of(cls, units: tuple[int, ...], segment: int) -> "_Plan":
        unit_of_block = np.repeat(np.arange(len(units), dtype=np.int32), units)
        ends_unit = np.append(unit_of_block[1:] != unit_of_block[:-1], True)
        return cls(
            units=len(units),
            blocks=sum(units),
            segment=segment,
            unit_of_block=tf.constant(unit_of_block),
            ends_unit=tf.constant(ends_unit.astype(np.float32)),
        )

    @property
    def segments(self) -> int:
        return -(-self.blocks // self.segment)


@dataclass(frozen=True)
class _Loop:
    """One block at an index, forwards and backwards."""

    block: Block
    moving: Weights
    masks: MaskSources
    batch_moments: bool

    def advance(self, index: Any, carry: Carry, weights: Weights) -> tuple[Any, ...]:
        """The new carry, the inputs of the halves and their moments."""
        block, half = self.block, self._half(index, weights)
        carry, inputs, moments = couplings.advance(block.coupling, carry, half, exact=block.exact)
        return carry, inputs, tuple(value for pair in moments if pair for value in pair)

    def retreat(self, index: Any, carry: Carry, weights: Weights) -> tuple[Any, Any]:
        """The carry before block `index` and the inputs of its halves."""
        return couplings.retreat(carry, self._half(index, weights), exact=self.block.exact)

    def _half(self, index: Any, weights: Weights) -> couplings.Half:
        slices = {**_slices(weights, index), **_slices(self.moving, index)}
        masks = self.masks.at(index)

        def half(number: int, x: Any) -> tuple[Any, Moments | None]:
            return self.block.half(number, x, slices, masks, training=self.batch_moments)

        return half

    def gradient(self, index: Any, weights: Weights) -> couplings.HalfGradient:
        """The backward pass of the halves of block `index`."""
        slices, moving = _slices(weights, index), _slices(self.moving, index)
        masks = self.masks.at(index)

        def half(number: int, x: Any, dy: Any) -> tuple[Any, Any, Weights]:
            ours = weights_of_half(slices, number)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch((x, ours))
                y, _ = self.block.half(
                    number, x, {**ours, **moving}, masks, training=self.batch_moments
                )
            dx, gradients = tape.gradient(y, (x, ours), dy)
            return y, dx, gradients

        return half


def _slices(stacked: Weights, index: Any) -> Weights:
    return {name: value[index] for name, value in stacked.items()}


def _array(size: int, shape: Any) -> tf.TensorArray:
    return tf.TensorArray(tf.float32, size=size, element_shape=shape)


def _write(arrays: Any, index: Any, values: Any) -> Any:
    return tuple(array.write(index, value) for array, value in zip(arrays, values, strict=True))


def _stacked(arrays: Any) -> Any:
    return tuple(array.stack() for array in arrays)


def _forward(
    x: Any, weights: Weights, loop: _Loop, plan: _Plan, memory: str
) -> tuple[Any, tuple[Any, ...], Any]:
    """The forward loop: units' outputs, moments and what the backward loop will want."""
    block = loop.block
    carry = couplings.start(block.coupling, x, exact=block.exact)
    taps = _array(plan.units if plan.units > 1 else 0, x.shape)
    moments = tuple(_array(plan.blocks, x.shape[1:]) for _ in MOMENT_NAMES if loop.batch_moments)
    inputs = tuple(_array(plan.blocks, x.shape) for _ in range(2 if memory == "store" else 0))
    carries = tuple(_array(plan.segments, x.shape) for _ in carry if memory == "checkpoint")

    def body(index: Any, carry: Carry, taps: Any, moments: Any, inputs: Any) -> tuple[Any, ...]:
        carry, here, values = loop.advance(index, carry, weights)
        if plan.units > 1:
            # A unit's slot is written by each of its blocks: the last one stays.
            taps = taps.write(plan.unit_of_block[index], couplings.value(carry))
        if memory == "store":
            inputs = _write(inputs, index, here)
        return index + 1, carry, taps, _write(moments, index, values), inputs

    def segment(number: Any, carry: Carry, taps: Any, moments: Any, carries: Any) -> Any:
        carries = _write(carries, number, carry)
        low = number * plan.segment
        high = tf.minimum(low + plan.segment, plan.blocks)
        _, carry, taps, moments, _ = tf.while_loop(
            lambda index, *_: index < high,
            body,
            (low, carry, taps, moments, ()),
            maximum_iterations=plan.segment,
        )
        return number + 1, carry, taps, moments, carries

    zero = tf.constant(0)
    kept: Any
    if memory == "checkpoint":
        _, carry, taps, moments, carries = tf.while_loop(
            lambda number, *_: number < plan.segments,
            segment,
            (zero, carry, taps, moments, carries),
            maximum_iterations=plan.segments,
        )
        kept = _stacked(carries)
    else:
        _, carry, taps, moments, inputs = tf.while_loop(
            lambda index, *_: index < plan.blocks,
            body,
            (zero, carry, taps, moments, inputs),
            maximum_iterations=plan.blocks,
        )
        kept = _stacked(inputs) if memory == "store" else carry
    output = taps.stack() if plan.units > 1 else couplings.value(carry)[None]
    return output, _stacked(moments), kept


@dataclass(frozen=True)
class _Backward:
    """The backward loops."""

    taps_gradient: Any
    weights: Weights
    loop: _Loop
    plan: _Plan

    def all(self, kept: Any, memory: str) -> tuple[Any, Weights]:
        """Gradients of the input and of each stacked weight."""
        plan, block = self.plan, self.loop.block
        arrays = {n: _array(plan.blocks, w.shape[1:]) for n, w in self.weights.items()}
        gradient = couplings.value_gradient(self.taps_gradient[-1], self._carries)
        if memory == "store":
            gradient, arrays = self._through((gradient, arrays), 0, plan.blocks, kept)
        elif memory == "checkpoint":
            gradient, arrays = self._segments((gradient, arrays), kept, self._recompute)
        elif block.exact:
            gradient, arrays = self._segments((gradient, arrays), kept, self._restore)
        else:
            gradient, arrays = self._undo(gradient, arrays, kept)
        dx = couplings.start_gradient(gradient)
        return dx, {name: array.stack() for name, array in arrays.items()}

    @property
    def _carries(self) -> int:
        return 2 if self.loop.block.coupling == "additive" else 1

    def _tapped(self, index: Any, gradient: Carry) -> Carry:
        """The gradient before block `index`, with that of the unit that ends there, if any."""
        if self.plan.units == 1:
            return gradient
        # The last unit's share is the gradient that the loop starts with.
        before = tf.maximum(index - 1, 0)
        share = self.plan.ends_unit[before] * tf.cast(index > 0, tf.float32)
        share = share * self.taps_gradient[self.plan.unit_of_block[before]]
        taps = couplings.value_gradient(share, self._carries)
        return tuple(g + tap for g, tap in zip(gradient, taps, strict=True))

    def _through(self, start: Any, low: Any, high: Any, inputs: Any) -> tuple[Carry, Any]:
        """Back through blocks `high - 1` to `low`, given the inputs of the halves."""

        def body(index: Any, gradient: Carry, arrays: Any) -> tuple[Any, ...]:
            here = tuple(value[index - low] for value in inputs)
            half = self.loop.gradient(index, self.weights)
            gradient, found = couplings.pull_back(self.loop.block.coupling, here, gradient, half)
            arrays = {name: arrays[name].write(index, found[name]) for name in arrays}
            return index - 1, self._tapped(index, gradient), arrays

        _, gradient, arrays = tf.while_loop(
            lambda index, *_: index >= low,
            body,
            (tf.convert_to_tensor(high) - 1, *start),
            maximum_iterations=self.plan.segment,
        )
        return gradient, arrays

    def _segments(self, start: Any, kept: Any, inputs_of: Any) -> tuple[Carry, Any]:
        """Back through all segments, given a function that finds a segment's inputs again."""
        plan = self.plan

        def body(segment: Any, kept: Any, gradient: Carry, arrays: Any) -> tuple[Any, ...]:
            low = segment * plan.segment
            high = tf.minimum(low + plan.segment, plan.blocks)
            kept, inputs = inputs_of(kept, segment, low, high)
            return segment - 1, kept, *self._through((gradient, arrays), low, high, inputs)

        _, _, gradient, arrays = tf.while_loop(
            lambda segment, *_: segment >= 0,
            body,
            (tf.constant(plan.segments - 1), kept, *start),
            maximum_iterations=plan.segments,
        )
        return gradient, arrays

    def _recompute(self, carries: Any, segment: Any, low: Any, high: Any) -> tuple[Any, Any]:
        """The inputs of the halves of blocks `low` to `high - 1`, from the carry before them."""

        def body(index: Any, carry: Carry, inputs: Any) -> tuple[Any, ...]:
            carry, here, _ = self.loop.advance(index, carry, self.weights)
            return index + 1, carry, _write(inputs, index - low, here)

        carry = tuple(values[segment] for values in carries)
        _, _, inputs = tf.while_loop(
            lambda index, *_: index < high,
            body,
            (low, carry, self._segment_arrays(carry)),
            maximum_iterations=self.plan.segment,
        )
        return carries, _stacked(inputs)

    def _restore(self, carry: Carry, segment: Any, low: Any, high: Any) -> tuple[Carry, Any]:
        """The carry before block `low` and the inputs of the halves, from the carry after.

        This loop computes what the forward loop computes and nothing else, so that compilers
        find the same instructions for both and every bit is the same; a loop that also computes
        gradients (`_undo`) would be arranged otherwise, and some branch would round to the next
        point of the grid.
        """

        def body(index: Any, carry: Carry, inputs: Any) -> tuple[Any, ...]:
            carry, here = self.loop.retreat(index, carry, self.weights)
            return index - 1, carry, _write(inputs, index - low, here)

        _, carry, inputs = tf.while_loop(
            lambda index, *_: index >= low,
            body,
            (high - 1, carry, self._segment_arrays(carry)),
            maximum_iterations=self.plan.segment,
        )
        return carry, _stacked(inputs)

    def _segment_arrays(self, carry: Carry) -> tuple[Any, Any]:
        shape = carry[0].shape
        return _array(self.plan.segment, shape), _array(self.plan.segment, shape)

    def _undo(self, gradient: Carry, arrays: Any, carry: Carry) -> tuple[Carry, Any]:
        """Back through all blocks, each one's inputs computed from its outputs."""

        def body(index: Any, carry: Carry, gradient: Carry, arrays: Any) -> tuple[Any, ...]:
            half = self.loop.gradient(index, self.weights)
            carry, gradient, found = couplings.reverse(carry, gradient, half)
            arrays = {name: arrays[name].write(index, found[name]) for name in arrays}
            return index - 1, carry, self._tapped(index, gradient), arrays

        blocks = self.plan.blocks
        _, _, gradient, arrays = tf.while_loop(
            lambda index, *_: index >= 0,
            body,
            (tf.constant(blocks - 1), carry, gradient, arrays),
            maximum_iterations=blocks,
        )
        return gradient, arrays
