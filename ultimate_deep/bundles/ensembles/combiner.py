"""What turns several members' logits into one, and how it is kept on disk."""

import importlib
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from ultimate_deep.machine.files import write_json
from ultimate_deep.machine.plain_json import JsonError, read_json

COMBINER_FILE = "combiner.json"
SCHEMA = "ultimate-deep-combiner"
SCHEMA_VERSION = 1
# A new kind is one file and one line here.
COMBINERS: dict[str, str] = {
    "logistic_stack": "ultimate_deep.bundles.ensembles.stacking:LogisticStack",
    "pool": "ultimate_deep.bundles.ensembles.pooling:Pool",
    "tree_stack": "ultimate_deep.bundles.ensembles.stacking:TreeStack",
}


class EnsembleError(ValueError):
    """Members cannot be combined, or what lies on disk is not the combiner that was written."""


class Combiner(ABC):
    """Members' logits to the ensemble's, always in the order of `names`.

    Some also read features of the decision's bar, `feature_names`; most read none.
    """

    KIND: ClassVar[str]
    names: tuple[str, ...]
    feature_names: tuple[str, ...] = ()

    @abstractmethod
    def combine(self, logits: np.ndarray, features: np.ndarray | None = None) -> np.ndarray:
        """Return the ensemble's logits.

        Args:
            logits: Logits of each member, not calibrated, `(members, rows, horizons)`.
            features: Those of `feature_names`, not scaled, `(rows, features)`; what reads none
                does not look at them.

        Returns:
            Float32 `(rows, horizons)`; NaN where any member is NaN.

        Raises:
            EnsembleError: Another number of members or horizons.
        """

    @abstractmethod
    def weights(self) -> np.ndarray:
        """Return what each member counts, float64 `(members, horizons)`."""

    @abstractmethod
    def to_json(self, folder: Path) -> dict[str, Any]:
        """Return all that `from_json` needs as plain JSON types; what does not fit into JSON is
        written into the folder.
        """

    @classmethod
    @abstractmethod
    def from_json(cls, content: dict[str, Any], folder: Path) -> Self:
        """Build the combiner anew from what `to_json` gave and wrote."""


def save_combiner(combiner: Combiner, folder: Path) -> None:
    """Write a combiner into a folder that exists or is made."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, "kind": combiner.KIND}
    write_json(folder / COMBINER_FILE, content | combiner.to_json(folder))


def load_combiner(folder: Path) -> Combiner:
    """Read what `save_combiner` wrote.

    Raises:
        EnsembleError: No such file, an unknown kind, or entries that are no combiner's.
    """
    path = folder / COMBINER_FILE
    try:
        content = read_json(path)
    except JsonError as error:
        raise EnsembleError(f"{path} cannot be read: {error}; train again") from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise EnsembleError(f"{path} is not of schema {SCHEMA!r}; give an ensemble's folder")
    if content.get("schema_version") != SCHEMA_VERSION:
        raise EnsembleError(
            f"{path} has schema version {str(content.get('schema_version'))[:80]} and this program "
            f"reads {SCHEMA_VERSION}; install the version of ultimate-deep that its manifest names"
        )
    if content.get("kind") not in tuple(COMBINERS):
        raise EnsembleError(
            f"{path} has kind {str(content.get('kind'))[:80]!r}, known are {', '.join(COMBINERS)}; "
            "install the version of ultimate-deep that its manifest names"
        )
    module, name = COMBINERS[content["kind"]].split(":")
    try:
        return getattr(importlib.import_module(module), name).from_json(content, folder)
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise EnsembleError(
            f"{path} holds no sound combiner ({str(error)[:200]}); train again"
        ) from (error)


def check_names(names: tuple[str, ...]) -> None:
    """Raise `EnsembleError` unless there are members, each with a name of its own."""
    if not all(isinstance(name, str) for name in names):
        raise EnsembleError("names of members are texts, got others; rename them")
    if not names or len(set(names)) != len(names) or not all(names):
        raise EnsembleError(f"members have names of their own, got {names}; rename or leave out")


def check_logits(logits: np.ndarray, members: int, horizons: int) -> np.ndarray:
    """Return logits as float64 `(members, rows, horizons)`.

    Raises:
        EnsembleError: Logits of another shape.
    """
    logits = np.asarray(logits, dtype=np.float64)
    if logits.ndim != 3 or logits.shape[0] != members or logits.shape[2] != horizons:
        raise EnsembleError(
            f"logits have shape (members, rows, horizons) = ({members}, rows, {horizons}), got "
            f"{logits.shape}; stack the members' logits in the order of their names"
        )
    return logits
