"""The optimizer of a fit: AdamW or LAMB, clipping globally or layer by layer."""

import keras

from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.optimizers.adamw import AdamW
from ultimate_deep.training.optimizers.decay import is_decayed
from ultimate_deep.training.optimizers.layerwise import LayerwiseAdamW, LayerwiseLamb


def build_optimizer(model: keras.Model, config: FitConfig) -> keras.optimizers.Optimizer:
    """Return the configured optimizer, built for the model's trainable variables.

    Decay spares norms and biases. A model that computes in float16 gets the optimizer inside a
    dynamic loss scale; clipping then acts on the unscaled gradients.

    Source: Loshchilov & Hutter (2019), arXiv:1711.05101, alg. 2. Deviation: decay is multiplied
    by the current learning rate, as Keras does. LAMB: see `LayerwiseLamb`.

    Raises:
        ValueError: A factor of a part that the model does not have.
    """
    variables = model.trainable_variables
    optimizer = _optimizer(variables, config)
    if computes_in(model, "float16"):
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(variables)
    return optimizer


def _optimizer(variables: list[keras.Variable], config: FitConfig) -> keras.optimizers.Optimizer:
    """Return the configured optimizer, not yet built."""
    clipping, rate, decay = config.clipping, config.peak_rate, config.weight_decay
    factors = config.factors_of_parts
    global_clipnorm = config.global_clipnorm if clipping == "global" else None
    layer_clipnorm = config.layer_clipnorm if clipping == "per_layer" else None
    adaptive_clip = config.adaptive_clip if clipping == "adaptive" else None
    if config.optimizer == "lamb":
        return LayerwiseLamb(
            rate,
            weight_decay=decay,
            layer_clipnorm=layer_clipnorm,
            adaptive_clip=adaptive_clip,
            global_clipnorm=global_clipnorm,
            rate_factors=factors,
        )
    if layer_clipnorm or adaptive_clip:
        return LayerwiseAdamW(
            rate,
            weight_decay=decay,
            layer_clipnorm=layer_clipnorm,
            adaptive_clip=adaptive_clip,
            rate_factors=factors,
        )
    optimizer = AdamW(
        rate, weight_decay=decay, global_clipnorm=global_clipnorm, rate_factors=factors
    )
    spared = [v for v in variables if not (decay and is_decayed(v.path))]
    optimizer.exclude_from_weight_decay(var_list=spared)
    return optimizer


def computes_in(model: keras.Model, dtype: str) -> bool:
    """Return whether a layer of the model computes in `dtype`."""
    return any(
        getattr(layer, "compute_dtype", None) == dtype
        for layer in model._flatten_layers(include_self=False)
    )
