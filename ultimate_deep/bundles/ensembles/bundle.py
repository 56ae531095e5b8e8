"""Several bundles and what combines them as one folder, verified before anything is read.

ensemble = load_ensemble("artifacts/ensemble-20260101-000000")
ensemble.row_outputs(market, rows)["probability"]
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from ultimate_deep import features
from ultimate_deep.bundles import files
from ultimate_deep.bundles.bundle import Bundle, BundleError, load_bundle
from ultimate_deep.bundles.ensembles.combiner import (
    COMBINER_FILE,
    Combiner,
    EnsembleError,
    load_combiner,
)
from ultimate_deep.bundles.ensembles.outputs import feature_columns, feature_union, member_logits
from ultimate_deep.bundles.manifest import verified_manifest
from ultimate_deep.market.market import Market
from ultimate_deep.pipeline.inputs.model_inputs import ModelInputs, materialised
from ultimate_deep.pipeline.rows import Rows

KIND = "ensemble"
MEMBERS_FOLDER = "members"
CALIBRATION_FILE = "calibration.json"
MEMBERS_FILE = "members.csv"
FILES = {
    f"{MEMBERS_FOLDER}/": "every member as a whole bundle, usable by itself",
    COMBINER_FILE: "what is made of the members' logits",
    CALIBRATION_FILE: "temperature and threshold of the ensemble",
    MEMBERS_FILE: "weight, log loss, correlation and gain of each member on validation",
    files.CONFIG_FILE: "what the run was asked to do",
    files.METRICS_FILE: "what came out",
    "report.json": "the figures of this page",
    "manifest.json": "versions, data fingerprint, SHA-256 of every file",
}


class EnsemblePredictor:
    """A combiner as a predictor; what it is fed are the members' logits and, where the combiner
    reads some, features, side by side.

    Args:
        combiner: Fitted.
        digests: What tells each member from others.
    """

    def __init__(self, combiner: Combiner, digests: tuple[str, ...]) -> None:
        self.combiner = combiner
        self.digests = digests

    @property
    def horizons(self) -> int:
        """Logits per row."""
        return int(self.combiner.weights().shape[1])

    def outputs(self, inputs: ModelInputs) -> dict[str, np.ndarray]:
        """Return `logits`; `inputs` are `(rows, members * horizons + features)`, members first."""
        values = materialised(inputs)
        if not isinstance(values, np.ndarray):
            raise EnsembleError(f"a combiner reads one array of logits, got {sorted(values)}")
        members = len(self.combiner.names)
        said = values[:, : members * self.horizons].reshape(len(values), members, self.horizons)
        features = values[:, members * self.horizons :]
        return {"logits": self.combiner.combine(np.moveaxis(said, 1, 0), features)}

    def digest(self) -> str:
        """SHA-256 over the members and what it makes of 64 rows of drawn logits."""
        digest = hashlib.sha256("".join(self.digests).encode())
        shape = (len(self.combiner.names), 64, self.horizons)
        rng = np.random.default_rng(0)
        logits = rng.normal(size=shape)
        features = rng.normal(size=(64, len(self.combiner.feature_names)))
        digest.update(self.combiner.combine(logits, features).tobytes())
        return digest.hexdigest()

    def describe(self) -> pd.DataFrame:
        """One row for each member, with its weight for each horizon."""
        weights = self.combiner.weights()
        columns = {f"weight_{number + 1}": weights[:, number] for number in range(self.horizons)}
        return pd.DataFrame({"member": self.combiner.names, **columns})


@dataclass(frozen=True, kw_only=True, eq=False)
class EnsembleBundle:
    """A verified ensemble, ready to predict.

    Args:
        folder: Where it was loaded from.
        members: Each a bundle, in the combiner's order.
        combiner: From the members' logits to the ensemble's.
        temperature: Of each horizon, float64 `(horizons,)`.
        threshold: Least probability of the side taken.
        config: What the run was asked to do; label, costs and data are the first member's.
        metrics: What came out.
        manifest: Schema, versions, revision, fingerprint and files.
    """

    folder: Path
    members: dict[str, Bundle]
    combiner: Combiner
    temperature: np.ndarray
    threshold: float
    config: dict[str, Any]
    metrics: dict[str, Any]
    manifest: dict[str, Any]

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Every feature that a member reads."""
        return feature_union(list(self.members.values()))

    @cached_property
    def predictor(self) -> EnsemblePredictor:
        """The combiner, which tells this ensemble from others."""
        digests = tuple(bundle.predictor.digest() for bundle in self.members.values())
        return EnsemblePredictor(self.combiner, digests)

    def compute_features(self, frame: pd.DataFrame) -> features.FeatureMatrix:
        """Compute every feature that a member reads, from bars of one symbol.

        Raises:
            BundleError: The installed `features` does not know a feature, or it cannot be
                computed from these bars.
        """
        for bundle in self.members.values():
            if unknown := sorted(set(bundle.feature_names) - set(features.feature_names())):
                raise BundleError(
                    f"{bundle.folder} needs features that the installed version does not know: "
                    f"{', '.join(unknown)}; install the version that wrote it"
                )
        try:
            return features.compute_features(frame, self.feature_names)
        except ValueError as error:
            raise BundleError(
                f"the features of {self.folder} cannot be computed from these bars: {error} "
                "(The members need all of their features: bring bars like those they know.)"
            ) from error

    def row_outputs(self, market: Market, rows: Rows) -> dict[str, np.ndarray]:
        """Return `logits` and `probability` of up (calibrated), `(rows, horizons)`.

        Args:
            market: Bars by symbol.
            rows: Made by `compute_features`.

        Returns:
            NaN in rows that lack an input of any member, such as the first bars of a window.
        """
        features = feature_columns(rows, self.combiner.feature_names)
        logits = self.combiner.combine(member_logits(self.members, market, rows), features)
        return {
            "logits": logits,
            "probability": expit(logits.astype(np.float64) / self.temperature),
        }


