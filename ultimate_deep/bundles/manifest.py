"""The list of what a bundle holds: schema, versions and the SHA-256 and size of every file."""

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ultimate_deep.bundles.kinds import PREDICTORS, kind_remedy
from ultimate_deep.bundles.versions import git_revision, library_version, library_versions
from ultimate_deep.machine.files import write_text
from ultimate_deep.machine.plain_json import JsonError, read_json
from ultimate_deep.machine.plugins import (
    missing_plugins,
    plugin_files,
    plugin_records,
    shown_plugin,
)

SCHEMA = "ultimate-deep-bundle"
SCHEMA_VERSION = 1
MANIFEST_NAME = "manifest.json"

_READ_BYTES = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_OWN_HASH = "manifest_sha256"
_NO_HASH = "0" * 64
# What a manifest must say, and what those of today say beside it.
_FIELDS: dict[str, type | tuple[type, ...]] = {
    "files": dict,
    "feature_names": list,
    "horizons": int,
    "data_fingerprint": (str, dict),
}
_FURTHER_FIELDS: dict[str, type | tuple[type, ...]] = {
    "schema": str,
    "schema_version": int,
    "kind": str,
    "created": str,
    "libraries": dict,
    "git_revision": dict,
    "plugins": dict,
    "plugin_files": dict,
    _OWN_HASH: str,
}
MOST_FILES = 100_000
MOST_FOLDERS = 16  # inside of each other


class BundleError(ValueError):
    """A bundle cannot be written, or what lies on disk is not the bundle that was written."""


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
        _OWN_HASH: _NO_HASH,
    }
    text = json.dumps(manifest, indent=2, allow_nan=False) + "\n"
    write_text(folder / MANIFEST_NAME, _with_own_hash(text))


def _with_own_hash(text: str) -> str:
    """Return a manifest's text with the SHA-256 of all of it, where zeros stand in its place."""
    before, after = text.rsplit(_NO_HASH, 1)
    return before + hashlib.sha256(text.encode()).hexdigest() + after


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
    changed = [name for name in sorted(records) if _differs(folder / name, records[name])]
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
        manifest = read_json(path)
    except JsonError as error:
        raise BundleError(
            f"{path} cannot be read: {error}; copy the folder again from its origin"
        ) from error
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        raise BundleError(f"{path} is not a manifest of schema {SCHEMA!r}; give a bundle's folder")
    version = manifest.get("schema_version")
    if version != SCHEMA_VERSION or isinstance(version, bool):
        raise BundleError(
            f"{path} has schema version {_short(version)} and this program reads {SCHEMA_VERSION}; "
            f"{writer_remedy(manifest, 'copy the folder again from its origin')}"
        )
    _check_own_hash(path, manifest)
    _check_fields(path, manifest)
    _check_plugins(path, manifest.setdefault("plugins", {}), manifest.get("plugin_files", {}))
    if manifest.setdefault("kind", "keras") not in PREDICTORS:  # older bundles are all nets
        raise BundleError(
            f"{path} is of kind {_short(manifest['kind'])} and this program reads "
            f"{', '.join(PREDICTORS)}; "
            f"{writer_remedy(manifest, kind_remedy(manifest['kind']))}"
        )
    return manifest


def _check_own_hash(path: Path, manifest: dict[str, Any]) -> None:
    """Refuse a manifest that was changed; those written before had no hash of themselves."""
    said = manifest.get(_OWN_HASH)
    if said is None:
        return
    proper = isinstance(said, str) and _SHA256.fullmatch(said)
    before, _, after = path.read_bytes().rpartition(said.encode() if proper else b"\0")
    digest = hashlib.sha256(before + _NO_HASH.encode() + after).hexdigest()
    if said != digest:
        raise BundleError(
            f"{path} was changed since the bundle was written: its own SHA-256 is {digest}, and "
            f"it says {_short(said)}; copy the folder again from its origin"
        )


def _check_fields(path: Path, manifest: dict[str, Any]) -> None:
    fields = _FIELDS | _FURTHER_FIELDS
    wrong = [name for name, kind in _FIELDS.items() if not isinstance(manifest.get(name), kind)]
    for name, value in manifest.items():
        if not isinstance(value, fields.get(name, ())) or isinstance(value, bool):
            wrong.append(name)
    names, horizons = manifest.get("feature_names"), manifest.get("horizons")
    if not wrong and not all(isinstance(name, str) for name in names or ()):
        wrong.append("feature_names")
    if not wrong and (horizons is None or horizons < 1):
        wrong.append("horizons")
    for name in ("plugins", "plugin_files"):
        kind = str if name == "plugins" else dict
        if not wrong and not all(isinstance(one, kind) for one in manifest.get(name, {}).values()):
            wrong.append(name)
    if wrong:
        raise BundleError(
            f"{path} has no proper field {_short(wrong[0])}; copy the folder again from its origin"
        )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


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
            f"the manifest lists {_short(name)}, which is no plain path inside the bundle; "
            "do not use a bundle from a source you do not trust"
        )
    proper = (
        isinstance(record, dict)
        and record.keys() == {"sha256", "size_bytes"}
        and isinstance(record["sha256"], str)
        and _SHA256.fullmatch(record["sha256"])
        and type(record["size_bytes"]) is int
        and record["size_bytes"] >= 0
    )
    if not proper:
        raise BundleError(
            f"the manifest's entry of {_short(name)} has no proper sha256 and size_bytes; "
            "copy the folder again from its origin"
        )


def _walk(folder: Path) -> Iterator[str]:
    """Yield relative POSIX paths of regular files; refuse links, special files and great depth."""
    waiting, files = [""], 0
    while waiting:
        prefix = waiting.pop()
        if prefix.count("/") > MOST_FOLDERS:
            raise BundleError(
                f"{folder} has more than {MOST_FOLDERS} folders inside of each other, which no "
                "bundle has; do not use a bundle from a source you do not trust"
            )
        for name, mode in _entries(folder, prefix):
            if stat.S_ISDIR(mode):
                waiting.append(f"{name}/")
                continue
            if not stat.S_ISREG(mode):
                raise BundleError(
                    f"{_short(name)[1:-1]} is a symbolic link or a special file; a bundle holds "
                    "plain files only: replace it by a copy of what it points at"
                )
            files += 1
            if files > MOST_FILES:
                raise BundleError(
                    f"{folder} has more than {MOST_FILES:,} files, which no bundle has; do not "
                    "use a bundle from a source you do not trust"
                )
            yield name


def _entries(folder: Path, prefix: str) -> list[tuple[str, int]]:
    """Return paths relative to the bundle and modes of what lies in one of its folders."""
    try:
        with os.scandir(folder / prefix) as entries:
            return [
                (prefix + entry.name, entry.stat(follow_symlinks=False).st_mode)
                for entry in entries
            ]
    except OSError as error:
        raise BundleError(
            f"{folder / prefix} cannot be read: {error.strerror}; give yourself the right to "
            "read it, or copy the folder again"
        ) from error


def _differs(path: Path, record: Mapping[str, Any]) -> bool:
    """Whether a file is another than was recorded; one of another size is not read."""
    try:
        return path.stat().st_size != record["size_bytes"] or _record(path) != record
    except OSError as error:
        raise BundleError(
            f"{path} cannot be read: {error.strerror}; give yourself the right to read it, or "
            "copy the folder again"
        ) from error


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
    return ", ".join(_short(name)[1:-1] for name in names[:limit]) + rest
