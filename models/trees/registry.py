"""Every kind of boosted trees by name. A new one is one file and one line here."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ultimate_deep.models.search_space import SearchSpace

if TYPE_CHECKING:  # names alone are known without a library
    from ultimate_deep.models.trees.booster import Booster
    from ultimate_deep.models.trees.config import TreeConfig

TREES: dict[str, str] = {
    "hist_gradient_boosting": "ultimate_deep.models.trees.hist_gradient_boosting:HistGradientBoosting",  # noqa: E501
    "lightgbm": "ultimate_deep.models.trees.light_gbm:LightGbm",
    "xgboost": "ultimate_deep.models.trees.xg_boost:XgBoost",
}


def booster_class(name: str) -> type[Booster]:
    """Return the class that grows the trees called `name`.

    Raises:
        TreeError: No trees have this name.
    """
    if name not in TREES:
        from ultimate_deep.models.trees.booster import TreeError

        raise TreeError(f"no trees are called {name!r}; known trees: {', '.join(sorted(TREES))}")
    module, attribute = TREES[name].split(":")
    return getattr(importlib.import_module(module), attribute)


def config_class(name: str) -> type[TreeConfig]:
    """Return the frozen dataclass that configures the trees called `name`."""
    return booster_class(name).CONFIG


def presets(name: str) -> tuple[str, ...]:
    """Return the names of the presets, `tiny` and `default` among them."""
    return tuple(booster_class(name).PRESETS)


def preset_config(name: str, preset: str = "default") -> Any:
    """Return the configuration called `preset`, an instance of `config_class`.

    Raises:
        TreeError: No trees or no preset has this name.
    """
    known = booster_class(name).PRESETS
    if preset not in known:
        from ultimate_deep.models.trees.booster import TreeError

        raise TreeError(
            f"trees {name!r} have no preset {preset!r}; known presets: {', '.join(known)}"
        )
    return known[preset]


def search_space(name: str) -> SearchSpace:
    """Return the ranges a tuner may search: field name to range."""
    return dict(booster_class(name).SEARCH_SPACE)
