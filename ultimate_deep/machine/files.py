"""Files and folders that appear whole or not at all."""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

UNFINISHED = ".unfinished"


def unfinished_folder(folder: Path) -> Path:
    """Return where a run keeps its checkpoints until it is finished."""
    return folder.with_name(folder.name + UNFINISHED)


@contextlib.contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give a draft to write into, which becomes `folder` at the end or leaves nothing."""
    draft = unfinished_folder(folder)
    draft.mkdir(parents=True)
    try:
        yield draft
        os.replace(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write strict JSON (no NaN) under a temporary name, then move it into place."""
    draft = path.with_name(path.name + ".part")
    draft.write_text(json.dumps(values, indent=2, allow_nan=False) + "\n")
    os.replace(draft, path)
