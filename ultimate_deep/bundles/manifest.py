"""The list of what a bundle holds: schema, versions and the SHA-256 and size of every file."""

import hashlib
import importlib.metadata
import json
import os
import platform
import re
import stat
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ultimate_deep.bundles.kinds import PREDICTORS, kind_remedy
from ultimate_deep.machine.files import write_json
from ultimate_deep.machine.plugins import (
    missing_plugins,
    plugin_files,
    plugin_records,
    shown_plugin,
)

SCHEMA = "ultimate-deep-bundle"
SCHEMA_VERSION = 1
MANIFEST_NAME = "manifest.json"

_LIBRARIES = (
    "ultimate-deep",
    "keras",
    "tensorflow",
    "numpy",
    "scipy",
    "pandas",
    "scikit-learn",
    "joblib",
    "h5py",
    "numba",
)
_READ_BYTES = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FIELDS: dict[str, type | tuple[type, ...]] = {
    "files": dict,
    "feature_names": list,
    "horizons": int,
    "data_fingerprint": (str, dict),
}


class BundleError(ValueError):
    """A bundle cannot be written, or what lies on disk is not the bundle that was written."""


def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries a bundle depends on."""
    import keras  # reading a manifest needs none

    versions = {"python": platform.python_version(), "keras_backend": keras.backend.backend()}
    return versions | {library: library_version(library) for library in _LIBRARIES}


def library_version(library: str) -> str:
    """Return the version of an installed library, and that it is not installed otherwise."""
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def git_revision(folder: Path | None = None) -> dict[str, str | bool]:
    """Return `{"commit", "modified"}` of the repository whose root is `folder`.

    Args:
        folder: Root of the code; by default the folder that holds this package.

    Returns:
        `commit` is "unknown" and `modified` false where the folder is not the root of a git
        checkout or git is absent. `modified` says whether tracked files differ from the commit.
    """
    root = (folder or Path(__file__).resolve().parents[2]).resolve()
    unknown: dict[str, str | bool] = {"commit": "unknown", "modified": False}
    try:
        # An installed package may lie inside somebody else's checkout: its commit is not ours.
        if Path(_git(root, "rev-parse", "--show-toplevel")).resolve() != root:
            return unknown
        commit = _git(root, "rev-parse", "HEAD")
        changes = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return unknown
    return {"commit": commit, "modified": bool(changes)}


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    )
    return done.stdout.strip()


def file_records(folder: Path) -> dict[str, dict[str, Any]]:
    """Return `{path: {"sha256", "size_bytes"}}` of every file under `folder` but the manifest.

    Args:
        folder: Folder of the bundle.

    Returns:
        Keys are POSIX paths relative to `folder`, sorted.

    Raises:
        BundleError: A symbolic link or something that is neither a file nor a folder.
    """
    names = (name for name in _walk(folder) if name != MANIFEST_NAME)
    return {name: _record(folder / name) for name in sorted(names)}


def write_manifest(
    folder: Path,
    *,
    feature_names: tuple[str, ...],
    horizons: int,
    data_fingerprint: str | dict[str, str],
    kind: str = "keras",
) -> None:
    """Write `manifest.json` over all files that `folder` holds now.

    Args:
        folder: The finished content of a bundle.
        feature_names: Model inputs in order.
        horizons: Logits per row.
        data_fingerprint: What identifies the bars the model was trained on.
        kind: What the model is: a key of `bundles.kinds.PREDICTORS`.

    Raises:
        BundleError: A kind that cannot be loaded, or the folder holds a link or a special file.
    """
    if kind not in PREDICTORS:
        raise BundleError(
            f"a bundle's kind is one of {', '.join(PREDICTORS)}, got {kind!r}, which could not be "
            f"loaded again; {kind_remedy(kind)}"
        )
    manifest = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "kind": kind,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "libraries": library_versions(),
        "git_revision": git_revision(),
        "data_fingerprint": data_fingerprint,
        "feature_names": list(feature_names),
        "horizons": horizons,
        "plugins": plugin_records(),
        "plugin_files": plugin_files(),
        "files": file_records(folder),
    }
    write_json(folder / MANIFEST_NAME, manifest)


def verified_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest after every file of the folder has been checked against it.

    Nothing but the manifest itself is parsed; the other files are only hashed.

    Args:
        folder: Folder of the bundle.

    Raises:
        BundleError: No manifest, an unknown schema or version, a path that leaves the folder,
            a link, or a missing, extra or changed file, each by name and with the remedy.
    """
    manifest = _read_manifest(folder)
    records = manifest["files"]
    for name, record in records.items():
        _check_record(name, record)
    found = {name for name in _walk(folder) if name != MANIFEST_NAME}
    if missing := sorted(records.keys() - found):
        raise BundleError(
            f"{folder}: files missing that the manifest lists: {_listed(missing)}; "
            "copy the whole folder again"
        )
    if extra := sorted(found - records.keys()):
        raise BundleError(
            f"{folder}: files that the manifest does not list: {_listed(extra)}; "
            "move them out of the bundle"
        )
    changed = [name for name in sorted(records) if _record(folder / name) != records[name]]
    if changed:
        raise BundleError(
            f"{folder}: files changed since the bundle was written (size or SHA-256 differs): "
            f"{_listed(changed)}; copy the folder again from its origin, or train again"
        )
    return manifest


