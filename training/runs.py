"""Folders of runs: named by time, never overwritten, with a link to the newest."""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from training.config import ExperimentConfig

UNFINISHED = ".unfinished"


def new_run_folder(config: ExperimentConfig) -> Path:
    """Return the folder that a new run will become, not created yet.

    Its name is `<name>-<UTC time>`, with a number where that is taken.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    root = Path(config.artifacts)
    folder = root / f"{config.name}-{stamp}"
    number = 1
    while folder.exists() or unfinished_folder(folder).exists():
        number += 1
        folder = root / f"{config.name}-{stamp}-{number}"
    return folder


def unfinished_folder(folder: Path) -> Path:
    """Return where a run keeps its checkpoints until it is finished."""
    return folder.with_name(folder.name + UNFINISHED)


def start_run(folder: Path, config: ExperimentConfig) -> Path:
    """Create the unfinished folder of a run, with its configuration inside, and return it."""
    unfinished = unfinished_folder(folder)
    unfinished.mkdir(parents=True)
    write_json(unfinished / "config.json", config.to_dict())
    return unfinished


def newest_unfinished(artifacts: Path, name: str) -> Path:
    """Return the final folder of the newest unfinished run of that name.

    Raises:
        FileNotFoundError: No such run.
    """
    found = [
        path for path in artifacts.glob(f"{name}-*{UNFINISHED}") if (path / "config.json").is_file()
    ]
    if not found:
        raise FileNotFoundError(
            f"nothing to resume: no unfinished run {name}-*{UNFINISHED} in {artifacts}; "
            "start without --resume"
        )
    newest = max(found, key=lambda path: path.stat().st_mtime_ns)
    return newest.with_name(newest.name.removesuffix(UNFINISHED))


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


def point_latest(folder: Path) -> None:
    """Make `latest` beside the run point at it."""
    link = folder.parent / "latest"
    draft = folder.parent / f".latest-{os.getpid()}"
    draft.symlink_to(folder.name, target_is_directory=True)
    os.replace(draft, link)


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write strict JSON (no NaN) under a temporary name, then move it into place."""
    draft = path.with_name(path.name + ".part")
    draft.write_text(json.dumps(values, indent=2, allow_nan=False) + "\n")
    os.replace(draft, path)
