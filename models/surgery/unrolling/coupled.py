"""Stacks of coupled blocks as plain Keras layers: couplings, scales, grids."""

from abc import abstractmethod
from typing import Any

import keras

from ultimate_deep.models.layers.stacks.block import LEARNT_SCALES, TWO_BRANCHES
from ultimate_deep.models.layers.stacks.coupled_stack import CoupledStack
from ultimate_deep.models.layers.stacks.couplings import GRID
from ultimate_deep.models.layers.stacks.residual_scale import ResidualScale
from ultimate_deep.models.layers.stacks.round_to_grid import RoundToGrid
from ultimate_deep.models.surgery.unrolling import parts
from ultimate_deep.models.surgery.unrolling.nesting import Carry, Step, nested


class PlainCoupled:
    """Writes the blocks of one `CoupledStack`; a subclass knows what its halves compute."""

    def __init__(self, stack: CoupledStack) -> None:
        self.stack = stack
        self.block = stack.block()
        self.weights = parts.slices(stack)

    @abstractmethod
    def branch(self, half: int, x: Any, name: str, index: int) -> Any:
        """One half of block `index` without its scales, as `Block.branch` computes it."""

    def start(self, x: Any) -> Carry:
        """The carry before the first unit, from the stack's input."""
        if self.block.coupling != "additive":
            return (x,)
        x = self._rounded(x, f"{self.stack.name}_input_grid")
        return (x, x)

    def unit(self, name: str, unit: int, blocks: list[tuple[str, int]], carry: Carry) -> Carry:
        """A unit as a model; `blocks` are their names and numbers in the stack."""
        return nested(name, [self._step(label, index) for label, index in blocks], carry)

    def output(self, name: str, carry: Carry) -> Any:
        """What a unit hands on."""
        if len(carry) == 1:
            return carry[0]
        return keras.layers.Average(dtype="float32", name=f"{name}_mean")(list(carry))

    def norm(self, half: int, x: Any, name: str, index: int) -> Any:
        """The norm of one half."""
        weights = self.here(f"norm_{half}_", index)
        return parts.norm(x, self.block.normalization, weights, f"{name}_norm_{half}")

    def here(self, prefix: str, index: int) -> dict[str, Any]:
        """Block `index`'s slices of the weights whose names start with `prefix`, without it."""
        named = parts.with_prefix(self.weights, prefix)
        return {name: value[index] for name, value in named.items()}

    def _step(self, name: str, index: int) -> Step:
        return lambda carry: self._advance(carry, name, index)

    def _advance(self, carry: Carry, name: str, index: int) -> Carry:
        """One block; the formulas of `models.layers.stacks.couplings`."""
        coupling = self.block.coupling
        if coupling == "additive":
            a, b = carry
            a = self._plus(a, self._half(1, b, name, index), 1, name)
            return (a, self._plus(b, self._half(2, a, name, index), 2, name))
        (x,) = carry
        middle = self._half(1, x, name, index)
        if coupling == "sequential":
            middle = self._plus(x, middle, 1, name)
        branch = self._half(2, middle, name, index)
        if coupling == "none":
            return (branch,)
        return (self._plus(x if coupling == "residual" else middle, branch, 2, name),)

    def _half(self, half: int, x: Any, name: str, index: int) -> Any:
        """One half with its scales; of DeepNorm the whole sublayer. See `Block.half`."""
        block = self.block
        y = self.branch(half, x, name, index)
        if half == 2 or block.coupling in TWO_BRANCHES or block.residual_scaling == "deepnorm":
            y = parts.constant_scale(y, block.branch_scale, f"{name}_scale_{half}")
            y = self._learnt_scale(half, y, name, index)
            rate = block.stochastic_depth * (index + 1) / block.depth
            label = f"{name}_stochastic_depth_{half}"
            y = parts.stochastic_depth(y, rate, self.stack, block=name, name=label)
        if block.residual_scaling == "deepnorm":
            x = parts.constant_scale(x, block.carry_scale, f"{name}_carry_scale_{half}")
            return self.norm(half, parts.add(x, y, f"{name}_add_{half}"), name, index)
        return y

    def _learnt_scale(self, half: int, y: Any, name: str, index: int) -> Any:
        learnt = self.here(f"residual_{half}_", index)
        if not learnt:
            return y
        initial = LEARNT_SCALES[self.block.residual_scaling]
        layer = ResidualScale(initial, dtype="float32", name=f"{name}_residual_{half}")
        return parts.with_weights(layer, y, residual_scale=learnt["scale"])

    def _plus(self, x: Any, branch: Any, half: int, name: str) -> Any:
        return parts.add(x, self._rounded(branch, f"{name}_grid_{half}"), f"{name}_add_{half}")

    def _rounded(self, x: Any, name: str) -> Any:
        return RoundToGrid(GRID, dtype="float32", name=name)(x) if self.block.exact else x
