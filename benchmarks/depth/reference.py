"""The residual stack in NumPy and float64, forwards and backwards by hand.

Written apart from the package: the formulas of layer norm, relu, dense and the two couplings,
with every intermediate kept. Slow in nothing but its loop over blocks in Python.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]
Weights = dict[str, Array]

NORM_EPSILON = 1e-5


@dataclass(frozen=True, kw_only=True)
class Masks:
    """`dropout` `(blocks, batch, width)`, `rows` `(blocks, batch, 1)`; ones drop nothing."""

    dropout: Array
    rows: Array


def reference_gradients(
    x: Array, out_gradient: Array, weights: Weights, masks: Masks, coupling: str
) -> tuple[Array, Array, Weights]:
    """Run the stack of `residual` or `additive` coupling with branches over `sqrt(blocks)`.

    Args:
        x: `(batch, width)`.
        out_gradient: The gradient of the output, `(batch, width)`.
        weights: `norm_k_scale`, `norm_k_offset`, `dense_k_bias` `(blocks, width)` and
            `dense_k_kernel` `(blocks, width, width)` for k in 1, 2.
        masks: Masks of every block.
        coupling: `residual` or `additive`.

    Returns:
        The output, the input's gradient and the gradients of `weights`.
    """
    blocks = len(masks.rows)
    factors = masks.rows / np.sqrt(blocks)
    gradients = {name: np.zeros_like(value) for name, value in weights.items()}
    if coupling == "additive":
        a, b, kept = x, x, []
        for index in range(blocks):
            first = _Half(1, index, weights, None, b)
            a = a + factors[index] * first.output
            second = _Half(2, index, weights, masks.dropout[index], a)
            b = b + factors[index] * second.output
            kept.append((first, second))
        da = db = out_gradient / 2
        for index, (first, second) in reversed(list(enumerate(kept))):
            da = da + second.back(factors[index] * db, gradients)
            db = db + first.back(factors[index] * da, gradients)
        return (a + b) / 2, da + db, gradients
    y, kept = x, []
    for index in range(blocks):
        first = _Half(1, index, weights, None, y)
        second = _Half(2, index, weights, masks.dropout[index], first.output)
        y = y + factors[index] * second.output
        kept.append((first, second))
    dy = out_gradient
    for index, (first, second) in reversed(list(enumerate(kept))):
        dy = dy + first.back(second.back(factors[index] * dy, gradients), gradients)
    return y, dy, gradients


class _Half:
    """Norm, relu, mask and dense at one place, with what its backward pass wants."""

    def __init__(
        self, half: int, index: int, weights: Weights, mask: Array | None, x: Array
    ) -> None:
        self.half, self.index, self.mask = half, index, mask
        self.scale = weights[f"norm_{half}_scale"][index]
        self.kernel = weights[f"dense_{half}_kernel"][index]
        centred = x - x.mean(-1, keepdims=True)
        self.inverse = 1 / np.sqrt((centred**2).mean(-1, keepdims=True) + NORM_EPSILON)
        self.unit = centred * self.inverse
        y = self.unit * self.scale + weights[f"norm_{half}_offset"][index]
        self.positive = y > 0
        self.into_dense = y * self.positive if mask is None else y * self.positive * mask
        self.output = self.into_dense @ self.kernel + weights[f"dense_{half}_bias"][index]

    def back(self, gradient: Array, gradients: Weights) -> Array:
        """Write the weights' gradients into `gradients`; return the input's."""
        half, index = self.half, self.index
        gradients[f"dense_{half}_kernel"][index] = self.into_dense.T @ gradient
        gradients[f"dense_{half}_bias"][index] = gradient.sum(0)
        dy = gradient @ self.kernel.T * self.positive
        if self.mask is not None:
            dy = dy * self.mask
        gradients[f"norm_{half}_scale"][index] = (dy * self.unit).sum(0)
        gradients[f"norm_{half}_offset"][index] = dy.sum(0)
        dunit = dy * self.scale
        along = (dunit * self.unit).mean(-1, keepdims=True)
        return self.inverse * (dunit - dunit.mean(-1, keepdims=True) - self.unit * along)
