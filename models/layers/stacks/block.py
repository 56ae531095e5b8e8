"""What every block of a stack has: two halves, a coupling of the carry, masks and scales.

A block has half 1 and half 2; a weight belongs to the half whose number stands in its name
(`norm_1_scale`, `dense_2_kernel`). Backends' loops know blocks by this interface alone, so a
new kind of block is one file without a loop in it.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ultimate_deep.models.layers.stacks.masks import MaskSource, mask_source
from ultimate_deep.models.layers.stacks.normalization import Moments, NormWeights, normalize

Weights = dict[str, Any]

HALVES = (1, 2)
RESIDUAL_SCALINGS = ("none", "1/sqrt(depth)", "rezero", "fixup", "deepnorm")
# Couplings whose halves are branches of their own, each added to the carry.
TWO_BRANCHES = ("sequential", "additive")
# Scales that are learnt, with the value they start from.
LEARNT_SCALES = {"rezero": "zeros", "fixup": "ones"}


class BlockMasks(NamedTuple):
    """Masks of one block, each None where nothing is dropped.

    `dropout` has the carry's shape; `depth` is `(batch, 1, ...)`, one number for each row.
    """

    dropout: Any = None
    depth: Any = None


class MaskSources(NamedTuple):
    """Where a step's masks come from; see `BlockMasks`."""

    dropout: MaskSource | None = None
    depth: MaskSource | None = None

    def at(self, index: Any) -> BlockMasks:
        """The masks of block `index`."""
        return BlockMasks(*(None if source is None else source.mask(index) for source in self))


@dataclass(frozen=True, kw_only=True)
class Block(ABC):
    """What all blocks of one stack share.

    Args:
        depth: Number of blocks.
        coupling: How the halves act on the carry; see `models.layers.stacks.couplings`.
        normalization: `layer`, `rms`, `batch` or `none`.
        activation: A Keras activation's name.
        dropout_rate: Share of the values dropped.
        stochastic_depth: Share of the rows that the last block leaves out.
        residual_scaling: How branches and the carry are scaled; see `branch_scale`, `carry_scale`
            and `kernel_gain`.
        compute_dtype: Dtype of matrix products.
        exact: Whether branches are rounded to a grid on which the carry's sums are exact.
    """

    depth: int
    coupling: str
    normalization: str
    activation: str
    dropout_rate: float
    stochastic_depth: float
    residual_scaling: str
    compute_dtype: str
    exact: bool

    @abstractmethod
    def branch(
        self, half: int, x: Any, weights: Weights, masks: BlockMasks, *, training: bool
    ) -> tuple[Any, Moments | None]:
        """One half without its scales, float32 to float32 of the same shape, and its moments."""

    @property
    def branch_scale(self) -> float:
        """The constant factor of a branch.

        `none` is 1 (He et al. 2016, arXiv:1603.05027). `1/sqrt(depth)` keeps the sum of all
        branches, and the gradient, of order one at any depth (Hayou et al. 2021, "Stable
        ResNet", arXiv:2010.12859, sec. 3.1). `rezero` and `fixup` have 1, times a learnt number
        for each branch that starts at 0 (Bachlechner et al. 2020, arXiv:2003.04887, eq. 2) or
        at 1 (Zhang et al. 2019, arXiv:1901.09321, sec. 3).
        """
        return 1 / math.sqrt(self.depth) if self.residual_scaling == "1/sqrt(depth)" else 1.0

    @property
    def carry_scale(self) -> float:
        """The factor of the carry: `(2 * depth) ** 0.25` for `deepnorm`, else 1.

        Source: Wang et al. (2022), "DeepNet", arXiv:2203.00555, fig. 2, encoders; a block is
        one of their layers, with two sublayers.
        """
        return (2 * self.depth) ** 0.25 if self.residual_scaling == "deepnorm" else 1.0

    def kernel_gain(self, place: str) -> float:
        """The factor of a kernel's initial standard deviation.

        `deepnorm` shrinks every kernel of a branch by `(8 * depth) ** -0.25` (Wang et al. 2022,
        fig. 2). `fixup` starts a branch's last kernel at 0 and shrinks the one before it by
        `branches ** -0.5`, its rule for branches of two kernels (Zhang et al. 2019, sec. 3).

        Args:
            place: `inner` or `last` within the branch.
        """
        if self.residual_scaling == "deepnorm":
            return (8 * self.depth) ** -0.25
        if self.residual_scaling == "fixup":
            branches = self.depth * (2 if self.coupling in TWO_BRANCHES else 1)
            return 0.0 if place == "last" else branches**-0.5
        return 1.0

    def mask_sources(self, shape: tuple[Any, ...], seed: Any) -> MaskSources:
        """The masks of one step for carries of `shape` `(batch, ...)`; none without a seed.

        Blocks survive with a probability that falls linearly with depth, and what survives is
        divided by it (Huang et al. 2016, "Deep Networks with Stochastic Depth",
        arXiv:1603.09382, eq. 4; they multiply at test time instead).
        """
        rates = self.stochastic_depth * np.arange(1, self.depth + 1) / self.depth
        rows = (shape[0], *(1 for _ in shape[1:]))
        return MaskSources(
            dropout=mask_source(shape, self.depth, seed, self.dropout_rate),
            depth=mask_source(rows, self.depth, seed, rates, salt=1),
        )

    def half(
        self, half: int, x: Any, weights: Weights, masks: BlockMasks, *, training: bool
    ) -> tuple[Any, Moments | None]:
        """One half as the coupling uses it: the branch with its scales and masks.

        With `deepnorm` it is the whole sublayer, `norm(carry_scale * x + branch(x))`.
        """
        y, moments = self.branch(half, x, weights, masks, training=training)
        if half == 2 or self.coupling in TWO_BRANCHES or self.residual_scaling == "deepnorm":
            if self.branch_scale != 1.0:
                y = y * self.branch_scale
            scale = weights.get(f"residual_{half}_scale")
            if scale is not None:
                y = y * scale
            if masks.depth is not None:
                y = y * masks.depth
        if self.residual_scaling == "deepnorm":
            return self.norm(half, self.carry_scale * x + y, weights, training=training)
        return y, moments

    def norm(
        self, half: int, x: Any, weights: Weights, *, training: bool
    ) -> tuple[Any, Moments | None]:
        """The norm of one half."""
        norm = NormWeights(
            scale=weights.get(f"norm_{half}_scale"),
            offset=weights.get(f"norm_{half}_offset"),
            moving_mean=weights.get(f"norm_{half}_moving_mean"),
            moving_variance=weights.get(f"norm_{half}_moving_variance"),
        )
        return normalize(x, norm, self.normalization, training=training, repeatable=self.exact)


def weights_of_half(weights: Weights, half: int) -> Weights:
    """The weights that half 1 or 2 uses."""
    return {name: value for name, value in weights.items() if f"_{half}_" in name}
