"""Normalisation by name: one arithmetic for loops of stacked weights and for plain layers."""

from typing import Any, NamedTuple

import keras
from keras import ops

from models.checks import NORMALIZATIONS, check_choice

EPSILON = {"layer": 1e-5, "rms": 1e-6, "batch": 1e-3}
BATCH_MOMENTUM = 0.99


class NormWeights(NamedTuple):
    """One norm's weights, each of shape `(width,)`; what its kind lacks is None."""

    scale: Any
    offset: Any = None
    moving_mean: Any = None
    moving_variance: Any = None


class Moments(NamedTuple):
    """A batch's mean and (biased) variance, each of shape `(width,)`."""

    mean: Any
    variance: Any


def has_offset(kind: str) -> bool:
    """Whether a norm of this kind learns an offset; RMS norm only learns a scale."""
    check_choice("normalization", kind, NORMALIZATIONS)
    return kind != "rms"


def normalize(
    x: Any, weights: NormWeights, kind: str, *, training: bool
) -> tuple[Any, Moments | None]:
    """Normalise `(batch, width)` float32.

    Returns:
        The normalised array, same shape, and the batch's moments where `kind` is `batch` and
        `training` is on (None otherwise): the caller moves the moving statistics, once a step.

    Source: `layer` Ba et al. (2016), arXiv:1607.06450, eq. 3; `rms` Zhang & Sennrich (2019),
    arXiv:1910.07467, eq. 4; `batch` Ioffe & Szegedy (2015), arXiv:1502.03167, algorithm 1.
    """
    if kind == "rms":
        mean_square = ops.mean(ops.square(x), axis=-1, keepdims=True)
        return x * ops.rsqrt(mean_square + EPSILON[kind]) * weights.scale, None
    moments = None
    if kind == "layer":
        mean = ops.mean(x, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(x - mean), axis=-1, keepdims=True)
    elif training:
        mean = ops.mean(x, axis=0)
        variance = ops.mean(ops.square(x - mean), axis=0)
        moments = Moments(mean, variance)
    else:
        mean, variance = weights.moving_mean, weights.moving_variance
    centred = (x - mean) * ops.rsqrt(variance + EPSILON[kind])
    return centred * weights.scale + weights.offset, moments


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
