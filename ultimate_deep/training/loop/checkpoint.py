"""Full-state checkpoints: one hashed file each, written atomically, the last two kept.

Layout of a file: magic, length of the JSON header, the header, BLAKE2b so far, the arrays' bytes
one after another, BLAKE2b of everything. Nothing is parsed before its hash is checked, and nothing
is ever unpickled.
"""

import hashlib
import json
import math
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np

from ultimate_deep.machine.files import flush_to_disk, remove_drafts, whole_file

MAGIC = b"UDCKPT01"
SUFFIX = ".ckpt"
KEPT = 2
DIGEST_BYTES = 32


class CheckpointError(ValueError):
    """A checkpoint that is damaged, or that belongs to another run."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Everything that a run needs to go on as if it had never stopped.

    Args:
        fingerprint: What the run is: configuration, data, model and versions, as flat JSON.
        state: Position, history and watches, as JSON.
        arrays: Every variable by name; Keras variables are copied out one by one as they are
            written, so that writing needs little memory.
    """

    fingerprint: dict[str, Any]
    state: dict[str, Any]
    arrays: Mapping[str, Any]


def write_checkpoint(folder: Path, checkpoint: Checkpoint, *, step: int) -> Path:
    """Write `checkpoint_<step>.ckpt` so that no crash can leave half a file under that name.

    Args:
        folder: Where checkpoints of one run live; created where absent.
        checkpoint: What to write.
        step: Optimizer steps taken; a later write has the same or a larger one.

    Returns:
        The path of the file. Older files beyond the newest two are deleted afterwards.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"checkpoint_{step:012d}{SUFFIX}"
    with whole_file(path) as draft:
        with draft.open("wb") as file:
            _write(file, checkpoint)
            flush_to_disk(file)
        _keep_previous(path)
    remove_drafts(folder)
    for old in _files(folder)[KEPT:]:
        old.unlink()
    return path


def read_checkpoint(path: Path) -> Checkpoint:
    """Return what `write_checkpoint` wrote.

    Raises:
        CheckpointError: The file is truncated, changed, or no checkpoint.
    """
    if not path.is_file():  # a pipe would be waited for
        raise CheckpointError(f"{path.name} is no regular file; delete it")
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
        header = _read_header(file, path, size, digest)
        entries = header["arrays"]
        body = sum(entry["bytes"] for entry in entries)
        if file.tell() + body + DIGEST_BYTES != size:
            raise CheckpointError(f"{path.name} is truncated; delete it to use the one before")
        arrays = {}
        for entry in entries:
            values = np.empty(entry["shape"], _dtype(entry["dtype"]))
            raw = values.reshape(-1).view(np.uint8)
            file.readinto(raw.data)
            digest.update(raw.data)
            arrays[entry["name"]] = values
        if file.read() != digest.digest():
            raise CheckpointError(f"{path.name} does not match its hash; delete it")
    return Checkpoint(header["fingerprint"], header["state"], arrays)


def latest_checkpoint(folder: Path) -> tuple[Checkpoint | None, tuple[str, ...]]:
    """Return the newest sound checkpoint, and a sentence for each newer one that is damaged.

    Returns:
        None where the folder has no checkpoint at all.

    Raises:
        CheckpointError: There are checkpoints and all are damaged.
    """
    refused: list[str] = []
    for path in _files(folder):
        try:
            return read_checkpoint(path), tuple(refused)
        except CheckpointError as error:
            refused.append(str(error))
    if refused:
        raise CheckpointError(
            f"no sound checkpoint in {folder.name}: {'; '.join(refused)}; start a new run"
        )
    return None, ()


def has_checkpoint(folder: Path) -> bool:
    """Return whether the folder holds a checkpoint, sound or not."""
    return bool(_files(folder))


def check_fingerprint(stored: Mapping[str, Any], current: Mapping[str, Any]) -> None:
    """Refuse to resume another run.

    Raises:
        CheckpointError: Naming every entry that differs, with both values.
    """
    names = sorted(set(stored) | set(current))
    absent = "absent"
    changed = [
        f"{name} was {stored.get(name, absent)!r}, is now {current.get(name, absent)!r}"
        for name in names
        if stored.get(name, absent) != current.get(name, absent)
    ]
    if changed:
        raise CheckpointError(
            f"the checkpoint belongs to another run: {'; '.join(changed)}; "
            "resume with what it was started with, or start a new run"
        )


def to_numpy(values: Any) -> np.ndarray:
    """Return an array as it is, or a copy of a Keras variable's value."""
    if isinstance(values, np.ndarray):
        return values
    value = values.value
    # A copy: JAX gives a view of memory that the next step overwrites.
    return np.asarray(value.numpy()) if hasattr(value, "numpy") else np.array(value)


def _files(folder: Path) -> list[Path]:
    """Return checkpoints, newest first."""
    return sorted(folder.glob(f"checkpoint_*{SUFFIX}"), reverse=True)


def _keep_previous(path: Path) -> None:
    """Keep the file of the same step as an older one, rather than replace the only sound one."""
    if path.exists():
        # A whole file gets another name; nothing is written here.
        os.replace(path, path.with_name(path.name.replace(SUFFIX, f"-before{SUFFIX}")))


def _write(file: BinaryIO, checkpoint: Checkpoint) -> None:
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    entries = [
        {
            "name": name,
            "dtype": str(values.dtype),
            "shape": list(values.shape),
            "bytes": math.prod(values.shape) * _dtype(str(values.dtype)).itemsize,
        }
        for name, values in checkpoint.arrays.items()
    ]
    header = json.dumps(
        {"fingerprint": checkpoint.fingerprint, "state": checkpoint.state, "arrays": entries}
    ).encode()
    for part in (MAGIC, struct.pack("<Q", len(header)), header):
        digest.update(part)
        file.write(part)
    file.write(digest.digest())
    for values in checkpoint.arrays.values():
        raw = np.ascontiguousarray(to_numpy(values)).reshape(-1).view(np.uint8)
        digest.update(raw.data)
        file.write(raw.data)
    file.write(digest.digest())


def _read_header(file: BinaryIO, path: Path, size: int, digest: Any) -> dict[str, Any]:
    start = file.read(len(MAGIC) + 8)
    if len(start) < len(MAGIC) + 8 or not start.startswith(MAGIC):
        raise CheckpointError(f"{path.name} is truncated or no checkpoint; delete it")
    (length,) = struct.unpack("<Q", start[len(MAGIC) :])
    text = file.read(min(length, size))
    digest.update(start)
    digest.update(text)
    if file.read(DIGEST_BYTES) != digest.digest():
        raise CheckpointError(f"{path.name} is truncated or changed; delete it")
    header: dict[str, Any] = json.loads(text)
    return header


def _dtype(name: str) -> np.dtype:
    return np.dtype(getattr(ml_dtypes, name)) if name == "bfloat16" else np.dtype(name)
