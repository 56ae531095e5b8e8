"""AdamW whose decay spares norms and biases, with global clipping."""

import re

import keras

from training.fitting.fit_config import FitConfig

UNDECAYED = ("bias", "scale", "gamma", "beta", "offset", "alpha")


def is_decayed(path: str) -> bool:
    """Return whether the variable of that path is a kernel or an embedding.

    Only the last part of the path counts, split at `_`, digits and points, so that `norm1_scale`
    is spared and the kernel of a layer called `scale` is not. Shapes do not tell: a stack holds
    the scales of all its blocks in one matrix.
    """
    words = re.split(r"[_\d.]+", path.rsplit("/", 1)[-1].lower())
    return not set(words) & set(UNDECAYED)


def build_optimizer(model: keras.Model, config: FitConfig) -> keras.optimizers.Optimizer:
    """Return AdamW, built for the model's trainable variables.

    A model that computes in float16 gets it inside a dynamic loss scale; clipping then acts on
    the unscaled gradients.

    Source: Loshchilov & Hutter (2019), arXiv:1711.05101, alg. 2. Deviation: decay is multiplied
    by the current learning rate, as Keras does.
    """
    optimizer = keras.optimizers.AdamW(
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay or None,
        global_clipnorm=config.global_clipnorm,
    )
    variables = model.trainable_variables
    if config.weight_decay:
        spared = [variable for variable in variables if not is_decayed(variable.path)]
        optimizer.exclude_from_weight_decay(var_list=spared)
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
