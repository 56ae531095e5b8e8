"""Normalisation by name: one arithmetic for loops of stacked weights and for plain layers."""

import functools
from typing import Any, NamedTuple

import keras
from keras import ops

from ultimate_deep.models.checks import NORMALIZATIONS, check_choice

# Stacks also know `none`: an offset alone, as Fixup wants it.
STACK_NORMALIZATIONS = (*NORMALIZATIONS, "none")
EPSILON = {"layer": 1e-5, "rms": 1e-6, "batch": 1e-3}
BATCH_MOMENTUM = 0.99
# From this width on, a row's mean is faster as a product on a processor.
DOT_WIDTH = 32


class NormWeights(NamedTuple):
    """One norm's weights, each of shape `(width,)`; what its kind lacks is None."""

    scale: Any = None
    offset: Any = None
    moving_mean: Any = None
    moving_variance: Any = None


class Moments(NamedTuple):
    """A batch's mean and (biased) variance, each of shape `(width,)`."""

    mean: Any
    variance: Any


def has_offset(kind: str) -> bool:
    """Whether a norm of this kind learns an offset; RMS norm only learns a scale."""
    check_choice("normalization", kind, STACK_NORMALIZATIONS)
    return kind != "rms"


def normalize(
    x: Any, weights: NormWeights, kind: str, *, training: bool, repeatable: bool = False
) -> tuple[Any, Moments | None]:
    """Normalise `(rows, width)` float32 (`layer`, `rms` and `none` take any leading axes).

    With `repeatable`, means are plain reductions, which compilers arrange alike wherever they
    stand; see `row_mean`.

    Returns:
        The normalised array, same shape, and the batch's moments where `kind` is `batch` and
        `training` is on (None otherwise): the caller moves the moving statistics, once a step.

    Source: `layer` Ba et al. (2016), arXiv:1607.06450, eq. 3; `rms` Zhang & Sennrich (2019),
    arXiv:1910.07467, eq. 4; `batch` Ioffe & Szegedy (2015), arXiv:1502.03167, algorithm 1;
    `none` only adds the offset, as Zhang et al. (2019), "Fixup Initialization",
    arXiv:1901.09321, sec. 3 do with a scalar.
    """
    if kind == "none":
        return x + weights.offset, None
    if kind in ("layer", "rms"):
        x = _standardize(kind, dots=_on_processor() and not repeatable)(x) * weights.scale
        return (x if weights.offset is None else x + weights.offset), None
    moments = None
    if training:
        x, mean, variance = _standardize_columns(x)
        moments = Moments(mean, variance)
    else:
        x = (x - weights.moving_mean) * ops.rsqrt(weights.moving_variance + EPSILON[kind])
    return x * weights.scale + weights.offset, moments


def row_mean(x: Any, *, dots: bool) -> Any:
    """Mean over the last axis, kept as an axis of length 1.

    XLA reduces rows on a processor number by number; as a product with a vector, `dots`, the
    same sum of a wide row is two to five times faster. Which of two ways it adds up in depends
    on what stands around the product. Accelerators reduce well, and may round products to fewer
    bits.
    """
    if dots and x.shape[-1] >= DOT_WIDTH:
        return ops.matmul(x, ops.full((x.shape[-1], 1), 1.0 / x.shape[-1], dtype=x.dtype))
    return ops.mean(x, axis=-1, keepdims=True)


@functools.cache
def _on_processor() -> bool:
    return all(name.startswith("cpu") for name in keras.distribution.list_devices())


@functools.cache
def _standardize(kind: str, *, dots: bool) -> Any:
    """Rows of mean zero (`layer` only) and mean square one, with the backward pass in few sums.

    With y the result and r the factor, the gradient is `r * (dy - mean(dy) - y * mean(dy * y))`
    over each row, without the first mean for `rms`.
    """
    mean = functools.partial(row_mean, dots=dots)

    @ops.custom_gradient
    def standardize(x: Any) -> tuple[Any, Any]:
        if kind == "layer":
            x = x - mean(x)
        factor = ops.rsqrt(mean(ops.square(x)) + EPSILON[kind])
        y = x * factor

        def backward(*upstream: Any, **_: Any) -> Any:
            (dy,) = upstream
            dx = dy - y * mean(dy * y)
            if kind == "layer":
                dx = dx - mean(dy)
            return dx * factor

        return y, backward

    return standardize


def _standardize_columns(x: Any) -> tuple[Any, Any, Any]:
    """Columns of mean zero and mean square one, with their means and variances.

    The backward pass is that of rows, over columns; no gradient flows through the moments.
    """

    @ops.custom_gradient
    def standardize(x: Any) -> tuple[Any, Any]:
        mean = ops.mean(x, axis=0)
        x = x - mean
        variance = ops.mean(ops.square(x), axis=0)
        factor = ops.rsqrt(variance + EPSILON["batch"])
        y = x * factor

        def backward(*upstream: Any, **_: Any) -> Any:
            # TensorFlow passes the outputs' gradients one by one, JAX as one tuple.
            dy = upstream[0][0] if isinstance(upstream[0], tuple) else upstream[0]
            dx = dy - y * ops.mean(dy * y, axis=0)
            return (dx - ops.mean(dy, axis=0)) * factor

        return (y, mean, variance), backward

    y, mean, variance = standardize(x)
    return y, mean, variance


def plain_norm(kind: str, *, dtype: Any, name: str) -> keras.layers.Layer:
    """The plain Keras layer that computes what `normalize` computes."""
    check_choice("normalization", kind, NORMALIZATIONS)
    if kind == "layer":
        return keras.layers.LayerNormalization(epsilon=EPSILON[kind], dtype=dtype, name=name)
    if kind == "rms":
        return keras.layers.RMSNormalization(epsilon=EPSILON[kind], dtype=dtype, name=name)
    return keras.layers.BatchNormalization(
        momentum=BATCH_MOMENTUM, epsilon=EPSILON[kind], dtype=dtype, name=name
    )
