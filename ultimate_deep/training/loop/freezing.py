"""Layers that a fit leaves as they are."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

import keras


def freeze(model: keras.Model, names: Sequence[str]) -> None:
    """Make layers untrainable, their statistics of batch norms included, for good.

    Args:
        model: Built model, whose step has not been compiled yet.
        names: Names of layers, in which `*` stands for anything.

    Raises:
        ValueError: A name that no layer has, or nothing left to train.
    """
    layers = list(model._flatten_layers(include_self=False))
    for name in names:
        meant = [layer for layer in layers if fnmatchcase(layer.name, name)]
        if not meant:
            known = ", ".join(dict.fromkeys(layer.name for layer in layers if layer.weights))
            raise ValueError(
                f"fit.frozen names layers of the model, got {name!r}; those with weights are "
                f"{known}"
            )
        for layer in meant:
            layer.trainable = False
    if names and not model.trainable_variables:
        raise ValueError(
            f"fit.frozen leaves nothing to train, got {tuple(names)}; leave the last layers out"
        )