def check_manifest(folder: Path) -> None:
    """Refuse what cannot be loaded for what its manifest says, before anything heavy is loaded.

    Raises:
        BundleError: No bundle, one of another version, or one whose plugins are not loaded.
    """
    _read_manifest(folder)


def _check_plugins(path: Path, needed: dict[str, str], files: dict[str, dict[str, str]]) -> None:
    if wrong := missing_plugins(needed, files):
        names = " ".join(f"--plugin {shown_plugin(name, files.get(name))}" for name in needed)
        raise BundleError(
            f"{path.parent} needs the plugin {' and '.join(wrong)}; load the same file: {names} on "
            "the command line, or ultimate_deep.plugins.load('<file>.py') in Python"
        )


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST_NAME
    if not folder.is_dir():
        raise BundleError(f"{folder} is not a folder; give the run's folder in artifacts/")
    if path.is_symlink() or not path.is_file():
        raise BundleError(
            f"{folder} holds no {MANIFEST_NAME}, so it is not a finished bundle; give the folder "
            "of a run that ended, or resume the run"
        )
    try:
        manifest = json.loads(path.read_bytes())
    except ValueError as error:  # undecodable bytes and bad JSON alike
        raise BundleError(
            f"{path} is not JSON ({error}); copy the folder again from its origin"
        ) from error
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        raise BundleError(f"{path} is not a manifest of schema {SCHEMA!r}; give a bundle's folder")
    version = manifest.get("schema_version")
    if version != SCHEMA_VERSION or isinstance(version, bool):
        raise BundleError(
            f"{path} has schema version {version!r} and this program reads {SCHEMA_VERSION}; "
            f"{writer_remedy(manifest, 'copy the folder again from its origin')}"
        )
    for field, kind in _FIELDS.items():
        if not isinstance(manifest.get(field), kind):
            raise BundleError(
                f"{path} has no proper field {field!r}; copy the folder again from its origin"
            )
    _check_plugins(path, manifest.setdefault("plugins", {}), manifest.get("plugin_files", {}))
    if manifest.setdefault("kind", "keras") not in PREDICTORS:  # older bundles are all nets
        raise BundleError(
            f"{path} is of kind {manifest['kind']!r} and this program reads "
            f"{', '.join(PREDICTORS)}; "
            f"{writer_remedy(manifest, kind_remedy(manifest['kind']))}"
        )
    return manifest


def writer_remedy(manifest: Mapping[str, Any], otherwise: str) -> str:
    """Return what to do with a bundle that needs more than this program has.

    Args:
        manifest: Says which version wrote the bundle.
        otherwise: What helps where the installed version wrote it, which a change of version
            cannot do.
    """
    libraries = manifest.get("libraries")
    wrote = libraries.get("ultimate-deep") if isinstance(libraries, dict) else None
    if wrote == library_version("ultimate-deep"):
        return f"the installed version of ultimate-deep, {wrote}, wrote it: {otherwise}"
    return f"install the version of ultimate-deep that wrote it, {wrote or 'which it does not say'}"


def _check_record(name: str, record: Any) -> None:
    parts = name.split("/")
    unsafe = "\\" in name or ":" in name or "\0" in name
    if unsafe or name == MANIFEST_NAME or any(part in ("", ".", "..") for part in parts):
        raise BundleError(
            f"the manifest lists {name!r}, which is no plain path inside the bundle; "
            "do not use a bundle from a source you do not trust"
        )
    proper = (
        isinstance(record, dict)
        and record.keys() == {"sha256", "size_bytes"}
        and isinstance(record["sha256"], str)
        and _SHA256.fullmatch(record["sha256"])
        and type(record["size_bytes"]) is int
    )
    if not proper:
        raise BundleError(
            f"the manifest's entry of {name!r} has no proper sha256 and size_bytes; "
            "copy the folder again from its origin"
        )


def _walk(folder: Path, prefix: str = "") -> Iterator[str]:
    """Yield relative POSIX paths of regular files; refuse links and special files."""
    with os.scandir(folder) as entries:
        for entry in entries:
            name = prefix + entry.name
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                yield from _walk(folder / entry.name, name + "/")
            elif stat.S_ISREG(mode):
                yield name
            else:
                raise BundleError(
                    f"{name} is a symbolic link or a special file; a bundle holds plain files "
                    "only: replace it by a copy of what it points at"
                )


def _record(path: Path) -> dict[str, Any]:
    digest = hashlib.sha256()
    size_bytes = 0
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
            size_bytes += len(block)
    return {"sha256": digest.hexdigest(), "size_bytes": size_bytes}


def _listed(names: list[str], limit: int = 8) -> str:
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest
