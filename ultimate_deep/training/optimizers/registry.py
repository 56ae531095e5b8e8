"""Every optimizer by name.

A new one is one file with a function `build_name(config, variables)`, which returns it not yet
built, one line here, and its name in `FitConfig.optimizer`. It takes clipping, decay and
`rate_factors` as all do, and starts from variables that are zero.
"""

import importlib
from collections.abc import Callable

import keras

from ultimate_deep.training.config import FitConfig

OPTIMIZERS: dict[str, str] = {
    "adamw": "ultimate_deep.training.optimizers.adamw:build_adamw",
    "lamb": "ultimate_deep.training.optimizers.lamb:build_lamb",
    "muon": "ultimate_deep.training.optimizers.muon:build_muon",
    "schedule_free": "ultimate_deep.training.optimizers.schedule_free:build_schedule_free",
}

Builder = Callable[[FitConfig, list[keras.Variable]], keras.optimizers.Optimizer]


def builder_of(name: str) -> Builder:
    """Return the function that makes an optimizer of a configuration and variables."""
    module, _, function = OPTIMIZERS[name].partition(":")
    found: Builder = getattr(importlib.import_module(module), function)
    return found
