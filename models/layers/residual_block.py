"""The arithmetic of one residual block, shared by every backend's loop.

A block is `x + scale * second_half(first_half(x))`; each half is norm, activation, (dropout
in the second) and dense, so a block has four weighted layers and two matrix products. The
state between the halves is kept apart because it is what a backward pass wants: with a
block's input and that state stored, no matrix product is computed twice.

Source: He et al. (2016), "Identity Mappings in Deep Residual Networks", arXiv:1603.05027,
fig. 4(e), with dense layers for convolutions; dropout between the two as in Zagoruyko &
Komodakis (2016), "Wide Residual Networks", arXiv:1605.07146, sec. 2.4.
"""

import math
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from models.layers.normalization import Moments, NormWeights, normalize

RESIDUAL_SCALINGS = ("none", "1/sqrt(depth)", "rezero")

Weights = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class BlockSettings:
    """What all blocks of one stack share; `depth` is the number of blocks."""

    depth: int
    normalization: str
    activation: str
    dropout_rate: float
    residual_scaling: str
    compute_dtype: str

    @property
    def branch_scale(self) -> float:
        """The constant factor of a branch.

        `none` is 1 (He et al. 2016, arXiv:1603.05027). `1/sqrt(depth)` keeps the sum of all
        branches, and the gradient, of order one at any depth (Hayou et al. 2021, "Stable
        ResNet", arXiv:2010.12859, sec. 3.1). `rezero` is 1 too, times a learnt number for each
        block that starts at 0 (Bachlechner et al. 2020, arXiv:2003.04887, eq. 2).
        """
        return 1 / math.sqrt(self.depth) if self.residual_scaling == "1/sqrt(depth)" else 1.0


def first_half(
    x: Any, weights: Weights, settings: BlockSettings, *, training: bool
) -> tuple[Any, Moments | None]:
    """Norm, activation, dense: `(batch, width)` float32 to the same."""
    return _half(x, weights, "1", settings, mask=None, training=training)


def second_half(
    state: Any, weights: Weights, settings: BlockSettings, *, mask: Any, training: bool
) -> tuple[Any, Moments | None]:
    """Norm, activation, dropout, dense and branch scale: `(batch, width)` float32 to the same.

    `mask` holds 0 or `1 / (1 - dropout_rate)`, shape `(batch, width)`; None is no dropout.
    """
    branch, moments = _half(state, weights, "2", settings, mask=mask, training=training)
    if settings.branch_scale != 1.0:
        branch = branch * settings.branch_scale
    if "residual_scale" in weights:
        branch = branch * weights["residual_scale"]
    return branch, moments


def _half(
    x: Any, weights: Weights, half: str, settings: BlockSettings, *, mask: Any, training: bool
) -> tuple[Any, Moments | None]:
    norm = NormWeights(
        scale=weights[f"norm_{half}_scale"],
        offset=weights.get(f"norm_{half}_offset"),
        moving_mean=weights.get(f"norm_{half}_moving_mean"),
        moving_variance=weights.get(f"norm_{half}_moving_variance"),
    )
    x, moments = normalize(x, norm, settings.normalization, training=training)
    x = keras.activations.get(settings.activation)(x)
    if mask is not None:
        x = x * mask
    kernel = ops.cast(weights[f"dense_{half}_kernel"], settings.compute_dtype)
    x = ops.cast(ops.matmul(ops.cast(x, settings.compute_dtype), kernel), "float32")
    bias = weights.get(f"dense_{half}_bias")
    return (x if bias is None else x + bias), moments
