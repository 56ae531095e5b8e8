"""A Keras net as a predictor: `.keras`, `.h5` and a SavedModel in its bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import keras
import numpy as np
import pandas as pd

from ultimate_deep.bundles.executors.keras_file import NetFileError, read_net
from ultimate_deep.bundles.files import FILE_PREFIX, bundle_purposes, file_in
from ultimate_deep.bundles.manifest import BundleError
from ultimate_deep.bundles.predictor import Attention, Outputs, Predictor
from ultimate_deep.bundles.saved_model import (
    compile_outputs,
    export_saved_model,
    input_shapes,
    save_keras_files,
)
from ultimate_deep.machine.archives import ArchiveError
from ultimate_deep.machine.plain_json import JsonError
from ultimate_deep.models.heads import horizons_of
from ultimate_deep.pipeline.inputs.model_inputs import ModelInputs, materialised

if TYPE_CHECKING:  # predicting needs none of it
    from ultimate_deep.bundles.uncertainty import Uncertainty

KERAS_FILE = f"{FILE_PREFIX}_model.keras"
H5_FILE = f"{FILE_PREFIX}_model.h5"
SAVED_MODEL_FOLDER = "saved_model"
ATTENTION_ROWS = 2_048
MAP_ROWS = 128


class KerasPredictor(Predictor):
    """A Keras model as a predictor.

    Args:
        model: A net as `models.build_model` builds it.
    """

    kind: ClassVar[str] = "keras"
    needed: ClassVar[tuple[str, ...]] = (KERAS_FILE,)
    purposes: ClassVar[Mapping[str, str]] = bundle_purposes(
        {
            KERAS_FILE: "the model: scaled features in, logits out",
            H5_FILE: "the same model in the older format",
            f"{SAVED_MODEL_FOLDER}/": "the same model for TensorFlow alone, with calibrated "
            "probabilities",
        },
        parts="every weighted layer",
    )

    def __init__(self, model: keras.Model) -> None:
        self._model = model

    @property
    def model(self) -> keras.Model:
        """The net."""
        return self._model

    @property
    def horizons(self) -> int:
        """Logits per row."""
        return horizons_of(self.model)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Each input's name and shape without the rows; see `bundles.saved_model.input_shapes`."""
        return input_shapes(self.model)

    def outputs(self, inputs: ModelInputs) -> Outputs:
        """Return `logits` and every further head; compiled once."""
        return self._compiled(inputs)

    def batched(self, batch_rows: int) -> Callable[[ModelInputs], Outputs]:
        """Return `outputs` compiled for so many rows at once."""
        return compile_outputs(self.model, batch_rows=batch_rows)

    @cached_property
    def _compiled(self) -> Callable[[ModelInputs], Outputs]:
        return compile_outputs(self.model)

    def attention(self, inputs: ModelInputs) -> Attention:
        """Return weights of units (mean of 2,048 rows at most) and maps over time (128 rows)."""
        # Predicting does not read attention.
        from ultimate_deep.models.surgery import attention_map as maps

        found = Attention()
        if maps.has_attention(self.model):
            weights = maps.attention_weights(self.model, _first(inputs, ATTENTION_ROWS))
            names = tuple(maps.unit_names(self.model))
            found = replace(found, units=weights.mean(axis=0), unit_names=names)
        if maps.has_temporal_attention(self.model):
            over_time = maps.temporal_attention(self.model, _first(inputs, MAP_ROWS))
            found = replace(found, maps={k: one.mean(axis=0) for k, one in over_time.items()})
        return found

    def uncertainty(
        self, inputs: ModelInputs, *, passes: int, temperature: float
    ) -> Uncertainty | None:
        """Return what passes with dropout agree on; see `bundles.uncertainty`.

        Raises:
            ValueError: A net without dropout, or fewer than two passes.
        """
        from ultimate_deep.bundles.uncertainty import MonteCarloConfig, monte_carlo_uncertainty

        config = MonteCarloConfig(passes=passes)
        return monte_carlo_uncertainty(
            self.model, materialised(inputs), config, temperature=temperature
        )

    def weights(self) -> list[tuple[str, np.ndarray]]:
        """Return every weight, in the order of `model.weights`."""
        names = [variable.name for variable in self.model.weights]
        return list(zip(names, self.model.get_weights(), strict=True))

    def digest(self) -> str:
        """SHA-256 over the weights."""
        return weights_digest(self.model)

    def describe(self) -> pd.DataFrame:
        """One row for each weighted layer."""
        from ultimate_deep.models.surgery.describe import describe_architecture

        return describe_architecture(self.model)

    def save(self, folder: Path, *, temperature: np.ndarray | None = None) -> None:
        """Write the three files, the SavedModel with calibrated probabilities.

        Where Keras runs on another backend than TensorFlow, there is no SavedModel.
        """
        divisor = np.ones(self.horizons) if temperature is None else temperature
        save_keras_files(self.model, folder / KERAS_FILE, folder / H5_FILE)
        if keras.backend.backend() == "tensorflow":
            export_saved_model(self.model, folder / SAVED_MODEL_FOLDER, divisor)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the `.keras` file."""
        return cls(read_model(file_in(folder, KERAS_FILE)))


def read_model(path: Path) -> keras.Model:
    """Return the model of a `.keras` file, read in safe mode and not compiled.

    Raises:
        BundleError: The file holds more or other than a net and its weights, or Keras refuses it.
    """
    try:
        return read_net(path)
    except (ArchiveError, JsonError, NetFileError) as error:
        raise BundleError(
            f"{path} is no sound file of a net: {error}; copy the folder again from its origin, "
            "and do not use a bundle from a source you do not trust"
        ) from error
    except Exception as error:  # Keras raises what its layers raise; the cause is chained
        said = str(error)
        raise BundleError(
            f"{path} does not load in Keras {keras.__version__} "
            f"({said if len(said) <= 400 else said[:200] + ' ... ' + said[-200:]}); install the "
            "versions that its manifest names; if those are installed, copy the folder again from "
            "its origin, and do not use a bundle from a source you do not trust"
        ) from error


def weights_digest(model: keras.Model) -> str:
    """Return the SHA-256 of a model's weights, which a saved and loaded model keeps."""
    digest = hashlib.sha256()
    for values in model.get_weights():
        array = np.ascontiguousarray(values)
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _first(inputs: ModelInputs, rows: int) -> np.ndarray | dict[str, np.ndarray]:
    if isinstance(inputs, Mapping):
        return {name: values[:rows] for name, values in inputs.items()}
    return inputs[:rows]
