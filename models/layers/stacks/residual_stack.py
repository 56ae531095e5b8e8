"""Any number of residual blocks as one layer: stacked weights and one loop."""

import math
from typing import Any, ClassVar

import keras

from ultimate_deep.models.layers.stacks.block import TWO_BRANCHES
from ultimate_deep.models.layers.stacks.coupled_stack import CoupledStack
from ultimate_deep.models.layers.stacks.residual_block import ResidualBlock


@keras.saving.register_keras_serializable(package="ultimate_deep")
class ResidualStack(CoupledStack):
    """Units of residual blocks in one loop: `(batch, width)` to `(batch, units, width)`.

    The output holds what each unit hands on, in order; the last is the stack's own. Weights
    are stacked, one slice for each block: kernels `(blocks, width, width)`, biases and norms
    `(blocks, width)`. Time to trace and number of variables do not depend on depth. The carry,
    norms and weights are float32 under every policy; matrix products run in the policy's
    compute type.

    Args:
        blocks_per_unit: Number of blocks of each unit.
        coupling: `residual`, `x + g(f(x))` with the block's two halves f and g; `additive`, a
            carry of two arrays, `a + f(b)` then `b + g(a)`; `none`, `g(f(x))` without skips.
        normalization: `layer`, `rms`, `batch` or `none` (an offset only).
        activation: A Keras activation's name.
        dropout_rate: Share of the values dropped before a block's second dense layer.
        stochastic_depth: Share of the rows that skip the last block; it rises linearly from
            the first block on.
        residual_scaling: `none`, `1/sqrt(depth)`, `rezero`, `fixup` or `deepnorm`; see `Block`.
        exact: Round the branches of an additive coupling to multiples of 2**-17, so that blocks
            are undone without any rounding error while the carry stays below 128.
        l2: Penalty on the sum of squares of all kernels.
        memory: What is kept for the backward pass; the function, the masks and the gradients
            are the same. `store` keeps two states of each block; `checkpoint` keeps every k-th
            carry, k near the square root of the number of blocks, and computes the rest again;
            `reversible`, for the additive coupling, keeps the last carry and undoes the blocks.
        seed: Seed of the initial weights and of the masks.

    Raises:
        ValueError: An argument outside its range, two that exclude each other, or an input that
            is not `(batch, width)`.
    """

    COUPLINGS: ClassVar[dict[str, str]] = {
        "residual": "residual",
        "additive": "additive",
        "none": "none",
    }

    def __init__(
        self,
        blocks_per_unit: tuple[int, ...] | list[int],
        *,
        coupling: str = "residual",
        normalization: str = "layer",
        activation: str = "relu",
        dropout_rate: float = 0.0,
        stochastic_depth: float = 0.0,
        residual_scaling: str = "1/sqrt(depth)",
        exact: bool = False,
        l2: float = 0.0,
        memory: str = "store",
        seed: int = 0,
        **layer_options: Any,
    ) -> None:
        super().__init__(
            blocks_per_unit,
            coupling=coupling,
            normalization=normalization,
            activation=activation,
            dropout_rate=dropout_rate,
            stochastic_depth=stochastic_depth,
            residual_scaling=residual_scaling,
            exact=exact,
            l2=l2,
            memory=memory,
            seed=seed,
            **layer_options,
        )

    def block(self) -> ResidualBlock:
        """What all blocks share, and their arithmetic."""
        return ResidualBlock(**self.block_options())

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the stacked weights for inputs of `input_shape` `(batch, width)`."""
        if len(input_shape) != 2 or input_shape[-1] is None:
            raise ValueError(
                f"ResidualStack reads (batch, width) with a known width, got {input_shape}: "
                "flatten or project the input first"
            )
        width = input_shape[-1]
        two_branches = self.block().coupling in TWO_BRANCHES
        # Xavier under DeepNorm, as its source has it; He otherwise.
        gain = 1.0 if self.residual_scaling == "deepnorm" else math.sqrt(2)
        for half in (1, 2):
            self._add_norm(half, width)
            place = "last" if half == 2 or two_branches else "inner"
            self._add_kernel(f"dense_{half}_kernel", width, width, gain, place)
            # Batch norm subtracts the mean, so a bias that it reads first could never matter.
            if not self._bias_is_void(half):
                self._add(f"dense_{half}_bias", (width,), "zeros")
        self._add_residual_scales()

    def _bias_is_void(self, half: int) -> bool:
        if self.normalization != "batch":
            return False
        if self.residual_scaling == "deepnorm":
            return True
        return half == 1 and self.block().coupling not in TWO_BRANCHES
