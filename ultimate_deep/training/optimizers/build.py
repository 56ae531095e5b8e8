"""The optimizer of a fit, clipping globally or layer by layer."""

import keras

from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.optimizers.registry import builder_of


def build_optimizer(model: keras.Model, config: FitConfig) -> keras.optimizers.Optimizer:
    """Return the configured optimizer, built for the model's trainable variables.

    Decay spares norms and biases. A model that computes in float16 gets the optimizer inside a
    dynamic loss scale; clipping then acts on the unscaled gradients.

    Source: Loshchilov & Hutter (2019), arXiv:1711.05101, alg. 2. Deviation: decay is multiplied
    by the current learning rate, as Keras does. Others: see their classes.

    Raises:
        ValueError: A factor of a part that the model does not have.
    """
    variables = model.trainable_variables
    optimizer = builder_of(config.optimizer)(config, variables)
    if computes_in(model, "float16"):
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(variables)
    return optimizer


def computes_in(model: keras.Model, dtype: str) -> bool:
    """Return whether a layer of the model computes in `dtype`."""
    return any(
        getattr(layer, "compute_dtype", None) == dtype
        for layer in model._flatten_layers(include_self=False)
    )
