"""What a run has found after its training, kept so that going on does not find it again."""

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ultimate_deep.bundles.manifest import BundleError, file_records
from ultimate_deep.bundles.versions import library_version
from ultimate_deep.machine.records import Record, packed, unpacked
from ultimate_deep.training.loop.checkpoint import (
    Checkpoint,
    CheckpointError,
    latest_checkpoint,
    write_checkpoint,
)
from ultimate_deep.training.progress import Progress

JUDGED = "judged"  # folder in an unfinished run
Found = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Kept:
    """Answers by the name of what found them, each in a folder of its own.

    Args:
        folder: Where they are kept, removed by its owner at the end; None keeps nothing.
        progress: Told what is not found again, and what was damaged.
    """

    folder: Path | None
    progress: Progress

    def found(self, name: str, origin: Mapping[str, Any], find: Callable[[], Found]) -> Found:
        """Return the arrays that were kept under a name, or find and keep them.

        Args:
            name: Letters and spaces.
            origin: What the answer depends on, as flat JSON; another one is found anew.
            find: Takes its time.
        """
        before = self._before(name, origin)
        if before is not None:
            return dict(before.arrays)
        found = find()
        self._keep(name, Checkpoint(dict(origin), {}, found))
        return found

    def record(
        self,
        name: str,
        kind: type[Record],
        origin: Mapping[str, Any],
        find: Callable[[], Record],
    ) -> Record:
        """Return the dataclass that was kept under a name, or find and keep it; see `found`."""
        before = self._before(name, origin)
        if before is not None:
            return unpacked(kind, before.state, dict(before.arrays))
        found = find()
        if self.folder is not None:
            arrays: Found = {}
            self._keep(name, Checkpoint(dict(origin), packed(found, arrays), arrays))
        return found

    def folder_of(
        self, name: str, origin: Mapping[str, Any], write: Callable[[Path], None]
    ) -> Path | None:
        """Return a folder of files that was kept under a name, or write and keep it.

        Args:
            name: Letters and spaces.
            origin: What the files depend on, as flat JSON; others are written anew.
            write: Given an empty folder to write into.

        Returns:
            The folder, whose files are as they were written; None where nothing is kept, or where
            the folder cannot be written.
        """
        if self.folder is None:
            return None
        place = self._place(self.folder, name)
        files, marks = place / "files", place / "marks"
        try:
            before = latest_checkpoint(marks)[0]
            if before is not None and before.fingerprint == dict(origin):
                if file_records(files) == before.state:
                    self.progress.message(f"{name}: kept from before")
                    return files
                raise CheckpointError(f"{files} has changed")
        except (CheckpointError, BundleError, OSError):
            self.progress.message(f"{name} are written anew: what was kept of them is damaged")
        try:
            shutil.rmtree(place, ignore_errors=True)
            files.mkdir(parents=True)
        except OSError as error:
            self.progress.message(f"{name} are not kept: {place} cannot be written ({error})")
            return None
        write(files)
        write_checkpoint(marks, Checkpoint(dict(origin), file_records(files), {}), step=0)
        return files

    def _before(self, name: str, origin: Mapping[str, Any]) -> Checkpoint | None:
        if self.folder is None:
            return None
        try:
            before, _ = latest_checkpoint(self._place(self.folder, name))
        except (CheckpointError, OSError):
            self.progress.message(f"{name} is found anew: what was kept of it is damaged")
            return None
        if before is None or before.fingerprint != origin:
            return None
        self.progress.message(f"{name}: kept from before")
        return before

    def _keep(self, name: str, found: Checkpoint) -> None:
        if self.folder is None:
            return
        place = self._place(self.folder, name)
        try:
            write_checkpoint(place, found, step=0)
        except OSError as error:  # the run needs it only where it is stopped
            self.progress.message(f"{name} is not kept: {place} cannot be written ({error})")

    @staticmethod
    def _place(folder: Path, name: str) -> Path:
        return folder / name.replace(" ", "_")


def versions_of(*, of: Sequence[str]) -> dict[str, str]:
    """Return the versions that an answer depends on beside what it is asked: ours, and libraries'.

    Args:
        of: Names of the libraries.
    """
    return {name: library_version(name) for name in ("ultimate-deep", "numpy", *of)}


def digest_of(*arrays: np.ndarray) -> str:
    """Return a hash of arrays with their shapes and types."""
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
