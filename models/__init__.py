"""Deep nets by name: `build_model("lstm", {"bars": (32, 266)})`.

Nothing here loads Keras before it is needed. Once both Keras and this package are imported, Keras
knows every layer of ours, so that `keras.models.load_model` reads our files.
"""

import importlib
from typing import TYPE_CHECKING, Any

# At once, though it could wait: the module `search_space` would else hide the function.
from ultimate_deep.models.registry import BUILDERS, build_model, config_class, search_space

if TYPE_CHECKING:
    from ultimate_deep.models import layers
    from ultimate_deep.models.heads import Heads, prediction_heads


def __getattr__(name: str) -> Any:
    if name == "layers":
        return importlib.import_module(f"{__name__}.layers")
    if name in ("Heads", "prediction_heads"):
        return getattr(importlib.import_module(f"{__name__}.heads"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "BUILDERS",
    "Heads",
    "build_model",
    "config_class",
    "layers",
    "prediction_heads",
    "search_space",
]
