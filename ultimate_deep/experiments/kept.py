"""What a run has found after its training, kept so that going on does not find it again."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ultimate_deep.training.loop.checkpoint import (
    Checkpoint,
    CheckpointError,
    latest_checkpoint,
    write_checkpoint,
)
from ultimate_deep.training.progress import Progress

Found = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class KeptArrays:
    """Arrays by the name of what found them, each in a folder of its own.

    Args:
        folder: Where they are kept, removed by its owner at the end; None keeps nothing.
        progress: Told what is not found again, and what was damaged.
    """

    folder: Path | None
    progress: Progress

    def found(self, name: str, origin: Mapping[str, Any], find: Callable[[], Found]) -> Found:
        """Return what was kept under a name, or find and keep it.

        Args:
            name: Letters and spaces.
            origin: What the answer depends on, as flat JSON; another one is found anew.
            find: Takes its time.
        """
        if self.folder is None:
            return find()
        place = self.folder / name.replace(" ", "_")
        try:
            before, _ = latest_checkpoint(place)
        except CheckpointError as damaged:
            self.progress.message(f"{name} is found anew: {damaged}")
            before = None
        if before is not None and before.fingerprint == origin:
            self.progress.message(f"{name}: kept from before")
            return dict(before.arrays)
        found = find()
        write_checkpoint(place, Checkpoint(dict(origin), {}, found), step=0)
        return found


def digest_of(*arrays: np.ndarray) -> str:
    """Return a hash of arrays with their shapes and types."""
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
