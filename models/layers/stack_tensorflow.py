"""The loop over stacked residual blocks on TensorFlow, with a hand-written backward loop.

Both directions are one `tf.while_loop` whose body holds one block, so a graph's size does not
depend on depth. Automatic differentiation is used inside one block only: through a whole loop
it would keep every intermediate and scatter into the stacked weights at each step.

What is kept of the forward pass, beside the units' outputs:
- `store`: each block's input and the state between its halves; nothing is multiplied twice.
- `checkpoint`: the carry after every segment of about `sqrt(blocks)` blocks; a segment's two
  states per block are computed again when the backward loop reaches it.

Masks come from seeds drawn once for each block before the loop, so a block that is computed
again sees the same mask. Batch moments leave the forward loop as outputs, so recomputation
cannot move the moving statistics again.

Source: Griewank & Walther (2000), ACM TOMS 26(1), for recomputation from checkpoints; Chen et
al. (2016), "Training Deep Nets with Sublinear Memory Cost", arXiv:1604.06174, sec. 3.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from models.layers.masks_tensorflow import MaskSource, mask_source
from models.layers.normalization import Moments
from models.layers.residual_block import BlockSettings, Weights, first_half, second_half

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
    settings: BlockSettings,
    seed: Any,
    batch_moments: bool,
    memory: str,
) -> tuple[Any, Weights]:
    """Run every block of every unit.

    Args:
        x: `(batch, width)` float32.
        weights: name to stacked trainable weight, the first axis being the block.
        moving: name to stacked moving statistic, empty but for batch normalisation.
        units: number of blocks of each unit.
        settings: what all blocks share.
        seed: int `(2,)`, of the dropout masks; None is no dropout.
        batch_moments: normalise by the batch's own moments rather than the moving ones.
        memory: `store` or `checkpoint`.

    Returns:
        The units' outputs `(units, batch, width)`, and, with `batch_moments`, the batch's
        moments under the names of the moving statistics, each `(blocks, width)`.
    """
    names = tuple(weights)
    masks = mask_source((tf.shape(x)[0], x.shape[1]), settings.depth, seed, settings.dropout_rate)
    block = _Block(settings, moving, masks, batch_moments)
    segment = settings.depth if memory == "store" else math.isqrt(settings.depth - 1) + 1
    plan = _Plan.of(units, segment)

    @tf.custom_gradient
    def stack(x: Any, *stacked: Any) -> tuple[Any, Callable[..., Any]]:
        weights = dict(zip(names, stacked, strict=True))
        taps, moments, saved = _forward(x, weights, block, plan, memory)

        def backward(taps_gradient: Any, *_: Any) -> tuple[Any, ...]:
            return _backward(taps_gradient, x, weights, block, plan, saved)

        return (taps, *moments), backward

    # In eager mode Keras hands over variables, which a custom gradient takes for captured ones.
    taps, *moments = stack(x, *(tf.convert_to_tensor(w) for w in weights.values()))
    return taps, dict(zip(MOMENT_NAMES, moments, strict=True)) if batch_moments else {}


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
class _Block:
    """One block at an index, forwards and backwards."""

    settings: BlockSettings
    moving: Weights
    masks: MaskSource | None
    batch_moments: bool

    def first(self, index: Any, x: Any, weights: Weights) -> tuple[Any, Moments | None]:
        weights = {**weights, **_slices(self.moving, index)}
        return first_half(x, weights, self.settings, training=self.batch_moments)

    def second(self, index: Any, state: Any, weights: Weights) -> tuple[Any, Moments | None]:
        mask = None
        if self.masks is not None:
            mask = tf.ensure_shape(self.masks.mask(index), state.shape)
        weights = {**weights, **_slices(self.moving, index)}
        return second_half(state, weights, self.settings, mask=mask, training=self.batch_moments)

    def backward(
        self, index: Any, x: Any, state: Any, gradient: Any, weights: Weights
    ) -> tuple[Any, Weights]:
        """Gradients of the block's input and weights, from the output's gradient."""
        ours = {name: w for name, w in weights.items() if "_1_" not in name}
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch((state, ours))
            branch, _ = self.second(index, state, ours)
        state_gradient, second = tape.gradient(branch, (state, ours), gradient)
        ours = {name: w for name, w in weights.items() if "_1_" in name}
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch((x, ours))
            again, _ = self.first(index, x, ours)
        x_gradient, first = tape.gradient(again, (x, ours), state_gradient)
        return gradient + x_gradient, {**first, **second}


def _slices(stacked: Weights, index: Any) -> Weights:
    return {name: value[index] for name, value in stacked.items()}


def _array(size: int, shape: Any) -> tf.TensorArray:
    return tf.TensorArray(tf.float32, size=size, element_shape=shape)


def _forward(
    x: Any, weights: Weights, block: _Block, plan: _Plan, memory: str
) -> tuple[Any, tuple[Any, ...], tuple[Any, ...]]:
    """The forward loop: units' outputs, moments and what the backward loop will want."""
    keeps_states = memory == "store"

    def body(index: Any, x: Any, taps: Any, moments: Any, kept: Any) -> tuple[Any, ...]:
        slices = _slices(weights, index)
        state, first_moments = block.first(index, x, slices)
        branch, second_moments = block.second(index, state, slices)
        y = x + branch
        # A unit's slot is written by each of its blocks: the last one stays.
        taps = taps.write(plan.unit_of_block[index], y)
        if first_moments is not None and second_moments is not None:
            values = (*first_moments, *second_moments)
            moments = tuple(m.write(index, v) for m, v in zip(moments, values, strict=True))
        if keeps_states:
            kept = (kept[0].write(index, x), kept[1].write(index, state))
        else:
            kept = (kept[0].write(index // plan.segment, y),)
        return index + 1, y, taps, moments, kept

    size = plan.blocks if keeps_states else plan.segments
    start = (
        tf.constant(0),
        x,
        _array(plan.units, x.shape),
        tuple(_array(plan.blocks, x.shape[1:]) for _ in MOMENT_NAMES if block.batch_moments),
        tuple(_array(size, x.shape) for _ in range(2 if keeps_states else 1)),
    )
    _, _, taps, moments, kept = tf.while_loop(
        lambda index, *_: index < plan.blocks, body, start, maximum_iterations=plan.blocks
    )
    return (
        taps.stack(),
        tuple(array.stack() for array in moments),
        tuple(array.stack() for array in kept),
    )


def _backward(
    taps_gradient: Any,
    x: Any,
    weights: Weights,
    block: _Block,
    plan: _Plan,
    saved: tuple[Any, ...],
) -> tuple[Any, ...]:
    """The backward loop: gradients of `x` and of each stacked weight, in their order."""
    start = (tf.zeros_like(x), {n: _array(plan.blocks, w.shape[1:]) for n, w in weights.items()})
    gradient = _Gradient(taps_gradient, weights, block, plan)
    if len(saved) == 2:
        dx, arrays = gradient.through(start, 0, plan.blocks, *saved)
    else:
        carries = tf.concat([x[None], saved[0][:-1]], axis=0)

        def body(segment: Any, dx: Any, arrays: Any) -> tuple[Any, ...]:
            low = segment * plan.segment
            high = tf.minimum(low + plan.segment, plan.blocks)
            states = _recompute(carries[segment], low, high, weights, block, plan)
            return segment - 1, *gradient.through((dx, arrays), low, high, *states)

        _, dx, arrays = tf.while_loop(
            lambda segment, *_: segment >= 0,
            body,
            (tf.constant(plan.segments - 1), *start),
            maximum_iterations=plan.segments,
        )
    return (dx, *(arrays[name].stack() for name in weights))


@dataclass(frozen=True)
class _Gradient:
    """The part of the backward pass that is the same for every memory mode."""

    taps_gradient: Any
    weights: Weights
    block: _Block
    plan: _Plan

    def through(self, start: Any, low: Any, high: Any, inputs: Any, states: Any) -> tuple[Any, Any]:
        """Go back through blocks `high - 1` to `low`, given each one's input and inner state."""
        plan = self.plan

        def body(index: Any, dx: Any, arrays: Any) -> tuple[Any, ...]:
            dx = dx + plan.ends_unit[index] * self.taps_gradient[plan.unit_of_block[index]]
            dx, gradients = self.block.backward(
                index, inputs[index - low], states[index - low], dx, _slices(self.weights, index)
            )
            arrays = {name: arrays[name].write(index, gradients[name]) for name in arrays}
            return index - 1, dx, arrays

        _, dx, arrays = tf.while_loop(
            lambda index, *_: index >= low,
            body,
            (tf.convert_to_tensor(high) - 1, *start),
            maximum_iterations=plan.segment,
        )
        return dx, arrays


def _recompute(
    x: Any, low: Any, high: Any, weights: Weights, block: _Block, plan: _Plan
) -> tuple[Any, Any]:
    """Each block's input and inner state in blocks `low` to `high - 1`, from the first input."""

    def body(index: Any, x: Any, inputs: Any, states: Any) -> tuple[Any, ...]:
        slices = _slices(weights, index)
        state, _ = block.first(index, x, slices)
        branch, _ = block.second(index, state, slices)
        inputs, states = inputs.write(index - low, x), states.write(index - low, state)
        return index + 1, x + branch, inputs, states

    arrays = (_array(plan.segment, x.shape), _array(plan.segment, x.shape))
    _, _, inputs, states = tf.while_loop(
        lambda index, *_: index < high, body, (low, x, *arrays), maximum_iterations=plan.segment
    )
    return inputs.stack(), states.stack()
