"""Every searcher by name. A new one is one file and one line here; importable without Keras."""

import importlib
from collections.abc import Callable
from typing import Any

SEARCHERS: dict[str, str] = {
    "random": "ultimate_deep.experiments.tuning.keras_tuner_oracles:build_random",
    "hyperband": "ultimate_deep.experiments.tuning.keras_tuner_oracles:build_hyperband",
}


def check_searcher(name: str) -> None:
    """Refuse a name that no searcher has.

    Raises:
        ValueError: Naming what there is.
    """
    if name not in tuple(SEARCHERS):  # whatever was given, hashable or not
        known = ", ".join(SEARCHERS)
        raise ValueError(f"tune.search is one of {known}, got {name!r}; choose one of them")


def searcher_builder(name: str) -> Callable[..., Any]:
    """Return what builds the searcher called `name` from a `SearchTask`.

    Raises:
        ValueError: No searcher has this name.
    """
    check_searcher(name)
    module, _, function = SEARCHERS[name].partition(":")
    builder: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return builder
