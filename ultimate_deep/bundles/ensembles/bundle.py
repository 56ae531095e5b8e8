"""Several bundles and what combines them as one folder, verified before anything is read.

ensemble = load_ensemble("artifacts/ensemble-20260101-000000")
ensemble.row_outputs(market, rows)["probability"]
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import expit

from ultimate_deep import features
from ultimate_deep.bundles import files
from ultimate_deep.bundles.bundle import Bundle, BundleError
from ultimate_deep.bundles.ensembles.combiner import Combiner, EnsembleError
from ultimate_deep.bundles.ensembles.outputs import feature_columns, member_logits
from ultimate_deep.bundles.ensembles.predictor import CALIBRATION_FILE, EnsemblePredictor
from ultimate_deep.bundles.manifest import verified_manifest
from ultimate_deep.bundles.predicting import AnswersBars
from ultimate_deep.bundles.row_inputs import features_of_bars, spread
from ultimate_deep.machine.plain_json import read_json
from ultimate_deep.market.market import Market
from ultimate_deep.pipeline.rows import Rows

if TYPE_CHECKING:  # predicting needs none of it
    from ultimate_deep.bundles.uncertainty import Uncertainty


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class EnsembleBundle(AnswersBars):
    """A verified ensemble, ready to predict.

    Args:
        folder: Where it was loaded from.
        predictor: The members and what combines them.
        temperature: Temperature of each horizon, float64 `(horizons,)`.
        threshold: Least probability of the side taken.
        config: What the run was asked to do; label, costs and data are the first member's.
        metrics: What came out.
        manifest: Schema, versions, revision, fingerprint and files.
    """

    folder: Path
    predictor: EnsemblePredictor
    temperature: np.ndarray
    threshold: float
    config: dict[str, Any]
    metrics: dict[str, Any]
    manifest: dict[str, Any]

    @property
    def members(self) -> dict[str, Bundle]:
        """Each a bundle, in the combiner's order."""
        return self.predictor.members

    @property
    def combiner(self) -> Combiner:
        """From the members' logits to the ensemble's."""
        return self.predictor.combiner

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Every feature that a member reads."""
        return self.predictor.feature_names

    @property
    def combined_features(self) -> tuple[str, ...]:
        """Features that the combiner reads beside the members' logits."""
        return self.combiner.feature_names

    def combined(self, logits: np.ndarray, features: np.ndarray) -> np.ndarray:
        """Return what the combiner makes of the members' logits, float32 `(rows, horizons)`."""
        return self.combiner.combine(logits, features)

    def compute_features(
        self, frame: pd.DataFrame, *, interval: str | pd.Timedelta | None = None
    ) -> features.FeatureMatrix:
        """Compute every feature that a member reads, from bars of one symbol.

        Args:
            frame: Canonical bars of one symbol.
            interval: How long a bar is; None finds it, as `compute_features` does.

        Raises:
            BundleError: The installed `features` does not know a feature, or it cannot be
                computed from these bars.
        """
        for bundle in self.members.values():
            bundle.check_features()
        return features_of_bars(frame, self.feature_names, self.folder, interval)

    def row_outputs(
        self, market: Market, rows: Rows, among: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """Return `logits` and `probability` of up (calibrated), `(rows, horizons)`.

        Args:
            market: Bars by symbol.
            rows: Made by `compute_features`.
            among: Row numbers to speak of, in order; None is all. Members are asked about all rows
                in any case, as they were when they were combined.

        Returns:
            NaN in other rows and in those that lack an input of any member, such as the first bars
            of a window.
        """
        features = feature_columns(rows, self.combiner.feature_names)
        logits = self.combiner.combine(member_logits(self.members, market, rows), features)
        if among is not None:
            logits = spread(logits[among], among, len(logits))
        return {
            "logits": logits,
            "probability": expit(logits.astype(np.float64) / self.temperature),
        }

    def row_uncertainty(
        self, market: Market, rows: Rows, *, passes: int
    ) -> tuple[Uncertainty, np.ndarray]:
        """Return how far the members agree on the rows that all predict, and those rows' numbers.

        Args:
            market: Bars by symbol.
            rows: Made by `compute_features`.
            passes: Not read: the members are the voices.
        """
        from ultimate_deep.bundles.uncertainty import ensemble_uncertainty

        logits = member_logits(self.members, market, rows)
        known = np.flatnonzero(np.isfinite(logits).all(axis=(0, 2)))
        divided = [
            {"logits": one[known] / member.temperature}
            for one, member in zip(logits, self.members.values(), strict=True)
        ]
        return ensemble_uncertainty(divided), known


def load_ensemble(folder: str | Path) -> EnsembleBundle:
    """Load an ensemble after verifying all of it, its members included.

    Raises:
        BundleError: A file is missing, extra, changed or unreadable, or it is no ensemble.
        EnsembleError: Members and combiner do not fit each other.
    """
    folder = Path(folder).resolve()  # `artifacts/latest` is a link
    manifest = verified_manifest(folder)
    if manifest["kind"] != EnsemblePredictor.kind:
        raise BundleError(f"{folder} holds one model; use ultimate_deep.bundles.bundle.load_bundle")
    predictor = EnsemblePredictor.load(folder)
    temperature, threshold = _read_calibration(folder / CALIBRATION_FILE)
    widths = {"combiner": predictor.horizons, "manifest": manifest["horizons"]}
    widths |= {name: len(bundle.temperature) for name, bundle in predictor.members.items()}
    if len(set(widths.values())) > 1:
        raise EnsembleError(f"{folder}: parts have different horizons, {widths}; train again")
    files.check_temperature(temperature, widths["combiner"])
    files.check_threshold(threshold)
    return EnsembleBundle(
        folder=folder,
        predictor=predictor,
        temperature=temperature,
        threshold=threshold,
        config=files.read_json(folder / files.CONFIG_FILE),
        metrics=files.read_json(folder / files.METRICS_FILE),
        manifest=manifest,
    )


def _read_calibration(path: Path) -> tuple[np.ndarray, float]:
    try:
        content = read_json(path)
        return np.array(content["temperature"], np.float64), float(content["threshold"])
    except (OverflowError, ValueError, KeyError, TypeError) as error:
        raise BundleError(
            f"{path} holds no temperature and threshold ({str(error)[:200]}); train again"
        ) from error
