"""Stacks whose carry keeps its shape: how blocks are coupled, and what is kept of them."""

import math
from abc import abstractmethod
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from ultimate_deep.models.checks import check_choice
from ultimate_deep.models.layers.stacks.block import (
    LEARNT_SCALES,
    RESIDUAL_SCALINGS,
    TWO_BRANCHES,
    Block,
)
from ultimate_deep.models.layers.stacks.loops import stack_loop
from ultimate_deep.models.layers.stacks.normalization import has_offset
from ultimate_deep.models.layers.stacks.stack_layer import StackLayer
from ultimate_deep.models.seeds import derive_seed

MEMORIES = ("store", "checkpoint", "reversible")


class CoupledStack(StackLayer):
    """A stack that runs one loop over `Block`s; see `ResidualStack` for the arguments.

    Raises:
        ValueError: An argument outside its range, or two that exclude each other.
    """

    # What the layer's `coupling` argument means to the loop.
    COUPLINGS: ClassVar[dict[str, str]]

    def __init__(
        self,
        blocks_per_unit: tuple[int, ...] | list[int],
        *,
        coupling: str,
        residual_scaling: str,
        exact: bool,
        memory: str,
        **options: Any,
    ) -> None:
        super().__init__(blocks_per_unit, **options)
        check_choice("coupling", coupling, tuple(self.COUPLINGS))
        check_choice("residual_scaling", residual_scaling, RESIDUAL_SCALINGS)
        check_choice("memory", memory, MEMORIES)
        check_coupling(
            coupling,
            residual_scaling,
            memory,
            exact=exact,
            stochastic_depth=self.stochastic_depth,
        )
        if residual_scaling == "deepnorm" and self.normalization == "none":
            raise ValueError(
                'residual_scaling="deepnorm" enlarges the carry for a norm to shrink, got '
                'normalization="none": use normalization="layer" or "rms"'
            )
        self.coupling = coupling
        self.residual_scaling = residual_scaling
        self.exact = bool(exact)
        self.memory = memory

    @abstractmethod
    def block(self) -> Block:
        """What all blocks share, and their arithmetic."""

    def block_options(self) -> dict[str, Any]:
        """The arguments of `Block`."""
        # Sublayers of DeepNorm hold their own skips, so nothing is left to couple.
        coupling = "none" if self.residual_scaling == "deepnorm" else self.COUPLINGS[self.coupling]
        return {
            "depth": self.blocks,
            "coupling": coupling,
            "normalization": self.normalization,
            "activation": self.activation,
            "dropout_rate": self.dropout_rate,
            "stochastic_depth": self.stochastic_depth,
            "residual_scaling": self.residual_scaling,
            "compute_dtype": self.compute_dtype,
            "exact": self.exact,
        }

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Run all blocks: `(batch, ..., width)` to `(batch, units, ..., width)` float32."""
        weights, moving = self.stacked_weights()
        # Without training there is no backward pass to speed up: keep little.
        frugal = "reversible" if self.memory == "reversible" else "checkpoint"
        taps, moments = stack_loop()(
            ops.cast(inputs, "float32"),
            weights,
            moving,
            units=self.blocks_per_unit,
            block=self.block(),
            seed=self.step_seed(training),
            batch_moments=self.uses_batch_moments(training),
            memory=self.memory if training else frugal,
        )
        self.move_statistics(moments)
        if self.units == 1:
            return ops.expand_dims(taps[0], 1)
        return ops.transpose(taps, (1, 0, *range(2, len(taps.shape))))

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this layer."""
        return {
            **super().get_config(),
            "coupling": self.coupling,
            "residual_scaling": self.residual_scaling,
            "exact": self.exact,
            "memory": self.memory,
        }

    def _add(
        self,
        name: str,
        shape: tuple[int, ...],
        initializer: Any,
        *,
        trainable: bool = True,
        decays: bool = False,
    ) -> None:
        """Create a variable of `shape` for each block."""
        self._add_stacked(
            name,
            (self.blocks, *shape),
            initializer,
            layer_of_row=np.arange(self.blocks),
            trainable=trainable,
            decays=decays,
        )

    def _add_norm(self, half: int, width: int) -> None:
        if self.normalization != "none":
            self._add(f"norm_{half}_scale", (width,), "ones")
        if has_offset(self.normalization):
            self._add(f"norm_{half}_offset", (width,), "zeros")
        if self.normalization == "batch":
            for statistic, initial in (("mean", "zeros"), ("variance", "ones")):
                self._add(f"norm_{half}_moving_{statistic}", (width,), initial, trainable=False)

    def _add_kernel(self, name: str, inputs: int, outputs: int, gain: float, place: str) -> None:
        """A kernel of standard deviation `gain / sqrt(inputs)`, times its place's own gain."""
        # Glorot and He initialisers of Keras would take the block axis for a receptive field.
        stddev = gain * self.block().kernel_gain(place) / math.sqrt(inputs)
        initializer = (
            keras.initializers.RandomNormal(stddev=stddev, seed=derive_seed(self.seed, name))
            if stddev
            else "zeros"
        )
        self._add(name, (inputs, outputs), initializer, decays=True)

    def _add_residual_scales(self) -> None:
        initial = LEARNT_SCALES.get(self.residual_scaling)
        if initial is not None:
            for half in (1, 2) if self.block().coupling in TWO_BRANCHES else (2,):
                self._add(f"residual_{half}_scale", (1,), initial)


def check_coupling(
    coupling: str,
    residual_scaling: str,
    memory: str,
    *,
    exact: bool,
    stochastic_depth: float = 0.0,
) -> None:
    """Refuse combinations that mean nothing.

    Raises:
        ValueError: Two values that exclude each other; the message says what to change.
    """
    if memory == "reversible" and coupling != "additive":
        raise ValueError(
            f'memory="reversible" undoes blocks one by one, which coupling={coupling!r} does not '
            'allow: use coupling="additive" (another architecture), or memory="checkpoint"'
        )
    if exact and coupling != "additive":
        raise ValueError(
            f"exact=True rounds the branches of an additive coupling, got coupling={coupling!r}: "
            'use coupling="additive" or leave exact out'
        )
    if coupling == "none" and residual_scaling != "none":
        raise ValueError(
            f'coupling="none" has no skips, so there is no branch for residual_scaling='
            f'{residual_scaling!r} to scale: use residual_scaling="none"'
        )
    if coupling == "none" and stochastic_depth:
        raise ValueError(
            f'coupling="none" has no skips, so a row that leaves out a block would become zero; '
            f"got stochastic_depth={stochastic_depth}: use stochastic_depth=0"
        )
    if coupling == "additive" and residual_scaling == "deepnorm":
        raise ValueError(
            'residual_scaling="deepnorm" puts a norm on the carry, which an additive coupling '
            'cannot undo: use coupling="residual", or another scaling'
        )
