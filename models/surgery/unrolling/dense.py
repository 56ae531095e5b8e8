"""A `DenseStack` as plain Keras layers: norm, activation, dense, join."""

from typing import Any

import keras
import numpy as np

from ultimate_deep.models.layers.stacks.dense_stack import DenseStack
from ultimate_deep.models.surgery.unrolling import parts
from ultimate_deep.models.surgery.unrolling.nesting import Carry, nested


class PlainDense:
    """Writes the blocks and transitions of one `DenseStack`."""

    def __init__(self, stack: DenseStack) -> None:
        self.stack = stack
        self.weights = parts.slices(stack)
        self.fans = {
            "block": stack.layout.block_fans,
            "transition": stack.layout.transition_fans,
        }
        self.ends = {part: np.cumsum((0, *fans)) for part, fans in self.fans.items()}

    def unit(self, name: str, unit: int, blocks: list[tuple[str, int]], carry: Carry) -> Carry:
        """A unit as a model; `blocks` are their names and numbers in the stack."""
        steps = [self._step(label, index) for label, index in blocks]

        def transition(carry: Carry) -> Carry:
            return (self._norm_dense(carry[0], "transition", unit, f"{name}_transition"),)

        return nested(name, steps, carry, last=transition)

    def start(self, x: Any) -> Carry:
        """The carry before the first unit, from the stack's input."""
        return (parts.last_unit(x, self.stack.name),)

    def output(self, name: str, carry: Carry) -> Any:
        """What a unit hands on."""
        return carry[0]

    def _step(self, name: str, index: int) -> Any:
        def block(carry: Carry) -> Carry:
            (x,) = carry
            y = self._norm_dense(x, "block", index, name)
            y = parts.dropout(y, self.stack.dropout_rate, self.stack, f"{name}_dropout")
            rate = self.stack.stochastic_depth * (index + 1) / sum(self.stack.blocks_per_unit)
            label = f"{name}_stochastic_depth"
            y = parts.stochastic_depth(y, rate, self.stack, block=name, name=label)
            return (keras.layers.Concatenate(dtype="float32", name=f"{name}_join")([x, y]),)

        return block

    def _norm_dense(self, x: Any, part: str, number: int, name: str) -> Any:
        rows = slice(self.ends[part][number], self.ends[part][number + 1])
        here = parts.with_prefix(self.weights, f"{part}_")
        norm = {k: v[rows] for k, v in parts.with_prefix(here, "norm_").items()}
        x = parts.norm(x, self.stack.normalization, norm, f"{name}_norm")
        x = parts.activation(x, self.stack.activation, f"{name}_activation")
        dense = {"kernel": here["kernel"][rows], "bias": here["bias"][number]}
        return parts.dense(x, dense, self.stack, f"{name}_dense")
