"""A finished run as one folder: written whole or not at all, loaded only after verification.

`load_bundle` never unpickles. The `.pkl` files are for users' own `joblib.load`; what it reads
itself are plain arrays, JSON, CSV and the `.keras` file in Keras' safe mode.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import expit

from ultimate_deep import features
from ultimate_deep.bundles import files
from ultimate_deep.bundles.contents import feature_widths
from ultimate_deep.bundles.files import FILE_PREFIX, file_in
from ultimate_deep.bundles.kinds import as_predictor, named, predictor_class
from ultimate_deep.bundles.manifest import (
    MANIFEST_NAME,
    BundleError,
    verified_manifest,
    writer_remedy,
)
from ultimate_deep.bundles.predicting import AnswersBars, AnyBundle
from ultimate_deep.bundles.predictor import Predictor
from ultimate_deep.bundles.row_inputs import (
    complete_inputs,
    features_of_bars,
    own_features,
    readings,
    spread,
)
from ultimate_deep.features.registry import registry
from ultimate_deep.market.market import Market
from ultimate_deep.pipeline.inputs.model_inputs import ModelInputs
from ultimate_deep.pipeline.inputs.tables import RowInputs
from ultimate_deep.pipeline.rows import Rows
from ultimate_deep.pipeline.scaling import ArrayScaler

if TYPE_CHECKING:  # predicting needs none of it
    from ultimate_deep.bundles.uncertainty import Uncertainty

__all__ = [
    "FILE_PREFIX",
    "Bundle",
    "BundleError",
    "load_any",
    "load_bundle",
]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Bundle(AnswersBars):
    """A verified bundle, ready to predict.

    Args:
        folder: Where it was loaded from.
        model: Scaled inputs to predictions: a net that is not compiled for training, trees, or
            another predictor.
        feature_names: Features in order.
        families: Family of each feature.
        scaler: Scaler from unscaled features to model inputs.
        scalers: Input name to scaler, of inputs with tables of their own.
        temperature: Temperature of each horizon, float64 `(horizons,)`.
        threshold: Least probability of the side taken.
        config: What the run was asked to do.
        metrics: What came out.
        manifest: Schema, versions, revision, fingerprint and files.
    """

    folder: Path
    model: Any
    feature_names: tuple[str, ...]
    families: tuple[str, ...]
    scaler: ArrayScaler
    scalers: dict[str, ArrayScaler]
    temperature: np.ndarray
    threshold: float
    config: dict[str, Any]
    metrics: dict[str, Any]
    manifest: dict[str, Any]

    @cached_property
    def predictor(self) -> Predictor:
        """The model behind one interface, compiled once."""
        return as_predictor(self.model)

    @property
    def members(self) -> Mapping[str, Bundle]:
        """Itself: it is one model."""
        return {self.folder.name: self}

    @property
    def combined_features(self) -> tuple[str, ...]:
        """None: nothing is read beside the model's logits."""
        return ()

    def combined(self, logits: np.ndarray, features: np.ndarray) -> np.ndarray:
        """Return the model's logits as they are, `(rows, horizons)`."""
        return logits[0]

    def readings(self, market: Market, rows: Rows) -> RowInputs:
        """Return the model's inputs of all rows, to be cut out of those that are complete.

        Args:
            market: Bars by symbol.
            rows: Rows with the model's features, in its order.
        """
        return readings(self.config, self.scaler, self.scalers, market, rows)

    def compute_features(
        self, frame: pd.DataFrame, *, interval: str | pd.Timedelta | None = None
    ) -> features.FeatureMatrix:
        """Compute this model's features, in its order, from bars.

        Args:
            frame: Canonical bars of one symbol.
            interval: How long a bar is; None finds it, as `compute_features` does.

        Raises:
            BundleError: The installed `features` does not know a feature, or it cannot be
                computed from these bars.
        """
        if "features" in self.metrics.get("own_steps", ()):
            return own_features(frame, self.feature_names, self.folder)
        self.check_features()
        return features_of_bars(frame, self.feature_names, self.folder, interval)

    def check_features(self) -> None:
        """Refuse a model with a feature that is not installed.

        Raises:
            BundleError: Naming the features, and the version that knew them.
        """
        unknown = sorted(name for name in self.feature_names if registry().find(name) is None)
        if unknown:
            raise BundleError(
                f"{self.folder} needs features that the installed version does not know: "
                f"{', '.join(unknown)}; "
                f"{writer_remedy(self.manifest, 'bring back the code that registered them')}"
            )

    def complete_inputs(
        self, market: Market, rows: Rows, among: np.ndarray | None = None
    ) -> tuple[ModelInputs, np.ndarray]:
        """Return the model's inputs of the rows that have all of them, and those rows' numbers."""
        return complete_inputs(self.config, self.scaler, self.scalers, market, rows, among)

    def row_outputs(
        self, market: Market, rows: Rows, among: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """Return everything that the model says of rows of these bars.

        Args:
            market: Bars by symbol.
            rows: Rows made by `compute_features`.
            among: Row numbers to speak of, in order; None is all. The last bit of a prediction may
                depend on where its row stands in a batch, so that a part of a run is predicted to
                the bit by naming the part.

        Returns:
            `logits` and `probability` of up (calibrated), `(rows, horizons)`, and further heads by
            name, NaN in other rows and in those that lack an input, such as the first of a window.

        Raises:
            BundleError: An answer is not finite.
        """
        inputs, complete = self.complete_inputs(market, rows, among)
        found = self._answers(inputs)
        found["probability"] = expit(found["logits"].astype(np.float64) / self.temperature)
        return {name: spread(values, complete, len(rows.labels)) for name, values in found.items()}

    def row_uncertainty(
        self, market: Market, rows: Rows, *, passes: int
    ) -> tuple[Uncertainty, np.ndarray]:
        """Return how unsure the model is of the rows that have all inputs, and their numbers.

        Args:
            market: Bars by symbol.
            rows: Rows made by `compute_features`.
            passes: How often the model is asked, at least 2.

        Raises:
            ValueError: A model that answers once, such as trees or a net without dropout.
        """
        inputs, known = self.complete_inputs(market, rows)
        temperature = float(self.temperature[0])
        found = self.predictor.uncertainty(inputs, passes=passes, temperature=temperature)
        if found is None:
            raise ValueError(
                f"{self.predictor.kind} give one answer for each row, {self.folder} holds nothing "
                "else; ask a net with dropout, or an ensemble with train_ensemble.py"
            )
        return found, known

    def logits(self, values: np.ndarray) -> np.ndarray:
        """Return logits, float32 `(rows, horizons)`, NaN for rows with a NaN.

        Args:
            values: Unscaled features in the order of `feature_names`, `(rows, features)`.

        Raises:
            BundleError: The model reads more than the features of one bar, or an answer is not
                finite.
            ValueError: Another number of features, or an infinite value.
        """
        shapes = dict(self.predictor.shapes)
        if list(shapes.values()) != [(len(self.feature_names),)]:
            raise BundleError(
                f"the model of {self.folder} reads {shapes}, not single rows of "
                "features; use ultimate_deep.bundles.predicting.predict_bars(bundle, market)"
            )
        scaled = self.scaler.transform(values)
        if np.isinf(scaled).any():
            row, column = np.argwhere(np.isinf(scaled))[0]
            raise ValueError(
                f"features are finite or NaN, got {values[row, column]} in row {row} of "
                f"{self.feature_names[column]}; repair the bars"
            )
        known = ~np.isnan(scaled).any(axis=1)
        out = np.full((len(scaled), len(self.temperature)), np.nan, np.float32)
        out[known] = self._answers(scaled[known])["logits"]
        return out

    def _answers(self, inputs: ModelInputs) -> dict[str, np.ndarray]:
        """Return what the model says of inputs, which are finite, as its logits then must be."""
        found = dict(self.predictor.outputs(inputs))
        wrong = np.flatnonzero(~np.isfinite(found["logits"]).all(axis=1))
        if len(wrong):
            raise BundleError(
                f"{self.folder} answers {len(wrong):,} of {len(found['logits']):,} rows with a "
                "number that is not finite, though their inputs are; look for bars far beyond any "
                "market's, or copy the folder again from its origin: no trained model has such "
                "weights"
            )
        return found

    def probability(self, values: np.ndarray) -> np.ndarray:
        """Return the calibrated probability of up, float64 `(rows, horizons)`; see `logits`."""
        return expit(self.logits(values).astype(np.float64) / self.temperature)


def load_bundle(folder: str | Path) -> Bundle:
    """Load a bundle after verifying all of it.

    Args:
        folder: What a run has written.

    Raises:
        BundleError: A file is missing, extra, changed or unreadable, the schema is unknown, or
            the parts do not fit each other.
    """
    folder = Path(folder).resolve()  # `artifacts/latest` is a link
    manifest = verified_manifest(folder)
    kind = predictor_class(manifest["kind"])
    if kind.bundle_loader != Predictor.bundle_loader:
        raise BundleError(
            f"{folder} holds several models together; use {kind.bundle_loader.replace(':', '.')}"
        )
    needed = (*kind.needed, *files.READ_ON_LOAD)
    named = [file_in(folder, name).relative_to(folder).as_posix() for name in needed]
    if absent := [name for name in named if name not in manifest["files"]]:
        raise BundleError(f"{folder} lists no {', '.join(absent)}; train again")
    features_file = file_in(folder, files.FEATURES_FILE)
    names, families = files.read_features(features_file)
    if list(names) != manifest["feature_names"]:
        raise BundleError(
            f"{folder}: {features_file.name} and {MANIFEST_NAME} list different features; "
            "train again"
        )
    scaler, temperature, threshold = files.read_preprocessing(folder / files.PREPROCESSING_FILE)
    predictor = kind.load(folder)
    widths = {
        "features": len(names),
        "scaler": scaler.features,
        **feature_widths(predictor.shapes),
    }
    horizons = predictor.horizons
    if len(set(widths.values())) > 1 or horizons != manifest["horizons"]:
        raise BundleError(
            f"{folder}: parts do not fit each other: widths {widths}, horizons of the model "
            f"{horizons} and of the manifest {manifest['horizons']}; train again"
        )
    files.check_names(names)
    files.check_temperature(temperature, horizons)
    files.check_threshold(threshold)
    return Bundle(
        folder=folder,
        model=predictor.model,
        feature_names=names,
        families=families,
        scaler=scaler,
        scalers=files.read_further_scalers(folder / files.PREPROCESSING_FILE),
        temperature=temperature,
        threshold=threshold,
        config=files.read_json(folder / files.CONFIG_FILE),
        metrics=files.read_json(folder / files.METRICS_FILE),
        manifest=manifest,
    )


def load_any(folder: str | Path) -> AnyBundle:
    """Load a bundle of any kind; see `load_bundle` and `bundles.ensembles.bundle.load_ensemble`."""
    kind = predictor_class(verified_manifest(Path(folder).resolve())["kind"])
    load: Callable[[str | Path], AnyBundle] = named(kind.bundle_loader)
    return load(folder)
