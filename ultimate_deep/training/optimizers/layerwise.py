"""Optimizers that treat each layer of a stacked weight as a weight of its own.

Keras takes norms over a variable. A stack holds the weights of all its layers in one variable,
so that `clipnorm` would clip all layers together and LAMB would give them one trust ratio. Here
norms are taken over a *layer's slice*: the rows of one variable that
`models.layers.stacks.layer_slices` marks as one layer's; all of a variable that is not marked. A
kernel and a bias of one layer are two slices, as they are two variables in a plain net. No loop
runs over the layers.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from ultimate_deep.models.layers.stacks.layer_slices import layer_of_row
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.optimizers.decay import is_decayed
from ultimate_deep.training.optimizers.part_rates import PartRates

SMALLEST_WEIGHT_NORM = 1e-3


@dataclass(frozen=True, eq=False)
class LayerSlices:
    """How one variable falls into layers.

    Args:
        rank: Number of the variable's axes.
        rows: `(rows,)` layer of each row where some layers have several; else None.
        stacked: Whether each row is a layer of its own; False with `rows` None is one layer.
    """

    rank: int
    rows: np.ndarray | None = None
    stacked: bool = False

    @classmethod
    def of(cls, variable: keras.Variable) -> "LayerSlices":
        """Return the slices that the variable is marked with."""
        rank, rows = len(variable.shape), layer_of_row(variable)
        if rows is None or not rows.any():
            return cls(rank)
        if len(np.unique(rows)) == len(rows):
            return cls(rank, stacked=True)
        return cls(rank, rows)

    def norms(self, value: Any) -> Any:
        """Return the Euclidean norm of each layer's slice, float32.

        Args:
            value: A tensor of the variable's shape.

        Returns:
            One value a layer, in a shape that `spread` knows.
        """
        squares = ops.square(ops.cast(value, "float32"))
        if self.rows is None:
            axes = tuple(range(int(self.stacked), self.rank))
            return ops.sqrt(ops.sum(squares, axis=axes, keepdims=True) if axes else squares)
        of_rows = ops.sum(squares, axis=tuple(range(1, self.rank))) if self.rank > 1 else squares
        layers = int(self.rows.max()) + 1
        return ops.sqrt(ops.segment_sum(of_rows, self.rows, num_segments=layers))

    def spread(self, of_layers: Any) -> Any:
        """Return one value a layer in a shape that broadcasts against the variable's."""
        if self.rows is None:
            return of_layers
        shape = (len(self.rows),) + (1,) * (self.rank - 1)
        return ops.reshape(ops.take(of_layers, self.rows), shape)


def clip_by_layer_norm(gradient: Any, slices: LayerSlices, norm: float) -> Any:
    """Scale every layer's slice of a gradient down to `norm` where its norm is larger.

    A slice that is not finite, or whose squares overflow, becomes NaN rather than zero.
    """
    norms = slices.norms(gradient)
    return _scaled(gradient, slices, norm / ops.maximum(norms, norm), norms)


def clip_adaptively(gradient: Any, weight: Any, slices: LayerSlices, ratio: float) -> Any:
    """Scale every layer's slice of a gradient down to `ratio` times the norm of its weights.

    Weights count with a norm of at least 1e-3, so that what starts at zero can leave it. A slice
    that is not finite, or whose squares overflow, becomes NaN rather than zero.

    Source: Brock et al. (2021), arXiv:2102.06171, eq. 3. Deviations: the unit is a layer's slice
    of one variable where theirs is a row of its matrix, and the last layer is clipped too.
    """
    norms = slices.norms(gradient)
    allowed = ratio * ops.maximum(slices.norms(weight), SMALLEST_WEIGHT_NORM)
    return _scaled(gradient, slices, allowed / ops.maximum(norms, allowed), norms)


def _scaled(gradient: Any, slices: LayerSlices, factor: Any, norms: Any) -> Any:
    # Zero for a finite norm, NaN otherwise: inf would make the factor zero and hide itself.
    factor = factor + (norms - norms)
    return gradient * ops.cast(slices.spread(factor), gradient.dtype)


