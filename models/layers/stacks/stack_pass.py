"""Both directions of the loop over a stack's blocks, for any backend that has loops.

Automatic differentiation is used inside one half of a block only: through a whole loop it
would keep every intermediate and scatter into the stacked weights at each step.

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

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from keras import ops

from ultimate_deep.models.layers.stacks import couplings
from ultimate_deep.models.layers.stacks.block import Block, MaskSources, Weights, weights_of_half
from ultimate_deep.models.layers.stacks.couplings import Carry
from ultimate_deep.models.layers.stacks.normalization import Moments

# Exact blocks are undone in runs of this many: see `_Backward._restore`.
EXACT_SEGMENT = 16
MOMENT_NAMES = (
    "norm_1_moving_mean",
    "norm_1_moving_variance",
    "norm_2_moving_mean",
    "norm_2_moving_variance",
)

Body = Callable[[Any, Any], Any]


class StackBackend(Protocol):
    """What a backend gives to the loops."""

    def loop(self, body: Body, low: Any, high: Any, state: Any, *, most: int) -> Any:
        """`state = body(index, state)` for `index` from `low` to `high - 1`; at most `most`."""

    def countdown(self, body: Body, low: Any, high: Any, state: Any, *, most: int) -> Any:
        """The same from `high - 1` down to `low`."""

    def array(self, size: int, shape: Any) -> Any:
        """`size` float32 arrays of `shape`, to be written in a loop."""

    def write(self, array: Any, index: Any, value: Any) -> Any:
        """The array with `value` at `index`."""

    def stacked(self, array: Any) -> Any:
        """An array's tensor, `(size, *shape)`."""

    def pull_back(self, f: Callable[..., Any], inputs: Any, dy: Any) -> tuple[Any, Any]:
        """`f(*inputs)`, and the gradient of each input from that of the output."""


