"""What every trained model can do here, be it a net, trees or several of them together."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cached_property
from typing import Protocol

import keras
import numpy as np
import pandas as pd

from ultimate_deep.bundles.saved_model import compile_outputs
from ultimate_deep.models.heads import horizons_of
from ultimate_deep.models.surgery.describe import describe_architecture
from ultimate_deep.models.trees.model import TreeModel
from ultimate_deep.pipeline.inputs.model_inputs import ModelInputs, materialised


class Predictor(Protocol):
    """Scaled inputs to logits of up."""

    @property
    def horizons(self) -> int:
        """Logits per row."""

    def outputs(self, inputs: ModelInputs) -> dict[str, np.ndarray]:
        """Return `logits`, float32 `(rows, horizons)`, and every further head by name."""

    def digest(self) -> str:
        """Return what tells this model from others."""

    def describe(self) -> pd.DataFrame:
        """Return the table of its parts."""


class KerasPredictor:
    """A Keras model as a predictor.

    Args:
        model: As `models.build_model` builds it.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model

    @property
    def horizons(self) -> int:
        """Logits per row."""
        return horizons_of(self.model)

    def outputs(self, inputs: ModelInputs) -> dict[str, np.ndarray]:
        """Return `logits` and every further head; compiled once."""
        return self._compiled(inputs)

    @cached_property
    def _compiled(self) -> Callable[[ModelInputs], dict[str, np.ndarray]]:
        return compile_outputs(self.model)

    def digest(self) -> str:
        """SHA-256 over the weights."""
        return weights_digest(self.model)

    def describe(self) -> pd.DataFrame:
        """One row for each weighted layer."""
        return describe_architecture(self.model)


class TreesPredictor:
    """Boosted trees as a predictor.

    Args:
        model: Fitted trees.
    """

    def __init__(self, model: TreeModel) -> None:
        self.model = model

    @property
    def horizons(self) -> int:
        """Logits per row."""
        return self.model.horizons

    def outputs(self, inputs: ModelInputs) -> dict[str, np.ndarray]:
        """Return `logits` alone: trees have no further heads."""
        return {"logits": self.model.logits(materialised(inputs))}

    def digest(self) -> str:
        """SHA-256 over the trees."""
        return self.model.digest()

    def describe(self) -> pd.DataFrame:
        """One row for each tree."""
        return self.model.describe()


def as_predictor(model: keras.Model | TreeModel | Predictor) -> Predictor:
    """Return a model as a predictor, and predictors as they are."""
    if isinstance(model, keras.Model):
        return KerasPredictor(model)
    return TreesPredictor(model) if isinstance(model, TreeModel) else model


def weights_digest(model: keras.Model) -> str:
    """Return the SHA-256 of a model's weights, which a saved and loaded model keeps."""
    digest = hashlib.sha256()
    for values in model.get_weights():
        array = np.ascontiguousarray(values)
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
