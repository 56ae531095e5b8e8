"""Muon: steps of matrices are made orthogonal, each layer's matrix of a stack by itself.

Keras has a Muon too, in which a variable of three axes, such as a stack's kernels, is no matrix:
all layers of a deep net would be left to AdamW.
"""

import math
from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from ultimate_deep.models.layers.stacks.layer_slices import layer_of_row
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.optimizers.decay import is_decayed
from ultimate_deep.training.optimizers.layerwise import Layerwise, clipping_of

# Of the quintic that drives singular values towards one, and how often it is applied.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
SMALLEST_NORM = 1e-7
# What makes the root mean square of a step that of AdamW's, so that both share learning rates.
ADAMW_SIZE = 0.2


def orthogonalized(matrices: Any) -> Any:
    """Return matrices with the same singular vectors and singular values near one.

    Args:
        matrices: `(..., rows, columns)`; a matrix of zeros stays zero.

    Source: Jordan et al. (2024), "Muon: an optimizer for hidden layers in neural networks",
    Newton-Schulz iteration with its coefficients, in the matrices' own precision.
    """
    first, second, third = COEFFICIENTS
    rows, columns = matrices.shape[-2:]
    tall = rows > columns
    x = ops.swapaxes(matrices, -1, -2) if tall else matrices
    norms = ops.sqrt(ops.sum(ops.square(x), axis=(-2, -1), keepdims=True))
    x = x / ops.maximum(norms, SMALLEST_NORM)
    for _ in range(ITERATIONS):
        square = ops.matmul(x, ops.swapaxes(x, -1, -2))
        x = first * x + ops.matmul(second * square + third * ops.matmul(square, square), x)
    return ops.swapaxes(x, -1, -2) if tall else x


def matrix_shape(variable: keras.Variable) -> tuple[int, ...] | None:
    """Return the shape in which a variable is one or several matrices; None where it is none.

    A stacked kernel `(layers, rows, columns)` is one matrix for each row of the stack, a kernel of
    a convolution one of `(all but the last axis, columns)`. Biases, norms, embeddings, packed
    kernels, whose layers differ in height, and vectors are none. Deviation from the source: kernels
    of first and last layers are matrices too, where they have several columns.
    """
    shape = tuple(int(size) for size in variable.shape)
    words = variable.path.lower()
    if len(shape) < 2 or not is_decayed(variable.path) or "embedding" in words:
        return None
    stacked = layer_of_row(variable) is not None
    if stacked and len(shape) != 3:
        return None
    found = shape if stacked else (math.prod(shape[:-1]), shape[-1])
    return found if min(found[-2:]) > 1 else None


@keras.saving.register_keras_serializable(package="ultimate_deep")
class LayerwiseMuon(Layerwise, keras.optimizers.AdamW):
    """Orthogonal steps for matrices, AdamW for all else, at one learning rate.

    A matrix moves by `0.2 sqrt(max(rows, columns))` times the orthogonalized Nesterov momentum,
    whose entries are as large as AdamW's steps are. Decay is AdamW's. A matrix has one moment.

    Args:
        learning_rate: Learning rate, or a schedule.
        weight_decay: Decoupled decay per unit of learning rate.
        momentum: Share of the momentum that stays from step to step.
        layer_clipnorm: The setting of `LayerwiseAdamW`.
        adaptive_clip: The setting of `LayerwiseAdamW`.
        rate_factors: The setting of `LayerwiseAdamW`.
        optimizer_options: What `keras.optimizers.AdamW` takes besides.

    Raises:
        ValueError: A clipping norm that is not positive, or two ways of clipping.

    Source: Jordan et al. (2024), "Muon"; size of a step and decay by Liu et al. (2025),
    arXiv:2502.16982, eq. 4.
    """

    def __init__(
        self,
        learning_rate: Any = 1e-3,
        *,
        weight_decay: float = 4e-3,
        momentum: float = 0.95,
        layer_clipnorm: float | None = None,
        adaptive_clip: float | None = None,
        rate_factors: Mapping[str, float] | None = None,
        **optimizer_options: Any,
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, **optimizer_options)
        self.momentum = momentum
        self._set_clipping(layer_clipnorm, adaptive_clip)
        self._set_rate_factors(rate_factors)

    def _build_moments(self, variables: list[keras.Variable]) -> None:
        keras.optimizers.Optimizer.build(self, variables)
        self._matrices = tuple(matrix_shape(variable) for variable in variables)
        self._momentums = self.add_optimizer_variables(variables, "momentum")
        self._velocities = [
            self.add_variable_from_reference(variable, name="velocity") if shape is None else None
            for variable, shape in zip(variables, self._matrices, strict=True)
        ]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable and its moments."""
        index = self._get_variable_index(variable)
        rate, gradient = self.rate_of(variable, learning_rate), self._clipped(gradient, variable)
        shape = self._matrices[index]
        if shape is None:
            super().update_step(gradient, variable, rate)
            return
        momentum = self._momentums[index]
        self.assign(momentum, momentum * self.momentum + gradient)
        step = ops.reshape(gradient + momentum * self.momentum, shape)
        size = ADAMW_SIZE * math.sqrt(max(shape[-2:]))
        step = ops.reshape(orthogonalized(step), variable.shape)
        self.assign_sub(variable, ops.cast(rate, variable.dtype) * size * step)

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this optimizer."""
        return {**super().get_config(), "momentum": self.momentum}


def build_muon(config: FitConfig, variables: list[keras.Variable]) -> LayerwiseMuon:
    """Return Muon as configured, not yet built."""
    return LayerwiseMuon(
        config.peak_rate,
        weight_decay=config.weight_decay,
        rate_factors=config.factors_of_parts,
        **clipping_of(config),
    )
