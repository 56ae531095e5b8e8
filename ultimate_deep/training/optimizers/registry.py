"""What makes the optimizers of `training.settings.optimizers`."""

import importlib
from collections.abc import Callable

import keras

from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.settings.optimizers import OPTIMIZERS

Builder = Callable[[FitConfig, list[keras.Variable]], keras.optimizers.Optimizer]


def builder_of(name: str) -> Builder:
    """Return the function that makes an optimizer of a configuration and variables."""
    module, _, function = OPTIMIZERS[name].partition(":")
    found: Builder = getattr(importlib.import_module(module), function)
    return found
