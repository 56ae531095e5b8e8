"""Every architecture by name. A new one is one file and one line here."""

import dataclasses
import importlib
import inspect
from typing import Any

import keras

from models.heads import Heads
from models.inputs import Inputs
from models.search_space import SearchSpace

BUILDERS: dict[str, str] = {
    "linear": "models.linear:build_linear",
    "mlp": "models.mlp:build_mlp",
    "stack": "models.stack:build_stack",
    "ultimate": "models.ultimate:build_ultimate",
}


def build_model(
    name: str, inputs: Inputs, heads: Heads | None = None, config: Any | None = None
) -> keras.Model:
    """Build a registered model.

    Args:
        name: a key of `BUILDERS`.
        inputs: input name to shape without batch, such as `{"features": (220,)}`.
        heads: what to predict; one logit if None.
        config: an instance of `config_class(name)`; its defaults if None.

    Returns:
        A model whose output is float32 logits `(batch, horizons)`.

    Raises:
        ValueError: no builder has this name.
        TypeError: the configuration is another builder's.
    """
    expected = config_class(name)
    if config is None:
        config = expected()
    if not isinstance(config, expected):
        raise TypeError(
            f"Model {name!r} is configured by {expected.__name__}, got {type(config).__name__}: "
            f"pass models.config_class({name!r})(...)."
        )
    return _builder(name)(inputs, heads or Heads(), config)


def config_class(name: str) -> type:
    """The frozen dataclass that configures the model called `name`."""
    default = inspect.signature(_builder(name)).parameters["config"].default
    if not dataclasses.is_dataclass(default):
        raise TypeError(f"{BUILDERS[name]} must give `config` a dataclass instance as its default.")
    return type(default)


def search_space(name: str) -> SearchSpace:
    """The search space that the builder's module declares: field name to range."""
    return dict(importlib.import_module(_module_name(name)).SEARCH_SPACE)


def preset_config(name: str, preset: str = "default") -> Any:
    """The configuration that the builder's module calls `preset`, an instance of `config_class`.

    Modules without `PRESETS` have one preset, `default`: their configuration's defaults.

    Raises:
        ValueError: no model or no preset has this name.
    """
    module = importlib.import_module(_module_name(name))
    presets = getattr(module, "PRESETS", None)
    configs = (
        {"default": config_class(name)()}
        if presets is None
        else {key: value.config for key, value in presets.items()}
    )
    if preset not in configs:
        raise ValueError(
            f"Model {name!r} has no preset {preset!r}. Known presets: {', '.join(configs)}."
        )
    return configs[preset]


def _builder(name: str) -> Any:
    return getattr(importlib.import_module(_module_name(name)), BUILDERS[name].split(":")[1])


def _module_name(name: str) -> str:
    if name not in BUILDERS:
        raise ValueError(
            f"No model is called {name!r}. Known models: {', '.join(sorted(BUILDERS))}. A new "
            'one is one file in models/ and one line in models.registry.BUILDERS: "name": '
            '"models.file:build_name".'
        )
    return BUILDERS[name].split(":")[0]