def load_ensemble(folder: str | Path) -> EnsembleBundle:
    """Load an ensemble after verifying all of it, its members included.

    Raises:
        BundleError: A file is missing, extra, changed or unreadable, or it is no ensemble.
        EnsembleError: Members and combiner do not fit each other.
    """
    folder = Path(folder).resolve()  # `artifacts/latest` is a link
    manifest = verified_manifest(folder)
    if manifest["kind"] != KIND:
        raise BundleError(f"{folder} holds one model; use ultimate_deep.bundles.bundle.load_bundle")
    combiner = load_combiner(folder)
    root = folder / MEMBERS_FOLDER
    found = sorted(path.name for path in root.iterdir()) if root.is_dir() else []
    if found != sorted(combiner.names):
        raise EnsembleError(
            f"{folder}: {COMBINER_FILE} combines {', '.join(combiner.names)}, and {MEMBERS_FOLDER} "
            f"holds {', '.join(found) or 'nothing'}; copy the whole folder again"
        )
    members = {name: load_bundle(root / name) for name in combiner.names}
    temperature, threshold = _read_calibration(folder / CALIBRATION_FILE)
    widths = {"combiner": int(combiner.weights().shape[1]), "manifest": manifest["horizons"]}
    widths |= {name: len(bundle.temperature) for name, bundle in members.items()}
    if len(set(widths.values())) > 1:
        raise EnsembleError(f"{folder}: parts have different horizons, {widths}; train again")
    files.check_temperature(temperature, widths["combiner"])
    files.check_threshold(threshold)
    return EnsembleBundle(
        folder=folder,
        members=members,
        combiner=combiner,
        temperature=temperature,
        threshold=threshold,
        config=files.read_json(folder / files.CONFIG_FILE),
        metrics=files.read_json(folder / files.METRICS_FILE),
        manifest=manifest,
    )


def load_any(folder: str | Path) -> Bundle | EnsembleBundle:
    """Load a bundle of any kind; see `load_bundle` and `load_ensemble`."""
    kind = verified_manifest(Path(folder).resolve())["kind"]
    return load_ensemble(folder) if kind == KIND else load_bundle(folder)


def _read_calibration(path: Path) -> tuple[np.ndarray, float]:
    try:
        content = json.loads(path.read_bytes())
        return np.array(content["temperature"], np.float64), float(content["threshold"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(
            f"{path} holds no temperature and threshold ({error}); train again"
        ) from (error)
