"""Written pictures, opened again: checked against what their metadata say, read when asked for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ultimate_deep.machine.files import ForeignFileError, read_json
from ultimate_deep.machine.stored_rows import StoredRows
from ultimate_deep.pipeline.gaf_plan import (
    DIGEST,
    METADATA,
    NORMALISATION,
    PARTS,
    ROW_TYPE,
    SCHEMA,
    digest_of,
    digest_of_rows,
)

_REMEDY = "write it again with `ultimate-deep gaf`"
# What folders that are trained together share; what else differs between lengths of bars is theirs.
_SHARED = (
    "picture", "storage", "size", "window_bars", "normalisation", "label", "train_fraction",
    "symbols",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class GafFolder:
    """Pictures of one length of bars.

    Args:
        path: Folder that `ultimate-deep gaf` has written.
        metadata: What is said of them.
        pictures: Pictures of each part, or the numbers that they are drawn of.
        labels: Labels of each part, float32 `(rows, 1)`.
        rows: What is known of each row, of type `gaf_plan.ROW_TYPE`.
    """

    path: Path
    metadata: dict[str, Any]
    pictures: dict[str, StoredRows]
    labels: dict[str, np.ndarray]
    rows: dict[str, np.ndarray]

    @property
    def label_names(self) -> tuple[str, ...]:
        """What each value of a label means."""
        return tuple(self.metadata["labels"])

    @property
    def holds_numbers(self) -> bool:
        """Whether rows are the numbers of pictures, which a net draws."""
        return bool(self.metadata["storage"] == "numbers")


def read_gaf_folder(path: str | Path) -> GafFolder:
    """Open a folder of pictures.

    Raises:
        ValueError: No such folder, an unfinished one, one of another version, metadata that were
            changed, or files that do not fit them: shape, content, labels, or a training label that
            was not yet known when the validation part began. Of more than 1,024 pictures of a part
            the content of the first and last 512 is compared.
    """
    folder = Path(path)
    if not (folder / METADATA).is_file():
        left = folder.with_name(f"{folder.name}.unfinished").exists()
        remedy = "finish it with `ultimate-deep gaf --resume`" if left else _REMEDY
        raise ValueError(f"{folder} holds no finished pictures, it has no {METADATA}; {remedy}")
    try:
        told = read_json(folder / METADATA)
    except ForeignFileError as error:
        raise ValueError(f"{folder / METADATA} cannot be read ({error}); {_REMEDY}") from error
    if not isinstance(told, dict) or told.get("schema") != SCHEMA:
        other = told.get("schema") if isinstance(told, dict) else type(told).__name__
        raise ValueError(f"{folder} must be of schema {SCHEMA}, got {other!r}; {_REMEDY}")
    if told.get(DIGEST) != digest_of(told):
        raise ValueError(f"{folder / METADATA} was changed after it was written; {_REMEDY}")
    if told.get("normalisation") != NORMALISATION.get(str(told.get("picture"))):
        raise ValueError(
            f"{folder} has pictures {told.get('picture')!r} of another normalisation, "
            f"{told.get('normalisation')!r}; {_REMEDY}"
        )
    name = "numbers" if told["storage"] == "numbers" else "images"
    digest = json.dumps(told, sort_keys=True)
    pictures, labels, rows = {}, {}, {}
    for part in PARTS:
        stored = StoredRows(
            folder / f"{part}_{name}.npy", told["level_0"], told["level_step"], digest
        )
        labels[part] = _array(folder / f"{part}_labels.npy", np.dtype(np.float32))
        rows[part] = _array(folder / f"{part}_rows.npy", ROW_TYPE)
        if list(stored.shape) != told["parts"][part]["shape"]:
            raise ValueError(
                f"{stored.path} must have the shape {told['parts'][part]['shape']} of its "
                f"metadata, got {list(stored.shape)}; {_REMEDY}"
            )
        for path, values in (
            (stored.path, np.load(stored.path, mmap_mode="r")),
            (folder / f"{part}_labels.npy", labels[part]),
            (folder / f"{part}_rows.npy", rows[part]),
        ):
            if digest_of_rows(values) != told["files"][path.name]:
                raise ValueError(f"{path} was changed after it was written; {_REMEDY}")
        counted = len(labels[part]) == len(rows[part]) == len(stored)
        if not counted or not np.isin(labels[part], np.arange(len(told["labels"]))).all():
            raise ValueError(
                f"{folder} must have one label of {', '.join(told['labels'])} for each of "
                f"{len(stored):,} {part} pictures, got {len(labels[part]):,} labels; {_REMEDY}"
            )
        pictures[part] = stored
    known = rows["train"]["label_end_time"].max()
    begins = rows["val"]["decision_time"].min()
    if known >= begins:
        raise ValueError(
            f"{folder} is not purged: a training label is known at {_time(known)}, and validation "
            f"begins at {_time(begins)}; {_REMEDY}"
        )
    return GafFolder(folder, told, pictures, labels, rows)


def check_together(folders: list[GafFolder]) -> None:
    """Refuse folders that are not of one kind, so that their nets cannot be compared.

    Raises:
        ValueError: Naming what differs, and where.
    """
    first = folders[0]
    for one in folders[1:]:
        for key in _SHARED:
            if one.metadata[key] != first.metadata[key]:
                raise ValueError(
                    f"pictures that are trained together share their {key}: {first.path} has "
                    f"{first.metadata[key]}, {one.path} {one.metadata[key]}; write them with one "
                    "call of `ultimate-deep gaf --windows`, or train them apart"
                )


def _time(nanoseconds: int) -> np.datetime64:
    return np.datetime64(int(nanoseconds), "ns")


def _array(path: Path, dtype: np.dtype[Any]) -> np.ndarray:
    try:
        found: np.ndarray = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{path} is no file of rows ({error}); {_REMEDY}") from error
    if found.dtype != dtype:
        raise ValueError(f"{path} must hold {dtype}, got {found.dtype}; {_REMEDY}")
    return found
