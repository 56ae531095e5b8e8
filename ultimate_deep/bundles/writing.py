"""Writing a finished model as one folder: whole or not at all."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from ultimate_deep.bundles import files
from ultimate_deep.bundles.contents import BundleContents
from ultimate_deep.bundles.files import FILE_PREFIX
from ultimate_deep.bundles.manifest import BundleError, write_manifest
from ultimate_deep.evaluation.json_safe import json_safe
from ultimate_deep.machine.files import linked_or_copied, whole_folder, write_json


class BundleDraft:
    """A bundle being written, in a temporary folder that nobody else knows.

    Args:
        path: The folder; callers may put further files there, which the manifest will list.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.contents: BundleContents | None = None

    def save(self, contents: BundleContents, *, model_files: Path | None = None) -> None:
        """Write every file of the bundle but the manifest.

        Args:
            contents: What is in the bundle.
            model_files: Folder on the same file system into which the predictor's files have been
                written, temperatures included; None writes them now.

        Raises:
            BundleError: A draft that was saved before.
        """
        if self.contents is not None:
            raise BundleError("a draft is saved once; open another bundle_writer")
        temperature = contents.temperatures
        if model_files is None:
            contents.predictor.save(self.path, temperature=temperature)
        else:
            shutil.copytree(
                model_files, self.path, copy_function=linked_or_copied, dirs_exist_ok=True
            )
        files.write_preprocessing(
            self.path,
            contents.scaler,
            temperature,
            contents.threshold,
            contents.scalers,
            contents.limits,
        )
        files.write_features(
            self.path / files.FEATURES_FILE, contents.feature_names, contents.families
        )
        contents.architecture.to_csv(self.path / files.ARCHITECTURE_FILE, index=False)
        pd.DataFrame(contents.history).to_csv(self.path / files.HISTORY_FILE, index=False)
        write_json(self.path / files.CONFIG_FILE, json_safe(contents.config))
        write_json(self.path / files.METRICS_FILE, json_safe(contents.metrics))
        model = contents.config.get("model", {}).get("name", "")
        for path in self.path.glob(f"{FILE_PREFIX}*") if model else ():
            path.rename(path.with_name(files.file_of_model(path.name, model)))
        self.contents = contents


@contextlib.contextmanager
def bundle_writer(folder: str | Path, *, workspace: Path | None = None) -> Iterator[BundleDraft]:
    """Write a bundle that appears at `folder` complete or not at all.

    The draft's folder is hashed, given its manifest and renamed when the block ends, and removed
    when it raises.

    Args:
        folder: Where the bundle appears; must not exist.
        workspace: Folder on the same file system that holds the draft meanwhile; by default the
            parent of `folder`, where the draft is a hidden folder ending in `.draft`.

    Yields:
        The draft, whose `save` must be called.

    Raises:
        BundleError: `folder` exists, or nothing was saved.
    """
    folder = Path(folder)
    _refuse_existing(folder)
    parent = workspace or folder.parent
    with whole_folder(folder, parent / f".{folder.name}-{secrets.token_hex(4)}.draft") as path:
        draft = BundleDraft(path)
        yield draft
        if draft.contents is None:
            raise BundleError("nothing was saved into the draft; call draft.save(contents)")
        write_manifest(
            draft.path,
            feature_names=tuple(draft.contents.feature_names),
            horizons=draft.contents.horizons,
            data_fingerprint=draft.contents.data_fingerprint,
            kind=draft.contents.predictor.kind,
        )
        _refuse_existing(folder)


def save_bundle(folder: str | Path, contents: BundleContents) -> None:
    """Write a bundle without further files; see `bundle_writer`."""
    with bundle_writer(folder) as draft:
        draft.save(contents)


def _refuse_existing(folder: Path) -> None:
    if os.path.lexists(folder):
        raise BundleError(f"{folder} exists and is never overwritten; give another name")