@dataclass(frozen=True)
class StackPass:
    """Both directions of one stack.

    Args:
        block: What all blocks share.
        units: Number of blocks of each unit.
        batch_moments: Normalise by the batch's own moments rather than the moving ones.
        memory: `store`, `checkpoint` or `reversible`.
        backend: The current backend's loops.
    """

    block: Block
    units: tuple[int, ...]
    batch_moments: bool
    memory: str
    backend: StackBackend

    @property
    def segment(self) -> int:
        """How many blocks' inputs are there at once."""
        depth = self.block.depth
        if self.memory == "checkpoint":
            return math.isqrt(depth - 1) + 1
        return min(EXACT_SEGMENT, depth) if self.memory == "reversible" else depth

    @property
    def segments(self) -> int:
        """How many segments there are, the last of which may be shorter."""
        return -(-self.block.depth // self.segment)

    def bounds(self, segment: Any) -> tuple[Any, Any]:
        """The first block of a segment, and that of the next."""
        low = segment * self.segment
        return low, ops.minimum(low + self.segment, self.block.depth)

    @property
    def unit_of_block(self) -> np.ndarray:
        """The number of each block's unit, `(blocks,)`."""
        return np.repeat(np.arange(len(self.units), dtype="int32"), self.units)

    def forward(
        self, x: Any, weights: Weights, moving: Weights, masks: MaskSources
    ) -> tuple[Any, Weights, Any]:
        """Run every block.

        Args:
            x: `(batch, ..., width)` float32.
            weights: Name to stacked trainable weight, the first axis being the block.
            moving: Name to stacked moving statistic.
            masks: Masks of this step.

        Returns:
            The units' outputs `(units, batch, ..., width)`; with `batch_moments`, the batch's
            moments by the names of the moving statistics, each `(blocks, width)`; what to keep
            for `backward`.
        """
        return _Forward(self, _Steps(self, weights, moving, masks), tuple(x.shape)).all(x)

    def backward(
        self, upstream: Any, kept: Any, weights: Weights, moving: Weights, masks: MaskSources
    ) -> tuple[Any, Weights]:
        """Gradients of the input and of each stacked weight, from that of the units' outputs."""
        return _Backward(self, _Steps(self, weights, moving, masks), weights, upstream).all(kept)

    def arrays(self, count: int, size: int, shape: Any) -> tuple[Any, ...]:
        """`count` arrays to be written in a loop."""
        return tuple(self.backend.array(size, shape) for _ in range(count))

    def write(self, arrays: Any, index: Any, values: Any) -> tuple[Any, ...]:
        """Each array with its value at `index`."""
        pairs = zip(arrays, values, strict=True)
        return tuple(self.backend.write(array, index, value) for array, value in pairs)

    def stacked(self, arrays: Any) -> tuple[Any, ...]:
        """Each array's tensor."""
        return tuple(self.backend.stacked(array) for array in arrays)


@dataclass(frozen=True)
class _Steps:
    """One block at an index, forwards and backwards."""

    stack: StackPass
    weights: Weights
    moving: Weights
    masks: MaskSources

    def advance(self, index: Any, carry: Carry) -> tuple[Carry, tuple[Any, Any], tuple[Any, ...]]:
        """The new carry, the inputs of the halves and their moments."""
        block = self.stack.block
        carry, inputs, moments = couplings.advance(
            block.coupling, carry, self._half(index), exact=block.exact
        )
        return carry, inputs, tuple(value for pair in moments if pair for value in pair)

    def retreat(self, index: Any, carry: Carry) -> tuple[Carry, tuple[Any, Any]]:
        """The carry before block `index` and the inputs of its halves."""
        return couplings.retreat(carry, self._half(index), exact=self.stack.block.exact)

    def gradient(self, index: Any) -> couplings.HalfGradient:
        """The backward pass of the halves of block `index`."""
        slices, moving = _slices(self.weights, index), _slices(self.moving, index)
        masks, stack = self.masks.at(index), self.stack

        def half(number: int, x: Any, dy: Any) -> tuple[Any, Any, Weights]:
            def branch(x: Any, ours: Weights) -> Any:
                ours = {**ours, **moving}
                return stack.block.half(number, x, ours, masks, training=stack.batch_moments)[0]

            inputs = (x, weights_of_half(slices, number))
            y, (dx, gradients) = stack.backend.pull_back(branch, inputs, dy)
            return y, dx, gradients

        return half

    def _half(self, index: Any) -> couplings.Half:
        slices = {**_slices(self.weights, index), **_slices(self.moving, index)}
        masks, stack = self.masks.at(index), self.stack

        def half(number: int, x: Any) -> tuple[Any, Moments | None]:
            return stack.block.half(number, x, slices, masks, training=stack.batch_moments)

        return half


def _slices(stacked: Weights, index: Any) -> Weights:
    return {name: value[index] for name, value in stacked.items()}


@dataclass(frozen=True)
class _Forward:
    """The forward loop over inputs of `shape`."""

    stack: StackPass
    steps: _Steps
    shape: tuple[int | None, ...]

    def all(self, x: Any) -> tuple[Any, Weights, Any]:
        """Units' outputs, moments and what the backward loop will want."""
        stack, block, backend = self.stack, self.stack.block, self.stack.backend
        carry = couplings.start(block.coupling, x, exact=block.exact)
        taps = backend.array(len(stack.units) if len(stack.units) > 1 else 0, self.shape)
        count = len(MOMENT_NAMES) if stack.batch_moments else 0
        moments = stack.arrays(count, block.depth, self.shape[-1:])
        kept: Any
        if stack.memory == "checkpoint":
            carries = stack.arrays(len(carry), stack.segments, self.shape)
            carry, taps, moments, carries = backend.loop(
                self._segment,
                0,
                stack.segments,
                (carry, taps, moments, carries),
                most=stack.segments,
            )
            kept = stack.stacked(carries)
        else:
            inputs = stack.arrays(2 if stack.memory == "store" else 0, block.depth, self.shape)
            carry, taps, moments, inputs = backend.loop(
                self._block, 0, block.depth, (carry, taps, moments, inputs), most=block.depth
            )
            kept = stack.stacked(inputs) if stack.memory == "store" else carry
        several = len(stack.units) > 1
        output = backend.stacked(taps) if several else couplings.value(carry)[None]
        named = dict(zip(MOMENT_NAMES, stack.stacked(moments), strict=False))
        return output, named, kept

    def _block(self, index: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
        carry, taps, moments, inputs = state
        carry, here, values = self.steps.advance(index, carry)
        if len(self.stack.units) > 1:
            # A unit's slot is written by each of its blocks: the last one stays.
            unit = ops.convert_to_tensor(self.stack.unit_of_block)[index]
            taps = self.stack.backend.write(taps, unit, couplings.value(carry))
        if inputs:
            inputs = self.stack.write(inputs, index, here)
        return carry, taps, self.stack.write(moments, index, values), inputs

    def _segment(self, segment: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
        carry, taps, moments, carries = state
        carries = self.stack.write(carries, segment, carry)
        carry, taps, moments, _ = self.stack.backend.loop(
            self._block,
            *self.stack.bounds(segment),
            (carry, taps, moments, ()),
            most=self.stack.segment,
        )
        return carry, taps, moments, carries


@dataclass(frozen=True)
class _Backward:
    """The backward loops."""

    stack: StackPass
    steps: _Steps
    weights: Weights
    upstream: Any

    def all(self, kept: Any) -> tuple[Any, Weights]:
        """Gradients of the input and of each stacked weight."""
        stack, block = self.stack, self.stack.block
        arrays = {
            name: stack.backend.array(block.depth, weight.shape[1:])
            for name, weight in self.weights.items()
        }
        state: Any = (couplings.value_gradient(self.upstream[-1], self._carries), arrays)
        if stack.memory == "store":
            state = self._through(state, 0, block.depth, kept)
        elif stack.memory == "checkpoint":
            state = self._segments(state, kept, self._recompute)
        elif block.exact:
            state = self._segments(state, kept, self._restore)
        else:
            _, state = stack.backend.countdown(
                self._undo, 0, block.depth, (kept, state), most=block.depth
            )
        gradient, arrays = state
        dx = couplings.start_gradient(gradient)
        return dx, {name: stack.backend.stacked(array) for name, array in arrays.items()}

    @property
    def _carries(self) -> int:
        return 2 if self.stack.block.coupling == "additive" else 1

    def _tapped(self, index: Any, gradient: Carry) -> Carry:
        """The gradient before block `index`, with that of the unit that ends there, if any."""
        if len(self.stack.units) == 1:
            return gradient
        units = self.stack.unit_of_block
        # The last unit's share is the gradient that the loop starts with.
        starts = np.append(False, units[1:] != units[:-1]).astype("float32")
        before = ops.convert_to_tensor(np.maximum(units - 1, 0))[index]
        # Subtracted with its sign turned: TensorFlow's optimizer of graphs joins three sums in a
        # row to one, in an order that depends on what stands around them.
        share = ops.convert_to_tensor(-starts)[index] * self.upstream[before]
        taps = couplings.value_gradient(share, self._carries)
        return tuple(g - tap for g, tap in zip(gradient, taps, strict=True))

    def _write(self, arrays: Any, index: Any, found: Weights) -> Any:
        write = self.stack.backend.write
        return {name: write(array, index, found[name]) for name, array in arrays.items()}

    def _through(self, state: Any, low: Any, high: Any, inputs: Any) -> Any:
        """Back through blocks `high - 1` to `low`, given the inputs of the halves."""

        def body(index: Any, state: tuple[Carry, Any]) -> tuple[Carry, Any]:
            gradient, arrays = state
            here = tuple(value[index - low] for value in inputs)
            half = self.steps.gradient(index)
            gradient, found = couplings.pull_back(self.stack.block.coupling, here, gradient, half)
            return self._tapped(index, gradient), self._write(arrays, index, found)

        return self.stack.backend.countdown(body, low, high, state, most=self.stack.segment)

    def _segments(self, state: Any, kept: Any, inputs_of: Callable[..., Any]) -> Any:
        """Back through all segments, given a function that finds a segment's inputs again."""
        stack = self.stack

        def body(segment: Any, state: tuple[Any, Any]) -> tuple[Any, Any]:
            kept, state = state
            low, high = stack.bounds(segment)
            kept, inputs = inputs_of(kept, segment, low, high)
            return kept, self._through(state, low, high, inputs)

        _, state = stack.backend.countdown(
            body, 0, stack.segments, (kept, state), most=stack.segments
        )
        return state

    def _recompute(self, carries: Any, segment: Any, low: Any, high: Any) -> tuple[Any, Any]:
        """The inputs of the halves of blocks `low` to `high - 1`, from the carry before them."""

        def body(index: Any, state: tuple[Carry, Any]) -> tuple[Carry, Any]:
            carry, inputs = state
            carry, here, _ = self.steps.advance(index, carry)
            return carry, self.stack.write(inputs, index - low, here)

        carry = tuple(values[segment] for values in carries)
        _, inputs = self.stack.backend.loop(
            body, low, high, (carry, self._segment_arrays(carry)), most=self.stack.segment
        )
        return carries, self.stack.stacked(inputs)

    def _restore(self, carry: Carry, segment: Any, low: Any, high: Any) -> tuple[Carry, Any]:
        """The carry before block `low` and the inputs of the halves, from the carry after.

        This loop computes what the forward loop computes and nothing else, so that compilers
        find the same instructions for both and every bit is the same; a loop that also computes
        gradients (`_undo`) would be arranged otherwise, and some branch would round to the next
        point of the grid.
        """

        def body(index: Any, state: tuple[Carry, Any]) -> tuple[Carry, Any]:
            carry, inputs = state
            carry, here = self.steps.retreat(index, carry)
            return carry, self.stack.write(inputs, index - low, here)

        carry, inputs = self.stack.backend.countdown(
            body, low, high, (carry, self._segment_arrays(carry)), most=self.stack.segment
        )
        return carry, self.stack.stacked(inputs)

    def _segment_arrays(self, carry: Carry) -> tuple[Any, ...]:
        return self.stack.arrays(2, self.stack.segment, carry[0].shape)

    def _undo(self, index: Any, state: tuple[Carry, Any]) -> tuple[Carry, Any]:
        """Back through one block, its inputs computed from its outputs."""
        carry, (gradient, arrays) = state
        carry, gradient, found = couplings.reverse(carry, gradient, self.steps.gradient(index))
        return carry, (self._tapped(index, gradient), self._write(arrays, index, found))
