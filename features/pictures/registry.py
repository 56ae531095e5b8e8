"""Every kind of picture by name. A new one is one file and one line here."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # names alone are known without NumPy
    from ultimate_deep.features.pictures.picture import Picture

PICTURES: dict[str, str] = {
    "gaf": "ultimate_deep.features.pictures.gramian:GAF",
    "gaf_ohlc": "ultimate_deep.features.pictures.gramian:GAF_OHLC",
    "markov": "ultimate_deep.features.pictures.markov:MARKOV",
    "recurrence": "ultimate_deep.features.pictures.recurrence:RECURRENCE",
    "bars": "ultimate_deep.features.pictures.bar_image:BARS",
}


def picture_of(name: str) -> Picture:
    """Return the kind of picture called `name`.

    Raises:
        ValueError: No kind has this name.
    """
    if name not in PICTURES:
        raise ValueError(f"no picture is called {name!r}; known pictures: {', '.join(PICTURES)}")
    module, _, constant = PICTURES[name].partition(":")
    found: Picture = getattr(importlib.import_module(module), constant)
    return found