class Layerwise(PartRates):
    """What the optimizers below share: slices, clipping, and what decay spares."""

    layer_clipnorm: float | None
    adaptive_clip: float | None

    def _set_clipping(self, layer_clipnorm: float | None, adaptive_clip: float | None) -> None:
        norms = {
            "layer_clipnorm": layer_clipnorm,
            "adaptive_clip": adaptive_clip,
            "clipnorm": self.clipnorm,
            "clipvalue": self.clipvalue,
            "global_clipnorm": self.global_clipnorm,
        }
        chosen = {name: norm for name, norm in norms.items() if norm is not None}
        if len(chosen) > 1:
            raise ValueError(f"a gradient is clipped in one way, got {chosen}; keep one of them")
        for name, norm in chosen.items():
            if not 0 < norm < math.inf:
                raise ValueError(
                    f"{name} must be positive and finite, got {norm}; leave it out not to clip"
                )
        self.layer_clipnorm = layer_clipnorm
        self.adaptive_clip = adaptive_clip

    def _prepare(self, variables: list[keras.Variable]) -> None:
        decays = bool(self.weight_decay)
        spared = [v for v in variables if not (decays and is_decayed(v.path))]
        self.exclude_from_weight_decay(var_list=spared)
        super()._prepare(variables)
        self._slices = tuple(LayerSlices.of(variable) for variable in variables)
        self._adapted = tuple(is_decayed(variable.path) for variable in variables)

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this optimizer."""
        clipping = {"layer_clipnorm": self.layer_clipnorm, "adaptive_clip": self.adaptive_clip}
        return {**super().get_config(), **clipping}

    def _clipped(self, gradient: Any, variable: Any) -> Any:
        """Return the gradient in the variable's type, clipped if that is asked for."""
        # An embedding's gradient on TensorFlow is a list of rows with repetitions, of which Keras
        # would take a wrong norm; reshaping makes it a tensor and leaves every other as it is.
        gradient = ops.reshape(ops.cast(gradient, variable.dtype), variable.shape)
        slices = self._slices[self._get_variable_index(variable)]
        if self.layer_clipnorm is not None:
            return clip_by_layer_norm(gradient, slices, self.layer_clipnorm)
        if self.adaptive_clip is not None:
            return clip_adaptively(gradient, variable, slices, self.adaptive_clip)
        return gradient


@keras.saving.register_keras_serializable(package="ultimate_deep")
class LayerwiseAdamW(Layerwise, keras.optimizers.AdamW):
    """AdamW that clips each layer's slice of each gradient by a norm of its own.

    Norms, biases and scales are not decayed. The clipping acts when a variable is updated: after
    loss scales and accumulation are undone, and, for `adaptive_clip`, on weights already decayed
    in this step.

    Args:
        learning_rate: Learning rate, or a schedule.
        weight_decay: Decoupled decay per unit of learning rate.
        layer_clipnorm: Largest norm of a layer's slice of a gradient, as `clipnorm` for the
            variables of a plain net; None does not clip.
        adaptive_clip: Largest norm of it as a share of the norm of the slice of the weight; see
            `clip_adaptively`. None does not clip.
        rate_factors: Factors of the rate, by the name of a layer or weight; see `factors_of`.
        optimizer_options: What `keras.optimizers.AdamW` takes besides.

    Raises:
        ValueError: A clipping norm that is not positive, or two ways of clipping.

    Source: Loshchilov & Hutter (2019), arXiv:1711.05101, alg. 2. Deviation: decay is multiplied
    by the current learning rate, as Keras does.
    """

    def __init__(
        self,
        learning_rate: Any = 1e-3,
        *,
        weight_decay: float = 4e-3,
        layer_clipnorm: float | None = None,
        adaptive_clip: float | None = None,
        rate_factors: Mapping[str, float] | None = None,
        **optimizer_options: Any,
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, **optimizer_options)
        self._set_clipping(layer_clipnorm, adaptive_clip)
        self._set_rate_factors(rate_factors)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable and its moments."""
        rate = self.rate_of(variable, learning_rate)
        super().update_step(self._clipped(gradient, variable), variable, rate)


def clipping_of(config: FitConfig) -> dict[str, Any]:
    """Return what an optimizer with layers is told about clipping."""
    chosen = config.clipping
    return {
        "global_clipnorm": config.global_clipnorm if chosen == "global" else None,
        "layer_clipnorm": config.layer_clipnorm if chosen == "per_layer" else None,
        "adaptive_clip": config.adaptive_clip if chosen == "adaptive" else None,
    }
