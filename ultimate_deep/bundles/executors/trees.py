"""Boosted trees as a predictor: a folder of arrays, text and JSON in its bundle."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import pandas as pd

from ultimate_deep.bundles.files import bundle_purposes
from ultimate_deep.bundles.predictor import Outputs, Predictor
from ultimate_deep.models.trees.model import TREES_FILE, TreeModel, load_trees
from ultimate_deep.pipeline.inputs.model_inputs import ModelInputs, materialised

TREES_FOLDER = "trees"


class TreesPredictor(Predictor):
    """Boosted trees as a predictor.

    Args:
        model: Trees that have been fitted.
    """

    kind: ClassVar[str] = "trees"
    needed: ClassVar[tuple[str, ...]] = (f"{TREES_FOLDER}/{TREES_FILE}",)
    purposes: ClassVar[Mapping[str, str]] = bundle_purposes(
        {f"{TREES_FOLDER}/": "the trees: scaled features in, log-odds out; no pickle"},
        parts="every tree",
    )

    def __init__(self, model: TreeModel) -> None:
        self._model = model

    @property
    def model(self) -> TreeModel:
        """The trees."""
        return self._model

    @property
    def horizons(self) -> int:
        """Logits per row."""
        return self.model.horizons

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Each input's name and shape without the rows."""
        return dict(self.model.input_shapes)

    def outputs(self, inputs: ModelInputs) -> Outputs:
        """Return `logits` alone: trees have no further heads."""
        return {"logits": self.model.logits(materialised(inputs))}

    def digest(self) -> str:
        """SHA-256 over the trees."""
        return self.model.digest()

    def describe(self) -> pd.DataFrame:
        """One row for each tree."""
        return self.model.describe()

    def save(self, folder: Path, *, temperature: np.ndarray | None = None) -> None:
        """Write the trees into a folder of their own."""
        self.model.save(folder / TREES_FOLDER)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read them, after their digests were checked."""
        return cls(load_trees(folder / TREES_FOLDER))
