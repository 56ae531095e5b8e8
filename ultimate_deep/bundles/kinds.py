"""Every kind of predictor by the name that manifests have for it. A new one is one line here."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a manifest is read without pandas
    from ultimate_deep.bundles.predictor import Predictor

PREDICTORS: dict[str, str] = {
    "keras": "ultimate_deep.bundles.executors.net:KerasPredictor",
    "trees": "ultimate_deep.bundles.executors.trees:TreesPredictor",
    "ensemble": "ultimate_deep.bundles.ensembles.predictor:EnsemblePredictor",
}
# Models that are handed about bare, and the kind that each becomes.
_BARE = {"keras:Model": "keras", "ultimate_deep.models.trees.model:TreeModel": "trees"}


def predictor_class(kind: str) -> type[Predictor]:
    """Return the class of a kind.

    Raises:
        ValueError: No kind has this name.
    """
    if kind not in PREDICTORS:
        raise ValueError(
            f"no predictor is of kind {kind!r}, known are {', '.join(PREDICTORS)}; "
            f"{kind_remedy(kind)}"
        )
    return named(PREDICTORS[kind])


def kind_remedy(kind: str) -> str:
    """Return which line makes a kind of predictor known."""
    return (
        f"add the line that names its class, {kind!r}: 'module:Class', to "
        "ultimate_deep.bundles.kinds.PREDICTORS"
    )


def as_predictor(model: Any) -> Predictor:
    """Return a net or trees as a predictor, and predictors as they are.

    Raises:
        TypeError: A model of no known kind.
    """
    from ultimate_deep.bundles.predictor import Predictor

    if isinstance(model, Predictor):
        return model
    for path, kind in _BARE.items():
        module, name = path.split(":")
        # A model's class has been imported, else there would be no such model.
        loaded = sys.modules.get(module)
        if loaded is not None and isinstance(model, getattr(loaded, name)):
            made: Any = predictor_class(kind)
            return made(model)
    raise TypeError(
        f"a model is a predictor, a keras.Model or grown trees, got {type(model).__name__}; derive "
        "it from ultimate_deep.bundles.predictor.Predictor"
    )


def named(path: str) -> Any:
    """Return what `module:attribute` names."""
    module, attribute = path.split(":")
    return getattr(importlib.import_module(module), attribute)
