"""Finished bundles and what combines them as a predictor: the third kind beside nets and trees."""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import pandas as pd

from ultimate_deep.bundles import files
from ultimate_deep.bundles.bundle import Bundle, load_bundle
from ultimate_deep.bundles.ensembles.combiner import (
    COMBINER_FILE,
    Combiner,
    EnsembleError,
    load_combiner,
    save_combiner,
)
from ultimate_deep.bundles.ensembles.outputs import feature_union
from ultimate_deep.bundles.predictor import Outputs, Predictor, named_inputs
from ultimate_deep.pipeline.inputs.model_inputs import ModelInputs

MEMBERS_FOLDER = "members"
CALIBRATION_FILE = "calibration.json"
MEMBERS_FILE = "members.csv"


class EnsemblePredictor(Predictor):
    """A combiner as a predictor; what it is fed are the members' logits and, where the combiner
    reads some, features, side by side.

    Args:
        combiner: A fitted combiner of the members' logits.
        members: Bundles by name, in the combiner's order.
    """

    kind: ClassVar[str] = "ensemble"
    needed: ClassVar[tuple[str, ...]] = (COMBINER_FILE, CALIBRATION_FILE)
    bundle_loader: ClassVar[str] = "ultimate_deep.bundles.ensembles.bundle:load_ensemble"
    purposes: ClassVar[Mapping[str, str]] = {
        f"{MEMBERS_FOLDER}/": "every member as a whole bundle, usable by itself",
        COMBINER_FILE: "what is made of the members' logits",
        CALIBRATION_FILE: "temperature and threshold of the ensemble",
        MEMBERS_FILE: "weight, log loss, correlation and gain of each member on validation",
        files.CONFIG_FILE: "what the run was asked to do",
        files.METRICS_FILE: "what came out",
        "report.json": "the figures of this page",
        "manifest.json": "versions, data fingerprint, SHA-256 of every file",
    }

    def __init__(self, combiner: Combiner, members: Mapping[str, Bundle]) -> None:
        self.combiner = combiner
        self.members = dict(members)

    @property
    def horizons(self) -> int:
        """Logits per row."""
        return int(self.combiner.weights().shape[1])

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """One input: the members' logits, then the combiner's features."""
        logits = len(self.combiner.names) * self.horizons
        return {"logits": (logits + len(self.combiner.feature_names),)}

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Every feature that a member reads."""
        return feature_union(list(self.members.values()))

    def outputs(self, inputs: ModelInputs) -> Outputs:
        """Return `logits`; `inputs` are `(rows, members * horizons + features)`, members first."""
        values = named_inputs(inputs, self.shapes)["logits"][:]
        members = len(self.combiner.names)
        said = values[:, : members * self.horizons].reshape(len(values), members, self.horizons)
        features = values[:, members * self.horizons :]
        return {"logits": self.combiner.combine(np.moveaxis(said, 1, 0), features)}

    def digest(self) -> str:
        """SHA-256 over the members and what it makes of 64 rows of drawn logits."""
        digests = [bundle.predictor.digest() for bundle in self.members.values()]
        digest = hashlib.sha256("".join(digests).encode())
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

    def save(self, folder: Path, *, temperature: np.ndarray | None = None) -> None:
        """Copy every member as the whole bundle that it is, and write the combiner."""
        for name, bundle in self.members.items():
            shutil.copytree(bundle.folder, folder / MEMBERS_FOLDER / name)
        save_combiner(self.combiner, folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load the combiner and its members, each verified.

        Raises:
            BundleError: A member is no sound bundle.
            EnsembleError: No combiner, or members that are not its own.
        """
        combiner = load_combiner(folder)
        root = folder / MEMBERS_FOLDER
        found = sorted(path.name for path in root.iterdir()) if root.is_dir() else []
        if found != sorted(combiner.names):
            raise EnsembleError(
                f"{folder}: {COMBINER_FILE} combines {', '.join(combiner.names)}, and "
                f"{MEMBERS_FOLDER} holds {', '.join(found) or 'nothing'}; copy the whole folder "
                "again"
            )
        return cls(combiner, {name: load_bundle(root / name) for name in combiner.names})
